//! The wire vocabulary of a run, and the trait of whoever listens.
//!
//! Every text inside an event is [`Redacted`](crate::redact::Redacted): an event that could
//! leak does not compile. This module must never decide anything. Read [`kinds`] for the
//! vocabulary, then [`crate::agent`] for the order in which events are sent.

pub mod kinds;
pub mod sink;

pub use kinds::{Event, RunStatus, TaskComplete};
pub use sink::{Progress, Sink};
