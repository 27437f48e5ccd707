//! The switches of the sealed tier, tier rules, untrusted content and the rules of a child.

use super::reader::{anchors, bash, bash_facts, compiled, facts, file, layer, path_facts};
use Decision::{Allow, Ask, Deny};
use ion::config::origin::Located;
use ion::config::schema::permissions::PermissionLayer;
use ion::model::{Decision, Effects, Source, Tier};
use ion::policy::{Annotations, Basis, CallFacts, RuleSet, evaluate};

fn block(tier: Tier, toml: &str) -> PermissionLayer {
    layer(&format!("[permissions]\n{toml}"), tier, "test.toml")
}

fn rule(tool: &str, decision: &str, more: &str) -> String {
    format!("[[permissions.rules]]\ntool = \"{tool}\"\ndecision = \"{decision}\"\n{more}\n")
}

#[test]
fn where_only_managed_rules_count_every_lower_allow_does_nothing() {
    let seal =
        |more: &str| block(Tier::Enterprise, &format!("allowManagedRulesOnly = true\n{more}"));
    for tier in [Tier::Builtin, Tier::User, Tier::Project, Tier::Environment, Tier::Flag] {
        let lower = |decision: &str| {
            block(tier, &format!("mode = \"ask\"\n{}", rule("Bash", decision, "")))
        };
        assert_eq!(bash(&compiled(&[lower("allow"), seal("")]), "frob").decision, Ask, "{tier}");
        assert_eq!(bash(&compiled(&[lower("deny"), seal("")]), "frob").decision, Deny, "{tier}");
        let managed = rule("Bash", "allow", "programs = [\"frob\"]");
        let rules = compiled(&[block(tier, "mode = \"ask\"\n"), seal(&managed)]);
        assert_eq!(bash(&rules, "frob").decision, Allow, "{tier}: the sealed tier's own allow");
        assert_eq!(bash(&rules, "grob").decision, Ask, "{tier}");
    }
    let tiers = block(Tier::User, "mode = \"ask\"\ntierRules = { SAFE = \"allow\" }\n");
    let call = CallFacts { class: Some("SAFE".into()), ..bash_facts("frob") };
    assert_eq!(evaluate(&compiled(&[tiers, seal("")]), &call).decision, Ask);
}

#[test]
fn an_exclusive_list_needs_an_allow_of_both_sides_and_grants_nothing() {
    let seal = block(
        Tier::Enterprise,
        &format!(
            "exclusiveAllow = true\n{}{}",
            rule("Bash", "allow", "programs = [\"frob\", \"grob\", \"cat\"]"),
            rule("Read", "allow", "pathPatterns = [\"./**\", \"/srv/**\"]")
        ),
    );
    let user = block(
        Tier::User,
        &format!(
            "mode = \"ask\"\n{}{}",
            rule("Bash", "allow", "programs = [\"frob\", \"hrob\", \"cat\"]"),
            rule("Read", "allow", "")
        ),
    );
    let rules = compiled(&[user, seal.clone()]);
    for (line, expected) in [
        ("frob", Allow),
        ("grob", Ask),
        ("hrob", Deny),
        ("frob; hrob", Deny),
        ("timeout 5 frob", Allow),
        ("cat src/x", Allow),
        ("cat /srv/x", Allow),
        ("cat /var/lib/x", Deny),
        ("$x", Deny),
        ("/tmp/frob", Deny),
        ("frob (", Deny),
    ] {
        let judged = bash(&rules, line);
        assert_eq!(judged.decision, expected, "{line}: {}", judged.reason);
    }
    assert_eq!(file(&rules, "Read", "src/x").decision, Allow);
    assert_eq!(file(&rules, "Write", "src/x").decision, Deny);
    let judged = bash(&rules, "hrob");
    assert_eq!(judged.rule.map(|rule| rule.id).as_deref(), Some("exclusive-allow"));
    assert_eq!(judged.sealed, Deny);
    let open = block(Tier::User, "mode = \"allow\"\n");
    let rules = compiled(&[open, seal]);
    assert_eq!(bash(&rules, "frob").decision, Allow, "a mode that allows is enough below");
    assert_eq!(bash(&rules, "hrob").decision, Deny);
}

