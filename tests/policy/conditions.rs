//! The conditions of a rule, each asked from both sides: what an allow must not take, and what a
//! deny must not miss.

use super::reader::{anchors, bash, bash_facts, compiled, facts, layer, path_facts};
use Decision::{Allow, Ask, Deny};
use ion::config::read_permissions;
use ion::model::{Decision, Effects, Tier};
use ion::policy::{Annotations, Basis, CallFacts, Moment, RuleSet, evaluate};

/// One rule of a user below mode `ask`.
fn one(decision: &str, tool: &str, conditions: &str) -> RuleSet {
    let toml = format!(
        "[permissions]\nmode = \"ask\"\n[[permissions.rules]]\nid = \"t\"\ntool = \"{tool}\"\ndecision = \"{decision}\"\n{conditions}\n"
    );
    compiled(&[layer(&toml, Tier::User, "u")])
}

fn judged(rules: &RuleSet, facts: &CallFacts) -> Decision {
    evaluate(rules, facts).decision
}

/// What a line comes to under one rule, by its decision.
fn line(conditions: &str, command: &str) -> (bool, bool) {
    // A program that is named by its path is a path that is read, too.
    let read = "\n[[permissions.rules]]\ntool = \"Read\"\ndecision = \"allow\"";
    let conditions = format!("{conditions}{read}");
    let allows = bash(&one("allow", "Bash", &conditions), command).decision == Allow;
    let denies = bash(&one("deny", "Bash", &conditions), command).decision == Deny;
    (allows, denies)
}

const BOTH: (bool, bool) = (true, true);
const NEITHER: (bool, bool) = (false, false);
const DENIES: (bool, bool) = (false, true);

#[test]
fn a_program_is_its_base_name_and_a_copy_elsewhere_inherits_denials_alone() {
    for (conditions, command, expected) in [
        ("programs = [\"frob\", \"grob\"]", "grob x", BOTH),
        ("programs = [\"frob\"]", "/usr/bin/frob x", BOTH),
        ("programs = [\"frob\"]", "/tmp/frob x", DENIES),
        ("programs = [\"frob\"]", "./frob x", DENIES),
        ("programs = [\"frob\"]", "grob frob", NEITHER),
        ("programs = [\"frob\"]", "timeout 5 frob x", BOTH),
        ("programs = [\"frob\"]", "'fr'ob x", BOTH),
        ("programs = [\"/opt/t/frob\"]", "/opt/t/frob x", BOTH),
        ("programs = [\"/opt/t/frob\"]", "frob x", DENIES),
        ("programs = [\"/opt/t/frob\"]", "grob", NEITHER),
    ] {
        assert_eq!(line(conditions, command), expected, "{conditions} {command}");
    }
}

#[test]
fn argv_is_matched_on_the_unwrapped_command() {
    for (conditions, command, expected) in [
        ("argv = [\"frob\", \"[push|pull]\", \"**\"]", "frob push x y", BOTH),
        ("argv = [\"frob\", \"[push|pull]\", \"**\"]", "frob pushx", NEITHER),
        ("argv = [\"frob\", \"*\"]", "frob a", BOTH),
        ("argv = [\"frob\", \"*\"]", "frob a b", NEITHER),
        ("argv = [\"frob\", \"production\"]", "frob \"$x\"", DENIES),
        ("argv = [\"frob\", \"production\"]", "frob prod*", DENIES),
        ("argv = [\"frob\", \"a\", \"b\"]", "frob $x", DENIES),
        ("argv = [\"frob\"]", "frob $x", DENIES),
        ("argv = [\"frob\", \"**\"]", "frob $x", BOTH),
        ("argv = [\"frob\", \"production\"]", "bash -c 'frob production'", BOTH),
        ("argv = [\"frob\"]", "echo x | xargs frob", DENIES),
    ] {
        let found = line(conditions, command);
        assert_eq!(found.1, expected.1, "deny {conditions} {command}");
        assert!(!found.0 || expected.0, "allow {conditions} {command}");
    }
}

