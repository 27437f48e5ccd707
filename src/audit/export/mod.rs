//! Records in the words of other systems: OCSF, ECS, CEF, OTLP and syslog, or as they are stored.
//!
//! Each format is a table from its own names to places in [`Facts`] and little more. Nothing is
//! kept from one record to the next except a batch of OTLP, so a log of any size is exported
//! in the same memory. Must not change what a record says; only `jsonl` can be verified.

mod cef;
mod ecs;
mod facts;
mod journald;
mod metrics;
mod ocsf;
mod otlp;
mod spans;
mod syslog;

use super::record::{Record, visible};
use facts::Facts;
use serde_json::{Map, Value};

pub use journald::datagram;

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The stored lines, byte for byte: the one form in which the chain can be verified.
    Jsonl,
    /// Open Cybersecurity Schema Framework 1.6, one event a line.
    Ocsf,
    /// Elastic Common Schema 8, one document a line.
    Ecs,
    /// ArcSight Common Event Format, one event a line.
    Cef,
    /// OpenTelemetry logs, one `ExportLogsServiceRequest` of at most 100 records a line.
    Otlp,
    /// RFC 5424, one message a line, at most 2,048 bytes.
    Syslog,
    /// OpenTelemetry spans, one `ExportTraceServiceRequest` for at most 100 records a line.
    OtlpTraces,
    /// OpenTelemetry metrics, one `ExportMetricsServiceRequest` for at most 100 records a line.
    OtlpMetrics,
}

/// The names of all formats.
pub const NAMES: [&str; 8] =
    ["jsonl", "ocsf", "ecs", "cef", "otlp", "syslog", "otlp-traces", "otlp-metrics"];

impl Format {
    /// The format of this name.
    pub fn named(name: &str) -> Option<Format> {
        use Format::{Cef, Ecs, Jsonl, Ocsf, Otlp, OtlpMetrics, OtlpTraces, Syslog};
        let at = NAMES.iter().position(|known| *known == name)?;
        [Jsonl, Ocsf, Ecs, Cef, Otlp, Syslog, OtlpTraces, OtlpMetrics].get(at).copied()
    }
}

/// Records in one OTLP request, at most.
const BATCH: usize = 100;

/// Turns records into lines of one format.
pub struct Exporter {
    format: Format,
    batch: Vec<Facts>,
}

impl Exporter {
    /// An exporter that has seen no record.
    pub fn new(format: Format) -> Self {
        Exporter { format, batch: Vec::new() }
    }

    /// The line of this record, `\n` included, where one is due now. Never one for
    /// [`Format::Jsonl`]: the stored bytes are the line, and the caller has them.
    pub fn take(&mut self, record: &Record) -> Option<String> {
        let facts = Facts::of(record);
        let line = match self.format {
            Format::Jsonl => return None,
            Format::Ocsf => json(&ocsf::event(&facts)),
            Format::Ecs => json(&ecs::document(&facts)),
            Format::Cef => cef::line(&facts),
            Format::Syslog => syslog::message(&facts),
            Format::Otlp | Format::OtlpTraces | Format::OtlpMetrics => {
                self.batch.push(facts);
                return (self.batch.len() >= BATCH).then(|| self.finish()).flatten();
            }
        };
        Some(line)
    }

    /// What is left after the last record.
    pub fn finish(&mut self) -> Option<String> {
        let batch = std::mem::take(&mut self.batch);
        let request = match self.format {
            Format::OtlpTraces => spans::request(&batch),
            Format::OtlpMetrics => metrics::request(&batch),
            _ => (!batch.is_empty()).then(|| otlp::request(&batch)),
        };
        request.as_ref().map(json)
    }
}

/// One line of JSON in which no mark is left that a terminal acts on.
fn json(document: &Value) -> String {
    let mut line = visible(&document.to_string());
    line.push('\n');
    line
}

/// Fills a document from a table: where a member goes, with dots, and where its value stands.
/// What a record does not have is left out.
fn fill(document: &mut Value, table: &[(&str, &str)], facts: &Facts) {
    for (path, source) in table {
        put(document, path, facts.get(source));
    }
}

/// Puts a value at a path with dots; nothing where the value is empty.
fn put(document: &mut Value, path: &str, value: Value) {
    let empty = match &value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    if empty {
        return;
    }
    let mut place = document;
    for key in path.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(members) = place else { return };
        place = members.entry(key).or_insert(Value::Null);
    }
    *place = value;
}

/// The first so many characters, with a mark where there were more.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
