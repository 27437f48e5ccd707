//! S5, exactness of the seal: the verdict is the strictest of what the sealed rules say alone and
//! what everything else says alone. The law is held against wrong ways to combine as well: a law
//! that they passed would prove nothing.

use super::reader::{bash, compiled, layer};
use ion::config::schema::permissions::PermissionLayer;
use ion::model::{Decision, Tier};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const COMMANDS: [&str; 7] =
    ["ls", "frob x", "frob y | grob", "frob x; ls", "echo $x", "f() { frob z; }; f", "grob x"];
const PATTERNS: [&str; 6] = ["frob *", "^frob", "* x", "ls", "^(ls|echo)", "grob*"];

/// Rules without a mode, as a file would write them.
fn rules() -> impl Strategy<Value = String> {
    let one = (0usize..2, 0usize..3, 0usize..6).prop_map(|(tool, decision, pattern)| {
        let tool = ["Bash", "*"][tool];
        let decision = ["allow", "ask", "deny"][decision];
        format!(
            "[[permissions.rules]]\ntool = \"{tool}\"\ndecision = \"{decision}\"\n\
             commandPatterns = ['{}']\n",
            PATTERNS[pattern]
        )
    });
    proptest::collection::vec(one, 0..4).prop_map(|rules| rules.concat())
}

/// A sealed block, a user's block with a mode, and a command.
type Sample = (PermissionLayer, PermissionLayer, &'static str);

fn sample() -> impl Strategy<Value = Sample> {
    (rules(), rules(), 0usize..3, 0usize..COMMANDS.len()).prop_map(|(sealed, user, mode, at)| {
        let mode = ["allow", "ask", "deny"][mode];
        let sealed = layer(&format!("[permissions]\n{sealed}"), Tier::Enterprise, "e");
        let user = layer(&format!("[permissions]\nmode = \"{mode}\"\n{user}"), Tier::User, "u");
        (sealed, user, COMMANDS[at])
    })
}

fn verdict(layers: &[PermissionLayer], command: &str) -> Decision {
    bash(&compiled(layers), command).decision
}

/// The sealed rules alone: where they have no opinion, they allow.
fn of_sealed(sealed: &PermissionLayer, command: &str) -> Decision {
    let open = layer("[permissions]\nmode = \"allow\"\n", Tier::User, "open");
    verdict(&[open, sealed.clone()], command)
}

/// A way to come to a verdict.
type Combined = fn(&PermissionLayer, &PermissionLayer, &str) -> Decision;

fn product(sealed: &PermissionLayer, user: &PermissionLayer, command: &str) -> Decision {
    verdict(&[user.clone(), sealed.clone()], command)
}

fn exact(combined: Combined, (sealed, user, command): &Sample) -> bool {
    let each = of_sealed(sealed, command).strictest(verdict(std::slice::from_ref(user), command));
    combined(sealed, user, command) == each
}

/// One first-match list of two blocks.
fn one_list(
    first: &PermissionLayer,
    then: &PermissionLayer,
    mode: &PermissionLayer,
) -> PermissionLayer {
    let rules = first.rules.iter().chain(&then.rules).cloned().collect();
    PermissionLayer { rules, mode: mode.mode.clone(), ..PermissionLayer::of(Tier::User) }
}

const MUTANTS: &[(&str, Combined)] = &[
    ("sealed rules stand in front of the user's list", |sealed, user, command| {
        verdict(&[one_list(sealed, user, user)], command)
    }),
    ("the user's rules stand in front of the sealed list", |sealed, user, command| {
        verdict(&[one_list(user, sealed, user)], command)
    }),
    ("the sealed tier replaces the rest", |sealed, _, command| of_sealed(sealed, command)),
    ("the sealed tier is forgotten", |_, user, command| {
        verdict(std::slice::from_ref(user), command)
    }),
    ("the milder one wins", |sealed, user, command| {
        of_sealed(sealed, command).min(verdict(std::slice::from_ref(user), command))
    }),
    ("a sealed file without an opinion denies", |sealed, user, command| {
        let closed = layer("[permissions]\nmode = \"deny\"\n", Tier::User, "closed");
        verdict(&[closed, sealed.clone()], command)
            .strictest(verdict(std::slice::from_ref(user), command))
    }),
    ("a sealed allow answers what the user's mode asks", |sealed, user, command| {
        let sealed_allows = !sealed.rules.is_empty()
            && sealed.rules.iter().all(|rule| rule.value.decision == Decision::Allow);
        let both = product(sealed, user, command);
        if sealed_allows && both == Decision::Ask { Decision::Allow } else { both }
    }),
    ("two asks make a denial", |sealed, user, command| {
        let (e, l) = (of_sealed(sealed, command), verdict(std::slice::from_ref(user), command));
        if e == Decision::Ask && l == Decision::Ask { Decision::Deny } else { e.strictest(l) }
    }),
    ("everything is allowed", |_, _, _| Decision::Allow),
    ("everything is denied", |_, _, _| Decision::Deny),
];

fn samples(count: usize) -> Vec<Sample> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| sample().new_tree(&mut runner).expect("a sample").current()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_verdict_is_exactly_the_strictest_of_both_sides(sample in sample()) {
        prop_assert!(exact(product, &sample), "{sample:?}");
    }
}

#[test]
fn every_wrong_way_to_combine_the_tiers_is_noticed() {
    let samples = samples(400);
    assert!(samples.iter().all(|sample| exact(product, sample)), "the product itself is not exact");
    let survivors: Vec<&str> = MUTANTS
        .iter()
        .filter(|(_, mutant)| samples.iter().all(|sample| exact(*mutant, sample)))
        .map(|(name, _)| *name)
        .collect();
    assert!(survivors.is_empty(), "nobody notices: {survivors:?}");
}
