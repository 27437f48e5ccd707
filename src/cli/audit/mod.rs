//! `ion audit`: reads the log and checks it; `forward` alone writes, how far it got.
//!
//! What it prints was redacted before it was stored. It may still be hostile: commands and
//! paths were chosen by a model, so marks that a terminal acts on are made visible.

mod export;
pub mod forward;
mod report;
mod shown;
mod tail;

use super::count::plural;
use super::{CommandError, Exit, Output};
use crate::audit::export::{Format, NAMES};
use crate::audit::query::{self, Filter, Skipped};
use crate::audit::record::visible;
use crate::audit::row::Row;
use crate::audit::verify::{self, Report};
use crate::audit::{AuditError, Record};
use crate::model::{AbsPath, Decision, Seq};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Reads and verifies the audit log.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Lists records, oldest first.
    List {
        /// Which records.
        #[command(flatten)]
        which: Which,
        /// One JSON object a line, as stored.
        #[arg(long)]
        json: bool,
    },
    /// Prints the newest records, and with `--follow` each new one as it is written.
    Tail {
        /// Goes on until it is interrupted. The log need not exist yet.
        #[arg(long, short)]
        follow: bool,
        /// Which records; the newest 10 without `--limit`.
        #[command(flatten)]
        which: Which,
        /// One JSON object a line, as stored.
        #[arg(long)]
        json: bool,
    },
    /// Shows one record.
    Show {
        /// Its number.
        #[arg(value_name = "N")]
        seq: u64,
        /// The record as stored.
        #[arg(long)]
        json: bool,
    },
    /// Writes records in the words of another system, one a line.
    Export {
        /// The stored lines (jsonl), OCSF, ECS, CEF, OTLP/JSON or syslog.
        #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
        format: Format,
        /// Which records.
        #[command(flatten)]
        which: Which,
    },
    /// Writes one HTML page for a reviewer, which needs no script and no network.
    Report {
        /// Where to; standard output otherwise. A file there is replaced.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Which records.
        #[command(flatten)]
        which: Which,
    },
    /// Sends the log to the sinks of the configuration (docs/audit.md, Forwarding).
    Forward(forward::ForwardArgs),
    /// Counts refused calls by rule.
    Denials {
        /// Which records.
        #[command(flatten)]
        which: Which,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Recomputes the chain; exits 1 at the first record that does not fit.
    Verify {
        /// The public key (64 hexadecimal digits) that must have signed, noted earlier elsewhere.
        #[arg(long, value_name = "KEY", value_parser = public_key)]
        key: Option<String>,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
}

/// Which records a command is about.
#[derive(Debug, Clone, Default, Args)]
pub struct Which {
    /// Not older than this: `90s`, `30m`, `24h`, `7d`, or a time such as 2026-01-31T08:00:00Z.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub since: Option<Timestamp>,
    /// allow, ask or deny.
    #[arg(long, value_name = "DECISION", value_parser = decision)]
    pub decision: Option<Decision>,
    /// A tool, such as Bash.
    #[arg(long, value_name = "TOOL")]
    pub tool: Option<String>,
    /// The id of a rule.
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// A conversation.
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// A login name or user id.
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Only the newest so many.
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub limit: Option<usize>,
}

impl From<Which> for Filter {
    fn from(which: Which) -> Filter {
        let Which { since, decision, tool, rule, session, user, limit } = which;
        let verified = None;
        Filter { since, decision, tool, rule, session, user, limit, verified }
    }
}

impl From<AuditError> for CommandError {
    fn from(error: AuditError) -> Self {
        CommandError::new(Exit::Failed, "audit", error.message)
    }
}

/// Runs the command on this log.
///
/// # Errors
/// When the log cannot be read or the output not be written.
pub fn run(command: AuditCommand, file: &AbsPath, out: &mut Output) -> Result<Exit, CommandError> {
    match command {
        AuditCommand::List { which, json } => list(which.into(), json, file, out),
        AuditCommand::Tail { follow, which, json } => {
            let filter: Filter = which.into();
            let filter = Filter { limit: filter.limit.or(Some(10)), ..filter };
            match follow {
                true => tail::follow(&filter, json, file, out),
                false => list(filter, json, file, out),
            }
        }
        AuditCommand::Export { format, which } => export::export(format, &which.into(), file, out),
        AuditCommand::Report { out: target, which } => {
            report::report(target.as_deref(), which, file, out)
        }
        // Needs more than the log: `cli::start` does it.
        AuditCommand::Forward(_) => {
            Err(CommandError::new(Exit::Usage, "forward", "forwarding needs the configuration"))
        }
        AuditCommand::Show { seq, json } => show(Seq(seq), json, file, out),
        AuditCommand::Denials { which, json } => denials(which.into(), json, file, out),
        AuditCommand::Verify { key, json } => verify(key.as_deref(), json, file, out),
    }
}

fn list(
    filter: Filter,
    json: bool,
    file: &AbsPath,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let Some(report) = verify::glance(file)? else { return Ok(missing(file, out)) };
    heading(json, out)?;
    let filter = knowing(filter, &report);
    let skipped = match json {
        true => query::each(file, &filter, |record| one(&record, json, out))?,
        false => query::each_row(file, &filter, |found| {
            Ok::<(), CommandError>(out.line(&shown_row(&found))?)
        })?,
    };
    // On a stream of JSON the status must not look like a record.
    out.say(&chain(&report, skipped));
    Ok(Exit::Done)
}

/// What was verified just now need not be parsed to be passed over. Of a broken log every line is.
fn knowing(filter: Filter, report: &Report) -> Filter {
    let verified = report.is_intact().then(|| report.last());
    Filter { verified, ..filter }
}

/// Nothing was recorded, which is not a failure on a new machine.
fn missing(file: &AbsPath, out: &mut Output) -> Exit {
    out.say(&format!("no audit log at {file} yet: no call was recorded"));
    Exit::Done
}

/// Names the columns; JSON has its own names.
fn heading(json: bool, out: &mut Output) -> Result<(), CommandError> {
    let names = ["N", "TIME", "KIND", "DECISION", "RULE", "WHO", "WHAT"];
    if json { Ok(()) } else { Ok(out.line(&row(names))?) }
}

/// One record of a listing.
fn one(record: &Record, json: bool, out: &mut Output) -> Result<(), CommandError> {
    if json {
        let text = serde_json::to_string(record)
            .map_err(|e| CommandError::new(Exit::Failed, "audit", e.to_string()))?;
        return Ok(out.line(&visible(&text))?);
    }
    Ok(out.line(&shown_row(&Row::of(record)))?)
}

fn shown_row(found: &Row) -> String {
    let Row { seq, time, kind, decision, rule, who, what } = found;
    let decision = decision.map_or("-", Decision::as_str);
    row([&seq.to_string(), time, kind, decision, rule.as_deref().unwrap_or("-"), who, what])
}

fn row(cells: [&str; 7]) -> String {
    let [seq, time, kind, decision, rule, who, what] = cells.map(visible);
    format!("{seq:>6}  {time:<24}  {kind:<13}  {decision:<8}  {rule:<24}  {who:<10}  {what}")
        .trim_end()
        .to_owned()
}

fn denials(
    filter: Filter,
    json: bool,
    file: &AbsPath,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let Some(report) = verify::glance(file)? else {
        if json {
            out.line(&json!({"denials": [], "count": 0, "chain": null}).to_string())?;
        }
        return Ok(missing(file, out));
    };
    let (groups, skipped) = query::denials(file, &knowing(filter, &report))?;
    let count: u64 = groups.iter().map(|group| group.count).sum();
    if json {
        let status = chain_json(&report, skipped);
        let document = json!({"denials": groups, "count": count, "chain": status});
        out.line(&visible(&document.to_string()))?;
        return Ok(Exit::Done);
    }
    out.line("    N  RULE                      TIER        LAST                      WHO / AGENT          WHAT")?;
    for group in &groups {
        let tier = group.tier.as_deref().unwrap_or("-");
        let line = format!(
            "{:>5}  {:<24}  {:<10}  {:<24}  {:<19}  {}",
            group.count,
            visible(&group.rule),
            visible(tier),
            visible(&group.last),
            visible(&group.who),
            visible(&group.what)
        );
        out.line(line.trim_end())?;
    }
    let people: std::collections::BTreeSet<&String> =
        groups.iter().flat_map(|g| &g.users).collect();
    let newest = groups.iter().map(|group| group.last_seq).max();
    let next = newest.map_or_else(String::new, |seq| format!(" · ion audit show {seq}"));
    out.line(&format!(
        "{}, {}, {} · {}{next}",
        plural(count as usize, "denial"),
        plural(groups.len(), "rule"),
        if people.len() == 1 { "1 person".to_owned() } else { format!("{} people", people.len()) },
        chain(&report, skipped)
    ))?;
    Ok(Exit::Done)
}

fn show(seq: Seq, json: bool, file: &AbsPath, out: &mut Output) -> Result<Exit, CommandError> {
    let record = query::show(file, seq)?.ok_or_else(|| {
        CommandError::new(Exit::Failed, "audit", format!("there is no record {seq} in {file}"))
            .detail("next: ion audit list --limit 20")
    })?;
    if json {
        let text = serde_json::to_string(&record)
            .map_err(|e| CommandError::new(Exit::Failed, "audit", e.to_string()))?;
        out.line(&visible(&text))?;
        return Ok(Exit::Done);
    }
    for line in shown::told(&record).into_iter().chain(shown::evidence(&record)) {
        out.line(&visible(&line))?;
    }
    if record.kind == "decision" {
        out.line(&format!("  replay    ion policy explain --record {seq}"))?;
    }
    match verify::glance(file)? {
        Some(report) => out.line(&format!("  chain     {}", chain(&report, Skipped::default())))?,
        None => out.line("  chain     the log is gone")?,
    }
    Ok(Exit::Done)
}

/// One of the names, which completions and errors list.
fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(NAMES)
        .try_map(|name| Format::named(&name).ok_or("no format of this name"))
}

