//! What a server's refusal means: from status and body to one of the stable codes.
//!
//! Structured fields are asked before words, because words misfire (every second error of a
//! model API mentions "tokens"). The key is masked by the caller before it gets here. Read
//! [`super::error`] for the codes.

use super::error::ProviderError;
use serde_json::Value;

/// Most bytes of a server's words that are repeated.
const SHOWN: usize = 2048;

/// An error that a server reports, in whichever of the usual shapes.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// `error.type`, `error.code` and the like, lower case, in one line.
    kinds: String,
    /// The message, or the whole body.
    message: String,
}

impl Report {
    /// Reads a body that may be JSON, a page of HTML, or nothing.
    pub fn of_body(body: &str) -> Self {
        match serde_json::from_str::<Value>(body) {
            Ok(value) => Report::of_json(&value).unwrap_or_else(|| Report::of_text(body)),
            Err(_) => Report::of_text(body),
        }
    }

    fn of_text(body: &str) -> Self {
        Report { kinds: String::new(), message: body.to_owned() }
    }

    /// Reads an error object; `None` when the value reports no error.
    pub fn of_json(value: &Value) -> Option<Self> {
        let value = value.get(0).unwrap_or(value);
        let error = match value.get("error") {
            Some(Value::String(text)) => {
                return Some(Report { kinds: String::new(), message: text.clone() });
            }
            Some(error @ Value::Object(_)) => error,
            // Mistral and some gateways put the fields at the top.
            _ if value.get("message").is_some() => value,
            _ => return None,
        };
        let mut kinds = String::new();
        for field in ["type", "code", "status"] {
            match error.get(field) {
                Some(Value::String(text)) => kinds.push_str(&text.to_lowercase()),
                Some(Value::Number(number)) => kinds.push_str(&number.to_string()),
                _ => {}
            }
            kinds.push(' ');
        }
        let message = match error.get("message") {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => error.to_string(),
        };
        Some(Report { kinds, message })
    }

    /// Whether the words or fields mention `text`.
    pub fn mentions(&self, text: &str) -> bool {
        self.kinds.contains(text) || self.message.to_lowercase().contains(text)
    }

    /// Whether the server says that it does not know the request field `name`.
    pub fn rejects_field(&self, name: &str) -> bool {
        const WORDS: [&str; 9] = [
            "unsupported",
            "not supported",
            "unknown",
            "unrecognized",
            "not permitted",
            "extra",
            "unexpected",
            "instead",
            "not allowed",
        ];
        self.mentions(name) && WORDS.iter().any(|word| self.mentions(word))
    }

    /// The error for an HTTP status.
    pub fn into_error(self, status: u16) -> ProviderError {
        let (code, retryable) = self.code(status);
        let shown = printable(&self.message);
        let shown = if shown.is_empty() { "no explanation".to_owned() } else { shown };
        let mut error = ProviderError::new(code, format!("HTTP {status}: {shown}"));
        error.http_status = Some(status);
        error.retryable = retryable;
        error
    }

    /// The error for an event inside a stream whose status was 200.
    pub fn into_stream_error(self) -> ProviderError {
        let code = if self.kinds.contains("rate_limit") {
            "rate_limit"
        } else if ["overloaded", "api_error", "timeout", "server_error", "internal", "unavailable"]
            .iter()
            .any(|kind| self.kinds.contains(kind))
        {
            "overloaded"
        } else if self.kinds.contains("auth") || self.kinds.contains("permission") {
            "auth"
        } else {
            let number = self.kinds.split(' ').find_map(|kind| kind.parse().ok());
            let status = number.filter(|n| (400..600).contains(n));
            self.code(status.unwrap_or(400)).0
        };
        ProviderError::new(code, format!("error inside the stream: {}", printable(&self.message)))
    }

