//! From settings and a judged call to the confinement that must hold.

use super::confinement::{Confinement, Hosts, NetworkAccess, ResourceLimits};
use super::facts::{Access, CallFacts};
use crate::config::effective::{NetworkReach, SandboxSettings};
use crate::model::AbsPath;
use std::time::Duration;

/// Limits that do not stand in `sandbox`.
#[derive(Debug, Clone)]
pub struct CallLimits {
    /// A tool other than `Bash`.
    pub tool: Duration,
    /// `Bash` when the call names none.
    pub bash_default: Duration,
    /// The most that a `Bash` call may ask for.
    pub bash_max: Duration,
    /// Bytes of output that are kept.
    pub output_bytes: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        CallLimits {
            tool: Duration::from_secs(300),
            bash_default: Duration::from_secs(120),
            bash_max: Duration::from_secs(600),
            output_bytes: 256 * 1024,
        }
    }
}

/// Descriptors that one call may hold open.
const OPEN_FILES: u64 = 4096;

/// The confinement of a program that an operator runs in a folder. `wall` and output are not
/// Ion's business then: nobody collects the output.
pub fn confinement_of_command(settings: &SandboxSettings, workspace: &AbsPath) -> Confinement {
    Confinement {
        withheld: Vec::new(),
        requirement: settings.requirement.value,
        backend: settings.backend.as_ref().map(|backend| backend.value.clone()),
        workspace: workspace.clone(),
        workspace_writable: settings.workspace_writable,
        read: settings.read.clone(),
        write: settings.write.clone(),
        protect: settings.protect.clone(),
        hide: settings.hide.clone(),
        network: match settings.network.value {
            NetworkReach::Nothing => NetworkAccess::None,
            NetworkReach::Listed => NetworkAccess::Listed,
            NetworkReach::Everything => NetworkAccess::Host,
        },
        hosts: match settings.network.value {
            NetworkReach::Listed => Hosts {
                allow: settings.hosts.clone(),
                deny: settings.deny_hosts.clone(),
                addresses: settings.addresses.clone(),
            },
            NetworkReach::Nothing | NetworkReach::Everything => Hosts::default(),
        },
        limits: ResourceLimits {
            wall: Duration::MAX,
            output_bytes: 0,
            processes: settings.processes,
            file_size: settings.file_size,
            memory: settings.memory,
            cpu_seconds: settings.cpu_seconds,
            open_files: Some(OPEN_FILES),
        },
    }
}

/// The confinement of an allowed call.
///
/// Paths outside the workspace that policy allowed are opened for this call alone, by their
/// canonical form: a link that is bent later leads nowhere.
pub fn confinement_for(
    settings: &SandboxSettings,
    limits: &CallLimits,
    facts: &CallFacts,
) -> Confinement {
    let bash = facts.tool.as_str() == "Bash";
    let only_reads =
        facts.effects.map_or(matches!(facts.tool.as_str(), "Read" | "Grep" | "Glob"), |effects| {
            !effects.writes && !effects.executes
        });
    let (mut read, mut write) = (settings.read.clone(), settings.write.clone());
    if only_reads {
        write.clear();
    }
    let of_command = facts
        .command
        .iter()
        .flat_map(|script| script.units.iter().filter(|unit| !unit.remote))
        .flat_map(|unit| &unit.paths);
    for path in facts.paths.iter().chain(of_command) {
        if path.canonical.is_within(&facts.workspace) {
            continue;
        }
        let list = match path.access {
            Access::Read => &mut read,
            Access::Write | Access::Delete if only_reads => continue,
            Access::Write | Access::Delete => &mut write,
        };
        if !list.iter().any(|have| path.canonical.is_within(have)) {
            list.push(path.canonical.clone());
        }
    }
    let wall = match (bash, facts.timeout_ms) {
        (true, Some(asked)) => Duration::from_millis(asked).min(limits.bash_max),
        (true, None) => limits.bash_default,
        (false, _) => limits.tool,
    };
    let whole = confinement_of_command(settings, &facts.workspace);
    Confinement {
        workspace_writable: whole.workspace_writable && !only_reads,
        read,
        write,
        limits: ResourceLimits { wall, output_bytes: limits.output_bytes, ..whole.limits },
        ..whole
    }
}
