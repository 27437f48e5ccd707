//! The truth table again, through the whole gate: rules, hook, classifier and person are real
//! parties, the log and the machine can fail.

use super::*;
use crate::gate::combine::{Answer, Stages, Standing, admits, standing};
use Decision::{Allow, Ask, Deny};

const THREE: [Decision; 3] = [Allow, Ask, Deny];
const FOUR: [Option<Decision>; 4] = [Some(Allow), None, Some(Ask), Some(Deny)];
const ANSWERS: [Answer; 3] = [Answer::Allow, Answer::Silence, Answer::Deny];

/// Rules of which the sealed tier, the user and the dangerous patterns say these of `frob`.
fn set(sealed: Decision, user: Decision, pattern: Decision) -> Arc<RuleSet> {
    let mut mine = layer(Tier::User, vec![rule("frob", user)]);
    mine.dangerous_patterns = match pattern {
        Allow => vec![],
        Ask => vec![danger("frob", Severity::High)],
        Deny => vec![danger("frob", Severity::Critical)],
    };
    rules(&[mine, layer(Tier::Enterprise, vec![rule("frob", sealed)])])
}

#[test]
fn the_whole_gate_equals_the_table_in_all_10368_cases() {
    let executor = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let full = Arc::new(Log { full: true, ..Log::default() });
    let (mut cases, mut permits) = (0, 0);
    for (s, r, d) in (0..27).map(|n| (n / 9, n / 3 % 3, n % 3)) {
        let set = set(THREE[s], THREE[r], THREE[d]);
        for (h, c, p) in (0..48).map(|n| (n / 12, n / 3 % 4, n % 3)) {
            for bits in 0..8u8 {
                let [headless, audit_ok, confined_ok] = [1, 2, 4].map(|bit| bits & bit != 0);
                let answer = match ANSWERS[p] {
                    Answer::Allow => Answers::With(Choice::Allow(Scope::Once)),
                    Answer::Silence => Answers::Not,
                    Answer::Deny => Answers::With(Choice::Deny),
                };
                let mut ada = person("terminal", answer);
                Arc::get_mut(&mut ada).unwrap().there = !headless;
                let said = FOUR[c].map(|said| classifier(Says::This(said)));
                let advisers = with(vec![hook("guard", Does::Says(FOUR[h]))], said, vec![ada]);
                let log = if audit_ok { Arc::new(Log::default()) } else { full.clone() };
                let gate = Gate::new(GateParts {
                    rules: set.clone(),
                    confiner: Arc::new(Machine(confined_ok)),
                    advisers,
                    ..parts(&log)
                });
                let ours = executor.block_on(decided(&gate, "frob"));
                let stages = Stages {
                    sealed: THREE[s],
                    rules: THREE[r],
                    danger: THREE[d],
                    hook: FOUR[h],
                    classifier: FOUR[c],
                };
                // Only open calls are sent to the classifier: elsewhere it has no opinion.
                let unheard = Stages { classifier: None, ..stages };
                let open = standing(&unheard) == Standing::Open;
                let stages = if open { stages } else { unheard };
                let theirs = admits(&stages, ANSWERS[p], headless, audit_ok, confined_ok);
                let allowed = matches!(ours, Verdict::Allow(_));
                assert_eq!(
                    allowed, theirs,
                    "{stages:?} {:?} headless {headless} {audit_ok} {confined_ok}",
                    ANSWERS[p]
                );
                let records = log.kinds();
                let written = records.contains(&(Kind::Decision, Some(Allow)));
                assert_eq!(written, allowed, "an allow is on record if and only if it is given");
                cases += 1;
                permits += usize::from(allowed);
            }
        }
    }
    assert_eq!(cases, 10_368);
    // 137 of the table, and those in which a classifier objects to a call that is not open.
    assert_eq!(permits, 161);
}
