//! A proposed call becomes a permit, a question or a refusal, recorded first.
//!
//! Nothing runs without a [`Permit`], and only [`decide`] makes one, after the record of the
//! decision is on disk. Read [`mod@propose`] (understand), [`decide`] (judge), [`combine`] (the
//! table), [`permit`] (the proof), [`refusal`] and [`render`] (the other answer).

pub mod advisers;
pub mod approver;
pub mod asked;
pub mod classifier;
pub mod clock;
pub mod combine;
pub mod confiner;
pub mod decide;
pub mod hook;
pub mod inquiry;
pub mod permit;
pub mod propose;
pub mod question;
pub mod recorder;
pub mod refusal;
pub mod render;
pub mod withdrawn;

pub use advisers::Advisers;
pub use approver::{Approver, Reply};
pub use asked::{Asked, Choice, Offers, QuestionId, Scope};
pub use classifier::{Classifier, Opinion, Question as ClassifierQuestion};
pub use clock::{Clock, Now, SystemClock};
pub use confiner::Confiner;
pub use decide::{Gate, GateParts, Verdict};
pub use hook::{Hook, HookOpinion, HookReply, HookRole, MOST_REWRITES, Proposal};
pub use inquiry::{Ending, Inquiry, Notice, Resolved};
pub use permit::{Permit, Terms};
pub use propose::{Place, Proposed, propose};
pub use question::Question;
pub use recorder::Recorder;
pub use refusal::{DecidedBy, Refusal, RuleRef, Unit};
pub use render::{refusal_line, refusal_text};
pub use withdrawn::{Withdrawn, withdrawn};
