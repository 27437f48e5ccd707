//! The examples of `docs/policy.md` are run: each `toml` block with the cases that follow it.

use super::reader::{self, bash, compiled, file, layer};
use ion::model::Tier;

#[test]
fn every_example_of_the_page_holds() {
    let page = include_str!("../../docs/policy.md");
    let mut toml = String::new();
    let mut cases = 0;
    for block in page.split("```").skip(1).step_by(2) {
        if let Some(text) = block.strip_prefix("toml\n") {
            toml = text.to_owned();
        } else if let Some(text) = block.strip_prefix("cases\n") {
            let base = layer(reader::STANDARD, Tier::Builtin, "standard");
            let rules = compiled(&[base, layer(&toml, Tier::User, "docs/policy.md")]);
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let (expected, rest) = line.trim().split_once(' ').unwrap();
                let (tool, rest) = rest.trim().split_once(' ').unwrap();
                let rest = rest.trim();
                let judged =
                    if tool == "Bash" { bash(&rules, rest) } else { file(&rules, tool, rest) };
                assert_eq!(judged.decision.as_str(), expected, "{line}: {}", judged.reason);
                cases += 1;
            }
        }
    }
    assert!(cases >= 15, "{cases} cases");
}
