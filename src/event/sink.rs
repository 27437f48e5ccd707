//! Whoever listens to a run.

use super::Event;
use std::io;

/// Receives each event once, in order. Listeners that can fail say so, because nobody should
/// keep acting for a reader who is gone.
pub trait Sink: Send {
    /// Takes one event.
    ///
    /// # Errors
    /// The listener is gone or full; the run then stops and its tools are killed.
    fn emit(&mut self, event: &Event) -> io::Result<()>;
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
