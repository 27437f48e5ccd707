//! A provider behind HTTP: one request, its answer as a stream, and bounded repeats.
//!
//! A repeat is a new answer: what was shown of the old one is taken back with `Reset` first.
//! Silence is counted from the last thing the model said, so keep-alives do not keep a dead
//! stream alive. Every error passes `Endpoint::explained`, where the key is masked. Read
//! [`super::dialect`] for what is sent and [`crate::net::egress`] for how.

use super::classify::{Report, cut, printable};
use super::dialect::openai::{Accepts, LimitField};
use super::dialect::{Dialect, Reader, anthropic, openai};
use super::error::ProviderError;
use super::event::ModelEvent;
use super::request::ModelRequest;
use super::{ModelStream, Provider};
use crate::net::sse::{Limits, SseEvent, SseParser};
use crate::net::{Egress, SendError, retry};
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use serde_json::Value;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// What an [`HttpProvider`] is made of.
pub struct Endpoint {
    /// The provider's id, named in every error.
    pub id: String,
    /// The client, bound to the provider's host.
    pub egress: Egress,
    /// How it is spoken to.
    pub dialect: Dialect,
    /// The name of the limit that its documentation gives (Chat Completions).
    pub limit_field: LimitField,
    /// What to do when nobody listens.
    pub refused_hint: Option<&'static str>,
    /// Longest silence, counted from the last content.
    pub idle: Duration,
    /// How often to repeat.
    pub policy: retry::Policy,
    /// Sizes at which an answer is refused.
    pub limits: Limits,
}

/// A provider behind HTTP.
pub struct HttpProvider(Arc<Shared>);

struct Shared {
    endpoint: Endpoint,
    url: Url,
    /// Learned from refusals: the other name of the limit is the right one.
    other_limit: AtomicBool,
    /// Learned from refusals: `stream_options` is unknown here.
    no_stream_options: AtomicBool,
}

impl HttpProvider {
    /// A provider at an endpoint. Nothing is sent yet.
    pub fn new(endpoint: Endpoint) -> Self {
        let url = endpoint.egress.base().versioned(match endpoint.dialect {
            Dialect::Messages => "messages",
            Dialect::ChatCompletions => "chat/completions",
        });
        HttpProvider(Arc::new(Shared {
            endpoint,
            url,
            other_limit: AtomicBool::new(false),
            no_stream_options: AtomicBool::new(false),
        }))
    }
}

impl Provider for HttpProvider {
    fn id(&self) -> &str {
        &self.0.endpoint.id
    }

    fn host(&self) -> Option<&str> {
        self.0.url.host_str()
    }

    fn stream<'a>(
        &'a self,
        request: ModelRequest,
    ) -> Pin<Box<dyn Future<Output = Result<ModelStream, ProviderError>> + Send + 'a>> {
        Box::pin(async move {
            let turn = Turn {
                shared: Arc::clone(&self.0),
                request,
                attempt: None,
                pending: VecDeque::new(),
                failure: None,
                failures: 0,
                wait: None,
                shown: false,
                heard: false,
                over: false,
            };
            let stream = futures_util::stream::unfold(turn, |mut turn| async move {
                let item = turn.next().await?;
                Some((item, turn))
            });
            let stream: ModelStream = Box::pin(stream);
            Ok(stream)
        })
    }
}

/// One request with all its repeats.
struct Turn {
    shared: Arc<Shared>,
    request: ModelRequest,
    attempt: Option<Attempt>,
    /// Events read and not yet handed on.
    pending: VecDeque<ModelEvent>,
    /// The last error, handed on after `pending`.
    failure: Option<ProviderError>,
    failures: u32,
    wait: Option<Duration>,
    /// Whether anything of the present attempt was handed on.
    shown: bool,
    /// Whether anything was handed on since the last read. The silence begins anew then: what
    /// the listener takes to think is not the server's silence.
    heard: bool,
    over: bool,
}

/// One answer being received.
struct Attempt {
    response: reqwest::Response,
    parser: SseParser,
    reader: Box<dyn Reader>,
    last_content: Instant,
}

