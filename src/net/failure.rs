//! What can go wrong before and while a request is sent.
//!
//! No text here may hold a key, a proxy's password or the query of a URL. Read
//! [`super::egress`] for where each is raised.

use super::base_url::BaseUrl;
use super::credential::Credential;

/// Why the HTTP client could not be built. Always a matter of configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// A certificate file cannot be read.
    #[error("certificate file `{file}` (set by {set_by}) cannot be read: {reason}")]
    UnreadableCa {
        /// The file.
        file: String,
        /// The place that names it.
        set_by: String,
        /// What the system said.
        reason: String,
    },
    /// A certificate file holds no usable certificate.
    #[error("certificate file `{file}` (set by {set_by}) holds no PEM certificate")]
    NoCertificate {
        /// The file.
        file: String,
        /// The place that names it.
        set_by: String,
    },
    /// The proxy address is not one.
    #[error("the proxy set by {set_by} is not a usable URL")]
    BadProxy {
        /// The place that names it.
        set_by: String,
    },
    /// The host must not be reached.
    #[error("{base} is not asked: {why}")]
    Refused {
        /// The configured address.
        base: String,
        /// Which rule or fact decides.
        why: String,
    },
    /// The client itself refused its settings.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The address is not below the configured base, so the key must not go there.
    #[error("refused to send to a host other than the configured one")]
    OtherHost,
    /// Nobody listens.
    #[error("connection refused")]
    Refused,
    /// The name does not resolve, TLS failed, the network is unreachable.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The server's certificate is not one that this machine trusts.
    #[error("{0}; if the issuer is yours, name its file in `network.customCaCerts`")]
    Certificate(String),
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke while sending or receiving.
    #[error("the connection broke: {0}")]
    Broken(String),
}

/// Longest chain of causes that is put into a message.
const CAUSES: usize = 6;

impl SendError {
    /// Sorts an error of the client, with the key masked and the URL left out.
    pub(in crate::net) fn from_client(error: reqwest::Error, key: Option<&Credential>) -> Self {
        use std::io::ErrorKind;
        if error.is_timeout() {
            return SendError::TimedOut;
        }
        let connecting = error.is_connect();
        let error = error.without_url();
        let mut causes = Vec::new();
        let mut refused = false;
        let mut distrusted = None;
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = next.filter(|_| causes.len() < CAUSES) {
            let io = cause.downcast_ref::<std::io::Error>();
            refused |= io.is_some_and(|e| e.kind() == ErrorKind::ConnectionRefused);
            if let Some(tls @ rustls::Error::InvalidCertificate(_)) = io.and_then(tls_error) {
                distrusted = Some(tls.to_string());
            }
            causes.push(cause.to_string());
            next = cause.source();
        }
        if connecting && refused {
            return SendError::Refused;
        }
        if let Some(reason) = distrusted {
            return SendError::Certificate(reason);
        }
        // The outer layers only say that something failed; the innermost says what.
        let text = causes.pop().unwrap_or_default();
        let text = key.map_or(text.clone(), |key| key.mask(&text));
        if connecting { SendError::Connect(text) } else { SendError::Broken(text) }
    }
}

/// TLS errors travel inside I/O errors, sometimes two deep, where `source` does not show them.
fn tls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    let deeper = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    inner.downcast_ref().or_else(|| deeper?.downcast_ref())
}

impl EgressError {
    /// A refusal of the client while it was built for `base`.
    pub(in crate::net) fn client(base: &BaseUrl, error: &reqwest::Error) -> Self {
        use std::error::Error;
        let cause = error.source().map_or_else(|| error.to_string(), |cause| cause.to_string());
        EgressError::Client(format!("for {base}: {cause}"))
    }
}
