//! What a file says in `permissions`, from the file to the block that policy compiles.

use super::world::World;
use ion::config::read_permissions;
use ion::config::schema::permissions::{Example, PermissionLayer};
use ion::model::{Decision, Tier};

fn of(layers: &[PermissionLayer], tier: Tier) -> &PermissionLayer {
    layers.iter().find(|layer| layer.tier == tier).unwrap()
}

#[test]
fn json_and_toml_say_the_same_conditions() {
    let json = r#"{"permissions": {"rules": [{
        "id": "a", "tool": "Bash", "decision": "deny", "programs": ["git"], "argv": ["git", "**"],
        "flags": {"anyOf": ["-f"], "none_of": ["-n"]}, "read": ["a"], "write": ["b"],
        "hosts": ["*.c"], "env": ["D_*"], "effects": ["network"],
        "annotations": {"readOnly": true, "openWorld": false},
        "when": {"headless": true, "agent": "main", "minDepth": 1, "maxDepth": 2,
                 "hours": "08:00-18:00", "days": ["mon", "sun"], "users": ["u"], "groups": ["g"],
                 "untrusted": true, "cwd": "./**"},
        "expires": "2027-01-31", "enforce": "report", "url": "https://x.example",
        "match": ["git x", {"tool": "Bash", "command": "git y"}]}]}}"#;
    let toml = r#"
[[permissions.rules]]
id = "a"
tool = "Bash"
decision = "deny"
programs = ["git"]
argv = ["git", "**"]
flags = { any_of = ["-f"], noneOf = ["-n"] }
read = ["a"]
write = ["b"]
hosts = ["*.c"]
env = ["D_*"]
effects = ["network"]
annotations = { readOnly = true, openWorld = false }
expires = 2027-01-31
enforce = "report"
url = "https://x.example"
matches = ["git x", { tool = "Bash", command = "git y" }]
[permissions.rules.when]
interactive = false
agent = "main"
minDepth = 1
maxDepth = 2
hours = "08:00-18:00"
days = ["mon", "sun"]
users = ["u"]
groups = ["g"]
untrusted = true
cwd = "./**"
"#;
    let one = read_permissions(Tier::User, "a.json", json).unwrap();
    let two = read_permissions(Tier::User, "a.toml", toml).unwrap();
    assert_eq!(one.rules[0].value, two.rules[0].value);
    let rule = &one.rules[0].value;
    assert_eq!(rule.when.days.as_deref(), Some(&[0, 6][..]));
    assert_eq!(rule.when.hours, Some((480, 1080)));
    assert_eq!(rule.expires, Some(1_801_440_000), "2027-02-01T00:00:00Z");
    assert!(
        rule.report && matches!(&rule.matches[1], Example::Call(call) if call.command.is_some())
    );
}

#[test]
fn an_unknown_key_inside_a_condition_names_the_nearest_one() {
    let text = "{\"permissions\": {\"rules\": [\n{\"tool\": \"Bash\", \"decision\": \"deny\", \"when\": {\"headles\": true}}]}}";
    let report = World::new().user(text).load().unwrap_err().render();
    assert!(
        report.contains("engine.json:2") && report.contains("did you mean `headless`?"),
        "{report}"
    );
    assert!(report.contains("permissions.rules[0].when.headles"), "{report}");
}

const SEALED_ONLY: [&str; 5] = [
    "allowManagedRulesOnly",
    "exclusiveAllow",
    "disableBypassModes",
    "allowHooks",
    "allowClassifier",
];

#[test]
fn a_switch_of_the_sealed_tier_is_an_error_anywhere_else() {
    for name in SEALED_ONLY {
        for value in [true, false] {
            let text = format!("{{\"permissions\": {{\n\"{name}\": {value}}}}}");
            assert!(World::new().sealed(&text).load().is_ok(), "{text}");
            for world in [World::new().user(&text), World::new().project(&text)] {
                let report = world.load().unwrap_err().render();
                assert!(report.contains("only the sealed tier can set this"), "{report}");
                assert!(report.contains("engine.json:2"), "{report}");
            }
        }
    }
}

