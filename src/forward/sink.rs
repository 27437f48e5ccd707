//! From the configuration of a sink to a sink that can send.
//!
//! FAIL CLOSED: what cannot be meant as it is written (a kind without a receiver, plain text to another
//! machine, a literal secret) is an error before anything runs. A secret that is not there at the moment
//! is none: the process that forwards may be another one.

use super::http::Http;
use super::local::{Datagrams, Journald};
use super::wire::{Batch, Trouble};
use crate::audit::cursor;
use crate::audit::export::Format;
use crate::config::effective::{Keyed, SinkSettings};
use crate::config::{Effective, Environment};
use crate::model::Tier;
use crate::net::{BaseUrl, Credential, Egress, EgressSettings, Stream};
use crate::redact::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// Longest silence of a receiver.
const SILENCE: Duration = Duration::from_secs(20);

/// A sink is configured and can never work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("audit.sinks.{name} ({set_by}): {problem}")]
pub struct SinkError {
    /// Its name.
    pub name: String,
    /// Where it is set.
    pub set_by: String,
    /// What is wrong.
    pub problem: String,
}

/// Where the records go.
#[derive(Debug, Clone)]
enum To {
    Otlp(BaseUrl),
    Http(BaseUrl, Format),
    Stream { host: BaseUrl, port: u16, tls: bool },
    Udp { host: BaseUrl, port: u16 },
    Socket(PathBuf),
    Journald(PathBuf),
}

/// A sink as it is configured, checked.
#[derive(Debug, Clone)]
pub struct Sink {
    /// Its name.
    pub name: String,
    /// `otlp`, `http`, `syslog` or `journald`.
    pub kind: String,
    to: To,
    settings: SinkSettings,
    network: EgressSettings,
}

/// An open way to a receiver.
pub(in crate::forward) enum Wire {
    Http(Box<Http>),
    Stream(Stream),
    Udp(Stream),
    Datagrams(Datagrams),
    Journald(Journald),
}

/// All sinks of a configuration.
///
/// # Errors
/// The first one that can never work.
pub fn sinks(effective: &Effective, environment: &Environment) -> Result<Vec<Sink>, SinkError> {
    let mut network = EgressSettings::of(&effective.network, environment, SILENCE);
    // Whoever stands between would get the records and could say that all arrived.
    network.reject_unauthorized = true;
    // Anybody's repository may add to what is refused: one that refuses the receivers of the log would
    // keep what it does from them.
    network.deny_hosts.retain(|entry| entry.source.tier != Tier::Project);
    let all = effective.audit.sinks.iter();
    all.map(|settings| {
        let problem = |problem| SinkError {
            name: settings.name.clone(),
            set_by: settings.source.to_string(),
            problem,
        };
        let to = receiver(settings).map_err(problem)?;
        let (name, kind) = (settings.name.clone(), settings.kind.clone());
        Ok(Sink { name, kind, to, settings: settings.clone(), network: network.clone() })
    })
    .collect()
}

