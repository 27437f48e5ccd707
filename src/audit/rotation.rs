//! Tests of a log that lies in several files.

use super::query::{self, Filter};
use super::tests::{Log, draft};
use super::verify::{Fault, verify};
use super::*;
use crate::model::{AbsPath, Seq};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn small() -> Settings {
    Settings { rotate_bytes: 2500, ..Settings::default() }
}

/// As `small`, and what is closed is removed at once.
fn forgetful() -> Settings {
    Settings { keep_seconds: Some(0), ..small() }
}

fn with(records: usize, settings: &Settings) -> Log {
    let log = Log::new();
    let open = log.open_with(settings.clone());
    for n in 0..records {
        open.append(&draft(n)).unwrap();
    }
    log
}

fn file(log: &Log) -> AbsPath {
    AbsPath::new(log.path()).unwrap()
}

fn append(log: &AuditLog, records: usize) {
    (0..records).for_each(|n| assert!(log.append(&draft(n)).is_ok()));
}

/// The closed files, oldest first.
fn closed(log: &Log) -> Vec<PathBuf> {
    segment::closed(&log.path()).unwrap().into_iter().map(|part| part.path).collect()
}

fn seqs(log: &Log) -> Vec<u64> {
    let mut seqs = Vec::new();
    query::each(&file(log), &Filter::default(), |record| {
        seqs.push(record.seq.0);
        Ok::<(), AuditError>(())
    })
    .unwrap();
    seqs
}

#[test]
fn a_full_log_goes_on_in_a_new_file_as_one_chain() {
    let log = with(40, &small());
    let parts = closed(&log);
    assert!(parts.len() > 5, "{parts:?}");
    assert!(parts[0].to_string_lossy().ends_with("audit.jsonl.000000000001"));
    let report = verify(&file(&log)).unwrap().unwrap();
    assert_eq!((report.broken.clone(), report.retired), (None, 0));
    let last = report.records;
    assert_eq!(last, 40 + parts.len() as u64, "each new file says what it follows");
    assert_eq!(seqs(&log), (1..=last).collect::<Vec<_>>());
    let first = std::fs::read_to_string(log.path()).unwrap().lines().next().unwrap().to_owned();
    let first: Record = serde_json::from_str(&first).unwrap();
    assert_eq!(first.kind, "rotated");
    let name = parts.last().unwrap().file_name().unwrap().to_str().unwrap();
    assert_eq!(first.text(&["closed"]), Some(name));
    // What was closed is signed to its last record.
    assert!(report.signed.unwrap().through >= Seq(first.seq.0 - 1));
}

#[test]
fn what_is_done_to_a_closed_file_is_named_with_the_file() {
    let log = with(20, &small());
    let parts = closed(&log);
    let path = &parts[1];
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let whole = std::fs::read(path).unwrap();
    let begins: u64 = name.rsplit('.').next().unwrap().parse().unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(path, &bytes).unwrap();
        let broken = verify(&file(&log)).unwrap().unwrap().broken.expect("a change");
        assert_eq!(broken.file, name, "byte {at}");
        let line = whole[..at].iter().filter(|&&b| b == b'\n').count() as u64;
        assert_eq!((broken.line, broken.seq), (line + 1, Seq(begins + line)), "byte {at}");
    }
    // Its end cut off, at the end of a line and inside one.
    let end = whole[..whole.len() - 1].iter().rposition(|&b| b == b'\n').unwrap() + 1;
    for cut in [end, whole.len() - 1, whole.len() - 30] {
        std::fs::write(path, &whole[..cut]).unwrap();
        assert!(log.fault().is_some(), "cut to {cut}");
    }
    std::fs::remove_file(path).unwrap();
    assert_eq!(log.fault(), Some((Seq(begins), Fault::Removed)));
    std::fs::write(path, &whole).unwrap();
    assert_eq!(log.fault(), None);
    // Two files under each other's names.
    let other = std::fs::read(&parts[2]).unwrap();
    std::fs::write(path, &other).unwrap();
    std::fs::write(&parts[2], &whole).unwrap();
    assert_eq!(log.fault(), Some((Seq(begins), Fault::Reordered)));
}

#[test]
fn the_oldest_file_cannot_go_without_a_signature() {
    let log = with(20, &small());
    std::fs::remove_file(&closed(&log)[0]).unwrap();
    assert_eq!(log.fault(), Some((Seq(1), Fault::Removed)));
    // Neither by all closed files at once, nor by emptying what is left.
    closed(&log).iter().for_each(|path| std::fs::remove_file(path).unwrap());
    assert_eq!(log.fault(), Some((Seq(1), Fault::Removed)));
    std::fs::write(log.path(), "").unwrap();
    assert!(log.fault().is_some());
    let error = AuditLog::open(&file(&log)).err().expect("a refusal").message;
    assert!(error.contains("cut off"), "{error}");
}

