//! Hooks: what they may do, and what becomes of the call when they fail or rewrite.

use super::*;
use proptest::prelude::*;

fn gate(log: &Arc<Log>, hooks: Vec<Arc<TestHook>>) -> Gate {
    Gate::new(GateParts { advisers: with(hooks, None, vec![]), ..parts(log) })
}

#[test]
fn a_hook_answers_an_ask_and_the_record_says_so() {
    let log = Arc::new(Log::default());
    let gate = gate(&log, vec![hook("guard", Does::Says(Some(Decision::Allow)))]);
    drop(allowed(&gate, "hrob"));
    let body = log.last();
    assert_eq!(body["decided_by"], "hook");
    assert_eq!(body["hooks"][0]["hook"], "guard");
    assert_eq!(body["hooks"][0]["decision"], "allow");
    assert!(body["hooks"][0]["ms"].is_u64());
    assert_eq!(body["stages"]["hook"], "allow");
}

#[test]
fn a_hook_lifts_neither_a_deny_nor_a_sealed_ask() {
    let sealed = layer(Tier::Enterprise, vec![rule("srob", Decision::Ask)]);
    let mine = layer(Tier::User, vec![rule("srob", Decision::Allow), rule("grob", Decision::Deny)]);
    for advisers in [
        with(vec![hook("yes", Does::Says(Some(Decision::Allow)))], None, vec![]),
        with(vec![], Some(classifier(Says::This(Decision::Allow))), vec![]),
    ] {
        let log = Arc::new(Log::default());
        let rules = rules(&[mine.clone(), sealed.clone()]);
        let gate = Gate::new(GateParts { rules, advisers, ..parts(&log) });
        assert_eq!(refused(&gate, "grob").decided_by, DecidedBy::Rule);
        assert_eq!(refused(&gate, "srob").decided_by, DecidedBy::HeadlessAsk);
        drop(allowed(&gate, "hrob"));
    }
}

#[test]
fn where_policy_says_so_no_hook_and_no_classifier_answers_an_ask() {
    let log = Arc::new(Log::default());
    let yes = Some(Decision::Allow);
    let said = classifier(Says::This(Decision::Allow));
    let advisers = with(vec![hook("yes", Does::Says(yes))], Some(said.clone()), vec![]);
    let lift = Lift { hook: false, classifier: false };
    let gate = Gate::new(GateParts { advisers, lift, ..parts(&log) });
    assert_eq!(refused(&gate, "hrob").decided_by, DecidedBy::HeadlessAsk);
    assert!(said.seen.lock().unwrap().is_empty(), "its answer could change nothing");
    // Tightening needs nobody's leave.
    let advisers = with(vec![hook("no", Does::Says(Some(Decision::Deny)))], None, vec![]);
    let gate = Gate::new(GateParts { advisers, lift, ..parts(&log) });
    assert_eq!(refused(&gate, "frob").decided_by, DecidedBy::Hook);
}

#[test]
fn x16_what_a_hook_says_has_effect() {
    let log = Arc::new(Log::default());
    let refusal =
        refused(&gate(&log, vec![hook("guard", Does::Says(Some(Decision::Deny)))]), "frob");
    assert_eq!(refusal.decided_by, DecidedBy::Hook);
    assert_eq!(refusal.reason.as_str(), "hook `guard`: the hook's reason");
    let gate = gate(&log, vec![hook("tidy", Does::Rewrites("frob a", "frob b"))]);
    let terms = allowed(&gate, "frob a").redeem().unwrap();
    assert_eq!(terms.call.text("command"), Some("frob b"), "what runs is what was judged last");
    assert_eq!(terms.call.id, CallId::new("toolu_1"), "a hook does not choose the id");
    assert_eq!(log.last()["digest"], json!(terms.digest));
    assert_eq!(log.last()["rewrites"][0]["before"]["input"]["command"], "frob a");
    assert_eq!(log.last()["rewrites"][0]["hook"], "tidy");
}

