//! The tool calls of one answer: judged, run side by side, answered in the model's order.

use super::turn::AskedCall;
use crate::conversation::Block;
use crate::event::{Event, Progress, Sink};
use crate::gate::{DecidedBy, Gate, Inquiry, Notice, Refusal, Verdict, refusal_text};
use crate::model::{AbsPath, CallId, ToolCall, ToolName};
use crate::redact::{Redacted, Redactor};
use crate::tool::run::{Bench, run};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Calls that run at the same time. More would not be faster on the machines that run agents,
/// and each holds a process tree.
const PARALLEL: usize = 8;

/// A tool that still runs is announced after this time, and then every [`STALL`].
const FIRST_STALL: Duration = Duration::from_secs(10);
/// See [`FIRST_STALL`].
const STALL: Duration = Duration::from_secs(30);

/// How often a listener is shown how far the run is.
const TICK: Duration = Duration::from_secs(1);

/// What a call needs to be judged and run.
pub struct CallContext<'a> {
    /// Judges each call.
    pub gate: &'a Gate,
    /// Runs permits.
    pub bench: Bench<'a>,
    /// The folder that calls run in.
    pub cwd: &'a AbsPath,
    /// Ends every call.
    pub cancel: &'a CancellationToken,
    /// The user's own messages, oldest first.
    pub user_request: &'a [Redacted<String>],
    /// How far the run is; `running` and `seconds` are filled in here.
    pub progress: Progress,
}

/// The answer to one call.
#[derive(Debug)]
pub struct Answered {
    /// What the model is told.
    pub block: Block,
    /// The refusal, where the gate refused.
    pub refusal: Option<Refusal>,
    /// The audit log failed after the tool ran.
    pub unrecorded: Option<Redacted<String>>,
    /// The machine cannot confine the call as required: no further call would run either.
    pub unheld: Option<Redacted<String>>,
}

/// Judges and runs all calls of an answer; the result is in call order, events are sent in the
/// order in which calls end.
///
/// # Errors
/// The listener is gone; what runs is then killed by dropping it.
pub async fn answer_all(
    calls: Vec<AskedCall>,
    context: &CallContext<'_>,
    sink: &mut dyn Sink,
) -> std::io::Result<Vec<Answered>> {
    let mut slots: Vec<Option<Answered>> = calls.iter().map(|_| None).collect();
    let (events, mut incoming) = tokio::sync::mpsc::unbounded_channel::<Event>();
    let mut waiting: VecDeque<Vec<(usize, AskedCall)>> = lanes(calls, context.cwd).into();
    let mut running = FuturesUnordered::new();
    let mut progress = Progress { running: doing(&waiting, context), ..context.progress.clone() };
    let begun = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval_at(begun + TICK, TICK);
    loop {
        while running.len() < PARALLEL
            && let Some(lane) = waiting.pop_front()
        {
            running.push(run_lane(lane, context, events.clone()));
        }
        tokio::select! {
            Some(event) = incoming.recv() => sink.emit(&event)?,
            _ = ticks.tick() => {
                progress.seconds = begun.elapsed().as_secs();
                sink.progress(&progress);
            }
            finished = running.next() => match finished {
                Some(answers) => {
                    for (index, answered) in answers {
                        if let Some(slot) = slots.get_mut(index) {
                            *slot = Some(answered);
                        }
                    }
                }
                None => break,
            },
        }
    }
    while let Ok(event) = incoming.try_recv() {
        sink.emit(&event)?;
    }
    Ok(slots.into_iter().flatten().collect())
}

/// The first call in a few words, for the line that shows how far the run is.
fn doing(
    waiting: &VecDeque<Vec<(usize, AskedCall)>>,
    context: &CallContext<'_>,
) -> Redacted<String> {
    let first = waiting.iter().flatten().find_map(|(_, call)| match call {
        AskedCall::Whole(call) => Some(call),
        AskedCall::Spoilt { .. } => None,
    });
    let Some(call) = first else { return Redacted::literal("") };
    let keys = ["command", "file_path", "path", "pattern"];
    let main = keys.iter().find_map(|key| call.text(key)).unwrap_or_default();
    context.bench.redactor.text(&format!("{} {main}", call.name)).truncated(60)
}

/// Calls that touch one path, at least one of them writing, keep their order: they share a
/// lane. All others run side by side.
fn lanes(calls: Vec<AskedCall>, cwd: &AbsPath) -> Vec<Vec<(usize, AskedCall)>> {
    struct Lane {
        calls: Vec<(usize, AskedCall)>,
        path: Option<AbsPath>,
        writes: bool,
    }
    let mut lanes: Vec<Lane> = Vec::new();
    for (index, call) in calls.into_iter().enumerate() {
        let (path, writes) = target(&call, cwd);
        let shared = lanes
            .iter_mut()
            .find(|lane| path.is_some() && lane.path == path && (lane.writes || writes));
        match shared {
            Some(lane) => {
                lane.writes |= writes;
                lane.calls.push((index, call));
            }
            None => lanes.push(Lane { calls: vec![(index, call)], path, writes }),
        }
    }
    lanes.into_iter().map(|lane| lane.calls).collect()
}

fn target(call: &AskedCall, cwd: &AbsPath) -> (Option<AbsPath>, bool) {
    let AskedCall::Whole(call) = call else { return (None, false) };
    let writes = matches!(call.name.as_str(), "Write" | "Edit");
    let named = ["file_path", "path", "filePath"].iter().find_map(|key| call.text(key));
    (named.and_then(|path| cwd.join(path)), writes)
}

