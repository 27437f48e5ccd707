//! From a route to a provider that can be asked. Nothing is sent here.
//!
//! Every mistake that can be known beforehand is found here and not by a failed request: a
//! missing key, a bad address, a protocol that this build does not speak. Keys come from the
//! settings of exactly this provider, never from another's. Read [`super::http`] next.

use super::Provider;
use super::dialect::Dialect;
use super::dialect::openai::LimitField;
use super::http::{Endpoint, HttpProvider};
use super::identity::{self, Identity, Protocol};
use super::route::Route;
use super::scripted::{ScriptError, Scripted};
use crate::config::effective::{NetworkSettings, ProviderSettings};
use crate::config::{Effective, Environment};
use crate::net::credential::CredentialError;
use crate::net::{BaseUrl, Credential, Egress, EgressError, EgressSettings, retry, sse};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a provider is built from.
#[derive(Debug, Clone, Copy)]
pub struct BuildSettings<'a> {
    /// Settings of each provider.
    pub providers: &'a BTreeMap<String, ProviderSettings>,
    /// Proxy and certificates.
    pub network: &'a NetworkSettings,
    /// The captured environment: proxies and Foundry's address.
    pub environment: &'a Environment,
    /// Longest silence of a stream.
    pub idle: Duration,
    /// How often a request is repeated.
    pub retry: retry::Policy,
}

impl<'a> BuildSettings<'a> {
    /// The settings of a run.
    pub fn of(effective: &'a Effective, environment: &'a Environment) -> Self {
        BuildSettings {
            providers: &effective.providers,
            network: &effective.network,
            environment,
            idle: effective.timeouts.stream_idle,
            retry: retry::Policy::default(),
        }
    }
}

/// Why a provider cannot be asked. All are matters of configuration (exit code 2).
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The endpoint wants a key and there is none.
    #[error("no API key found for provider \"{provider}\"")]
    NoCredential {
        /// The provider.
        provider: String,
        /// The places that were looked at, for people.
        looked_for: Vec<String>,
    },
    /// Only configuration can say where this provider is.
    #[error("provider \"{provider}\" needs an address: set {key}")]
    NoBaseUrl {
        /// The provider.
        provider: String,
        /// The keys and variables that can say it.
        key: String,
    },
    /// The id is neither built in nor configured.
    #[error(
        "provider \"{provider}\" is not built in and has no `baseURL`: set providers.{provider}.baseURL in engine.json"
    )]
    UnknownProvider {
        /// The provider.
        provider: String,
    },
    /// This build does not speak the provider's protocol.
    #[error("provider \"{provider}\" speaks {protocol}, which this build of Ion cannot speak yet")]
    Unsupported {
        /// The provider.
        provider: String,
        /// The protocol.
        protocol: &'static str,
    },
    /// The address cannot be used.
    #[error("providers.{provider}.baseURL ({set_by}) cannot be used: {reason}")]
    BadBaseUrl {
        /// The provider.
        provider: String,
        /// The place that set it.
        set_by: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The key or its header cannot be used.
    #[error("the credential of provider \"{provider}\" cannot be used: {source}")]
    BadCredential {
        /// The provider.
        provider: String,
        /// What is wrong with it.
        source: CredentialError,
    },
    /// Proxy or certificates cannot be used.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The script cannot be played.
    #[error(transparent)]
    Script(#[from] ScriptError),
}

impl BuildError {
    /// The stable code for JSON output.
    pub fn code(&self) -> &'static str {
        match self {
            BuildError::NoCredential { .. } | BuildError::BadCredential { .. } => "auth",
            BuildError::Script(_) => "script",
            BuildError::NoBaseUrl { .. }
            | BuildError::UnknownProvider { .. }
            | BuildError::Unsupported { .. }
            | BuildError::BadBaseUrl { .. }
            | BuildError::Egress(_) => "config",
        }
    }
}

