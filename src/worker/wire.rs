//! What the parent and a worker say to each other: one JSON document a line.
//!
//! Parent: [`Setup`], then, once the worker's [`Report`] was accepted, [`Call`], then nothing
//! or one `stop` line. Worker: [`Report`], [`Reply`], end; or, where the call says that it stays,
//! the next call. End of file on the worker's input means that the parent is gone. Nothing here does I/O. The only secrets that have a place in it
//! are [`Call::held`], which the file that the call changes holds already.

use super::backend::Backend;
use crate::model::AbsPath;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use zeroize::Zeroize;

/// Hidden first argument that turns the binary into a worker.
pub const WORKER: &str = "__worker";
/// Longest report line, bytes.
pub const REPORT_MAX: usize = 64 << 10;
/// Longest setup line, bytes.
pub const SETUP_MAX: usize = 4 << 20;
/// Longest call line, bytes: `Write` carries a whole file.
pub const CALL_MAX: usize = 64 << 20;
/// The errand of giving the parent the text of the file that a call will change.
pub const CONTENTS: &str = "__contents";
/// Longest such text, bytes.
pub const CONTENTS_MAX: usize = 4 << 20;
/// What the parent writes to end a command early.
pub const STOP: &[u8] = b"stop\n";

/// A path that survives JSON although it is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WirePath {
    /// The usual case.
    Text(String),
    /// Bytes that are not UTF-8.
    Bytes(Vec<u8>),
}

impl WirePath {
    /// Wraps a path.
    pub fn new(path: impl AsRef<Path>) -> Self {
        use std::os::unix::ffi::OsStrExt;
        match path.as_ref().to_str() {
            Some(text) => WirePath::Text(text.to_owned()),
            None => WirePath::Bytes(path.as_ref().as_os_str().as_bytes().to_vec()),
        }
    }

    /// The path.
    pub fn to_path(&self) -> PathBuf {
        use std::os::unix::ffi::OsStringExt;
        match self {
            WirePath::Text(text) => PathBuf::from(text),
            WirePath::Bytes(bytes) => PathBuf::from(std::ffi::OsString::from_vec(bytes.clone())),
        }
    }
}

impl From<&AbsPath> for WirePath {
    fn from(path: &AbsPath) -> Self {
        WirePath::new(path)
    }
}

/// One step of building an own view, in the order in which it has to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Mount {
    /// Shows a file or folder of the host at the same place, read-only.
    ReadOnly(WirePath),
    /// Shows a file or folder of the host at the same place.
    Writable(WirePath),
    /// Shows a folder of the host at the same place; what is written goes elsewhere.
    Layered {
        /// The folder.
        at: WirePath,
        /// The host's folder that takes what is written, removed and changed.
        upper: WirePath,
        /// An empty folder beside it, for the kernel.
        work: WirePath,
    },
    /// A symbolic link.
    Link {
        /// Where it stands.
        at: WirePath,
        /// What it says.
        target: WirePath,
    },
    /// Fresh `/proc`, and a `/dev` with harmless devices, terminals of its own and shared memory.
    Kernel,
    /// An empty, private, writable folder in memory.
    Empty {
        /// Where.
        at: WirePath,
        /// Its size, bytes.
        bytes: u64,
    },
    /// An empty folder in which nothing can be made, private to the call.
    Sealed(WirePath),
    /// An existing folder (empty from now on) or file (`/dev/null` from now on) out of sight.
    Masked {
        /// Where.
        at: WirePath,
        /// Whether it is a folder.
        folder: bool,
    },
}

/// What network a call has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// No route; in a network namespace of its own at most itself.
    None,
    /// Only what Ion's proxy lets through, by a listener that the worker hands over.
    Listed,
    /// The host's.
    Host,
}

/// What the worker will be asked to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Errand {
    /// A built-in tool: a [`Call`] follows.
    Tool,
    /// A program with the worker's own standard streams: a [`Launch`] follows.
    Command,
}

/// What the worker does to itself before it hears of the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// What was chosen.
    pub backend: Backend,
    /// What will follow.
    pub errand: Errand,
    /// Whether it may be given one call after the other.
    #[serde(default)]
    pub pooled: bool,
    /// Working folder.
    pub cwd: WirePath,
    /// The whole environment of a command.
    pub environment: Vec<(String, String)>,
    /// Landlock: readable and executable.
    pub read: Vec<WirePath>,
    /// Landlock: readable, executable and writable.
    pub write: Vec<WirePath>,
    /// Landlock: device folders and files.
    pub devices: Vec<WirePath>,
    /// The view that the worker builds itself; empty where something else did, or there is none.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// The workspace, and the mounts below it that must show what stands there on the host.
    pub workspace: WirePath,
    /// See [`workspace`](Self::workspace).
    pub pinned: Vec<WirePath>,
    /// Mounts below the workspace that must be empty folders of the view's own.
    #[serde(default)]
    pub sealed: Vec<WirePath>,
    /// Whether somebody's terminal is among the standard streams of the command.
    #[serde(default)]
    pub terminal: bool,
    /// What sockets can reach.
    pub network: Network,
    /// The supervisor makes a private temporary folder below this one.
    pub temporary: Option<WirePath>,
    /// Identities of the parent's namespaces, which the worker's must differ from.
    pub outside: Vec<(String, String)>,
    /// `RLIMIT_NPROC`, counted inside where the backend can.
    pub processes: Option<u64>,
    /// `RLIMIT_FSIZE`, bytes.
    pub file_size: Option<u64>,
    /// `RLIMIT_NOFILE`.
    pub open_files: Option<u64>,
    /// Memory of all processes of the call together, bytes.
    #[serde(default)]
    pub memory: Option<u64>,
    /// Processor time of all processes of a command together, seconds.
    pub cpu_seconds: Option<u64>,
}

