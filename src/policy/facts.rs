//! What is known about a call when it is judged: the input of `evaluate`, made by `gate::propose`.

use super::circumstances::Circumstances;
use super::shell::Script;
use crate::model::{AbsPath, Effects, ToolName};
use serde::Serialize;

/// What a call does with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Looks at it, or at what lies below.
    Read,
    /// Makes or changes it.
    Write,
    /// Removes it.
    Delete,
}

/// One path that a call names, as written and with links resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathUse {
    /// Cleaned, but maybe through symbolic links.
    pub lexical: AbsPath,
    /// Links resolved on disk. Equal to `lexical` where no disk was asked.
    pub canonical: AbsPath,
    /// What the call does with it.
    pub access: Access,
}

impl PathUse {
    /// A path of which nobody resolved the links.
    pub fn lexical(path: AbsPath, access: Access) -> Self {
        PathUse { canonical: path.clone(), lexical: path, access }
    }

    /// Whether no link stands in the way: both forms are the same bytes.
    pub fn is_plain(&self) -> bool {
        self.lexical.as_path().as_os_str() == self.canonical.as_path().as_os_str()
    }
}

/// Everything that policy may know about a call.
#[derive(Debug, Clone)]
pub struct CallFacts {
    /// The canonical tool name.
    pub tool: ToolName,
    /// What the tool can do; `None` for a tool that nobody registered.
    pub effects: Option<Effects>,
    /// The parsed command, for tools that carry one.
    pub command: Option<Script>,
    /// Paths named by arguments (those of `command` are inside it).
    pub paths: Vec<PathUse>,
    /// Host names of URLs in the arguments, lower case.
    pub hosts: Vec<String>,
    /// The folder that the call runs in.
    pub cwd: AbsPath,
    /// The working folder.
    pub workspace: AbsPath,
    /// The user's home.
    pub home: Option<AbsPath>,
    /// Why the arguments could not be understood: never allowed.
    pub malformed: Option<String>,
    /// `timeout` of the call in milliseconds, where it names one.
    pub timeout_ms: Option<u64>,
    /// Who asks, when, and what the session has seen.
    pub circumstances: Circumstances,
    /// The label that a `permission_classify` hook gave the call.
    pub class: Option<String>,
    /// Programs that the call starts would not be confined.
    pub unconfined: bool,
}

impl CallFacts {
    /// A shell call about which nothing is known, for asking how it would be confined.
    pub fn of_some_command(workspace: &AbsPath, home: Option<&AbsPath>) -> Self {
        CallFacts {
            effects: Some(Effects::EXECUTES),
            ..CallFacts::of(ToolName::resolve("Bash"), workspace, home)
        }
    }

    /// A call of `tool` about which nothing else is known.
    pub fn of(tool: ToolName, workspace: &AbsPath, home: Option<&AbsPath>) -> Self {
        CallFacts {
            tool,
            effects: None,
            command: None,
            paths: Vec::new(),
            hosts: Vec::new(),
            cwd: workspace.clone(),
            workspace: workspace.clone(),
            home: home.cloned(),
            malformed: None,
            timeout_ms: None,
            circumstances: Circumstances::default(),
            class: None,
            unconfined: false,
        }
    }
}

/// Where a path lies, seen from the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// In the workspace.
    Workspace,
    /// In a folder for temporary files.
    Temporary,
    /// In the user's home, outside the workspace.
    Home,
    /// Part of the operating system or another user's.
    System,
    /// Elsewhere.
    Other,
}

const SYSTEM_ROOTS: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/snap",
    "/srv",
    "/sys",
    "/usr",
    "/var",
    "/Applications",
    "/Library",
    "/System",
    "/Users",
    "/private",
];
const TEMPORARY_ROOTS: &[&str] = &["/tmp", "/var/tmp", "/private/tmp", "/dev/shm"];

/// Where `path` lies.
pub fn region(path: &AbsPath, workspace: &AbsPath, home: Option<&AbsPath>) -> Region {
    let below = |roots: &[&str]| roots.iter().any(|root| path.as_path().starts_with(root));
    if path.is_within(workspace) {
        Region::Workspace
    } else if home.is_some_and(|home| path.is_within(home)) {
        Region::Home
    } else if below(TEMPORARY_ROOTS) {
        Region::Temporary
    } else if path.parent().is_none() || below(SYSTEM_ROOTS) {
        Region::System
    } else {
        Region::Other
    }
}
