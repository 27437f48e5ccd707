//! The worker's end of the pipes: whole lines in, whole lines out, and a look at whether the
//! parent is still there.

use crate::sys;
use crate::worker::wire;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::stdio;
use std::collections::VecDeque;
use std::ffi::OsString;
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

/// Where a worker hears its parent and answers it.
enum Ends {
    /// Standard input and output.
    Stdio,
    /// One descriptor or two, so that the standard streams are free for a command.
    Own(OwnedFd, OwnedFd),
}

/// A worker's side of the conversation.
pub struct Channel {
    ends: Ends,
    lines: Lines,
}

impl Channel {
    /// Over standard input and output; lines up to `longest` bytes are heard.
    pub fn stdio(longest: usize) -> Self {
        Channel { ends: Ends::Stdio, lines: Lines::new(longest) }
    }

    /// As whoever started this process says: over the descriptor that `control` names, or without
    /// one over standard input and output.
    ///
    /// # Errors
    /// In a person's words: there is no such descriptor.
    pub fn told(control: Option<&OsString>, longest: usize) -> Result<Self, String> {
        let Some(number) = control else { return Ok(Channel::stdio(longest)) };
        let number = number.to_str().and_then(|text| text.parse().ok());
        let own = number.and_then(|number| sys::inherited(number).ok());
        let input = own.ok_or("no descriptor to hear the parent by")?;
        let output = input.try_clone().map_err(|e| format!("control: {e}"))?;
        Ok(Channel::own(input, output, longest))
    }

    /// Over descriptors of its own.
    pub fn own(input: OwnedFd, output: OwnedFd, longest: usize) -> Self {
        Channel { ends: Ends::Own(input, output), lines: Lines::new(longest) }
    }

    /// The end to wait at.
    pub fn input(&self) -> BorrowedFd<'_> {
        match &self.ends {
            Ends::Stdio => stdio::stdin(),
            Ends::Own(input, _) => input.as_fd(),
        }
    }

    /// The end to answer at.
    pub fn output(&self) -> BorrowedFd<'_> {
        match &self.ends {
            Ends::Stdio => stdio::stdout(),
            Ends::Own(_, output) => output.as_fd(),
        }
    }

    /// Changes the bound for the lines to come.
    pub fn allow(&mut self, longest: usize) {
        self.lines.allow(longest);
    }

    /// Takes what is there, once [`input`](Self::input) is readable.
    ///
    /// # Errors
    /// As [`Lines::fill`].
    pub fn fill(&mut self) -> io::Result<()> {
        let Channel { ends, lines } = self;
        match ends {
            Ends::Stdio => lines.fill(stdio::stdin()),
            Ends::Own(input, _) => lines.fill(input.as_fd()),
        }
    }

    /// The next complete line among what was taken.
    pub fn take(&mut self) -> Heard {
        self.lines.take()
    }

    /// Waits for a whole line; `None` when the parent is gone before it was complete.
    ///
    /// # Errors
    /// As [`Lines::fill`].
    pub fn wait(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Channel { ends, lines } = self;
        match ends {
            Ends::Stdio => lines.wait(stdio::stdin()),
            Ends::Own(input, _) => lines.wait(input.as_fd()),
        }
    }

    /// Answers with one document.
    ///
    /// # Errors
    /// In a person's words: the parent is gone.
    pub fn send<T: serde::Serialize>(&self, value: &T) -> Result<(), String> {
        let line = wire::line(value).map_err(|e| format!("writing a line: {e}"))?;
        write_all(self.output(), &line).map_err(|e| format!("answering: {e}"))
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
