//! A call as the audit log holds it, what surrounded it, and how it ended. The one reader of
//! decisions for `check --record`, `explain --record`, `diff --replay` and `suggest`.
//!
//! What policy said and how the call ended are two things: an ask ends in a denial where nobody
//! answers, and runs where a person says yes. Only the first can be compared with today's rules.

use super::check::Judged;
use super::surroundings::{SurroundingsArgs, depth};
use crate::audit::Record;
use crate::gate::SystemClock;
use crate::model::{AbsPath, CallId, Decision, Seq, ToolCall, ToolName};
use crate::policy::Circumstances;
use serde_json::{Value, json};

/// A call of the log: secrets are masked, everything else is as it was.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The record.
    pub seq: Seq,
    /// The call.
    pub call: ToolCall,
    /// Where it would have run.
    pub cwd: AbsPath,
    /// How it ended.
    pub decision: Decision,
    /// What policy said, before hooks, the classifier and people were heard.
    pub policy: Decision,
    /// Who made something else of it, for a person; `None` where policy had the last word.
    pub ended: Option<String>,
    /// What surrounded it, as far as the record tells.
    pub circumstances: Circumstances,
    /// Whether it was a call of another agent (`ion hook`).
    pub guarded: bool,
}

impl Recorded {
    /// Reads the call out of a record; `None` when the record is not about the decision on one.
    pub fn of(record: &Record) -> Option<Self> {
        let input = record.body.get("call")?.get("input")?.as_object()?.clone();
        let name = ToolName::resolve(record.text(&["call", "tool"])?);
        let cwd = AbsPath::new(record.text(&["cwd"])?)?;
        let decision = record.decision?;
        let policy = policy(record, decision);
        Some(Recorded {
            seq: record.seq,
            call: ToolCall { id: CallId::new("recorded"), name, input },
            cwd,
            decision,
            policy,
            ended: (policy != decision).then(|| ended(record)),
            circumstances: circumstances(record),
            guarded: record.text(&["confinement"]) == Some("guarded"),
        })
    }

    /// The surroundings of the record, but for those that flags name.
    pub fn surroundings(&self, given: Circumstances) -> Circumstances {
        let then = self.circumstances.clone();
        Circumstances {
            interactive: given.interactive.or(then.interactive),
            depth: given.agent.as_ref().map_or(then.depth, |_| given.depth),
            agent: given.agent.or(then.agent),
            user: given.user.or(then.user),
            moment: given.moment.or(then.moment),
            untrusted: given.untrusted.or(then.untrusted),
            ..then
        }
    }

    /// Whether policy still says the same, in one line.
    pub(super) fn compared(&self, now: &Judged) -> String {
        let ended = match &self.ended {
            Some(how) => format!(", which ended in {} ({how})", self.decision),
            None => String::new(),
        };
        let changed = match self.policy == now.policy() {
            true => "unchanged".to_owned(),
            false => format!("the answer has CHANGED, now {}", now.policy()),
        };
        format!("recorded   {} in record {}{ended}: {changed}\n", self.policy, self.seq)
    }

    /// The same for programs.
    pub(super) fn to_json(&self, now: &Judged) -> Value {
        json!({
            "seq": self.seq, "decision": self.decision, "policy": self.policy,
            "ended_by": self.ended, "changed": self.policy != now.policy(),
        })
    }
}

/// What the rules and patterns of that time said.
fn policy(record: &Record, decision: Decision) -> Decision {
    let said = |key: &str| {
        let text = record.text(&["stages", key])?;
        serde_json::from_value::<Decision>(Value::from(text)).ok()
    };
    let body = |key: &str| record.body.get(key).is_some_and(|value| !value.is_null());
    let by = record.text(&["decided_by"]);
    // A tool that was taken away is refused whatever the rules say.
    if by == Some("tool") && body("rule") {
        return Decision::Deny;
    }
    match (said("sealed"), said("rules"), said("danger")) {
        (Some(sealed), Some(rules), Some(danger)) => sealed.strictest(rules).strictest(danger),
        // A record without stages: somebody was asked, or nobody could be.
        _ if ["person", "grant", "ask_resolved"].into_iter().any(body) => Decision::Ask,
        _ => decision,
    }
}

/// Who or what had the last word.
fn ended(record: &Record) -> String {
    let by = record.text(&["decided_by"]).unwrap_or_default();
    if let Some(name) = record.text(&["person", "by"]) {
        return format!("{name} answered");
    }
    if let Some(name) = record.text(&["grant", "by"]) {
        return format!("an earlier answer of {name}");
    }
    match by {
        "headless-ask" => "nobody could answer".to_owned(),
        "expired" => "nobody answered in time".to_owned(),
        "hook" => "a hook".to_owned(),
        "classifier" => "the classifier".to_owned(),
        "cancelled" => "the run was cancelled".to_owned(),
        "" if record.text(&["ask_resolved"]).is_some() => "nobody could answer".to_owned(),
        "" => "a person or a hook".to_owned(),
        _ => record.text(&["reason"]).unwrap_or(by).to_owned(),
    }
}

fn circumstances(record: &Record) -> Circumstances {
    let agent = record.text(&["agent"]).map(str::to_owned);
    let read = |key: &str| record.body.get(key).cloned();
    let counted = read("depth").and_then(|depth| serde_json::from_value(depth).ok());
    Circumstances {
        interactive: read("interactive").and_then(|known| known.as_bool()),
        depth: counted.or_else(|| agent.as_deref().map(depth)),
        agent,
        user: record.user.clone(),
        moment: record.time.parse().ok().and_then(|time| SystemClock::new().at(time)),
        untrusted: read("untrusted").and_then(|sources| serde_json::from_value(sources).ok()),
        ..Circumstances::default()
    }
}

/// The surroundings to judge in: of the record where there is one, and of the flags.
///
/// # Errors
/// A time that is none.
pub(super) fn around(
    recorded: Option<&Recorded>,
    args: &SurroundingsArgs,
) -> Result<Circumstances, crate::cli::CommandError> {
    let given = args.circumstances()?;
    Ok(match recorded {
        Some(recorded) => recorded.surroundings(given),
        None => given,
    })
}
