//! `policy::lint`: what it says is true, above all that a rule never decides.

use super::reader::{anchors, bash_facts, home, path_facts, workspace};
use ion::config::review::{PolicyFile, bare_rule, policy_text};
use ion::config::schema::permissions::PermissionLayer;
use ion::model::Tier;
use ion::policy::lint::{FINDINGS, Finding, Level, LintFile, lint};
use ion::policy::{Anchors, Judgement, RuleSet, compile, evaluate};
use proptest::prelude::*;

fn read(tier: Tier, toml: &str) -> PolicyFile {
    policy_text(&format!("{tier}.toml"), toml, tier).unwrap_or_else(|e| panic!("{toml}\n{e:?}"))
}

fn findings(files: &[PolicyFile]) -> Vec<Finding> {
    let blocks: Vec<LintFile<'_>> = files
        .iter()
        .filter_map(|file| Some(LintFile { layer: file.block.as_ref()?, cases: &file.cases }))
        .collect();
    lint(&blocks, &anchors(), &bare_rule().expect("a bare rule"), 1_800_000_000)
}

fn about(toml: &str) -> Vec<(&'static str, String)> {
    let found = findings(&[read(Tier::User, toml)]);
    found.into_iter().map(|f| (f.id, f.rule.unwrap_or_default())).collect()
}

fn rule(id: &str, rest: &str) -> String {
    format!("[[permissions.rules]]\nid = \"{id}\"\nreason = \"r\"\n{rest}\n")
}

#[test]
fn an_allow_rule_that_runs_anything_is_found_and_an_exact_one_is_not() {
    for wide in [
        "python *",
        "python3 *",
        "node *",
        "docker *",
        "ssh *",
        "xargs *",
        "env *",
        "find *",
        "npx *",
        "make *",
        "sudo *",
        "bash *",
        "*",
        "^python3 ",
        "^(node|deno) .*",
        "ruby -e *",
    ] {
        let text = rule(
            "x.y",
            &format!("tool = \"Bash\"\ndecision = \"allow\"\ncommandPatterns = [\"{wide}\"]"),
        );
        let found = about(&text);
        assert!(found.iter().any(|(id, _)| *id == "lint.wide-allow"), "{wide}: {found:?}");
    }
    for compact in ["Bash(python3:*)", "Bash", "*", "Bash(sudo:*)"] {
        let text = rule("x.y", &format!("tool = \"{compact}\"\ndecision = \"allow\""));
        assert!(about(&text).iter().any(|(id, _)| *id == "lint.wide-allow"), "{compact}");
    }
    for exact in [
        "python3 manage.py test*",
        "make test",
        "docker ps*",
        "git status*",
        "find . -name *.rs",
        "npx eslint src",
        "bash scripts/build.sh",
        "ls *",
        "cargo *",
    ] {
        let text = rule(
            "x.y",
            &format!("tool = \"Bash\"\ndecision = \"allow\"\ncommandPatterns = [\"{exact}\"]"),
        );
        let found = about(&text);
        assert!(!found.iter().any(|(id, _)| *id == "lint.wide-allow"), "{exact}: {found:?}");
    }
    let deny =
        rule("x.y", "tool = \"Bash\"\ndecision = \"deny\"\ncommandPatterns = [\"python *\"]");
    assert!(!about(&deny).iter().any(|(id, _)| *id == "lint.wide-allow"));
}

#[test]
fn in_a_sealed_file_running_anything_is_an_error() {
    let text =
        rule("x.y", "tool = \"Bash\"\ndecision = \"allow\"\ncommandPatterns = [\"python *\"]");
    let level = |tier| {
        let found = findings(&[read(tier, &text)]);
        found.into_iter().find(|f| f.id == "lint.wide-allow").expect("a finding").level
    };
    assert_eq!(level(Tier::Enterprise), Level::Error);
    assert_eq!(level(Tier::User), Level::Warning);
}

