//! How often and how long after a failure a request is sent again.
//!
//! Bounded in number and in time: a server can ask for patience, not for eternity. The
//! waiting itself is done by the caller through tokio's clock. Read
//! `provider::http` for the loop that uses it.

use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;
use std::time::Duration;

/// The rule. Plain values, so that tests can make it quick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How often a request is repeated after its first failure.
    pub max_retries: u32,
    /// The upper end of the first delay; it doubles with each retry.
    pub base: Duration,
    /// The most that Ion waits of its own accord.
    pub cap: Duration,
    /// The most that a server can make it wait.
    pub server_cap: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            max_retries: 5,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(30),
            server_cap: Duration::from_secs(60),
        }
    }
}

impl Policy {
    /// The delay before retry number `retry` (from 1). Full jitter: anything between nothing
    /// and the doubled bound, so that many clients do not return at the same instant. What
    /// the server asked for is the least, up to `server_cap`.
    pub fn delay(&self, retry: u32, asked: Option<Duration>) -> Duration {
        self.delay_at(retry, asked, chance())
    }

    /// [`Policy::delay`] at a given chance between 0 and 1.
    fn delay_at(&self, retry: u32, asked: Option<Duration>, chance: f64) -> Duration {
        let doubled = 2u32.saturating_pow(retry.saturating_sub(1));
        let bound = self.base.saturating_mul(doubled).min(self.cap);
        let own = bound.mul_f64(chance.clamp(0.0, 1.0));
        asked.map_or(own, |asked| own.max(asked.min(self.server_cap)))
    }
}

/// A number between 0 and 1. Without a source of chance the full delay is taken.
fn chance() -> f64 {
    let mut bytes = [0u8; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    }
}

/// How long the server asks to wait: the header (seconds or a date), else `error.retry_after`
/// (or `retry_after`) seconds in the body. `now` is Unix seconds.
pub fn asked(headers: &HeaderMap, body: &Value, now: i64) -> Option<Duration> {
    let header = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    header.and_then(|text| from_header(text, now)).or_else(|| from_body(body))
}

fn from_header(text: &str, now: i64) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return seconds_from(seconds);
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second();
    Some(Duration::from_secs(u64::try_from(at.saturating_sub(now)).unwrap_or(0)))
}

fn from_body(body: &Value) -> Option<Duration> {
    let inside = body.get("error").and_then(|error| error.get("retry_after"));
    let value = inside.or_else(|| body.get("retry_after"))?;
    seconds_from(value.as_f64()?)
}

/// Negative, endless and absurd numbers are no request at all.
fn seconds_from(seconds: f64) -> Option<Duration> {
    (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds.min(1e9)).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;
    use serde_json::json;

    const SECOND: Duration = Duration::from_secs(1);

    fn header(text: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
        map
    }

    #[test]
    fn the_bound_doubles_until_the_cap() {
        let policy = Policy::default();
        let bounds: Vec<u64> =
            [1, 2, 3, 4, 5, 6, 99].map(|n| policy.delay_at(n, None, 1.0).as_secs()).to_vec();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(policy.delay_at(3, None, 0.0), Duration::ZERO);
    }

    #[test]
    fn a_server_is_obeyed_up_to_one_minute() {
        let policy = Policy::default();
        assert_eq!(policy.delay_at(1, Some(SECOND * 7), 0.5), SECOND * 7);
        assert_eq!(policy.delay_at(1, Some(SECOND * 86_400), 0.5), SECOND * 60);
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        assert_eq!(asked(&header("12"), &Value::Null, 0), Some(SECOND * 12));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(asked(&header(date), &Value::Null, 784_111_777 - 30), Some(SECOND * 30));
        assert_eq!(asked(&header(date), &Value::Null, 784_111_777 + 30), Some(Duration::ZERO));
    }

    #[test]
    fn the_body_is_asked_when_the_header_is_absent_or_nonsense() {
        let body = json!({"error": {"retry_after": 3.5}});
        assert_eq!(asked(&HeaderMap::new(), &body, 0), Some(Duration::from_millis(3500)));
        assert_eq!(asked(&header("soon"), &body, 0), Some(Duration::from_millis(3500)));
        for nonsense in ["-1", "NaN", "", "-inf"] {
            assert_eq!(asked(&header(nonsense), &Value::Null, 0), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn no_server_can_ask_for_more_than_the_cap(text in "\\PC{0,40}", retry in 0u32..200) {
            let policy = Policy::default();
            let wish = from_header(&text, 0);
            prop_assert!(policy.delay(retry, wish) <= policy.server_cap);
        }
    }
}
