//! What each section of a configuration file can say, one file a section.
//!
//! A section is a table of [`Key`]s: name, type, how the sealed tier combines with it, and what
//! a stranger's folder may do with it. Checking, merging, sealing, `config show` and the
//! documentation all read these tables; nothing else knows a key's name twice.

pub mod admission;
pub mod approvals;
pub mod audit;
pub mod case;
pub mod classifier;
pub mod hook;
pub mod limits;
pub mod models;
pub mod network;
pub mod permissions;
pub mod profile;
pub mod providers;
pub mod rule;
pub mod sandbox;
pub mod security;
pub mod timeouts;
pub mod tools;
pub mod unused;

/// One key of a configuration file.
#[derive(Debug)]
pub struct Key {
    /// Path with `*` for a name chosen by the file, for example `providers.*.apiKey`.
    pub path: &'static str,
    /// What may be written there.
    pub shape: Shape,
    /// How values of several tiers combine where the sealed tier speaks.
    pub sealing: Sealing,
    /// What the configuration of a folder that is not trusted may do with it.
    pub stranger: Stranger,
    /// One line for people.
    pub about: &'static str,
}

/// What may be written at a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// `true` or `false`.
    Flag,
    /// A whole number from `least` on; with `zero_is_unlimited`, zero and less mean no limit.
    Whole {
        /// Smallest value accepted.
        least: i64,
        /// Whether values up to zero mean "no limit".
        zero_is_unlimited: bool,
    },
    /// Milliseconds: 0 means the default, and less than 0 means no limit where allowed.
    Millis {
        /// Whether a negative value means "no limit".
        negative_is_unlimited: bool,
    },
    /// A finite number, 0 or more.
    Amount,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any non-empty string.
    Text,
    /// A string that is never shown.
    Secret,
    /// A list of non-empty strings.
    Texts,
    /// A list of paths; `~` is the home folder, a relative one starts at the workspace.
    Paths,
    /// A list of relative names inside the workspace.
    Names,
    /// A list of hosts, as [`crate::model::HostRule`] reads them.
    Hosts {
        /// Whether it is a list of what is refused.
        refuses: bool,
    },
    /// A list of addresses and blocks of them.
    Addresses,
    /// A list of expressions for secrets, as [`crate::redact::Pattern`] reads them.
    Patterns,
    /// A list of kinds and texts that are no secrets, as [`crate::redact::Allowed`] reads them.
    Allowed,
    /// `permissions.rules`.
    Rules,
    /// `permissions.tests`.
    Cases,
    /// A list of dangerous patterns, strings or objects.
    Dangers,
    /// A model tier: a string, or an object with `model` and `fallbacks`.
    ModelTier,
    /// Accepted for older files; Ion has no use for it, whatever it holds.
    Unused,
}

/// How a key's values combine. Declared here, carried out in `meet` and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealing {
    /// The stricter value wins. Words from most permissive to strictest.
    Floor(&'static [&'static str]),
    /// The smaller value wins; "no limit" is the largest.
    Ceiling,
    /// All entries count.
    Union,
    /// Only entries that every list has; says what an empty list means.
    Intersect(Empty),
    /// As `Intersect`, but entries are folders and admit everything below them.
    IntersectPaths,
    /// As `Intersect`, but an entry admits all that it covers.
    IntersectHosts,
    /// The same for blocks of addresses.
    IntersectAddresses,
    /// The sealed value replaces the lower one.
    Override,
    /// Data that no decision reads.
    Pass,
    /// Kept apart per file; the policy evaluates every layer and takes the strictest verdict.
    Layered,
}

/// What an empty allow-list means. Settled by the parser, so that an empty *intersection*
/// can only ever mean "nothing".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// `[]` is no limit, as files of the older engine have it.
    Any,
    /// `[]` admits nothing.
    Nothing,
}

/// What an untrusted folder's file may do with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// Make it stricter.
    Tighten,
    /// Nothing: the key is ignored and listed in one warning.
    Ignore,
}

