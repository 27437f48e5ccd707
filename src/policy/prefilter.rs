//! What a text must hold before an expression is worth a look, so that most are never compiled.
//!
//! A start pays for every expression that it compiles, a decision for every one that it walks.
//! INVARIANT (prefilter over-approximates): whatever the expression matches is let through.
//! What ships is taken apart at build time: the build script compiles this file too, so it knows
//! no other room. Read [`super::hints`] next.

use super::dialect::with_ascii_classes;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};
use std::borrow::Cow;

/// A literal, in bytes.
pub type Literal = Cow<'static, [u8]>;

/// One alternative of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// How it is matched.
    pub test: Test,
    /// A match begins at the start of the text, with one of these.
    pub starts: Option<Vec<Literal>>,
    /// A match holds one of these, ASCII letters in either case.
    pub needs: Option<Vec<Need>>,
}

/// A lower-case literal, and a bit for each of its bytes: most literals have one that a text lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The literal.
    pub literal: Literal,
    bytes: u128,
}

impl Need {
    /// Counts its bytes.
    pub fn new(literal: Literal) -> Self {
        Need { bytes: bytes_of(&literal), literal }
    }
}

/// A bit for each byte, letters in lower case; bytes that share one are not told apart.
fn bytes_of(text: &[u8]) -> u128 {
    text.iter().fold(0, |bits, byte| bits | 1 << (byte.to_ascii_lowercase() & 127))
}

/// How one alternative is matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// By an expression.
    Regex(Cow<'static, str>),
    /// `^(?:one|two)(?: .*)?$`, without an expression.
    Words(Words),
}

/// Commands that match with any arguments, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The commands.
    pub sorted: Vec<Literal>,
    /// The most blanks in one of them.
    pub blanks: usize,
}

impl Words {
    /// Sorts `words`.
    pub fn new(mut words: Vec<Literal>) -> Self {
        words.sort();
        words.dedup();
        let blanks = |word: &Literal| word.iter().filter(|byte| **byte == b' ').count();
        Words { blanks: words.iter().map(blanks).max().unwrap_or(0), sorted: words }
    }

    /// Whether `text` is one of the words, or one followed by a blank and anything.
    pub fn begin(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let blanks = bytes.iter().enumerate().filter(|(_, byte)| **byte == b' ');
        let ends = blanks.map(|(at, _)| at).take(self.blanks + 1).chain([bytes.len()]);
        let known = |head: &[u8]| self.sorted.binary_search_by(|word| (**word).cmp(head)).is_ok();
        ends.into_iter().any(|end| bytes.get(..end).is_some_and(known))
    }
}

impl Part {
    /// Whether `text` is worth a look.
    pub fn lets_through(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let starts = |start: &Literal| start.first() == bytes.first() && bytes.starts_with(start);
        if self.starts.as_ref().is_some_and(|all| !all.iter().any(starts)) {
            return false;
        }
        let Some(needs) = &self.needs else { return true };
        // In a long text nearly every byte occurs.
        let have = if bytes.len() > 256 { u128::MAX } else { bytes_of(bytes) };
        needs.iter().any(|need| need.bytes & !have == 0 && holds(bytes, &need.literal))
    }
}

/// The first bytes of whatever one of the parts matches, a bit for each; `None` if it may begin
/// with any, or be empty.
#[allow(dead_code, reason = "the build script does not ask")]
pub fn heads(parts: &[Part]) -> Option<[u64; 4]> {
    let mut bits = [0u64; 4];
    for part in parts {
        let literals = match &part.test {
            Test::Words(words) => &words.sorted,
            Test::Regex(_) => part.starts.as_ref()?,
        };
        for literal in literals {
            let first = literal.first()?;
            *bits.get_mut(usize::from(first >> 6))? |= 1 << (first & 63);
        }
    }
    Some(bits)
}

/// More states than this are counted by compiling them.
const SMALL: usize = 20_000;

/// The whole expression as one part, if it is one, and so small that it need not be compiled to
/// know its size.
#[allow(dead_code, reason = "the build script does not ask")]
pub fn small(source: &str) -> Option<Part> {
    let hir = parse(source).filter(|hir| states(hir) < SMALL)?;
    Some(Part { test: Test::Regex(Cow::Owned(source.to_owned())), ..filters(&hir) })
}

