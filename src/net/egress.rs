//! The only HTTP client of Ion, bound to one configured host.
//!
//! INVARIANT (one host, one key): an [`Egress`] sends to the origin of its base URL and
//! nowhere else, and its key travels in no other request. Redirects are not followed, so no
//! answer can move the key to another host. There is never a total time limit, because an
//! answer may stream for an hour; silence is what is limited. Read [`super::retry`] next.

use super::address::{Special, special};
use super::base_url::BaseUrl;
use super::credential::Credential;
use super::failure::{EgressError, SendError};
use super::proxy;
use crate::config::effective::NetworkSettings;
use crate::config::{Environment, Located};
use crate::model::{AbsPath, Host, HostRule};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Method, Url};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Time to reach a host, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Most of a body that is read for an error message.
const ERROR_BODY: usize = 64 * 1024;

/// Everything that decides how a host is reached.
#[derive(Debug, Clone)]
pub struct EgressSettings {
    /// Proxy for `http://` addresses.
    pub http_proxy: Option<Located<String>>,
    /// Proxy for `https://` addresses.
    pub https_proxy: Option<Located<String>>,
    /// Hosts reached directly: names, `.suffix`, addresses, CIDR blocks, `*`.
    pub no_proxy: Option<Located<String>>,
    /// PEM files trusted besides the system's roots.
    pub ca_files: Vec<Located<AbsPath>>,
    /// `false` switches certificate checks off.
    pub reject_unauthorized: bool,
    /// Hosts that no request goes to.
    pub deny_hosts: Vec<Located<String>>,
    /// Time to reach a host.
    pub connect_timeout: Duration,
    /// Longest silence between two reads.
    pub read_timeout: Duration,
}

impl EgressSettings {
    /// The settings of a run: configuration first, then the usual proxy variables.
    pub fn of(network: &NetworkSettings, environment: &Environment, silence: Duration) -> Self {
        let or_variable = |set: &Option<Located<String>>, names: &[&str]| {
            set.clone().or_else(|| proxy::from_environment(environment, names))
        };
        let https = ["https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"];
        EgressSettings {
            http_proxy: or_variable(&network.http_proxy, proxy::http_variables(environment)),
            https_proxy: or_variable(&network.https_proxy, &https),
            no_proxy: or_variable(&network.no_proxy, &["no_proxy", "NO_PROXY"]),
            ca_files: network.custom_ca_certs.clone(),
            reject_unauthorized: network.reject_unauthorized.value,
            deny_hosts: network.deny_hosts.clone(),
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: silence,
        }
    }
}

/// A client for one host.
#[derive(Debug)]
pub struct Egress {
    client: reqwest::Client,
    base: BaseUrl,
    credential: Option<Credential>,
}

