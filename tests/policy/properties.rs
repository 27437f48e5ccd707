//! Laws that hold for every call and every set of rules.

use super::reader::{bash, bash_facts, compiled, layer, standard};
use super::reference::{self, Call};
use ion::config::origin::Located;
use ion::config::schema::permissions::PermissionLayer;
use ion::model::{Decision, Effects, Source, Tier};
use ion::policy::{CallFacts, Moment, evaluate};
use proptest::prelude::*;

const COMMANDS: [&str; 10] = [
    "ls",
    "frob x",
    "frob y | grob",
    "rm -rf target",
    "cat .env",
    "echo $x",
    "$x",
    "sudo frob x",
    "f() { frob z; }; f",
    "cat /etc/hosts > out",
];
const PATTERNS: [&str; 6] = ["frob *", "^frob", "* x", "rm *", "^(ls|cat)", "grob"];

fn rules() -> impl Strategy<Value = String> {
    let one = (0usize..3, 0usize..3, 0usize..6).prop_map(|(tool, decision, pattern)| {
        let tool = ["Bash", "*", "Read"][tool];
        let decision = ["allow", "ask", "deny"][decision];
        format!("[[permissions.rules]]\ntool = \"{tool}\"\ndecision = \"{decision}\"\ncommandPatterns = ['{}']\n", PATTERNS[pattern])
    });
    (0usize..3, proptest::collection::vec(one, 0..4)).prop_map(|(mode, rules)| {
        format!("[permissions]\nmode = \"{}\"\n{}", ["allow", "ask", "deny"][mode], rules.concat())
    })
}

const DECISIONS: [&str; 3] = ["allow", "ask", "deny"];
const TIERS: [Tier; 5] = [Tier::Builtin, Tier::User, Tier::Project, Tier::Flag, Tier::Enterprise];
/// After this moment some rules are expired.
const NOON: i64 = 1_800_000_000;

/// One rule with any conditions, as a file would write it.
fn rich_rule(decision: impl Strategy<Value = usize>) -> impl Strategy<Value = String> {
    let some = |texts: &'static [&'static str]| prop_oneof![3 => Just(""), 2 => proptest::sample::select(texts)];
    let words = (
        some(&["programs = [\"frob\"]", "programs = [\"grob\", \"/tmp/frob\"]"]),
        some(&[
            "argv = [\"frob\", \"**\"]",
            "argv = [\"[frob|grob]\", \"*\"]",
            "argv = [\"frob\", \"**\", \"src/a\", \"**\"]",
        ]),
        some(&[
            "flags = { anyOf = [\"-r\"] }",
            "flags = { anyOf = [\"-f\"], noneOf = [\"--force\"] }",
            "flags = { noneOf = [\"-f\"] }",
        ]),
        some(&["read = [\"src/**\"]", "read = [\"./**\"]"]),
    );
    let around = (
        some(&["when = { headless = true }", "when = { interactive = true }"]),
        some(&["expires = 2020-01-01", "expires = \"2100-01-01\""]),
        some(&["effects = [\"network\"]", "effects = [\"reads\"]"]),
        some(&["overrides = [\"untrusted-content\"]"]),
        0usize..8,
    );
    (0usize..3, decision, words, around).prop_map(|(tool, decision, words, around)| {
        let tool = ["Bash", "*", "Read"][tool];
        let report = if around.4 == 0 { "enforce = \"report\"" } else { "" };
        let (a, b, c, d) = words;
        let (e, f, g, h, _) = around;
        let decision = DECISIONS[decision];
        format!(
            "[[permissions.rules]]\ntool = \"{tool}\"\ndecision = \"{decision}\"\n{a}\n{b}\n{c}\n{d}\n{e}\n{f}\n{g}\n{h}\n{report}\n"
        )
    })
}

/// A block of any tier; `tighten` makes it a stranger's.
fn rich_layer(tier: Tier) -> impl Strategy<Value = PermissionLayer> {
    let rules = proptest::collection::vec(rich_rule(0usize..3), 0..5);
    let switches = (0usize..6, 0usize..6, 0usize..4);
    (proptest::option::of(0usize..3), rules, switches, 0usize..8).prop_map(
        move |(mode, rules, (exclusive, managed, label), tighten)| {
            let sealed = tier == Tier::Enterprise;
            let mut toml = String::from("[permissions]\n");
            if let Some(mode) = mode {
                toml += &format!("mode = \"{}\"\n", DECISIONS[mode]);
            }
            if label < 3 {
                toml += &format!("tierRules = {{ L = \"{}\" }}\n", DECISIONS[label]);
            }
            if sealed && exclusive == 0 {
                toml += "exclusiveAllow = true\n";
            }
            if sealed && managed == 0 {
                toml += "allowManagedRulesOnly = true\n";
            }
            toml += &rules.concat();
            let toml = if sealed { toml.replace("enforce = \"report\"", "") } else { toml };
            let block = layer(&toml, tier, "g");
            PermissionLayer { tighten_only: tier == Tier::Project && tighten == 0, ..block }
        },
    )
}

