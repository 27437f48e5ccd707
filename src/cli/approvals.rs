//! `ion approvals`: shows the questions of other runs and answers them.
//!
//! Works for the user whose data folder it is, and for root. What a question shows was redacted
//! before it was written; marks that a terminal acts on are made visible here.

use super::{CommandError, Exit, Output};
use crate::approve::{Card, Folder, Given, Listed, State, Void, who};
use crate::config::{Environment, Flags};
use crate::gate::{Choice, QuestionId, Scope};
use crate::model::visible;
use crate::runtime::{StartError, start};
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Columns of a picture on a page.
const COLUMNS: usize = 100;

/// Answers questions of runs that wait for a person.
#[derive(Debug, Clone, Subcommand)]
#[command(after_help = "Examples:
  ion approvals list
  ion approvals show q-5f0c1d2e3a4b5c6d7e8f9a0b
  ion approvals answer q-5f0c1d2e3a4b5c6d7e8f9a0b allow --reason \"checked the branch\"
  ion approvals answer q-5f0c1d2e3a4b5c6d7e8f9a0b allow_until:30m

Questions are here when `approvals.folder` is true, or `approvals.webhook.url` is set, in the
run that asks. The first answer counts. A question whose run was killed stays until it expires;
an answer given meanwhile is used when `ion prompt --resume` proposes the same call again.")]
pub enum ApprovalsCommand {
    /// Lists the questions: id, state, time left, agent, what is asked.
    List {
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Shows one question, whole.
    Show {
        /// Its id.
        id: String,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Answers one question, for good.
    Answer {
        /// Its id.
        id: String,
        /// allow, deny, deny_always, allow_always (this session), allow_times:N, or
        /// allow_until:WHEN (30m, 2h, a time such as 2026-01-31T08:00:00Z, or Unix seconds).
        choice: String,
        /// What to tell the agent and the record.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command on the data folder of this environment.
///
/// # Errors
/// There is no such question, or the answer does not count; the message says why.
pub fn run(
    command: &ApprovalsCommand,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let loaded = start::load(environment, Flags::default(), None).map_err(CommandError::from)?;
    let data_dir = loaded.effective.places.data_dir.as_ref().ok_or(StartError::NoHome)?;
    let folder = Folder::look(data_dir).map_err(broken)?;
    let now = Timestamp::now().as_second();
    match command {
        ApprovalsCommand::List { json } => list(folder.as_ref(), *json, now, out),
        ApprovalsCommand::Show { id, json } => show(folder.as_ref(), id, *json, now, out),
        ApprovalsCommand::Answer { id, choice, reason, json } => {
            let choice =
                chosen(choice, now).map_err(|why| CommandError::new(Exit::Usage, "usage", why))?;
            let folder = folder.ok_or_else(|| void(id, &Void::NotOpen))?;
            let question = QuestionId::parse(id).ok_or_else(|| void(id, &Void::NotOpen))?;
            let given = folder
                .answer(&question, choice, who::me(), reason.clone(), now)
                .map_err(|why| void(id, &why))?;
            answered(&given, *json, out)
        }
    }
}

fn broken(why: String) -> CommandError {
    CommandError::new(Exit::Failed, "approvals", why)
}

fn void(id: &str, why: &Void) -> CommandError {
    let id = visible(id);
    CommandError::new(Exit::Failed, "approvals", format!("{id}: {why}; nothing was changed"))
        .detail("next: ion approvals list")
}

fn list(
    folder: Option<&Folder>,
    json: bool,
    now: i64,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let all = folder.map_or(Ok(Vec::new()), |folder| folder.list(now)).map_err(broken)?;
    if json {
        let questions: Vec<Value> = all.iter().map(document).collect();
        let document = json!({"schemaVersion": 1, "questions": questions});
        out.line(&document.to_string())?;
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        out.say("no question is open");
        return Ok(Exit::Done);
    }
    out.line("ID                          STATE     LEFT     AGENT       WHAT")?;
    for listed in &all {
        let left = listed.card.as_ref().map_or(0, |card| card.expires_at.saturating_sub(now));
        let (agent, what) = listed.card.as_ref().map_or(("-", "-".to_owned()), |card| {
            (card.agent.as_str(), visible(&format!("{} {}", card.tool, card.subject)))
        });
        let left = format!("{} s", left.max(0));
        let state = word(listed.state);
        let id = &listed.id;
        out.line(&format!("{id}  {state:<8}  {left:<7}  {:<10}  {what}", visible(agent)))?;
    }
    Ok(Exit::Done)
}

fn show(
    folder: Option<&Folder>,
    id: &str,
    json: bool,
    now: i64,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let all = folder.map_or(Ok(Vec::new()), |folder| folder.list(now)).map_err(broken)?;
    let listed = all.into_iter().find(|listed| listed.id.as_str() == id);
    let listed = listed.ok_or_else(|| void(id, &Void::NotOpen))?;
    if json {
        out.line(&document(&listed).to_string())?;
        return Ok(Exit::Done);
    }
    let card: &Card = listed.card.as_ref().ok_or_else(|| {
        broken(format!("{id} was changed by something else, so it is not believed; nothing runs"))
    })?;
    out.data(&card.picture(now, COLUMNS))?;
    out.data(&card.details(COLUMNS))?;
    let session = card.session.as_deref().unwrap_or("-");
    out.line(&format!("  state    {}, session {}", word(listed.state), visible(session)))?;
    let mut answers = vec!["allow", "deny", "deny_always"];
    if card.may_be_remembered() {
        answers.splice(2..2, ["allow_always", "allow_times:N", "allow_until:30m"]);
    }
    if card.can_preview {
        answers.push("preview");
    }
    if card.may_be_applied() {
        answers.push("apply");
    }
    out.line(&format!("  answer   ion approvals answer {id} {}", answers.join("|")))?;
    Ok(Exit::Done)
}

fn answered(given: &Given, json: bool, out: &mut Output) -> Result<Exit, CommandError> {
    let answer = &given.answer;
    if json {
        let document = json!({
            "schemaVersion": 1, "questionId": answer.id, "optionId": answer.option_id,
            "by": answer.by, "orphaned": given.orphaned,
        });
        out.line(&document.to_string())?;
        return Ok(Exit::Done);
    }
    out.line(&format!("answered {}: {} by {}", answer.id, answer.option_id, answer.by))?;
    if given.orphaned {
        let session = given.session.as_deref().unwrap_or("ID");
        out.line("its run is gone; the answer counts once, if the same call comes again in time")?;
        out.line(&format!("next: ion prompt --resume {} \"go on\"", visible(session)))?;
    }
    Ok(Exit::Done)
}

fn document(listed: &Listed) -> Value {
    json!({
        "id": listed.id, "state": listed.state, "pid": listed.pid, "question": listed.question,
    })
}

fn word(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Answered => "answered",
        State::Orphaned => "orphaned",
        State::Expired => "expired",
        State::Damaged => "damaged",
    }
}

/// An `optionId`, with times also as spans and dates.
fn chosen(text: &str, now: i64) -> Result<Choice, String> {
    if let Some(choice) = Choice::parse(text) {
        return Ok(choice);
    }
    let when = text.strip_prefix("allow_until:").and_then(|when| moment(when, now));
    when.filter(|at| *at > now).map(|at| Choice::Allow(Scope::Until(at))).ok_or_else(|| {
        format!(
            "`{}` is not an answer: expected allow, deny, deny_always, allow_always, \
             preview, apply, allow_times:N or allow_until:WHEN (30m, 2h, a date in the future)",
            visible(text)
        )
    })
}

fn moment(text: &str, now: i64) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_second());
    }
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    now.checked_add(number.parse::<i64>().ok()?.checked_mul(seconds)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_span_date_or_seconds_and_nonsense_is_refused() {
        let until = |text: &str| chosen(text, 1000);
        assert_eq!(until("allow_until:30m"), Ok(Choice::Allow(Scope::Until(2800))));
        assert_eq!(until("allow_until:5000"), Ok(Choice::Allow(Scope::Until(5000))));
        let date = until("allow_until:1970-01-01T01:00:00Z");
        assert_eq!(date, Ok(Choice::Allow(Scope::Until(3600))));
        for bad in [
            "yes",
            "allow_until:",
            "allow_until:5x",
            "allow_until:99999999999999999d",
            "allow_until:1970-01-01T00:00:00Z",
            "allow_times:0",
            "ALLOW",
        ] {
            assert!(until(bad).is_err(), "{bad}");
        }
    }
}