#[test]
fn each_kind_of_finding_is_found_where_it_is() {
    let text = [
        "[permissions]\nreadOnlyPaths = [\"vendor/\"]\ndangerousPatterns = [\"a^b\"]\n".to_owned(),
        rule("wide.deny", "tool = \"Bash\"\ndecision = \"deny\"\ncommandPatterns = [\"git *\"]"),
        rule("late.allow", "tool = \"Bash(git push:*)\"\ndecision = \"allow\""),
        rule("bad.name", "tool = \"Bassh\"\ndecision = \"deny\""),
        rule("wrong.tool", "tool = \"Read\"\ndecision = \"deny\"\ncommandPatterns = [\"x\"]"),
        rule("bad.path", "tool = \"Read\"\ndecision = \"deny\"\npathPatterns = [\"a/../b\", \"c//d\"]"),
        rule("bad.lift", "tool = \"Bash\"\ndecision = \"allow\"\ncommandPatterns = [\"x\"]\noverrides = [\"no.such\"]"),
        rule("idle.lift", "tool = \"Bash\"\ndecision = \"ask\"\ncommandPatterns = [\"y\"]\noverrides = [\"destroy.outside\"]"),
        rule("two.ways", "tool = \"Bash\"\ndecision = \"allow\"\ncommandPatterns = [\"a|b\"]"),
        rule("dot.path", "tool = \"Bash\"\ndecision = \"allow\"\ncommandPatterns = [\"/usr/bin/git status\"]"),
        rule("no.text", "tool = \"Bash\"\ndecision = \"allow\"\ncommandPatterns = [\"^a$b\"]"),
        rule("late.allow", "tool = \"Bash\"\ndecision = \"allow\"\ncommandPatterns = [\"z\"]"),
        "[[permissions.rules]]\ntool = \"WebFetch\"\ndecision = \"ask\"\n".to_owned(),
    ]
    .concat();
    let found = about(&text);
    for (id, rule) in [
        ("lint.never-matches", "readOnlyPaths"),
        ("lint.never-matches", ""),
        ("lint.hidden", "late.allow"),
        ("lint.unknown-tool", "bad.name"),
        ("lint.never-matches", "wrong.tool"),
        ("lint.never-matches", "bad.path"),
        ("lint.unknown-override", "bad.lift"),
        ("lint.idle-override", "idle.lift"),
        ("lint.ambiguous-pattern", "two.ways"),
        ("lint.never-matches", "dot.path"),
        ("lint.never-matches", "no.text"),
        ("lint.duplicate-id", "late.allow"),
        ("lint.no-id", ""),
        ("lint.no-tests", ""),
    ] {
        assert!(found.iter().any(|(i, r)| *i == id && r == rule), "{id} {rule}: {found:#?}");
    }
    assert!(found.iter().all(|(id, _)| FINDINGS.iter().any(|(known, _)| known == id)));
}

#[test]
fn a_rule_that_fails_its_own_examples_is_an_error_with_its_line() {
    let text = rule(
        "a.b",
        "tool = \"Bash\"\ndecision = \"deny\"\ncommandPatterns = [\"x\"]\nmatches = [\"y\"]",
    );
    let found = findings(&[read(Tier::User, &text)]);
    let broken = found.iter().find(|f| f.id == "lint.unusable-rule").expect("a finding");
    assert_eq!((broken.level, broken.source.line), (Level::Error, Some(1)));
}

#[test]
fn an_allow_that_another_tier_always_denies_is_found_unless_something_may_speak_first() {
    let allow = rule(
        "own.push",
        "tool = \"Bash\"\ndecision = \"allow\"\ncommandPatterns = [\"git push origin*\"]",
    );
    let deny =
        rule("no.push", "tool = \"Bash\"\ndecision = \"deny\"\ncommandPatterns = [\"git push *\"]");
    let milder =
        rule("some.ask", "tool = \"Bash\"\ndecision = \"ask\"\ncommandPatterns = [\"git*\"]");
    let outranked = |sealed: &str| {
        let found = findings(&[read(Tier::User, &allow), read(Tier::Enterprise, sealed)]);
        found.iter().any(|f| f.id == "lint.outranked" && f.rule.as_deref() == Some("own.push"))
    };
    assert!(outranked(&deny));
    assert!(!outranked(&[milder, deny.clone()].concat()), "the ask speaks first");
    assert!(!outranked(&deny.replace("git push *", "git push origin main")));
}

// ---- what is called unreachable decides nothing -------------------------------------------

fn command_pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        "(a|b|ab|rm)( (x|y|-f|xy)){0,2}( ?\\*)?",
        "(a|b) [xy]?\\*( z)?",
        "\\^(a|b)( x)?\\$?",
        "(a|b)\\.\\*",
        Just("*".to_owned()),
    ]
}

fn path_pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        "(\\./)?(s|s/t|src)(/\\*\\*|/\\*|/u)?",
        "~/(n|n/m)(/\\*\\*)?",
        "/(opt|opt/q)(/\\*\\*)?",
        Just("*.pem".to_owned()),
        Just("**/k".to_owned()),
        Just("./**".to_owned()),
    ]
}

fn one_rule() -> impl Strategy<Value = String> {
    let decision = prop::sample::select(vec!["allow", "ask", "deny"]);
    let commands = (prop::collection::vec(command_pattern(), 1..3), decision.clone()).prop_map(
        |(patterns, decision)| {
            let tool = if patterns.len() == 2 { "*" } else { "Bash" };
            format!("tool = \"{tool}\"\ndecision = \"{decision}\"\ncommandPatterns = {patterns:?}")
        },
    );
    let paths = (
        prop::sample::select(vec!["Read", "Write", "*", "Bash"]),
        prop::collection::vec(path_pattern(), 1..3),
        decision.clone(),
    )
        .prop_map(|(tool, patterns, decision)| {
            format!("tool = \"{tool}\"\ndecision = \"{decision}\"\npathPatterns = {patterns:?}")
        });
    let tools = [
        "Bash",
        "Read",
        "Write",
        "*",
        "Bash(a:*)",
        "Bash(a x:*)",
        "Bash(b x*)",
        "Read(s/**)",
        "mcp__srv",
        "mcp__srv__t",
    ];
    let compact = (prop::sample::select(tools.to_vec()), decision)
        .prop_map(|(tool, decision)| format!("tool = \"{tool}\"\ndecision = \"{decision}\""));
    prop_oneof![3 => commands, 3 => paths, 3 => compact]
}

