//! What a command would be held by, for a person: the plan without carrying it out.

use super::environ;
use super::plan::Host;
use super::view::{SYSTEM, View};
use crate::model::AbsPath;
use crate::policy::{Confinement, NetworkAccess};
use crate::worker::backend::Backend;
use crate::worker::confine::seccomp;
use crate::worker::wire::Network;
use std::path::{Path, PathBuf};

/// The plan in words and paths.
#[derive(Debug)]
pub struct Description {
    /// Visible, read-only.
    pub read: Vec<PathBuf>,
    /// Writable.
    pub write: Vec<PathBuf>,
    /// Never visible, as far as they exist.
    pub hidden: Vec<PathBuf>,
    /// The home that is replaced by an empty one.
    pub home: Option<PathBuf>,
    /// Protected names, each with whether it exists in the workspace.
    pub protected: Vec<(String, bool)>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// What the system-call filter refuses.
    pub refused_calls: Vec<String>,
}

/// Describes a confinement under a backend.
///
/// # Errors
/// Ion's own binary cannot be found.
pub fn describe(confinement: &Confinement, backend: Backend) -> Result<Description, String> {
    let host = Host::look()?;
    let view = View::of(confinement, true, host.home.as_ref());
    let network = match confinement.network {
        NetworkAccess::None => Network::None,
        NetworkAccess::Listed => Network::Listed,
        NetworkAccess::Host => Network::Host,
    };
    let system = SYSTEM.iter().map(PathBuf::from).filter(|path| path.exists());
    let workspace = confinement.workspace.as_path();
    let stands =
        |name: &String| (name.clone(), std::fs::symlink_metadata(workspace.join(name)).is_ok());
    let refused: Vec<&AbsPath> =
        std::iter::once(&confinement.workspace).chain(&confinement.write).collect();
    let home = view.home.as_deref().unwrap_or(Path::new("/tmp")).display().to_string();
    let mut environment = environ::rebuild(&host.environment, &home, "/tmp", &refused);
    if network == Network::Listed {
        environment.extend(environ::of_proxy());
    }
    Ok(Description {
        read: system.chain(view.read).collect(),
        write: view.write,
        hidden: view.hide,
        home: view.home,
        protected: match view.guarded {
            Some(_) => confinement.protect.iter().map(stands).collect(),
            None => Vec::new(),
        },
        environment,
        refused_calls: seccomp::description(network, backend.has_view()),
    })
}