async fn run_lane(
    lane: Vec<(usize, AskedCall)>,
    context: &CallContext<'_>,
    events: tokio::sync::mpsc::UnboundedSender<Event>,
) -> Vec<(usize, Answered)> {
    let mut answers = Vec::with_capacity(lane.len());
    for (index, call) in lane {
        let answered = answer(call, context, &events).await;
        if let Block::ToolResult { tool_use_id, content, is_error } = &answered.block {
            let result = Event::ToolResult {
                tool_id: tool_use_id.clone(),
                output: content.clone(),
                content: content.clone(),
                is_error: *is_error,
            };
            let _ = events.send(result);
        }
        answers.push((index, answered));
    }
    answers
}

async fn answer(
    call: AskedCall,
    context: &CallContext<'_>,
    events: &tokio::sync::mpsc::UnboundedSender<Event>,
) -> Answered {
    let redactor = context.bench.redactor;
    let call = match call {
        AskedCall::Whole(call) => call,
        AskedCall::Spoilt { id, name, problem } => {
            let refusal = context.gate.spoilt(id, name, &problem, context.cwd);
            return refused(refusal, redactor, events);
        }
    };
    if context.cancel.is_cancelled() {
        // INVARIANT (no start after cancel): nothing is even judged any more.
        let text = format!("Error: {} cancelled.", call.name);
        return said(call.id, redactor.text(&text));
    }
    let id = call.id.clone();
    let notify = |notice: Notice| {
        let _ = events.send(match notice {
            Notice::Asked(asked) => Event::permission_request(&asked),
            Notice::Resolved(resolved) => {
                Event::PermissionResolved { resolved: Box::new(resolved) }
            }
        });
    };
    let inquiry =
        Inquiry { user_request: context.user_request, cancel: context.cancel, notify: &notify };
    match context.gate.decide(call, context.cwd, &inquiry).await {
        Verdict::Allow(permit) => {
            let name = permit.tool().clone();
            let cancel = context.cancel.child_token();
            let outcome = {
                let running = run(permit, context.bench, cancel);
                announce_stalls(running, &id, &name, events).await
            };
            Answered {
                block: Block::ToolResult {
                    tool_use_id: id,
                    content: outcome.content,
                    is_error: outcome.is_error,
                },
                refusal: None,
                unrecorded: outcome.unrecorded,
                unheld: outcome.unheld,
            }
        }
        Verdict::Deny(refusal) => refused(refusal, redactor, events),
    }
}

async fn announce_stalls<F: Future>(
    running: F,
    id: &CallId,
    name: &ToolName,
    events: &tokio::sync::mpsc::UnboundedSender<Event>,
) -> F::Output {
    let begun = tokio::time::Instant::now();
    let mut wait = FIRST_STALL;
    tokio::pin!(running);
    loop {
        tokio::select! {
            output = &mut running => return output,
            () = tokio::time::sleep(wait) => {
                wait = STALL;
                let elapsed = begun.elapsed().as_secs();
                let (tool_id, tool_name) = (id.clone(), name.clone());
                let _ = events.send(Event::ToolStalled { tool_id, tool_name, elapsed });
            }
        }
    }
}

fn refused(
    refusal: Refusal,
    redactor: &Redactor,
    events: &tokio::sync::mpsc::UnboundedSender<Event>,
) -> Answered {
    let _ = events.send(Event::PermissionDenied { refusal: Box::new(refusal.clone()) });
    let block = Block::ToolResult {
        tool_use_id: refusal.tool_use_id.clone(),
        content: match (refusal.decided_by, &refusal.rule) {
            // The words that models know.
            (DecidedBy::Tool, None) => refusal.reason.clone(),
            _ => redactor.text(&refusal_text(&refusal)),
        },
        is_error: true,
    };
    let unheld = (refusal.decided_by == DecidedBy::Sandbox).then(|| refusal.reason.clone());
    Answered { block, refusal: Some(refusal), unrecorded: None, unheld }
}

fn said(id: CallId, content: Redacted<String>) -> Answered {
    let block = Block::ToolResult { tool_use_id: id, content, is_error: true };
    Answered { block, refusal: None, unrecorded: None, unheld: None }
}

/// The calls of an answer as the transcript and the provider see them.
pub fn as_blocks(calls: &[AskedCall], redactor: &Redactor) -> Vec<Block> {
    let block = |call: &AskedCall| match call {
        AskedCall::Whole(ToolCall { id, name, input }) => Block::ToolUse {
            id: id.clone(),
            name: name.clone(),
            input: redactor.json(&Value::Object(input.clone())),
        },
        AskedCall::Spoilt { id, name, .. } => Block::ToolUse {
            id: id.clone(),
            name: name.clone(),
            input: redactor.json(&Value::Object(serde_json::Map::new())),
        },
    };
    calls.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(id: &str, name: &str, path: &str) -> AskedCall {
        let Value::Object(input) = json!({"file_path": path}) else { unreachable!() };
        AskedCall::Whole(ToolCall { id: CallId::new(id), name: ToolName::resolve(name), input })
    }

    #[test]
    fn a_read_after_a_write_of_the_same_file_waits_for_it() {
        let cwd = AbsPath::new("/w").unwrap();
        let calls = vec![
            asked("1", "Write", "a"),
            asked("2", "Read", "b"),
            asked("3", "Read", "./x/../a"),
            asked("4", "Read", "b"),
        ];
        let lanes = lanes(calls, &cwd);
        let ids = |lane: &Vec<(usize, AskedCall)>| -> Vec<usize> {
            lane.iter().map(|(index, _)| *index).collect()
        };
        assert_eq!(lanes.iter().map(ids).collect::<Vec<_>>(), [vec![0, 2], vec![1], vec![3]]);
    }
}