#[test]
fn an_option_in_any_spelling_restricts_and_only_a_sure_one_permits() {
    let any = "programs = [\"frob\"]\nflags = { anyOf = [\"--recursive\", \"-r\"] }";
    for (command, expected) in [
        ("frob -r x", BOTH),
        ("frob -rf x", BOTH),
        ("frob -fr x", DENIES),
        ("frob --recurs x", DENIES),
        ("frob $x", DENIES),
        ("frob x", NEITHER),
    ] {
        assert_eq!(line(any, command), expected, "{command}");
    }
    let none = "programs = [\"frob\"]\nflags = { none_of = [\"--force\"] }";
    for (command, expected) in
        [("frob x", BOTH), ("frob --force", NEITHER), ("frob --forc", DENIES), ("frob $x", DENIES)]
    {
        assert_eq!(line(none, command), expected, "{command}");
    }
}

#[test]
fn read_and_write_are_about_every_path_of_commands_and_file_tools() {
    let deny = one("deny", "*", "read = [\"secret/**\"]\nwrite = [\"out/**\"]");
    for command in [
        "cat secret/a",
        "cat src/../secret/a",
        "echo x > out/y",
        "cp a out/",
        "cat s?cret/a",
        "grep -r x .",
    ] {
        assert_eq!(bash(&deny, command).decision, Deny, "{command}");
    }
    for command in ["echo x > secret/a2", "cat out/y"] {
        assert_ne!(bash(&deny, command).decision, Deny, "{command}");
    }
    for (tool, path, expected) in [
        ("Read", "secret/a", Deny),
        ("Grep", "secret", Deny),
        ("Write", "out/a", Deny),
        ("Edit", "out/a", Deny),
        ("Read", "out/a", Ask),
        ("Write", "secret/a", Ask),
    ] {
        assert_eq!(judged(&deny, &path_facts(tool, path)), expected, "{tool} {path}");
    }
    let allow = one(
        "allow",
        "Bash",
        "programs = [\"cp\", \"cat\", \"grep\"]\nread = [\"src/**\"]\nwrite = [\"out/**\"]",
    );
    for (command, expected) in [
        ("cp src/a out/b", Allow),
        ("cp src/a src/b", Ask),
        ("cp lib/a out/b", Ask),
        ("cat src/a src/b", Allow),
        ("cat src/a lib/b", Ask),
        ("cat src/a \"$x\"", Ask),
        ("cat src/a > out/b", Allow),
        ("cat src/a > lib/b", Ask),
        ("grep -r x src", Allow),
        ("grep -r x .", Ask),
        ("cat src/*", Ask),
    ] {
        assert_eq!(bash(&allow, command).decision, expected, "{command}");
    }
    let with_program =
        one("deny", "Bash", "programs = [\"cat\", \"grep\"]\nread = [\"secret/**\"]");
    for command in ["cat s?cret/a", "cat \"$x\"", "grep -r x .", "cd secret && cat a"] {
        assert_eq!(bash(&with_program, command).decision, Deny, "{command}");
    }
    assert_eq!(bash(&with_program, "head s?cret/a").decision, Ask);
    let reads = one("allow", "Bash", "read = [\"./**\"]");
    assert_eq!(bash(&reads, "frob src/a").decision, Allow);
    assert_eq!(bash(&reads, "cp src/a src/b").decision, Ask, "an allow to read is none to write");
    assert_eq!(bash(&reads, "frob").decision, Ask, "it names no path at all");
}

fn hosts_of(list: &[&str]) -> CallFacts {
    let mut facts = facts("WebFetch");
    facts.hosts = list.iter().map(|host| (*host).to_owned()).collect();
    facts
}

