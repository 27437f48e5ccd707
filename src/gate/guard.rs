//! Calls of agents that are not Ion: judged and recorded like Ion's own, and never run here.
//!
//! The answer is a word that the other agent obeys. INVARIANT (nothing runs): no path of this
//! file leads to a `Permit`; a gate built with [`RunsNothing`] cannot make one at all. The
//! record says `guarded` where Ion's own calls name a sandbox: Ion confines nothing here.

use super::combine::{Standing, standing};
use super::confiner::Confiner;
use super::decide::{Case, Cause, Gate};
use super::propose::{Proposed, canonical};
use super::refusal::{DecidedBy, Refusal};
use super::render::{question_text, refusal_text};
use super::story::Story;
use crate::audit::Kind;
use crate::model::{AbsPath, CallId, Decision, Seq, ToolCall, ToolName};
use crate::policy::shell::{ANY, ANY_NAME, Reach, Script, Unit};
use crate::policy::{Access, Basis, Confinement, PathUse};
use serde_json::{Map, Value, json};

/// The machine of a gate that only judges: it holds no confinement, so nothing is permitted.
#[derive(Debug)]
pub struct RunsNothing;

impl Confiner for RunsNothing {
    fn can_hold(&self, _: &Confinement) -> Result<String, String> {
        Err("Ion judges this call and does not run it".to_owned())
    }
}

/// One thing that a call of another agent does, in Ion's words.
#[derive(Debug)]
pub struct ForeignPart {
    /// Ion's name of the tool.
    pub tool: ToolName,
    /// The arguments under Ion's names.
    pub input: Map<String, Value>,
    /// The folder that it runs in.
    pub cwd: AbsPath,
}

/// A call of another agent.
#[derive(Debug)]
pub struct ForeignCall {
    /// The agent's id of it.
    pub id: CallId,
    /// The tool as the agent spells it.
    pub tool: String,
    /// The arguments as the agent sent them.
    pub input: Map<String, Value>,
    /// The same in Ion's words: all of it happens. Or why it cannot be put so.
    pub parts: Result<Vec<ForeignPart>, String>,
    /// Where it would run.
    pub cwd: AbsPath,
    /// Whether a person can answer a question, or why not.
    pub person: Result<(), &'static str>,
    /// What else the agent said of it, for the record.
    pub about: Value,
}

/// Ion's word on it.
#[derive(Debug)]
#[must_use = "the agent waits for it"]
pub struct Guarded {
    /// `ask` only where a person can answer.
    pub decision: Decision,
    /// Why, for the agent and its person: redacted, with the number of the record.
    pub text: String,
    /// The record; `None` only where the log failed, and then the decision is `deny`.
    pub seq: Option<Seq>,
}

struct Heard {
    case: Case,
    decision: Decision,
    cause: Cause,
}

impl Gate {
    /// Judges every part of a call; the strictest decides, and one record holds them all.
    pub fn guard(&self, call: &ForeignCall) -> Guarded {
        let heard: Vec<Heard> = match &call.parts {
            Ok(parts) => parts
                .iter()
                .map(|part| self.weigh(&call.id, part.tool.clone(), part.input.clone(), &part.cwd))
                .collect(),
            Err(problem) => vec![self.unreadable(call, problem)],
        };
        let parts: Vec<Value> = heard
            .iter()
            .take(64)
            .map(|part| {
                json!({
                    "tool": part.case.proposed.call.name, "decision": part.decision,
                    "digest": part.case.proposed.digest(),
                    "rule": part.cause.rule.as_ref().map(|rule| rule.id.as_str()),
                })
            })
            .collect();
        // The first of the strictest; a call without parts was not understood.
        let strictest = heard.into_iter().rev().max_by_key(|part| part.decision);
        let mut part = strictest
            .unwrap_or_else(|| self.unreadable(call, "nothing of it is left to be judged"));
        if let (Decision::Ask, Err(nobody)) = (part.decision, call.person) {
            part.decision = Decision::Deny;
            part.cause = Cause {
                by: DecidedBy::HeadlessAsk,
                asked: Some(nobody.to_owned()),
                retryable: true,
                ..part.cause
            };
        }
        if part.decision != Decision::Deny
            && let Err(cause) = self.reported()
        {
            (part.decision, part.cause) = (Decision::Deny, cause);
        }
        self.record_foreign(call, &part, &parts)
    }

    /// Judges one part.
    fn weigh(
        &self,
        id: &CallId,
        name: ToolName,
        input: Map<String, Value>,
        cwd: &AbsPath,
    ) -> Heard {
        let call = ToolCall { id: id.clone(), name, input };
        let mut proposed = self.understand(call, cwd);
        // Every call is a process of its own: nobody kept count of what the agent has read.
        proposed.facts.circumstances.untrusted = None;
        search(&mut proposed);
        let unknown_tool = proposed.facts.effects.is_none();
        let case = self.judge(proposed, Story::default());
        let mut decision = match standing(&case.stages()) {
            Standing::Refused => Decision::Deny,
            Standing::Open => Decision::Ask,
            Standing::Clear => Decision::Allow,
        };
        let mut cause = Cause::of(&case.judgement);
        let by_mode = || case.judgement.trace.iter().any(|step| step.basis == Basis::Mode);
        if unknown_tool && decision == Decision::Allow && by_mode() {
            // FAIL CLOSED: what the tool does is not known, so a mode that allows is not enough.
            decision = Decision::Ask;
            cause.reason =
                "Ion does not know this tool; a rule that names it would allow it".into();
        }
        if let Some(withdrawn) = self.withdrawn(&case.proposed.call.name) {
            (decision, cause) = (Decision::Deny, withdrawn);
        }
        Heard { case, decision, cause }
    }

