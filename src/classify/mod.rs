//! A model's opinion on calls that rules left open, in two stages: a quick look at every one,
//! and reasoning only about those that it flags.
//!
//! The model sees the user's own words and the bare call as JSON data, never the agent's prose
//! and no tool output. INVARIANT (doubt is an ask): an error, a time-out, a limit or any answer
//! that is not exactly of the agreed form leaves the call open. Read [`prompt`] for what is
//! asked, [`verdict`] for what counts as an answer, [`judge`] for the two stages.

mod cache;
mod judge;
pub mod prompt;
pub mod verdict;

pub use judge::{Flagged, ModelClassifier, Settings};
