//! One run: from a prompt to the model's last word.

use super::asked_model::ModelCall;
use super::calls::{self, CallContext};
use super::limits::{Reached, RunLimits, Spent};
use super::turn::{self, Answer, TurnError};
use crate::audit::AuditLog;
use crate::conversation::{Block, Message, Role};
use crate::event::kinds::SCHEMA_VERSION;
use crate::event::{Event, Progress, RunStatus, Sink, TaskComplete};
use crate::gate::{Gate, Refusal};
use crate::model::{AbsPath, SessionId};
use crate::provider::route::ModelInfo;
use crate::provider::{ModelRequest, Provider, ProviderError, StopReason};
use crate::redact::{Redacted, Redactor};
use crate::sandbox::Sandbox;
use crate::session::{SessionError, Transcript};
use crate::tool::{Registry, run::Bench};
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often an answer that hit the output limit is continued.
const CONTINUATIONS: u32 = 3;

/// Notes that the loop puts on the user's side of the conversation.
const NEARLY_OVER: &str = "[SYSTEM] Two turns are left. Finish what you are doing.";
/// See [`NEARLY_OVER`].
const CUT_OFF: &str = "[SYSTEM] The answer was cut off. Continue exactly where it ended.";

/// Everything that a run needs, put together by `runtime`.
pub struct Agent<'a> {
    /// Answers.
    pub provider: &'a dyn Provider,
    /// The resolved model.
    pub model: String,
    /// What is known about it.
    pub info: ModelInfo,
    /// Judges.
    pub gate: &'a Gate,
    /// The tools on offer.
    pub registry: &'a Registry,
    /// Runs permits.
    pub sandbox: &'a Sandbox,
    /// Masks.
    pub redactor: &'a Redactor,
    /// Records.
    pub audit: &'a AuditLog,
    /// The conversation.
    pub session: SessionId,
    /// Where tools run.
    pub cwd: AbsPath,
    /// What ends the run early.
    pub limits: RunLimits,
    /// Ends the run from outside.
    pub cancel: CancellationToken,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The model had its last word.
    Done,
    /// The turn limit.
    Turns,
    /// The budget.
    Budget,
}

/// What is left of a run.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// The closing event.
    pub complete: TaskComplete,
    /// Why it ended.
    pub stop: Stop,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The provider failed for good.
    #[error("{0}")]
    Provider(ProviderError),
    /// Somebody cancelled the run.
    #[error("cancelled")]
    Cancelled,
    /// The listener is gone or full.
    #[error("{0}")]
    Output(std::io::Error),
    /// The transcript cannot be written.
    #[error("{0}")]
    Session(#[from] SessionError),
    /// The machine cannot confine calls as the profile requires.
    #[error("this machine cannot hold the profile, so the tool did not run: {0}")]
    Sandbox(String),
    /// The audit log cannot be written any more.
    #[error("the audit log failed, so no further call may run: {0}")]
    Audit(String),
}

