//! Which proxy, if any, stands between Ion and a host.
//!
//! The client library is never allowed to look at the process environment itself; what
//! counts is decided here, from configuration first and the captured environment second.
//! Read [`super::egress`] next.

use super::base_url::BaseUrl;
use super::egress::EgressSettings;
use super::failure::EgressError;
use crate::config::{Environment, Located};
use crate::model::{Source, Tier};

/// The first of `names` that is set.
pub(in crate::net) fn from_environment(
    environment: &Environment,
    names: &[&str],
) -> Option<Located<String>> {
    names.iter().find_map(|name| {
        let value = environment.get(name)?;
        Some(Located::new(value.to_owned(), Source::new(Tier::Environment, *name)))
    })
}

/// Variables that name the proxy for `http://`. `HTTP_PROXY` in capitals is left out inside a
/// CGI program, where a visitor sets it by sending a `Proxy:` header ("httpoxy").
pub(in crate::net) fn http_variables(environment: &Environment) -> &'static [&'static str] {
    if environment.get("REQUEST_METHOD").is_some() {
        &["http_proxy", "ALL_PROXY", "all_proxy"]
    } else {
        &["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"]
    }
}

/// The proxy address for `base`: `None` is a direct connection. A proxy that only the
/// environment names never stands before this machine itself: a local model would be
/// unreachable, or its prompts would leave the machine.
pub(in crate::net) fn address<'a>(
    base: &BaseUrl,
    settings: &'a EgressSettings,
) -> Option<&'a Located<String>> {
    let proxy = if base.is_https() { &settings.https_proxy } else { &settings.http_proxy };
    proxy
        .as_ref()
        .filter(|proxy| !proxy.value.trim().is_empty())
        .filter(|_| !excludes_everything(settings))
        .filter(|proxy| !(base.is_loopback() && proxy.source.tier == Tier::Environment))
}

/// `*` means every host, addresses included; the client library applies it to names alone.
fn excludes_everything(settings: &EgressSettings) -> bool {
    settings.no_proxy.as_ref().is_some_and(|list| list.value.split(',').any(|e| e.trim() == "*"))
}

/// The client library's form of `address`, with the exceptions of `no_proxy` (names,
/// `.suffix`, addresses, CIDR blocks, `*`).
pub(in crate::net) fn build(
    proxy: &Located<String>,
    settings: &EgressSettings,
) -> Result<reqwest::Proxy, EgressError> {
    let exceptions =
        settings.no_proxy.as_ref().and_then(|list| reqwest::NoProxy::from_string(&list.value));
    reqwest::Proxy::all(proxy.value.trim())
        .map(|built| built.no_proxy(exceptions))
        .map_err(|_| EgressError::BadProxy { set_by: proxy.source.to_string() })
}
