//! A host program that runs Ion and reads its JSON events may answer on Ion's standard input: one
//! JSON object a line, `{"cmd":"permission_response","questionId":…,"optionId":…}`.
//!
//! INVARIANT (an answer is for one open question): a line names a question by its random id. One
//! for a question that is not open, or that cannot be read, is no answer, now or later. When the
//! stream ends nobody is there any more, and open questions end as unanswered.

use super::who::me;
use crate::gate::{Approver, Asked, Choice, QuestionId, Reply};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Longest line in bytes.
const LONGEST: u64 = 64 * 1024;

/// What a host sends. Other keys are its own business (`key` names its session).
#[derive(Debug, Deserialize)]
struct Line {
    cmd: String,
    #[serde(alias = "question_id")]
    #[serde(rename = "questionId")]
    question_id: String,
    #[serde(alias = "option_id")]
    #[serde(rename = "optionId")]
    option_id: String,
    reason: Option<String>,
}

/// One answer.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    choice: Choice,
    reason: Option<String>,
}

#[derive(Debug, Default)]
struct Desk {
    /// Questions that are open, each with the way to whoever waits.
    open: Mutex<HashMap<QuestionId, oneshot::Sender<Answer>>>,
    over: AtomicBool,
}

impl Desk {
    fn open(&self) -> MutexGuard<'_, HashMap<QuestionId, oneshot::Sender<Answer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads answers until the stream ends.
    fn read(&self, from: impl Read) {
        let mut from = BufReader::new(from);
        while let Some(line) = next_line(&mut from) {
            let Some((id, answer)) = line.as_deref().and_then(answer) else { continue };
            if let Some(waiting) = self.open().remove(&id) {
                // Whoever waited may have been answered elsewhere meanwhile.
                let _ = waiting.send(answer);
            }
        }
        self.over.store(true, Ordering::Release);
        // Dropping what waits ends it.
        self.open().clear();
    }
}

/// The next line, `Some(None)` for one that is too long, `None` at the end.
fn next_line(from: &mut impl BufRead) -> Option<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = from.by_ref().take(LONGEST).read_until(b'\n', &mut line).ok()?;
    if read == 0 {
        return None;
    }
    if line.ends_with(b"\n") || read < LONGEST as usize {
        return Some(Some(line));
    }
    loop {
        let chunk = from.fill_buf().ok()?;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(chunk.len(), |at| at + 1);
        from.consume(used);
        if end.is_some() || used == 0 {
            return Some(None);
        }
    }
}

/// Reads one line; `None` for anything that is not an answer.
fn answer(line: &[u8]) -> Option<(QuestionId, Answer)> {
    let line: Line = serde_json::from_slice(line).ok()?;
    if line.cmd != "permission_response" {
        return None;
    }
    let id = QuestionId::parse(&line.question_id)?;
    Some((id, Answer { choice: Choice::parse(&line.option_id)?, reason: line.reason }))
}

/// The host program as a way to reach a person.
pub(in crate::approve) struct Host {
    desk: Arc<Desk>,
}

impl Host {
    /// Reads answers from `from` on a thread of its own, which ends with the stream.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn listening(from: impl Read + Send + 'static) -> std::io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let reader = Arc::clone(&desk);
        std::thread::Builder::new()
            .name("host-answers".to_owned())
            .spawn(move || reader.read(from))?;
        Ok(Host { desk })
    }
}

impl Approver for Host {
    fn name(&self) -> &str {
        "host"
    }

    fn is_there(&self) -> bool {
        !self.desk.over.load(Ordering::Acquire)
    }

    fn ask<'a>(&'a self, asked: &'a Arc<Asked>, cancel: CancellationToken) -> BoxFuture<'a, Reply> {
        let (sender, receiver) = oneshot::channel();
        // Registered before anything is awaited: an answer may come at once.
        self.desk.open().insert(asked.id.clone(), sender);
        if !self.is_there() {
            self.desk.open().clear();
        }
        let open = OpenHere { desk: &self.desk, id: &asked.id };
        Box::pin(async move {
            let _open = open;
            tokio::select! {
                () = cancel.cancelled() => Reply::silence("the question was closed"),
                answered = receiver => match answered {
                    Ok(Answer { choice, reason }) => {
                        let by = format!("{} through the host program", me());
                        Reply { choice: Some(choice), by, reason }
                    }
                    Err(_) => Reply::silence("the host program closed its stream of answers"),
                },
            }
        })
    }
}

/// Takes the question off the desk however the waiting ends.
struct OpenHere<'a> {
    desk: &'a Desk,
    id: &'a QuestionId,
}

impl Drop for OpenHere<'_> {
    fn drop(&mut self) {
        self.desk.open().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_a_whole_answer_to_a_question_is_one() {
        let id = QuestionId::random().unwrap();
        let good = format!(
            r#"{{"cmd":"permission_response","key":"s","questionId":"{id}","optionId":"allow"}}"#
        );
        let (named, said) = answer(good.as_bytes()).unwrap();
        assert_eq!((named, said.choice), (id, Choice::parse("allow").unwrap()));
        let snake = good.replace("questionId", "question_id").replace("optionId", "option_id");
        assert!(answer(snake.as_bytes()).is_some());
        for bad in [
            good.replace("permission_response", "prompt"),
            good.replace("\"allow\"", "\"yes\""),
            good.replace("\"allow\"", "true"),
            good.replace("q-", "x-"),
            good.replace("}", ",\"optionId\":\"deny\"}"),
            good.replace("\"optionId\":\"allow\"", "\"other\":1"),
            format!("[{good}]"),
            good[..good.len() - 1].to_owned(),
        ] {
            assert!(answer(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_answer_for_nobody_is_dropped_and_the_end_of_the_stream_ends_what_waits() {
        let desk = Desk::default();
        let (id, other) = (QuestionId::random().unwrap(), QuestionId::random().unwrap());
        let (sender, mut waits) = oneshot::channel();
        desk.open().insert(id.clone(), sender);
        let (sender, mut unanswered) = oneshot::channel();
        desk.open().insert(other, sender);
        let line = |id: &QuestionId, option: &str| {
            format!(
                "{{\"cmd\":\"permission_response\",\"questionId\":\"{id}\",\"optionId\":\"{option}\"}}\n"
            )
        };
        let stranger = QuestionId::random().unwrap();
        let long = format!("{}\n", "x".repeat(LONGEST as usize + 10));
        let stream = [
            line(&stranger, "allow"),
            long,
            "not json\n".to_owned(),
            line(&id, "deny"),
            // It is answered already: a second word about it is void.
            line(&id, "allow"),
        ]
        .concat();
        desk.read(stream.as_bytes());
        assert_eq!(waits.try_recv().unwrap().choice, Choice::Deny);
        assert!(unanswered.try_recv().is_err());
        assert!(desk.over.load(Ordering::Acquire) && desk.open().is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let desk = Desk::default();
            desk.read(&bytes[..]);
            prop_assert!(desk.over.load(Ordering::Acquire));
        }
    }
}
