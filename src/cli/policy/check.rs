//! `ion policy check`: the decision about one call, or about a batch of calls. Runs nothing.
//!
//! The whole answer is data on stdout. A batch is answered line by line, in input order; a
//! line that cannot be read is denied, never skipped and never the end of the batch.

use super::CheckContext;
use super::surroundings::SurroundingsArgs;
use crate::cli::{CommandError, Exit, Output};
use crate::config::effective::SandboxSettings;
use crate::gate::{Opinion, Place, guard::search, propose, story::opinion, withdrawn};
use crate::model::visible;
use crate::model::{AbsPath, CallId, Decision, Requirement, ToolCall, ToolName};
use crate::policy::{
    Basis, CallFacts, Circumstances, DangerHit, JudgedCommand, Judgement, Origin, RuleSet, evaluate,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io::{BufRead, BufReader, Read};
use std::time::Instant;

/// Longest line of a batch, in bytes.
const MAX_LINE: u64 = 4 * 1024 * 1024;
/// How many bytes of a batch are read, and of answers written, at once.
const AT_ONCE: usize = 64 * 1024;

/// One call, or a batch.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CheckArgs {
    /// The tool (`Bash` when only a command is given).
    #[arg(long, value_name = "NAME")]
    pub tool: Option<String>,
    /// The command of a `Bash` call.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub command: Option<String>,
    /// The path that the call names.
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    pub path: Option<String>,
    /// The whole input of the call as a JSON object.
    #[arg(long, value_name = "JSON")]
    pub input: Option<String>,
    /// Judge the call of this record of the audit log again, as it was recorded (masked).
    #[arg(long, value_name = "N", conflicts_with_all = ["tool", "command", "path", "input", "batch"])]
    pub record: Option<u64>,
    /// Read calls from stdin, one JSON object a line: `{"id", "tool", "input", "cwd"?}`.
    #[arg(long, conflicts_with_all = ["tool", "command", "path", "input"])]
    pub batch: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Exit with 3 unless the decision is allow.
    #[arg(long)]
    pub exit_code: bool,
    /// The profile to judge under.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The folder whose policy applies.
    #[arg(long, value_name = "PATH")]
    pub dir: Option<String>,
    /// Ask the configured classifier about a call that rules leave open. Goes to the network.
    #[arg(long)]
    pub classify: bool,
    /// With `--classify`: what the user is taken to have asked the agent for.
    #[arg(long, value_name = "TEXT", requires = "classify")]
    pub request: Option<String>,
    /// Also every rule that was considered and did not match.
    #[arg(long)]
    pub all: bool,
    /// What surrounds the call.
    #[command(flatten, next_help_heading = "Surroundings (what is not given is not known)")]
    pub surroundings: SurroundingsArgs,
}

/// What a call is made of, before it is one.
#[derive(Debug, Clone, Default)]
pub(super) struct Described<'a> {
    pub tool: Option<&'a str>,
    pub command: Option<&'a str>,
    pub path: Option<&'a str>,
    pub input: Option<Map<String, Value>>,
}

/// One decision, as the contract prints it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
    decision: Decision,
    reason: &'a str,
    rule: Option<RuleLine<'a>>,
    danger: &'a [DangerHit],
    commands: &'a [JudgedCommand],
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    decided_by: Basis,
    #[serde(skip_serializing_if = "Option::is_none")]
    headless_from: Option<Decision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classifier: Option<Value>,
    elapsed_us: f64,
}

#[derive(Debug, Serialize)]
struct RuleLine<'a> {
    id: &'a str,
    tier: &'static str,
    source: String,
}

pub(super) fn exit_of(args: &CheckArgs, decision: Decision) -> Exit {
    if args.exit_code && decision != Decision::Allow { Exit::Denied } else { Exit::Done }
}

fn usage(message: impl Into<String>) -> CommandError {
    CommandError::new(Exit::Usage, "usage", message)
        .detail("next: ion policy check --tool Bash --command 'git push --force'")
}

