//! The examples of `docs/policy.md` are run: each `toml` block with the cases that follow it.
//!
//! A case is a decision, a tool and what it is called with; in brackets stands what surrounds
//! the call. A block whose first line names `/etc/ion` is sealed, any other one is the user's.

use super::reader::{self, bash_facts, compiled, facts, layer, path_facts};
use ion::model::Tier;
use ion::policy::{CallFacts, Moment, evaluate};

fn call(tool: &str, rest: &str) -> CallFacts {
    let (around, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((around, rest)) => (around, rest.trim()),
        None => ("", rest),
    };
    let mut call = match tool {
        "Bash" => bash_facts(rest),
        "WebFetch" => CallFacts { hosts: vec![rest.to_owned()], ..facts(tool) },
        _ if rest == "-" => facts(tool),
        _ => path_facts(tool, rest),
    };
    for word in around.split_whitespace() {
        let seen = &mut call.circumstances;
        match word.split_once('=').unwrap_or((word, "")) {
            ("headless", _) => seen.interactive = Some(false),
            ("interactive", _) => seen.interactive = Some(true),
            ("readOnly", _) => seen.annotations.read_only = Some(true),
            ("trusted", _) => seen.untrusted = Some(vec![]),
            ("untrusted", _) => seen.untrusted = Some(vec!["web page.example".to_owned()]),
            ("agent", name) => seen.agent = Some(name.to_owned()),
            ("user", name) => seen.user = Some(name.to_owned()),
            ("class", label) => call.class = Some(label.to_owned()),
            ("hour", hour) => {
                let minute_of_day = hour.parse::<u16>().unwrap() * 60;
                seen.moment =
                    Some(Moment { unix_seconds: 1_800_000_000, weekday: 0, minute_of_day });
            }
            other => panic!("{other:?}"),
        }
    }
    call
}

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
            let sealed = toml.lines().next().is_some_and(|line| line.contains("/etc/ion"));
            let tier = if sealed { Tier::Enterprise } else { Tier::User };
            let rules = compiled(&[base, layer(&toml, tier, "docs/policy.md")]);
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let (expected, rest) = line.trim().split_once(' ').unwrap();
                let (tool, rest) = rest.trim().split_once(' ').unwrap();
                let judged = evaluate(&rules, &call(tool, rest.trim()));
                assert_eq!(judged.decision.as_str(), expected, "{line}: {}", judged.reason);
                cases += 1;
            }
        }
    }
    assert!(cases >= 60, "{cases} cases");
}