#[test]
fn hosts_are_names_domains_ports_and_ranges() {
    for (wanted, host, expected) in [
        ("example.org", "example.org", BOTH),
        ("example.org", "docs.example.org", NEITHER),
        ("*.example.org", "docs.example.org", BOTH),
        ("*.example.org", "example.org", NEITHER),
        ("*.example.org", "evilexample.org", NEITHER),
        ("example.org:443", "example.org:443", BOTH),
        ("example.org:443", "example.org:80", NEITHER),
        ("example.org:443", "example.org", DENIES),
        ("169.254.0.0/16", "0xa9fea9fe", BOTH),
        ("10.0.0.0/8", "11.0.0.1", NEITHER),
    ] {
        let conditions = format!("hosts = [\"{wanted}\"]");
        let allows = judged(&one("allow", "WebFetch", &conditions), &hosts_of(&[host])) == Allow;
        let denies = judged(&one("deny", "WebFetch", &conditions), &hosts_of(&[host])) == Deny;
        assert_eq!((allows, denies), expected, "{wanted} {host}");
    }
    let allow = one("allow", "WebFetch", "hosts = [\"a.example\"]");
    assert_eq!(judged(&allow, &hosts_of(&["a.example", "b.example"])), Ask, "all must fit");
    assert_eq!(judged(&allow, &hosts_of(&[])), Ask, "none is known");
    assert_eq!(judged(&one("deny", "WebFetch", "hosts = [\"*\"]"), &hosts_of(&["x"])), Deny);
}

#[test]
fn an_allow_for_every_host_is_refused() {
    let toml = "[permissions]\n[[permissions.rules]]\ntool = \"WebFetch\"\ndecision = \"allow\"\nhosts = [\"*\"]\n";
    let error = ion::policy::compile(&[layer(toml, Tier::User, "u")], anchors()).unwrap_err();
    assert!(error.to_string().contains("u.toml:2"), "{error}");
}

#[test]
fn the_hosts_of_a_command_count_and_an_unknown_one_restricts() {
    let with = |hosts: &[&str], unknown| {
        let mut facts = bash_facts("frob x");
        let unit = &mut facts.command.as_mut().unwrap().units[0];
        unit.hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        unit.unknown_host = unknown;
        facts
    };
    let (allow, deny) = (
        one("allow", "Bash", "hosts = [\"a.example\"]"),
        one("deny", "Bash", "hosts = [\"a.example\"]"),
    );
    assert_eq!(judged(&allow, &with(&["a.example:443"], false)), Allow);
    assert_eq!(judged(&allow, &with(&["a.example"], true)), Ask);
    assert_eq!(judged(&allow, &with(&["a.example", "b.example"], false)), Ask);
    assert_eq!(judged(&allow, &with(&[], false)), Ask);
    assert_eq!(judged(&deny, &with(&["b.example", "a.example"], false)), Deny);
    assert_eq!(judged(&deny, &with(&[], true)), Deny);
    assert_eq!(judged(&deny, &with(&["b.example"], false)), Ask);
}

#[test]
fn a_denied_host_is_found_beside_a_path() {
    let deny = one("deny", "*", "hosts = [\"evil.example\"]");
    let mut facts = path_facts("mcp__files__fetch", "out/x");
    facts.hosts = vec!["evil.example".to_owned()];
    assert_eq!(judged(&deny, &facts), Deny);
}

#[test]
fn variables_set_for_a_command_can_be_denied_by_name() {
    for (command, expected) in [
        ("LD_PRELOAD=x frob", DENIES),
        ("export LD_AUDIT=x", DENIES),
        ("RUST_LOG=x frob", NEITHER),
        ("frob", NEITHER),
    ] {
        assert_eq!(line("env = [\"LD_*\"]", command).1, expected.1, "{command}");
    }
    let allow = "programs = [\"frob\"]\nenv = [\"RUST_LOG\"]";
    assert!(line(allow, "RUST_LOG=x frob").0);
    assert!(!line(allow, "RUST_LOG=x FOO=y frob").0);
}

