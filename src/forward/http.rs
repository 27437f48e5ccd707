//! OTLP and signed batches over HTTP. A batch counts when the answer is 2xx, and never before.
#![expect(
    clippy::disallowed_methods,
    reason = "the signing key signs batches, as the receiver checks"
)]

use super::wire::{Batch, Trouble};
use crate::audit::export::Format;
use crate::model::hex;
use crate::net::retry;
use crate::net::{Egress, SendError};
use crate::redact::Secret;
use hmac::{Hmac, Mac};
use reqwest::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, Url};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// For one request, its answer included.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most of an answer that is looked at.
const ANSWER: usize = 64 * 1024;

/// A receiver that speaks HTTP.
pub(in crate::forward) struct Http {
    egress: Egress,
    /// What is sent where, in this order.
    requests: Vec<(Format, Url)>,
    key: Option<Secret>,
    executor: tokio::runtime::Runtime,
}

impl Http {
    pub(in crate::forward) fn new(
        egress: Egress,
        formats: &[Format],
        key: Option<Secret>,
    ) -> Result<Self, String> {
        let requests = formats.iter().map(|format| (*format, url(&egress, *format))).collect();
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let executor = executor.map_err(|e| e.to_string())?;
        Ok(Http { egress, requests, key, executor })
    }

    /// A batch counts when all of it was taken. What follows a part that was not is not sent, and
    /// what went before it comes again: receivers know records and spans by their ids.
    pub(in crate::forward) fn send(&self, batch: &Batch) -> Result<(), Trouble> {
        for (format, url) in &self.requests {
            let body = batch.body(*format);
            // No record of the batch is a span, or counts for a metric.
            if body.is_empty() {
                continue;
            }
            let headers = self.headers(*format, &body, jiff::Timestamp::now().as_second());
            self.executor.block_on(async {
                let exchange = self.exchange(*format, url, headers, body);
                match tokio::time::timeout(PATIENCE, exchange).await {
                    Ok(ended) => ended,
                    Err(_) => Err(Trouble::later("no answer in time".to_owned())),
                }
            })?;
        }
        Ok(())
    }

    fn headers(&self, format: Format, body: &[u8], now: i64) -> HeaderMap {
        let kind = match format {
            Format::Otlp | Format::OtlpTraces | Format::OtlpMetrics => "application/json",
            Format::Cef => "text/plain; charset=utf-8",
            _ => "application/x-ndjson",
        };
        // The same records are the same batch, however often they are sent.
        let mut all = vec![("idempotency-key", hex(&Sha256::digest(body)))];
        if let Some(key) = &self.key
            && let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes())
        {
            let now = now.to_string();
            mac.update(now.as_bytes());
            mac.update(b".");
            mac.update(body);
            all.push(("x-ion-signature", format!("v1={}", hex(&mac.finalize().into_bytes()))));
            all.push(("x-ion-timestamp", now));
        }
        let mut map = HeaderMap::new();
        map.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        // Seconds pass until the next batch, and a receiver that closes the connection meanwhile
        // would look like one that is down.
        map.insert(CONNECTION, HeaderValue::from_static("close"));
        for (name, value) in all {
            // Digits and hexadecimal always fit into a header.
            if let Ok(value) = HeaderValue::from_str(&value) {
                map.insert(HeaderName::from_static(name), value);
            }
        }
        map
    }

    async fn exchange(
        &self,
        format: Format,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<(), Trouble> {
        let sent = self.egress.send(Method::POST, url, headers, body).await;
        let mut response = match sent {
            Ok(response) => response,
            Err(error @ SendError::OtherHost) => return Err(Trouble::Refused(error.to_string())),
            Err(error) => return Err(Trouble::later(error.to_string())),
        };
        let status = response.status();
        let after =
            retry::asked(response.headers(), &Value::Null, jiff::Timestamp::now().as_second());
        if status.is_success() {
            return self.whole(format, &mut response).await;
        }
        let said = self.egress.error_text(&mut response).await;
        let said: String = said.chars().take(200).collect();
        let why = format!("the receiver answered {status} {}", said.trim()).trim_end().to_owned();
        match status.as_u16() {
            408 | 429 | 500.. => Err(Trouble::Later(why, after)),
            // Redirects too: followed, they would carry the records to a host that nobody named.
            _ => Err(Trouble::Refused(why)),
        }
    }

    /// OTLP can take a batch in part. What it threw away must not be sent again, and must not be
    /// lost in silence either.
    async fn whole(&self, format: Format, response: &mut Response) -> Result<(), Trouble> {
        let counted = match format {
            Format::Otlp => "rejectedLogRecords",
            Format::OtlpTraces => "rejectedSpans",
            Format::OtlpMetrics => "rejectedDataPoints",
            _ => return Ok(()),
        };
        let mut body = Vec::new();
        // An answer that breaks off after its head was a success all the same.
        while let Ok(Some(piece)) = self.egress.read(response).await {
            body.extend_from_slice(piece.as_ref());
            if body.len() > ANSWER {
                return Ok(());
            }
        }
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let part = answer.get("partialSuccess").unwrap_or(&Value::Null);
        let rejected = match part.get(counted) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => return Ok(()),
        };
        if rejected == "0" || rejected.is_empty() {
            return Ok(());
        }
        let why = part.get("errorMessage").and_then(Value::as_str).unwrap_or_default();
        let why: String = self.egress.mask(why).chars().take(200).collect();
        Err(Trouble::Refused(format!("the receiver rejected {rejected} records: {why}")))
    }
}

/// Where one kind of request goes. OTLP has one address for each, beside each other.
fn url(egress: &Egress, format: Format) -> Url {
    let exact = egress.base().exactly();
    let signal = match format {
        Format::Otlp => "logs",
        Format::OtlpTraces => "traces",
        Format::OtlpMetrics => "metrics",
        _ => return exact,
    };
    match exact.path().strip_suffix("/v1/logs") {
        Some(above) => {
            let mut url = exact.clone();
            url.set_path(&format!("{above}/v1/{signal}"));
            url
        }
        None => egress.base().versioned(signal),
    }
}
