//! One sink at work: what is new goes out in batches, and the cursor follows when they were taken.
//!
//! The cursor moves after the receiver's word and never before, so whatever is killed when, a record is
//! sent again and none is left out. What the receiver will never take parks the sink, with a record in the
//! log: whoever goes on past a refused record hides it.

use super::sink::{Sink, Wire};
use super::wire::{Batch, MOST, Trouble};
use crate::audit::cursor::{self, Cursor, Sent};
use crate::audit::record::visible;
use crate::audit::{AuditError, query};
use crate::model::{AbsPath, Seq};
use crate::net::retry::Policy;
use serde::Serialize;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How often a quiet log is looked at. Two small files are read.
const POLL: Duration = Duration::from_millis(500);
/// How long a record may wait for others to share its batch.
const LINGER: Duration = Duration::from_secs(5);
/// The least between two attempts.
const LEAST: Duration = Duration::from_millis(100);
/// Doubles from a second to five minutes; a receiver may ask for up to an hour.
const BACKOFF: Policy = Policy {
    max_retries: u32::MAX,
    base: Duration::from_secs(1),
    cap: Duration::from_secs(300),
    server_cap: Duration::from_secs(3600),
};

/// How a sink stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Its name.
    pub sink: String,
    /// `otlp`, `http`, `syslog` or `journald`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Records that the receiver took this time.
    pub sent: u64,
    /// The last record that it has; `None` where that cannot be read.
    pub seq: Option<Seq>,
    /// How many it lacks; `None` where that cannot be known.
    pub backlog: Option<u64>,
    /// Whether nothing more is sent until `ion audit forward` is called.
    pub parked: bool,
    /// Whether another process sends to it at the moment.
    pub busy: bool,
    /// What is wrong.
    pub error: Option<String>,
}

impl Progress {
    /// Whether the receiver has everything, or another process is at it.
    pub fn is_well(&self) -> bool {
        self.error.is_none() && (self.busy || self.backlog == Some(0))
    }
}

/// Asks a pump to come to its end.
#[derive(Clone, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Asks. What is waited for is over.
    pub fn ask(&self) {
        if let Ok(mut asked) = self.0.0.lock() {
            *asked = true;
        }
        self.0.1.notify_all();
    }

    fn asked(&self) -> bool {
        self.0.0.lock().is_ok_and(|asked| *asked)
    }

    fn wait(&self, time: Duration) {
        if let Ok(asked) = self.0.0.lock() {
            drop(self.0.1.wait_timeout_while(asked, time, |asked| !*asked));
        }
    }
}

/// What is told when a sink parks: its name and why. It becomes a record.
pub type Note = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// One sink and its log.
pub struct Pump {
    sink: Sink,
    log: AbsPath,
    note: Note,
    wire: Option<Wire>,
    sent: u64,
}

/// Why reading a batch ended.
enum Halt {
    Full,
    Fault(AuditError),
}

impl From<AuditError> for Halt {
    fn from(error: AuditError) -> Self {
        Halt::Fault(error)
    }
}

impl Pump {
    /// A pump that has sent nothing yet.
    pub fn new(sink: Sink, log: &AbsPath, note: Note) -> Self {
        Pump { sink, log: log.clone(), note, wire: None, sent: 0 }
    }

    /// Sends what there is, and ends at the first trouble. A parked sink is tried: whoever calls this
    /// has been told.
    pub fn once(mut self) -> Progress {
        let cursor = match Cursor::take(&self.log, &self.sink.name) {
            Ok(Some(cursor)) => cursor,
            Ok(None) => return self.progress(true, None),
            Err(error) => return self.progress(false, Some(error.message)),
        };
        loop {
            match self.step(&cursor) {
                Ok(0) => return self.progress(false, None),
                Ok(_) => {}
                Err(trouble) => {
                    let why = self.keep(&cursor, trouble).0;
                    return self.progress(false, Some(why));
                }
            }
        }
    }