/// About as many states as an automaton of it has, rather more than fewer.
fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => class.ranges().len().saturating_mul(16),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len(),
        HirKind::Capture(capture) => states(&capture.sub),
        HirKind::Concat(all) | HirKind::Alternation(all) => {
            all.iter().map(states).fold(all.len(), usize::saturating_add)
        }
        HirKind::Repetition(rep) => {
            let times = rep.max.unwrap_or(rep.min).max(1) as usize;
            states(&rep.sub).saturating_add(1).saturating_mul(times)
        }
    }
}

/// Whether `needle`, which is lower case, stands in `text` in either case.
fn holds(text: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return true };
    let Some(last) = text.len().checked_sub(needle.len()) else { return false };
    let here = |at: usize| {
        text.get(at..at + needle.len()).is_some_and(|part| part.eq_ignore_ascii_case(needle))
    };
    let heads = text.get(..=last).unwrap_or_default();
    memchr::memchr2_iter(*first, first.to_ascii_uppercase(), heads).any(here)
}

fn parse(source: &str) -> Option<Hir> {
    let mut parser = ParserBuilder::new().dot_matches_new_line(true).build();
    parser.parse(&with_ascii_classes(source)).ok()
}

/// The whole expression as one part; `None` for a source that is none.
pub fn whole(source: &str) -> Option<Part> {
    let hir = parse(source)?;
    Some(Part { test: Test::Regex(Cow::Owned(source.to_owned())), ..filters(&hir) })
}

/// The alternatives of an expression; `None` for a source that is none.
#[allow(dead_code, reason = "what ships is taken apart by the build script, and by tests")]
pub fn parts(source: &str) -> Option<Vec<Part>> {
    let mut apart = Vec::new();
    split(&flat(&parse(source)?), &mut apart);
    let (mut words, mut parts) = (Vec::new(), Vec::new());
    for hir in &apart {
        match word(hir) {
            Some(word) => words.push(Cow::Owned(word)),
            None => {
                parts.push(Part { test: Test::Regex(Cow::Owned(hir.to_string())), ..filters(hir) });
            }
        }
    }
    if parts.len() > MOST_PARTS {
        return whole(source).map(|part| vec![part]);
    }
    if !words.is_empty() {
        let test = Test::Words(Words::new(words));
        parts.insert(0, Part { test, starts: None, needs: None });
    }
    Some(parts)
}

/// More alternatives than this are cheaper in one expression.
const MOST_PARTS: usize = 64;

/// The same expression without groups: nobody asks what they held.
fn flat(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Capture(capture) => flat(&capture.sub),
        HirKind::Concat(all) => Hir::concat(all.iter().map(flat).collect()),
        HirKind::Alternation(all) => Hir::alternation(all.iter().map(flat).collect()),
        HirKind::Repetition(rep) => {
            Hir::repetition(Repetition { sub: Box::new(flat(&rep.sub)), ..rep.clone() })
        }
        _ => hir.clone(),
    }
}

/// Takes alternatives apart as long as only known text and assertions stand in front of them.
fn split(hir: &Hir, out: &mut Vec<Hir>) {
    match hir.kind() {
        HirKind::Alternation(all) => all.iter().for_each(|one| split(one, out)),
        HirKind::Concat(all) => {
            let plain = |hir: &&Hir| matches!(hir.kind(), HirKind::Literal(_) | HirKind::Look(_));
            let before = all.iter().take_while(plain).count();
            match all.get(before).map(Hir::kind) {
                Some(HirKind::Alternation(alternatives)) => {
                    let (head, tail) = (all.iter().take(before), all.iter().skip(before + 1));
                    for one in alternatives {
                        let whole = head.clone().chain([one]).chain(tail.clone());
                        split(&Hir::concat(whole.cloned().collect()), out);
                    }
                }
                _ => out.push(hir.clone()),
            }
        }
        _ => out.push(hir.clone()),
    }
}

/// The command, where the expression is `^command(?: .*)?$`.
fn word(hir: &Hir) -> Option<Vec<u8>> {
    let HirKind::Concat(all) = hir.kind() else { return None };
    let rest = all.iter().skip_while(|hir| matches!(hir.kind(), HirKind::Look(Look::Start)));
    let rest: Vec<&Hir> = rest.collect();
    let [literal, tail, end] = rest.as_slice() else { return None };
    let HirKind::Literal(literal) = literal.kind() else { return None };
    let any_arguments = parse("(?: .*)?").is_some_and(|wanted| **tail == flat(&wanted));
    let ends = matches!(end.kind(), HirKind::Look(Look::End));
    (all.len() > rest.len() && any_arguments && ends).then(|| literal.0.to_vec())
}

