//! Laws that hold for every call and every set of rules.

use super::reader::{bash, compiled, layer, standard};
use ion::config::schema::permissions::PermissionLayer;
use ion::model::Tier;
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