#[test]
fn every_exclusive_file_of_the_sealed_tier_counts() {
    let seal = |programs: &str| {
        block(
            Tier::Enterprise,
            &format!(
                "exclusiveAllow = true\n{}",
                rule("Bash", "allow", &format!("programs = {programs}"))
            ),
        )
    };
    let user = block(Tier::User, "mode = \"allow\"\n");
    let (a, b) = (seal("[\"frob\", \"grob\"]"), seal("[\"grob\", \"hrob\"]"));
    for layers in [[user.clone(), a.clone(), b.clone()], [user, b, a]] {
        let rules = compiled(&layers);
        let of = |line| bash(&rules, line).decision;
        assert_eq!((of("frob"), of("grob"), of("hrob")), (Deny, Allow, Deny));
    }
}

#[test]
fn hooks_and_the_classifier_lift_unless_the_sealed_tier_forbids_it() {
    let of = |toml: &str| {
        let may = compiled(&[block(Tier::Enterprise, toml)]).may_lift();
        (may.hook, may.classifier)
    };
    assert_eq!(of(""), (true, true));
    assert_eq!(of("allowHooks = false\n"), (false, true));
    assert_eq!(of("allowClassifier = false\n"), (true, false));
    assert_eq!(of("allowHooks = true\nallowClassifier = true\n"), (true, true));
    let lower = PermissionLayer {
        allow_hooks: Some(Located::new(true, Source::new(Tier::User, "u"))),
        ..PermissionLayer::of(Tier::User)
    };
    let sealed = block(Tier::Enterprise, "allowHooks = false\n");
    assert!(!compiled(&[lower, sealed]).may_lift().hook);
}

#[test]
fn tier_rules_speak_per_tier_and_the_strictest_wins() {
    let call = |class: &str| CallFacts { class: Some(class.to_owned()), ..bash_facts("frob") };
    let user =
        block(Tier::User, "mode = \"ask\"\ntierRules = { SAFE = \"allow\", ODD = \"deny\" }\n");
    let rules = compiled(std::slice::from_ref(&user));
    for (class, expected) in [("SAFE", Allow), ("ODD", Deny), ("OTHER", Ask), ("safe", Ask)] {
        assert_eq!(evaluate(&rules, &call(class)).decision, expected, "{class}");
    }
    let judged = evaluate(&rules, &call("ODD"));
    assert_eq!(judged.reason, "tier rule: ODD");
    assert_eq!(judged.decided_by, Basis::Rule);
    assert_eq!(judged.rule.unwrap().id, "tier-rules.ODD");
    let sealed = block(Tier::Enterprise, "tierRules = { SAFE = \"ask\" }\n");
    let judged = evaluate(&compiled(&[user.clone(), sealed]), &call("SAFE"));
    assert_eq!((judged.decision, judged.sealed), (Ask, Ask));
    let denial = block(Tier::Project, &rule("Bash", "deny", ""));
    assert_eq!(evaluate(&compiled(&[user.clone(), denial]), &call("SAFE")).decision, Deny);
    let stranger = PermissionLayer {
        tighten_only: true,
        ..block(Tier::Project, "tierRules = { OTHER = \"allow\" }\n")
    };
    assert_eq!(evaluate(&compiled(&[user, stranger]), &call("OTHER")).decision, Ask);
}

#[test]
fn a_tier_rule_lifts_no_pattern_and_makes_nothing_understood() {
    let user = block(Tier::User, "mode = \"ask\"\ntierRules = { SAFE = \"allow\" }\n");
    let rules = compiled(&[user]);
    for (line, expected) in [("rm -rf /", Deny), ("$x", Ask), ("cat .env", Ask)] {
        let call = CallFacts { class: Some("SAFE".into()), ..bash_facts(line) };
        assert_eq!(evaluate(&rules, &call).decision, expected, "{line}");
    }
}

fn read(mut facts: CallFacts) -> CallFacts {
    facts.circumstances.untrusted = Some(vec!["web evil.example".to_owned()]);
    facts
}

fn to(host: &str) -> CallFacts {
    let mut facts = bash_facts("frob x");
    facts.command.as_mut().unwrap().units[0].hosts = vec![host.to_owned()];
    facts
}

