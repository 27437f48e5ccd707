//! The ways to hold a call, and what each is good for.

use crate::model::Requirement;
use serde::{Deserialize, Serialize};

/// How a call is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Namespaces and a view by bubblewrap, then Landlock and seccomp.
    Bwrap,
    /// Namespaces and a view by Ion itself, then Landlock and seccomp.
    Userns,
    /// Landlock and seccomp.
    Landlock,
    /// A separate process with a rebuilt environment, no more.
    None,
}

impl Backend {
    /// All, strongest first.
    pub const ALL: [Backend; 4] =
        [Backend::Bwrap, Backend::Userns, Backend::Landlock, Backend::None];

    /// The name used in configuration, records and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Backend::Bwrap => "bwrap",
            Backend::Userns => "userns",
            Backend::Landlock => "landlock",
            Backend::None => "none",
        }
    }

    /// The backend of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.as_str() == name)
    }

    /// The most that the backend can be asked for.
    pub fn strength(self) -> Requirement {
        match self {
            Backend::Bwrap | Backend::Userns => Requirement::View,
            Backend::Landlock => Requirement::Rules,
            Backend::None => Requirement::Open,
        }
    }

    /// Whether the call has mounts, processes and a network of its own.
    pub fn has_view(self) -> bool {
        self.strength() == Requirement::View
    }

    /// Whether anything is held at all.
    pub fn confines(self) -> bool {
        self != Backend::None
    }
}
