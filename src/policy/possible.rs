//! Whether an expression could match a text of which parts are not known.
//!
//! A denial that cannot be evaluated denies: `deploy $x` may be `deploy production`. The text is
//! a *shape*, in which marks stand for what is only known at run time. The automaton of the
//! expression is walked with every state that some text could reach.
//! INVARIANT (over-approximate): if any text of the shape matches from its start or from a known
//! part on, the answer is yes.

use super::shell::{ANY, ANY_NAME, ANY_PLAIN_NAME};
use regex_automata::nfa::thompson::{self, NFA, State};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;

/// Stands for nothing, or for a blank and any text: a word that is not known at all.
pub const ANY_WORDS: char = '\u{4}';
/// Longest shape in bytes that is walked; a longer one could match anything.
const MAX_SHAPE: usize = 2048;

/// The automaton of one expression.
#[derive(Debug, Clone)]
pub struct Automaton(NFA);

/// States that could be reached.
#[derive(Clone)]
struct Reached {
    seen: Vec<bool>,
    list: Vec<StateID>,
}

impl Automaton {
    /// Builds it; `None` for an expression that is none.
    pub fn new(source: &str, limit: usize) -> Option<Self> {
        thompson::Compiler::new()
            .syntax(syntax::Config::new().dot_matches_new_line(true).utf8(false))
            .configure(thompson::Config::new().utf8(false).nfa_size_limit(Some(limit)))
            .build(source)
            .ok()
            .map(Automaton)
    }

    /// Whether some text of `shape` matches. The match must begin at the start or in a part that
    /// is known: else any expression without an anchor would stop every `echo $x`.
    pub fn could_match(&self, shape: &str) -> bool {
        if shape.len() > MAX_SHAPE {
            return true;
        }
        let mut now = self.none();
        self.add(&mut now, self.0.start_anchored(), true, false);
        let not_slash = |b: u8| b != b'/';
        for (at, byte) in shape.bytes().enumerate() {
            let known = !matches!(char::from(byte), ANY | ANY_NAME | ANY_PLAIN_NAME | ANY_WORDS);
            if known && at > 0 {
                self.add(&mut now, self.0.start_anchored(), false, false);
            }
            if self.matched(&now) {
                return true;
            }
            now = match char::from(byte) {
                ANY => self.any(now, |_| true),
                ANY_NAME => self.any(now, not_slash),
                ANY_PLAIN_NAME => {
                    let first = self.step(&now, |b| b != b'/' && b != b'.');
                    self.both(now, &self.any(first, not_slash))
                }
                ANY_WORDS => {
                    let blank = self.step(&now, |b| b == b' ');
                    self.both(now, &self.any(blank, |_| true))
                }
                _ => self.step(&now, |b| b == byte),
            };
            if self.matched(&now) {
                return true;
            }
        }
        // Only here an end-of-text assertion holds.
        let mut end = self.none();
        now.list.push(self.0.start_anchored());
        for state in now.list {
            self.add(&mut end, state, shape.is_empty(), true);
        }
        self.matched(&end)
    }

    fn none(&self) -> Reached {
        Reached { seen: vec![false; self.0.states().len()], list: Vec::new() }
    }

    fn matched(&self, reached: &Reached) -> bool {
        reached.list.iter().any(|state| matches!(self.0.state(*state), State::Match { .. }))
    }

    fn both(&self, mut one: Reached, other: &Reached) -> Reached {
        for state in &other.list {
            if let Some(seen) = one.seen.get_mut(state.as_usize())
                && !std::mem::replace(seen, true)
            {
                one.list.push(*state);
            }
        }
        one
    }

