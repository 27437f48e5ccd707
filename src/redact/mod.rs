//! Decides what may be shown, and is the only maker of [`Redacted`].
//!
//! Everything that leaves the process as text (provider requests, events, transcripts, the
//! audit log, tool results for the model) has type `Redacted<_>`, so a forgotten pass through
//! the redactor does not compile. This module must never do I/O. Read [`redacted`] for the
//! token, [`redactor`] for the way in, then `known` (values that are known to be secret) and
//! `machine` (text that only looks secret). `docs/redaction.md` tells what is not found.

mod kinds;
mod known;
mod machine;
mod names;
mod pem;
mod placeholder;
pub mod raw;
pub mod redacted;
pub mod redactor;
pub mod secret;
#[cfg(test)]
mod tests;
mod value;

pub use raw::Raw;
pub use redacted::Redacted;
pub use redactor::{Finding, Redactor, StreamRedactor};
pub use secret::Secret;

/// Whether a variable of this name holds a secret, so that its value is masked wherever it
/// appears: `DB_PASSWORD` and `GITHUB_TOKEN` do, `MAX_TOKENS` and `SSH_AUTH_SOCK` do not.
pub fn names_a_secret(variable: &str) -> bool {
    names::judge(variable).is_some()
}
