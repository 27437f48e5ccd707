//! Parses the shipped TOML files when Ion is built and takes their expressions apart, so that a
//! start does neither.
//!
//! A file that cannot be parsed fails the build with its name and line. What the keys mean is
//! checked by tests, with the same code that reads users' files. Read `src/shipped/mod.rs`.

#![allow(clippy::disallowed_macros, clippy::disallowed_methods)] // Cargo speaks by stdout and environment.

use prefilter::{Literal, Part, Test};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use tree::{Data, Entry, Node};

// The same source files as in the library, of which a build needs one half.
#[path = "src/policy/dialect.rs"]
mod dialect;
#[allow(dead_code)]
#[path = "src/shipped/packed.rs"]
mod packed;
#[allow(dead_code)]
#[path = "src/policy/prefilter.rs"]
mod prefilter;
#[path = "src/config/toml.rs"]
mod toml;
#[allow(dead_code)]
#[path = "src/shipped/tree.rs"]
mod tree;

/// As `ALL` in `src/shipped/mod.rs`.
const FILES: &[&str] = &[
    "src/config/defaults.toml",
    "policies/dangerous.toml",
    "policies/sensitive-paths.toml",
    "policies/secrets.toml",
    "profiles/standard.toml",
    "profiles/strict.toml",
    "profiles/read-only.toml",
    "profiles/ci.toml",
    "profiles/permissive.toml",
    "profiles/hook.toml",
    "profiles/mcp-server.toml",
    "profiles/extension.toml",
    "profiles/lsp-server.toml",
];

/// The files whose digest is a part of the digest of every set of rules.
const JUDGING: &[&str] = &["policies/dangerous.toml", "policies/sensitive-paths.toml"];

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    match run(Path::new(&std::env::var_os("OUT_DIR").unwrap_or_default())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn run(out: &Path) -> Result<(), String> {
    let mut expressions = BTreeMap::new();
    for name in FILES {
        println!("cargo::rerun-if-changed={name}");
        let entries = pack(name, &out.join(name))?;
        gather(name, &entries, &mut expressions)?;
    }
    for name in FILES {
        let to = out.join(format!("{name}.sha256"));
        let own = digest(&[name]).map_err(|error| format!("{name}: {error}"))?;
        std::fs::write(&to, own).map_err(|error| format!("{}: {error}", to.display()))?;
        let to = out.join(format!("{name}.head"));
        let text = std::fs::read_to_string(name).map_err(|error| format!("{name}: {error}"))?;
        std::fs::write(&to, head(&text)).map_err(|error| format!("{}: {error}", to.display()))?;
    }
    let digest = digest(JUDGING).map_err(|error| format!("{JUDGING:?}: {error}"))?;
    let to = out.join("policies.sha256");
    std::fs::write(&to, digest).map_err(|error| format!("{}: {error}", to.display()))?;
    let to = out.join("expressions");
    std::fs::write(&to, table(&expressions)).map_err(|error| format!("{}: {error}", to.display()))
}

/// What a file says about itself: the comment that it opens with.
fn head(text: &str) -> String {
    let lines = text.lines().take_while(|line| line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

/// SHA-256 (hex) over texts, each with its length, as `hashed` in `src/policy/combined.rs`.
fn digest(names: &[&str]) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    for name in names {
        let text = std::fs::read(name)?;
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Keys of dangerous patterns whose value is an expression.
const EXPRESSIONS: &[&str] = &["args", "not_args", "not_values", "text", "code", "assigns", "raw"];

/// Finds the expressions of a file, however deep.
fn gather(
    name: &str,
    entries: &[Entry],
    found: &mut BTreeMap<String, Vec<Part>>,
) -> Result<(), String> {
    let mut add = |source: String, node: &Node| {
        let broken = || format!("{name}:{}: this is no usable expression", node.at.line);
        let parts = prefilter::parts(&source).ok_or_else(broken)?;
        found.insert(source, parts);
        Ok::<(), String>(())
    };
    let mut inner = Vec::new();
    for Entry { key, value, .. } in entries {
        match &value.data {
            Data::Text(text) if EXPRESSIONS.contains(&key.as_str()) => add(text.clone(), value)?,
            Data::List(nodes) if key == "commandPatterns" => {
                for node in nodes {
                    // As `CommandPattern::permitting` reads them.
                    if let Data::Text(text) = &node.data
                        && text.starts_with('^')
                    {
                        add(format!("^(?:{text})"), node)?;
                    }
                }
            }
            Data::List(nodes) => inner.extend(nodes),
            Data::Table(_) => inner.push(value),
            _ => {}
        }
    }
    for node in inner {
        if let Data::Table(entries) = &node.data {
            gather(name, entries, found)?;
        }
    }
    Ok(())
}

/// As `src/policy/hints.rs` reads it: how many, where each begins, and each behind the other.
fn table(expressions: &BTreeMap<String, Vec<Part>>) -> Vec<u8> {
    let (mut index, mut body) = (Vec::new(), Vec::new());
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    index.extend(small(expressions.len()));
    for (source, parts) in expressions {
        index.extend(small(4 + 4 * expressions.len() + body.len()));
        packed::bytes(source.as_bytes(), &mut body);
        packed::length(parts.len(), &mut body);
        for part in parts {
            match &part.test {
                Test::Regex(source) => {
                    packed::bytes(source.as_bytes(), &mut body);
                    literals(None, &mut body);
                }
                Test::Words(words) => {
                    packed::bytes(b"", &mut body);
                    literals(Some(&words.sorted), &mut body);
                    packed::length(words.blanks, &mut body);
                }
            }
            literals(part.starts.as_deref(), &mut body);
            let needs = part.needs.as_ref();
            let needs =
                needs.map(|all| all.iter().map(|need| need.literal.clone()).collect::<Vec<_>>());
            literals(needs.as_deref(), &mut body);
        }
    }
    index.extend(body);
    index
}

fn literals(list: Option<&[Literal]>, out: &mut Vec<u8>) {
    packed::length(list.map_or(0, |list| list.len() + 1), out);
    for literal in list.unwrap_or_default() {
        packed::bytes(literal, out);
    }
}

fn pack(name: &str, to: &Path) -> Result<Vec<Entry>, String> {
    let text = std::fs::read_to_string(name).map_err(|error| format!("{name}: {error}"))?;
    let entries = toml::parse(&text).map_err(|error| {
        format!("{name}:{}:{}: {}", error.at.line, error.at.column, error.message)
    })?;
    let bytes = packed::pack(&entries)
        .map_err(|at| format!("{name}:{}:{}: no key takes such a value", at.line, at.column))?;
    let folder = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    std::fs::write(to, bytes).map_err(|error| format!("{}: {error}", to.display()))?;
    Ok(entries)
}
