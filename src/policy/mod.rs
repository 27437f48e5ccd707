//! Compiles and evaluates rules. Pure: no clock, no disk, no async.
//!
//! A call arrives as [`CallFacts`] (made by `gate::propose`), is judged by a [`RuleSet`]
//! (made by [`compile()`]) and leaves as a [`Judgement`]. Nothing here can run a command, and
//! nothing can loosen a verdict. Read [`facts`], [`shell`], [`rule`], [`danger`], [`mod@evaluate`].

mod beyond_rules;
pub mod circumstances;
mod combined;
pub mod compile;
pub mod confine;
pub mod confinement;
pub mod danger;
pub mod describe;
mod dialect;
mod endpoints;
pub mod evaluate;
pub mod exact;
mod examples;
pub mod expression;
pub mod facts;
mod findings;
mod hints;
mod inclusion;
mod index;
pub mod judgement;
mod leaks;
pub mod lint;
mod lookup;
pub mod match_args;
pub mod match_around;
pub mod match_flags;
pub mod match_host;
pub mod match_path;
pub mod match_words;
pub mod parse;
mod possible;
mod prefilter;
pub mod rule;
pub mod sensitive;
pub mod shell;
mod speak;
mod spelling;
pub mod untrusted;
pub mod withheld;
pub mod words;

pub use circumstances::{Annotations, Circumstances, Moment};
pub use compile::{CompileError, MayLift, RuleProblem, RuleSet, check_shipped, compile};
pub use confine::{CallLimits, confinement_for, confinement_of_command};
pub use confinement::{Confinement, Hosts, NetworkAccess, ResourceLimits};
pub use danger::DangerHit;
pub use describe::{describe, shipped_ids};
pub use evaluate::evaluate;
pub use facts::{Access, CallFacts, PathUse};
pub use judgement::{Basis, Considered, JudgedCommand, Judgement, Origin};
pub use match_path::Anchors;
pub use withheld::{Withheld, withheld};
