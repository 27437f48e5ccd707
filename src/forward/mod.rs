//! Sends the audit log to what an organisation already runs: OTLP, HTTP, syslog, journald.
//!
//! The log is the queue and a cursor for each sink says how far it got ([`crate::audit::cursor`]), so an
//! outage loses nothing and needs no memory. At least once, in order; receivers drop what they have by
//! `hash`. Nothing else is sent than what the log holds, which was redacted before it was written.
//! INVARIANT (no tool waits): each sink has a thread of its own, and a run waits for none of them but for
//! its last records, and for these a short time only.
//! Read [`sink`] for what can be configured, [`pump`] for the order of things, [`wire`] for the formats.

mod http;
mod local;
pub mod pump;
pub mod run;
pub mod sink;
mod wire;

pub use pump::{Progress, Pump, Stop};
pub use run::Forwarder;
pub use sink::{Sink, SinkError, sinks};
