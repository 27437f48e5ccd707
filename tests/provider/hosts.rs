//! Which host a request reaches: proxies, exceptions, and keyless local models.

use super::{KEY, ask_once, endpoint, network};
use crate::support::loopback::{Loopback, Reply, openai_text};
use ion::config::Environment;
use ion::config::effective::{NetworkSettings, ProviderSettings};
use ion::config::origin::Located;
use ion::model::{Source, Tier};
use ion::net::retry;
use ion::provider::dialect::Dialect;
use ion::provider::http::HttpProvider;
use ion::provider::{BuildSettings, ModelInfo, Route, build};
use std::collections::BTreeMap;
use std::time::Duration;

fn place() -> Source {
    Source::new(Tier::User, "engine.json")
}

#[test]
fn a_proxy_of_the_environment_is_used_for_other_hosts() {
    let proxy = Loopback::start(vec![Reply::sse(openai_text("through"))]);
    let net = network(&[("http_proxy", &proxy.url())]);
    let endpoint = endpoint(Dialect::ChatCompletions, "http://models.test/v1", 0, &net);
    assert_eq!(ask_once(&HttpProvider::new(endpoint)).text(), "through");
    assert_eq!(proxy.requests()[0].target, "http://models.test/v1/chat/completions");
}

#[test]
fn this_machine_is_never_reached_through_a_proxy_of_the_environment() {
    let proxy = Loopback::start(vec![]);
    let server = Loopback::start(vec![Reply::sse(openai_text("direct"))]);
    let net = network(&[("http_proxy", &proxy.url()), ("ALL_PROXY", &proxy.url())]);
    let endpoint = endpoint(Dialect::ChatCompletions, &server.url(), 0, &net);
    assert_eq!(ask_once(&HttpProvider::new(endpoint)).text(), "direct");
    assert!(proxy.requests().is_empty());
}

#[test]
fn exceptions_are_names_suffixes_and_blocks_of_addresses() {
    for (exception, direct) in [
        ("127.0.0.0/8", true),
        ("10.0.0.0/8", false),
        ("127.0.0.1", true),
        ("other.test,127.0.0.1", true),
        ("*", true),
    ] {
        let proxy = Loopback::start(vec![Reply::sse(openai_text("proxy"))]);
        let server = Loopback::start(vec![Reply::sse(openai_text("direct"))]);
        let mut net = network(&[("no_proxy", exception)]);
        net.http_proxy = Some(Located::new(proxy.url(), place()));
        let endpoint = endpoint(Dialect::ChatCompletions, &server.url(), 0, &net);
        let heard = ask_once(&HttpProvider::new(endpoint)).text();
        assert_eq!(heard == "direct", direct, "{exception}");
    }
    // A name behind an exception is looked up and not found, instead of going to the proxy.
    for (exception, proxied) in [(".test", false), ("models.test", false), (".example", true)] {
        let proxy = Loopback::start(vec![Reply::sse(openai_text("proxy"))]);
        let mut net = network(&[("no_proxy", exception), ("http_proxy", &proxy.url())]);
        net.connect_timeout = Duration::from_millis(200);
        let endpoint = endpoint(Dialect::ChatCompletions, "http://models.test", 0, &net);
        ask_once(&HttpProvider::new(endpoint));
        assert_eq!(!proxy.requests().is_empty(), proxied, "{exception}");
    }
}

#[test]
fn the_password_of_a_proxy_is_sent_to_it_and_shown_in_no_error() {
    let proxy = Loopback::start(vec![Reply::status(407)]);
    let address = proxy.url().replace("http://", "http://me:hunter2@");
    let net = network(&[("http_proxy", &address)]);
    let endpoint = endpoint(Dialect::ChatCompletions, "http://models.test", 0, &net);
    let heard = ask_once(&HttpProvider::new(endpoint));
    assert!(proxy.requests()[0].header("proxy-authorization").is_some());
    let shown = format!("{:?}", heard.error.unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains(KEY), "{shown}");
}

fn ollama(base_url: &str) -> ion::provider::ProviderError {
    let own = ProviderSettings {
        base_url: Some(Located::new(base_url.to_owned(), place())),
        ..Default::default()
    };
    let heard = ask_once(&*built("ollama", own));
    heard.error.unwrap()
}

fn built(provider: &str, own: ProviderSettings) -> Box<dyn ion::provider::Provider> {
    let network = NetworkSettings {
        http_proxy: None,
        https_proxy: None,
        no_proxy: None,
        custom_ca_certs: Vec::new(),
        reject_unauthorized: Located::new(true, place()),
        deny_hosts: Vec::new(),
    };
    let providers = BTreeMap::from([(provider.to_owned(), own)]);
    let settings = BuildSettings {
        providers: &providers,
        network: &network,
        environment: &Environment::default(),
        idle: Duration::from_secs(20),
        retry: retry::Policy::default(),
    };
    let route =
        Route { provider_id: provider.into(), model: "m".into(), info: ModelInfo::default() };
    build(&route, &settings).unwrap()
}

#[test]
fn ollama_is_asked_without_a_key_and_its_absence_is_explained() {
    let server = Loopback::start(vec![Reply::sse(openai_text("local"))]);
    let own = ProviderSettings {
        base_url: Some(Located::new(server.url().replace("127.0.0.1", "localhost"), place())),
        ..Default::default()
    };
    assert_eq!(ask_once(&*built("ollama", own)).text(), "local");
    let request = &server.requests()[0];
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.json()["max_tokens"], 100);
    let error = ollama("http://127.0.0.1:1/v1");
    assert!(error.message.contains("ollama serve"), "{error}");
}

#[test]
fn a_custom_provider_uses_its_own_header_for_the_key() {
    let server = Loopback::start(vec![Reply::sse(openai_text("hi"))]);
    let own = ProviderSettings {
        api_key: Some(Located::new(ion::redact::Secret::new(KEY.to_owned()), place())),
        base_url: Some(Located::new(server.url() + "/x/v1/", place())),
        auth_header: Some(Located::new("X-Team".into(), place())),
    };
    assert_eq!(ask_once(&*built("gateway", own)).text(), "hi");
    let request = &server.requests()[0];
    assert_eq!(request.target, "/x/v1/chat/completions");
    assert_eq!(request.header("x-team"), Some(KEY));
    assert_eq!(request.header("authorization"), None);
}
