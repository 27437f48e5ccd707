//! Where the prompt comes from: the arguments, standard input, or both.

use crate::cli::{CommandError, Exit, Output};
use std::io::{IsTerminal, Read};
use std::time::Duration;

/// Most bytes of a prompt. Larger ones do not fit any model.
const MOST: u64 = 16 * 1024 * 1024;

/// How long to wait for the first byte of a pipe beside a prompt in the arguments. Programs
/// that start Ion often leave an open pipe that nobody writes to.
const PATIENCE: Duration = Duration::from_secs(2);

/// Puts the prompt together. Words of the arguments come first, piped text after them.
///
/// # Errors
/// No prompt at all, text that is not UTF-8, or more than 16 MiB.
pub fn read(words: &[String], out: &mut Output) -> Result<String, CommandError> {
    let text = words.join(" ");
    if text == "-" || (text.is_empty() && !std::io::stdin().is_terminal()) {
        return required(read_all()?);
    }
    if text.is_empty() {
        return required(String::new());
    }
    match pipe_state() {
        Pipe::Absent => Ok(text),
        Pipe::Ready => {
            let piped = read_all()?;
            Ok(if piped.is_empty() { text } else { format!("{text}\n\n{piped}") })
        }
        Pipe::Silent => {
            out.say("ion: nothing arrived on standard input for 2 s; going on without it (use `-` to wait)");
            Ok(text)
        }
    }
}

/// The prompt of the arguments alone: standard input carries answers.
///
/// # Errors
/// There is none.
pub fn typed(words: &[String]) -> Result<String, CommandError> {
    let text = words.join(" ");
    if text == "-" {
        let what = "with `--answers` standard input carries answers, not the prompt";
        return Err(CommandError::new(Exit::Usage, "usage", what)
            .detail("next: ion prompt --answers --output stream-json \"...\""));
    }
    required(text)
}

fn required(text: String) -> Result<String, CommandError> {
    if text.trim().is_empty() {
        return Err(CommandError::new(Exit::Usage, "usage", "prompt text required")
            .detail("next: ion prompt \"...\"   or pipe it: echo ... | ion prompt -"));
    }
    Ok(text)
}

fn read_all() -> Result<String, CommandError> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes);
    let fail = |why: String| CommandError::new(Exit::Failed, "input", why);
    read.map_err(|error| fail(format!("cannot read standard input: {error}")))?;
    if bytes.len() as u64 > MOST {
        return Err(fail("standard input holds more than 16 MiB".to_owned()));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| fail(format!("standard input is not UTF-8: {error}")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

enum Pipe {
    Absent,
    Ready,
    Silent,
}

/// Looks at standard input without reading it.
fn pipe_state() -> Pipe {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::{FileType, fstat};
    let stdin = std::io::stdin();
    let kind = fstat(&stdin).map(|stat| FileType::from_raw_mode(stat.st_mode));
    match kind {
        Ok(FileType::RegularFile) => Pipe::Ready,
        Ok(FileType::Fifo | FileType::Socket) => {
            let mut wait = [PollFd::new(&stdin, PollFlags::IN)];
            let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
            match poll(&mut wait, Some(&patience)) {
                Ok(0) | Err(_) => Pipe::Silent,
                Ok(_) => Pipe::Ready,
            }
        }
        // Terminals and /dev/null carry no prompt.
        _ => Pipe::Absent,
    }
}