/// 64 lower-case hexadecimal digits.
fn public_key(text: &str) -> Result<String, String> {
    let digits = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match digits && text.len() == 64 {
        true => Ok(text.to_owned()),
        false => {
            Err("expected the 64 hexadecimal digits that `ion audit verify` prints".to_owned())
        }
    }
}

fn verify(
    key: Option<&str>,
    json: bool,
    file: &AbsPath,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let Some(report) = verify::verify_by(file, key)? else { return Err(no_log(file)) };
    if json {
        let mut document = chain_json(&report, Skipped::default());
        if let Value::Object(members) = &mut document {
            members.insert("file".to_owned(), json!(file));
            members.insert("exists".to_owned(), json!(true));
        }
        out.line(&document.to_string())?;
    } else if report.is_intact() {
        let head = &report.head_hash;
        let kept = plural(report.records as usize, "record");
        out.line(&format!("intact: {kept}, head {head}"))?;
        if report.retired > 0 {
            let (retired, from) = (report.retired, report.retired.saturating_add(1));
            out.line(&format!(
                "removed by retention, under a signature: records 1 to {retired}; kept from {from} on"
            ))?;
        }
        if let Some(signed) = &report.signed {
            out.line(&format!("signed: through record {}, key {}", signed.through, signed.key))?;
        }
    } else {
        out.line(&format!("BROKEN: {}", chain(&report, Skipped::default())))?;
    }
    Ok(if report.is_intact() { Exit::Done } else { Exit::Failed })
}

