//! Whoever listens to a run.

use super::Event;
use crate::redact::Redacted;
use std::io;

/// Receives each event once, in order. Listeners that can fail say so, because nobody should
/// keep acting for a reader who is gone.
pub trait Sink: Send {
    /// Takes one event.
    ///
    /// # Errors
    /// The listener is gone or full; the run then stops and its tools are killed.
    fn emit(&mut self, event: &Event) -> io::Result<()>;

    /// Looks at how far the run is, about once a second while tools run. For a line that
    /// updates itself; nothing depends on it.
    fn progress(&mut self, _progress: &Progress) {}
}

/// How far a run is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The present turn, from 1.
    pub turn: u32,
    /// What the longest running tool does: its name and main argument.
    pub running: Redacted<String>,
    /// Seconds since that tool began.
    pub seconds: u64,
    /// US dollars so far.
    pub cost_usd: f64,
    /// US dollars at which the run stops.
    pub budget_usd: Option<f64>,
}

/// Keeps every event, for tests and for output that is written at the end.
#[derive(Default)]
pub struct Collected {
    /// The events so far.
    pub events: Vec<Event>,
}

impl Sink for Collected {
    fn emit(&mut self, event: &Event) -> io::Result<()> {
        self.events.push(event.clone());
        Ok(())
    }
}