/// Builds the provider of a route.
pub fn build(route: &Route, settings: &BuildSettings<'_>) -> Result<Box<dyn Provider>, BuildError> {
    if let Some(path) = route.model.strip_prefix("scripted:").filter(|_| is_scripted(route)) {
        return Ok(Box::new(Scripted::load(path)?));
    }
    let id = &route.provider_id;
    let known = identity::of(id);
    let own = settings.providers.iter().find(|(key, _)| identity::canonical(key) == *id);
    let own = own.map(|(_, own)| own.clone()).unwrap_or_default();
    let dialect = match known.map_or(Protocol::ChatCompletions, |known| known.protocol) {
        Protocol::Messages => Dialect::Messages,
        Protocol::ChatCompletions => Dialect::ChatCompletions,
        other => {
            let protocol = other.as_str();
            return Err(BuildError::Unsupported { provider: id.clone(), protocol });
        }
    };
    let base = address(id, known, &own, settings.environment)?;
    let credential = credential(id, known, &own, &base)?;
    let network = EgressSettings::of(settings.network, settings.environment, settings.idle);
    Ok(Box::new(HttpProvider::new(Endpoint {
        id: id.clone(),
        egress: Egress::new(base, credential, &network)?,
        dialect,
        limit_field: known.map_or(LimitField::MaxTokens, |known| known.limit_field),
        refused_hint: known.and_then(|known| known.refused_hint),
        idle: settings.idle,
        policy: settings.retry,
        limits: sse::Limits::default(),
    })))
}

fn is_scripted(route: &Route) -> bool {
    route.provider_id == "scripted"
}

fn address(
    id: &str,
    known: Option<&'static Identity>,
    own: &ProviderSettings,
    environment: &Environment,
) -> Result<BaseUrl, BuildError> {
    const FOUNDRY: &str = "ANTHROPIC_FOUNDRY_BASE_URL";
    let (text, set_by) = match (&own.base_url, known) {
        (Some(set), _) if !set.value.trim().is_empty() => {
            (set.value.as_str(), set.source.to_string())
        }
        (_, Some(known)) => match (known.base_url, environment.get(FOUNDRY)) {
            (Some(base), _) => (base, "built in".to_owned()),
            (None, Some(base)) if id == "foundry" => (base, FOUNDRY.to_owned()),
            (None, _) => {
                let variable = if id == "foundry" { FOUNDRY } else { "" };
                let or = if variable.is_empty() { "" } else { " or the variable " };
                let key = format!("providers.{id}.baseURL in engine.json{or}{variable}");
                return Err(BuildError::NoBaseUrl { provider: id.to_owned(), key });
            }
        },
        (_, None) => return Err(BuildError::UnknownProvider { provider: id.to_owned() }),
    };
    BaseUrl::parse(text).map_err(|reason| BuildError::BadBaseUrl {
        provider: id.to_owned(),
        set_by,
        reason,
    })
}

