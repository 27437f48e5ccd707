//! Reading a log as a stream: list, show one, count denials by rule.
//!
//! Reading waits for no writer, because lines are only ever added; only a last line without its
//! end makes it look again under the lock. A line that cannot be read is
//! counted, never skipped in silence; `verify` tells what is wrong with it.

use super::AuditError;
use super::ahead;
use super::cursor::{self, Sent};
use super::lock::Lock;
use super::record::{self, LONGEST_LINE, Record, checked_hash};
use super::row::Row;
use super::segment::{self, Part};
use super::sieve::Sieve;
use crate::model::{AbsPath, Decision, Seq};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Which records to take; empty takes all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Not older than this.
    pub since: Option<Timestamp>,
    /// With this decision.
    pub decision: Option<Decision>,
    /// About this tool.
    pub tool: Option<String>,
    /// Decided by this rule.
    pub rule: Option<String>,
    /// Of this conversation.
    pub session: Option<String>,
    /// Of this login name or user id.
    pub user: Option<String>,
    /// Only the newest so many.
    pub limit: Option<usize>,
    /// The log was just verified up to here: lines that this filter cannot take need not be parsed.
    pub verified: Option<Seq>,
}

impl Filter {
    /// Whether this record is wanted; `limit` has no say here.
    pub fn takes(&self, record: &Record) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        // A time that cannot be read is not a reason to hide a record.
        let recent = self.since.is_none_or(|since| {
            record.time.parse::<Timestamp>().map_or(true, |time| time >= since)
        });
        let uid = record.uid.to_string();
        recent
            && self.decision.is_none_or(|wanted| record.decision == Some(wanted))
            && same(&self.tool, record.tool.as_deref())
            && same(&self.rule, record.rule())
            && same(&self.session, record.session.as_deref())
            && (same(&self.user, record.user.as_deref()) || self.user.as_deref() == Some(&uid))
    }
}

impl Record {
    /// The id of the rule that decided.
    pub fn rule(&self) -> Option<&str> {
        self.text(&["rule", "id"])
    }

    /// A text inside the body.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        path.iter().try_fold(&self.body, |value, key| value.get(key)).and_then(Value::as_str)
    }

    /// What the call would have done, in one line: the command, the path, or the input.
    pub fn what(&self) -> String {
        if let Some(answer) = self.answer() {
            return answer;
        }
        let input = self.body.get("call").and_then(|call| call.get("input"));
        let Some(input) = input else { return String::new() };
        let tool = self.tool.as_deref().unwrap_or_default();
        for key in ["command", "path", "file_path", "pattern", "url"] {
            if let Some(text) = input.get(key).and_then(Value::as_str) {
                return if key == "command" { text.to_owned() } else { format!("{tool} {text}") };
            }
        }
        format!("{tool} {input}")
    }
}

impl Record {
    /// How a question ended: `q-… allow by ada via terminal after 3.2 s`.
    fn answer(&self) -> Option<String> {
        if self.kind != "answered" {
            return None;
        }
        let id = self.text(&["question"])?;
        let outcome = self.text(&["choice"]).or(self.text(&["outcome"])).unwrap_or("-");
        let mut line = format!("{id} {outcome}");
        for (word, key) in [("by", "by"), ("via", "via")] {
            if let Some(text) = self.text(&[key]).filter(|text| !text.is_empty()) {
                line.push_str(&format!(" {word} {text}"));
            }
        }
        let waited = self.body.get("waited_ms").and_then(Value::as_f64);
        if let Some(ms) = waited {
            line.push_str(&format!(" after {:.1} s", ms / 1000.0));
        }
        Some(line)
    }
}

/// What reading found besides records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Lines that are no records.
    pub unreadable: u64,
    /// The 1-based line of the first of them, counted over all files; 0 when there is none.
    pub first: u64,
}

/// Calls `each` for every record that the filter takes, oldest first. A log that does not
/// exist has none. With a limit, no more than that many records are held in memory.
///
/// # Errors
/// When the file cannot be read, or `each` fails.
pub fn each<E: From<AuditError>>(
    file: &AbsPath,
    filter: &Filter,
    mut each: impl FnMut(Record) -> Result<(), E>,
) -> Result<Skipped, E> {
    each_stored(file, filter, false, &mut |record, _| each(record))
}

/// What is done with a record and the bytes of its line.
pub type Each<'a, E> = &'a mut dyn FnMut(Record, &[u8]) -> Result<(), E>;

/// How many allowed calls are remembered until their outcome comes.
const OPEN_CALLS: usize = 256;