/// The call that the flags describe.
pub(super) fn call_of(args: &CheckArgs) -> Result<ToolCall, CommandError> {
    let input = match args.input.as_deref().map(serde_json::from_str) {
        None => None,
        Some(Ok(Value::Object(input))) => Some(input),
        Some(Ok(_)) => return Err(usage("`--input` is not a JSON object")),
        Some(Err(e)) => return Err(usage(format!("`--input` is not JSON: {e}"))),
    };
    let described = Described {
        tool: args.tool.as_deref(),
        command: args.command.as_deref(),
        path: args.path.as_deref(),
        input,
    };
    described.call().ok_or_else(|| {
        usage(
            "no call is given: use `--tool` with `--command`, `--path` or `--input`, or `--batch`",
        )
    })
}

impl Described<'_> {
    /// The call; `None` where neither a tool nor a command is named.
    pub fn call(&self) -> Option<ToolCall> {
        let written_out = self.input.is_some();
        let mut input = self.input.clone().unwrap_or_default();
        let name = ToolName::resolve(self.tool.or(self.command.map(|_| "Bash"))?);
        if let Some(command) = self.command {
            input.insert("command".to_owned(), command.into());
        }
        if let Some(path) = self.path {
            let file = matches!(name.as_str(), "Read" | "Write" | "Edit");
            let key = if file { "file_path" } else { "path" };
            input.insert(key.to_owned(), path.into());
        }
        // Which texts are exchanged does not change where: they need not be spelled out.
        if !written_out {
            let blanks: &[&str] = match name.as_str() {
                "Edit" => &["old_string", "new_string"],
                "Grep" | "Glob" => &["pattern"],
                _ => &[],
            };
            for key in blanks {
                input.entry((*key).to_owned()).or_insert_with(|| Value::String(String::new()));
            }
        }
        Some(ToolCall { id: CallId::new("check"), name, input })
    }
}

/// A judgement, and what it was made from.
pub(super) struct Judged {
    pub judgement: Judgement,
    pub facts: CallFacts,
    pub elapsed_us: f64,
    /// What policy said before it was known that nobody can answer.
    pub headless_from: Option<Decision>,
    /// What the classifier said, where it was asked.
    pub opinion: Option<Opinion>,
}

impl Judged {
    /// What policy says, whether or not somebody can answer.
    pub fn policy(&self) -> Decision {
        self.headless_from.unwrap_or(self.judgement.decision)
    }
}

/// Judges a call as a run would, in the circumstances of the context.
pub(super) fn judge(
    call: &ToolCall,
    cwd: &AbsPath,
    rules: &RuleSet,
    context: &CheckContext,
) -> Judged {
    judge_in(call, cwd, rules, context, &context.circumstances)
}

/// As [`judge`], in other circumstances.
pub(super) fn judge_in(
    call: &ToolCall,
    cwd: &AbsPath,
    rules: &RuleSet,
    context: &CheckContext,
    circumstances: &Circumstances,
) -> Judged {
    let start = Instant::now();
    let effects = context.effects.get(&call.name).copied();
    let place =
        Place { cwd, workspace: &context.workspace, home: context.home.as_ref(), circumstances };
    let mut proposed = propose(call.clone(), effects, &place);
    let open = |settings: &SandboxSettings| settings.requirement.value == Requirement::Open;
    proposed.facts.unconfined = context.sandbox.as_ref().is_some_and(open);
    if context.recorded.as_ref().is_some_and(|recorded| recorded.guarded) {
        search(&mut proposed);
    }
    let mut judgement = evaluate(rules, &proposed.facts);
    // As in a run: a tool that is taken away is refused whatever the rules say.
    if let Some(withdrawn) = withdrawn(&context.restrictions, &proposed.call.name) {
        judgement.decision = Decision::Deny;
        judgement.reason = withdrawn.reason;
        judgement.rule = Some(withdrawn.rule);
        judgement.hint = None;
    }
    let elapsed_us = (start.elapsed().as_secs_f64() * 1e7).round() / 10.0;
    let asking = context.asking.as_ref();
    let opinion = asking.and_then(|asking| asking.hear(&mut judgement, &proposed));
    let mut judged =
        Judged { judgement, facts: proposed.facts, elapsed_us, headless_from: None, opinion };
    // As in a run: where nobody can answer, a question is a denial.
    if circumstances.interactive == Some(false) && judged.judgement.decision == Decision::Ask {
        judged.headless_from = Some(Decision::Ask);
        judged.judgement.decision = Decision::Deny;
        judged.judgement.reason.push_str("; nobody can answer, so `ask` is a denial");
    }
    judged
}

