//! What must hold while a call runs. Answered separately from allow, ask and deny: an
//! allowed call is not a free one.

use super::withheld::Withheld;
use crate::model::{AbsPath, Requirement};
use serde::Serialize;
use std::time::Duration;

/// Whether the call can reach a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkAccess {
    /// No route and no socket.
    None,
    /// Only [`Confinement::hosts`], through Ion's proxy.
    Listed,
    /// The host's network. An explicit, recorded choice.
    Host,
}

/// The confinement of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confinement {
    /// The least that must be enforced.
    pub requirement: Requirement,
    /// The backend asked for by name; `None` takes the strongest that works.
    pub backend: Option<String>,
    /// The working folder, writable unless the call only reads.
    pub workspace: AbsPath,
    /// Whether the workspace may be written.
    pub workspace_writable: bool,
    /// Further paths that may be read, links already resolved.
    pub read: Vec<AbsPath>,
    /// Further paths that may be written, links already resolved.
    pub write: Vec<AbsPath>,
    /// Names that stay read-only wherever they stand in the workspace.
    pub protect: Vec<String>,
    /// Paths that must not be visible even below a readable root.
    pub hide: Vec<AbsPath>,
    /// Files whose contents a search leaves out.
    pub withheld: Vec<Withheld>,
    /// Network access.
    pub network: NetworkAccess,
    /// What a call with listed hosts may reach; empty otherwise.
    #[serde(skip_serializing_if = "Hosts::is_empty")]
    pub hosts: Hosts,
    /// Resource limits.
    pub limits: ResourceLimits,
}

impl Confinement {
    /// The same for a call on a copy-on-write view of the workspace: nothing of the host is written
    /// and nothing outside is reached, whatever was allowed. `None` where a backend is asked for
    /// that has no such view; only `userns` has one.
    #[must_use]
    pub fn on_a_copy(self) -> Option<Self> {
        match self.backend.as_deref() {
            None | Some("auto" | "userns") => {}
            Some(_) => return None,
        }
        Some(Confinement {
            requirement: Requirement::View,
            backend: Some("userns".to_owned()),
            write: Vec::new(),
            network: NetworkAccess::None,
            hosts: Hosts::default(),
            ..self
        })
    }
}

/// Entries of `sandbox.hosts` and its kin, as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Hosts {
    /// What may be reached.
    pub allow: Vec<String>,
    /// What may not be, whatever `allow` says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Addresses that are not public and may be reached by a listed name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
}

impl Hosts {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Hosts::default()
    }
}

/// Limits of one call. `None` means that the profile sets none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceLimits {
    /// Wall-clock time, after which the whole process tree is killed.
    pub wall: Duration,
    /// Bytes of output kept (head and tail); the rest is counted and dropped.
    pub output_bytes: usize,
    /// Processes and threads (`RLIMIT_NPROC`).
    pub processes: Option<u64>,
    /// Size of one written file in bytes (`RLIMIT_FSIZE`).
    pub file_size: Option<u64>,
    /// Memory of all processes together, bytes.
    pub memory: Option<u64>,
    /// Processor time of all processes together, seconds.
    pub cpu_seconds: Option<u64>,
    /// Open descriptors (`RLIMIT_NOFILE`).
    pub open_files: Option<u64>,
}
