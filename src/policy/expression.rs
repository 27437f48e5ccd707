//! The regular expressions of policies, in the dialect that their authors know from RE2: `\w`,
//! `\d`, `\s` and `\b` are about ASCII, `.` is one character and also takes a line end.
//!
//! A shell parts words at ASCII blanks alone, so ASCII classes are right for command lines. They
//! also make an expression an order of magnitude cheaper to build, which every start pays for.
//! Characters stay whole: `^rm .$` must also hit `rm ü`. Only whether an expression matches is
//! ever asked, so half of an engine does: a forward automaton that is built while it walks.

use super::dialect::with_ascii_classes;
use super::hints;
use super::possible::{ANY_WORDS, Automaton};
use super::prefilter::{Need, Part, Test, heads, small, whole};
use super::shell::{ANY, ANY_NAME, ANY_PLAIN_NAME};
use regex::{Regex, RegexBuilder};
use regex_automata::Input;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::syntax;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Largest compiled expression in bytes, so that a hostile file cannot take the memory.
const LARGEST: usize = 4 << 20;
/// Known text and wildcards of fewer bytes make a small automaton.
const SURELY_SMALL: usize = 512;

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
    /// It was put together here, of known text and `.*`: it need not be read to be known.
    plain: bool,
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

impl Parts {
    fn of(parts: Vec<Part>) -> Self {
        let heads = heads(&parts);
        let lazy = |part| Compiled { part, regex: OnceLock::new() };
        Parts { heads, all: parts.into_iter().map(lazy).collect() }
    }
}

/// What a text must have for an expression to match it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// In front.
    Start(&'a [u8]),
    /// Anywhere.
    Part(&'a [u8]),
}

/// The known text in front of a shape.
pub fn known_head(shape: &str) -> &str {
    shape.split([ANY, ANY_NAME, ANY_PLAIN_NAME, ANY_WORDS]).next().unwrap_or_default()
}

/// Whether texts that begin with `one` may begin with `other`.
pub fn compatible(one: &[u8], other: &[u8]) -> bool {
    let both = one.len().min(other.len());
    one.get(..both) == other.get(..both)
}

#[derive(Debug)]
struct Compiled {
    part: Part,
    regex: OnceLock<Option<Expression>>,
}

impl Lazy {
    /// Nothing is compiled yet: [`Self::check`] does that.
    pub fn new(source: impl Into<String>) -> Self {
        let (parts, possible) = (OnceLock::new(), OnceLock::new());
        Lazy { source: source.into(), plain: false, parts, possible }
    }

    /// An expression of known text and wildcards alone, of which every match begins with `start`
    /// and holds `need`; either may be empty.
    pub fn plain(source: String, start: &str, need: &str) -> Self {
        let starts = (!start.is_empty()).then(|| vec![start.as_bytes().to_vec().into()]);
        let need = need.as_bytes().to_ascii_lowercase();
        let needs = (!need.is_empty()).then(|| vec![Need::new(need.into())]);
        let part = Part { test: Test::Regex(source.clone().into()), starts, needs };
        let parts = OnceLock::from(Some(Parts::of(vec![part])));
        Lazy { source, plain: true, parts, possible: OnceLock::new() }
    }

    /// What every match begins with or holds, in any case of letters: one of these. `None` for an
    /// expression that says nothing, or is none.
    pub fn literals(&self) -> Option<Vec<Wanted<'_>>> {
        let mut all = Vec::new();
        for Compiled { part, .. } in &self.parts()?.all {
            match (&part.test, &part.starts, &part.needs) {
                (Test::Words(words), ..) => {
                    all.extend(words.sorted.iter().map(|one| Wanted::Start(one)));
                }
                (_, Some(starts), _) => all.extend(starts.iter().map(|one| Wanted::Start(one))),
                (_, _, Some(needs)) => {
                    all.extend(needs.iter().map(|one| Wanted::Part(&one.literal)))
                }
                _ => return None,
            }
        }
        Some(all)
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// The expression's own error, or that it is too large.
    pub fn check(&self) -> Result<(), String> {
        if self.plain && self.source.len() < SURELY_SMALL {
            return Ok(());
        }
        // What is surely small enough need not be compiled to see it.
        match small(&self.source) {
            Some(part) => {
                self.parts.get_or_init(|| Some(Parts::of(vec![part])));
                Ok(())
            }
            None => Expression::new(&self.source).map(drop),
        }
    }

    fn parts(&self) -> Option<&Parts> {
        let build = || {
            let parts =
                hints::shipped(&self.source).or_else(|| whole(&self.source).map(|part| vec![part]));
            parts.map(Parts::of)
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
        let head = known_head(shape).as_bytes();
        let begins = |wanted: &Wanted<'_>| match wanted {
            Wanted::Start(start) => compatible(start, head),
            Wanted::Part(_) => true,
        };
        if self.literals().is_some_and(|all| !all.iter().any(begins)) {
            return false;
        }
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
