//! Recorded calls, as reviewers replay them. The one place that knows how a record says who
//! approved a call.
//!
//! A log is verified before it is believed, and what it holds is masked: a call that holds a
//! placeholder is not the call that was made.

use super::Recorded;
use crate::audit::query::{self, Filter};
use crate::audit::verify::verify;
use crate::audit::{AuditError, Record};
use crate::cli::{CommandError, Exit};
use crate::model::{AbsPath, Decision};
use crate::policy::Circumstances;
use serde_json::{Value, json};

/// Where a record says what a person answered: an object in the body, and its members.
///
/// ```json
/// {"person": {"answer": "allow", "scope": "once", "by": "lena"}}
/// ```
const PERSON: &str = "person";
const ANSWER: &str = "answer";
const BY: &str = "by";
/// Answers that mean yes: the word, or the option that was chosen.
const YES: [&str; 3] = ["allow", "allowed", "allow_"];
/// Where a record says that an `ask` had nobody to answer it.
const UNANSWERED: &str = "ask_resolved";
/// How the redactor writes what it masked.
const MASKED: &str = "[secret:";

/// The state of a log, for every listing that rests on it.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Whether every record is as it was written.
    pub intact: bool,
    /// The same in words.
    pub said: String,
}

impl Chain {
    /// As listings in JSON show it.
    pub fn to_json(&self) -> Value {
        json!({"intact": self.intact, "detail": self.said})
    }
}

/// One recorded call.
#[derive(Debug, Clone)]
pub struct Past {
    /// The call.
    pub recorded: Recorded,
    /// What is known of what surrounded it.
    pub circumstances: Circumstances,
    /// It holds a masked value, or was shortened.
    pub masked: bool,
    /// Who said yes, where somebody did.
    pub approved_by: Option<String>,
    /// It asked, and nobody could answer.
    pub unanswered: bool,
}

/// Reads every recorded call of a log, oldest first.
///
/// # Errors
/// The log is not there or cannot be read.
pub fn read(file: &AbsPath) -> Result<(Chain, Vec<Past>), CommandError> {
    let Some(report) = verify(file)? else {
        let what = format!("there is no audit log at {file}");
        return Err(CommandError::new(Exit::Failed, "audit", what)
            .detail("next: name the log of a run, such as ~/.ion/audit/audit.jsonl"));
    };
    let mut past = Vec::new();
    let skipped = query::each(file, &Filter::default(), |record| {
        past.extend(call_of(&record));
        Ok::<(), AuditError>(())
    })?;
    let unread = match skipped.unreadable {
        0 => String::new(),
        n => format!(", {n} lines unreadable and left out"),
    };
    let said = match &report.broken {
        None => format!("chain intact to record {}{unread}", report.records),
        Some(broken) => format!(
            "chain BROKEN at record {} (line {}): {}; what follows may be forged{unread}",
            broken.seq, broken.line, broken.detail
        ),
    };
    Ok((Chain { intact: report.is_intact(), said }, past))
}

fn call_of(record: &Record) -> Option<Past> {
    let recorded = Recorded::of(record)?;
    let person = record.body.get(PERSON);
    let answered = person.and_then(|person| person.get(ANSWER)).and_then(Value::as_str);
    let yes = answered.is_some_and(|answer| {
        YES.iter().any(|yes| answer == *yes || yes.ends_with('_') && answer.starts_with(yes))
    });
    let name = person.and_then(|person| person.get(BY)).and_then(Value::as_str);
    let who = name.or(record.user.as_deref()).map_or_else(|| record.uid.to_string(), str::to_owned);
    let agent = record.text(&["agent"]).map(str::to_owned);
    Some(Past {
        masked: record.cut.is_some() || record.body.get("call")?.to_string().contains(MASKED),
        // A yes that did not let the call run is no approval of it.
        approved_by: (yes && recorded.decision == Decision::Allow).then_some(who),
        unanswered: recorded.decision == Decision::Deny
            && record.body.get(UNANSWERED).is_some_and(|why| !why.is_null()),
        circumstances: Circumstances {
            depth: agent.as_deref().map(super::surroundings::depth),
            agent,
            user: record.user.clone(),
            ..Circumstances::default()
        },
        recorded,
    })
}
