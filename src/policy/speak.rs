//! What one ordered list of rules says about one part of a call: the first match speaks.
//!
//! INVARIANT (neighbours): swapping two neighbouring rules of the same decision changes no
//! verdict, only the reason.

use super::compile::Layer;
use super::match_around::Around;
use super::rule::{Rule, Subject};
use crate::model::{Decision, ToolName};

/// What one list says about a part.
pub(super) struct Spoken<'a> {
    /// The first rule that is about it.
    pub(super) first: Option<&'a Rule>,
    /// Where that is an allow: every allow before the first restriction that is about it, so
    /// that the order of neighbouring allows decides nothing.
    pub(super) lifts: Vec<&'a Rule>,
    /// Rules before it that are only reported.
    pub(super) reports: Vec<&'a Rule>,
}

/// Asks one list about a part. `muted`: its allow rules do nothing.
pub(super) fn speak<'a>(
    layer: &'a Layer,
    muted: bool,
    tool: &ToolName,
    subject: Subject<'_>,
    around: &Around<'_>,
) -> Spoken<'a> {
    let mut spoken = Spoken { first: None, lifts: Vec::new(), reports: Vec::new() };
    for (at, rule) in layer.about(tool, subject, around) {
        let allow = rule.decision == Decision::Allow;
        if spoken.first.is_some() && at >= layer.lifts_before {
            break;
        }
        // An allow that does nothing does nothing at all: it hides no later rule of the list.
        if allow && muted || !rule.covers(tool, subject, around) {
            continue;
        }
        if rule.report {
            if spoken.first.is_none() {
                spoken.reports.push(rule);
            }
            continue;
        }
        if allow {
            spoken.lifts.push(rule);
        }
        if spoken.first.is_none() {
            spoken.first = Some(rule);
        }
        if !allow {
            break;
        }
    }
    spoken
}