fn filters(hir: &Hir) -> Part {
    Part {
        test: Test::Regex(Cow::Borrowed("")),
        starts: starts(hir),
        needs: needs(hir)
            .map(|found| found.into_iter().map(|one| Need::new(Cow::Owned(one))).collect()),
    }
}

fn starts(hir: &Hir) -> Option<Vec<Literal>> {
    if !hir.properties().look_set_prefix().contains(Look::Start) {
        return None;
    }
    let found = extractor().extract(hir);
    let mut all: Vec<Literal> =
        found.literals()?.iter().map(|one| Cow::Owned(one.as_bytes().to_vec())).collect();
    // A longer one adds nothing to its own beginning, which sorts in front of it.
    all.sort();
    all.dedup_by(|longer, shorter| longer.starts_with(shorter));
    all.iter().all(|one| !one.is_empty()).then_some(all)
}

/// Short beginnings do: they are looked at for every command.
fn extractor() -> Extractor {
    let mut extractor = Extractor::new();
    extractor.limit_class(3).limit_repeat(2).limit_literal_len(16).limit_total(64);
    extractor
}

/// The most literals that are looked for.
const MOST_LITERALS: usize = 48;

/// Lower-case literals of which every match holds one.
fn needs(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let found = match hir.kind() {
        HirKind::Literal(literal) => vec![literal.0.to_ascii_lowercase()],
        HirKind::Class(class) => characters(class)?,
        HirKind::Capture(capture) => needs(&capture.sub)?,
        HirKind::Repetition(rep) if rep.min > 0 => needs(&rep.sub)?,
        HirKind::Alternation(all) => {
            let all: Option<Vec<_>> = all.iter().map(needs).collect();
            all?.concat()
        }
        HirKind::Concat(all) => {
            let runs = runs(all).into_iter().map(|run| vec![run]);
            let inner = all.iter().filter_map(needs);
            inner.chain(runs).max_by_key(|found| worth(found))?
        }
        _ => return None,
    };
    let mut found = found;
    found.sort();
    found.dedup();
    (!found.is_empty() && found.len() <= MOST_LITERALS && found.iter().all(|one| !one.is_empty()))
        .then_some(found)
}

/// Long literals are rare, and few are quickly looked for.
fn worth(found: &[Vec<u8>]) -> (usize, std::cmp::Reverse<usize>) {
    (found.iter().map(Vec::len).min().unwrap_or(0).min(4), std::cmp::Reverse(found.len()))
}

/// Known letters next to each other, where each may be in either case (`(?i)`).
fn runs(all: &[Hir]) -> Vec<Vec<u8>> {
    let (mut runs, mut run) = (Vec::new(), Vec::new());
    for hir in all {
        match hir.kind() {
            HirKind::Literal(literal) => run.extend(literal.0.to_ascii_lowercase()),
            HirKind::Class(class) => match either_case(class) {
                Some(letter) => run.push(letter),
                None => runs.push(std::mem::take(&mut run)),
            },
            _ => runs.push(std::mem::take(&mut run)),
        }
    }
    runs.push(run);
    runs.retain(|run| !run.is_empty());
    runs
}

/// The letter of a class that is one ASCII letter in both cases. `(?i)k` and `(?i)s` also mean
/// letters outside of ASCII, so they are none.
fn either_case(class: &Class) -> Option<u8> {
    match characters(class)?.as_slice() {
        [one, other] if one == other => match one.as_slice() {
            [letter] => Some(*letter),
            _ => None,
        },
        _ => None,
    }
}