/// `false` is the permissive side.
pub const TRUE_IS_STRICT: Sealing = Sealing::Floor(&["false", "true"]);
/// `true` is the permissive side.
pub const FALSE_IS_STRICT: Sealing = Sealing::Floor(&["true", "false"]);

/// The tables of all sections of the main configuration file.
pub const SECTIONS: &[&[Key]] = &[
    profile::KEYS,
    permissions::KEYS,
    sandbox::KEYS,
    security::KEYS,
    classifier::KEYS,
    audit::KEYS,
    hook::KEYS,
    approvals::KEYS,
    tools::KEYS,
    admission::KEYS,
    limits::KEYS,
    timeouts::KEYS,
    network::KEYS,
    providers::KEYS,
    unused::KEYS,
];

/// Sections in which a mistake may drop a restriction, so that an unknown key is an error.
pub const GUARDED: &[&str] = &["permissions", "sandbox", "security", "audit", "classifier", "hook"];

/// Every key of the main configuration file.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.iter())
}

impl Key {
    /// Whether `path` is this key.
    pub fn is(&self, path: &[String]) -> bool {
        // Every start asks about every key: those of another length are told apart at once.
        let long = path.iter().map(|part| part.len() + 1).sum::<usize>();
        if self.path.len() + 1 != long && !self.path.contains('*') {
            return false;
        }
        self.begins(path) && self.path.split('.').count() == path.len()
    }

    /// Whether `path` is this key or a block on the way to it.
    pub fn begins(&self, path: &[String]) -> bool {
        // Most keys differ in their first letters, and every start asks about every key.
        let initial = self.path.as_bytes().first();
        let near = |first: &String| first.as_bytes().first() == initial || initial == Some(&b'*');
        if !path.first().is_none_or(near) {
            return false;
        }
        let mut mine = self.path.split('.');
        path.iter().all(|part| mine.next().is_some_and(|own| own == "*" || own == part))
    }

    /// The name that may follow `path` on the way to this key.
    pub fn next_after(&self, path: &[String]) -> Option<&'static str> {
        if self.begins(path) { self.path.split('.').nth(path.len()) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_key_stands_twice_or_inside_another() {
        let mut seen = BTreeSet::new();
        for key in keys() {
            assert!(seen.insert(key.path), "{} stands twice", key.path);
            let inside = keys().any(|k| key.path.starts_with(&format!("{}.", k.path)));
            assert!(!inside, "{} lies inside another key", key.path);
        }
    }

    #[test]
    fn every_key_and_variable_stands_in_the_documentation() {
        let page = include_str!("../../../docs/configuration.md");
        let named = |name: &str| page.contains(&format!("`{name}`"));
        for key in keys() {
            assert!(named(key.path), "{} is not documented", key.path);
            assert!(
                key.shape == Shape::Unused || page.contains(key.about),
                "{}: {}",
                key.path,
                key.about
            );
        }
        for variable in crate::config::environ::VARIABLES {
            assert!(named(variable.name) && page.contains(variable.about), "{}", variable.name);
        }
        for (provider, names) in crate::config::credential::KEY_VARIABLES {
            assert!(named(provider) && names.iter().all(|name| named(name)), "{provider}");
        }
    }

    #[test]
    fn nothing_that_starts_programs_or_moves_traffic_is_open_to_a_stranger() {
        for key in keys() {
            let first = key.path.split('.').next().unwrap();
            // A list of what is refused only ever grows.
            if key.path != "network.denyHosts"
                && matches!(
                    first,
                    "providers" | "network" | "defaultModel" | "profile" | "audit" | "approvals"
                )
            {
                assert_eq!(key.stranger, Stranger::Ignore, "{}", key.path);
            }
            if key.stranger == Stranger::Tighten {
                let overriding = matches!(key.sealing, Sealing::Override | Sealing::Pass);
                assert!(!overriding, "{}: override cannot tighten", key.path);
            }
        }
    }
}
