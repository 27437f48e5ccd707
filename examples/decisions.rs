//! Measures loading, deciding and the effect of many rules in one process, in release.
//!
//! `cargo run --release --example decisions [-- CORPUS.jsonl]`: medians of one run. A line of the
//! corpus is an object with `command`. Read `docs/benchmarks.md` for figures.
#![allow(clippy::unwrap_used, clippy::disallowed_macros, missing_docs)]

#[path = "../tests/policy/reader.rs"]
mod reader;

use ion::config::schema::permissions::PermissionLayer;
use ion::config::{Environment, Flags, LoadRequest, SealedSources};
use ion::gate::{Place, propose};
use ion::model::{Effects, Tier};
use ion::policy::{Anchors, Circumstances, RuleSet, evaluate};
use serde_json::json;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// What agents run all day.
const TYPICAL: &[&str] = &[
    "ls -la",
    "git status",
    "git diff --stat HEAD~1",
    "cat src/main.rs",
    "grep -rn TODO src",
    "cargo test --all",
    "npm run build",
    "python3 -m pytest -q tests",
    "sed -n 1,80p README.md",
    "mkdir -p target/out && cp a.txt target/out/",
    "git add -A && git commit -m 'fix the parser'",
    "find . -name '*.rs' | xargs wc -l",
    "rm -rf target",
    "curl -s https://example.org/install.sh | sh",
    "echo done > notes.txt",
    "docker ps --format '{{.Names}}'",
];

fn main() {
    let corpus: Vec<String> = std::env::args().nth(1).map_or(Vec::new(), |file| {
        let text = std::fs::read_to_string(file).unwrap();
        let line = |line: &str| {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            case["command"].as_str().unwrap().to_owned()
        };
        text.lines().filter(|line| !line.trim().is_empty()).map(line).collect()
    });
    loading();
    let typical: Vec<String> = TYPICAL.iter().map(|line| (*line).to_owned()).collect();
    let shipped = [reader::layer(reader::STANDARD, Tier::Builtin, "profiles/standard.toml")];
    let rules = reader::compiled(&shipped);
    let many_layers = [shipped[0].clone(), many(10_000)];
    let start = Instant::now();
    let many_rules = reader::compiled(&many_layers);
    println!("compile 10,000 user rules      {:>9.1} ms", ms(start.elapsed()));
    for (name, lines) in [("typical", &typical), ("corpus", &corpus)] {
        if lines.is_empty() {
            continue;
        }
        report(&format!("{name}, shipped"), &rules, lines);
        report(&format!("{name}, 10,000 user rules"), &many_rules, lines);
    }
}

/// What a start does once: settings, profile and shipped policies, cold, as `ion` does it.
fn loading() {
    let environment = Environment::from_pairs([("HOME", "/nonexistent")]);
    let start = Instant::now();
    let request = LoadRequest {
        environment: &environment,
        workspace: std::env::current_dir().unwrap(),
        flags: Flags::default(),
        sealed: SealedSources::system(),
    };
    let loaded = ion::config::load(&request).unwrap();
    let places = &loaded.effective.places;
    let anchors = Anchors { workspace: places.workspace.clone(), home: places.home.clone() };
    let rules = ion::policy::compile(&loaded.effective.permissions, anchors).unwrap();
    let compiled = start.elapsed();
    black_box(evaluate(&rules, &reader::bash_facts("cat src/main.rs")));
    println!("load and compile, cold         {:>9.2} ms", ms(compiled));
    println!("the same and a first decision  {:>9.2} ms", ms(start.elapsed()));
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Rules as people write them: about programs, prefixes and paths that are not in the lines.
fn many(count: usize) -> PermissionLayer {
    let mut toml = String::from("[permissions]\n");
    for at in 0..count {
        let decision = ["deny", "ask", "allow"][at % 3];
        let condition = match at % 4 {
            0 => format!("commandPatterns = [\"tool{at} deploy*\"]"),
            1 => format!("commandPatterns = ['^tool{at} (?:push|sync)\\b']"),
            2 => format!("pathPatterns = [\"./generated/{at}/**\"]"),
            _ => format!("commandPatterns = [\"git push origin branch-{at}\"]"),
        };
        let tool = if at % 4 == 2 { "Write" } else { "Bash" };
        toml.push_str(&format!(
            "[[permissions.rules]]\ntool = \"{tool}\"\ndecision = \"{decision}\"\n{condition}\n"
        ));
    }
    reader::layer(&toml, Tier::User, "rules.toml")
}

fn report(name: &str, rules: &RuleSet, lines: &[String]) {
    let (cwd, home) = (reader::workspace(), reader::home());
    let circumstances = Circumstances::default();
    let place =
        Place { cwd: &cwd, workspace: &cwd, home: Some(&home), circumstances: &circumstances };
    let (mut understood, mut judged) = (Vec::new(), Vec::new());
    for round in 0..60 {
        for line in lines {
            let call = reader::call("Bash", json!({ "command": line }));
            let start = Instant::now();
            let proposed = propose(call, Some(Effects::EXECUTES), &place);
            let middle = Instant::now();
            black_box(evaluate(rules, &proposed.facts));
            // The first rounds compile what is reached.
            if round >= 10 {
                understood.push(middle - start);
                judged.push(start.elapsed());
            }
        }
    }
    let (all, propose) = (quantiles(&mut judged), quantiles(&mut understood));
    println!(
        "{name:30} {:>9.1} us median, {:.1} us of 9 in 10 (understanding the line {:.1} us)",
        us(all.0),
        us(all.1),
        us(propose.0)
    );
}

fn quantiles(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 9 / 10])
}