impl Agent<'_> {
    /// Runs `prompt` after `history` to its end. Sends every event but the first
    /// (`session_init`) and `error`, which the caller owns.
    ///
    /// # Errors
    /// [`RunError`]; the transcript then ends at the last whole message.
    pub async fn run(
        &self,
        history: Vec<Message>,
        prompt: Redacted<String>,
        transcript: &mut Transcript,
        sink: &mut dyn Sink,
    ) -> Result<RunReport, RunError> {
        let begun = Instant::now();
        let mut state = Run::new(history);
        state.user_request.push(prompt.clone());
        state.say(user_text(prompt), transcript)?;
        let stop = loop {
            if let Some(reached) = state.spent.reached(&self.limits) {
                break self.stopped_by(reached, &mut state, sink)?;
            }
            if state.spent.is_near_the_end(&self.limits) {
                state.say(user_text(Redacted::literal(NEARLY_OVER)), transcript)?;
            }
            let answer = self.ask(&mut state, sink).await?;
            let (stop, calls) = (answer.stop, self.keep(answer, &mut state, transcript)?);
            if !calls.is_empty() {
                self.answer_calls(calls, &mut state, transcript, sink).await?;
            } else if stop == StopReason::MaxTokens && state.continued < CONTINUATIONS {
                state.continued += 1;
                state.say(user_text(Redacted::literal(CUT_OFF)), transcript)?;
            } else if stop == StopReason::Filtered {
                return Err(RunError::Provider(filtered()));
            } else {
                break Stop::Done;
            }
        };
        let report = self.report(stop, state, begun);
        let complete = Event::TaskComplete(Box::new(report.complete.clone()));
        sink.emit(&complete).map_err(RunError::Output)?;
        Ok(report)
    }

    fn stopped_by(
        &self,
        reached: Reached,
        state: &mut Run,
        sink: &mut dyn Sink,
    ) -> Result<Stop, RunError> {
        match reached {
            Reached::Turns(max) => {
                state.result = self.redactor.text(&format!("Reached max turns ({max})"));
                Ok(Stop::Turns)
            }
            Reached::Budget(max) => {
                let text = format!(
                    "Reached the budget: ${:.4} of ${max} are spent; no further model call was made",
                    state.spent.cost_usd
                );
                state.result = self.redactor.text(&text);
                let error = Event::Error {
                    message: state.result.clone(),
                    is_error: true,
                    error_code: "budget_exceeded".to_owned(),
                    retryable: false,
                    http_status: None,
                    session_id: Some(self.session.clone()),
                };
                sink.emit(&error).map_err(RunError::Output)?;
                Ok(Stop::Budget)
            }
        }
    }

    async fn ask(&self, state: &mut Run, sink: &mut dyn Sink) -> Result<Answer, RunError> {
        state.spent.turns += 1;
        let request = ModelRequest {
            model: self.model.clone(),
            system: None,
            messages: Arc::from(state.messages.as_slice()),
            tools: self.registry.declarations(self.redactor),
            max_tokens: self.info.max_output.unwrap_or(8192),
        };
        let call = ModelCall::begin(state, &request);
        let answer = self.answer_to(request, state, sink).await;
        // Whoever reads the log can tell what was asked and paid for, also where nothing came of it.
        call.record(self, &answer)?;
        let answer = answer?;
        state.spent.add(answer.usage, &self.info);
        Ok(answer)
    }

    async fn answer_to(
        &self,
        request: ModelRequest,
        state: &Run,
        sink: &mut dyn Sink,
    ) -> Result<Answer, RunError> {
        let stream = tokio::select! {
            () = self.cancel.cancelled() => return Err(RunError::Cancelled),
            stream = self.provider.stream(request) => stream.map_err(RunError::Provider)?,
        };
        let mut emit = |event: Event| sink.emit(&event);
        turn::collect(stream, self.redactor, state.calls_so_far, &self.cancel, &mut emit)
            .await
            .map_err(|error| match error {
                TurnError::Provider(error) => RunError::Provider(error),
                TurnError::Cancelled => RunError::Cancelled,
                TurnError::Output(error) => RunError::Output(error),
            })
    }

    /// Puts the answer into the conversation and gives its calls.
    fn keep(
        &self,
        answer: Answer,
        state: &mut Run,
        transcript: &mut Transcript,
    ) -> Result<Vec<turn::AskedCall>, RunError> {
        let mut content = Vec::new();
        if !answer.text.as_str().is_empty() {
            content.push(Block::Text { text: answer.text.clone() });
        }
        content.extend(calls::as_blocks(&answer.calls, self.redactor));
        state.result = answer.text;
        if !content.is_empty() {
            let message = Message { role: Role::Assistant, content };
            transcript.append(&message, Some(answer.usage))?;
            state.messages.push(message);
        }
        Ok(answer.calls)
    }

    async fn answer_calls(
        &self,
        calls: Vec<turn::AskedCall>,
        state: &mut Run,
        transcript: &mut Transcript,
        sink: &mut dyn Sink,
    ) -> Result<(), RunError> {
        state.calls_so_far += calls.len();
        let bench = Bench {
            sandbox: self.sandbox,
            redactor: self.redactor,
            audit: self.audit,
            session: &self.session,
        };
        let context = CallContext {
            gate: self.gate,
            bench,
            cwd: &self.cwd,
            cancel: &self.cancel,
            user_request: &state.user_request,
            progress: Progress {
                turn: state.spent.turns,
                running: Redacted::literal(""),
                seconds: 0,
                cost_usd: state.spent.cost_usd,
                budget_usd: self.limits.max_budget_usd,
            },
        };
        let answered = calls::answer_all(calls, &context, sink).await.map_err(RunError::Output)?;
        let unrecorded = answered.iter().find_map(|answer| answer.unrecorded.clone());
        let unheld = answered.iter().find_map(|answer| answer.unheld.clone());
        let mut content = Vec::with_capacity(answered.len());
        for answer in answered {
            content.push(answer.block);
            state.denials.extend(answer.refusal);
        }
        state.say(Message { role: Role::User, content }, transcript)?;
        if let Some(why) = unrecorded {
            return Err(RunError::Audit(why.to_string()));
        }
        if self.cancel.is_cancelled() {
            return Err(RunError::Cancelled);
        }
        match unheld {
            Some(why) => Err(RunError::Sandbox(why.to_string())),
            None => Ok(()),
        }
    }

    fn report(&self, stop: Stop, state: Run, begun: Instant) -> RunReport {
        let status = match stop {
            Stop::Turns => RunStatus::MaxTurns,
            Stop::Budget => RunStatus::BudgetExceeded,
            Stop::Done if state.denials.is_empty() => RunStatus::Completed,
            Stop::Done => RunStatus::CompletedWithDenials,
        };
        let complete = TaskComplete {
            result: state.result,
            status,
            cost_usd: state.spent.cost_usd,
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            num_turns: state.spent.turns,
            usage: state.spent.usage,
            session_id: self.session.clone(),
            permission_denials: state.denials,
            schema_version: SCHEMA_VERSION,
        };
        RunReport { complete, stop }
    }
}

