//! What judging a call gives: the verdict, what decided, and everything that was considered.
//!
//! Values only. Read `evaluate` for how they come about.

use super::danger::DangerHit;
use crate::model::{Decision, Source, Tier};
use serde::Serialize;

/// What kind of thing decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// A rule.
    Rule,
    /// A dangerous pattern.
    Danger,
    /// A sensitive path.
    SensitivePath,
    /// A read-only path.
    ReadOnlyPath,
    /// It could not be understood.
    Opaque,
    /// Its arguments are wrong.
    Malformed,
    /// The mode.
    Mode,
    /// It could carry data out of a session that has read untrusted content.
    Untrusted,
    /// A rule that is not enforced: what it would do. Decides nothing.
    Report,
}

/// The rule, pattern or setting behind an opinion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Stable id.
    pub id: String,
    /// Its tier.
    pub tier: Tier,
    /// Its place.
    #[serde(serialize_with = "as_text")]
    pub source: Source,
}

fn as_text<S: serde::Serializer>(source: &Source, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(source)
}

/// One opinion that was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// What it says.
    pub decision: Decision,
    /// What kind of thing says so.
    pub basis: Basis,
    /// Who.
    pub origin: Option<Origin>,
    /// About which part of the call.
    pub subject: String,
    /// Which command, where the part is one.
    pub unit: Option<usize>,
    /// Why.
    pub reason: String,
    /// What to do instead.
    pub hint: Option<String>,
    /// Where to read more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// The verdict on one simple command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JudgedCommand {
    /// Program and arguments.
    pub text: String,
    /// What policy says about it.
    pub decision: Decision,
    /// What it was unwrapped from.
    pub via: Vec<String>,
}

/// What policy says about a call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    /// The verdict.
    pub decision: Decision,
    /// What the sealed tier alone says (no opinion is allow).
    pub sealed: Decision,
    /// What everything else says.
    pub lower: Decision,
    /// The strictest dangerous pattern or sensitive path, part of `lower`.
    pub danger_decision: Decision,
    /// What decided.
    pub decided_by: Basis,
    /// The rule or pattern that decided, `None` for the mode.
    pub rule: Option<Origin>,
    /// The command that decided.
    pub unit: Option<usize>,
    /// Why.
    pub reason: String,
    /// What to do instead.
    pub hint: Option<String>,
    /// Where to read more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Every pattern that was hit, also when it did not decide.
    pub danger: Vec<DangerHit>,
    /// Every simple command.
    pub commands: Vec<JudgedCommand>,
    /// Everything that was considered, in order.
    pub trace: Vec<Considered>,
}
