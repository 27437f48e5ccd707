//! The only place in the parent that starts a process, and its side of the conversation.
//!
//! INVARIANT (one answer): a reply counts only when it is complete, the only one, bound to the
//! call by id and digest, within bounds, and from a worker that then ended well.

use super::cause::{Cause, Missing};
use super::plan::Plan;
use super::{RunError, report};
use crate::sys;
use crate::worker::wire::{self, Backend, Call, REPORT_MAX, Reply, Report, STOP};
use rustix::fd::AsFd;
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio_util::sync::CancellationToken;

/// Longest time between start and report.
const START: Duration = Duration::from_secs(10);
/// What a command gets to end by itself after the stop word, TERM and KILL included.
const STOPPING: Duration = Duration::from_millis(1200);
/// What a worker gets beyond a command's own limit to tell about the time-out.
const TELLING: Duration = Duration::from_millis(1500);
/// What a worker gets to end after its reply or after its input was closed.
const ENDING: Duration = Duration::from_millis(1800);
/// Bytes of a worker's standard error that are kept.
const STDERR_MAX: usize = 8 << 10;

/// A started process. `Command` is built with an empty environment: bubblewrap's own would be
/// readable inside, and a worker needs none.
fn command(plan: &Plan) -> std::process::Command {
    #[expect(clippy::disallowed_methods, reason = "the only spawner in the parent")]
    let mut command = std::process::Command::new(&plan.program);
    command.args(&plan.arguments).env_clear().current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A terminal's Ctrl-C is Ion's to handle; it must not end the worker half-way. A supervisor
    // makes a session of its own, which the leader of a group could not.
    if plan.backend == Backend::Bwrap {
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
    }
    command
}

/// Runs one call under its plan. The worker is gone when this returns, whatever it returns.
///
/// The death signal of `bwrap --die-with-parent` follows the spawning *thread*; Ion's runtime
/// has one thread, which lives as long as the process.
pub(crate) async fn exchange(
    plan: &Plan,
    call: &Call,
    wall: Duration,
    cancel: &CancellationToken,
) -> Result<(Report, Reply), RunError> {
    let mut command = tokio::process::Command::from(command(plan));
    // Under `bwrap` a killed outer process takes the whole namespace along. A supervisor must
    // not be killed: the end of its input is its order to end everything.
    command.kill_on_drop(plan.backend == Backend::Bwrap);
    let mut child = command.spawn().map_err(|e| {
        RunError::Unavailable(Missing::understand(plan.backend, &e.to_string()).to_string())
    })?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(RunError::Worker("the worker has no pipes".to_owned()));
    };
    let mut talk = Talk {
        backend: plan.backend,
        child,
        stdin: Some(stdin),
        stdout: Bounded { pipe: stdout, buffered: Vec::new() },
        stderr,
        said: Vec::new(),
    };
    let outcome = talk.all(plan, call, wall, cancel).await;
    talk.end(outcome).await
}

struct Talk {
    backend: Backend,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Bounded<ChildStdout>,
    stderr: ChildStderr,
    said: Vec<u8>,
}

