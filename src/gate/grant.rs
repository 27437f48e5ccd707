//! What people said yes or no to beyond one call, for the length of the session.
//!
//! A grant is for exactly what was shown: the canonical call, the folder, the agent, and
//! everything that asked. It is kept in memory alone and ends with the process. No clock is read
//! here and nothing waits: one lock, one atomic take.
//! INVARIANT (T5): uses of a counted grant never exceed its count, whatever runs side by side.

use super::asked::{QuestionId, Scope};
use super::clock::Now;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// Most answers that are remembered. Beyond it a person is asked again.
const MOST: usize = 1024;

/// What an answer is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantKey {
    yes: String,
    no: String,
}

impl GrantKey {
    /// `digest` covers tool, input, paths and folder; `asking` names everything that asked.
    /// A yes serves the same agent for the same reasons; a no holds for all agents and reasons.
    pub fn new(digest: &str, agent: &str, asking: &[String]) -> Self {
        let mut hash = Sha256::new();
        for part in [digest, agent].into_iter().chain(asking.iter().map(String::as_str)) {
            // Lengths keep two lists apart that would join to the same text.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let yes = crate::model::hex(&hash.finalize());
        GrantKey { yes, no: digest.to_owned() }
    }
}

/// An earlier answer that decides a call now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The question that was answered.
    pub question: QuestionId,
    /// Who answered.
    pub by: String,
}

/// What the store knows of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remembered {
    /// Nothing: a person has to be asked.
    Nothing,
    /// A no.
    Refused(Past),
    /// A yes, one use of which is now taken.
    Granted {
        /// The answer.
        past: Past,
        /// How far it reaches.
        scope: Scope,
        /// Uses that are left, for a counted one.
        remaining: Option<u32>,
    },
}

#[derive(Debug)]
struct Grant {
    past: Past,
    scope: Scope,
    remaining: Option<u32>,
    /// On the steady clock.
    ends: Option<Duration>,
}

#[derive(Debug, Default)]
struct Answers {
    yes: BTreeMap<String, Grant>,
    no: BTreeMap<String, Past>,
}

/// The remembered answers of a session.
#[derive(Debug, Default)]
pub struct Grants {
    answers: Mutex<Answers>,
}

impl Grants {
    /// Remembers a yes after its first use; what is used up or over is not kept.
    pub fn allow(&self, key: &GrantKey, scope: Scope, past: Past, now: Now) {
        let (remaining, ends) = match scope {
            Scope::Once => return,
            Scope::Session => (None, None),
            Scope::Times(count) if count.get() == 1 => return,
            Scope::Times(count) => (Some(count.get() - 1), None),
            Scope::Until(until) => match u64::try_from(until.saturating_sub(now.unix_seconds)) {
                Ok(0) | Err(_) => return,
                Ok(left) => (None, Some(now.steady.saturating_add(Duration::from_secs(left)))),
            },
        };
        // FAIL CLOSED: after a panic in here nothing is remembered and nothing is found.
        let Ok(mut answers) = self.answers.lock() else { return };
        if answers.yes.len() >= MOST {
            answers.yes.retain(|_, grant| !grant.is_over(now));
        }
        if answers.yes.len() < MOST {
            answers.yes.insert(key.yes.clone(), Grant { past, scope, remaining, ends });
        }
    }

    /// Remembers a no. It outlives every yes to the same call.
    pub fn refuse(&self, key: &GrantKey, past: Past) {
        let Ok(mut answers) = self.answers.lock() else { return };
        if answers.no.len() < MOST {
            answers.no.insert(key.no.clone(), past);
        }
    }