fn list() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(one_rule(), 1..5)
}

fn call() -> impl Strategy<Value = (bool, String)> {
    let word = prop::sample::select(vec![
        "x", "y", "xy", "-f", "z", "s/u", "s/t/v", "./src", "~/n/m", "/opt/q", "*", "s*/u",
        "\"$v\"", "k.pem", "$(b x)", "~/n/*", "?/t",
    ]);
    let program = prop::sample::select(vec![
        "a",
        "b",
        "ab",
        "cat",
        "rm",
        "rm -r",
        "grep -r",
        "/usr/bin/a",
        "./a",
        "$p",
        "sudo a",
    ]);
    let line = (
        program,
        prop::collection::vec(word, 0..3),
        prop::sample::select(vec!["", " | a x", " > s/u", "; b x y", " >> ~/n/o"]),
    )
        .prop_map(|(program, words, rest)| (true, format!("{program} {}{rest}", words.join(" "))));
    let path = prop::sample::select(vec![
        "s/u", "s", "src", "k.pem", "~/n/m", "~/n", "/opt/q/r", "/opt", "deep/k", "k",
    ]);
    prop_oneof![3 => line, 1 => path.prop_map(|path| (false, path.to_owned()))]
}

fn judged(rules: &RuleSet, (is_command, text): &(bool, String)) -> Vec<Judgement> {
    if *is_command {
        return vec![evaluate(rules, &bash_facts(text))];
    }
    ["Read", "Write", "Grep", "mcp__srv__t"]
        .iter()
        .map(|tool| evaluate(rules, &path_facts(tool, text)))
        .collect()
}

fn named(list: &[String], tier: &str) -> String {
    let rules = list.iter().enumerate();
    rules.map(|(at, text)| rule(&format!("{tier}.r{at}"), text)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// No generated call is decided by a rule that is called hidden or outranked, and a hidden
    /// one does not even speak.
    #[test]
    fn what_is_called_unreachable_decides_no_call(
        user in list(), sealed in list(), calls in prop::collection::vec(call(), 16),
    ) {
        let files = [
            read(Tier::User, &named(&user, "u")),
            read(Tier::Enterprise, &named(&sealed, "e")),
        ];
        let found = findings(&files);
        let layers: Vec<PermissionLayer> = files.iter().filter_map(|f| f.block.clone()).collect();
        let places = Anchors { workspace: workspace(), home: Some(home()) };
        let Ok(rules) = compile(&layers, places) else { return Ok(()) };
        let silent = |wanted: &str| -> Vec<String> {
            let of = found.iter().filter(|f| f.id == wanted);
            of.filter_map(|f| f.rule.clone()).collect()
        };
        let (hidden, outranked) = (silent("lint.hidden"), silent("lint.outranked"));
        for call in &calls {
            for judgement in judged(&rules, call) {
                if let Some(rule) = &judgement.rule {
                    prop_assert!(!outranked.contains(&rule.id), "{} decides {call:?}", rule.id);
                }
                for step in judgement.trace.iter().filter_map(|step| step.origin.as_ref()) {
                    prop_assert!(!hidden.contains(&step.id), "{} speaks of {call:?}", step.id);
                }
            }
        }
    }
}

#[test]
fn the_generator_of_the_property_makes_rules_that_are_hidden_and_outranked() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut hidden, mut outranked) = (0, 0);
    for _ in 0..200 {
        let user = list().new_tree(&mut runner).unwrap().current();
        let sealed = list().new_tree(&mut runner).unwrap().current();
        let found = findings(&[
            read(Tier::User, &named(&user, "u")),
            read(Tier::Enterprise, &named(&sealed, "e")),
        ]);
        hidden += found.iter().filter(|f| f.id == "lint.hidden").count();
        outranked += found.iter().filter(|f| f.id == "lint.outranked").count();
    }
    assert!(hidden >= 30 && outranked >= 5, "{hidden} hidden, {outranked} outranked");
}

#[test]
fn a_rule_whose_date_has_passed_is_pointed_out() {
    let old = "tool = \"Bash\"\ndecision = \"allow\"\ncommandPatterns = [\"frob\"]\nexpires = ";
    let found = about(&rule("old.allow", &format!("{old}\"2020-01-01\"")));
    assert!(found.contains(&("lint.expired", "old.allow".to_owned())), "{found:?}");
    let found = about(&rule("new.allow", &format!("{old}\"2900-01-01\"")));
    assert!(!found.iter().any(|(id, _)| *id == "lint.expired"), "{found:?}");
}