#[test]
fn x17_a_failing_hook_denies() {
    for does in [Does::Fails, Does::Crashes, Does::Hangs, Does::ClassFails] {
        let log = Arc::new(Log::default());
        let refusal = refused(&gate(&log, vec![hook("guard", does.clone())]), "frob");
        assert_eq!(refusal.decided_by, DecidedBy::Hook);
        assert!(refusal.reason.as_str().starts_with("hook `guard` guards and failed: "));
        assert_eq!(log.kinds(), [(Kind::Decision, Some(Decision::Deny))]);
        // One that only looks on takes nothing away by failing, and adds nothing.
        let log = Arc::new(Log::default());
        let gate = gate(&log, vec![observer("watch", does)]);
        drop(allowed(&gate, "frob"));
        assert_eq!(refused(&gate, "hrob").decided_by, DecidedBy::HeadlessAsk);
    }
}

#[test]
fn an_observer_tightens_and_does_nothing_else() {
    let log = Arc::new(Log::default());
    let says = |said| vec![observer("watch", Does::Says(Some(said)))];
    assert_eq!(
        refused(&gate(&log, says(Decision::Allow)), "hrob").decided_by,
        DecidedBy::HeadlessAsk
    );
    assert_eq!(refused(&gate(&log, says(Decision::Deny)), "frob").decided_by, DecidedBy::Hook);
    let gate = gate(&log, vec![observer("watch", Does::Rewrites("frob a", "frob b"))]);
    let terms = allowed(&gate, "frob a").redeem().unwrap();
    assert_eq!(terms.call.text("command"), Some("frob a"));
}

#[test]
fn x6_rewrites_are_judged_again() {
    let log = Arc::new(Log::default());
    // Out of an allow into a deny, and by a hook that also says yes.
    let yes = hook("yes", Does::Says(Some(Decision::Allow)));
    let bend = hook("bend", Does::Rewrites("frob", "grob"));
    let refusal = refused(&gate(&log, vec![yes.clone(), bend]), "frob");
    assert_eq!(refusal.decided_by, DecidedBy::Rule);
    assert_eq!(refusal.tool_input.get()["command"], "grob", "the refused call is the new one");
    // The other hooks see the new call too.
    let guard = hook("guard", Does::Says(None));
    let bend = hook("bend", Does::Rewrites("frob a", "frob b"));
    drop(allowed(&gate(&log, vec![bend, guard.clone()]), "frob a"));
    assert_eq!(*guard.seen.lock().unwrap(), ["frob a", "frob b"]);
    // A call that policy denies reaches no hook.
    let guard = hook("guard", Does::Rewrites("grob", "frob"));
    assert_eq!(refused(&gate(&log, vec![guard.clone()]), "grob").decided_by, DecidedBy::Rule);
    assert!(guard.seen.lock().unwrap().is_empty());
}

#[test]
fn a_call_is_rewritten_four_times_and_not_five() {
    let log = Arc::new(Log::default());
    let mad = hook("mad", Does::RewritesAll);
    let refusal = refused(&gate(&log, vec![mad.clone()]), "frob");
    assert_eq!(refusal.decided_by, DecidedBy::Hook);
    assert!(refusal.reason.as_str().contains("more than 4 times"));
    assert_eq!(mad.seen.lock().unwrap().len(), 5);
    let chain = ["a", "b", "c", "d", "e"].windows(2).map(|pair| {
        let text = |word: &str| -> &'static str { format!("frob {word}").leak() };
        hook("step", Does::Rewrites(text(pair[0]), text(pair[1])))
    });
    let terms = allowed(&gate(&log, chain.collect()), "frob a").redeem().unwrap();
    assert_eq!(terms.call.text("command"), Some("frob e"));
    assert_eq!(log.last()["rewrites"].as_array().unwrap().len(), 4);
}

#[test]
fn an_ask_about_the_first_form_of_a_call_stays_when_it_is_rewritten() {
    struct Once;
    impl Hook for Once {
        fn name(&self) -> &str {
            "once"
        }
        fn consult<'a>(
            &'a self,
            proposal: &'a Proposal<'a>,
            _: &'a Judgement,
        ) -> BoxFuture<'a, HookReply> {
            let first = proposal.rewrites == 0;
            Box::pin(async move {
                HookReply::Opinion(HookOpinion {
                    decision: Some(if first { Decision::Ask } else { Decision::Allow }),
                    reason: None,
                    rewrite: first.then(|| bash("frob tidy")),
                })
            })
        }
    }
    let log = Arc::new(Log::default());
    let mut advisers = with(vec![], None, vec![]);
    advisers.hooks.push(Arc::new(Once));
    let gate = Gate::new(GateParts { advisers, ..parts(&log) });
    assert_eq!(refused(&gate, "frob").decided_by, DecidedBy::HeadlessAsk);
}