/// As [`each`], with the bytes of the line as they are stored, its `\n` included. With `joined`
/// the body of an outcome gets the `call` of its decision, where that is not more than a few
/// hundred allowed calls back; the stored bytes stay what they are.
///
/// # Errors
/// When the file cannot be read, or `each` fails.
pub fn each_stored<E: From<AuditError>>(
    file: &AbsPath,
    filter: &Filter,
    joined: bool,
    each: Each<'_, E>,
) -> Result<Skipped, E> {
    let path = file.as_path();
    let mut found = Skipped::default();
    let sieve = Sieve::of(filter);
    let (mut newest, mut calls) = (VecDeque::new(), BTreeMap::new());
    let (mut line, mut number) = (Vec::new(), 1);
    let mut parts = segment::all(path)?.into_iter();
    let Some(mut part) = parts.next() else { return Ok(found) };
    let mut lines = BufReader::with_capacity(256 * 1024, part.file);
    loop {
        if !read_line(&mut lines, &mut line, &part.path)? {
            match parts.next() {
                Some(next) => part = next,
                None => break,
            }
            lines = BufReader::with_capacity(256 * 1024, part.file);
            continue;
        }
        let at = number;
        number += u64::from(line.ends_with(b"\n"));
        // A decision that the filter does not take may have the call of an outcome that it does.
        if !joined && sieve.holds_back(&line) {
            continue;
        }
        if let (Some(limit), false) = (filter.limit, joined)
            && sieve.takes_all
            && sieve.knows(&line)
        {
            keep(&mut newest, limit, (None, line.clone()));
            continue;
        }
        let Ok(mut record) = serde_json::from_slice::<Record>(&line) else {
            found.unreadable += 1;
            if found.first == 0 {
                found.first = at;
            }
            continue;
        };
        if joined {
            join(&mut record, &mut calls);
        }
        if !filter.takes(&record) {
            continue;
        }
        match filter.limit {
            None => each(record, &line)?,
            Some(limit) => keep(&mut newest, limit, (Some(record), line.clone())),
        }
    }
    for (record, line) in newest {
        match record.or_else(|| serde_json::from_slice(&line).ok()) {
            Some(record) => each(record, &line)?,
            // Verified and no record: its place among the lines is not known any more.
            None => found.unreadable += 1,
        }
    }
    Ok(found)
}

fn keep<T>(newest: &mut VecDeque<T>, limit: usize, one: T) {
    newest.push_back(one);
    if newest.len() > limit {
        newest.pop_front();
    }
}

/// Calls `each` with the row of every record that the filter takes, oldest first. Of a verified log that
/// is listed whole, lines are read no further than a row needs.
///
/// # Errors
/// When the file cannot be read, or `each` fails.
pub fn each_row<E: From<AuditError>>(
    file: &AbsPath,
    filter: &Filter,
    mut each: impl FnMut(Row) -> Result<(), E>,
) -> Result<Skipped, E> {
    let sieve = Sieve::of(filter);
    if filter.limit.is_some() || !sieve.takes_all {
        return self::each(file, filter, |record| each(Row::of(&record)));
    }
    ahead::rows(file, &sieve, each)
}

/// One line; `false` at the end. A line without its end is either what a killed process left
/// or being written just now: the lock tells, because no writer holds it then.
pub(in crate::audit) fn read_line(
    lines: &mut BufReader<File>,
    line: &mut Vec<u8>,
    path: &Path,
) -> Result<bool, AuditError> {
    line.clear();
    for again in [false, true] {
        let lock = match again {
            true => Some(Lock::take(path, lines.get_ref(), true)?),
            false => None,
        };
        let rest = u64::try_from((LONGEST_LINE + 1).saturating_sub(line.len())).unwrap_or(0);
        let read = lines.by_ref().take(rest).read_until(b'\n', line);
        read.map_err(|e| AuditError::io("read it", path, e))?;
        drop(lock);
        if line.is_empty() || line.ends_with(b"\n") || line.len() > LONGEST_LINE {
            break;
        }
    }
    Ok(!line.is_empty())
}

/// How far before the first wanted record reading starts, so that an outcome finds its call.
const EARLIER: u64 = 256;

