//! What is compiled into the binary holds its own examples.

use super::reader;
use ion::model::{Decision, Tier};

#[test]
fn every_shipped_pattern_holds_its_own_examples() {
    match ion::policy::check_shipped() {
        Ok(count) => assert!(count >= 60, "{count} patterns"),
        Err(wrong) => panic!("{}", wrong.join("\n")),
    }
}

#[test]
fn every_profile_compiles_and_holds_its_own_examples() {
    for (name, text) in [
        ("standard", reader::STANDARD),
        ("strict", include_str!("../../profiles/strict.toml")),
        ("read-only", include_str!("../../profiles/read-only.toml")),
        ("ci", include_str!("../../profiles/ci.toml")),
        ("permissive", include_str!("../../profiles/permissive.toml")),
    ] {
        // As a user's file: there patterns and examples are checked at load.
        let mut layer = reader::layer(text, Tier::User, name);
        layer.mode.get_or_insert_with(|| panic!("{name} names no mode"));
        if let Err(e) = ion::policy::compile(&[layer], reader::anchors()) {
            panic!("{name}: {e}");
        }
    }
}

#[test]
fn ci_never_asks_where_standard_allows_or_asks() {
    let standard = reader::standard();
    let ci = reader::compiled(&[reader::layer(
        include_str!("../../profiles/ci.toml"),
        Tier::Builtin,
        "ci",
    )]);
    for command in ["ls", "git push", "npm install", "cargo test", "curl https://x.example"] {
        let (a, b) =
            (reader::bash(standard, command).decision, reader::bash(&ci, command).decision);
        assert!(b >= a && (a == Decision::Allow) == (b == Decision::Allow), "{command}: {a} {b}");
    }
}

#[test]
fn the_read_only_profile_changes_nothing() {
    let rules = reader::compiled(&[reader::layer(
        include_str!("../../profiles/read-only.toml"),
        Tier::Builtin,
        "ro",
    )]);
    for command in ["echo x > a", "rm a", "touch a", "cp a b"] {
        assert_eq!(reader::bash(&rules, command).decision, Decision::Deny, "{command}");
    }
    assert_eq!(reader::file(&rules, "Edit", "a").decision, Decision::Deny);
    assert_eq!(reader::bash(&rules, "grep -rn x .").decision, Decision::Allow);
}
