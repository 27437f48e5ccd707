//! The truth table again, through the whole gate: rules, hook, classifier and person are real
//! parties. Whatever is allowed is tried again with a full log and a machine that confines
//! nothing; `combine` enumerates the rest, which only denies.

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
fn the_whole_gate_equals_the_table() {
    let executor = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (mut cases, mut permits) = (0, 0);
    for (s, r, d) in (0..27).map(|n| (n / 9, n / 3 % 3, n % 3)) {
        let set = set(THREE[s], THREE[r], THREE[d]);
        for n in 0..96 {
            let (h, c, p, headless) = (n / 24, n / 6 % 4, n / 2 % 3, n % 2 == 0);
            let stages = Stages {
                sealed: THREE[s],
                rules: THREE[r],
                danger: THREE[d],
                hook: FOUR[h],
                classifier: FOUR[c],
            };
            let ours = |log: &Arc<Log>, machine| {
                let advisers = advisers(&stages, ANSWERS[p], headless);
                let confiner = Arc::new(Machine(machine));
                let rules = set.clone();
                let gate = Gate::new(GateParts { rules, confiner, advisers, ..parts(log) });
                matches!(executor.block_on(decided(&gate, "frob")), Verdict::Allow(_))
            };
            // Only open calls are sent to the classifier: elsewhere it has no opinion.
            let unheard = Stages { classifier: None, ..stages };
            let open = standing(&unheard) == Standing::Open;
            let heard = if open { stages } else { unheard };
            let theirs = admits(&heard, ANSWERS[p], headless, true, true);
            let log = Arc::new(Log::default());
            let allowed = ours(&log, true);
            assert_eq!(allowed, theirs, "{stages:?} {:?} headless {headless}", ANSWERS[p]);
            let written = log.kinds().contains(&(Kind::Decision, Some(Allow)));
            assert_eq!(written, allowed, "an allow is on record if and only if it is given");
            if allowed {
                let full = Arc::new(Log { full: true, ..Log::default() });
                assert!(!ours(&full, true) && !ours(&log, false) && !ours(&full, false), "G5");
            }
            cases += 1;
            permits += usize::from(allowed);
        }
    }
    // 137 of the table; where a call is clear without the classifier (5 rows of s, r, d, h) it
    // is not asked, and its 4 opinions are one: 5 * 24 instead of 65.
    assert_eq!((cases, permits), (2592, 137 - 65 + 120));
}

fn advisers(stages: &Stages, answer: Answer, headless: bool) -> Advisers {
    let answer = match answer {
        Answer::Allow => Answers::With(Choice::Allow(Scope::Once)),
        Answer::Silence => Answers::Not,
        Answer::Deny => Answers::With(Choice::Deny),
    };
    let mut ada = person("terminal", answer);
    Arc::get_mut(&mut ada).unwrap().there = !headless;
    let said = stages.classifier.map(|said| classifier(Says::This(said)));
    with(vec![hook("guard", Does::Says(stages.hook))], said, vec![ada])
}
