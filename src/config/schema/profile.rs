//! The profile and the model: what a run starts from.

use super::{Empty, Key, Sealing, Shape, Stranger};
use crate::shipped::{self, Shipped};

/// The profiles that are built in: five for runs of a model, four for programs beside it.
pub const PROFILES: &[(&str, Shipped)] = &[
    ("standard", shipped::STANDARD),
    ("strict", shipped::STRICT),
    ("read-only", shipped::READ_ONLY),
    ("ci", shipped::CI),
    ("permissive", shipped::PERMISSIVE),
    ("hook", shipped::HOOK),
    ("mcp-server", shipped::MCP_SERVER),
    ("extension", shipped::EXTENSION),
    ("lsp-server", shipped::LSP_SERVER),
];

/// The names of the profiles, as a file may write them.
pub const NAMES: &[&str] = &[
    "standard",
    "strict",
    "read-only",
    "ci",
    "permissive",
    "hook",
    "mcp-server",
    "extension",
    "lsp-server",
];

/// The profile's file, or `None` for an unknown name.
pub fn file(name: &str) -> Option<Shipped> {
    PROFILES.iter().find(|(known, _)| *known == name).map(|(_, file)| *file)
}

/// Each profile with the first sentence of its file, for help pages.
pub fn summaries() -> impl Iterator<Item = (&'static str, String)> {
    PROFILES.iter().map(|(name, file)| {
        let comments = file.text().lines().map_while(|line| line.strip_prefix('#'));
        let about: Vec<&str> = comments.map(str::trim).collect();
        (*name, about.join(" "))
    })
}

/// Root keys.
pub const KEYS: &[Key] = &[
    Key {
        path: "profile",
        shape: Shape::Word(NAMES),
        sealing: Sealing::Override,
        stranger: Stranger::Ignore,
        about: "the built-in profile that everything else is layered on",
    },
    Key {
        path: "allowedProfiles",
        shape: Shape::Texts,
        sealing: Sealing::Intersect(Empty::Nothing),
        stranger: Stranger::Ignore,
        about: "profiles that may be chosen (sealed tier only)",
    },
    Key {
        path: "defaultModel",
        shape: Shape::Text,
        sealing: Sealing::Override,
        stranger: Stranger::Ignore,
        about: "model or tier when `--model` names none",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_and_the_embedded_texts_agree() {
        assert_eq!(PROFILES.iter().map(|(name, _)| *name).collect::<Vec<_>>(), NAMES);
    }
}