#[test]
fn after_untrusted_content_a_sink_is_one_step_stricter() {
    for (mode, rises_to) in [("allow", Ask), ("ask", Deny), ("deny", Deny)] {
        let rules = compiled(&[block(Tier::User, &format!("mode = \"{mode}\"\n"))]);
        let message = facts("SendMessage");
        let mcp = |read_only| {
            let mut facts = facts("mcp__x__y");
            facts.circumstances.annotations = Annotations { read_only, ..Annotations::default() };
            facts
        };
        let mut fetch = facts("WebFetch");
        fetch.hosts = vec!["a.example".to_owned()];
        let mut unknown = bash_facts("frob x");
        unknown.command.as_mut().unwrap().units[0].unknown_host = true;
        let open = CallFacts { unconfined: true, ..bash_facts("frob x") };
        let network = Effects { network: true, ..Effects::READS };
        let search = CallFacts { effects: Some(network), ..facts("Look") };
        let sinks = [
            to("a.example"),
            message,
            mcp(None),
            mcp(Some(false)),
            fetch,
            unknown,
            open,
            search,
            facts("Nobody"),
        ];
        for sink in sinks {
            let before = evaluate(&rules, &sink);
            assert_ne!(before.decided_by, Basis::Untrusted);
            let judged = evaluate(&rules, &read(sink.clone()));
            assert_eq!(judged.decision, rises_to, "{mode} {sink:?}");
            if mode != "deny" {
                assert_eq!(judged.decided_by, Basis::Untrusted);
                assert!(judged.reason.contains("web evil.example"), "{}", judged.reason);
                assert_eq!(judged.rule.unwrap().id, "untrusted-content");
            }
        }
        let quiet = CallFacts { effects: Some(Effects::READS), ..facts("Look") };
        for harmless in [
            bash_facts("frob x"),
            path_facts("Read", "a"),
            path_facts("Write", "a"),
            mcp(Some(true)),
            quiet,
        ] {
            let (a, b) = (evaluate(&rules, &harmless), evaluate(&rules, &read(harmless.clone())));
            assert_eq!(a.decision, b.decision, "{mode} {harmless:?}");
        }
    }
}

#[test]
fn nothing_read_and_nothing_counted_raise_nothing() {
    let rules = compiled(&[block(Tier::User, "mode = \"allow\"\n")]);
    let mut none = to("a.example");
    none.circumstances.untrusted = Some(vec![]);
    assert_eq!(evaluate(&rules, &none).decision, Allow);
    assert_eq!(evaluate(&rules, &to("a.example")).decision, Allow);
}

#[test]
fn an_allow_that_names_the_rise_lifts_it_for_its_own_part_alone() {
    let lifting = |host: &str| {
        rule("Bash", "allow", &format!("hosts = [\"{host}\"]\noverrides = [\"untrusted-content\"]"))
    };
    let rules =
        compiled(&[block(Tier::User, &format!("mode = \"allow\"\n{}", lifting("a.example")))]);
    assert_eq!(evaluate(&rules, &read(to("a.example"))).decision, Allow);
    assert_eq!(evaluate(&rules, &read(to("b.example"))).decision, Ask);
    let mut two = bash_facts("frob x; grob y");
    let units = &mut two.command.as_mut().unwrap().units;
    units[0].hosts = vec!["a.example".to_owned()];
    units[1].hosts = vec!["b.example".to_owned()];
    assert_eq!(evaluate(&rules, &read(two)).decision, Ask);
    let sealed = block(Tier::Enterprise, "untrustedContent = \"rise\"\n");
    let user = block(Tier::User, &format!("mode = \"allow\"\n{}", lifting("a.example")));
    assert_eq!(
        evaluate(&compiled(&[user, sealed]), &read(to("a.example"))).decision,
        Ask,
        "sealed"
    );
}

#[test]
fn the_order_of_two_allows_does_not_decide_what_they_lift() {
    let plain = rule("Bash", "allow", "programs = [\"frob\"]");
    let lifting = rule("Bash", "allow", "overrides = [\"untrusted-content\"]");
    let denial = rule("Bash", "deny", "argv = [\"frob\", \"x\"]");
    let of = |rules: [&String; 3]| {
        let rules: String = rules.into_iter().map(String::as_str).collect();
        let layer = block(Tier::User, &format!("mode = \"ask\"\n{rules}"));
        evaluate(&compiled(&[layer]), &read(to("a.example"))).decision
    };
    assert_eq!(of([&plain, &lifting, &denial]), Allow);
    assert_eq!(of([&lifting, &plain, &denial]), Allow);
    assert_eq!(of([&plain, &denial, &lifting]), Ask, "a restriction stands between them");
}