impl Egress {
    /// Builds the client. Certificates are loaded only when TLS is going to be used.
    pub fn new(
        base: BaseUrl,
        credential: Option<Credential>,
        settings: &EgressSettings,
    ) -> Result<Self, EgressError> {
        admit(&base, &settings.deny_hosts)?;
        install_crypto();
        #[expect(clippy::disallowed_methods, reason = "this is the one HTTP client")]
        let builder = reqwest::Client::builder();
        let mut builder = builder
            .user_agent(concat!("ion/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(settings.connect_timeout)
            .read_timeout(settings.read_timeout)
            .resolve_to_addrs("localhost", &this_machine())
            // The library must not read the process environment by itself.
            .no_proxy();
        let proxy = proxy::address(&base, settings);
        if let Some(address) = proxy {
            builder = builder.proxy(proxy::build(address, settings)?);
        }
        let proxy_uses_tls = proxy.is_some_and(|p| p.value.trim().starts_with("https:"));
        if base.is_https() || proxy_uses_tls {
            let extra = certificates(&settings.ca_files)?;
            if !extra.is_empty() {
                builder = builder.tls_certs_merge(extra);
            }
            if !settings.reject_unauthorized {
                builder = builder.tls_danger_accept_invalid_certs(true);
            }
        } else {
            // Loading the system's roots costs tens of milliseconds. Without them a TLS
            // connection could not be made, and none is.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|e| EgressError::client(&base, &e))?;
        Ok(Egress { client, base, credential })
    }

    /// The configured address.
    pub fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// Posts a JSON body and gives the answer as soon as its head has arrived, whatever its
    /// status. Redirects are answers like any other.
    pub async fn post(
        &self,
        url: &Url,
        headers: &[(&'static str, &'static str)],
        body: Vec<u8>,
    ) -> Result<reqwest::Response, SendError> {
        let map = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        self.send(Method::POST, url, map, body).await
    }

    /// Sends a request with these headers, as [`Egress::post`] does.
    ///
    /// # Errors
    /// [`SendError`] where no head of an answer arrived.
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<reqwest::Response, SendError> {
        if !self.base.same_origin(url) {
            return Err(SendError::OtherHost);
        }
        if let Some(credential) = &self.credential {
            let (name, value) = credential.header();
            headers.insert(name, value);
        }
        let request = self.client.request(method, url.clone()).headers(headers).body(body);
        request.send().await.map_err(|e| self.failed(e))
    }

    /// The next piece of an answer; `None` at its proper end.
    pub async fn read(
        &self,
        response: &mut reqwest::Response,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, SendError> {
        response.chunk().await.map_err(|e| self.failed(e))
    }

    /// The beginning of a body as text for an error, with the key masked. What cannot be read
    /// is left out: the status alone is still worth an error.
    pub async fn error_text(&self, response: &mut reqwest::Response) -> String {
        let mut bytes: Vec<u8> = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ERROR_BODY {
                // Half a key at the cut would escape the mask, so the cut moves before it.
                let half = self.credential.as_ref().map_or(0, Credential::len);
                bytes.truncate(ERROR_BODY.saturating_sub(half));
                break;
            }
        }
        self.mask(&String::from_utf8_lossy(&bytes))
    }

    /// `text` without the key.
    pub fn mask(&self, text: &str) -> String {
        self.credential.as_ref().map_or_else(|| text.to_owned(), |key| key.mask(text))
    }

    fn failed(&self, error: reqwest::Error) -> SendError {
        SendError::from_client(error, self.credential.as_ref())
    }
}

/// The rules that a listed host of the sandbox is held to as well: one spelling, not refused by
/// anybody, not an address that is never reached.
pub(super) fn admit(base: &BaseUrl, deny: &[Located<String>]) -> Result<(), EgressError> {
    let refused = |why: String| EgressError::Refused { base: base.to_string(), why };
    let host = Host::parse(base.host()).map_err(|why| refused(why.to_owned()))?;
    if let Host::Address(address) = host
        && let Some(Special::Never(what)) = special(address)
    {
        return Err(refused(format!("{address} is {what}")));
    }
    for entry in deny {
        let by = |why: &str| refused(format!("`{}` of {}{why}", entry.value, entry.source));
        // FAIL CLOSED: an entry that cannot be read refuses everything.
        let rule = HostRule::parse(&entry.value, true).map_err(|_| by(" cannot be read"))?;
        if rule.names(&host, base.port()) {
            return Err(by(" (network.denyHosts)"));
        }
    }
    Ok(())
}

/// Chooses the one crypto provider of the program. Installing it twice is harmless.
pub(super) fn install_crypto() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// `localhost` without a look-up: a resolver that answers it with another machine would
/// receive what is meant for this one. Port 0 stands for the port of the URL.
fn this_machine() -> [SocketAddr; 2] {
    [(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()]
}

/// Reads every certificate file. FAIL CLOSED: one that cannot be read is an error, or Ion
/// would quietly talk past the inspection that an administrator set up.
pub(super) fn certificates(files: &[Located<AbsPath>]) -> Result<Vec<Certificate>, EgressError> {
    each_bundle(files, |pem| Certificate::from_pem_bundle(pem).unwrap_or_default())
}

/// What `parse` finds in each of the files; one in which it finds nothing is an error too.
pub(super) fn each_bundle<T>(
    files: &[Located<AbsPath>],
    parse: impl Fn(&[u8]) -> Vec<T>,
) -> Result<Vec<T>, EgressError> {
    let mut all = Vec::new();
    for file in files {
        let (name, set_by) = (file.value.to_string(), file.source.to_string());
        let pem = std::fs::read(file.value.as_path()).map_err(|e| EgressError::UnreadableCa {
            file: name.clone(),
            set_by: set_by.clone(),
            reason: e.to_string(),
        })?;
        let found = parse(&pem);
        if found.is_empty() {
            return Err(EgressError::NoCertificate { file: name, set_by });
        }
        all.extend(found);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Source, Tier};

    fn settings(variables: &[(&str, &str)], explicit: Option<&str>) -> EgressSettings {
        let place = || Source::new(Tier::User, "engine.json");
        let explicit = explicit.map(|p| Located::new(p.to_owned(), place()));
        let network = NetworkSettings {
            http_proxy: explicit.clone(),
            https_proxy: explicit,
            no_proxy: None,
            custom_ca_certs: Vec::new(),
            reject_unauthorized: Located::new(true, place()),
            deny_hosts: Vec::new(),
        };
        let environment = Environment::from_pairs(variables.iter().copied());
        EgressSettings::of(&network, &environment, Duration::from_secs(5))
    }

    fn proxy_for(base: &str, settings: &EgressSettings) -> Option<String> {
        let base = BaseUrl::parse(base).unwrap();
        proxy::address(&base, settings).map(|p| p.value.clone())
    }

    #[test]
    fn the_environment_names_a_proxy_only_where_configuration_does_not() {
        let variables = [("HTTPS_PROXY", "http://env:1"), ("http_proxy", "http://plain:1")];
        let from_env = settings(&variables, None);
        assert_eq!(proxy_for("https://h.example", &from_env).as_deref(), Some("http://env:1"));
        assert_eq!(proxy_for("http://h.example", &from_env).as_deref(), Some("http://plain:1"));
        let set = settings(&variables, Some("http://set:1"));
        assert_eq!(proxy_for("https://h.example", &set).as_deref(), Some("http://set:1"));
    }

    #[test]
    fn this_machine_is_reached_directly_unless_configuration_says_otherwise() {
        let from_env = settings(&[("http_proxy", "http://env:1")], None);
        assert_eq!(proxy_for("http://localhost:11434", &from_env), None);
        assert_eq!(proxy_for("http://127.0.0.1:1", &from_env), None);
        let set = settings(&[], Some("http://set:1"));
        assert!(proxy_for("http://127.0.0.1:1", &set).is_some());
    }

    #[test]
    fn a_visitor_of_a_cgi_program_cannot_set_the_proxy() {
        let variables = [("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://evil:1")];
        assert_eq!(proxy_for("http://h.example", &settings(&variables, None)), None);
    }

    #[test]
    fn a_certificate_file_that_cannot_be_read_is_named_with_its_place() {
        let mut settings = settings(&[], None);
        let place = Source::new(Tier::User, "engine.json").at(7);
        let file = AbsPath::new("/nonexistent/corp.pem").unwrap();
        settings.ca_files.push(Located::new(file, place));
        let base = BaseUrl::parse("https://h.example").unwrap();
        let error = Egress::new(base, None, &settings).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/corp.pem"), "{error}");
        assert!(error.contains("engine.json:7"), "{error}");
    }

    #[test]
    fn a_certificate_file_without_a_certificate_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("empty.pem");
        std::fs::write(&file, "not a certificate").unwrap();
        let mut settings = settings(&[], None);
        let place = Source::new(Tier::User, "engine.json");
        settings.ca_files.push(Located::new(AbsPath::new(&file).unwrap(), place));
        let base = BaseUrl::parse("https://h.example").unwrap();
        let error = Egress::new(base, None, &settings).unwrap_err();
        assert!(matches!(error, EgressError::NoCertificate { .. }), "{error}");
    }

    #[test]
    fn a_refused_host_is_not_asked_whoever_configured_it() {
        let mut settings = settings(&[], None);
        let place = Source::new(Tier::Enterprise, "/etc/ion/config.toml").at(3);
        settings.deny_hosts.push(Located::new("*.h.example".to_owned(), place));
        let new = |base: &str| Egress::new(BaseUrl::parse(base).unwrap(), None, &settings);
        let error = new("https://api.h.example/v1").unwrap_err().to_string();
        assert!(error.contains("/etc/ion/config.toml:3"), "{error}");
        for base in ["http://169.254.169.254", "http://0xa9fea9fe", "http://[fe80::1]:80"] {
            assert!(matches!(new(base), Err(EgressError::Refused { .. })), "{base}");
        }
        for base in ["https://h.example", "http://localhost:1", "http://10.0.0.1", "http://[::1]:1"]
        {
            assert!(new(base).is_ok(), "{base}");
        }
    }

    #[test]
    fn a_bad_proxy_is_an_error_that_does_not_show_its_password() {
        let settings = settings(&[], Some("http://me:hunter2@[bad"));
        let base = BaseUrl::parse("https://h.example").unwrap();
        let error = Egress::new(base, None, &settings).unwrap_err().to_string();
        assert!(error.contains("engine.json") && !error.contains("hunter2"), "{error}");
    }
}