    /// A call that could not be put into Ion's words.
    fn unreadable(&self, call: &ForeignCall, problem: &str) -> Heard {
        let name = ToolName::resolve(&call.tool);
        let mut heard = self.weigh(&call.id, name, call.input.clone(), &call.cwd);
        heard.decision = Decision::Deny;
        let reason = format!("the call cannot be judged: {problem}");
        heard.cause = Cause { retryable: true, ..Cause::new(DecidedBy::Malformed, reason) };
        heard
    }

    /// Writes the record, and only then gives the answer.
    fn record_foreign(&self, call: &ForeignCall, part: &Heard, parts: &[Value]) -> Guarded {
        let cause = Some(&part.cause).filter(|_| part.decision != Decision::Allow);
        let mut body = self.body(&part.case, cause, json!("guarded"));
        if let Some(body) = body.as_object_mut() {
            let foreign = json!({
                "tool": call.tool, "input": call.input, "parts": parts, "about": call.about,
            });
            body.insert("guarded".to_owned(), foreign);
        }
        match self.write(&part.case, Kind::Decision, Some(part.decision), &body) {
            Ok(seq) => self.answer(part, seq),
            Err(error) => {
                let refusal = self.unrecorded(&part.case, &error);
                Guarded { decision: Decision::Deny, text: refusal_text(&refusal), seq: None }
            }
        }
    }

    fn answer(&self, part: &Heard, seq: Seq) -> Guarded {
        let refusal = self.refusal(&part.case, &part.cause, Some(seq));
        let text = match part.decision {
            Decision::Allow => allowed(&refusal, seq),
            Decision::Ask => question_text(&refusal),
            Decision::Deny => refusal_text(&refusal),
        };
        Guarded { decision: part.decision, text, seq: Some(seq) }
    }
}

fn allowed(refusal: &Refusal, seq: Seq) -> String {
    match &refusal.rule {
        Some(rule) => {
            format!("Ion allows it: rule `{}`, {} policy; record {seq}", rule.id, rule.tier)
        }
        None => format!("Ion allows it: no rule objects; record {seq}"),
    }
}

/// What a search would show, as commands that go through folders are judged. Ion's own `Grep`
/// leaves out what may not be read, file by file; another agent's does not, so a folder with a
/// denied path below it, or a name pattern that means a sensitive file, counts here.
pub fn search(proposed: &mut Proposed) {
    if proposed.call.name.as_str() != "Grep" {
        return;
    }
    let (mut reaches, mut paths) = (Vec::new(), Vec::new());
    let reach = |shape, tree| Reach { shape, access: Access::Read, tree };
    for path in &proposed.facts.paths {
        for base in [&path.lexical, &path.canonical] {
            let base = base.to_string();
            reaches.push(reach(base.clone(), true));
            let base = base.trim_end_matches('/');
            let Some(Value::String(glob)) = proposed.call.input.get("glob") else { continue };
            for name in names(glob) {
                if name.contains([ANY, ANY_NAME]) {
                    reaches.push(reach(format!("{base}/{name}"), false));
                } else if let Some(lexical) = AbsPath::new(format!("{base}/{name}")) {
                    let canonical = canonical(lexical.as_path());
                    paths.push(PathUse { lexical, canonical, access: Access::Read });
                }
                // A name without a folder is found at any depth.
                if !name.starts_with([ANY_NAME, ANY]) {
                    reaches.push(reach(format!("{base}/{ANY}/{name}"), false));
                }
            }
        }
    }
    // It is no command: it needs no allow of its own and only brings its reaches along.
    let unit = Unit { transparent: true, reaches, paths, ..Unit::default() };
    let script = Script { raw: String::new(), units: vec![unit], opaque: None, deceptive: None };
    proposed.facts.command = Some(script);
}

/// A glob as shapes of names: each alternative of `{a,b}` by itself, every wildcard as any text.
fn names(glob: &str) -> Vec<String> {
    let glob = glob.trim_start_matches('!').trim_start_matches("**/").trim_start_matches("./");
    let mut shapes = vec![String::new()];
    let mut chars = glob.chars().peekable();
    while let Some(c) = chars.next() {
        let choices: Vec<String> = match c {
            '*' | '?' => vec![ANY_NAME.to_string()],
            '[' => {
                let _ = chars.by_ref().find(|c| *c == ']');
                vec![ANY_NAME.to_string()]
            }
            '{' => {
                let inside: String = chars.by_ref().take_while(|c| *c != '}').collect();
                inside.split(',').map(|one| one.replace(['*', '?', '['], "\u{2}")).collect()
            }
            other => vec![other.to_string()],
        };
        // FAIL CLOSED: too many alternatives are any name.
        if shapes.len() * choices.len() > 64 {
            return vec![ANY.to_string()];
        }
        shapes = shapes
            .iter()
            .flat_map(|shape| choices.iter().map(move |choice| format!("{shape}{choice}")))
            .collect();
    }
    shapes
}
