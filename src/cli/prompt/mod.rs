//! `ion prompt`: one shot, in this process; no daemon, no socket, nothing left running.
//!
//! Read [`input`] for where the prompt comes from, [`sinks`] for what goes to stdout.

pub mod input;
pub mod sinks;

use super::args::{OutputMode, PromptArgs};
use super::{CommandError, Exit, Output};
use crate::agent::{RunError, RunReport, Stop};
use crate::config::{Environment, Flags};
use crate::event::{Event, RunStatus};
use crate::redact::Redactor;
use crate::runtime::{Model, Runtime, StartRequest};
use sinks::PromptSink;
use std::io::IsTerminal;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long tools get to die after the run was cancelled, before Ion leaves anyway. Their own
/// processes are killed by then: each worker dies when Ion's end of its pipe closes.
const GRACE: Duration = Duration::from_secs(2);

/// Runs the command.
///
/// # Errors
/// [`CommandError`] with the exit code of the contract. In the JSON modes the same error has
/// been written to stdout as one document.
pub fn run(
    args: &PromptArgs,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let result = start_and_run(args, environment, out);
    if let Err(error) = &result
        && args.output != OutputMode::Text
        && !matches!(error.code, "output" | "reader_gone")
    {
        out.line(&error_document(error))?;
    }
    result
}

fn start_and_run(
    args: &PromptArgs,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let flags = Flags {
        model: args.model.clone(),
        max_turns: args.max_turns,
        max_budget_usd: args.max_budget,
        profile: args.profile.clone(),
        ..Flags::default()
    };
    let request = StartRequest {
        environment,
        flags,
        dir: args.dir.clone(),
        resume: args.resume.clone(),
        model: Model::Configured,
        // In the JSON modes a program reads along, and a person is reached in other ways.
        terminal: args.output == OutputMode::Text
            && (out.err_is_terminal || std::io::stdin().is_terminal()),
        host: args.answers,
    };
    let text = if args.answers { input::typed(&args.text)? } else { input::read(&args.text, out)? };
    let mut runtime = Runtime::start(request).map_err(CommandError::from)?;
    for warning in runtime.warnings() {
        out.say(&format!("warning: {warning}"));
    }
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::new(Exit::Failed, "internal", error.to_string()))?;
    let forwarder = runtime.forward(environment);
    let outcome = executor.block_on(drive(args, &mut runtime, &text, out));
    executor.shutdown_timeout(Duration::from_millis(100));
    if let Some(forwarder) = forwarder {
        // Who interrupted the run does not want to wait for a receiver.
        let stopped = |e: &CommandError| matches!(e.exit, Exit::Interrupted | Exit::TimedOut);
        let hurried = outcome.as_ref().is_err_and(stopped);
        let grace = if hurried { Duration::ZERO } else { runtime.grace() };
        for notice in forwarder.finish(grace) {
            out.say(&format!("warning: {notice}"));
        }
    }
    outcome
}

/// Why a run was cancelled.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ended {
    Interrupted,
    TimedOut(Duration),
}

async fn drive(
    args: &PromptArgs,
    runtime: &mut Runtime,
    text: &str,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let cancel = CancellationToken::new();
    let mut sink = PromptSink::new(out, args.output);
    let session = runtime.session().clone();
    let (result, ended) = {
        let running = runtime.run(text, &mut sink, cancel.clone());
        tokio::pin!(running);
        let first = tokio::select! {
            result = &mut running => Ok(result),
            ended = interruption(args.timeout) => Err(ended),
        };
        match first {
            Ok(result) => (Some(result), None),
            Err(ended) => {
                cancel.cancel();
                // A second Ctrl-C does not wait for anything.
                let result = tokio::select! {
                    result = tokio::time::timeout(GRACE, &mut running) => result.ok(),
                    _ = interruption(None) => None,
                };
                (result, Some(ended))
            }
        }
    };
    let closed = sink.close_line();
    match (ended, result) {
        (Some(Ended::Interrupted), _) => Err(CommandError::new(
            Exit::Interrupted,
            "cancelled",
            "interrupted; every tool of this run was stopped",
        )
        .detail(format!("next: ion prompt --resume {session} \"...\""))),
        (Some(Ended::TimedOut(limit)), _) => Err(CommandError::new(
            Exit::TimedOut,
            "timeout",
            format!("Timeout: prompt exceeded {limit:?} deadline"),
        )
        .detail(format!("next: ion prompt --resume {session} --timeout ... \"...\""))),
        (None, Some(Ok(report))) => {
            closed?;
            Ok(conclude(&report, args.fail_on_deny, out))
        }
        (None, Some(Err(error))) => Err(failed(error, runtime)),
        // Without an interruption the run has always ended by itself.
        (None, None) => {
            Err(CommandError::new(Exit::Failed, "internal", "the run ended without a result"))
        }
    }
}

