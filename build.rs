//! Parses the shipped TOML files when Ion is built, so that a start does not.
//!
//! A file that cannot be parsed fails the build with its name and line. What the keys mean is
//! checked by tests, with the same code that reads users' files. Read `src/shipped/mod.rs`.

use std::path::Path;
use std::process::ExitCode;

// The same source files as in the library, of which a build needs one half.
#[allow(dead_code)]
#[path = "src/shipped/packed.rs"]
mod packed;
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
];

fn main() -> ExitCode {
    let out = std::env::var_os("OUT_DIR").unwrap_or_default();
    for name in FILES {
        println!("cargo::rerun-if-changed={name}");
        if let Err(message) = pack(name, &Path::new(&out).join(name)) {
            println!("cargo::error={message}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn pack(name: &str, to: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(name).map_err(|error| format!("{name}: {error}"))?;
    let entries = toml::parse(&text).map_err(|error| {
        format!("{name}:{}:{}: {}", error.at.line, error.at.column, error.message)
    })?;
    let bytes = packed::pack(&entries)
        .map_err(|at| format!("{name}:{}:{}: no key takes such a value", at.line, at.column))?;
    let folder = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    std::fs::write(to, bytes).map_err(|error| format!("{}: {error}", to.display()))
}
