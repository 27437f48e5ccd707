//! Decides what may be shown, and is the only maker of [`Redacted`].
//!
//! Everything that leaves the process as text (provider requests, events, transcripts, the
//! audit log, tool results for the model) has type `Redacted<_>`, so a forgotten pass through
//! the redactor does not compile. This module must never do I/O. Read [`redacted`] for the
//! token, [`redactor`] for the way in, then `segment` (a stream in units), `scan` (one unit) and
//! `marks` (the places worth a look). `docs/redaction.md` tells what is not found.

mod assign;
#[cfg(test)]
mod corpus;
mod kinds;
mod known;
mod marks;
mod names;
pub mod pattern;
mod pem;
mod personal;
mod placeholder;
mod put_back;
pub mod raw;
pub mod redacted;
pub mod redactor;
mod rules;
mod scan;
pub mod secret;
mod segment;
mod shape;
mod structure;
#[cfg(test)]
mod tests;
mod value;
mod view;

pub use pattern::{Allowed, Pattern};
pub use put_back::{Held, has_numbered};
pub use raw::Raw;
pub use redacted::Redacted;
pub use redactor::{ByteRedactor, Finding, Options, Redactor, StreamRedactor, Style};
pub use secret::Secret;

/// Whether a variable of this name holds a secret, so that its value is masked wherever it
/// appears: `DB_PASSWORD` and `GITHUB_TOKEN` do, `MAX_TOKENS` and `SSH_AUTH_SOCK` do not.
pub fn names_a_secret(variable: &str) -> bool {
    names::judge(variable.as_bytes()).is_some()
}