#[test]
fn effects_restrict_what_can_and_permit_what_can_nothing_else() {
    let network = Effects { network: true, ..Effects::READS };
    for (effects, listed, expected) in [
        (Some(network), "[\"network\"]", DENIES),
        (Some(network), "[\"network\", \"reads\"]", BOTH),
        (Some(Effects::READS), "[\"reads\"]", BOTH),
        (Some(Effects::READS), "[\"writes\"]", NEITHER),
        (Some(Effects::WRITES), "[\"reads\"]", DENIES),
        (None, "[\"reads\", \"writes\", \"executes\", \"network\"]", DENIES),
    ] {
        let facts = CallFacts { effects, ..facts("Frob") };
        let conditions = format!("effects = {listed}");
        let allows = judged(&one("allow", "Frob", &conditions), &facts) == Allow;
        let denies = judged(&one("deny", "Frob", &conditions), &facts) == Deny;
        assert_eq!((allows, denies), expected, "{effects:?} {listed}");
    }
}

#[test]
fn hints_of_a_server_must_be_given_to_permit() {
    let conditions = "annotations = { readOnly = true }";
    for (read_only, expected) in [(Some(true), BOTH), (Some(false), NEITHER), (None, DENIES)] {
        let mut facts = facts("mcp__git__log");
        facts.circumstances.annotations = Annotations { read_only, ..Annotations::default() };
        let allows = judged(&one("allow", "mcp__git", conditions), &facts) == Allow;
        let denies = judged(&one("deny", "mcp__git", conditions), &facts) == Deny;
        assert_eq!((allows, denies), expected, "{read_only:?}");
    }
    let own = CallFacts { effects: Some(Effects::READS), ..facts("Look") };
    assert_eq!(judged(&one("allow", "Look", conditions), &own), Allow, "Ion knows its own tools");
}

fn around(change: impl Fn(&mut ion::policy::Circumstances)) -> CallFacts {
    let mut facts = bash_facts("frob x");
    change(&mut facts.circumstances);
    facts
}

/// Asserts that `yes` makes the condition hold, `no` does not, and nothing known restricts.
fn tests_surroundings(
    when: &str,
    yes: impl Fn(&mut ion::policy::Circumstances),
    no: impl Fn(&mut ion::policy::Circumstances),
) {
    let (allow, deny) = (one("allow", "Bash", when), one("deny", "Bash", when));
    let of = |facts: &CallFacts| (judged(&allow, facts) == Allow, judged(&deny, facts) == Deny);
    assert_eq!(of(&around(yes)), BOTH, "{when} yes");
    assert_eq!(of(&around(no)), NEITHER, "{when} no");
    assert_eq!(of(&around(|_| ())), DENIES, "{when} unknown");
}

fn at(weekday: u8, minute_of_day: u16) -> Option<Moment> {
    Some(Moment { unix_seconds: 1_000_000, weekday, minute_of_day })
}