fn receiver(settings: &SinkSettings) -> Result<To, String> {
    if !cursor::is_name(&settings.name) {
        return Err("its name must be 1 to 32 of a-z, 0-9 and -".to_owned());
    }
    let kind = settings.kind.as_str();
    let url = settings.url.as_ref().map(|url| url.value.trim());
    if kind == "journald" {
        let usual = PathBuf::from("/run/systemd/journal/socket");
        return Ok(To::Journald(url.map(socket).transpose()?.unwrap_or(usual)));
    }
    let url = url.ok_or("it needs a `url`")?;
    let encrypted = |base: &BaseUrl, is: bool| match is || base.is_loopback() || settings.insecure {
        true => Ok(()),
        false => Err("its records would travel unencrypted to another machine; use TLS, or set \
                      `insecure` to true"
            .to_owned()),
    };
    match kind {
        "otlp" | "http" => {
            let base = BaseUrl::parse(url)?;
            encrypted(&base, base.is_https())?;
            if kind == "otlp" {
                return Ok(To::Otlp(base));
            }
            if settings.signing_key.is_none() && settings.token.is_none() {
                return Err("it needs a `signingKey` or a `token`: anybody could send records to \
                            its receiver otherwise"
                    .to_owned());
            }
            let format = Format::named(&settings.format).ok_or("its `format` is not known")?;
            Ok(To::Http(base, format))
        }
        "syslog" if url.starts_with("unix:") => Ok(To::Socket(socket(url)?)),
        "syslog" => {
            let (scheme, rest) = url.split_once("://").unwrap_or_default();
            let usual = match scheme {
                "tls" => 6514,
                "tcp" | "udp" => 514,
                _ => {
                    return Err(
                        "its `url` starts with none of tls://, tcp://, udp://, unix://".to_owned()
                    );
                }
            };
            let rest = rest.trim_end_matches('/');
            if rest.contains(['/', '?']) {
                return Err("its `url` names a host and a port and nothing else".to_owned());
            }
            // With a port of its own, the one of https is never meant.
            let named = rest.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            let host = match named {
                true => BaseUrl::parse(&format!("https://{rest}"))?,
                false => BaseUrl::parse(&format!("https://{rest}:{usual}"))?,
            };
            encrypted(&host, scheme == "tls")?;
            let port = host.port();
            match scheme {
                "udp" => Ok(To::Udp { host, port }),
                _ => Ok(To::Stream { host, port, tls: scheme == "tls" }),
            }
        }
        _ => Err("it needs a `type`".to_owned()),
    }
}

fn socket(url: &str) -> Result<PathBuf, String> {
    match url.strip_prefix("unix://") {
        Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
        _ => Err("its `url` must be unix:// and the whole path of a socket".to_owned()),
    }
}

impl Sink {
    /// Opens the way. Certificates are read here, so this belongs on the sink's own thread.
    ///
    /// # Errors
    /// In a person's words: a secret or a certificate is not there, the host is refused.
    pub(in crate::forward) fn open(&self) -> Result<Wire, String> {
        let words = |error: crate::net::EgressError| error.to_string();
        let host = |host, port, tls| Stream::new(host, port, tls, &self.network).map_err(words);
        let http = |base: &BaseUrl, formats: &[Format]| {
            let token = secret("token", self.settings.token.as_ref())?;
            let token = token.map(|token| Credential::new(token, &self.settings.token_header));
            let token = token.transpose().map_err(|e| format!("`token`: {e}"))?;
            let key = secret("signingKey", self.settings.signing_key.as_ref())?;
            let egress = Egress::new(base.clone(), token, &self.network).map_err(words)?;
            Http::new(egress, formats, key).map(|http| Wire::Http(Box::new(http)))
        };
        match &self.to {
            To::Otlp(base) => {
                let more = [
                    (self.settings.traces, Format::OtlpTraces),
                    (self.settings.metrics, Format::OtlpMetrics),
                ];
                let more = more.into_iter().filter(|(wanted, _)| *wanted);
                let all: Vec<_> =
                    std::iter::once(Format::Otlp).chain(more.map(|(_, format)| format)).collect();
                http(base, &all)
            }
            To::Http(base, format) => http(base, &[*format]),
            To::Stream { host: name, port, tls } => Ok(Wire::Stream(host(name, *port, *tls)?)),
            To::Udp { host: name, port } => Ok(Wire::Udp(host(name, *port, false)?)),
            To::Socket(path) => Ok(Wire::Datagrams(Datagrams(path.clone()))),
            To::Journald(path) => Ok(Wire::Journald(Journald(path.clone()))),
        }
    }
}

fn secret(key: &str, named: Option<&Keyed>) -> Result<Option<Secret>, String> {
    let Some(named) = named else { return Ok(None) };
    match &named.value {
        Ok(secret) => Ok(Some(secret.value.clone())),
        Err(why) => Err(format!("`{key}` {why}")),
    }
}

impl Wire {
    /// Sends a batch; returns when the receiver has it, as far as its protocol can say.
    pub(in crate::forward) fn send(&self, batch: &Batch) -> Result<(), Trouble> {
        match self {
            Wire::Http(http) => http.send(batch),
            Wire::Stream(stream) => stream.deliver(&batch.frames()).map_err(Trouble::later),
            Wire::Udp(host) => super::local::udp(host, batch),
            Wire::Datagrams(socket) => socket.send(batch),
            Wire::Journald(journal) => journal.send(batch),
        }
    }
}
