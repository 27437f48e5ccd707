//! The worker's end of the pipes: whole lines in, whole lines out, and a look at whether the
//! parent is still there.

use crate::sys;
use rustix::fd::{AsFd, BorrowedFd};
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// What happened on an input.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A complete line, without its end.
    Line(Vec<u8>),
    /// Nothing yet.
    Nothing,
    /// The other end is gone.
    End,
}

/// Reads lines from a descriptor without ever holding more than one line too many.
pub struct Lines {
    buffered: VecDeque<u8>,
    searched: usize,
    ended: bool,
    longest: usize,
}

impl Lines {
    /// A reader that refuses lines longer than `longest` bytes.
    pub fn new(longest: usize) -> Self {
        Lines { buffered: VecDeque::new(), searched: 0, ended: false, longest }
    }

    /// Changes the bound for the lines to come.
    pub fn allow(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// Takes what is there; call it when the descriptor is readable.
    ///
    /// # Errors
    /// A line over the bound, or whatever `read` reports.
    pub fn fill(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let mut chunk = vec![0_u8; 64 << 10];
        match rustix::io::read(fd, &mut chunk[..]) {
            Ok(0) => self.ended = true,
            Ok(n) => self.buffered.extend(&chunk[..n]),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        if self.buffered.len() > self.longest + chunk.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line over the limit"));
        }
        Ok(())
    }

    /// The next complete line among what was taken.
    pub fn take(&mut self) -> Heard {
        let found = self.buffered.iter().skip(self.searched).position(|b| *b == b'\n');
        match found {
            Some(at) => {
                let mut line: Vec<u8> = self.buffered.drain(..=self.searched + at).collect();
                line.pop();
                self.searched = 0;
                Heard::Line(line)
            }
            None => {
                self.searched = self.buffered.len();
                if self.ended { Heard::End } else { Heard::Nothing }
            }
        }
    }

    /// Waits for a whole line; `None` when the other end is gone before it was complete.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn wait(&mut self, fd: BorrowedFd<'_>) -> io::Result<Option<Vec<u8>>> {
        loop {
            match self.take() {
                Heard::Line(line) => return Ok(Some(line)),
                Heard::End => return Ok(None),
                Heard::Nothing => {
                    sys::wait_readable(&[fd], Duration::from_secs(3600))?;
                    self.fill(fd)?;
                }
            }
        }
    }
}

/// Writes all of `bytes`.
///
/// # Errors
/// The reader is gone.
pub fn write_all(fd: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&fd, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