#[test]
fn the_rise_can_be_switched_off_by_the_user_and_on_by_whoever_binds() {
    let off = |tier| block(tier, "mode = \"allow\"\nuntrustedContent = \"off\"\n");
    let on = |tier| block(tier, "untrustedContent = \"rise\"\n");
    let of =
        |layers: &[PermissionLayer]| evaluate(&compiled(layers), &read(to("a.example"))).decision;
    assert_eq!(of(&[on(Tier::Builtin), off(Tier::User)]), Allow);
    assert_eq!(of(&[off(Tier::User), on(Tier::Enterprise)]), Ask);
    assert_eq!(
        of(&[off(Tier::User), PermissionLayer { tighten_only: true, ..on(Tier::Project) }]),
        Ask
    );
    let open = block(Tier::User, "mode = \"allow\"\n");
    let stranger = PermissionLayer {
        tighten_only: true,
        ..block(Tier::Project, "untrustedContent = \"off\"\n")
    };
    assert_eq!(of(&[open.clone(), stranger]), Ask);
    let sealed_off = block(Tier::Enterprise, "untrustedContent = \"off\"\n");
    assert_eq!(of(&[open, on(Tier::Builtin), sealed_off]), Ask, "a floor cannot loosen");
}

#[test]
fn a_rule_can_ask_what_the_session_has_read() {
    let rules = compiled(&[block(
        Tier::User,
        &format!(
            "mode = \"allow\"\nuntrustedContent = \"off\"\n{}",
            rule("Bash", "deny", "programs = [\"frob\"]\nwhen = { untrusted = true }")
        ),
    )]);
    let mut clean = bash_facts("frob x");
    clean.circumstances.untrusted = Some(vec![]);
    assert_eq!(evaluate(&rules, &clean).decision, Allow);
    assert_eq!(evaluate(&rules, &read(clean)).decision, Deny);
    assert_eq!(bash(&rules, "frob x").decision, Deny, "nobody kept count");
}

fn parent() -> RuleSet {
    compiled(&[block(
        Tier::User,
        &format!(
            "mode = \"ask\"\n{}{}",
            rule("Bash", "allow", "programs = [\"frob\", \"grob\"]"),
            rule("Read", "allow", "")
        ),
    )])
}

#[test]
fn a_child_inherits_everything_and_can_only_tighten() {
    let child = block(
        Tier::Project,
        &format!(
            "mode = \"allow\"\n{}{}",
            rule("Bash", "deny", "programs = [\"grob\"]"),
            rule("*", "allow", "")
        ),
    );
    let rules = parent().narrowed(&child).unwrap();
    let of = |line| bash(&rules, line).decision;
    assert_eq!((of("frob"), of("grob"), of("hrob")), (Allow, Deny, Ask));
    assert_ne!(rules.digest(), parent().digest());
    let silent = parent().narrowed(&block(Tier::Project, "mode = \"deny\"\n")).unwrap();
    assert_eq!(bash(&silent, "hrob").decision, Deny);
}

#[test]
fn a_childs_exclusive_list_is_met_with_its_parents() {
    let child = PermissionLayer {
        exclusive_allow: Some(Located::new(true, Source::new(Tier::Project, "agent.md"))),
        ..block(Tier::Project, &rule("Bash", "allow", "programs = [\"frob\", \"hrob\"]"))
    };
    let rules = parent().narrowed(&child).unwrap();
    let of = |line| bash(&rules, line).decision;
    assert_eq!((of("frob"), of("grob"), of("hrob")), (Allow, Deny, Ask));
    assert_eq!(file(&rules, "Read", "a").decision, Deny);
    let grandchild = rules.narrowed(&block(Tier::Project, &rule("Bash", "deny", ""))).unwrap();
    assert_eq!(bash(&grandchild, "frob").decision, Deny);
}

#[test]
fn a_child_with_a_broken_rule_does_not_start() {
    let child = block(Tier::Project, &rule("Bash", "deny", "commandPatterns = ['((']"));
    assert!(parent().narrowed(&child).unwrap_err().to_string().contains("test.toml:"));
    let _ = anchors();
}
