//! Why a request failed: one stable code, words without a key, and whether to try again.
//!
//! Read `super::classify` for how an answer of a server becomes one of these.

use crate::net::{SendError, sse};
use std::time::Duration;

/// Why a request failed, in words that hold no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ProviderError {
    /// Stable code: `auth`, `rate_limit`, `overloaded`, `network`, `timeout`,
    /// `stream_truncated`, `prompt_too_long`, `invalid_model`, `invalid_request`,
    /// `content_filter`, `protocol`, `unknown`.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// The HTTP status, where there was one.
    pub http_status: Option<u16>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
}

/// Every code with whether a failure of its kind may pass by itself.
const CODES: [(&str, bool); 12] = [
    ("auth", false),
    ("rate_limit", true),
    ("overloaded", true),
    ("network", true),
    ("timeout", true),
    ("stream_truncated", true),
    ("prompt_too_long", false),
    ("invalid_model", false),
    ("invalid_request", false),
    ("content_filter", false),
    ("protocol", false),
    ("unknown", false),
];

impl ProviderError {
    /// An error whose code decides whether it may be retried.
    pub(in crate::provider) fn new(code: &'static str, message: impl Into<String>) -> Self {
        let retryable = CODES.iter().any(|(known, retry)| *known == code && *retry);
        ProviderError {
            code,
            message: message.into(),
            http_status: None,
            retryable,
            retry_after: None,
        }
    }

    /// The server does not keep to its own format, or passes a limit.
    pub(in crate::provider) fn protocol(message: impl Into<String>) -> Self {
        ProviderError::new("protocol", message)
    }

    /// The stream ended before the answer was whole.
    pub(in crate::provider) fn truncated(message: impl Into<String>) -> Self {
        ProviderError::new("stream_truncated", message)
    }

    /// The code in its static spelling, `None` for a word that is not one.
    pub(in crate::provider) fn known_code(code: &str) -> Option<&'static str> {
        CODES.iter().map(|(known, _)| *known).find(|known| *known == code)
    }
}

impl From<sse::TooLarge> for ProviderError {
    fn from(error: sse::TooLarge) -> Self {
        ProviderError::protocol(error.to_string())
    }
}

impl From<SendError> for ProviderError {
    fn from(error: SendError) -> Self {
        let code = match &error {
            SendError::TimedOut => "timeout",
            SendError::OtherHost => "protocol",
            SendError::Refused
            | SendError::Connect(_)
            | SendError::Certificate(_)
            | SendError::Broken(_) => "network",
        };
        let mut converted = ProviderError::new(code, error.to_string());
        // Trust does not come back within seconds.
        converted.retryable &= !matches!(error, SendError::Certificate(_));
        converted
    }
}
