//! Conversations on disk: JSON lines in the documented format, appended as they happen.
//!
//! What is stored is redacted already, and is scanned again when it is loaded: a rule may be
//! newer than the file. This module must never hold a plain tool output. Read [`transcript`]
//! for writing, [`load`] for reading, [`scrub`] for masking what is older than a rule.

pub mod load;
pub mod scrub;
pub mod transcript;

pub use load::{Loaded, latest, load};
pub use transcript::{SessionError, Transcript};
