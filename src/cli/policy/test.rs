//! `ion policy test`: runs the test cases that policy files carry.
//!
//! A case that cannot be judged fails; it is never left out. Nothing is run, and a case is
//! judged by the same code as a call.

use super::check::{Described, Judged, judge_in, tier_name};
use super::files::{Asked, TierArg};
use super::surroundings::{depth, moment};
use super::{CheckContext, explain};
use crate::cli::count::plural;
use crate::cli::{CommandError, Exit, Output};
use crate::config::Located;
use crate::config::schema::case::CaseSpec;
use crate::model::visible;
use crate::model::{AbsPath, Source, Tier, ToolCall};
use crate::policy::{Basis, Circumstances, RuleSet};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

/// `ion policy test`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TestArgs {
    /// Policy files; each is judged alone above the profile. Without one: all files in force.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The tier that the files are judged as; else by where they lie, else `user`.
    #[arg(long, value_enum, value_name = "TIER")]
    pub tier: Option<TierArg>,
    /// One JSON document.
    #[arg(long, conflicts_with = "junit")]
    pub json: bool,
    /// JUnit XML, for continuous integration.
    #[arg(long)]
    pub junit: bool,
    /// The profile below the files.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The folder in which the calls would run.
    #[arg(long, short = 'C', value_name = "PATH")]
    pub dir: Option<PathBuf>,
}

/// How one case ended.
pub struct Verdict {
    case: Located<CaseSpec>,
    name: String,
    /// Why it fails; `None` when it passes.
    failure: Option<String>,
    outcome: Option<(ToolCall, AbsPath, Judged)>,
}

/// One policy and the cases that it must pass.
pub struct Suite {
    /// What is tested, for people.
    pub name: String,
    /// The policy.
    pub asked: Asked,
    /// The cases.
    pub cases: Vec<Located<CaseSpec>>,
}

/// Runs the cases of every suite.
///
/// # Errors
/// When stdout is gone.
pub fn run(suites: &[Suite], args: &TestArgs, out: &mut Output) -> Result<Exit, CommandError> {
    let results: Vec<(&Suite, Vec<Verdict>)> = suites
        .iter()
        .map(|suite| {
            let cases = suite.cases.iter().enumerate();
            let (rules, context) = (&suite.asked.rules, &suite.asked.context);
            (suite, cases.map(|(at, case)| verdict(at, case, rules, context)).collect())
        })
        .collect();
    let all = || results.iter().flat_map(|(_, verdicts)| verdicts);
    let failed = all().filter(|verdict| verdict.failure.is_some()).count();
    let count = all().count();
    if args.junit {
        out.data(&junit(&results))?;
    } else if args.json {
        out.line(&document(&results, count, failed).to_string())?;
    } else {
        for (suite, verdicts) in &results {
            out.data(&report(suite, verdicts))?;
        }
        let cases = if count == 1 { "1 case".to_owned() } else { format!("{count} cases") };
        out.line(&format!("{cases}: {} passed, {failed} failed", count - failed))?;
    }
    if count == 0 {
        out.say(
            "note: no file has test cases; write some under `permissions.tests` (docs/review.md)",
        );
    }
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}

fn verdict(
    at: usize,
    case: &Located<CaseSpec>,
    rules: &RuleSet,
    context: &CheckContext,
) -> Verdict {
    let spec = &case.value;
    let name = spec.name.clone().or(spec.command.clone()).unwrap_or_else(|| {
        let path = spec.path.as_deref().unwrap_or_default();
        format!("{} {path}", spec.tool.as_deref().unwrap_or("case")).trim().to_owned()
    });
    let name = if name.is_empty() { format!("case {at}") } else { name };
    let (failure, outcome) = match judged(spec, rules, context) {
        Err(problem) => (Some(problem), None),
        Ok((call, cwd, judged)) => (failure(spec, &judged), Some((call, cwd, judged))),
    };
    Verdict { case: case.clone(), name, failure, outcome }
}

fn judged(
    spec: &CaseSpec,
    rules: &RuleSet,
    context: &CheckContext,
) -> Result<(ToolCall, AbsPath, Judged), String> {
    let described = Described {
        tool: spec.tool.as_deref(),
        command: spec.command.as_deref(),
        path: spec.path.as_deref(),
        input: spec.input.clone(),
    };
    let call = described.call().ok_or("it names no call")?;
    let cwd = match &spec.cwd {
        Some(cwd) => context.workspace.join(cwd).ok_or("`cwd` is no usable path")?,
        None => context.cwd.clone(),
    };
    let circumstances = Circumstances {
        interactive: spec.interactive,
        depth: spec.agent.as_deref().map(depth),
        agent: spec.agent.clone(),
        user: spec.user.clone(),
        moment: spec.at.as_deref().map(moment).transpose()?,
        untrusted: spec.untrusted.clone(),
        ..Circumstances::default()
    };
    let judged = judge_in(&call, &cwd, rules, context, &circumstances);
    Ok((call, cwd, judged))
}

fn failure(spec: &CaseSpec, judged: &Judged) -> Option<String> {
    let got = judged.judgement.decision;
    if got != spec.expect {
        return Some(format!("expected {}, got {got}", spec.expect));
    }
    let wanted = spec.rule.as_deref()?;
    let by = judged.judgement.rule.as_ref().map_or("mode", |rule| rule.id.as_str());
    (by != wanted).then(|| format!("expected rule `{wanted}` to decide, but `{by}` did"))
}

/// Who decided, with tier and place.
fn decider(judged: &Judged) -> String {
    match &judged.judgement.rule {
        Some(rule) => format!("{}   {}  {}", rule.id, tier_name(rule.tier), rule.source),
        None => "no rule: the mode, or what could not be understood".to_owned(),
    }
}

