//! Tests of `provider` from outside the crate: real sockets, scripted servers.

mod cuts;
mod faults;
mod hosts;
mod wire;

use crate::support::loopback::Loopback;
use futures_util::StreamExt;
use ion::config::Environment;
use ion::config::effective::NetworkSettings;
use ion::config::origin::Located;
use ion::conversation::{Block, Message, Role};
use ion::model::{Source, Tier};
use ion::net::{BaseUrl, Credential, Egress, EgressSettings, retry, sse};
use ion::provider::dialect::Dialect;
use ion::provider::dialect::openai::LimitField;
use ion::provider::http::{Endpoint, HttpProvider};
use ion::provider::{ModelEvent, ModelRequest, Provider, ProviderError};
use ion::redact::{Redacted, Secret};
use std::time::Duration;

/// The key of every test. It must never be seen in an error.
pub const KEY: &str = "sk-loopback-0123456789";

pub const DIALECTS: [Dialect; 2] = [Dialect::Messages, Dialect::ChatCompletions];

/// Network settings that a user could have written.
pub fn network(variables: &[(&str, &str)]) -> EgressSettings {
    let place = || Source::new(Tier::User, "engine.json");
    let network = NetworkSettings {
        http_proxy: None,
        https_proxy: None,
        no_proxy: None,
        custom_ca_certs: Vec::new(),
        reject_unauthorized: Located::new(true, place()),
        deny_hosts: Vec::new(),
    };
    let environment = Environment::from_pairs(variables.iter().copied());
    EgressSettings::of(&network, &environment, Duration::from_secs(20))
}

/// An endpoint at `url` that repeats `max_retries` times without waiting.
pub fn endpoint(dialect: Dialect, url: &str, max_retries: u32, net: &EgressSettings) -> Endpoint {
    let header = if dialect == Dialect::Messages { "x-api-key" } else { "bearer" };
    let key = Credential::new(Secret::new(KEY.to_owned()), header).unwrap();
    Endpoint {
        id: "loopback".into(),
        egress: Egress::new(BaseUrl::parse(url).unwrap(), Some(key), net).unwrap(),
        dialect,
        limit_field: LimitField::MaxCompletionTokens,
        refused_hint: None,
        idle: Duration::from_secs(20),
        policy: retry::Policy {
            max_retries,
            base: Duration::ZERO,
            cap: Duration::ZERO,
            server_cap: Duration::from_millis(1),
        },
        limits: sse::Limits::default(),
    }
}

/// A provider at a scripted server.
pub fn provider(dialect: Dialect, server: &Loopback, max_retries: u32) -> HttpProvider {
    HttpProvider::new(endpoint(dialect, &server.url(), max_retries, &network(&[])))
}

/// A short question.
pub fn question() -> ModelRequest {
    let text = Redacted::literal("what is here?");
    ModelRequest {
        model: "some-model".into(),
        system: Some(Redacted::literal("be brief")),
        messages: [Message { role: Role::User, content: vec![Block::Text { text }] }].into(),
        tools: [].into(),
        max_tokens: 100,
    }
}

/// Everything an answer says, and the error that ended it, if one did.
#[derive(Debug)]
pub struct Heard {
    pub events: Vec<ModelEvent>,
    pub error: Option<ProviderError>,
}

impl Heard {
    pub fn text(&self) -> String {
        let texts = self.events.iter().filter_map(|event| match event {
            ModelEvent::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    pub fn is_ready(&self) -> bool {
        self.events.iter().any(|event| matches!(event, ModelEvent::ToolReady { .. }))
    }

    pub fn code(&self) -> &'static str {
        self.error.as_ref().map_or("none", |error| error.code)
    }
}

/// Asks once and listens to the end.
pub async fn ask(provider: &dyn Provider) -> Heard {
    let mut heard = Heard { events: Vec::new(), error: None };
    match provider.stream(question()).await {
        Err(error) => heard.error = Some(error),
        Ok(mut stream) => {
            while let Some(item) = stream.next().await {
                assert!(heard.error.is_none(), "something follows the error");
                match item {
                    Ok(event) => heard.events.push(event),
                    Err(error) => heard.error = Some(error),
                }
            }
        }
    }
    heard
}

/// Runs a test's conversation.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

/// [`ask`] in a runtime of its own.
pub fn ask_once(provider: &dyn Provider) -> Heard {
    run(ask(provider))
}