#[test]
fn an_emptied_log_does_not_go_on_behind_its_closed_files() {
    let log = with(20, &small());
    std::fs::write(log.path(), "").unwrap();
    assert_eq!(log.fault().map(|(_, fault)| fault), Some(Fault::Cut));
    assert!(AuditLog::open(&file(&log)).is_err());
    std::fs::remove_file(log.path()).unwrap();
    assert!(log.fault().is_some());
    assert!(AuditLog::open(&file(&log)).is_err());
}

#[test]
fn what_retention_removes_is_stated_under_a_signature_and_recorded() {
    let log = with(40, &forgetful());
    assert_eq!(closed(&log).len(), 0, "all that was closed is gone");
    let report = verify(&file(&log)).unwrap().unwrap();
    assert_eq!(report.broken, None);
    assert!(report.retired > 30 && report.records >= 2, "{report:?}");
    let first = seqs(&log)[0];
    assert_eq!((first, report.last().0), (report.retired + 1, *seqs(&log).last().unwrap()));
    let mut kinds = BTreeSet::new();
    query::each(&file(&log), &Filter::default(), |record| {
        kinds.insert(record.kind.clone());
        Ok::<(), AuditError>(())
    })
    .unwrap();
    assert!(kinds.contains("retired"), "{kinds:?}");
    // The log goes on for another process.
    let open = log.open_with(forgetful());
    open.append(&draft(0)).unwrap();
    assert_eq!(log.fault(), None);
    // No byte of the statement can change, and none of its lines can be missing.
    let list = place::beside(&log.path(), ".retired");
    let whole = std::fs::read(&list).unwrap();
    for at in (0..whole.len()).step_by(3) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&list, &bytes).unwrap();
        assert!(log.fault().is_some(), "byte {at} changed unseen");
    }
    let lines: Vec<&[u8]> = whole.split_inclusive(|&b| b == b'\n').collect();
    for at in 0..lines.len() {
        let mut left = lines.clone();
        left.remove(at);
        std::fs::write(&list, left.concat()).unwrap();
        assert!(log.fault().is_some(), "line {at} removed unseen");
    }
    std::fs::remove_file(&list).unwrap();
    assert_eq!(log.fault(), Some((Seq(1), Fault::Removed)));
}

#[test]
fn a_hold_and_a_damaged_file_keep_everything() {
    let log = Log::new();
    let open = log.open_with(forgetful());
    open.append(&draft(0)).unwrap();
    std::fs::write(place::beside(&log.path(), ".hold"), "").unwrap();
    append(&open, 20);
    assert!(closed(&log).len() > 3);
    std::fs::remove_file(place::beside(&log.path(), ".hold")).unwrap();
    let first = closed(&log)[0].clone();
    let whole = std::fs::read(&first).unwrap();
    let mut bytes = whole.clone();
    bytes[200] ^= 1;
    std::fs::write(&first, &bytes).unwrap();
    append(&open, 10);
    assert!(first.exists(), "evidence is not removed");
    std::fs::write(&first, &whole).unwrap();
    append(&open, 10);
    assert!(!first.exists() && log.fault().is_none());
}

#[test]
fn what_a_sink_lacks_is_found_in_every_file_and_not_removed() {
    use super::cursor::{Cursor, Sent};
    let log = with(40, &small());
    let file = file(&log);
    let all = |sent: &Sent| {
        let mut found = Vec::new();
        let read = query::after(&file, "s", sent, usize::MAX, &mut |record, _| {
            found.push(Sent { seq: record.seq, hash: record.hash, ..Sent::default() });
            Ok::<(), AuditError>(())
        });
        read.map(|()| found)
    };
    let whole = all(&Sent::default()).unwrap();
    assert_eq!(whole.iter().map(|s| s.seq.0).collect::<Vec<_>>(), seqs(&log));
    for (at, sent) in whole.iter().enumerate() {
        assert!(all(sent).unwrap() == whole[at + 1..], "after {}", sent.seq);
    }
    // A sink that is behind holds its files; once it has them they go.
    let cursor = Cursor::take(&file, "siem").unwrap().unwrap();
    cursor.write(&whole[9]).unwrap();
    let open = log.open_with(forgetful());
    append(&open, 20);
    assert_eq!(all(&whole[9]).unwrap()[0].seq, Seq(11));
    let newest = all(&whole[9]).unwrap().pop().unwrap();
    cursor.write(&newest).unwrap();
    append(&open, 20);
    assert_eq!(all(&newest).unwrap()[0].seq.0, newest.seq.0 + 1);
    // Who was sent a removed record and nothing since has missed some, and is told.
    assert!(all(&whole[9]).unwrap_err().message.contains("changed or removed"));
    let left = all(&Sent::default()).unwrap();
    assert!(left[0].seq > Seq(10), "a new sink begins with what is left");
    std::fs::write(place::beside(&log.path(), ".sent-siem"), "{}").unwrap();
    append(&open, 20);
    assert_eq!(all(&Sent::default()).unwrap()[0].seq, left[0].seq, "a damaged cursor has nothing");
}

