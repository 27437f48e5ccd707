//! Rows of a whole log: one thread reads lines, others make rows of them, and the caller gets them in
//! the order of the log.
//!
//! Most of the time that listing a large log takes goes into reading records, which needs no order.
//! Bounded queues hold a few batches, so that a log of any size is listed in the same memory.

use super::AuditError;
use super::query::{Skipped, read_line};
use super::record::Record;
use super::row::Row;
use super::segment;
use super::sieve::Sieve;
use crate::model::AbsPath;
use std::io::BufReader;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

/// Lines of a batch.
const LINES: usize = 512;
/// A batch takes no further line from this size on, bytes.
const BYTES: usize = 1 << 20;
/// Most threads that make rows.
const THREADS: usize = 4;

/// Lines that are read together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// A batch in the making, for the caller to wait for; or what ended the reading.
type Piece = Result<Receiver<Vec<Option<Row>>>, AuditError>;
type Job = (Batch, SyncSender<Vec<Option<Row>>>);

/// Calls `each` with the row of every record, oldest first.
///
/// # Errors
/// When the log cannot be read, or `each` fails. All rows before that have been given out.
pub(in crate::audit) fn rows<E: From<AuditError>>(
    file: &AbsPath,
    sieve: &Sieve,
    mut each: impl FnMut(Row) -> Result<(), E>,
) -> Result<Skipped, E> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(THREADS));
    let (jobs, queue) = sync_channel::<Job>(threads * 2);
    let queue = Arc::new(Mutex::new(queue));
    let (pieces, ordered) = sync_channel::<Piece>(threads * 4);
    std::thread::scope(|scope| {
        // Moved in, so that it ends with this closure: then everybody stops.
        let ordered = ordered;
        scope.spawn(move || {
            if let Err(error) = read(file, &jobs, &pieces) {
                let _ = pieces.send(Err(error));
            }
        });
        for _ in 0..threads {
            let queue = Arc::clone(&queue);
            scope.spawn(move || {
                // The lock is held while one waits, which is all that the others would do.
                let next = || queue.lock().ok()?.recv().ok();
                while let Some((batch, done)) = next() {
                    let _ = done.send(batch.rows(sieve));
                }
            });
        }
        // Only those who work off the queue keep it: when all are gone, the reader stops as well.
        drop(queue);
        let mut found = Skipped::default();
        let mut number = 0;
        for piece in ordered {
            let crashed = |_| AuditError { message: "reading the log crashed".to_owned() };
            for row in piece?.recv().map_err(crashed)? {
                number += 1;
                match row {
                    Some(row) => each(row)?,
                    None => {
                        found.unreadable += 1;
                        found.first = if found.first == 0 { number } else { found.first };
                    }
                }
            }
        }
        Ok(found)
    })
}

/// Reads all lines, as long as somebody wants them.
fn read(
    file: &AbsPath,
    jobs: &SyncSender<Job>,
    pieces: &SyncSender<Piece>,
) -> Result<(), AuditError> {
    let mut batch = Batch::default();
    let hand_on = |batch: Batch| {
        let (done, rows) = sync_channel(1);
        pieces.send(Ok(rows)).is_ok() && jobs.send((batch, done)).is_ok()
    };
    for part in segment::all(file.as_path())? {
        let path = part.path;
        let mut lines = BufReader::with_capacity(256 * 1024, part.file);
        let mut line = Vec::new();
        while read_line(&mut lines, &mut line, &path)? {
            batch.bytes.extend_from_slice(&line);
            batch.ends.push(batch.bytes.len());
            let full = batch.ends.len() >= LINES || batch.bytes.len() >= BYTES;
            if full && !hand_on(std::mem::take(&mut batch)) {
                return Ok(());
            }
        }
    }
    hand_on(batch);
    Ok(())
}

impl Batch {
    /// The row of each line, `None` for one that cannot be read.
    fn rows(&self, sieve: &Sieve) -> Vec<Option<Row>> {
        let mut start = 0;
        let lines = self.ends.iter().map(|end| {
            let line = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            line
        });
        let row = |line: &[u8]| {
            let row = if sieve.knows(line) { Row::read(line) } else { None };
            let whole = || serde_json::from_slice::<Record>(line).ok();
            row.or_else(|| whole().map(|record| Row::of(&record)))
        };
        lines.map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::query::{self, Filter};
    use crate::audit::tests::{Log, draft};

    #[test]
    fn rows_come_in_order_over_many_batches_and_what_cannot_be_read_is_counted() {
        let log = Log::with(0);
        let open = log.open();
        for n in 0..(3 * LINES + 7) {
            open.append(&draft(n)).unwrap();
        }
        drop(open);
        let file = AbsPath::new(log.path().display().to_string()).unwrap();
        let text = std::fs::read_to_string(log.path()).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines[LINES + 3] = "{\"no\": \"record\"}";
        std::fs::write(log.path(), format!("{}\n", lines.join("\n"))).unwrap();
        let mut seen = Vec::new();
        let skipped = query::each_row(&file, &Filter::default(), |row| {
            seen.push(row.seq.0);
            Ok::<(), AuditError>(())
        });
        let skipped = skipped.unwrap();
        assert_eq!((skipped.unreadable, skipped.first), (1, LINES as u64 + 4));
        assert_eq!(seen.len(), 3 * LINES + 6);
        assert!(seen.is_sorted());
        // Whoever has enough ends it.
        let mut left = 10;
        let ended = query::each_row(&file, &Filter::default(), |_| {
            left -= 1;
            if left == 0 { Err(AuditError { message: "enough".to_owned() }) } else { Ok(()) }
        });
        assert_eq!(ended.unwrap_err().message, "enough");
    }
}
