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
    /// Namespaces and a view by the crate birdcage, then all that [`Landlock`](Self::Landlock)
    /// holds. Its view has no private folders and no protected mounts, so it counts as rules.
    Birdcage,
    /// Landlock and seccomp.
    Landlock,
    /// A separate process with a rebuilt environment, no more.
    None,
}

impl Backend {
    /// All, strongest first.
    pub const ALL: [Backend; 5] =
        [Backend::Bwrap, Backend::Userns, Backend::Birdcage, Backend::Landlock, Backend::None];

    /// The name used in configuration, records and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Backend::Bwrap => "bwrap",
            Backend::Userns => "userns",
            Backend::Birdcage => "birdcage",
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
            Backend::Birdcage | Backend::Landlock => Requirement::Rules,
            Backend::None => Requirement::Open,
        }
    }

    /// Whether the call has mounts, processes and a network of its own.
    pub fn has_view(self) -> bool {
        self.strength() == Requirement::View
    }

    /// Whether it is in this binary: one comes with a Cargo feature.
    pub const fn is_built_in(self) -> bool {
        !matches!(self, Backend::Birdcage) || cfg!(feature = "birdcage")
    }

    /// Whether it only grants: nothing is taken out of what it grants, and what it protects is
    /// compared and put back.
    pub fn only_grants(self) -> bool {
        self.strength() == Requirement::Rules
    }

    /// Whether anything is held at all.
    pub fn confines(self) -> bool {
        self != Backend::None
    }
}