/// A log that is not there does not verify: somebody may have removed it.
fn no_log(file: &AbsPath) -> CommandError {
    let what = format!("there is no audit log with a record at {file}");
    let mut error = CommandError::new(Exit::Failed, "audit", what)
        .detail("if calls were recorded there, it was removed")
        .detail("next: check ION_DATA_DIR and the key `audit.file`, which decide where it lies");
    let mut document = error.to_json();
    document["file"] = json!(file);
    document["exists"] = json!(false);
    document["intact"] = json!(false);
    error.document = Some(Box::new(document));
    error
}

fn chain(report: &Report, skipped: Skipped) -> String {
    let unread = match skipped.unreadable {
        0 => String::new(),
        n => format!(
            ", {} unreadable and not listed (the first is line {})",
            plural(n as usize, "line"),
            skipped.first
        ),
    };
    match &report.broken {
        None => format!("chain intact to record {}{unread}", report.last()),
        Some(broken) => format!(
            "chain BROKEN at record {} ({}line {}, {}): {}{unread}",
            broken.seq,
            in_closed(&broken.file),
            broken.line,
            fault_name(broken),
            broken.detail
        ),
    }
}

/// A closed file by its name; the one that takes the records needs none.
fn in_closed(file: &str) -> String {
    let closed = file.rsplit('.').next().is_some_and(|end| end.bytes().all(|b| b.is_ascii_digit()));
    if closed { format!("{file}, ") } else { String::new() }
}

fn fault_name(broken: &verify::Broken) -> String {
    serde_json::to_value(broken.fault)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn chain_json(report: &Report, skipped: Skipped) -> Value {
    json!({
        "intact": report.is_intact(), "records": report.records, "retired": report.retired, "head_hash": report.head_hash, "signed": report.signed,
        "broken": report.broken, "unreadable": skipped.unreadable
    })
}

fn decision(text: &str) -> Result<Decision, String> {
    match text {
        "allow" => Ok(Decision::Allow),
        "ask" => Ok(Decision::Ask),
        "deny" => Ok(Decision::Deny),
        _ => Err("expected allow, ask or deny".to_owned()),
    }
}

/// `24h`, `7d`, or a time.
fn since(text: &str) -> Result<Timestamp, String> {
    let expected = "expected a span such as 30m, 24h, 7d, or a time such as 2026-01-31T08:00:00Z";
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let day = format!("{text}T00:00:00Z");
    if let Ok(time) = day.parse::<Timestamp>() {
        return Ok(time);
    }
    let mut number = text.to_owned();
    let seconds = match number.pop() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        Some('w') => 7 * 86_400,
        _ => return Err(expected.to_owned()),
    };
    let span: i64 = number.parse().map_err(|_| expected.to_owned())?;
    let back = span.checked_mul(seconds).filter(|s| *s >= 0).ok_or("the span is too long")?;
    let then = Timestamp::now().as_second().checked_sub(back).ok_or("the span is too long")?;
    Timestamp::from_second(then).map_err(|_| "the span is too long".to_owned())
}
