//! Asks a person through a signed HTTP request, for runs that nobody watches.
//!
//! `POST url` puts the question, `GET url/ID` asks for its answer. What is not a signed answer
//! is silence: it never becomes a yes. Redirects are answers like any other and are not
//! followed. See [`super::wire`] for what is signed and `docs/approvals.md` for receivers.

use super::seal::Seal;
use super::store::{Pending, Store, now};
use super::wire;
use crate::gate::{Approver, Asked, Reply};
use crate::net::retry::{self, Policy};
use crate::net::{Egress, SendError};
use futures_util::future::BoxFuture;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Largest answer in bytes.
const LARGEST: usize = 64 * 1024;

/// How often is asked. Plain values, so that tests can be quick.
#[derive(Debug, Clone, Copy)]
pub(in crate::approve) struct Pace {
    /// After failures.
    pub retry: Policy,
    /// Between two polls when the receiver names no time.
    pub poll: Duration,
    /// The least between two polls, whatever the receiver says.
    pub least: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let (poll, least) = (Duration::from_secs(5), Duration::from_millis(250));
        Pace { retry: Policy::default(), poll, least }
    }
}

/// A receiver of questions.
pub(in crate::approve) struct Webhook {
    egress: Egress,
    seal: Seal,
    store: Arc<Store>,
    pace: Pace,
}

/// What one request gave.
enum Heard {
    Answer(Reply),
    /// Nobody has answered yet; ask again after this time.
    NotYet(Option<Duration>),
    /// The receiver does not know the question.
    Unknown,
    /// It may work later.
    Failed(String, Option<Duration>),
    /// It will not work.
    Refused(String),
}

impl Webhook {
    pub fn new(egress: Egress, seal: Seal, store: Arc<Store>, pace: Pace) -> Self {
        Webhook { egress, seal, store, pace }
    }

    /// `trouble` keeps what went wrong last, for the record of a question that nobody answers.
    async fn converse(&self, pending: &Pending, trouble: &Mutex<Option<String>>) -> Reply {
        let asked = &pending.asked;
        // After a restart the receiver has the question already.
        let mut polling = pending.adopted;
        let mut posted_again = false;
        let mut failures = 0;
        loop {
            let wait = match self.request(asked, polling).await {
                Heard::Answer(reply) => return reply,
                Heard::NotYet(after) => {
                    (polling, failures) = (true, 0);
                    note(trouble, None);
                    let after = after.unwrap_or(self.pace.poll).min(self.pace.retry.server_cap);
                    // Many runs that were asked to wait must not come back at one instant.
                    let late = self.pace.retry.delay(1, None).min(after / 4);
                    after.max(self.pace.least) + late
                }
                Heard::Unknown if polling && !posted_again => {
                    (polling, posted_again) = (false, true);
                    continue;
                }
                Heard::Unknown => return Reply::silence("the webhook does not know the question"),
                Heard::Failed(why, after) => {
                    failures += 1;
                    note(trouble, Some(why));
                    self.pace.retry.delay(failures, after).max(self.pace.least / 4)
                }
                Heard::Refused(why) => return Reply::silence(why),
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn request(&self, asked: &Asked, polling: bool) -> Heard {
        let (method, url, body) = match polling {
            true => (Method::GET, self.egress.base().below(asked.id.as_str()), Vec::new()),
            false => (Method::POST, self.egress.base().exactly(), wire::body(asked)),
        };
        let signed = if polling { asked.id.as_str().as_bytes() } else { &body };
        let headers = wire::headers(&self.seal, asked, signed, now());
        let mut response = match self.egress.send(method, &url, headers, body).await {
            Ok(response) => response,
            Err(error @ (SendError::OtherHost | SendError::Certificate(_))) => {
                return Heard::Refused(error.to_string());
            }
            Err(error) => return Heard::Failed(error.to_string(), None),
        };
        let status = response.status();
        let headers = response.headers().clone();
        let after = retry::asked(&headers, &Value::Null, now());
        match status {
            StatusCode::OK | StatusCode::ACCEPTED => {}
            StatusCode::NOT_FOUND | StatusCode::GONE if polling => return Heard::Unknown,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                return Heard::Failed(status.to_string(), after);
            }
            other if other.is_server_error() => return Heard::Failed(other.to_string(), after),
            other if other.is_redirection() => {
                return Heard::Refused(format!("the webhook redirects ({other}): not followed"));
            }
            other => return Heard::Refused(format!("the webhook answered {other}")),
        }
        let body = match self.body(&mut response).await {
            Ok(Some(body)) => body,
            Ok(None) => return Heard::Refused("the answer is larger than 64 KiB".to_owned()),
            Err(error) => return Heard::Failed(error.to_string(), None),
        };
        if status == StatusCode::ACCEPTED {
            let value: Value = serde_json::from_slice(&body).unwrap_or_default();
            let seconds = value.get("poll_after_seconds").and_then(Value::as_u64);
            return Heard::NotYet(seconds.map(Duration::from_secs).or(after));
        }
        match wire::answer(&self.seal, asked, &headers, &body, now()) {
            Ok(reply) => Heard::Answer(reply),
            Err(why) => Heard::Refused(format!("not an answer: {why}")),
        }
    }

    /// The whole body; `None` when it is too large.
    async fn body(&self, response: &mut reqwest::Response) -> Result<Option<Vec<u8>>, SendError> {
        let mut body = Vec::new();
        while let Some(piece) = self.egress.read(response).await? {
            body.extend_from_slice(piece.as_ref());
            if body.len() > LARGEST {
                return Ok(None);
            }
        }
        Ok(Some(body))
    }
}

fn note(trouble: &Mutex<Option<String>>, why: Option<String>) {
    if let Ok(mut trouble) = trouble.lock() {
        *trouble = why;
    }
}

fn late(trouble: &Mutex<Option<String>>) -> String {
    match trouble.lock().ok().and_then(|mut trouble| trouble.take()) {
        Some(why) => format!("no answer in time; last: {why}"),
        None => "no answer in time".to_owned(),
    }
}

impl Approver for Webhook {
    fn name(&self) -> &str {
        "webhook"
    }

    fn is_there(&self) -> bool {
        true
    }

    fn ask<'a>(&'a self, asked: &'a Arc<Asked>, cancel: CancellationToken) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            let pending = match self.store.open(asked) {
                Ok(pending) => pending,
                Err(why) => return Reply::silence(why),
            };
            let trouble = Mutex::new(None);
            tokio::select! {
                biased;
                () = cancel.cancelled() => Reply::silence("the question was closed"),
                () = tokio::time::sleep(asked.patience) => Reply::silence(late(&trouble)),
                reply = self.converse(&pending, &trouble) => reply,
            }
        })
    }
}
