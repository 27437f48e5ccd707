//! Sub-agents: never wider than where they come from.

use super::*;
use proptest::prelude::*;

/// Rules that allow everything.
fn open_rules() -> Arc<RuleSet> {
    let mut open = layer(Tier::User, vec![rule("", Decision::Allow)]);
    open.mode = Some(Located::new(Decision::Allow, source()));
    rules(&[open])
}

#[test]
fn x0_a_child_runs_under_its_parents_rules_log_hooks_and_people() {
    let log = Arc::new(Log::default());
    let guard = hook("guard", Does::Says(None));
    let advisers = with(vec![guard.clone()], None, vec![]);
    let gate = Gate::new(GateParts { advisers, ..parts(&log) });
    let child = gate.child("review/er", open_rules(), None);
    drop(allowed(&child, "frob"));
    assert_eq!(log.last()["agent"], "main/review_er");
    assert_eq!(log.last()["depth"], 1);
    assert_eq!(refused(&child, "grob").decided_by, DecidedBy::Rule);
    assert_eq!(refused(&child, "hrob").decided_by, DecidedBy::HeadlessAsk);
    assert_eq!(guard.seen.lock().unwrap().len(), 2);
    // And a grandchild under both.
    let narrow = rules(&[layer(Tier::User, vec![rule("frob", Decision::Deny)])]);
    let grandchild = gate.child("a", narrow, None).child("b", open_rules(), None);
    assert_eq!(refused(&grandchild, "frob").decided_by, DecidedBy::Rule);
    assert_eq!(log.last()["depth"], 2);
}

#[test]
fn a_child_has_the_tools_that_it_is_given_and_its_parent_has() {
    let log = Arc::new(Log::default());
    let gate = Gate::new(parts(&log));
    let read = ToolName::resolve("Read");
    let child = gate.child("a", some_rules(), Some(&[read, ToolName::resolve("Web")]));
    assert_eq!(refused(&child, "frob").decided_by, DecidedBy::Tool);
    let names: Vec<&ToolName> = child.parts.effects.keys().collect();
    assert_eq!(names, [&ToolName::resolve("Read")]);
}

#[test]
fn a_yes_given_to_the_parent_does_not_serve_the_child_and_a_no_does() {
    let log = Arc::new(Log::default());
    let ada = person("terminal", Answers::With(Choice::Allow(Scope::Session)));
    let advisers = with(vec![], None, vec![ada.clone()]);
    let gate = Gate::new(GateParts { advisers, ..parts(&log) });
    let child = gate.child("a", open_rules(), None);
    drop(allowed(&gate, "hrob"));
    drop(allowed(&child, "hrob"));
    assert_eq!(ada.seen.lock().unwrap().len(), 2);
    let bob = person("terminal", Answers::With(Choice::Never));
    let advisers = with(vec![], None, vec![bob.clone()]);
    let gate = Gate::new(GateParts { advisers, ..parts(&log) });
    let child = gate.child("a", open_rules(), None);
    assert_eq!(refused(&gate, "hrob").decided_by, DecidedBy::Person);
    assert_eq!(refused(&child, "hrob").decided_by, DecidedBy::Person);
    assert_eq!(bob.seen.lock().unwrap().len(), 1);
}

#[test]
fn a_child_whose_own_rules_forbid_hooks_and_classifier_to_allow_is_not_answered_by_them() {
    let log = Arc::new(Log::default());
    let advisers = with(vec![hook("yes", Does::Says(Some(Decision::Allow)))], None, vec![]);
    let gate = Gate::new(GateParts { advisers, ..parts(&log) });
    let closed = || {
        let mut closed = layer(Tier::Enterprise, vec![]);
        closed.allow_hooks = Some(Located::new(false, source()));
        closed.allow_classifier = Some(Located::new(false, source()));
        let mut asks = layer(Tier::User, vec![]);
        asks.mode = Some(Located::new(Decision::Ask, source()));
        rules(&[asks, closed])
    };
    drop(allowed(&gate, "hrob"));
    let child = gate.child("a", closed(), None);
    assert_eq!(child.parts.lift, Lift { hook: false, classifier: false });
    assert_eq!(refused(&child, "hrob").decided_by, DecidedBy::HeadlessAsk);
    // And neither its cached opinions nor its orphaned answers are its parent's.
    assert_ne!(child.parts.policy_digest, gate.parts.policy_digest);
}

fn decision() -> impl Strategy<Value = Decision> {
    prop::sample::select(vec![Decision::Allow, Decision::Ask, Decision::Deny])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// T4, over three generations of rules that know nothing of each other.
    #[test]
    fn no_child_is_looser_than_any_agent_above_it(
        lists in prop::collection::vec((decision(), prop::collection::vec((0..3usize, decision()), 0..4)), 3),
        sealed in decision(),
    ) {
        const NAMES: [&str; 3] = ["frob", "grob", "hrob"];
        let sets: Vec<Arc<RuleSet>> = lists.iter().map(|(mode, list)| {
            let list = list.iter().enumerate().map(|(at, (name, decision))| {
                let mut rule = rule(NAMES[*name], *decision);
                rule.value.id = Some(format!("test.{at}"));
                rule
            }).collect();
            let mut mine = layer(Tier::User, list);
            mine.mode = Some(Located::new(*mode, source()));
            rules(&[mine, layer(Tier::Enterprise, vec![rule("grob", sealed)])])
        }).collect();
        let log = Arc::new(Log::default());
        let one = |set: &Arc<RuleSet>| Gate::new(GateParts { rules: set.clone(), ..parts(&log) });
        let family = one(&sets[0]).child("a", sets[1].clone(), None).child("b", sets[2].clone(), None);
        for name in NAMES {
            let say = |gate: &Gate| gate.guard(&foreign(name)).decision;
            let strictest = sets.iter().map(|set| say(&one(set))).max().unwrap();
            prop_assert_eq!(say(&family), strictest, "{}", name);
        }
    }
}
