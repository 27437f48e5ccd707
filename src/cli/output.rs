//! The one way to stdout and stderr. `println!` panics on a full device and loses output on a
//! closed one, so clippy refuses it everywhere else.

use crate::sys;
use std::io::{self, ErrorKind, IsTerminal, Write};

/// stdout is data, stderr is talk. Both can fail, and a failure is an outcome of the run.
pub struct Output {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Whether stdout is a terminal.
    pub out_is_terminal: bool,
    /// Whether stderr is a terminal.
    pub err_is_terminal: bool,
}

/// A descriptor that was closed when Ion started.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::from(rustix::io::Errno::BADF))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why output could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The reader went away (`| head -1`): not worth a message.
    #[error("the reader of standard output is gone")]
    ReaderGone,
    /// Full device, closed descriptor, file size limit.
    #[error("cannot write to standard output: {0}")]
    Failed(io::Error),
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => OutputError::ReaderGone,
            _ => OutputError::Failed(error),
        }
    }
}

impl Output {
    /// The process's own streams.
    #[expect(clippy::disallowed_methods, reason = "the one place that opens stdout and stderr")]
    pub fn stdio() -> Self {
        // Rust's runtime puts the null device where a standard descriptor was closed, and
        // writing to that would be taken for success.
        let stream = |closed: bool, open: Box<dyn Write + Send>| match closed {
            true => Box::new(Closed) as Box<dyn Write + Send>,
            false => open,
        };
        Output {
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            out: stream(sys::stdout_was_closed(), Box::new(io::stdout())),
            err: stream(sys::stderr_was_closed(), Box::new(io::stderr())),
        }
    }

    /// Streams of a test.
    pub fn to(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Output { out, err, out_is_terminal: false, err_is_terminal: false }
    }

    /// Writes data and flushes it.
    ///
    /// # Errors
    /// [`OutputError`] when the bytes did not reach the other side.
    pub fn data(&mut self, text: &str) -> Result<(), OutputError> {
        self.bytes(text.as_bytes())
    }

    /// Writes data as it is and flushes it.
    ///
    /// # Errors
    /// As [`Output::data`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        self.out.write_all(bytes)?;
        self.out.flush()?;
        Ok(())
    }

    /// Writes one line of data and flushes it.
    ///
    /// # Errors
    /// As [`Output::data`].
    pub fn line(&mut self, line: &str) -> Result<(), OutputError> {
        self.data(&format!("{line}\n"))
    }

    /// Says something to the person. A closed stderr must not end the work, so failure is
    /// dropped here: what matters is in the audit log and the exit code.
    pub fn say(&mut self, line: &str) {
        let _ = self.err.write_all(format!("{line}\n").as_bytes()).and_then(|()| self.err.flush());
    }

    /// As [`Output::say`], for a caller who has to know whether it was written.
    ///
    /// # Errors
    /// [`OutputError`] when it was not.
    pub fn tell(&mut self, line: &str) -> Result<(), OutputError> {
        self.err.write_all(format!("{line}\n").as_bytes())?;
        self.err.flush()?;
        Ok(())
    }

    /// Shows a line on stderr that the next one replaces; an empty one takes it away. For
    /// terminals only.
    pub fn update(&mut self, line: &str) {
        let text = format!("\r\u{1b}[K{line}");
        let _ = self.err.write_all(text.as_bytes()).and_then(|()| self.err.flush());
    }
}
