//! A batch of records in the words of each receiver, and what can go wrong with it.

use crate::audit::Record;
use crate::audit::export::{Exporter, Format};
use std::time::Duration;

/// Most records of a batch.
pub(in crate::forward) const MOST: usize = 100;
/// A batch takes no further record from this size on: receivers refuse large bodies.
const LARGEST: usize = 1 << 20;

/// Why a batch was not taken.
#[derive(Debug)]
pub(in crate::forward) enum Trouble {
    /// It may be later; the receiver may have said when.
    Later(String, Option<Duration>),
    /// The same batch will not be taken the next time either.
    Refused(String),
}

impl Trouble {
    pub(in crate::forward) fn later(why: String) -> Self {
        Trouble::Later(why, None)
    }
}

/// Records that are sent together.
#[derive(Default)]
pub(in crate::forward) struct Batch {
    pub(in crate::forward) records: Vec<(Record, Vec<u8>)>,
    bytes: usize,
}

impl Batch {
    /// Takes one more record; `false` when it is full.
    pub(in crate::forward) fn push(&mut self, record: Record, line: &[u8]) -> bool {
        let fits = self.records.is_empty() || self.bytes + line.len() <= LARGEST;
        if fits {
            self.bytes += line.len();
            self.records.push((record, line.to_vec()));
        }
        fits
    }

    /// The records, one after the other, in a format of [`crate::audit::export`].
    pub(in crate::forward) fn body(&self, format: Format) -> Vec<u8> {
        let mut exporter = Exporter::new(format);
        let mut body = Vec::new();
        for (record, line) in &self.records {
            match format {
                Format::Jsonl => body.extend(line),
                _ => body.extend(exporter.take(record).unwrap_or_default().into_bytes()),
            }
        }
        body.extend(exporter.finish().unwrap_or_default().into_bytes());
        body
    }

    /// Syslog messages without their line ends.
    pub(in crate::forward) fn messages(&self) -> Vec<Vec<u8>> {
        let body = self.body(Format::Syslog);
        // A message holds no line end: the format writes controls out.
        let lines = body.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        lines.map(<[u8]>::to_vec).collect()
    }

    /// Syslog messages with their lengths before them (RFC 6587, RFC 5425).
    pub(in crate::forward) fn frames(&self) -> Vec<u8> {
        let frame =
            |message: Vec<u8>| [format!("{} ", message.len()).into_bytes(), message].concat();
        self.messages().into_iter().flat_map(frame).collect()
    }
}
