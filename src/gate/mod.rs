//! A proposed call becomes a permit or a refusal, recorded first.
//!
//! Nothing runs without a [`Permit`], and only [`decide`] makes one, after the record of the
//! decision is on disk. The story of a call: [`mod@propose`] (understand), `judge` (rules and
//! hooks), `consent` (earlier answers, classifier, people; [`trial`] for those who want to see first), [`decide`] (confine, record, permit).
//! [`combine`] is the table behind it, [`refusal`] and [`render`] the other answer, [`untrusted`]
//! what the conversation has read. Whoever is heard beside the rules implements [`Hook`],
//! [`Classifier`] or [`Approver`]. [`guard`] judges calls of other agents, which get a word and no
//! permit.

pub mod advisers;
pub mod approver;
mod ask;
pub mod asked;
mod child;
pub mod classifier;
pub mod clock;
pub mod combine;
pub mod confiner;
mod consent;
mod consult;
pub mod decide;
pub mod grant;
pub mod guard;
pub mod hook;
pub mod inquiry;
mod judge;
pub mod opine;
pub mod permit;
pub mod propose;
mod record;
pub mod recorder;
pub mod refusal;
pub mod render;
pub mod story;
pub mod trial;
pub mod untrusted;
pub mod withdrawn;
mod would;

pub use advisers::{Advisers, Lift};
pub use approver::{Approver, Reply};
pub use asked::{Asked, Choice, Offers, QuestionId, Scope};
pub use classifier::{Classifier, Opinion, Question as ClassifierQuestion};
pub use clock::{Clock, Now, SystemClock};
pub use confiner::Confiner;
pub use decide::{Gate, GateParts, Verdict};
pub use guard::{ForeignCall, ForeignPart, Guarded, RunsNothing};
pub use hook::{Hook, HookOpinion, HookReply, HookRole, MOST_REWRITES, Proposal};
pub use inquiry::{Ending, Inquiry, Notice, Resolved};
pub use opine::{opine, summary, what_counts};
pub use permit::{Applies, Permit, Terms, Trial};
pub use propose::{Place, Proposed, propose};
pub use recorder::Recorder;
pub use refusal::{DecidedBy, Refusal, RuleRef, Unit};
pub use render::{refusal_line, refusal_text};
pub use trial::{Previewed, Seen};
pub use withdrawn::{Withdrawn, withdrawn};

#[cfg(test)]
mod tests;