/// A program to run with the worker's standard streams.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The program and its arguments.
    pub command: Vec<WirePath>,
    /// Wall-clock limit, milliseconds.
    pub wall_ms: Option<u64>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Ending {
    /// Exit code.
    Exited(i32),
    /// Number of the signal.
    Signalled(i32),
    /// It ran longer than its limit.
    TimedOut,
    /// It had more processes than allowed.
    TooMany(u64),
    /// It used more memory than allowed, bytes.
    TooMuch(u64),
    /// It used more processor time than allowed, seconds.
    TooLong(u64),
    /// It could not be started: the system's words.
    NotStarted {
        /// `errno`.
        code: i32,
        /// In words.
        words: String,
    },
}

/// What the worker found to be in force, looked up from inside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Why the worker is not ready; nothing else counts then.
    pub failed: Option<String>,
    /// Names of the namespaces that differ from the parent's.
    pub namespaces: Vec<String>,
    /// First process of its pid namespace.
    pub first_process: bool,
    /// `NoNewPrivs: 1`.
    pub no_new_privs: bool,
    /// `Seccomp: 2`.
    pub seccomp: bool,
    /// `CapEff`, `CapPrm` and `CapBnd` are empty.
    pub no_capabilities: bool,
    /// Effective Landlock version, 0 for none.
    pub landlock: u32,
}

/// One call, as the permit has it. Not `Debug`: it may hold values that are secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The call's id, echoed.
    pub id: String,
    /// Digest of the recorded call, echoed.
    pub digest: String,
    /// Canonical tool name.
    pub tool: String,
    /// Arguments.
    pub input: Map<String, Value>,
    /// The paths that were judged, links resolved.
    pub paths: Vec<WirePath>,
    /// Wall-clock limit, milliseconds.
    pub wall_ms: u64,
    /// Bytes of output kept.
    pub output_bytes: usize,
    /// Files whose contents a search leaves out: globs over absolute paths, and exceptions.
    #[serde(default)]
    pub withheld: Vec<(Vec<String>, Vec<String>)>,
    /// Values that stand in [`input`](Self::input) in the place of placeholders. The file must
    /// still hold each of them when it is changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<String>,
    /// Whether the worker waits for another call after its reply. Never after `Bash`.
    #[serde(default)]
    pub stays: bool,
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            self.held.zeroize();
            let texts = self.input.values_mut().filter_map(|value| match value {
                Value::String(text) => Some(text),
                _ => None,
            });
            texts.for_each(Zeroize::zeroize);
        }
    }
}

/// How the call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// [`Call::id`].
    pub id: String,
    /// [`Call::digest`].
    pub digest: String,
    /// The text for the model.
    pub content: String,
    /// Whether the tool failed.
    pub is_error: bool,
    /// Exit code of a command.
    pub exit_code: Option<i32>,
    /// Bytes of output dropped.
    pub omitted_bytes: u64,
    /// What became of the file that the call names, for a tool that changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Changed>,
}

/// A file that has a new content. Which one is for the call to say, not for the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changed {
    /// Its size before, bytes; `None` where there was none.
    pub before: Option<u64>,
    /// Its size now, bytes.
    pub after: u64,
}

/// One document as one line. JSON escapes line ends, so the framing holds for any content.
///
/// # Errors
/// A value that JSON cannot hold.
pub fn line<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn a_reply_line_of_any_bytes_parses_or_is_refused_without_a_panic(bytes: Vec<u8>) {
            let _ = serde_json::from_slice::<Reply>(&bytes);
        }

        #[test]
        fn a_path_of_any_bytes_survives_the_wire(bytes in proptest::collection::vec(1u8..=255, 0..40)) {
            use std::os::unix::ffi::OsStrExt;
            let path = Path::new(std::ffi::OsStr::from_bytes(&bytes));
            let text = line(&WirePath::new(path)).unwrap();
            let back: WirePath = serde_json::from_slice(&text).unwrap();
            prop_assert_eq!(back.to_path(), path);
        }
    }
}
