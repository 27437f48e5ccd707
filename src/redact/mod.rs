//! Decides what may be shown, and is the only maker of [`Redacted`].
//!
//! Everything that leaves the process as text (provider requests, events, transcripts, the
//! audit log, tool results for the model) has type `Redacted<_>`, so a forgotten pass through
//! the redactor does not compile. This module must never do I/O. Read [`redacted`] for the
//! token, then `scan` for how a secret is found and `stream` for text that arrives in pieces.

pub mod raw;
pub mod redacted;
pub mod redactor;
pub mod secret;

pub use raw::Raw;
pub use redacted::Redacted;
pub use redactor::{Redactor, StreamRedactor};
pub use secret::Secret;
