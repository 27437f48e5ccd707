//! The files of `policies/` and `profiles/`, parsed when Ion is built.
//!
//! The TOML files are the source of truth; a start reads the same keys, values and lines from
//! the packed form, because parsing them costs more than everything else that a start does.
//! A file that is no TOML fails the build (`build.rs`). Never decides what a key means.
//! Read [`tree`], then [`packed`].

pub mod packed;
pub mod tree;

use tree::{Entry, Node};

/// One file inside the binary.
#[derive(Debug, Clone, Copy)]
pub struct Shipped {
    name: &'static str,
    text: &'static str,
    packed: &'static [u8],
    digest: &'static str,
}

macro_rules! shipped {
    ($name:literal) => {
        shipped!($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $name)))
    };
    // People read what it says about itself, and the rest in the source tree.
    ($name:literal, head) => {
        shipped!($name, {
            #[cfg(test)]
            let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $name));
            #[cfg(not(test))]
            let text = include_str!(concat!(env!("OUT_DIR"), "/", $name, ".head"));
            text
        })
    };
    // Nobody is shown the text of these, and a fifth of a megabyte is worth saving.
    ($name:literal, packed) => {
        shipped!($name, {
            #[cfg(test)]
            let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $name));
            #[cfg(not(test))]
            let text = "";
            text
        })
    };
    ($name:literal, $text:expr) => {
        Shipped {
            name: $name,
            text: $text,
            packed: include_bytes!(concat!(env!("OUT_DIR"), "/", $name)),
            digest: include_str!(concat!(env!("OUT_DIR"), "/", $name, ".sha256")),
        }
    };
}

/// Compiled defaults of the configuration.
pub const DEFAULTS: Shipped = shipped!("src/config/defaults.toml");
/// Dangerous patterns.
pub const DANGEROUS: Shipped = shipped!("policies/dangerous.toml", packed);
/// Sensitive paths.
pub const SENSITIVE_PATHS: Shipped = shipped!("policies/sensitive-paths.toml", packed);
/// Kinds of secrets.
pub const SECRETS: Shipped = shipped!("policies/secrets.toml", packed);
/// Profile.
pub const STANDARD: Shipped = shipped!("profiles/standard.toml", head);
/// Profile.
pub const STRICT: Shipped = shipped!("profiles/strict.toml", head);
/// Profile.
pub const READ_ONLY: Shipped = shipped!("profiles/read-only.toml", head);
/// Profile.
pub const CI: Shipped = shipped!("profiles/ci.toml", head);
/// Profile.
pub const PERMISSIVE: Shipped = shipped!("profiles/permissive.toml", head);
/// Profile of a program.
pub const HOOK: Shipped = shipped!("profiles/hook.toml", head);
/// Profile of a program.
pub const MCP_SERVER: Shipped = shipped!("profiles/mcp-server.toml", head);
/// Profile of a program.
pub const EXTENSION: Shipped = shipped!("profiles/extension.toml", head);
/// Profile of a program.
pub const LSP_SERVER: Shipped = shipped!("profiles/lsp-server.toml", head);

/// Every file, as the build script lists them.
pub const ALL: &[Shipped] = &[
    DEFAULTS,
    DANGEROUS,
    SENSITIVE_PATHS,
    SECRETS,
    STANDARD,
    STRICT,
    READ_ONLY,
    CI,
    PERMISSIVE,
    HOOK,
    MCP_SERVER,
    EXTENSION,
    LSP_SERVER,
];

/// SHA-256 (hex) over the dangerous patterns and the sensitive paths, which are long and always
/// the same in one binary.
pub const POLICIES_DIGEST: &str = include_str!(concat!(env!("OUT_DIR"), "/policies.sha256"));

impl Shipped {
    /// The file's path in the source tree, which is how its lines are named.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its text, for people: of a profile the comment that it opens with. Empty for the files of
    /// `policies/`, which are only kept packed.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// SHA-256 (hex) over its text, with its length before it: long texts that are always the same
    /// in one binary are not hashed at a start.
    pub fn digest(&self) -> &'static str {
        self.digest
    }

    /// Its top-level keys that are wanted, and their values.
    ///
    /// # Panics
    /// Never, see [`entries`](Self::entries).
    pub fn some_entries(&self, wanted: impl Fn(&str) -> bool) -> Vec<Entry> {
        packed::unpack_some(self.packed, wanted).expect("what was packed can be read (tested)")
    }

    /// Its keys and values.
    ///
    /// # Panics
    /// Never: the build script wrote what is read here, and a test compares all of it.
    pub fn entries(&self) -> Vec<Entry> {
        packed::unpack(self.packed).expect("what the build script packed can be read (tested)")
    }

    /// The tables of the list `[[key]]`; none if there is no such list.
    pub fn tables(&self, key: &str) -> Vec<Node> {
        let found = self.entries().into_iter().find(|entry| entry.key == key);
        match found.map(|entry| entry.value.data) {
            Some(tree::Data::List(nodes)) => nodes,
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::packed::{pack, unpack};
    use super::tree::{Data, Entry, Node, Spot};
    use proptest::prelude::*;

    fn any_node() -> impl Strategy<Value = Node> {
        let spot = || {
            any::<(u32, u32, u32)>().prop_map(|(line, column, width)| Spot { line, column, width })
        };
        let leaf = prop_oneof![
            Just(Data::Null),
            any::<bool>().prop_map(Data::Flag),
            any::<i64>().prop_map(Data::Whole),
            (-1e9f64..1e9).prop_map(Data::Number),
            ".{0,200}".prop_map(Data::Text),
        ];
        let leaf = (spot(), leaf).prop_map(|(at, data)| Node { at, data });
        leaf.prop_recursive(3, 24, 4, move |inner| {
            let entry = (".{0,8}", spot(), inner.clone()).prop_map(|(key, at, value)| Entry {
                key,
                at,
                value,
            });
            let data = prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(Data::List),
                proptest::collection::vec(entry, 0..4).prop_map(Data::Table),
            ];
            (spot(), data).prop_map(|(at, data)| Node { at, data })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn what_is_packed_comes_back_and_half_of_it_does_not(value in any_node(), cut in 1usize..64) {
            let entries = vec![Entry { key: "k".to_owned(), at: Spot::default(), value }];
            let bytes = pack(&entries).unwrap();
            prop_assert_eq!(unpack(&bytes), Some(entries));
            prop_assert_eq!(unpack(&bytes[..bytes.len().saturating_sub(cut)]), None);
        }

        #[test]
        fn a_key_that_is_passed_over_leaves_the_others_as_they_are(
            first in any_node(), second in any_node(),
        ) {
            let entry = |key: &str, value| Entry { key: key.to_owned(), at: Spot::default(), value };
            let entries = vec![entry("a", first), entry("b", second.clone())];
            let bytes = pack(&entries).unwrap();
            let some = super::packed::unpack_some(&bytes, |key| key == "b");
            prop_assert_eq!(some, Some(vec![entry("b", second)]));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = unpack(&bytes);
            let _ = super::packed::unpack_some(&bytes, |_| false);
        }
    }
}
