//! The regular expressions of policies, in the dialect that their authors know from RE2: `\w`,
//! `\d`, `\s` and `\b` are about ASCII, `.` is one character and also takes a line end.
//!
//! A shell parts words at ASCII blanks alone, so ASCII classes are right for command lines. They
//! also make an expression an order of magnitude cheaper to build, which every start pays for.
//! Characters stay whole: `^rm .$` must also hit `rm ü`. Only whether an expression matches is
//! ever asked, so half of an engine does: a forward automaton that is built while it walks.

use super::dialect::with_ascii_classes;
use super::hints;
use super::possible::Automaton;
use super::prefilter::{Part, Test, heads, is_small, whole};
use regex::{Regex, RegexBuilder};
use regex_automata::Input;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::syntax;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Largest compiled expression in bytes, so that a hostile file cannot take the memory.
const LARGEST: usize = 4 << 20;

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    Forward(Box<(DFA, Mutex<Cache>)>),
    /// For the little that the forward automaton does not know (`\B`).
    Full(Regex),
}

impl Expression {
    /// Compiles `source`.
    ///
    /// # Errors
    /// The expression's own error, or that it is too large.
    pub fn new(source: &str) -> Result<Self, String> {
        let source = with_ascii_classes(source);
        let forward = DFA::builder()
            .syntax(syntax::Config::new().dot_matches_new_line(true))
            .thompson(
                thompson::Config::new()
                    .which_captures(WhichCaptures::None)
                    .nfa_size_limit(Some(LARGEST)),
            )
            .build(&source);
        if let Ok(dfa) = forward {
            let cache = Mutex::new(dfa.create_cache());
            return Ok(Expression { engine: Engine::Forward(Box::new((dfa, cache))) });
        }
        let full =
            RegexBuilder::new(&source).dot_matches_new_line(true).size_limit(LARGEST).build();
        full.map(|regex| Expression { engine: Engine::Full(regex) })
            .map_err(|error| error.to_string())
    }

    /// Whether it matches anywhere in `text`.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.engine {
            Engine::Full(regex) => regex.is_match(text),
            Engine::Forward(engine) => {
                let (dfa, cache) = engine.as_ref();
                let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
                let found = dfa.try_search_fwd(&mut cache, &Input::new(text).earliest(true));
                // It has no byte at which it stops and no limit at which it gives up.
                found.is_ok_and(|found| found.is_some())
            }
        }
    }
}

fn has(bits: &[u64; 4], byte: u8) -> bool {
    bits.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
}

/// An expression of which only the parts that a text could match are compiled.
///
/// INVARIANT (prefilter over-approximates): the answer is that of the whole expression.
#[derive(Debug)]
pub struct Lazy {
    source: String,
    /// `None` for a source that is no expression.
    parts: OnceLock<Option<Parts>>,
    possible: OnceLock<Option<Automaton>>,
}

#[derive(Debug)]
struct Parts {
    /// The first bytes of whatever matches, a bit for each; `None` if it may begin with any.
    heads: Option<[u64; 4]>,
    all: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    part: Part,
    regex: OnceLock<Option<Expression>>,
}

impl Lazy {
    /// Nothing is compiled yet: [`Self::check`] does that.
    pub fn new(source: impl Into<String>) -> Self {
        Lazy { source: source.into(), parts: OnceLock::new(), possible: OnceLock::new() }
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// The expression's own error, or that it is too large.
    pub fn check(&self) -> Result<(), String> {
        // What is surely small enough need not be compiled to see it.
        if is_small(&self.source) { Ok(()) } else { Expression::new(&self.source).map(drop) }
    }

    fn parts(&self) -> Option<&Parts> {
        let build = || {
            let parts =
                hints::shipped(&self.source).or_else(|| whole(&self.source).map(|part| vec![part]));
            let parts = parts?;
            let heads = heads(&parts);
            let lazy = |part| Compiled { part, regex: OnceLock::new() };
            Some(Parts { heads, all: parts.into_iter().map(lazy).collect() })
        };
        self.parts.get_or_init(build).as_ref()
    }

    /// Whether it matches anywhere in `text`; `broken` is the answer of one that does not compile.
    pub fn is_match(&self, text: &str, broken: bool) -> bool {
        let Some(parts) = self.parts() else { return broken };
        if let Some(heads) = &parts.heads
            && !text.as_bytes().first().is_some_and(|first| has(heads, *first))
        {
            return false;
        }
        parts.all.iter().any(|compiled| match &compiled.part.test {
            Test::Words(words) => words.begin(text),
            Test::Regex(source) => {
                compiled.part.lets_through(text)
                    && compiled
                        .regex
                        .get_or_init(|| Expression::new(source).ok())
                        .as_ref()
                        .map_or(broken, |regex| regex.is_match(text))
            }
        })
    }

    /// Whether it matches some text of `shape`. FAIL CLOSED: yes, if that cannot be told.
    pub fn could_match(&self, shape: &str) -> bool {
        let build = || Automaton::new(&with_ascii_classes(&self.source), LARGEST);
        let automaton = self.possible.get_or_init(build);
        automaton.as_ref().is_none_or(|automaton| automaton.could_match(shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(source: &str, text: &str) -> bool {
        Expression::new(source).unwrap().is_match(text)
    }

    #[test]
    fn classes_are_ascii_and_characters_are_whole() {
        assert!(matches(r"^git\s+push\b", "git push --force"));
        assert!(matches("^rm .$", "rm ü"));
        assert!(matches("^rm [^x]$", "rm ü"));
        assert!(matches(r"^rm \S$", "rm ü"));
        assert!(matches("[äö]x", "öx"));
        assert!(matches("a.b", "a\nb"));
        assert!(!matches(r"^\w+$", "grün"));
        assert!(!matches(r"^a\sb$", "a\u{a0}b"));
        assert!(matches(r"^[]\w]+$", "a]b"));
        assert!(matches(r"^[^]\s]+$", "ab") && !matches(r"^[^]\s]+$", "a]"));
        assert!(matches(r"^\\w$", r"\w") && matches(r"^[\\w]+$", r"\w"));
        assert!(matches(r"^[\w-]+$", "a-b") && matches(r"^[-\w]+$", "a-b"));
        assert!(matches(r"^[.\-\w]+$", "a-.b") && !matches(r"^[\w.-]+$", "ü"));
        assert!(Expression::new(r"[(-\w]").is_err() && Expression::new(r"[\w-z]").is_err());
        assert!(Expression::new("(").is_err());
        assert!(Expression::new(r"(\w{1000}){1000}").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// On ASCII text, both dialects say the same.
        #[test]
        fn writing_classes_out_changes_nothing_on_ascii(
            source in r"[\^\[]{0,2}(\\[wdsWDSb]|[a-c \.\]\[^|()*+?-]){0,8}\$?",
            text in "[ -~\t\n]{0,16}",
        ) {
            let plain = RegexBuilder::new(&source).dot_matches_new_line(true).build();
            let ours = Expression::new(&source);
            if let (Ok(plain), Ok(ours)) = (&plain, &ours) {
                prop_assert_eq!(plain.is_match(&text), ours.is_match(&text), "{}", source);
            }
            prop_assert_eq!(plain.is_ok(), ours.is_ok(), "{}", source);
        }
    }
}
