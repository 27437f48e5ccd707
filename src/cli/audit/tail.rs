//! `ion audit tail --follow`: what was recorded last, and what is recorded from now on.
//!
//! Ends when it is interrupted or its reader leaves. A log that loses lines is an error: a
//! monitor that went on in silence would hide that.

use super::{chain, heading, one};
use crate::audit::follow::{Follow, News};
use crate::audit::query::{Filter, Skipped};
use crate::audit::verify;
use crate::cli::{CommandError, Exit, Output};
use crate::model::AbsPath;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::collections::VecDeque;

/// How long a new record may wait until it is seen, in nanoseconds.
const PAUSE: i64 = 200_000_000;

/// Prints the newest records of a log, then every new one.
///
/// # Errors
/// The log cannot be read, became shorter, or the output not be written.
pub(super) fn follow(
    filter: &Filter,
    json: bool,
    file: &AbsPath,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let report = verify::glance(file)?;
    heading(json, out)?;
    let mut log = Follow::new(file);
    let (mut newest, mut skipped) = (VecDeque::new(), Skipped::default());
    log.news(&mut |news| -> Result<(), CommandError> {
        match news {
            News::Record(record) if filter.takes(&record) => {
                newest.push_back(record);
                if filter.limit.is_some_and(|limit| newest.len() > limit) {
                    newest.pop_front();
                }
            }
            News::Unreadable(line) => {
                skipped.unreadable += 1;
                skipped.first = if skipped.first == 0 { line } else { skipped.first };
            }
            // Of what was there before, the report says what is wrong.
            News::Record(_) | News::Unlinked(_) | News::Gone | News::Replaced => {}
        }
        Ok(())
    })?;
    newest.drain(..).try_for_each(|record| one(&record, json, out))?;
    match report {
        Some(report) => out.say(&chain(&report, skipped)),
        None => out.say(&format!("no audit log at {file} yet: waiting for its first record")),
    }
    loop {
        if pause() {
            return Ok(Exit::Done);
        }
        log.news(&mut |news| -> Result<(), CommandError> {
            let next = "ion audit verify tells more";
            match news {
                News::Record(record) if filter.takes(&record) => return one(&record, json, out),
                News::Record(_) => {}
                News::Unreadable(line) => {
                    out.say(&format!("warning: {file}, line {line}: no record, not shown; {next}"));
                }
                News::Unlinked(line) => out.say(&format!(
                    "warning: {file}, line {line}: changed, or not the successor of the line before; {next}"
                )),
                News::Gone => {
                    out.say(&format!("warning: {file} was moved or removed; waiting for a new log"));
                }
                News::Replaced => {
                    out.say(&format!("warning: {file} is another log now, followed from its start"));
                }
            }
            Ok(())
        })?;
    }
}

/// Waits; tells whether the reader of standard output left meanwhile.
fn pause() -> bool {
    let out = rustix::stdio::stdout();
    let mut fds = [PollFd::new(&out, PollFlags::empty())];
    let time = Timespec { tv_sec: 0, tv_nsec: PAUSE };
    match rustix::event::poll(&mut fds, Some(&time)) {
        Ok(_) => fds.iter().any(|fd| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP)),
        // A signal: look at the log earlier, which costs nothing.
        Err(_) => false,
    }
}