fn report(suite: &Suite, verdicts: &[Verdict]) -> String {
    let mut text = format!("{}\n", visible(&suite.name));
    for verdict in verdicts {
        let word = if verdict.failure.is_some() { "FAIL" } else { "pass" };
        let _ = writeln!(text, "  {word}  {}", visible(&verdict.name));
        let Some(failure) = &verdict.failure else { continue };
        let mut line = |label: &str, value: &str| {
            let _ = writeln!(text, "        {label:<9} {}", visible(value));
        };
        line("case", &verdict.case.source.to_string());
        let Some((call, cwd, judged)) = &verdict.outcome else {
            line("problem", failure);
            continue;
        };
        let expected = match &verdict.case.value.rule {
            Some(rule) => format!("- {} by {rule}", verdict.case.value.expect),
            None => format!("- {}", verdict.case.value.expect),
        };
        line("expected", &expected);
        line("got", &format!("+ {} by {}", judged.judgement.decision, decider(judged)));
        line("because", &judged.judgement.reason);
        let explained =
            explain::text(call, cwd, judged, &suite.asked.rules, &suite.asked.context, false);
        for explained in explained.lines().skip(1) {
            let _ = writeln!(text, "        | {explained}");
        }
    }
    let untested = untested(suite, verdicts);
    if !untested.is_empty() && !verdicts.is_empty() {
        let _ = writeln!(
            text,
            "  no case matches {} of {}:",
            untested.len(),
            plural(own_rules(suite).count(), "rule")
        );
        for (id, source) in &untested {
            let _ = writeln!(text, "        {}   {source}", visible(id));
        }
    }
    text
}

/// The rules that are under test: the profile's have tests of their own.
fn own_rules(suite: &Suite) -> impl Iterator<Item = (&str, &Source)> {
    let layers = suite.asked.rules.layers().iter().filter(|layer| layer.tier != Tier::Builtin);
    layers.flat_map(|layer| layer.rules.iter().map(|rule| (rule.id.as_str(), &rule.source)))
}

fn untested<'s>(suite: &'s Suite, verdicts: &[Verdict]) -> Vec<(&'s str, &'s Source)> {
    let steps = verdicts.iter().filter_map(|verdict| verdict.outcome.as_ref());
    let spoke: BTreeSet<(String, Option<u32>)> = steps
        .flat_map(|(_, _, judged)| &judged.judgement.trace)
        .filter(|step| step.basis == Basis::Rule)
        .filter_map(|step| step.origin.as_ref())
        .map(|origin| (format!("{} {}", origin.id, origin.source.file), origin.source.line))
        .collect();
    own_rules(suite)
        .filter(|(id, source)| !spoke.contains(&(format!("{id} {}", source.file), source.line)))
        .collect()
}

fn document(results: &[(&Suite, Vec<Verdict>)], count: usize, failed: usize) -> Value {
    let suites: Vec<Value> = results
        .iter()
        .map(|(suite, verdicts)| {
            let untested: Vec<Value> = untested(suite, verdicts)
                .iter()
                .map(|(id, source)| json!({"rule": id, "source": source.to_string()}))
                .collect();
            json!({
                "name": suite.name, "cases": verdicts.iter().map(case_json).collect::<Vec<_>>(),
                "rules": own_rules(suite).count(), "untested": untested,
            })
        })
        .collect();
    json!({
        "schemaVersion": 1, "ok": failed == 0, "count": count, "passed": count - failed,
        "failed": failed, "suites": suites,
    })
}

fn case_json(verdict: &Verdict) -> Value {
    let spec = &verdict.case.value;
    let judged = verdict.outcome.as_ref().map(|(_, _, judged)| judged);
    let rule = judged.and_then(|judged| judged.judgement.rule.as_ref());
    json!({
        "name": verdict.name, "source": verdict.case.source.to_string(),
        "passed": verdict.failure.is_none(), "failure": verdict.failure,
        "expected": spec.expect, "expected_rule": spec.rule,
        "got": judged.map(|judged| judged.judgement.decision),
        "rule": rule.map(|r| json!({"id": r.id, "tier": tier_name(r.tier), "source": r.source.to_string()})),
        "reason": judged.map(|judged| judged.judgement.reason.as_str()),
        "trace": judged.filter(|_| verdict.failure.is_some()).map(|judged| &judged.judgement.trace),
    })
}

fn junit(results: &[(&Suite, Vec<Verdict>)]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (suite, verdicts) in results {
        let failed = verdicts.iter().filter(|verdict| verdict.failure.is_some()).count();
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\">",
            xml(&suite.name),
            verdicts.len()
        );
        for verdict in verdicts {
            let source = &verdict.case.source;
            let line = source.line.map_or_else(String::new, |line| format!(" line=\"{line}\""));
            let _ = write!(
                text,
                "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\"{line}",
                xml(&verdict.name),
                xml(&suite.name),
                xml(&source.file)
            );
            match &verdict.failure {
                None => text.push_str("/>\n"),
                Some(failure) => {
                    let by = verdict.outcome.as_ref().map(|(_, _, judged)| {
                        format!("{}\n{}", decider(judged), judged.judgement.reason)
                    });
                    let _ = writeln!(
                        text,
                        "><failure message=\"{}\">{}</failure></testcase>",
                        xml(failure),
                        xml(&by.unwrap_or_default())
                    );
                }
            }
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// A text inside XML: markup escaped, and what no XML may hold left out.
fn xml(text: &str) -> String {
    text.chars()
        .filter(|c| {
            matches!(c, '\n' | '\t') || !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')
        })
        .fold(String::with_capacity(text.len()), |mut out, c| {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\n' => out.push_str("&#10;"),
                c => out.push(c),
            }
            out
        })
}