impl Talk {
    async fn all(
        &mut self,
        plan: &Plan,
        call: &Call,
        wall: Duration,
        cancel: &CancellationToken,
    ) -> Result<(Report, Reply), RunError> {
        let report = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(RunError::Cancelled),
            report = tokio::time::timeout(START, self.report(plan)) => match report {
                Ok(report) => report?,
                Err(_) => return Err(self.unavailable("no report in time").await),
            },
        };
        report::accept(plan.backend, plan.setup.network, &report).map_err(|cause| {
            unavailable(Missing { backend: plan.backend, cause, words: String::new() })
        })?;
        // INVARIANT (no start after cancel): the call is sent only while it is still wanted.
        if cancel.is_cancelled() {
            return Err(RunError::Cancelled);
        }
        let command = call.tool == "Bash";
        let limit = if command { wall.saturating_add(TELLING) } else { wall };
        let cap = call.output_bytes.saturating_mul(6).saturating_add(1 << 20);
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                if command && let Some(stdin) = &mut self.stdin {
                    let _ = tokio::time::timeout(STOPPING, stdin.write_all(STOP)).await;
                    let _ = tokio::time::timeout(STOPPING, self.stdout.line(cap)).await;
                }
                Err(RunError::Cancelled)
            }
            reply = tokio::time::timeout(limit, self.reply(call, cap)) => match reply {
                Ok(reply) => reply.map(|reply| (report, reply)),
                Err(_) => Err(RunError::TimedOut(wall)),
            },
        }
    }

    async fn report(&mut self, plan: &Plan) -> Result<Report, RunError> {
        let setup = wire::line(&plan.setup)
            .map_err(|e| RunError::Worker(format!("writing the setup: {e}")))?;
        if self.send(&setup).await.is_err() {
            return Err(self.unavailable("").await);
        }
        let line = match self.stdout.line(REPORT_MAX).await {
            Ok(Some(line)) => line,
            Ok(None) => return Err(self.unavailable("").await),
            Err(cause) => return Err(RunError::Worker(format!("report: {cause}"))),
        };
        let report: Report = serde_json::from_slice(&line)
            .map_err(|_| RunError::Worker("the worker's report is malformed".to_owned()))?;
        match &report.failed {
            Some(words) => Err(unavailable(Missing::understand(self.backend, &printable(words)))),
            None => Ok(report),
        }
    }

    async fn reply(&mut self, call: &Call, cap: usize) -> Result<Reply, RunError> {
        let worker = |cause: &str| RunError::Worker(format!("the worker {cause}"));
        let line = wire::line(call).map_err(|e| RunError::Worker(format!("the call: {e}")))?;
        if self.send(&line).await.is_err() {
            return Err(self.died("before it had taken the call").await);
        }
        let line = match self.stdout.line(cap).await {
            Ok(Some(line)) => line,
            Ok(None) => return Err(self.died("without a reply").await),
            Err(cause) => return Err(worker(&format!("gave an unusable reply: {cause}"))),
        };
        let reply: Reply =
            serde_json::from_slice(&line).map_err(|_| worker("gave a malformed reply"))?;
        if reply.id != call.id || reply.digest != call.digest {
            return Err(worker("answered for another call"));
        }
        match tokio::time::timeout(ENDING, self.stdout.line(0)).await {
            Ok(Ok(None)) => {}
            Ok(_) => return Err(worker("went on after its reply")),
            Err(_) => return Err(worker("did not end after its reply")),
        }
        match tokio::time::timeout(ENDING, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(reply),
            Ok(Ok(status)) => Err(worker(&format!("replied and then failed ({status})"))),
            Ok(Err(_)) | Err(_) => Err(worker("did not end after its reply")),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.stdin {
            Some(stdin) => stdin.write_all(bytes).await,
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    async fn unavailable(&mut self, words: &str) -> RunError {
        let said = self.words().await;
        let words = if said.is_empty() { words } else { &said };
        unavailable(Missing::understand(self.backend, words))
    }

    async fn died(&mut self, when: &str) -> RunError {
        let words = self.words().await;
        let status = tokio::time::timeout(ENDING, self.child.wait()).await;
        let how = match status {
            Ok(Ok(status)) => format!(" ({status})"),
            _ => String::new(),
        };
        let words = if words.is_empty() { words } else { format!(": {words}") };
        RunError::Worker(format!("the worker died {when}{how}{words}"))
    }

    /// The last line that was printed by a program of ours (never by the tool, whose standard
    /// error is a pipe of its own), made printable.
    async fn words(&mut self) -> String {
        let read = async {
            let mut chunk = [0_u8; 1024];
            while let Ok(n) = self.stderr.read(&mut chunk).await {
                let room = STDERR_MAX.saturating_sub(self.said.len()).min(n);
                self.said.extend_from_slice(chunk.get(..room).unwrap_or_default());
                if n == 0 {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(300), read).await;
        last_words(&self.said)
    }

    /// Ends whatever still runs.
    async fn end<T>(mut self, outcome: Result<T, RunError>) -> Result<T, RunError> {
        drop(self.stdin.take());
        if outcome.is_ok() {
            return outcome;
        }
        if self.backend == Backend::Bwrap {
            let _ = self.child.start_kill();
        }
        if tokio::time::timeout(ENDING, self.child.wait()).await.is_err() {
            let _ = self.child.start_kill();
            let _ = tokio::time::timeout(ENDING, self.child.wait()).await;
        }
        outcome
    }
}

fn unavailable(missing: Missing) -> RunError {
    RunError::Unavailable(missing.to_string())
}

/// Takes lines from a pipe, never more than asked for.
struct Bounded<R> {
    pipe: R,
    buffered: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Bounded<R> {
    /// The next line; `None` at the end. Bytes without a line end are an error.
    async fn line(&mut self, longest: usize) -> Result<Option<Vec<u8>>, String> {
        let mut searched = 0;
        loop {
            let fresh = self.buffered.get(searched..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffered.split_off(searched + at + 1);
                let mut line = std::mem::replace(&mut self.buffered, rest);
                line.pop();
                return Ok(Some(line));
            }
            searched = self.buffered.len();
            if searched > longest {
                return Err(format!("more than {longest} bytes"));
            }
            let mut chunk = [0_u8; 16 << 10];
            match self.pipe.read(&mut chunk).await {
                Ok(0) if self.buffered.is_empty() => return Ok(None),
                Ok(0) => return Err("it broke off".to_owned()),
                Ok(n) => self.buffered.extend_from_slice(chunk.get(..n).unwrap_or_default()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

fn last_words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    // A panic's message may quote what it choked on; its place in the source may not.
    let ours = |line: &&str| {
        ["bwrap: ", "worker: ", "supervisor: "].iter().any(|prefix| line.starts_with(prefix))
            || line.contains("panicked at src/")
    };
    text.lines().rev().find(ours).map(printable).unwrap_or_default()
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// Starts a backend with nothing to do and takes its report: the only honest test.
///
/// # Errors
/// What is missing.
pub(crate) fn trial(plan: &Plan) -> Result<Report, Missing> {
    let missing = |words: &str| Missing::understand(plan.backend, words);
    let mut child = command(plan).spawn().map_err(|e| missing(&e.to_string()))?;
    let setup = wire::line(&plan.setup).unwrap_or_default();
    if let Some(stdin) = &mut child.stdin {
        let _ = stdin.write_all(&setup);
    }
    let line = child.stdout.as_mut().and_then(first_line);
    // The worker gets no call, sees the end of its input, and ends.
    drop(child.stdin.take());
    if line.is_none() {
        let _ = child.kill();
    }
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = stderr.take(STDERR_MAX as u64).read_to_end(&mut said);
    }
    let _ = child.wait();
    let Some(line) = line else { return Err(missing(&last_words(&said))) };
    let report: Report =
        serde_json::from_slice(&line).map_err(|_| missing("the worker's report is malformed"))?;
    if let Some(words) = &report.failed {
        return Err(missing(&printable(words)));
    }
    let judged = report::accept(plan.backend, plan.setup.network, &report);
    let not_in_force =
        |cause: Cause| Missing { backend: plan.backend, cause, words: String::new() };
    judged.map(|()| report).map_err(not_in_force)
}

fn first_line(pipe: &mut std::process::ChildStdout) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let started = std::time::Instant::now();
    while line.len() <= REPORT_MAX {
        let left = START.checked_sub(started.elapsed())?;
        if sys::wait_readable(&[pipe.as_fd()], left).ok()? != [true] {
            continue;
        }
        let mut chunk = [0_u8; 4096];
        let n = pipe.read(&mut chunk).ok().filter(|n| *n > 0)?;
        line.extend_from_slice(chunk.get(..n)?);
        if line.ends_with(b"\n") {
            return Some(line);
        }
    }
    None
}