/// Two rules of one decision.
fn twins() -> impl Strategy<Value = [String; 2]> {
    (0usize..3).prop_flat_map(|decision| [rich_rule(Just(decision)), rich_rule(Just(decision))])
}

/// Up to one block of each tier, weakest first.
fn rich_layers() -> impl Strategy<Value = Vec<PermissionLayer>> {
    let [a, b, c, d, e] = TIERS.map(|tier| proptest::option::of(rich_layer(tier)));
    (a, b, c, d, e).prop_map(|(a, b, c, d, e)| [a, b, c, d, e].into_iter().flatten().collect())
}

fn call() -> impl Strategy<Value = Call> {
    let program = proptest::sample::select(&["frob", "grob", "/tmp/frob"][..]);
    let words = proptest::sample::select(&["x", "src/a", "-r", "-rf", "--force", "--forc"][..]);
    let network = Effects { network: true, ..Effects::READS };
    (
        (program, proptest::collection::vec(words, 0..3)),
        proptest::option::of(any::<bool>()),
        proptest::option::of(Just(NOON)),
        prop_oneof![Just(None), Just(Some(network)), Just(Some(Effects::READS))],
        proptest::option::of(Just("L".to_owned())),
        any::<bool>(),
    )
        .prop_map(|((program, rest), interactive, now, effects, class, carries_out)| Call {
            words: std::iter::once(program).chain(rest).map(str::to_owned).collect(),
            interactive,
            now,
            effects,
            class,
            carries_out,
        })
}

