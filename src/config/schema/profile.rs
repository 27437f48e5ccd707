//! The profile and the model: what a run starts from.

use super::{Empty, Key, Sealing, Shape, Stranger};

/// The five profiles that are built in.
pub const PROFILES: &[(&str, &str)] = &[
    ("standard", include_str!("../../../profiles/standard.toml")),
    ("strict", include_str!("../../../profiles/strict.toml")),
    ("read-only", include_str!("../../../profiles/read-only.toml")),
    ("ci", include_str!("../../../profiles/ci.toml")),
    ("permissive", include_str!("../../../profiles/permissive.toml")),
];

/// The names of the profiles, as a file may write them.
pub const NAMES: &[&str] = &["standard", "strict", "read-only", "ci", "permissive"];

/// The profile's text, or `None` for an unknown name.
pub fn text(name: &str) -> Option<&'static str> {
    PROFILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Each profile with the first sentence of its file, for help pages.
pub fn summaries() -> impl Iterator<Item = (&'static str, String)> {
    PROFILES.iter().map(|(name, text)| {
        let comments = text.lines().map_while(|line| line.strip_prefix('#'));
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