/// What changes while a run goes on.
pub(super) struct Run {
    messages: Vec<Message>,
    /// What the user wrote, without the notes of this loop.
    user_request: Vec<Redacted<String>>,
    pub(super) spent: Spent,
    denials: Vec<Refusal>,
    result: Redacted<String>,
    calls_so_far: usize,
    continued: u32,
}

impl Run {
    fn new(messages: Vec<Message>) -> Self {
        Run {
            user_request: written_by_the_user(&messages),
            messages,
            spent: Spent::default(),
            denials: Vec::new(),
            result: Redacted::literal(""),
            calls_so_far: 0,
            continued: 0,
        }
    }

    /// Adds a message of the user's side, on disk first.
    fn say(&mut self, message: Message, transcript: &mut Transcript) -> Result<(), SessionError> {
        transcript.append(&message, None)?;
        self.messages.push(message);
        Ok(())
    }
}

/// The user's own words: neither results of tools nor notes of the loop.
fn written_by_the_user(messages: &[Message]) -> Vec<Redacted<String>> {
    let of_user = messages.iter().filter(|message| message.role == Role::User);
    let texts = of_user.flat_map(|message| &message.content).filter_map(|block| match block {
        Block::Text { text } => Some(text),
        _ => None,
    });
    texts.filter(|text| ![NEARLY_OVER, CUT_OFF].contains(&text.as_str())).cloned().collect()
}

fn user_text(text: Redacted<String>) -> Message {
    Message { role: Role::User, content: vec![Block::Text { text }] }
}

fn filtered() -> ProviderError {
    ProviderError {
        code: "content_filter",
        message: "the provider's content filter stopped the answer".to_owned(),
        http_status: None,
        retryable: false,
        retry_after: None,
    }
}