fn facts_of(call: &Call) -> CallFacts {
    let mut facts = bash_facts(&call.words.join(" "));
    facts.effects = call.effects;
    facts.class.clone_from(&call.class);
    facts.circumstances.interactive = call.interactive;
    facts.circumstances.moment =
        call.now.map(|unix_seconds| Moment { unix_seconds, weekday: 0, minute_of_day: 0 });
    if call.carries_out {
        facts.circumstances.untrusted = Some(vec!["web x".to_owned()]);
        facts.command.as_mut().unwrap().units[0].hosts = vec!["x.example".to_owned()];
    }
    facts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// S5, against a plain evaluator that reads the same files.
    #[test]
    fn the_verdict_is_what_a_plain_reading_of_the_rules_gives(layers in rich_layers(), calls in proptest::collection::vec(call(), 6)) {
        let rules = compiled(&layers);
        for call in calls {
            let judged = evaluate(&rules, &facts_of(&call));
            let (sealed, lower, both) = reference::verdict(&layers, &call);
            prop_assert_eq!((judged.sealed, judged.lower, judged.decision), (sealed, lower, both), "{:?} {:#?}", call, judged.trace);
        }
    }

    #[test]
    fn a_further_restriction_of_any_tier_never_allows_more(
        layers in rich_layers(), added in rich_rule(1usize..3), tier in 0usize..5, at in 0usize..5, own in any::<bool>(), calls in proptest::collection::vec(call(), 3),
    ) {
        let tier = TIERS[tier];
        let toml = format!("[permissions]\n{}", added.replace("enforce = \"report\"", ""));
        let added = layer(&toml, tier, "added");
        let denies = added.rules[0].value.decision == Decision::Deny;
        let mut more = layers.clone();
        match more.iter_mut().find(|layer| layer.tier == tier).filter(|_| !own) {
            Some(layer) => {
                let at = at.min(layer.rules.len());
                layer.rules.insert(at, added.rules[0].clone());
            }
            None => {
                let at = more.iter().position(|layer| layer.tier > tier).unwrap_or(more.len());
                more.insert(at, added);
            }
        }
        let (before, after) = (compiled(&layers), compiled(&more));
        for call in calls {
            let facts = facts_of(&call);
            let (before, after) = (evaluate(&before, &facts).decision, evaluate(&after, &facts).decision);
            prop_assert!(after != Decision::Allow || before == Decision::Allow, "{call:?}");
            // An ask may stand in for a mode, or before a denial of its own list; a deny may not.
            prop_assert!(!denies || after >= before, "{call:?} {before} {after}");
        }
    }

    #[test]
    fn neighbours_of_one_decision_may_change_places(
        layers in rich_layers(), which in 0usize..5, at in 0usize..4, twins in twins(), calls in proptest::collection::vec(call(), 3),
    ) {
        let Some(tier) = layers.get(which).map(|layer| layer.tier) else { return Ok(()) };
        let toml = format!("[permissions]\n{}", twins.concat());
        let toml = if tier == Tier::Enterprise { toml.replace("enforce = \"report\"", "") } else { toml };
        let mut one = layers;
        let at = at.min(one[which].rules.len());
        let mut pair = layer(&toml, tier, "twins").rules;
        for (rule, id) in pair.iter_mut().zip(["a", "b"]) {
            rule.value.id = Some(id.to_owned());
        }
        one[which].rules.splice(at..at, pair);
        let mut two = one.clone();
        two[which].rules.swap(at, at + 1);
        let (one, two) = (compiled(&one), compiled(&two));
        for call in calls {
            let facts = facts_of(&call);
            prop_assert_eq!(evaluate(&one, &facts).decision, evaluate(&two, &facts).decision, "{:?}", call);
        }
    }

    #[test]
    fn nothing_below_loosens_what_the_sealed_tier_says(layers in rich_layers(), calls in proptest::collection::vec(call(), 3)) {
        let alone: Vec<PermissionLayer> =
            layers.iter().filter(|layer| layer.tier == Tier::Enterprise).cloned().collect();
        let (alone, all) = (compiled(&alone), compiled(&layers));
        for call in calls {
            let facts = facts_of(&call);
            let (alone, all) = (evaluate(&alone, &facts), evaluate(&all, &facts));
            prop_assert!(all.decision >= alone.sealed, "{call:?}");
            prop_assert_eq!(all.sealed, alone.sealed, "{:?}", call);
        }
    }

    #[test]
    fn a_child_is_never_freer_than_its_parent(
        layers in rich_layers(), child in rich_layer(Tier::Project), exclusive in any::<bool>(), calls in proptest::collection::vec(call(), 3),
    ) {
        let parent = compiled(&layers);
        let mark = exclusive.then(|| Located::new(true, Source::new(Tier::Project, "agent")));
        let narrowed = parent.narrowed(&PermissionLayer { exclusive_allow: mark, ..child }).unwrap();
        for call in calls {
            let facts = facts_of(&call);
            let (over, under) = (evaluate(&parent, &facts).decision, evaluate(&narrowed, &facts).decision);
            prop_assert!(under >= over, "{call:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_makes_judging_panic(line in "\\PC{0,80}") {
        let _ = bash(standard(), &line);
    }

    #[test]
    fn no_line_of_shell_characters_makes_judging_panic(line in "[a-z $(){}\\[\\]`'\"\\\\|&;<>=*?~!#\n/.@:,+-]{0,60}") {
        let _ = bash(standard(), &line);
    }

    #[test]
    fn no_bytes_make_parsing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = bash(standard(), &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn adding_a_denial_never_allows_more(user in rules(), decision in 1usize..3, pattern in 0usize..6, command in 0usize..10) {
        let base = layer(&user, Tier::User, "u");
        let added = format!("[permissions]\n[[permissions.rules]]\ntool = \"Bash\"\ndecision = \"{}\"\ncommandPatterns = ['{}']\n", ["allow", "ask", "deny"][decision], PATTERNS[pattern]);
        let before = bash(&compiled(std::slice::from_ref(&base)), COMMANDS[command]).decision;
        for tier in [Tier::Builtin, Tier::Project, Tier::Enterprise] {
            let after = bash(&compiled(&[base.clone(), layer(&added, tier, "a")]), COMMANDS[command]).decision;
            // A rule that asks below a mode that denies speaks in the mode's place.
            if before == ion::model::Decision::Allow || tier == Tier::Enterprise || decision == 2 {
                prop_assert!(after >= before, "{tier} {}", COMMANDS[command]);
            }
            prop_assert!(after != ion::model::Decision::Allow || before == ion::model::Decision::Allow);
        }
    }

    #[test]
    fn a_stranger_never_loosens(user in rules(), project in rules(), command in 0usize..10) {
        let base = layer(&user, Tier::User, "u");
        let stranger = PermissionLayer { tighten_only: true, ..layer(&project, Tier::Project, "p") };
        let before = bash(&compiled(std::slice::from_ref(&base)), COMMANDS[command]).decision;
        let after = bash(&compiled(&[base, stranger]), COMMANDS[command]).decision;
        prop_assert!(after >= before, "{}", COMMANDS[command]);
    }

    #[test]
    fn the_sealed_tier_is_met_exactly(user in rules(), sealed in rules(), command in 0usize..10) {
        let (user, sealed) = (layer(&user, Tier::User, "u"), layer(&sealed, Tier::Enterprise, "e"));
        let judged = bash(&compiled(&[user, sealed]), COMMANDS[command]);
        prop_assert_eq!(judged.decision, judged.sealed.strictest(judged.lower));
    }

    #[test]
    fn a_sequence_is_as_strict_as_its_strictest_command(user in rules(), a in 0usize..10, b in 0usize..10) {
        let rules = compiled(&[layer(&user, Tier::User, "u")]);
        let both = bash(&rules, &format!("{}; {}", COMMANDS[a], COMMANDS[b])).decision;
        let each = bash(&rules, COMMANDS[a]).decision.strictest(bash(&rules, COMMANDS[b]).decision);
        prop_assert!(both >= each, "{} ; {}", COMMANDS[a], COMMANDS[b]);
    }
}