    /// Adds a state and what is reached from it without a byte.
    fn add(&self, to: &mut Reached, state: StateID, start: bool, end: bool) {
        let mut todo = vec![state];
        while let Some(state) = todo.pop() {
            let Some(seen) = to.seen.get_mut(state.as_usize()) else { continue };
            if std::mem::replace(seen, true) {
                continue;
            }
            to.list.push(state);
            match self.0.state(state) {
                State::Look { look, next } => {
                    // Other assertions (borders of words, lines) are taken to hold.
                    let holds = match look {
                        Look::Start => start,
                        Look::End => end,
                        _ => true,
                    };
                    if holds {
                        todo.push(*next);
                    }
                }
                State::Union { alternates } => todo.extend(alternates.iter().copied()),
                State::BinaryUnion { alt1, alt2 } => todo.extend([*alt1, *alt2]),
                State::Capture { next, .. } => todo.push(*next),
                _ => {}
            }
        }
    }

    fn step(&self, from: &Reached, takes: impl Fn(u8) -> bool) -> Reached {
        let mut to = self.none();
        for state in &from.list {
            self.follow(*state, &takes, &mut to);
        }
        to
    }

    fn follow(&self, state: StateID, takes: &impl Fn(u8) -> bool, to: &mut Reached) {
        match self.0.state(state) {
            State::ByteRange { trans } if (trans.start..=trans.end).any(takes) => {
                self.add(to, trans.next, false, false);
            }
            State::Sparse(sparse) => {
                for trans in sparse.transitions.iter() {
                    if (trans.start..=trans.end).any(takes) {
                        self.add(to, trans.next, false, false);
                    }
                }
            }
            State::Dense(dense) => {
                for (byte, next) in (0u8..=255).zip(dense.transitions.iter()) {
                    if *next != StateID::ZERO && takes(byte) {
                        self.add(to, *next, false, false);
                    }
                }
            }
            _ => {}
        }
    }

    /// Every state that any number of such bytes leads to.
    fn any(&self, from: Reached, takes: impl Fn(u8) -> bool) -> Reached {
        let mut all = from;
        let mut at = 0;
        while let Some(state) = all.list.get(at).copied() {
            at += 1;
            self.follow(state, &takes, &mut all);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn could(source: &str, shape: &str) -> bool {
        Automaton::new(source, 1 << 20).unwrap().could_match(shape)
    }

    #[test]
    fn a_shape_matches_what_one_of_its_texts_matches() {
        assert!(could("^deploy production(?: .*)?$", "deploy \u{1}"));
        assert!(could("^deploy production(?: .*)?$", "deploy pro\u{1}duction"));
        assert!(could("^deploy$", "deploy\u{4}") && !could("^deployx", "deploy\u{4}"));
        assert!(!could("^deploy production(?: .*)?$", "deploy stag\u{1}"));
        assert!(could(r"^terraform\s+apply", "terraform\u{4}"));
        assert!(!could(r"^terraform\s+apply", "terraform plan\u{4}"));
        assert!(could("^/w/secret(?:/.*)?$", "/w/s\u{2}cret/x"));
        assert!(!could("^/w/secret/x$", "/w/\u{2}x"));
        assert!(could("push.*--force", "git push\u{4}") && !could("--force", "echo\u{4}"));
        assert!(!could("^/w/[.]env$", "/w/\u{3}env") && could("^/w/[.]env$", "/w/.e\u{2}"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn whatever_matches_could_match_with_any_part_unknown(
            source in r"\^?([a-c]|\.|\[ab\]|(a|bc)|[ab]\*){0,6}\$?",
            text in "[a-c /]{0,10}", from in 0usize..10, length in 0usize..10,
        ) {
            let source = format!("^(?:{source})");
            let Ok(regex) = regex::Regex::new(&source) else { return Ok(()) };
            let (from, to) = (from.min(text.len()), (from + length).min(text.len()));
            let shape = format!("{}\u{1}{}", &text[..from], &text[to..]);
            if regex.is_match(&text) {
                prop_assert!(could(&source, &shape), "{source} {text} {shape:?}");
            }
            prop_assert_eq!(could(&source, &text), regex.is_match(&text));
        }
    }
}