#[test]
fn a_bypass_that_the_sealed_tier_forbids_stops_the_start_and_names_the_line() {
    let seal = "{\"permissions\": {\n\"disableBypassModes\": true}}";
    let mut typed = World::new().sealed(seal);
    typed.flags.profile = Some("permissive".into());
    for world in [
        World::new().sealed(seal).user(r#"{"permissions": {"mode": "allow"}}"#),
        World::new().sealed(seal).user(r#"{"profile": "permissive"}"#),
        typed,
    ] {
        let report = world.load().unwrap_err().render();
        assert!(report.contains("permissions.disableBypassModes"), "{report}");
        assert!(report.contains("config.json:2"), "{report}");
    }
    let fine = World::new().sealed(seal).user(r#"{"permissions": {"mode": "deny"}}"#);
    assert!(fine.load().is_ok());
    let off = World::new().sealed(r#"{"permissions": {"disableBypassModes": false}}"#);
    assert!(off.user(r#"{"permissions": {"mode": "allow"}}"#).load().is_ok());
    // A stranger's wish is ignored; it must not be able to stop the start.
    let stranger = World::new().sealed(seal).project(r#"{"permissions": {"mode": "allow"}}"#);
    assert!(stranger.load().is_ok());
}

#[test]
fn a_further_source_can_forbid_a_bypass_and_lift_nothing() {
    let world = World::new().sealed(r#"{"permissions": {"allowHooks": false}}"#);
    let further = world.home.write("further.json", r#"{"permissions": {"allowHooks": true, "untrustedContent": "off", "tierRules": {"A": "allow", "B": "deny"}}}"#);
    let world = world.variable("ION_ENTERPRISE_CONFIG", &further.display().to_string());
    let loaded = world.loaded();
    let blocks: Vec<&PermissionLayer> =
        loaded.effective.permissions.iter().filter(|l| l.tier == Tier::Enterprise).collect();
    assert!(blocks.iter().any(|l| l.allow_hooks.as_ref().is_some_and(|allowed| !allowed.value)));
    let further = blocks.iter().find(|l| l.tighten_only).unwrap();
    assert!(further.allow_hooks.is_none() && further.untrusted_rise.is_none());
    let labels: Vec<&str> = further.tier_rules.iter().map(|t| t.value.0.as_str()).collect();
    assert_eq!(labels, ["B"]);
}

#[test]
fn tier_rules_of_every_tier_are_kept_with_their_lines() {
    let loaded = World::new()
        .user(
            "{\"permissions\": {\"tierRules\": {\n\"SAFE\": \"allow\",\n\"My label\": \"deny\"}}}",
        )
        .sealed(r#"{"permissions": {"tierRules": {"SAFE": "ask"}}}"#)
        .loaded();
    let user = of(&loaded.effective.permissions, Tier::User);
    let labels: Vec<(&str, Decision, Option<u32>)> =
        user.tier_rules.iter().map(|t| (t.value.0.as_str(), t.value.1, t.source.line)).collect();
    assert_eq!(labels, [("My label", Decision::Deny, Some(3)), ("SAFE", Decision::Allow, Some(2))]);
    assert_eq!(of(&loaded.effective.permissions, Tier::Enterprise).tier_rules.len(), 1);
    assert!(loaded.accepted_unused.is_empty(), "{:?}", loaded.accepted_unused);
}

#[test]
fn a_strangers_tier_rules_and_switches_only_tighten() {
    let loaded = World::new()
        .project(r#"{"permissions": {"tierRules": {"A": "allow", "B": "ask"}, "untrustedContent": "off"}}"#)
        .loaded();
    let project = of(&loaded.effective.permissions, Tier::Project);
    assert!(project.tighten_only && project.untrusted_rise.is_none());
    let labels: Vec<&str> = project.tier_rules.iter().map(|t| t.value.0.as_str()).collect();
    assert_eq!(labels, ["B"]);
    let ignored = loaded.project.ignored.join(", ");
    assert!(ignored.contains("permissions.tierRules.A (allow)"), "{ignored}");
}

#[test]
fn x1_patterns_and_deny_paths_of_the_sealed_tier_reach_the_policy() {
    let loaded = World::new()
        .sealed(r#"{"permissions": {"dangerousPatterns": ["a"]}, "sandbox": {"additionalDangerousPatterns": ["b"], "additionalDenyPaths": ["/srv/keys"]}}"#)
        .loaded();
    let sealed = of(&loaded.effective.permissions, Tier::Enterprise);
    let patterns: Vec<&str> =
        sealed.dangerous_patterns.iter().map(|d| d.value.pattern.as_str()).collect();
    assert_eq!(patterns, ["a", "b"]);
    assert!(loaded.effective.sandbox.hide.iter().any(|path| path.to_string() == "/srv/keys"));
}

#[test]
fn x2_a_project_block_never_replaces_the_users() {
    let world = World::new()
        .user(r#"{"permissions": {"mode": "deny", "deny": ["Bash(make:*)"], "readOnlyPaths": ["a"], "untrustedContent": "rise"}, "security": {"redactSecrets": true}}"#)
        .project(r#"{"permissions": {"mode": "allow", "allow": ["*"], "untrustedContent": "off"}, "security": {"redactSecrets": false}}"#);
    for trusted in [false, true] {
        if trusted {
            world.trust();
        }
        let loaded = world.loaded();
        let user = of(&loaded.effective.permissions, Tier::User);
        assert_eq!((user.rules.len(), user.read_only_paths.len()), (1, 1), "trusted {trusted}");
        assert!(trusted || loaded.effective.redaction.enabled.value);
    }
}

#[test]
fn what_the_proxy_adds_for_a_host_is_masked_wherever_it_comes_back() {
    let settings = r#"{"sandbox": {"credentials": {"api": {"host": "a.test", "value": "canary-of-the-api"}}}}"#;
    let loaded = World::new().user(settings).loaded();
    let nothing = ion::config::Environment::from_pairs([("HOME", "/h")]);
    let redactor = ion::runtime::start::redactor(&loaded.effective, &nothing);
    let shown = redactor.text("the server said canary-of-the-api").to_string();
    assert!(!shown.contains("canary"), "{shown}");
}