fn credential(
    id: &str,
    known: Option<&'static Identity>,
    own: &ProviderSettings,
    base: &BaseUrl,
) -> Result<Option<Credential>, BuildError> {
    let Some(key) = &own.api_key else {
        // A gateway of one's own may need no key; a vendor's endpoint always does.
        if identity::is_hosted(base.host()) || id == "foundry" {
            let mut looked_for = vec![format!("providers.{id}.apiKey in engine.json")];
            let variables = known.map(|known| known.key_variables).unwrap_or_default();
            looked_for.extend(variables.iter().map(|name| format!("environment variable {name}")));
            return Err(BuildError::NoCredential { provider: id.to_owned(), looked_for });
        }
        return Ok(None);
    };
    let usual = known.map_or("bearer", |known| known.auth_header);
    let header = own.auth_header.as_ref().map_or(usual, |header| header.value.as_str());
    Credential::new(key.value.clone(), header)
        .map(Some)
        .map_err(|source| BuildError::BadCredential { provider: id.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Located;
    use crate::model::{Source, Tier};
    use crate::provider::ModelInfo;
    use crate::redact::Secret;

    fn set<T>(value: T) -> Located<T> {
        Located::new(value, Source::new(Tier::User, "engine.json").at(4))
    }

    fn built(
        provider: &str,
        own: Option<ProviderSettings>,
        variables: &[(&str, &str)],
    ) -> Result<Box<dyn Provider>, BuildError> {
        let providers = own.map(|own| (provider.to_owned(), own)).into_iter().collect();
        let network = NetworkSettings {
            http_proxy: None,
            https_proxy: None,
            no_proxy: None,
            custom_ca_certs: Vec::new(),
            reject_unauthorized: set(true),
            deny_hosts: Vec::new(),
        };
        let settings = BuildSettings {
            providers: &providers,
            network: &network,
            environment: &Environment::from_pairs(variables.iter().copied()),
            idle: Duration::from_secs(5),
            retry: retry::Policy::default(),
        };
        let route = Route {
            provider_id: provider.to_owned(),
            model: "m".into(),
            info: ModelInfo::default(),
        };
        build(&route, &settings)
    }

    fn with(base_url: Option<&str>, key: Option<&str>) -> Option<ProviderSettings> {
        Some(ProviderSettings {
            api_key: key.map(|key| set(Secret::new(key.to_owned()))),
            base_url: base_url.map(|base| set(base.to_owned())),
            auth_header: None,
        })
    }

    #[test]
    fn every_built_in_provider_is_built_or_says_why_not() {
        for known in &identity::PROVIDERS {
            let base =
                if known.id == "foundry" { Some("https://r.example/anthropic") } else { None };
            let result = built(known.id, with(base, Some("key-123")), &[]);
            let speaks = matches!(known.protocol, Protocol::Messages | Protocol::ChatCompletions);
            match result {
                Ok(provider) => assert!(speaks && provider.id() == known.id),
                Err(BuildError::Unsupported { .. }) => assert!(!speaks, "{}", known.id),
                Err(error) => panic!("{}: {error}", known.id),
            }
        }
    }

    #[test]
    fn a_hosted_endpoint_without_a_key_is_refused_before_any_request() {
        for id in ["openai", "anthropic", "groq", "xai"] {
            match built(id, None, &[("OPENAI_API_KEY", "not-read-here")]).err() {
                Some(BuildError::NoCredential { looked_for, .. }) => {
                    assert_eq!(looked_for.len(), 2, "{id}: {looked_for:?}");
                }
                other => panic!("{id}: {other:?}"),
            }
        }
        let renamed = built("my-openai", with(Some("https://api.openai.com/v1"), None), &[]);
        assert!(matches!(renamed.err(), Some(BuildError::NoCredential { .. })));
        assert!(built("ollama", None, &[]).is_ok());
        assert!(built("gateway", with(Some("http://gw.example"), None), &[]).is_ok());
    }

    #[test]
    fn foundry_needs_an_address_and_takes_it_from_settings_or_the_variable() {
        let variable = [("ANTHROPIC_FOUNDRY_BASE_URL", "https://r.example/anthropic")];
        assert!(built("foundry", with(None, Some("key-123")), &variable).is_ok());
        let error = built("foundry", with(None, Some("key-123")), &[]).err().unwrap().to_string();
        assert!(error.contains("ANTHROPIC_FOUNDRY_BASE_URL"), "{error}");
        let no_key = built("foundry", None, &variable).err();
        assert!(matches!(no_key, Some(BuildError::NoCredential { .. })));
    }

    #[test]
    fn an_unknown_provider_without_an_address_is_an_error() {
        let error = built("wonder", None, &[]).err().unwrap();
        assert!(matches!(error, BuildError::UnknownProvider { .. }), "{error}");
    }

    #[test]
    fn a_bad_address_or_key_is_named_with_its_place_and_not_repeated() {
        let error = built("gateway", with(Some("https://u:hunter2@h"), None), &[]).err().unwrap();
        let text = error.to_string();
        assert!(text.contains("engine.json:4") && !text.contains("hunter2"), "{text}");
        let error = built("groq", with(None, Some("a\nb-secret")), &[]).err().unwrap();
        assert!(!error.to_string().contains("b-secret"), "{error}");
    }
}