#[test]
fn every_surrounding_restricts_when_it_is_not_known() {
    tests_surroundings(
        "when = { headless = true }",
        |c| c.interactive = Some(false),
        |c| c.interactive = Some(true),
    );
    tests_surroundings(
        "when = { interactive = true }",
        |c| c.interactive = Some(true),
        |c| c.interactive = Some(false),
    );
    tests_surroundings(
        "when = { agent = \"main/**\" }",
        |c| c.agent = Some("main/a/b".into()),
        |c| c.agent = Some("main".into()),
    );
    tests_surroundings(
        "when = { agent = \"main/*\" }",
        |c| c.agent = Some("main/a".into()),
        |c| c.agent = Some("main/a/b".into()),
    );
    tests_surroundings("when = { minDepth = 1 }", |c| c.depth = Some(1), |c| c.depth = Some(0));
    tests_surroundings("when = { maxDepth = 0 }", |c| c.depth = Some(0), |c| c.depth = Some(1));
    tests_surroundings(
        "when = { hours = \"08:00-18:00\" }",
        |c| c.moment = at(0, 8 * 60),
        |c| c.moment = at(0, 18 * 60),
    );
    tests_surroundings(
        "when = { hours = \"22:00-06:00\" }",
        |c| c.moment = at(0, 60),
        |c| c.moment = at(0, 12 * 60),
    );
    tests_surroundings(
        "when = { days = [\"sat\", \"sun\"] }",
        |c| c.moment = at(5, 0),
        |c| c.moment = at(4, 0),
    );
    tests_surroundings(
        "when = { users = [\"ci\"] }",
        |c| c.user = Some("ci".into()),
        |c| c.user = Some("me".into()),
    );
    tests_surroundings(
        "when = { groups = [\"ops\"] }",
        |c| c.groups = Some(vec!["a".into(), "ops".into()]),
        |c| c.groups = Some(vec![]),
    );
    tests_surroundings(
        "when = { untrusted = false }",
        |c| c.untrusted = Some(vec![]),
        |c| c.untrusted = Some(vec!["web x".into()]),
    );
    tests_surroundings(
        "expires = \"2027-01-31\"",
        |c| c.moment = at(0, 0),
        |c| {
            c.moment = Some(Moment { unix_seconds: 4_000_000_000, weekday: 0, minute_of_day: 0 });
        },
    );
}

#[test]
fn a_rule_can_be_about_a_folder() {
    let deny = one("deny", "Bash", "when = { cwd = \"deploy/**\" }");
    let mut facts = bash_facts("frob x");
    assert_eq!(judged(&deny, &facts), Ask);
    facts.cwd = super::reader::workspace().join("deploy/prod").unwrap();
    assert_eq!(judged(&deny, &facts), Deny);
}

#[test]
fn conditions_are_joined_by_and() {
    let conditions =
        "programs = [\"frob\"]\nflags = { anyOf = [\"-r\"] }\nwhen = { headless = true }";
    let deny = one("deny", "Bash", conditions);
    let of = |command: &str, interactive| {
        let mut facts = bash_facts(command);
        facts.circumstances.interactive = Some(interactive);
        judged(&deny, &facts)
    };
    assert_eq!(of("frob -r", false), Deny);
    assert_eq!(of("frob -r", true), Ask);
    assert_eq!(of("frob", false), Ask);
    assert_eq!(of("grob -r", false), Ask);
}

#[test]
fn an_expired_rule_does_nothing_unless_it_is_a_sealed_restriction() {
    let rule = |tier, decision: &str| {
        let toml = format!(
            "[permissions]\nmode = \"ask\"\n[[permissions.rules]]\ntool = \"Bash\"\ndecision = \"{decision}\"\nexpires = 2020-01-01\n"
        );
        compiled(&[
            layer("[permissions]\nmode = \"ask\"\n", Tier::User, "u"),
            layer(&toml, tier, "r"),
        ])
    };
    let facts = around(|c| {
        c.moment = Some(Moment { unix_seconds: 1_800_000_000, weekday: 0, minute_of_day: 0 })
    });
    assert_eq!(judged(&rule(Tier::User, "allow"), &facts), Ask);
    assert_eq!(judged(&rule(Tier::User, "deny"), &facts), Ask);
    assert_eq!(judged(&rule(Tier::Enterprise, "deny"), &facts), Deny);
    let told = rule(Tier::Enterprise, "deny").expired(1_800_000_000);
    assert!(told.len() == 1 && told[0].message.contains("goes on"), "{told:?}");
    assert!(rule(Tier::User, "deny").expired(0).is_empty());
}

