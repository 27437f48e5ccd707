//! Puts one question to everybody who can answer, and takes the first answer.
//!
//! T8: later answers are void; of answers that come at the same moment a no counts. T9: the wait
//! ends. A clock that steps forward past the end shown to the person ends it too.

use super::approver::{Approver, Reply};
use super::asked::{Asked, Choice};
use super::clock::Clock;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// How a question ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gate) enum Ended {
    /// Somebody answered.
    Answered {
        choice: Choice,
        /// Who, as well as the approver knows.
        by: String,
        /// The approver.
        via: String,
        reason: Option<String>,
    },
    /// Nobody answered: why, by approver.
    Silent(String),
    /// The run was cancelled.
    Cancelled,
}

/// Asks all approvers that are there.
pub(in crate::gate) async fn put(
    approvers: &[Arc<dyn Approver>],
    asked: &Arc<Asked>,
    cancel: &CancellationToken,
    clock: &dyn Clock,
) -> Ended {
    let others = cancel.child_token();
    // Also when this future is dropped: nobody goes on showing a dead question.
    let _end = others.clone().drop_guard();
    let mut open: FuturesUnordered<_> = approvers
        .iter()
        .filter(|approver| approver.is_there())
        .map(|approver| hear(approver.as_ref(), asked, others.clone()))
        .collect();
    let deadline = tokio::time::sleep(asked.patience);
    tokio::pin!(deadline);
    let mut silent: Vec<String> = Vec::new();
    loop {
        let (via, reply) = tokio::select! {
            biased;
            () = cancel.cancelled() => return Ended::Cancelled,
            () = &mut deadline => return expired(asked),
            next = open.next() => match next {
                Some(answer) => answer,
                None => return Ended::Silent(nobody(&silent)),
            },
        };
        let Some(choice) = reply.choice else {
            let why = reply.reason.unwrap_or_else(|| "no answer".to_owned());
            silent.push(format!("{via}: {why}"));
            continue;
        };
        if clock.now().unix_seconds > asked.expires_at {
            return expired(asked);
        }
        let first = Ended::Answered { choice, by: reply.by, via, reason: reply.reason };
        return match choice {
            Choice::Deny | Choice::Never => first,
            Choice::Allow(_) | Choice::Preview | Choice::Apply => {
                sterner(&mut open).unwrap_or(first)
            }
        };
    }
}

/// A no among the answers that are there already.
fn sterner<F>(open: &mut FuturesUnordered<F>) -> Option<Ended>
where
    F: Future<Output = (String, Reply)>,
{
    while let Some(Some((via, reply))) = open.next().now_or_never() {
        if let Some(choice @ (Choice::Deny | Choice::Never)) = reply.choice {
            return Some(Ended::Answered { choice, by: reply.by, via, reason: reply.reason });
        }
    }
    None
}

async fn hear(
    approver: &dyn Approver,
    asked: &Arc<Asked>,
    cancel: CancellationToken,
) -> (String, Reply) {
    let asking = AssertUnwindSafe(async { approver.ask(asked, cancel).await });
    let reply = asking.catch_unwind().await;
    (approver.name().to_owned(), reply.unwrap_or_else(|_| Reply::silence("it crashed")))
}

fn expired(asked: &Asked) -> Ended {
    Ended::Silent(format!("nobody answered within {} s", asked.patience.as_secs()))
}

fn nobody(silent: &[String]) -> String {
    match silent {
        [] => "nobody is there any more".to_owned(),
        reasons => format!("nobody answered ({})", reasons.join("; ")),
    }
}