/// Calls `each` for at most `most` records after the one that sink `name` was sent last, in order,
/// with the bytes of their lines; outcomes get the call of their decision. They must go on as one
/// chain from there. A last line without its end is not taken: its writer is not done.
///
/// # Errors
/// When the file cannot be read or does not go on from `sent`, at the first record that was changed
/// or is missing, or `each` fails. All records before the fault have been given out.
pub fn after<E: From<AuditError>>(
    file: &AbsPath,
    name: &str,
    sent: &Sent,
    most: usize,
    each: Each<'_, E>,
) -> Result<(), E> {
    let path = file.as_path();
    let (mut last, mut given, mut calls) = (sent.clone(), 0, BTreeMap::new());
    let another_log = || E::from(cursor::another_log(file, name, sent.seq));
    let from = Seq(sent.seq.0.saturating_sub(EARLIER));
    let mut parts = segment::all(path)?;
    // Files that end before the first record that is read need not be opened up.
    let begins = |part: &Part| part.first.or_else(|| Some(segment::beginning(&part.file)?.0));
    let starts = |part: &Part| begins(part).is_some_and(|first| first <= from);
    let mut parts = parts.split_off(parts.iter().rposition(starts).unwrap_or(0)).into_iter();
    let Some(part) = parts.next() else {
        return if sent.seq.0 == 0 { Ok(()) } else { Err(another_log()) };
    };
    let mut lines = BufReader::with_capacity(64 * 1024, part.file);
    go_to(&mut lines, from, path)?;
    let (mut line, mut newest) = (Vec::new(), Seq(0));
    while given < most {
        if !whole_line(&mut lines, &mut line, path)? {
            let Some(part) = parts.next() else { break };
            lines = BufReader::with_capacity(64 * 1024, part.file);
            continue;
        }
        let record = serde_json::from_slice::<Record>(&line).ok();
        let before = record.as_ref().is_some_and(|record| record.seq <= sent.seq);
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        // A new sink begins with the oldest record that retention left.
        let follows = |record: &Record| {
            (last.seq.0 == 0
                || (record.seq.0 == last.seq.0.saturating_add(1) && record.prev == last.hash))
                && checked_hash(text) == Some(record.hash.as_str())
        };
        let Some(mut record) = record.filter(|record| before || follows(record)) else {
            return Err(E::from(AuditError::new(format!(
                "audit log {file}: what stands after record {} was changed or removed, and is not \
                 sent; next: ion audit verify",
                last.seq
            ))));
        };
        if record.seq == sent.seq && record.hash != sent.hash {
            return Err(another_log());
        }
        newest = record.seq;
        join(&mut record, &mut calls);
        if before {
            continue;
        }
        last = Sent { seq: record.seq, hash: record.hash.clone(), ..last };
        given += 1;
        each(record, &line)?;
    }
    // FAIL CLOSED: a log that ends before what was sent is not the one that was sent.
    if newest < sent.seq { Err(another_log()) } else { Ok(()) }
}

/// Makes what was read durable, where each record is not: a power cut must not take from the log what
/// a receiver has already.
///
/// # Errors
/// The file cannot be synced.
pub fn settle(file: &AbsPath) -> Result<(), AuditError> {
    let path = file.as_path();
    let Some(log) = super::place::read(path)? else { return Ok(()) };
    log.sync_data().map_err(|e| AuditError::io("make its records durable", path, e))
}

/// Moves near the first record after this number without reading all that is before it: numbers
/// only ever grow, so halves of the file are left out. A line that cannot be read ends the search.
fn go_to(lines: &mut BufReader<File>, seq: Seq, path: &Path) -> Result<(), AuditError> {
    #[derive(Deserialize)]
    struct Numbered {
        seq: Seq,
    }
    let failed = |e| AuditError::io("read it", path, e);
    let length = |line: &[u8]| u64::try_from(line.len()).unwrap_or(u64::MAX);
    let (mut low, mut high) = (0, lines.get_ref().metadata().map_err(failed)?.len());
    let mut line = Vec::new();
    while seq.0 > 0 && high - low > 64 * 1024 {
        let middle = low + (high - low) / 2;
        lines.seek(SeekFrom::Start(middle)).map_err(failed)?;
        if !whole_line(lines, &mut line, path)? {
            high = middle;
            continue;
        }
        let start = middle.saturating_add(length(&line));
        let there = start < high && whole_line(lines, &mut line, path)?;
        match there.then(|| serde_json::from_slice::<Numbered>(&line)) {
            Some(Ok(found)) if found.seq <= seq => low = start,
            Some(Err(_)) => break,
            _ => high = middle,
        }
    }
    lines.seek(SeekFrom::Start(low)).map_err(failed)?;
    Ok(())
}

/// One line with its end; `false` where there is none, or none yet.
fn whole_line(
    lines: &mut BufReader<File>,
    line: &mut Vec<u8>,
    path: &Path,
) -> Result<bool, AuditError> {
    line.clear();
    let most = u64::try_from(LONGEST_LINE + 1).unwrap_or(u64::MAX);
    let read = lines.by_ref().take(most).read_until(b'\n', line);
    read.map_err(|e| AuditError::io("read it", path, e))?;
    Ok(line.ends_with(b"\n") || line.len() > LONGEST_LINE)
}

