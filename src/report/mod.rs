//! The page that a reviewer opens: one HTML file, complete without scripts, asking nobody for
//! anything.
//!
//! [`Gathered`] sees each record once and keeps what the page shows, within bounds that do not
//! grow with the log. Everything in a record is hostile: it becomes text by one function,
//! `html::escaped`, and a Content-Security-Policy lets nothing run but the script that is here.
//! Must not read the log itself, nor decide what a record means.

mod html;
mod page;
mod timeline;

use crate::audit::Record;
use crate::model::{Decision, Seq};
use html::{escaped, shortened};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use timeline::{Counts, Timeline};

/// Records in the table, at most: the newest.
pub const MOST_ROWS: usize = 5_000;
/// Traces of one rule, at most: the newest.
const MOST_TRACES: usize = 10;
/// Characters of a command in the table, and in a trace.
const IN_ROW: usize = 200;
const IN_TRACE: usize = 1_500;
/// Steps of a trace, at most.
const MOST_STEPS: usize = 12;

/// What the page says about the log besides its records.
#[derive(Debug, Clone)]
pub struct About {
    /// The file.
    pub file: String,
    /// When the page was made, RFC 3339.
    pub made: String,
    /// The filters that chose the records; empty when all are there.
    pub filters: String,
    /// Whether the chain and its signatures check.
    pub intact: bool,
    /// What verification found, each a sentence; the first stands in the frame.
    pub verdict: Vec<String>,
}

/// The calls that one rule decided.
#[derive(Default)]
struct ByRule {
    counts: Counts,
    tier: String,
    first: String,
    last: String,
    traces: VecDeque<String>,
}

/// Something that a reviewer should look at first: how often, and the newest.
#[derive(Default)]
struct Look {
    count: u64,
    newest: Option<Seq>,
}

impl Look {
    fn at(&mut self, seq: Seq) {
        self.count += 1;
        self.newest = Some(seq);
    }
}

/// What a page is made of.
pub struct Gathered {
    records: u64,
    from: String,
    to: String,
    counts: Counts,
    timeline: Timeline,
    rules: BTreeMap<String, ByRule>,
    rows: VecDeque<String>,
    critical: Look,
    unanswered: Look,
    unconfined: Look,
    unfinished: Look,
    untimed: Look,
}

impl Default for Gathered {
    fn default() -> Self {
        Gathered::new()
    }
}

impl Gathered {
    /// Before the first record.
    pub fn new() -> Self {
        let look = Look::default;
        Gathered {
            records: 0,
            from: String::new(),
            to: String::new(),
            counts: [0; 3],
            timeline: Timeline::new(),
            rules: BTreeMap::new(),
            rows: VecDeque::new(),
            critical: look(),
            unanswered: look(),
            unconfined: look(),
            unfinished: look(),
            untimed: look(),
        }
    }

    /// Takes one record; `told` are the lines that `ion audit show` prints about it, asked for
    /// only where the page shows them.
    pub fn take(&mut self, record: &Record, told: &dyn Fn(&Record) -> Vec<String>) {
        self.records += 1;
        if self.from.is_empty() {
            self.from.clone_from(&record.time);
        }
        self.to.clone_from(&record.time);
        self.rows.push_back(row(record));
        if self.rows.len() > MOST_ROWS {
            self.rows.pop_front();
        }
        if record.text(&["outcome"]).is_some_and(|how| how == "timed_out" || how == "worker_failed")
        {
            self.unfinished.at(record.seq);
        }
        let Some(decision) = record.decision.filter(|_| record.kind == "decision") else { return };
        let which = match decision {
            Decision::Allow => 0,
            Decision::Ask => 1,
            Decision::Deny => 2,
        };
        count(&mut self.counts, which);
        match record.time.parse() {
            Ok(time) => self.timeline.add(time, which),
            Err(_) => self.untimed.at(record.seq),
        }
        let rule = record.rule().or(record.text(&["decided_by"])).unwrap_or("-");
        let group = self.rules.entry(rule.to_owned()).or_default();
        count(&mut group.counts, which);
        if let Some(tier) = record.text(&["rule", "tier"]) {
            tier.clone_into(&mut group.tier);
        }
        if record.body.pointer("/confinement/open") == Some(&Value::Bool(true)) {
            self.unconfined.at(record.seq);
        }
        if decision != Decision::Deny {
            return;
        }
        if record.text(&["decided_by"]) == Some("headless-ask") {
            self.unanswered.at(record.seq);
        }
        let danger = record.body.get("danger").and_then(Value::as_array);
        if danger.is_some_and(|all| all.iter().any(|one| one["severity"] == "critical")) {
            self.critical.at(record.seq);
        }
        if group.first.is_empty() {
            group.first.clone_from(&record.time);
        }
        group.last.clone_from(&record.time);
        group.traces.push_back(trace(record, &told(record)));
        if group.traces.len() > MOST_TRACES {
            group.traces.pop_front();
        }
    }

    /// The whole page.
    pub fn page(self, about: &About) -> String {
        page::page(self, about)
    }
}

fn count(counts: &mut Counts, which: usize) {
    if let Some(count) = counts.get_mut(which) {
        *count += 1;
    }
}

fn word(decision: Option<Decision>) -> &'static str {
    decision.map_or("-", Decision::as_str)
}

fn who(record: &Record) -> String {
    record.user.clone().unwrap_or_else(|| record.uid.to_string())
}

fn row(record: &Record) -> String {
    let seq = record.seq;
    let decision = word(record.decision);
    let mut row = format!("<tr id=\"r{seq}\"><td class=\"n\">{seq}");
    let rule = record.rule().or(record.text(&["decided_by"])).unwrap_or("-");
    let _ = write!(
        row,
        "<td>{}<td>{}<td class=\"{decision}\">{decision}",
        shortened(&record.time, 40),
        shortened(&record.kind, 40),
    );
    for text in [record.tool.as_deref().unwrap_or("-"), rule, &who(record)] {
        let _ = write!(row, "<td>{}", shortened(text, 80));
    }
    let _ = writeln!(row, "<td class=\"what\">{}", shortened(&record.what(), IN_ROW));
    row
}

/// One refused call: closed it says what, opened it says why and what proves it.
fn trace(record: &Record, told: &[String]) -> String {
    let mut out = format!(
        "<details><summary>record {} · {} · {} · <code>{}</code></summary><pre>",
        record.seq,
        shortened(&record.time, 40),
        shortened(&who(record), 80),
        shortened(&record.what(), IN_ROW)
    );
    for line in told {
        let _ = writeln!(out, "{}", shortened(line, IN_TRACE));
    }
    let steps = record.body.get("steps").and_then(Value::as_array);
    let steps = steps.map(Vec::as_slice).unwrap_or_default();
    if !steps.is_empty() {
        out.push_str("considered, in this order:\n");
    }
    for step in steps.iter().take(MOST_STEPS) {
        let text = |key: &str| step.get(key).and_then(Value::as_str).unwrap_or("-");
        let line = format!(
            "  {:<6} {} {}: {}",
            text("decision"),
            text("basis"),
            text("rule"),
            text("subject")
        );
        let _ = writeln!(out, "{}", shortened(&line, IN_ROW));
    }
    if steps.len() > MOST_STEPS {
        let _ = writeln!(out, "  and {} more", steps.len() - MOST_STEPS);
    }
    let _ = write!(out, "next: ion policy explain --record {}</pre></details>", record.seq);
    out
}