#[test]
fn young_files_stay() {
    let day = Settings { keep_seconds: Some(86_400), ..small() };
    let log = with(20, &day);
    assert!(closed(&log).len() > 3);
}

#[test]
fn a_day_old_log_is_closed_and_a_young_one_is_not() {
    let log = Log::with(3);
    let by_age = |seconds| Settings { rotate_seconds: Some(seconds), ..Settings::default() };
    log.open_with(by_age(3600)).append(&draft(0)).unwrap();
    assert_eq!(closed(&log).len(), 0);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    log.open_with(by_age(1)).append(&draft(0)).unwrap();
    assert_eq!((closed(&log).len(), log.fault()), (1, None));
}

#[test]
fn a_process_killed_while_it_begins_a_new_file_loses_nothing() {
    // Before the names were exchanged: an empty file under the new name.
    let log = with(3, &Settings::default());
    let name = segment::path(&log.path(), Seq(1));
    drop(place::open(&name, rustix::fs::OFlags::RDWR).unwrap());
    assert_eq!((log.fault(), seqs(&log)), (None, vec![1, 2, 3]));
    let open = log.open_with(small());
    append(&open, 9);
    assert_eq!((log.fault(), closed(&log).is_empty()), (None, false));
    // After it: the log is empty, and nothing says yet what it follows.
    let log = with(3, &Settings::default());
    assert!(segment::close(&log.path(), Seq(1)).unwrap());
    assert_eq!((log.fault(), seqs(&log)), (None, vec![1, 2, 3]));
    assert_eq!(log.open().append(&draft(0)).unwrap(), Seq(5));
    assert_eq!((log.fault(), seqs(&log)), (None, vec![1, 2, 3, 4, 5]));
    // Something that is no log under the new name is not written over.
    let log = with(3, &Settings::default());
    std::fs::write(segment::path(&log.path(), Seq(1)), "precious").unwrap();
    let open = AuditLog::open_as(&file(&log), Origin::here(None), small());
    let went = open.and_then(|open| (0..9).try_for_each(|n| open.append(&draft(n)).map(drop)));
    assert!(went.is_err());
    let kept = std::fs::read(segment::path(&log.path(), Seq(1))).unwrap();
    assert_eq!(kept, b"precious");
}

#[test]
fn a_head_that_fell_far_behind_is_caught_up_over_files() {
    let log = with(3, &small());
    let head = place::beside(&log.path(), ".head");
    let old = std::fs::read(&head).unwrap();
    let open = log.open_with(small());
    append(&open, 20);
    std::fs::write(&head, old).unwrap();
    assert_eq!(log.fault(), None);
    log.open().append(&draft(0)).unwrap();
    assert_eq!(log.fault(), None);
    // A longer chain that does not hold the record of the head is not taken for ours.
    let forged = with(40, &small());
    for part in closed(&forged).into_iter().chain([forged.path()]) {
        std::fs::copy(&part, log.path().with_file_name(part.file_name().unwrap())).unwrap();
    }
    assert!(AuditLog::open(&file(&log)).is_err());
}

#[test]
fn writers_and_a_reader_share_a_log_that_changes_its_file_all_the_time() {
    let log = Log::new();
    drop(log.open());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let open = log.open_with(small());
                append(&open, 40);
            });
        }
        scope.spawn(|| {
            let mut follow = follow::Follow::new(&file(&log));
            let (mut seen, mut odd) = (Vec::new(), 0);
            while seen.len() < 120 || *seen.last().unwrap() < 120 {
                follow
                    .news(&mut |news| {
                        match news {
                            follow::News::Record(record) => seen.push(record.seq.0),
                            _ => odd += 1,
                        }
                        Ok::<(), AuditError>(())
                    })
                    .unwrap();
                let all = seqs(&log);
                assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>());
                assert!(verify(&file(&log)).unwrap().is_none_or(|report| report.is_intact()));
            }
            assert_eq!((odd, seen.clone()), (0, (1..=seen.len() as u64).collect()));
        });
    });
    let report = verify(&file(&log)).unwrap().unwrap();
    assert_eq!(report.broken, None);
    assert_eq!(report.records, 120 + closed(&log).len() as u64);
}