/// The members of a small class, lower case.
fn characters(class: &Class) -> Option<Vec<Vec<u8>>> {
    let Class::Unicode(class) = class else { return None };
    let ranges = class.iter().flat_map(|range| range.start()..=range.end());
    let all: Vec<char> = ranges.take(MOST_LITERALS + 1).collect();
    let text = |c: &char| c.to_string().to_ascii_lowercase().into_bytes();
    (all.len() <= MOST_LITERALS).then(|| all.iter().map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::expression::{Expression, Lazy};
    use crate::policy::hints;
    use proptest::prelude::*;

    fn shown(list: &Option<Vec<Literal>>) -> String {
        let one = |literal: &Literal| String::from_utf8_lossy(literal).into_owned();
        list.as_ref()
            .map_or("-".to_owned(), |all| all.iter().map(one).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn alternatives_are_taken_apart_and_told_what_they_need() {
        let of = |source: &str| -> Vec<String> {
            let show = |part: Part| match &part.test {
                Test::Words(words) => format!("words {}", shown(&Some(words.sorted.clone()))),
                Test::Regex(_) => {
                    let needs =
                        part.needs.map(|all| all.into_iter().map(|one| one.literal).collect());
                    format!("{} {}", shown(&part.starts), shown(&needs))
                }
            };
            parts(source).unwrap().into_iter().map(show).collect()
        };
        assert_eq!(of(r"^(?:git|ls)(?: .*)?$"), ["words git,ls"]);
        assert_eq!(
            of(r"^cargo (?:build|\+\S+ b)(?: .*)?$"),
            ["words cargo build", "cargo + cargo +"]
        );
        assert_eq!(of(r"^pip3?(\.\d+)?\s|^npm\s"), ["pip pip", "npm npm"]);
        assert_eq!(of(r"(^|\s)push\s(.*\s)?(-f|--force)"), ["push push", "- push"]);
        assert_eq!(of(r"(?i)drop\s+table"), ["- table"]);
        assert_eq!(of(r"(?i)mask"), ["- ma"]);
        assert_eq!(of("[\u{ad}\u{feff}]"), ["- \u{ad},\u{feff}"]);
        assert_eq!(of(r"^\S+ [a-z]+$"), ["-  "]);
        assert_eq!(of(r"(a|b)?c|x*"), ["- c", "- -"]);
        assert!(parts("(").is_none() && whole("(").is_none());
    }

    /// Texts near an expression: its own letters, shuffled a little.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            "(git|GIT|gſt|cargo|npm|ls)?( (push|PUSH|-f|--force|\u{212a}|x)){0,3}",
            "[a-dA-D ſ\u{212a}ks|+]{0,12}",
            ".{0,24}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_filtered_expression_says_what_the_unfiltered_one_says(
            source in r"(\(\?i\))?\^?(\(\^\|\\s\))?([a-dks]{1,3}|\[a-ck\]|\\s|\.\*|\(a\|bk\)\??|\(\?:ab\|c\.\)|\|\^?){0,6}(\(\?: \.\*\)\?\$)?",
            text in texts(),
        ) {
            let Ok(plain) = Expression::new(&source) else { return Ok(()) };
            let wanted = plain.is_match(&text);
            prop_assert_eq!(Lazy::new(source.as_str()).is_match(&text, !wanted), wanted, "{}", source);
            let apart = parts(&source).unwrap();
            let any = apart.iter().any(|part| match &part.test {
                Test::Words(words) => words.begin(&text),
                Test::Regex(one) => {
                    part.lets_through(&text) && Expression::new(one).unwrap().is_match(&text)
                }
            });
            prop_assert_eq!(any, wanted, "{} apart as {:?}", source, apart);
        }
    }

    #[test]
    fn every_shipped_expression_is_taken_apart_as_the_build_script_did() {
        let mut seen = 0;
        for source in hints::sources() {
            assert_eq!(hints::shipped(source), parts(source), "{source}");
            assert!(Expression::new(source).is_ok(), "{source}");
            seen += 1;
        }
        assert!(seen > 100, "{seen}");
    }

    #[test]
    fn every_shipped_expression_says_what_it_says_unfiltered_of_every_shipped_example() {
        let mut texts: Vec<String> = Vec::new();
        for danger in crate::policy::danger::builtin() {
            for text in danger.matches.iter().chain(&danger.rejects) {
                texts.push(text.clone());
                texts.extend(text.split_once(' ').map(|(_, rest)| rest.to_owned()));
            }
        }
        for source in hints::sources() {
            let (plain, lazy) = (Expression::new(source).unwrap(), Lazy::new(source));
            for text in &texts {
                let wanted = plain.is_match(text);
                assert_eq!(lazy.is_match(text, !wanted), wanted, "{source} on {text}");
            }
        }
    }
}