/// The tier as the contract spells it: flags and variables belong to the user.
pub(super) fn tier_name(tier: crate::model::Tier) -> &'static str {
    use crate::model::Tier;
    match tier {
        Tier::Environment | Tier::Flag => Tier::User.as_str(),
        other => other.as_str(),
    }
}

/// The decision as JSON text; it holds texts and numbers alone, which can always be written.
pub(super) fn line(id: Option<Value>, judged: &Judged) -> String {
    // FAIL CLOSED, should that ever change.
    serde_json::to_string(&document(id, judged))
        .unwrap_or_else(|_| r#"{"decision":"deny"}"#.to_owned())
}

/// The decision as a JSON document that more can be added to.
pub(super) fn value(judged: &Judged) -> Value {
    json!(document(None, judged))
}

fn document(id: Option<Value>, judged: &Judged) -> Line<'_> {
    fn rule(rule: &Origin) -> RuleLine<'_> {
        let (tier, source) = (tier_name(rule.tier), rule.source.to_string());
        RuleLine { id: &rule.id, tier, source }
    }
    let judgement = &judged.judgement;
    Line {
        id,
        decision: judgement.decision,
        reason: &judgement.reason,
        rule: judgement.rule.as_ref().map(rule),
        danger: &judgement.danger,
        commands: &judgement.commands,
        hint: judgement.hint.as_deref(),
        decided_by: judgement.decided_by,
        headless_from: judged.headless_from,
        classifier: judged.opinion.as_ref().map(opinion),
        elapsed_us: judged.elapsed_us,
    }
}

/// One decision a line, in input order, written before more input is waited for.
pub(super) fn batch(
    args: &CheckArgs,
    rules: &RuleSet,
    context: &CheckContext,
    input: &mut dyn BufRead,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let mut strictest = Decision::Allow;
    let mut number = 0u64;
    let mut input = BufReader::with_capacity(AT_ONCE, input);
    let mut answers = String::new();
    loop {
        // Whoever waits for an answer before asking again must get it.
        let more = input.buffer().contains(&b'\n');
        if !answers.is_empty() && (!more || answers.len() >= AT_ONCE) {
            out.data(&answers)?;
            answers.clear();
        }
        let Some(read) = next_line(&mut input)? else { break };
        number += 1;
        if read.as_ref().is_ok_and(|bytes| bytes.iter().all(u8::is_ascii_whitespace)) {
            continue;
        }
        let answer = match read.and_then(|bytes| parse_line(&bytes, context)) {
            Ok((id, call, cwd)) => {
                let judged = judge(&call, &cwd, rules, context);
                strictest = strictest.strictest(judged.judgement.decision);
                line(Some(id), &judged)
            }
            Err(Bad { id, reason }) => {
                strictest = Decision::Deny;
                json!({
                    "id": id, "decision": "deny", "reason": format!("line {number}: {reason}"), "rule": null,
                    "danger": [], "commands": [], "decided_by": "malformed", "elapsed_us": 0.0,
                })
                .to_string()
            }
        };
        answers.push_str(&answer);
        answers.push('\n');
    }
    Ok(exit_of(args, strictest))
}