/// An outcome names its decision by number and has no call of its own.
fn join(record: &mut Record, calls: &mut BTreeMap<u64, Value>) {
    if record.kind == "decision" && record.decision == Some(Decision::Allow) {
        if let Some(call) = record.body.get("call") {
            calls.insert(record.seq.0, call.clone());
        }
        if calls.len() > OPEN_CALLS {
            calls.pop_first();
        }
    } else if let Some(seq) = record.body.get("decision_seq").and_then(Value::as_u64)
        && let Some(call) = calls.remove(&seq)
        && let Value::Object(body) = &mut record.body
    {
        body.insert("call".to_owned(), call);
    }
}

/// The record with this number.
///
/// # Errors
/// When the file cannot be read.
pub fn show(file: &AbsPath, seq: Seq) -> Result<Option<Record>, AuditError> {
    for part in segment::all(file.as_path())? {
        let path = part.path.clone();
        let (mut lines, mut line) = (part.lines(), Vec::new());
        while lines.read_until(b'\n', &mut line).map_err(|e| AuditError::io("read it", &path, e))?
            > 0
        {
            let other = record::beginning(&line).is_some_and(|(number, _)| number != seq);
            let record = if other { None } else { serde_json::from_slice::<Record>(&line).ok() };
            if let Some(record) = record.filter(|record| record.seq == seq) {
                return Ok(Some(record));
            }
            line.clear();
        }
    }
    Ok(None)
}

/// The newest record of a kind of which a test is true, looked for in the newest part of the log only:
/// what is farther back than a few thousand records is not found, and nothing waits for it.
///
/// # Errors
/// When the file cannot be read.
pub fn newest(
    file: &AbsPath,
    kind: &str,
    mut is: impl FnMut(&Record) -> bool,
) -> Result<Option<Record>, AuditError> {
    const REACH: u64 = 4 * 1024 * 1024;
    let sign = memchr::memmem::Finder::new(kind.as_bytes()).into_owned();
    for part in segment::all(file.as_path())?.into_iter().rev().take(2) {
        let from = part.size.saturating_sub(REACH);
        let mut text = Vec::new();
        let mut reader = segment::At { file: &part.file, at: from }.take(part.size - from);
        reader.read_to_end(&mut text).map_err(|e| AuditError::io("read it", &part.path, e))?;
        for line in text.rsplit(|&b| b == b'\n').filter(|line| sign.find(line).is_some()) {
            let Ok(record) = serde_json::from_slice::<Record>(line) else { continue };
            if record.kind == kind && is(&record) {
                return Ok(Some(record));
            }
        }
    }
    Ok(None)
}

/// The denials of one rule.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// The rule, or what else decided.
    pub rule: String,
    /// The tier of the rule.
    pub tier: Option<String>,
    /// How often.
    pub count: u64,
    /// The time of the first.
    pub first: String,
    /// The time of the last.
    pub last: String,
    /// The number of the last.
    pub last_seq: Seq,
    /// Who was refused last, and which agent.
    pub who: String,
    /// What was refused last.
    pub what: String,
    /// All who were refused.
    pub users: BTreeSet<String>,
}

/// The denials, most frequent rule first, and how many lines could not be read.
///
/// # Errors
/// When the file cannot be read.
pub fn denials(file: &AbsPath, filter: &Filter) -> Result<(Vec<Group>, Skipped), AuditError> {
    let filter = Filter { decision: Some(Decision::Deny), ..filter.clone() };
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let found = each(file, &filter, |record| {
        let decided_by = record.text(&["decided_by"]);
        let rule = record.rule().or(decided_by).unwrap_or("-").to_owned();
        let user = record.user.clone().unwrap_or_else(|| record.uid.to_string());
        let agent = record.text(&["agent"]).unwrap_or("default");
        let who = format!("{user} / {agent}");
        let group = groups.entry(rule.clone()).or_insert_with(|| Group {
            rule,
            tier: None,
            count: 0,
            first: record.time.clone(),
            last: String::new(),
            last_seq: record.seq,
            who: String::new(),
            what: String::new(),
            users: BTreeSet::new(),
        });
        group.count += 1;
        group.tier = record.text(&["rule", "tier"]).map(str::to_owned).or(group.tier.take());
        group.last_seq = record.seq;
        group.who = who;
        group.what = record.what();
        group.users.insert(user);
        group.last = record.time;
        Ok::<(), AuditError>(())
    })?;
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse((group.count, group.last_seq)));
    Ok((groups, found))
}