    fn code(&self, status: u16) -> (&'static str, bool) {
        let kind = |names: &[&str]| names.iter().any(|name| self.kinds.contains(name));
        let words = |names: &[&str]| names.iter().any(|name| self.mentions(name));
        match status {
            401 | 403 => ("auth", false),
            // Waiting does not refill an account.
            429 => ("rate_limit", !kind(&["insufficient_quota"])),
            408 => ("timeout", true),
            500.. => ("overloaded", true),
            _ if kind(&["overloaded"]) => ("overloaded", true),
            _ if kind(&["content_filter", "content_policy"])
                || words(&["content_filter", "content policy"]) =>
            {
                ("content_filter", false)
            }
            413 => ("prompt_too_long", false),
            400 | 422 if self.is_too_long() => ("prompt_too_long", false),
            400 | 404 | 422 if self.is_unknown_model() => ("invalid_model", false),
            400 | 422 => ("invalid_request", false),
            _ => ("unknown", false),
        }
    }

    fn is_too_long(&self) -> bool {
        self.kinds.contains("context_length")
            || ["too long", "too many tokens", "context length", "maximum context"]
                .iter()
                .any(|words| self.mentions(words))
    }

    fn is_unknown_model(&self) -> bool {
        self.kinds.contains("model_not_found")
            || self.kinds.contains("invalid_model")
            || (self.mentions("model")
                && ["not found", "not_found", "does not exist", "not exist"]
                    .iter()
                    .any(|words| self.mentions(words)))
    }
}

/// `text` without control characters: a server must not be able to move the cursor of whoever
/// reads the error.
pub(super) fn printable(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// At most [`SHOWN`] bytes, on a character boundary. INVARIANT (mask, then cut): only called
/// on text without the key, since half a key at the cut would escape the mask.
pub(super) fn cut(text: &str) -> &str {
    let fits = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|e| *e <= SHOWN);
    text.get(..fits.last().unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(status: u16, body: &str) -> (&'static str, bool) {
        let error = Report::of_body(body).into_error(status);
        (error.code, error.retryable)
    }

    #[test]
    fn each_status_has_its_code() {
        for (status, body, expected) in [
            (401, "", ("auth", false)),
            (403, "<html>", ("auth", false)),
            (429, "{}", ("rate_limit", true)),
            (429, r#"{"error":{"code":"insufficient_quota"}}"#, ("rate_limit", false)),
            (529, "", ("overloaded", true)),
            (500, "", ("overloaded", true)),
            (404, "nothing here", ("unknown", false)),
            (404, r#"{"error":"model \"x\" not found, try pulling it"}"#, ("invalid_model", false)),
            (400, r#"{"error":{"code":"context_length_exceeded"}}"#, ("prompt_too_long", false)),
            (400, r#"{"error":{"message":"prompt is too long: 9"}}"#, ("prompt_too_long", false)),
            (400, r#"{"error":{"message":"max_tokens: bad"}}"#, ("invalid_request", false)),
            (
                400,
                r#"{"error":{"message":"the model needs a reason"}}"#,
                ("invalid_request", false),
            ),
            (400, r#"{"error":{"type":"content_filter"}}"#, ("content_filter", false)),
        ] {
            assert_eq!(classified(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_page_instead_of_an_error_is_cut_and_cannot_move_the_cursor() {
        let page = format!("\u{1b}[2J{}", "é".repeat(5000));
        let error = Report::of_body(&page).into_error(502);
        assert!((SHOWN - 1..=SHOWN).contains(&cut(&error.message).len()));
        assert!(!error.message.contains('\u{1b}'));
    }

    #[test]
    fn errors_inside_a_stream_are_classified_by_their_type() {
        for (body, code, retryable) in [
            (r#"{"error":{"type":"overloaded_error","message":"x"}}"#, "overloaded", true),
            (r#"{"error":{"type":"api_error"}}"#, "overloaded", true),
            (r#"{"error":{"type":"rate_limit_error"}}"#, "rate_limit", true),
            (r#"{"error":{"type":"authentication_error"}}"#, "auth", false),
            (r#"{"error":{"type":"permission_error"}}"#, "auth", false),
            (r#"{"error":{"type":"invalid_request_error"}}"#, "invalid_request", false),
            (r#"{"error":{"code":503,"message":"busy"}}"#, "overloaded", true),
        ] {
            let value = serde_json::from_str(body).unwrap();
            let error = Report::of_json(&value).unwrap().into_stream_error();
            assert_eq!((error.code, error.retryable), (code, retryable), "{body}");
        }
    }
}
