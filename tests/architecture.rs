//! The house rules that a compiler does not check: who may import whom, a page-top docstring
//! in every file, no endless file, no forgotten test, tokens that derive nothing dangerous.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Room, and the rooms it may import. One line a room, in the order of the pipeline.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("sys", &[]),
    ("shipped", &[]),
    ("redact", &["model", "shipped"]),
    ("conversation", &["model", "redact"]),
    ("config", &["model", "shipped", "redact"]),
    ("audit", &["model", "redact"]),
    ("report", &["model", "audit"]),
    ("policy", &["model", "shipped", "config"]),
    ("gate", &["model", "redact", "config", "audit", "policy"]),
    ("worker", &["model", "sys"]),
    ("net", &["model", "redact", "config"]),
    ("egress", &["model", "redact", "net"]),
    ("forward", &["model", "redact", "config", "audit", "net"]),
    ("sandbox", &["model", "sys", "redact", "config", "policy", "gate", "worker", "net", "egress"]),
    ("approve", &["model", "sys", "redact", "config", "audit", "gate", "net"]),
    ("tool", &["model", "redact", "conversation", "config", "audit", "policy", "gate", "sandbox"]),
    ("event", &["model", "redact", "gate"]),
    ("provider", &["model", "redact", "conversation", "config", "net"]),
    ("session", &["model", "redact", "conversation"]),
    ("classify", &["model", "redact", "conversation", "config", "gate", "provider"]),
    (
        "agent",
        &[
            "model",
            "redact",
            "conversation",
            "audit",
            "policy",
            "gate",
            "sandbox",
            "tool",
            "event",
            "provider",
            "session",
        ],
    ),
    (
        "runtime",
        &[
            "model",
            "redact",
            "conversation",
            "config",
            "audit",
            "policy",
            "gate",
            "net",
            "egress",
            "forward",
            "sandbox",
            "approve",
            "tool",
            "event",
            "provider",
            "session",
            "classify",
            "agent",
        ],
    ),
    (
        "cli",
        &[
            "model", "sys", "redact", "config", "audit", "policy", "gate", "egress", "forward",
            "sandbox", "worker", "tool", "approve", "event", "provider", "session", "agent",
            "runtime", "report",
        ],
    ),
];

/// Longest file, in lines. Flat tables may say so in their first line with `flat table`.
const LONGEST: usize = 700;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("below the project").display().to_string()
}