    /// Sends what comes until it is asked to stop, and then what is left if that works at once. With
    /// `mended` a parked sink is tried first. Returns early when the sink is parked.
    pub fn follow(mut self, stop: &Stop, mended: bool, tell: &dyn Fn(Progress)) -> Progress {
        let (mut failures, mut since, mut not_before) = (0u32, None, None::<Instant>);
        let mut held = None;
        let mut told = None;
        loop {
            let ending = stop.asked();
            if held.is_none() {
                held = match Cursor::take(&self.log, &self.sink.name) {
                    Ok(cursor) => cursor,
                    Err(error) => return self.progress(false, Some(error.message)),
                };
            }
            let Some(cursor) = held.as_ref() else {
                // Another process is at it, and sends these records too.
                if ending {
                    return self.progress(true, None);
                }
                stop.wait(POLL);
                continue;
            };
            if !mended && cursor.read().is_ok_and(|sent| sent.parked) {
                return self.progress(false, None);
            }
            let now = Instant::now();
            let due = match cursor::backlog(&self.log, &self.sink.name) {
                Ok(0) => {
                    since = None;
                    false
                }
                Ok(waiting) => {
                    let since = *since.get_or_insert(now);
                    ending || waiting >= MOST as u64 || now.duration_since(since) >= LINGER
                }
                // The step will say what is wrong.
                Err(_) => true,
            };
            let early = not_before.is_some_and(|time| now < time);
            if !due || early {
                if ending {
                    return self.progress(false, None);
                }
                stop.wait(POLL);
                continue;
            }
            let before = self.sent;
            match self.step(cursor) {
                Ok(_) => {
                    (failures, since, not_before) = (0, None, None);
                    if self.sent > before {
                        told = None;
                        tell(self.progress(false, None));
                    }
                }
                Err(trouble) => {
                    let (why, asked, parked) = self.keep(cursor, trouble);
                    failures = failures.saturating_add(1);
                    if parked || ending {
                        return self.progress(false, Some(why));
                    }
                    if told.as_ref() != Some(&why) {
                        tell(self.progress(false, Some(why.clone())));
                        told = Some(why);
                    }
                    let delay = BACKOFF.delay(failures, asked).max(LEAST);
                    // At its end a run tries once more, unless the receiver asked for time.
                    not_before = asked.map(|_| now + delay);
                    stop.wait(delay);
                }
            }
        }
    }

    /// Sends one batch; how many records that were.
    fn step(&mut self, cursor: &Cursor) -> Result<u64, Trouble> {
        let fault = |error: AuditError| Trouble::later(error.message);
        let sent = cursor.read().map_err(fault)?;
        let mut batch = Batch::default();
        let name = &self.sink.name;
        let read = query::after(&self.log, name, &sent, MOST, &mut |record, line| {
            if batch.push(record, line) { Ok(()) } else { Err(Halt::Full) }
        });
        let Some((last, _)) = batch.records.last() else {
            return match read {
                Err(Halt::Fault(error)) => Err(fault(error)),
                // Nothing is missing, so nothing is wrong any more.
                _ if sent.trouble.is_some() => {
                    let sent = Sent { parked: false, trouble: None, ..sent };
                    cursor.write(&sent).map(|()| 0).map_err(fault)
                }
                _ => Ok(0),
            };
        };
        let next = Sent { seq: last.seq, hash: last.hash.clone(), parked: false, trouble: None };
        let wire = match self.wire.take() {
            Some(wire) => wire,
            None => self.sink.open().map_err(Trouble::later)?,
        };
        query::settle(&self.log).map_err(fault)?;
        wire.send(&batch)?;
        self.wire = Some(wire);
        cursor.write(&next).map_err(fault)?;
        let count = batch.records.len() as u64;
        self.sent += count;
        Ok(count)
    }

    /// Keeps what went wrong where the next process sees it.
    fn keep(&self, cursor: &Cursor, trouble: Trouble) -> (String, Option<Duration>, bool) {
        let (why, asked, refused) = match trouble {
            Trouble::Later(why, asked) => (why, asked, false),
            Trouble::Refused(why) => (why, None, true),
        };
        // A receiver may say anything, and a terminal shows it.
        let why: String = visible(&why).chars().take(500).collect();
        // A damaged cursor is left as it is: it must not become one that says "nothing was sent".
        let Ok(sent) = cursor.read() else { return (why, asked, refused) };
        let parked = sent.parked || refused;
        if refused && !sent.parked {
            (self.note)(&self.sink.name, &why);
        }
        if parked != sent.parked || sent.trouble.as_ref() != Some(&why) {
            let sent = Sent { parked, trouble: Some(why.clone()), ..sent };
            // Only for the reader: nothing depends on it.
            let _ = cursor.write(&sent);
        }
        (why, asked, refused)
    }

    fn progress(&self, busy: bool, error: Option<String>) -> Progress {
        let mut progress = status(&self.log, &self.sink);
        progress.sent = self.sent;
        progress.busy = busy;
        progress.error = error.or(progress.error);
        progress
    }
}

/// How a sink stands, without sending anything.
pub fn status(log: &AbsPath, sink: &Sink) -> Progress {
    let sent = cursor::read(log, &sink.name);
    let backlog = cursor::backlog(log, &sink.name);
    let error = match (&sent, &backlog) {
        (Ok(sent), Ok(_)) => sent.trouble.clone(),
        (Err(error), _) | (_, Err(error)) => Some(error.message.clone()),
    };
    Progress {
        sink: sink.name.clone(),
        kind: sink.kind.clone(),
        sent: 0,
        seq: sent.as_ref().ok().map(|sent| sent.seq),
        backlog: backlog.ok(),
        parked: sent.is_ok_and(|sent| sent.parked),
        busy: false,
        error,
    }
}
