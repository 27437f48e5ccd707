//! The controlling terminal, for one question: opened, switched to single keys, given back.
//!
//! INVARIANT (given back): the mode is restored when [`Tty`] is dropped, so on an answer, a
//! cancelled run, a dropped future and a panic. Nothing here blocks the runtime's thread, and
//! a process group in the background neither reads nor writes: the kernel would stop it, maybe
//! for ever.

use crate::sys;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{
    self, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios,
};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// How long no key must come before one counts: whatever was typed ahead is over then.
const QUIET: Duration = Duration::from_millis(250);
/// A key that others follow within this time was not pressed by a finger: a paste, an escape
/// sequence, a terminal's answer.
const ALONE: Duration = Duration::from_millis(30);
/// How often the foreground is looked at.
const GLANCE: Duration = Duration::from_millis(500);
/// Bytes of one read.
const PIECE: usize = 1024;

/// Which terminal.
#[derive(Debug, Clone)]
pub(in crate::approve) enum Device {
    /// The one that controls this process, whatever its standard streams are.
    Controlling,
    /// One by path that controls nobody: for tests.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests open a terminal of their own"))]
    At(PathBuf),
}

/// The terminal in the mode of a question.
pub(in crate::approve) struct Tty {
    fd: AsyncFd<OwnedFd>,
    controlling: bool,
    before: Termios,
    /// Said when the question goes away without an answer.
    closing: Option<&'static str>,
}

impl Device {
    /// Opens it. `None`: there is none, or this process is in the background.
    fn open(&self) -> Option<OwnedFd> {
        let path = match self {
            Device::Controlling => Path::new("/dev/tty"),
            Device::At(path) => path,
        };
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).ok()?;
        (!self.controls() || is_in_front(&fd)).then_some(fd)
    }

    fn controls(&self) -> bool {
        matches!(self, Device::Controlling)
    }

    /// Whether a person could be asked here now.
    pub fn is_there(&self) -> bool {
        self.open().is_some()
    }

    /// The terminal's own name, `/dev/pts/3`. `/dev/tty` does not know it, a standard stream on
    /// the same terminal does.
    pub fn name(&self) -> Option<String> {
        let text = |name: std::ffi::CString| name.into_string().ok();
        if let Device::At(path) = self {
            return Some(path.display().to_string());
        }
        let input = termios::ttyname(rustix::stdio::stdin(), Vec::new());
        let named = input.or_else(|_| termios::ttyname(rustix::stdio::stderr(), Vec::new()));
        named.ok().and_then(text)
    }
}

/// Whether this process group may read and write there.
fn is_in_front(fd: &OwnedFd) -> bool {
    termios::tcgetpgrp(fd).is_ok_and(|front| front == rustix::process::getpgrp())
}

impl Tty {
    /// Opens the terminal and switches to single keys without echo. Ctrl-C still interrupts.
    pub fn begin(device: &Device) -> io::Result<Self> {
        let gone = || io::Error::other("there is no terminal in the foreground");
        let fd = device.open().ok_or_else(gone)?;
        let before = termios::tcgetattr(&fd)?;
        let mut mode = before.clone();
        mode.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN);
        mode.local_modes.insert(LocalModes::ISIG);
        mode.special_codes[SpecialCodeIndex::VMIN] = 1;
        mode.special_codes[SpecialCodeIndex::VTIME] = 0;
        // A stopped question would leave the shell with our mode.
        mode.special_codes[SpecialCodeIndex::VSUSP] = 0;
        let fd = sys::watch(fd)?;
        // From here on the drop restores.
        let tty = Tty { fd, controlling: device.controls(), before, closing: None };
        termios::tcsetattr(tty.fd.get_ref(), OptionalActions::Now, &mode)?;
        Ok(tty)
    }

    /// What to say when the question goes away unanswered; `None` once it is answered.
    pub fn close_with(&mut self, line: Option<&'static str>) {
        self.closing = line;
    }

    /// Columns of the window.
    pub fn columns(&self) -> usize {
        match termios::tcgetwinsize(self.fd.get_ref()) {
            Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
            _ => 80,
        }
    }

    /// Writes text, waiting for a slow terminal.
    pub async fn write(&self, text: &str) -> io::Result<()> {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            self.must_be_in_front()?;
            match rustix::io::write(self.fd.get_ref(), rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut ready = self.fd.writable().await?;
                    ready.clear_ready();
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Drops what was typed until nothing comes for a while. Attack: a key that was meant for
    /// something else answers a question that its owner has not read.
    pub async fn quiet(&self) -> io::Result<()> {
        loop {
            termios::tcflush(self.fd.get_ref(), QueueSelector::IFlush)?;
            match tokio::time::timeout(QUIET, self.piece()).await {
                Err(_) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(_)) => {}
            }
        }
    }

    /// The next key that was pressed by itself. Everything that comes in a burst is dropped.
    pub async fn key(&self) -> io::Result<u8> {
        loop {
            let piece = self.piece().await?;
            let &[byte] = piece.as_slice() else {
                self.quiet().await?;
                continue;
            };
            // The rest of an escape sequence can be late on a slow line.
            if byte == 0x1b || tokio::time::timeout(ALONE, self.piece()).await.is_ok() {
                self.quiet().await?;
                continue;
            }
            return Ok(byte);
        }
    }

    /// The bytes that come next.
    pub async fn piece(&self) -> io::Result<Vec<u8>> {
        let mut piece = vec![0; PIECE];
        loop {
            self.must_be_in_front()?;
            // One registration for both ways: the flag is cleared only after a fruitless read.
            let Ok(ready) = tokio::time::timeout(GLANCE, self.fd.readable()).await else {
                continue;
            };
            let mut ready = ready?;
            self.must_be_in_front()?;
            match rustix::io::read(self.fd.get_ref(), &mut piece) {
                Ok(0) => return Err(io::Error::other("the terminal hung up")),
                Ok(read) => {
                    piece.truncate(read);
                    return Ok(piece);
                }
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn must_be_in_front(&self) -> io::Result<()> {
        if self.controlling && !is_in_front(self.fd.get_ref()) {
            return Err(io::Error::other("the run went into the background"));
        }
        Ok(())
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        let fd = self.fd.get_ref().as_fd();
        // In the background the shell owns the terminal and has set its own mode.
        if self.controlling && !is_in_front(self.fd.get_ref()) {
            return;
        }
        if let Some(line) = self.closing {
            let _ = rustix::io::write(fd, format!("\n  {line}\n").as_bytes());
        }
        // Keys that came too late must not become a command of the shell.
        let _ = termios::tcflush(fd, QueueSelector::IFlush);
        let _ = termios::tcsetattr(fd, OptionalActions::Now, &self.before);
    }
}