pub(super) struct Bad {
    pub id: Value,
    pub reason: String,
}

fn bad(id: Value, reason: impl Into<String>) -> Bad {
    Bad { id, reason: reason.into() }
}

/// The next line without its end, at most [`MAX_LINE`] bytes of it in memory.
pub(super) fn next_line(
    input: &mut dyn BufRead,
) -> Result<Option<Result<Vec<u8>, Bad>>, CommandError> {
    let failed = |e: std::io::Error| {
        CommandError::new(Exit::Failed, "input", format!("cannot read the batch: {e}"))
    };
    let mut bytes = Vec::new();
    let mut limited = (&mut *input).take(MAX_LINE);
    if limited.read_until(b'\n', &mut bytes).map_err(failed)? == 0 {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') || (bytes.len() as u64) < MAX_LINE {
        return Ok(Some(Ok(bytes)));
    }
    // Drop the rest of it without keeping it.
    loop {
        let chunk = input.fill_buf().map_err(failed)?;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(chunk.len(), |at| at + 1);
        input.consume(used);
        if end.is_some() || used == 0 {
            return Ok(Some(Err(bad(Value::Null, format!("it is longer than {MAX_LINE} bytes")))));
        }
    }
}

pub(super) fn parse_line(
    bytes: &[u8],
    context: &CheckContext,
) -> Result<(Value, ToolCall, AbsPath), Bad> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|e| bad(Value::Null, format!("it is not JSON: {e}")))?;
    let Value::Object(mut object) = value else {
        return Err(bad(Value::Null, "it is not a JSON object"));
    };
    let id = object.remove("id").unwrap_or(Value::Null);
    let tool = match object.remove("tool").or_else(|| object.remove("toolName")) {
        Some(Value::String(tool)) if !tool.trim().is_empty() => tool,
        _ => return Err(bad(id, "`tool` must be the name of a tool")),
    };
    let input = match object.remove("input") {
        Some(Value::Object(input)) => input,
        None => return Err(bad(id, "`input` is missing")),
        Some(_) => return Err(bad(id, "`input` must be an object")),
    };
    let cwd = match object.remove("cwd") {
        None | Some(Value::Null) => Some(context.cwd.clone()),
        Some(Value::String(cwd)) => context.cwd.join(cwd),
        Some(_) => None,
    };
    let Some(cwd) = cwd else { return Err(bad(id, "`cwd` must be a path")) };
    let call_id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    Ok((id, ToolCall { id: CallId::new(call_id), name: ToolName::resolve(&tool), input }, cwd))
}

pub(super) fn heading(judgement: &Judgement, context: &CheckContext) -> String {
    let rule = match &judgement.rule {
        Some(rule) => format!("{}   {}  {}", rule.id, tier_name(rule.tier), rule.source),
        None => "no rule decided".to_owned(),
    };
    format!(
        "{:<6} {rule}   profile {}",
        judgement.decision.as_str().to_uppercase(),
        context.profile
    )
}

/// The short answer for a person.
pub(super) fn table(judgement: &Judgement, context: &CheckContext) -> String {
    let mut text = heading(judgement, context);
    text.push_str(&format!("\n  because   {}\n", visible(&judgement.reason)));
    for (at, command) in judgement.commands.iter().enumerate() {
        let label = if at == 0 { "commands" } else { "" };
        text.push_str(&format!(
            "  {label:<9} {:<5} {}\n",
            command.decision,
            visible(&command.text)
        ));
    }
    for hit in &judgement.danger {
        text.push_str(
            &format!("  danger    {} ({}, {:?})\n", hit.pattern, hit.category, hit.severity)
                .to_lowercase(),
        );
    }
    if let Some(hint) = &judgement.hint {
        text.push_str(&format!("  instead   {}\n", visible(hint)));
    }
    text
}