impl Turn {
    async fn next(&mut self) -> Option<Result<ModelEvent, ProviderError>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                self.over |= matches!(event, ModelEvent::Stopped(_));
                let announces = matches!(event, ModelEvent::Reset | ModelEvent::Retrying { .. });
                self.shown |= !announces;
                self.heard = true;
                return Some(Ok(event));
            }
            if let Some(error) = self.failure.take() {
                self.over = true;
                return Some(Err(error));
            }
            if self.over {
                return None;
            }
            let step = match self.attempt {
                None => self.connect().await,
                Some(_) => self.receive().await,
            };
            if let Err(error) = step {
                self.attempt = None;
                if let Err(error) = self.after(error) {
                    // What was said so far is handed on before the error that ends it.
                    self.failure = Some(error);
                }
            }
        }
    }

    /// Sends the request, after the wait that the last failure asked for.
    async fn connect(&mut self) -> Result<(), ProviderError> {
        if let Some(wait) = self.wait.take() {
            tokio::time::sleep(wait).await;
        }
        self.attempt = Some(self.send().await?);
        Ok(())
    }

    /// Decides about a failure: `Ok` means that the request is to be repeated after `wait`, which
    /// is announced; what was shown of the broken answer is taken back first.
    fn after(&mut self, error: ProviderError) -> Result<(), ProviderError> {
        let endpoint = &self.shared.endpoint;
        if !error.retryable || self.failures >= endpoint.policy.max_retries {
            return Err(endpoint.explained(error, self.failures.saturating_add(1)));
        }
        self.failures = self.failures.saturating_add(1);
        let wait = endpoint.policy.delay(self.failures, error.retry_after);
        let retrying = ModelEvent::Retrying {
            retry: self.failures,
            of: endpoint.policy.max_retries,
            wait,
            reason: endpoint.explained(error, 1).to_string(),
        };
        self.wait = Some(wait);
        self.pending.clear();
        if std::mem::take(&mut self.shown) {
            self.pending.push_back(ModelEvent::Reset);
        }
        self.pending.push_back(retrying);
        Ok(())
    }

    /// Sends the request once, or again at once without a field that the server rejects.
    async fn send(&self) -> Result<Attempt, ProviderError> {
        let endpoint = &self.shared.endpoint;
        loop {
            let accepts = self.shared.accepts();
            let (body, reader): (Value, Box<dyn Reader>) = match endpoint.dialect {
                Dialect::Messages => {
                    (anthropic::body(&self.request), Box::new(anthropic::Answer::default()))
                }
                Dialect::ChatCompletions => {
                    (openai::body(&self.request, accepts), Box::new(openai::Answer::default()))
                }
            };
            let mut headers =
                vec![("content-type", "application/json"), ("accept", "text/event-stream")];
            if endpoint.dialect == Dialect::Messages {
                headers.push(anthropic::VERSION);
            }
            let sent = endpoint.egress.post(&self.shared.url, &headers, body.to_string().into());
            let sent = tokio::time::timeout(endpoint.idle, sent).await;
            let mut response =
                sent.unwrap_or(Err(SendError::TimedOut)).map_err(|e| endpoint.unreachable(e))?;
            let status = response.status().as_u16();
            if status == 200 && is_event_stream(response.headers()) {
                let parser = SseParser::new(endpoint.limits);
                return Ok(Attempt { response, parser, reader, last_content: Instant::now() });
            }
            if response.status().is_redirection() {
                return Err(endpoint.redirected(status, response.headers()));
            }
            let text = endpoint.egress.error_text(&mut response);
            // A server that never ends its error is as silent as one that never answers.
            let text = tokio::time::timeout(endpoint.idle, text).await.unwrap_or_default();
            if response.status().is_success() {
                return Err(not_a_stream(status, response.headers(), &text));
            }
            let report = Report::of_body(&text);
            if matches!(status, 400 | 422) && self.shared.learn(accepts, &report) {
                continue;
            }
            let body = serde_json::from_str(&text).unwrap_or(Value::Null);
            let now = jiff::Timestamp::now().as_second();
            let mut error = report.into_error(status);
            error.retry_after = retry::asked(response.headers(), &body, now);
            return Err(error);
        }
    }

    /// Reads one piece of the answer into `pending`.
    async fn receive(&mut self) -> Result<(), ProviderError> {
        let endpoint = &self.shared.endpoint;
        let Some(attempt) = &mut self.attempt else { return Ok(()) };
        if std::mem::take(&mut self.heard) {
            attempt.last_content = Instant::now();
        }
        let silent_at = attempt.last_content + endpoint.idle;
        let read = endpoint.egress.read(&mut attempt.response);
        let piece = match tokio::time::timeout_at(silent_at, read).await {
            Err(_) | Ok(Err(SendError::TimedOut)) => {
                let silence = endpoint.idle.as_secs_f64();
                let message = format!("the model said nothing for {silence} s");
                return Err(ProviderError::new("timeout", message));
            }
            Ok(Err(error)) => {
                let message = format!("the connection broke inside the answer ({error})");
                return Err(ProviderError::truncated(message));
            }
            Ok(Ok(piece)) => piece,
        };
        let mut events: Vec<SseEvent> = Vec::new();
        let result = match &piece {
            Some(piece) => attempt.parser.push(piece.as_ref(), &mut events),
            None => attempt.parser.finish(&mut events),
        };
        for event in events {
            if attempt.reader.is_done() {
                break;
            }
            match attempt.reader.read(&event, &mut self.pending) {
                // The last event of a cut stream is half an event, not a broken server.
                Err(error) if piece.is_none() && error.code == "protocol" => {}
                other => other?,
            }
        }
        if attempt.reader.is_done() {
            return Ok(());
        }
        result?;
        if piece.is_none() {
            attempt.reader.end(&mut self.pending)?;
        }
        Ok(())
    }
}

