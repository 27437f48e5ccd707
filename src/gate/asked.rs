//! A question to a person: what is shown, what may be answered, and for how long.
//!
//! What is approved is the canonical call, exactly as shown: an edited call asks again. All text
//! is redacted here, once, so that a terminal, a file and a webhook show the same. It is never
//! cut; control characters are made visible by whoever draws it (`model::visible`).

use super::refusal::{RuleRef, Unit};
use super::trial::Previewed;
use crate::model::{CallId, SessionId, ToolName};
use crate::redact::Redacted;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// Names one question: `q-` and 24 hexadecimal digits, drawn at random, good as a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct QuestionId(String);

impl QuestionId {
    /// A new one.
    ///
    /// # Errors
    /// The system gives no random numbers; nobody can be asked then.
    pub fn random() -> Result<Self, String> {
        let mut bytes = [0u8; 12];
        getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
        Ok(QuestionId(format!("q-{}", crate::model::hex(&bytes))))
    }

    /// Reads one back; `None` for anything that this program would not have made.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("q-")?;
        let legal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (digits.len() == 24 && digits.bytes().all(legal)).then(|| QuestionId(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How far a yes reaches. Never wider than the call that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// This call.
    Once,
    /// The same call again, until the session ends.
    Session,
    /// The same call again, until this moment (seconds since 1970, UTC).
    Until(i64),
    /// The same call this often, this time included.
    Times(NonZeroU32),
}

/// What a person may answer. Its text form is the `optionId` of clients: `allow`,
/// `allow_always` (this session), `allow_until:UNIX_SECONDS`, `allow_times:N`, `preview`, `apply`,
/// `deny`, `deny_always`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Yes.
    Allow(Scope),
    /// Show me first what it does on a copy of the workspace; then ask again.
    Preview,
    /// Yes to exactly the changes that were shown; nothing runs again.
    Apply,
    /// No.
    Deny,
    /// No, and the same call in this session is refused without a question.
    Never,
}

impl Choice {
    /// Reads an `optionId`; `None` for anything else, which is no answer at all.
    pub fn parse(option: &str) -> Option<Self> {
        Some(match option {
            "allow" | "allow_once" => Choice::Allow(Scope::Once),
            "allow_always" | "allow_session" => Choice::Allow(Scope::Session),
            "preview" => Choice::Preview,
            "apply" => Choice::Apply,
            "deny" => Choice::Deny,
            "deny_always" => Choice::Never,
            _ => match option.split_once(':')? {
                ("allow_until", seconds) => Choice::Allow(Scope::Until(seconds.parse().ok()?)),
                ("allow_times", count) => Choice::Allow(Scope::Times(count.parse().ok()?)),
                _ => return None,
            },
        })
    }

    /// The `optionId`.
    pub fn id(self) -> String {
        match self {
            Choice::Allow(Scope::Once) => "allow".to_owned(),
            Choice::Allow(Scope::Session) => "allow_always".to_owned(),
            Choice::Allow(Scope::Until(seconds)) => format!("allow_until:{seconds}"),
            Choice::Allow(Scope::Times(count)) => format!("allow_times:{count}"),
            Choice::Preview => "preview".to_owned(),
            Choice::Apply => "apply".to_owned(),
            Choice::Deny => "deny".to_owned(),
            Choice::Never => "deny_always".to_owned(),
        }
    }
}

/// Which scopes a person may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Offers {
    /// A yes may be remembered for exactly this call.
    Remembered,
    /// A yes is good once: a sealed tier or a critical pattern asks. A wider yes counts as one
    /// for this call alone.
    OnlyOnce,
}

/// A question, whole and redacted.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// Names the question.
    pub id: QuestionId,
    /// The conversation.
    pub session: Option<SessionId>,
    /// The call's id.
    pub call_id: CallId,
    /// `main` or `main/NAME`.
    pub agent: String,
    /// The tool.
    pub tool: ToolName,
    /// All arguments.
    pub input: Redacted<Value>,
    /// The command line or the path that says most about the call, whole.
    pub subject: Redacted<String>,
    /// SHA-256 (hex) over the canonical call: what a yes is for.
    pub digest: String,
    /// The folder that it would run in.
    pub cwd: Redacted<String>,
    /// The guilty part of a compound command.
    pub unit: Option<Unit>,
    /// What it would do, one short phrase each: `writes src/x`, `contacts github.com`.
    pub would: Vec<Redacted<String>>,
    /// The rule that asks, `None` where the mode does.
    pub rule: Option<RuleRef>,
    /// Why it asks.
    pub reason: Redacted<String>,
    /// What could be done instead.
    pub hint: Option<Redacted<String>>,
    /// How it would be confined, in one line.
    pub confinement: Redacted<String>,
    /// Untrusted sources that the session has read, `web example.org`.
    pub untrusted: Vec<Redacted<String>>,
    /// What the classifier thinks, where it was asked.
    pub opinion: Option<Redacted<String>>,
    /// When it was put (seconds since 1970, UTC).
    pub asked_at: i64,
    /// When it expires (seconds since 1970, UTC), for showing; `patience` decides.
    pub expires_at: i64,
    /// How long an answer is waited for, on the monotonic clock.
    #[serde(rename = "patienceSeconds", serialize_with = "as_seconds")]
    pub patience: Duration,
    /// Which scopes may be chosen.
    pub offers: Offers,
    /// Whether `preview` may be answered.
    pub can_preview: bool,
    /// What the command did on a copy, where somebody wanted to see that first.
    pub preview: Option<Previewed>,
}

fn as_seconds<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(time.as_secs())
}

impl Asked {
    /// Whether `apply` may be answered: there are changes, and nothing speaks against them.
    pub fn may_be_applied(&self) -> bool {
        self.preview.as_ref().is_some_and(|shown| shown.unfit.is_none())
    }

    /// The choices to show, with labels; times and counts are for approvers that can ask for
    /// the number.
    pub fn choices(&self) -> Vec<(Choice, &'static str)> {
        let mut choices = vec![(Choice::Allow(Scope::Once), "Allow once"), (Choice::Deny, "Deny")];
        if self.offers == Offers::Remembered {
            let session = Choice::Allow(Scope::Session);
            choices.insert(1, (session, "Allow exactly this for the session"));
        }
        if self.may_be_applied() {
            choices.insert(0, (Choice::Apply, "Apply exactly these changes"));
        }
        if self.can_preview {
            choices.push((Choice::Preview, "Show what it does on a copy first"));
        }
        choices.push((Choice::Never, "Deny exactly this for the session"));
        choices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_read_as_it_was_written_and_nothing_else_is_an_answer() {
        for choice in [
            Choice::Allow(Scope::Once),
            Choice::Allow(Scope::Session),
            Choice::Allow(Scope::Until(1_800_000_000)),
            Choice::Allow(Scope::Times(NonZeroU32::MIN)),
            Choice::Preview,
            Choice::Apply,
            Choice::Deny,
            Choice::Never,
        ] {
            assert_eq!(Choice::parse(&choice.id()), Some(choice));
        }
        for nonsense in ["", "yes", "ALLOW", "allow ", "allow_times:0", "allow_until:", "allow:1"] {
            assert_eq!(Choice::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_question_id_cannot_leave_its_folder() {
        let id = QuestionId::random().unwrap();
        assert_eq!(QuestionId::parse(id.as_str()), Some(id));
        for foreign in ["q-", "q-../../../../etc/passwd0", "x", "q-0123456789ABCDEF01234567"] {
            assert_eq!(QuestionId::parse(foreign), None, "{foreign}");
        }
    }
}