    /// What is known of a call; takes one use of a yes.
    pub fn take(&self, key: &GrantKey, now: Now) -> Remembered {
        let Ok(mut answers) = self.answers.lock() else { return Remembered::Nothing };
        if let Some(past) = answers.no.get(&key.no) {
            return Remembered::Refused(past.clone());
        }
        let Some(grant) = answers.yes.get_mut(&key.yes) else { return Remembered::Nothing };
        // What was over once is gone: a clock that steps back revives nothing.
        if grant.is_over(now) {
            answers.yes.remove(&key.yes);
            return Remembered::Nothing;
        }
        let (past, scope) = (grant.past.clone(), grant.scope);
        let Some(left) = grant.remaining else {
            return Remembered::Granted { past, scope, remaining: None };
        };
        let left = left.saturating_sub(1);
        if left == 0 {
            answers.yes.remove(&key.yes);
        } else {
            grant.remaining = Some(left);
        }
        Remembered::Granted { past, scope, remaining: Some(left) }
    }
}

impl Grant {
    /// By either clock: the steady one cannot be set back, and the other one goes on while the
    /// machine sleeps.
    fn is_over(&self, now: Now) -> bool {
        let steady = self.ends.is_some_and(|ends| now.steady >= ends);
        let wall = matches!(self.scope, Scope::Until(until) if now.unix_seconds >= until);
        steady || wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::num::NonZeroU32;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn at(steady: u64, unix_seconds: i64) -> Now {
        Now { steady: Duration::from_secs(steady), unix_seconds }
    }

    fn key(call: &str) -> GrantKey {
        GrantKey::new(call, "main", &["rule".to_owned()])
    }

    fn past() -> Past {
        Past { question: QuestionId::random().unwrap(), by: "ada".to_owned() }
    }

    fn granted(grants: &Grants, key: &GrantKey, now: Now) -> bool {
        matches!(grants.take(key, now), Remembered::Granted { .. })
    }

    #[test]
    fn a_grant_serves_the_same_call_of_the_same_agent_for_the_same_reasons_alone() {
        let grants = Grants::default();
        let now = at(0, 1000);
        grants.allow(&key("call"), Scope::Session, past(), now);
        assert!(granted(&grants, &key("call"), now));
        for (digest, agent, asking) in [
            ("other", "main", vec!["rule"]),
            ("call", "main/child", vec!["rule"]),
            ("call", "main", vec!["rule", "untrusted"]),
            ("call", "main", vec!["another"]),
            ("call", "mainrule", vec![]),
        ] {
            let asking: Vec<String> = asking.into_iter().map(str::to_owned).collect();
            assert!(!granted(&grants, &GrantKey::new(digest, agent, &asking), now));
        }
    }

    #[test]
    fn a_no_holds_for_every_agent_and_beats_a_yes() {
        let grants = Grants::default();
        grants.allow(&key("call"), Scope::Session, past(), at(0, 0));
        grants.refuse(&key("call"), past());
        let child = GrantKey::new("call", "main/child", &[]);
        for key in [key("call"), child] {
            assert!(matches!(grants.take(&key, at(0, 0)), Remembered::Refused(_)));
        }
    }

    #[test]
    fn a_clock_that_steps_back_does_not_revive_a_grant() {
        let grants = Grants::default();
        grants.allow(&key("a"), Scope::Until(1100), past(), at(0, 1000));
        assert!(granted(&grants, &key("a"), at(50, 1050)));
        assert!(!granted(&grants, &key("a"), at(60, 1100)), "over by the wall clock");
        assert!(!granted(&grants, &key("a"), at(61, 900)), "and stays so");
        grants.allow(&key("b"), Scope::Until(1100), past(), at(0, 1000));
        assert!(!granted(&grants, &key("b"), at(100, 500)), "the clock was set back while it ran");
        grants.allow(&key("c"), Scope::Until(1000), past(), at(0, 1000));
        assert!(!granted(&grants, &key("c"), at(0, 999)), "it was over when it was given");
    }

    #[test]
    fn uses_of_a_counted_grant_never_exceed_its_count_under_threads() {
        for round in 0..200u32 {
            let grants = Grants::default();
            let count = 2 + round % 7;
            let scope = Scope::Times(NonZeroU32::new(count).unwrap());
            grants.allow(&key("call"), scope, past(), at(0, 0));
            let (used, gate) = (AtomicU32::new(0), Barrier::new(4));
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        gate.wait();
                        for _ in 0..4 {
                            let took = granted(&grants, &key("call"), at(0, 0));
                            used.fetch_add(u32::from(took), Ordering::SeqCst);
                        }
                    });
                }
            });
            // The answer itself was the first use.
            assert_eq!(used.into_inner() + 1, count);
        }
    }

    #[test]
    fn a_full_store_forgets_nothing_and_asks_again() {
        let grants = Grants::default();
        for n in 0..MOST + 5 {
            grants.allow(&key(&n.to_string()), Scope::Session, past(), at(0, 0));
        }
        assert!(granted(&grants, &key("0"), at(0, 0)));
        assert!(!granted(&grants, &key(&(MOST + 1).to_string()), at(0, 0)));
    }

    #[derive(Debug, Clone)]
    enum Event {
        Allow(u8, Scope),
        Refuse(u8),
        Take(u8),
        Tick(u8),
        Back(u16),
    }

    fn step() -> impl Strategy<Value = Event> {
        let scope = prop_oneof![
            Just(Scope::Once),
            Just(Scope::Session),
            (1..5u32).prop_map(|n| Scope::Times(NonZeroU32::new(n).unwrap())),
            (900..1200i64).prop_map(Scope::Until),
        ];
        prop_oneof![
            (0..3u8, scope).prop_map(|(key, scope)| Event::Allow(key, scope)),
            (0..3u8).prop_map(Event::Refuse),
            (0..3u8).prop_map(Event::Take),
            (0..3u8).prop_map(Event::Take),
            any::<u8>().prop_map(Event::Tick),
            any::<u16>().prop_map(Event::Back),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// A plain model beside the store: what it says no to, the store may not grant.
        #[test]
        fn no_sequence_grants_more_than_was_given(steps in prop::collection::vec(step(), 1..60)) {
            let grants = Grants::default();
            let mut now = at(0, 1000);
            let mut refused = [false; 3];
            // Uses that are left, and when each grant ends on the steady clock.
            let mut given: [Option<(u64, Option<Duration>)>; 3] = [None; 3];
            for step in steps {
                match step {
                    Event::Allow(k, scope) => {
                        grants.allow(&key(&k.to_string()), scope, past(), now);
                        let new = match scope {
                            Scope::Once => None,
                            Scope::Times(n) if n.get() == 1 => None,
                            Scope::Session => Some((u64::MAX, None)),
                            Scope::Times(n) => Some((u64::from(n.get()) - 1, None)),
                            Scope::Until(t) => u64::try_from(t - now.unix_seconds)
                                .ok()
                                .map(|left| (u64::MAX, Some(now.steady + Duration::from_secs(left)))),
                        };
                        given[usize::from(k)] = new.or(given[usize::from(k)]);
                    }
                    Event::Refuse(k) => {
                        grants.refuse(&key(&k.to_string()), past());
                        refused[usize::from(k)] = true;
                    }
                    Event::Take(k) => {
                        let took = granted(&grants, &key(&k.to_string()), now);
                        let known = &mut given[usize::from(k)];
                        let may = !refused[usize::from(k)]
                            && known.is_some_and(|(left, ends)| {
                                left > 0 && ends.is_none_or(|ends| now.steady < ends)
                            });
                        prop_assert!(!took || may);
                        if took && let Some((left, _)) = known {
                            *left = left.saturating_sub(1);
                        }
                    }
                    Event::Tick(seconds) => {
                        now.steady += Duration::from_secs(u64::from(seconds));
                        now.unix_seconds += i64::from(seconds);
                    }
                    Event::Back(seconds) => now.unix_seconds -= i64::from(seconds),
                }
            }
        }
    }
}