impl Shared {
    fn accepts(&self) -> Accepts {
        let documented = self.endpoint.limit_field;
        let other = self.other_limit.load(Ordering::Relaxed);
        Accepts {
            limit: if other { documented.other() } else { documented },
            stream_options: !self.no_stream_options.load(Ordering::Relaxed),
        }
    }

    /// Learns from a refusal that names a field; `true` when another try makes sense. Each
    /// field is given up once, so this ends.
    fn learn(&self, sent: Accepts, report: &Report) -> bool {
        if self.endpoint.dialect != Dialect::ChatCompletions {
            return false;
        }
        if sent.stream_options && report.rejects_field("stream_options") {
            self.no_stream_options.store(true, Ordering::Relaxed);
            return true;
        }
        let first = sent.limit == self.endpoint.limit_field;
        if first && report.rejects_field(sent.limit.as_str()) {
            self.other_limit.store(true, Ordering::Relaxed);
            return true;
        }
        false
    }
}

impl Endpoint {
    /// The error as it is shown: who failed, how often, without the key.
    fn explained(&self, mut error: ProviderError, attempts: u32) -> ProviderError {
        let tries =
            if attempts > 1 { format!(" (after {attempts} attempts)") } else { String::new() };
        let message = self.egress.mask(&error.message);
        error.message = format!("{} API error: {}{tries}", self.id, cut(&message));
        error
    }

    fn unreachable(&self, error: SendError) -> ProviderError {
        let refused = error == SendError::Refused;
        let base = self.egress.base();
        let mut converted = ProviderError::from(error);
        converted.message = format!("{} ({base})", converted.message);
        if refused {
            // Nobody listens on this machine: that does not change within seconds.
            converted.retryable = !base.is_loopback();
            if let Some(hint) = self.refused_hint {
                converted.message = format!("{}; {hint}", converted.message);
            }
        }
        converted
    }

    fn redirected(&self, status: u16, headers: &HeaderMap) -> ProviderError {
        let target = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        // Masked before it is parsed, which changes capitals. Then the host only: the rest of
        // the address is the server's to fill.
        let target = target.and_then(|text| Url::parse(&self.egress.mask(text)).ok());
        let host = target.as_ref().and_then(Url::host_str).unwrap_or("another address");
        let mut error = ProviderError::protocol(format!(
            "HTTP {status}: the server redirects to {}; Ion follows no redirects, because the \
             key would travel along; set `baseURL` to the final address",
            printable(host)
        ));
        error.http_status = Some(status);
        error
    }
}

/// Whether the body is a stream of events. A missing type is given the benefit of the doubt:
/// what is not a stream then ends as a cut one.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("text/event-stream")
}

fn not_a_stream(status: u16, headers: &HeaderMap, text: &str) -> ProviderError {
    if let Some(report) = serde_json::from_str(text).ok().and_then(|v| Report::of_json(&v)) {
        return report.into_stream_error();
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("nothing");
    let mut error = ProviderError::protocol(format!(
        "HTTP {status} with `{}` instead of an event stream; is `baseURL` right?",
        printable(kind)
    ));
    error.http_status = Some(status);
    error
}
