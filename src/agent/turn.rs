//! One answer of the model: text goes out as it comes, tool calls are collected whole.

use crate::event::Event;
use crate::model::{CallId, ToolCall, ToolName, Usage};
use crate::provider::{ModelEvent, ModelStream, ProviderError, StopReason};
use crate::redact::{Redacted, Redactor, StreamRedactor};
use futures_util::StreamExt;
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

/// A call as the model made it: ready for the gate, or spoilt.
#[derive(Debug)]
pub enum AskedCall {
    /// The input is a JSON object.
    Whole(ToolCall),
    /// The input was not: answered with an error, never proposed, never repaired.
    Spoilt {
        /// The call's id.
        id: CallId,
        /// The tool.
        name: ToolName,
        /// What is wrong.
        problem: String,
    },
}

impl AskedCall {
    /// The call's id.
    pub fn id(&self) -> &CallId {
        match self {
            AskedCall::Whole(call) => &call.id,
            AskedCall::Spoilt { id, .. } => id,
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// All its text.
    pub text: Redacted<String>,
    /// Its calls, in the order that the model began them.
    pub calls: Vec<AskedCall>,
    /// The provider's counts.
    pub usage: Usage,
    /// Why the model stopped.
    pub stop: StopReason,
    /// How often the request was repeated.
    pub retries: u32,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub enum TurnError {
    /// The provider failed.
    Provider(ProviderError),
    /// Somebody cancelled the run.
    Cancelled,
    /// The listener is gone.
    Output(std::io::Error),
}

/// Reads an answer to its end. `emit` receives the events; `first_index` numbers the calls.
///
/// # Errors
/// [`TurnError`]; nothing half-parsed is then acted on.
pub async fn collect(
    mut stream: ModelStream,
    redactor: &Redactor,
    first_index: usize,
    cancel: &CancellationToken,
    emit: &mut (dyn FnMut(Event) -> std::io::Result<()> + Send),
) -> Result<Answer, TurnError> {
    let mut answer = Collecting::new(redactor, first_index);
    loop {
        let next = tokio::select! {
            () = cancel.cancelled() => return Err(TurnError::Cancelled),
            next = stream.next() => next,
        };
        let event = match next {
            Some(event) => event.map_err(TurnError::Provider)?,
            // A provider must end with `Stopped`; silence is not an answer.
            None => return Err(TurnError::Provider(truncated())),
        };
        if let ModelEvent::Stopped(stop) = event {
            return answer.finish(stop, emit);
        }
        answer.take(event, emit).map_err(TurnError::Output)?;
    }
}

fn truncated() -> ProviderError {
    ProviderError {
        code: "stream_truncated",
        message: "the provider's stream ended before the answer did".to_owned(),
        http_status: None,
        retryable: true,
        retry_after: None,
    }
}

struct Collecting<'a> {
    redactor: &'a Redactor,
    first_index: usize,
    text: Redacted<String>,
    live: StreamRedactor<'a>,
    calls: BTreeMap<usize, Partial<'a>>,
    usage: Usage,
    retries: u32,
}

struct Partial<'a> {
    id: CallId,
    name: ToolName,
    live: StreamRedactor<'a>,
    input: Option<Result<serde_json::Map<String, serde_json::Value>, String>>,
}

type Emit<'e> = dyn FnMut(Event) -> std::io::Result<()> + Send + 'e;

impl<'a> Collecting<'a> {
    fn new(redactor: &'a Redactor, first_index: usize) -> Self {
        Collecting {
            redactor,
            first_index,
            text: Redacted::literal(""),
            live: redactor.stream(),
            calls: BTreeMap::new(),
            usage: Usage::default(),
            retries: 0,
        }
    }

    fn take(&mut self, event: ModelEvent, emit: &mut Emit<'_>) -> std::io::Result<()> {
        match event {
            ModelEvent::Text(piece) => {
                let seen = self.live.push(&piece);
                self.show(seen, emit)
            }
            ModelEvent::ToolStarted { index, id, name } => {
                // What was said before the call is shown before it.
                let rest = std::mem::replace(&mut self.live, self.redactor.stream()).finish();
                self.show(rest, emit)?;
                // An id is a peer's text like any other; it is echoed to everybody.
                let id = CallId::new(self.redactor.text(id.as_str()).truncated(128).to_string());
                let name = ToolName::resolve(self.redactor.text(&name).as_str());
                let partial = Partial {
                    id: id.clone(),
                    name: name.clone(),
                    live: self.redactor.stream(),
                    input: None,
                };
                self.calls.insert(index, partial);
                let index = self.first_index + index;
                emit(Event::ToolCall { tool_name: name, tool_id: id, index })
            }
            ModelEvent::ToolInput { index, fragment } => match self.calls.get_mut(&index) {
                Some(call) => {
                    let partial_input = call.live.push(&fragment);
                    if partial_input.as_str().is_empty() {
                        return Ok(());
                    }
                    emit(Event::ToolCallUpdate { tool_id: call.id.clone(), partial_input })
                }
                None => Ok(()),
            },
            ModelEvent::ToolReady { index, input } => match self.calls.get_mut(&index) {
                Some(call) => {
                    call.input = Some(input);
                    let rest = std::mem::replace(&mut call.live, self.redactor.stream()).finish();
                    let tool_id = call.id.clone();
                    if !rest.as_str().is_empty() {
                        emit(Event::ToolCallUpdate {
                            tool_id: tool_id.clone(),
                            partial_input: rest,
                        })?;
                    }
                    emit(Event::ToolCallComplete { index: self.first_index + index, tool_id })
                }
                None => Ok(()),
            },
            ModelEvent::Usage(usage) => {
                self.usage = usage;
                Ok(())
            }
            ModelEvent::Reset => {
                let retries = self.retries;
                *self = Collecting::new(self.redactor, self.first_index);
                self.retries = retries;
                emit(Event::StreamReset)
            }
            ModelEvent::Retrying { retry, of, wait, reason } => {
                self.retries = self.retries.max(retry);
                emit(Event::ProviderRetry {
                    retry,
                    of,
                    after_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                    reason: self.redactor.text(&reason),
                })
            }
            ModelEvent::Started { .. } | ModelEvent::Thinking(_) | ModelEvent::Stopped(_) => Ok(()),
        }
    }

    fn show(&mut self, seen: Redacted<String>, emit: &mut Emit<'_>) -> std::io::Result<()> {
        if seen.as_str().is_empty() {
            return Ok(());
        }
        self.text.push(&seen);
        emit(Event::TextChunk { text: seen })
    }

    fn finish(mut self, stop: StopReason, emit: &mut Emit<'_>) -> Result<Answer, TurnError> {
        let rest = std::mem::replace(&mut self.live, self.redactor.stream()).finish();
        self.show(rest, emit).map_err(TurnError::Output)?;
        emit(Event::Usage { usage: self.usage }).map_err(TurnError::Output)?;
        let calls = self.calls.into_values().map(|call| match call.input {
            Some(Ok(input)) => AskedCall::Whole(ToolCall { id: call.id, name: call.name, input }),
            Some(Err(problem)) => AskedCall::Spoilt { id: call.id, name: call.name, problem },
            None => AskedCall::Spoilt {
                id: call.id,
                name: call.name,
                problem: "the input never ended".to_owned(),
            },
        });
        let (text, usage, retries) = (self.text, self.usage, self.retries);
        Ok(Answer { text, calls: calls.collect(), usage, stop, retries })
    }
}
