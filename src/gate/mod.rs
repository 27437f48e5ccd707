//! A proposed call becomes a permit, a question or a refusal, recorded first.
//!
//! Nothing runs without a [`Permit`], and only [`decide`] makes one, after the record of the
//! decision is on disk. Read [`mod@propose`] (understand), [`decide`] (judge), [`combine`] (the
//! table), [`permit`] (the proof), [`refusal`] and [`render`] (the other answer), [`guard`] (calls
//! of other agents, which get a word and no permit).

pub mod combine;
pub mod confiner;
pub mod decide;
pub mod guard;
pub mod permit;
pub mod propose;
pub mod question;
pub mod recorder;
pub mod refusal;
pub mod render;
pub mod withdrawn;

pub use confiner::Confiner;
pub use decide::{Gate, GateParts, Verdict};
pub use guard::{ForeignCall, ForeignPart, Guarded, RunsNothing};
pub use permit::{Permit, Terms};
pub use propose::{Place, Proposed, propose};
pub use question::Question;
pub use recorder::Recorder;
pub use refusal::{DecidedBy, Refusal, RuleRef, Unit};
pub use render::{refusal_line, refusal_text};
pub use withdrawn::{Withdrawn, withdrawn};
