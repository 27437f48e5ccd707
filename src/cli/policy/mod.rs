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
pub mod recorded;
mod remedy;
pub mod start;
pub mod suggest;
pub mod surroundings;
pub mod test;

use super::exit::{CommandError, Exit};
use super::output::Output;
use crate::config::effective::{SandboxSettings, ToolRestrictions};
use crate::model::{AbsPath, Effects, ToolName};
use crate::policy::{Circumstances, RuleSet};
pub use check::CheckArgs;
use check::{batch, call_of, exit_of, judge, table, value};
pub use recorded::Recorded;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;

/// `ion policy …`
#[derive(Debug, Clone, clap::Subcommand)]
pub enum PolicyCommand {
    /// Judge one call, or a batch of calls, and print the decision; nothing is run.
    #[command(mut_arg("all", |arg| arg.hide(true)))]
    Check(Box<CheckArgs>),
    /// Judge one call and print everything that was considered.
    #[command(mut_arg("batch", |arg| arg.hide(true)))]
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
    if args.batch && explain {
        return Err(CommandError::new(Exit::Usage, "usage", "`--batch` belongs to `check`")
            .detail("next: ion policy check --batch, or `explain` with one call"));
    }
    if args.batch {
        return batch(args, rules, context, input, out);
    }
    let (call, cwd) = match &context.recorded {
        Some(recorded) => (recorded.call.clone(), &recorded.cwd),
        None => (call_of(args)?, &context.cwd),
    };
    let judged = judge(&call, cwd, rules, context);
    if args.json {
        let mut document = value(&judged);
        if explain {
            explain::document(&mut document, &call, cwd, &judged, rules, context);
        }
        if let Some(recorded) = &context.recorded {
            document["recorded"] = recorded.to_json(&judged);
        }
        out.line(&document.to_string())?;
    } else {
        let mut text = match explain {
            true => explain::text(&call, cwd, &judged, rules, context, args.all),
            false => table(&judged.judgement, context),
        };
        if let Some(recorded) = &context.recorded {
            text.push_str(&recorded.compared(&judged));
        }
        out.data(&text)?;
    }
    Ok(exit_of(args, judged.judgement.decision))
}

/// What a file writes: keys that are absent say nothing.
pub(in crate::cli) fn written(mut entry: Value) -> Value {
    if let Some(members) = entry.as_object_mut() {
        for member in members.values_mut() {
            *member = written(member.take());
        }
        members.retain(|_, member| {
            let empty = member.as_array().is_some_and(Vec::is_empty)
                || member.as_object().is_some_and(Map::is_empty);
            !empty && !member.is_null() && *member != Value::Bool(false)
        });
    }
    entry
}