/// Waits for Ctrl-C, SIGTERM, SIGHUP, or the deadline.
async fn interruption(deadline: Option<Duration>) -> Ended {
    let listen = |kind| signal(kind).ok();
    let (mut int, mut term, mut hup) = (
        listen(SignalKind::interrupt()),
        listen(SignalKind::terminate()),
        listen(SignalKind::hangup()),
    );
    async fn next(signal: &mut Option<tokio::signal::unix::Signal>) {
        match signal {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
    let timer = async {
        match deadline {
            Some(limit) => {
                tokio::time::sleep(limit).await;
                limit
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = next(&mut int) => Ended::Interrupted,
        () = next(&mut term) => Ended::Interrupted,
        () = next(&mut hup) => Ended::Interrupted,
        limit = timer => Ended::TimedOut(limit),
    }
}

/// The closing lines on stderr and the exit code of a run that reached its end.
fn conclude(report: &RunReport, fail_on_deny: bool, out: &mut Output) -> Exit {
    let denied = report.complete.permission_denials.len();
    if denied > 0 {
        let calls = if denied == 1 { "call was" } else { "calls were" };
        out.say(&format!("ion: {denied} {calls} denied; see `ion audit denials`"));
    }
    match report.stop {
        Stop::Turns | Stop::Budget => out.say(&format!("ion: {}", report.complete.result)),
        Stop::Done => {}
    }
    match report.complete.status {
        RunStatus::BudgetExceeded => Exit::Failed,
        _ if fail_on_deny && denied > 0 => Exit::Denied,
        _ => Exit::Done,
    }
}

fn failed(error: RunError, runtime: &Runtime) -> CommandError {
    let masked = |text: String| runtime.redactor().text(&text).to_string();
    match error {
        RunError::Provider(error) => {
            let mut shown = CommandError::new(Exit::Failed, error.code, masked(error.message));
            shown.http_status = error.http_status;
            shown.retryable = error.retryable;
            shown
        }
        RunError::Cancelled => CommandError::new(Exit::Interrupted, "cancelled", "cancelled"),
        RunError::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            CommandError::from(super::output::OutputError::ReaderGone)
        }
        RunError::Output(error) => CommandError::from(super::output::OutputError::Failed(error)),
        RunError::Session(error) => {
            CommandError::new(Exit::Failed, "session", masked(error.to_string()))
                .detail("next: free space or fix the folder, then run the prompt again")
        }
        RunError::Sandbox(why) => {
            let mut lines = why.lines();
            let first = lines.next().unwrap_or_default();
            let message =
                format!("this machine cannot hold the profile; the tool did not run: {first}");
            lines.map(str::trim).filter(|line| !line.is_empty()).fold(
                CommandError::new(Exit::Usage, "sandbox_unavailable", masked(message)),
                |error, line| error.detail(masked(line.to_owned())),
            )
        }
        RunError::Audit(why) => CommandError::new(
            Exit::Failed,
            "audit_unavailable",
            masked(format!("the audit log failed, so no further call may run: {why}")),
        ),
    }
}

/// The error as the JSON document that pipelines parse.
fn error_document(error: &CommandError) -> String {
    let redactor = Redactor::new(true, Vec::new());
    let event = Event::Error {
        message: redactor.text(&error.message),
        is_error: true,
        error_code: error.code.to_owned(),
        retryable: error.retryable,
        http_status: error.http_status,
        session_id: None,
    };
    let mut value = serde_json::to_value(&event).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        let details = error.details.iter().map(|line| redactor.text(line));
        object.insert("result".to_owned(), "".into());
        object.insert("details".to_owned(), details.map(|line| line.to_string()).collect());
    }
    value.to_string()
}
