//! The last word: every stage's answer into allow, ask or deny, as one truth table.
//!
//! `s` sealed, `r` rules, `d` dangerous patterns, `h` hook, `c` classifier, `p` person. The
//! table is stated in the documentation of assurance and enumerated whole by the tests.

use crate::model::Decision;

/// What each stage said about one call. Hook and classifier may have no opinion.
#[derive(Debug, Clone, Copy)]
pub struct Stages {
    /// The sealed tier.
    pub sealed: Decision,
    /// The strictest rule of all other tiers.
    pub rules: Decision,
    /// The strictest dangerous pattern.
    pub danger: Decision,
    /// A hook's answer.
    pub hook: Option<Decision>,
    /// The classifier's answer.
    pub classifier: Option<Decision>,
}

/// What the stages before a person amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Somebody denied.
    Refused,
    /// A person has to answer.
    Open,
    /// Nobody objects.
    Clear,
}

/// A person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Yes, this once.
    Allow,
    /// No.
    Deny,
    /// Nobody answered.
    Silence,
}

/// Combines the stages that need nobody.
#[must_use]
pub fn standing(stages: &Stages) -> Standing {
    use Decision::{Allow, Ask, Deny};
    let base = stages.sealed.strictest(stages.rules).strictest(stages.danger);
    let (hook, classifier) = (stages.hook, stages.classifier);
    if base == Deny || hook == Some(Deny) || classifier == Some(Deny) {
        return Standing::Refused;
    }
    let asked = hook == Some(Ask) || classifier == Some(Ask);
    let open = base == Ask || asked;
    // G2: what the sealed tier asks, only a person can answer.
    let lifted =
        stages.sealed != Ask && (hook == Some(Allow) || classifier == Some(Allow)) && !asked;
    if open && !lifted { Standing::Open } else { Standing::Clear }
}

/// The whole table: also who can answer, whether it is recorded and whether it is confined.
#[must_use]
pub fn admits(
    stages: &Stages,
    person: Answer,
    headless: bool,
    recorded: bool,
    confined: bool,
) -> bool {
    let consent = match standing(stages) {
        Standing::Refused => false,
        Standing::Open => !headless && person == Answer::Allow,
        Standing::Clear => true,
    };
    // G5: no record or too little confinement, no call.
    consent && recorded && confined
}

#[cfg(test)]
mod tests {
    use super::*;
    use Decision::{Allow, Ask, Deny};

    const THREE: [Decision; 3] = [Allow, Ask, Deny];
    const FOUR: [Option<Decision>; 4] = [Some(Allow), None, Some(Ask), Some(Deny)];
    const ANSWERS: [Answer; 3] = [Answer::Allow, Answer::Silence, Answer::Deny];

    /// The formulas of the specification, with numbers instead of the types above.
    fn transcription(v: [u8; 6], headless: bool, audit_ok: bool, confined_ok: bool) -> bool {
        // s, r, d: 0 allow, 1 ask, 2 deny. h, c: 0 allow, 1 none, 2 ask, 3 deny. p: 0 allow.
        let [s, r, d, h, c, p] = v;
        let b = s.max(r).max(d);
        if b == 2 || h == 3 || c == 3 {
            return false;
        }
        let open = b == 1 || h == 2 || c == 2;
        let lifted = s != 1 && (h == 0 || c == 0) && h != 2 && c != 2;
        if open && !lifted && (headless || p != 0) {
            return false;
        }
        audit_ok && confined_ok
    }

    #[test]
    fn the_gate_equals_its_specification_in_all_10368_cases() {
        let (mut cases, mut allowed) = (0, 0);
        for (s, r, d) in (0..27).map(|n| (n / 9, n / 3 % 3, n % 3)) {
            for (h, c, p) in (0..48).map(|n| (n / 12, n / 3 % 4, n % 3)) {
                for bits in 0..8u8 {
                    let [headless, audit_ok, confined_ok] = [1, 2, 4].map(|bit| bits & bit != 0);
                    let stages = Stages {
                        sealed: THREE[s],
                        rules: THREE[r],
                        danger: THREE[d],
                        hook: FOUR[h],
                        classifier: FOUR[c],
                    };
                    let ours = admits(&stages, ANSWERS[p], headless, audit_ok, confined_ok);
                    let theirs = transcription(
                        [s, r, d, h, c, p].map(|n| n as u8),
                        headless,
                        audit_ok,
                        confined_ok,
                    );
                    assert_eq!(
                        ours, theirs,
                        "{stages:?} {:?} {headless} {audit_ok} {confined_ok}",
                        ANSWERS[p]
                    );
                    cases += 1;
                    allowed += usize::from(ours);
                }
            }
        }
        assert_eq!((cases, allowed), (10_368, 137));
    }

    #[test]
    fn making_one_stage_stricter_never_loosens() {
        for (s, r, d) in (0..27).map(|n| (n / 9, n / 3 % 3, n % 3)) {
            let at = |s: usize, r: usize, d: usize| {
                let stages = Stages {
                    sealed: THREE[s],
                    rules: THREE[r],
                    danger: THREE[d],
                    hook: None,
                    classifier: None,
                };
                admits(&stages, Answer::Allow, false, true, true)
            };
            for (s2, r2, d2) in [(s + 1, r, d), (s, r + 1, d), (s, r, d + 1)] {
                if s2.max(r2).max(d2) < 3 {
                    assert!(at(s, r, d) || !at(s2, r2, d2));
                }
            }
        }
    }
}
