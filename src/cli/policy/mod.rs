//! `ion policy …`: what policy says about a call, and what reviewers ask about a policy. Runs nothing.
//!
//! [`check`] gives the decision, [`explain`] the reasons. For reviewers: [`test`] runs the cases
//! that files carry, [`lint`] finds what is odd, [`diff`] says what changes in effect, and
//! [`suggest`] writes the rules for what people approved. [`log`] reads recorded calls.

pub mod check;
pub mod classify;
pub mod diff;
pub mod explain;
pub mod files;
pub mod lint;
pub mod log;
mod pinpoint;
mod remedy;
pub mod start;
pub mod suggest;
pub mod surroundings;
pub mod test;

use super::exit::{CommandError, Exit};
use super::output::Output;
use crate::audit::Record;
use crate::config::effective::{SandboxSettings, ToolRestrictions};
use crate::model::{AbsPath, CallId, Decision, Effects, Seq, ToolCall, ToolName};
use crate::policy::{Circumstances, RuleSet};
pub use check::CheckArgs;
use check::{batch, call_of, exit_of, judge, line, table, value};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;

/// `ion policy …`
#[derive(Debug, Clone, clap::Subcommand)]
pub enum PolicyCommand {
    /// Judge one call, or a batch of calls, and print the decision; nothing is run.
    Check(Box<CheckArgs>),
    /// Judge one call and print everything that was considered.
    Explain(Box<CheckArgs>),
    /// Run the test cases that policy files carry.
    Test(test::TestArgs),
    /// Find rules that never decide, patterns that never match, and allows wider than they look.
    Lint(lint::LintArgs),
    /// Say what changes in effect between two policies, also for every recorded call.
    Diff(diff::DiffArgs),
    /// Write the least rules that would have allowed what people approved.
    Suggest(suggest::SuggestArgs),
}

/// Where the calls would run.
#[derive(Debug, Clone)]
pub struct CheckContext {
    /// The workspace, links resolved.
    pub workspace: AbsPath,
    /// The folder that a call without `cwd` runs in.
    pub cwd: AbsPath,
    /// The user's home.
    pub home: Option<AbsPath>,
    /// Who asks, when, and what the session has seen.
    pub circumstances: Circumstances,
    /// What each registered tool can do.
    pub effects: BTreeMap<ToolName, Effects>,
    /// Name of the profile in force, for people.
    pub profile: String,
    /// Tools that `toolRestrictions` takes away, each with the place that says so.
    pub restrictions: ToolRestrictions,
    /// What every call is confined by; `None` where nobody asked.
    pub sandbox: Option<SandboxSettings>,
    /// The call of `--record`, and how it was decided then.
    pub recorded: Option<Recorded>,
    /// Who is asked about open calls (`--classify`).
    pub asking: Option<Arc<classify::Asking>>,
}

/// A call as the audit log holds it: secrets are masked, everything else is as it was.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The record.
    pub seq: Seq,
    /// The call.
    pub call: ToolCall,
    /// Where it would have run.
    pub cwd: AbsPath,
    /// How it was decided.
    pub decision: Decision,
    /// Whether it was a call of another agent (`ion hook`).
    pub guarded: bool,
}

impl Recorded {
    /// Reads the call out of a record; `None` when the record is not a decision about one.
    pub fn of(record: &Record) -> Option<Self> {
        let input = record.body.get("call")?.get("input")?.as_object()?.clone();
        let name = ToolName::resolve(record.text(&["call", "tool"])?);
        let cwd = AbsPath::new(record.text(&["cwd"])?)?;
        let decision = record.decision?;
        let call = ToolCall { id: CallId::new("recorded"), name, input };
        let guarded = record.text(&["confinement"]) == Some("guarded");
        Some(Recorded { seq: record.seq, call, cwd, decision, guarded })
    }

    /// Whether the answer is still the same, in one line.
    fn compared(&self, now: Decision) -> String {
        match now == self.decision {
            true => format!("recorded   {} in record {}: unchanged\n", self.decision, self.seq),
            false => {
                format!(
                    "recorded   {} in record {}: the answer has CHANGED\n",
                    self.decision, self.seq
                )
            }
        }
    }
}

/// Judges what `check` and `explain` are asked.
///
/// # Errors
/// [`CommandError`] on wrong usage and when stdout is gone.
pub fn run(
    args: &CheckArgs,
    explain: bool,
    rules: &RuleSet,
    context: &CheckContext,
    input: &mut dyn BufRead,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    if args.batch {
        return batch(args, rules, context, input, out);
    }
    let (call, cwd) = match &context.recorded {
        Some(recorded) => (recorded.call.clone(), &recorded.cwd),
        None => (call_of(args)?, &context.cwd),
    };
    let judged = judge(&call, cwd, rules, context);
    if args.json {
        let text = if explain {
            let mut document = value(&judged);
            explain::document(&mut document, &call, cwd, &judged, rules, context);
            document.to_string()
        } else {
            line(None, &judged)
        };
        out.line(&text)?;
    } else if explain {
        let mut text = explain::text(&call, cwd, &judged, rules, context, args.all);
        if let Some(recorded) = &context.recorded {
            text.push_str(&recorded.compared(judged.judgement.decision));
        }
        out.data(&text)?;
    } else {
        out.data(&table(&judged.judgement, context))?;
    }
    Ok(exit_of(args, judged.judgement.decision))
}

/// Control characters made visible: a command must not rewrite the terminal that shows it.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}
