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
use serde_json::{Value, json};

/// Where a record says what a person answered, an object in the body with these members; `null`
/// where nobody was asked. Any of [`CHOICE`] tells the answer.
///
/// ```json
/// {"person": {"choice": "allow_always", "granted": "session", "by": "lena"}}
/// ```
const PERSON: &str = "person";
/// Where a record says that an earlier yes served: an object with [`BY`].
const GRANT: &str = "grant";
const CHOICE: [&str; 2] = ["choice", "answer"];
const BY: &str = "by";
/// Every yes begins so: `allow`, `allow_once`, `allow_always`, `allow_until:…`, `allow_times:…`.
const YES: &str = "allow";
/// Where a record says that an `ask` had nobody to answer it.
const UNANSWERED: &str = "ask_resolved";
/// The kind of a record about a decision.
const DECISION: &str = "decision";
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
        None => format!("chain intact to record {}{unread}", report.last()),
        Some(broken) => format!(
            "chain BROKEN at record {} (line {}): {}; what follows may be forged{unread}",
            broken.seq, broken.line, broken.detail
        ),
    };
    Ok((Chain { intact: report.is_intact(), said }, past))
}

fn call_of(record: &Record) -> Option<Past> {
    // Questions and answers have records of their own, about the same call.
    if record.kind != DECISION {
        return None;
    }
    let recorded = Recorded::of(record)?;
    let object = |key: &str| record.body.get(key).filter(|value| value.is_object());
    let person = object(PERSON);
    let choices = CHOICE.iter().filter_map(|key| person?.get(*key)?.as_str());
    let yes = choices.into_iter().any(|choice| choice.starts_with(YES));
    let grant = object(GRANT);
    let name = person.filter(|_| yes).or(grant).and_then(|by| by.get(BY)).and_then(Value::as_str);
    let who = name.or(record.user.as_deref()).map_or_else(|| record.uid.to_string(), str::to_owned);
    let yes = yes || grant.is_some();
    Some(Past {
        masked: record.cut.is_some() || record.body.get("call")?.to_string().contains(MASKED),
        // A yes that did not let the call run is no approval of it.
        approved_by: (yes && recorded.decision == Decision::Allow).then_some(who),
        unanswered: recorded.decision == Decision::Deny
            && record.body.get(UNANSWERED).is_some_and(|why| !why.is_null()),
        recorded,
    })
}