/// The rooms that a line of code names, as `crate::room`.
fn named_rooms(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let inside = list.split('}').next().unwrap_or_default();
            rooms.extend(inside.split(',').map(|part| first_word(part.trim())));
        } else {
            rooms.push(first_word(rest));
        }
    }
    rooms
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn rooms_import_only_what_they_may() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let src = root().join("src");
    let mut wrong = Vec::new();
    for file in sources(&src) {
        let inside = file.strip_prefix(&src).expect("below src");
        let Some(room) = inside.iter().next().and_then(|part| part.to_str()) else { continue };
        if inside.components().count() < 2 {
            continue; // lib.rs and main.rs know the rooms by name only
        }
        let may = allowed.get(room).unwrap_or_else(|| panic!("{room} has no line in MAY_IMPORT"));
        for (number, line) in fs::read_to_string(&file).expect("text").lines().enumerate() {
            for named in named_rooms(line) {
                let known = allowed.contains_key(named.as_str());
                if known && named != room && !may.contains(&named.as_str()) {
                    wrong.push(format!(
                        "{}:{}: {room} imports {named}",
                        relative(&file),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the ranks:\n{}", wrong.join("\n"));
}

#[test]
fn imports_have_no_cycle() {
    let order: Vec<&str> = MAY_IMPORT.iter().map(|(room, _)| *room).collect();
    let rank = |room: &str| order.iter().position(|other| *other == room);
    for (room, imports) in MAY_IMPORT {
        for import in *imports {
            // `event` shows refusals, which the gate makes; it stands after the gate.
            let (below, above) = (rank(import), rank(room));
            assert!(below < above, "{room} may import {import}, which stands above it");
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = sources(&root().join("src"))
        .into_iter()
        .chain(sources(&root().join("tests")))
        .filter(|file| !file.components().any(|part| part.as_os_str() == "compile_fail"))
        .filter(|file| !fs::read_to_string(file).expect("text").starts_with("//! "))
        .map(|file| relative(&file))
        .collect();
    assert!(silent.is_empty(), "no page-top docstring: {silent:?}");
}

#[test]
fn no_file_is_endless() {
    let long: Vec<String> = sources(&root().join("src"))
        .into_iter()
        .filter_map(|file| {
            let text = fs::read_to_string(&file).expect("text");
            let lines = text.lines().count();
            (lines > LONGEST && !text.lines().take(3).any(|line| line.contains("flat table")))
                .then(|| format!("{} ({lines})", relative(&file)))
        })
        .collect();
    assert!(long.is_empty(), "longer than {LONGEST} lines: {long:?}");
}

#[test]
fn unsafe_code_lives_in_one_file() {
    let outside: Vec<String> = sources(&root().join("src"))
        .into_iter()
        .filter(|file| relative(file) != "src/sys/mod.rs")
        .filter(|file| {
            let text = fs::read_to_string(file).expect("text");
            text.lines().any(|line| {
                let code = line.split("//").next().unwrap_or_default();
                code.contains("unsafe {")
                    || code.contains("unsafe fn")
                    || code.contains("unsafe_code")
            })
        })
        .map(|file| relative(&file))
        .collect();
    assert!(outside.is_empty(), "unsafe code outside src/sys/mod.rs: {outside:?}");
}

#[test]
fn tokens_cannot_be_copied_defaulted_or_read_from_a_file() {
    let tokens = [
        (
            "src/gate/permit.rs",
            "pub struct Permit",
            &["Clone", "Default", "Deserialize", "Serialize"][..],
        ),
        ("src/redact/redacted.rs", "pub struct Redacted", &["Default", "Deserialize"][..]),
        ("src/redact/raw.rs", "pub struct Raw", &["Serialize", "Display", "Debug"][..]),
        ("src/redact/secret.rs", "pub struct Secret", &["Serialize", "Debug", "Display"][..]),
    ];
    for (file, item, forbidden) in tokens {
        let text = fs::read_to_string(root().join(file)).expect("text");
        let before = text.split(item).next().expect("the token");
        let attributes: Vec<&str> = before
            .lines()
            .rev()
            .take_while(|line| line.starts_with("#[") || line.starts_with("///") || line.is_empty())
            .filter(|line| line.starts_with("#[derive"))
            .collect();
        for derive in &attributes {
            for word in forbidden {
                assert!(!derive.contains(word), "{file}: {item} derives {word}");
            }
        }
    }
}

#[test]
fn no_test_file_is_forgotten() {
    let tests = root().join("tests");
    for file in sources(&tests) {
        let inside = file.strip_prefix(&tests).expect("below tests");
        let depth = inside.components().count();
        if depth < 2 || inside.starts_with("compile_fail") {
            continue;
        }
        let stem = file.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let parent = file.parent().expect("a folder");
        let (list, name) = match stem {
            "mod" if depth == 2 => (tests.join("main.rs"), folder_name(parent)),
            "mod" => (parent.parent().expect("a folder").join("mod.rs"), folder_name(parent)),
            _ => (parent.join("mod.rs"), stem.to_owned()),
        };
        let listed = fs::read_to_string(&list).expect("a list of modules");
        assert!(
            listed
                .lines()
                .any(|line| line.trim().trim_start_matches("pub ") == format!("mod {name};")),
            "{} is not listed in {}",
            relative(&file),
            relative(&list)
        );
    }
}

fn folder_name(folder: &Path) -> String {
    folder.file_name().and_then(|name| name.to_str()).expect("a name").to_owned()
}

#[test]
fn ignored_tests_do_not_exist() {
    for file in sources(&root().join("src")).into_iter().chain(sources(&root().join("tests"))) {
        let text = fs::read_to_string(&file).expect("text");
        let mark = concat!("#[", "ignore");
        assert!(!text.contains(mark), "{}: an ignored test counts for nothing", relative(&file));
    }
}

#[test]
fn the_list_of_decisions_names_all_of_them() {
    let folder = root().join("docs/decisions");
    let list = fs::read_to_string(folder.join("README.md")).expect("the list");
    for entry in fs::read_dir(&folder).expect("the folder") {
        let name = entry.expect("an entry").file_name().display().to_string();
        let listed = name == "README.md" || list.contains(&format!("]({name})"));
        assert!(listed, "docs/decisions/README.md does not list {name}");
    }
}