#[test]
fn a_reported_rule_is_traced_and_changes_nothing() {
    for decision in ["allow", "ask", "deny"] {
        let toml = format!(
            "[permissions]\nmode = \"ask\"\n[[permissions.rules]]\nid = \"trial\"\ntool = \"Bash\"\ndecision = \"{decision}\"\nenforce = \"report\"\noverrides = [\"untrusted-content\"]\n[[permissions.rules]]\ntool = \"Bash\"\ndecision = \"allow\"\ncommandPatterns = [\"frob *\"]\n"
        );
        let rules = compiled(&[layer(&toml, Tier::User, "u")]);
        let judged = bash(&rules, "frob x");
        assert_eq!(judged.decision, Allow, "{decision}");
        let step = judged.trace.iter().find(|step| step.basis == Basis::Report).unwrap();
        assert!(step.reason.starts_with(&format!("would {decision}")), "{}", step.reason);
        assert_eq!(bash(&rules, "grob x").decision, Ask, "{decision}");
    }
    let sealed = "[permissions]\n[[permissions.rules]]\ntool = \"Bash\"\ndecision = \"deny\"\nenforce = \"report\"\n";
    assert!(read_permissions(Tier::Enterprise, "e.toml", sealed).is_err());
}

#[test]
fn examples_are_checked_in_every_form_and_spelling() {
    let rule = |examples: &str| {
        let toml = format!(
            "[permissions]\n[[permissions.rules]]\nid = \"x\"\ntool = \"*\"\ndecision = \"deny\"\n{examples}\n"
        );
        ion::policy::compile(&[layer(&toml, Tier::User, "u")], anchors()).map(drop)
    };
    for good in [
        "argv = [\"frob\", \"**\"]\nmatch = [\"frob x\"]\nnot_match = [\"grob\"]",
        "programs = [\"frob\"]\nwhen = { headless = true }\nmatches = [\"frob\"]",
        "write = [\"out/**\"]\nmatches = [{ tool = \"Write\", path = \"out/x\" }, { tool = \"Bash\", command = \"echo > out/x\" }]\nrejects = [{ tool = \"Read\", path = \"out/x\", access = \"read\" }]",
        "hosts = [\"*.example.org\"]\nmatches = [{ tool = \"WebFetch\", url = \"https://a.example.org/x\" }]\nrejects = [{ tool = \"WebFetch\", host = \"example.org\" }]",
    ] {
        rule(good).unwrap_or_else(|e| panic!("{good}: {e}"));
    }
    for bad in [
        "argv = [\"frob\", \"**\"]\nmatch = [\"grob x\"]",
        "argv = [\"frob\", \"**\"]\nnot_match = [\"frob\"]",
        "write = [\"out/**\"]\nmatches = [{ tool = \"Write\", path = \"src/x\" }]",
        "hosts = [\"*.example.org\"]\nmatches = [{ tool = \"WebFetch\", url = \"https://u@example.org/\" }]",
    ] {
        let error = rule(bad).expect_err(bad);
        assert!(error.to_string().contains("u.toml:2"), "{error}");
    }
}

#[test]
fn a_stopped_call_says_where_to_read_more() {
    let judged = bash(&one("deny", "Bash", "url = \"https://policy.example/frob\""), "frob");
    assert_eq!(judged.url.as_deref(), Some("https://policy.example/frob"));
}

#[test]
fn an_id_names_one_rule_of_a_tier() {
    let rule = |file: &str, tier| {
        layer(
            "[permissions]\n[[permissions.rules]]\nid = \"a.b\"\ntool = \"Bash\"\ndecision = \"deny\"\n",
            tier,
            file,
        )
    };
    let compile = |layers: &[_]| ion::policy::compile(layers, anchors());
    let error = compile(&[rule("one", Tier::User), rule("two", Tier::User)]).unwrap_err();
    assert!(
        error.to_string().contains("one.toml:2") && error.to_string().contains("two.toml:2"),
        "{error}"
    );
    assert!(compile(&[rule("one", Tier::User), rule("two", Tier::Project)]).is_ok());
}
