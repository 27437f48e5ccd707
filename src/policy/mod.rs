//! Compiles and evaluates rules. Pure: no clock, no disk, no async.
//!
//! A call arrives as [`CallFacts`] (made by `gate::propose`), is judged by a [`RuleSet`]
//! (made by [`compile()`]) and leaves as a [`Judgement`]. Nothing here can run a command, and
//! nothing can loosen a verdict. Read [`facts`], [`shell`], [`rule`], [`danger`], [`mod@evaluate`].

pub mod circumstances;
pub mod compile;
pub mod confine;
pub mod confinement;
pub mod danger;
pub mod describe;
mod endpoints;
pub mod evaluate;
pub mod expression;
pub mod facts;
pub mod match_args;
pub mod match_path;
pub mod parse;
mod possible;
mod prefilter;
pub mod rule;
pub mod sensitive;
pub mod shell;
pub mod withheld;

pub use circumstances::{Annotations, Circumstances, Moment};
pub use compile::{CompileError, RuleProblem, RuleSet, check_shipped, compile};
pub use confine::{CallLimits, confinement_for};
pub use confinement::{Confinement, NetworkAccess, ResourceLimits};
pub use danger::DangerHit;
pub use describe::describe;
pub use evaluate::{Basis, Considered, JudgedCommand, Judgement, Origin, evaluate};
pub use facts::{Access, CallFacts, PathUse};
pub use match_path::Anchors;
pub use withheld::{Withheld, withheld};