#[test]
fn a_class_is_asked_for_before_the_rules_and_recorded() {
    let log = Arc::new(Log::default());
    let hooks = vec![hook("first", Does::Class("LOW")), hook("second", Does::Class("HIGH"))];
    drop(allowed(&gate(&log, hooks), "frob"));
    assert_eq!(log.last()["class"], json!({"by": "first", "class": "LOW"}));
}

/// `drob` is denied and `srob` asked by the sealed tier; a user allows both.
fn sealed_rules() -> Arc<RuleSet> {
    static ONCE: OnceLock<Arc<RuleSet>> = OnceLock::new();
    let make = || {
        let sealed = vec![rule("srob", Decision::Ask), rule("drob", Decision::Deny)];
        let allow = ["frob", "srob", "drob"].map(|name| rule(name, Decision::Allow));
        let mut mine = layer(Tier::User, allow.into());
        mine.rules.push(rule("grob", Decision::Deny));
        rules(&[mine, layer(Tier::Enterprise, sealed)])
    };
    ONCE.get_or_init(make).clone()
}

fn does() -> impl Strategy<Value = Does> {
    let said = prop_oneof![
        Just(None),
        Just(Some(Decision::Allow)),
        Just(Some(Decision::Ask)),
        Just(Some(Decision::Deny))
    ];
    prop_oneof![
        4 => said.prop_map(Does::Says),
        1 => Just(Does::Rewrites("frob", "hrob")),
        1 => Just(Does::Rewrites("hrob", "frob")),
        1 => Just(Does::Rewrites("frob", "grob")),
        1 => Just(Does::Rewrites("srob", "drob")),
        1 => Just(Does::Rewrites("frob", "srob")),
        1 => Just(Does::RewritesAll),
        1 => Just(Does::Fails),
        1 => Just(Does::Class("LOW")),
    ]
}

fn said() -> impl Strategy<Value = Option<Says>> {
    prop_oneof![
        Just(None),
        Just(Some(Says::This(Decision::Allow))),
        Just(Some(Says::This(Decision::Ask))),
        Just(Some(Says::This(Decision::Deny))),
        Just(Some(Says::Error)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_crowd_of_advisers_lets_through_what_the_sealed_tier_refuses(
        hooks in prop::collection::vec((does(), any::<bool>()), 0..4),
        said in said(),
        yes in any::<bool>(),
        first in prop::sample::select(vec!["frob", "hrob", "grob", "srob", "drob"]),
    ) {
        let hooks = hooks.into_iter().map(|(does, gates)| {
            if gates { hook("guard", does) } else { observer("watch", does) }
        });
        let ada = person("terminal", Answers::With(Choice::Allow(Scope::Session)));
        let people = if yes { vec![ada.clone()] } else { vec![] };
        let log = Arc::new(Log::default());
        let gate = Gate::new(GateParts {
            rules: sealed_rules(),
            advisers: with(hooks.collect(), said.map(classifier), people),
            ..parts(&log)
        });
        if let Verdict::Allow(permit) = decide(&gate, first) {
            let body = log.last();
            let last = log.kinds().last().copied();
            prop_assert_eq!(last, Some((Kind::Decision, Some(Decision::Allow))));
            let terms = permit.redeem().unwrap();
            let command = terms.call.text("command").unwrap().to_owned();
            prop_assert_eq!(&body["digest"], &json!(terms.digest));
            prop_assert!(!command.starts_with("drob") && !command.starts_with("grob"));
            if command.starts_with("srob") {
                prop_assert!(!ada.seen.lock().unwrap().is_empty(), "a person answered");
                prop_assert_eq!(&body["person"]["granted"], "once");
            }
        }
    }
}
