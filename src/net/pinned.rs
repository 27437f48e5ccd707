//! A client for one request to addresses that were looked up and judged before.

use super::egress::{certificates, install_crypto};
use crate::config::Located;
use crate::model::AbsPath;
use crate::redact::Secret;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Body, Method};
use std::net::SocketAddr;
use std::time::Duration;

/// Time to reach a host, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Whom encrypted connections trust.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// PEM files trusted besides the system's roots.
    pub ca_files: Vec<Located<AbsPath>>,
}

/// A client that reaches these addresses and no other, and follows no redirect.
pub struct Pinned(reqwest::Client);

impl Pinned {
    /// Builds it. `name` is empty where the host is an address itself.
    ///
    /// # Errors
    /// In a person's words: a certificate file cannot be read.
    pub fn new(
        name: &str,
        addresses: &[SocketAddr],
        tls: bool,
        trust: &Trust,
    ) -> Result<Self, String> {
        install_crypto();
        #[expect(clippy::disallowed_methods, reason = "the client of the filtering proxy")]
        let builder = reqwest::Client::builder();
        let mut builder = builder
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_gzip()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT);
        if !name.is_empty() {
            builder = builder.resolve_to_addrs(name, addresses);
        }
        if tls {
            let extra = certificates(&trust.ca_files).map_err(|e| e.to_string())?;
            if !extra.is_empty() {
                builder = builder.tls_certs_merge(extra);
            }
        } else {
            // Loading the system's roots costs tens of milliseconds.
            builder = builder.tls_certs_only([]);
        }
        builder.build().map(Pinned).map_err(|e| e.to_string())
    }

    /// Sends a request and gives the answer as soon as its head has arrived.
    ///
    /// # Errors
    /// In a person's words, without the address.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Body,
    ) -> Result<hyper::Response<Body>, String> {
        let words = |e: reqwest::Error| {
            let mut text = e.to_string();
            let e = e.without_url();
            let mut cause: Option<&dyn std::error::Error> = Some(&e);
            while let Some(inner) = cause {
                text = inner.to_string();
                cause = inner.source();
            }
            text
        };
        let request = self.0.request(method, url).headers(headers).body(body);
        request.send().await.map(Into::into).map_err(words)
    }
}

/// A secret as the value of a header; `None` where it holds what no header can.
pub fn header_value(secret: &Secret) -> Option<HeaderValue> {
    #[expect(clippy::disallowed_methods, reason = "the proxy adds it to a request for its host")]
    let mut value = HeaderValue::from_str(secret.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}
