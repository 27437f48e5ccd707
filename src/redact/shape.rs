//! What a kind of secret looks like, as one line of text that both finds and makes examples.
//!
//! `ghp_{b62:36+}` is a literal and a run of at least 36 letters or digits. Classes: `b62`
//! letters and digits, `b64` with `+/`, `b64u` with `-_`, `hex` (lower case), `HEX` (both),
//! `an` lower case and digits, `AN` upper case and digits, `A27`, `a27` (base 32), `b58`, `letters`,
//! `digits`, `bech`, `id` (letters, digits, `_.~-`), `any` (no blank, quote or bracket), `pad`
//! (`=`). Lengths: `n`, `n+`, `n-m`. Alternatives: `(pat|sat)`. An expression engine was measured
//! first: compiling two hundred kinds costs more than a whole start, and asking for groups costs
//! more a token than the floor of 50 MB/s allows. Never decides what is done with a match.

/// Longer runs are followed no further by one look.
const LONGEST_RUN: usize = 1 << 20;

/// The bytes of a class.
pub(in crate::redact) type Set = [bool; 256];

const fn set(ranges: &[(u8, u8)], more: &[u8]) -> Set {
    let mut out = [false; 256];
    let mut i = 0;
    while i < ranges.len() {
        let (mut byte, last) = ranges[i];
        loop {
            out[byte as usize] = true;
            if byte == last {
                break;
            }
            byte += 1;
        }
        i += 1;
    }
    let mut i = 0;
    while i < more.len() {
        out[more[i] as usize] = true;
        i += 1;
    }
    out
}

const ALNUM: [(u8, u8); 3] = [(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')];
/// Letters and digits.
pub(in crate::redact) static B62: Set = set(&ALNUM, b"");
/// The alphabet of base64.
pub(in crate::redact) static B64: Set = set(&ALNUM, b"+/");
/// The alphabet of base64 in URLs, and what most tokens are made of.
pub(in crate::redact) static B64U: Set = set(&ALNUM, b"-_");
static HEX_LOWER: Set = set(&[(b'0', b'9'), (b'a', b'f')], b"");
static HEX_ANY: Set = set(&[(b'0', b'9'), (b'a', b'f'), (b'A', b'F')], b"");
static LOWER: Set = set(&[(b'0', b'9'), (b'a', b'z')], b"");
static UPPER: Set = set(&[(b'0', b'9'), (b'A', b'Z')], b"");
static BASE32: Set = set(&[(b'2', b'7'), (b'A', b'Z')], b"");
static BASE32_LOWER: Set = set(&[(b'2', b'7'), (b'a', b'z')], b"");
static BASE58: Set =
    set(&[(b'1', b'9'), (b'A', b'H'), (b'J', b'N'), (b'P', b'Z'), (b'a', b'k'), (b'm', b'z')], b"");
static LETTERS: Set = set(&[(b'A', b'Z'), (b'a', b'z')], b"");
static DIGITS: Set = set(&[(b'0', b'9')], b"");
static ID: Set = set(&ALNUM, b"_.~-");
static B64PERCENT: Set = set(&ALNUM, b"+/%=-_");
static ANY: Set = set(
    &[
        (b'!', b'!'),
        (b'#', b'&'),
        (b'*', b':'),
        (b'=', b'Z'),
        (b'^', b'_'),
        (b'a', b'z'),
        (b'~', b'~'),
    ],
    b"",
);
static PAD: Set = set(&[], b"=");

/// One part of a shape.
#[derive(Debug, Clone)]
enum Part {
    Literal(Vec<u8>),
    Run { set: &'static Set, class: &'static str, min: usize, max: usize },
    Either(Vec<Vec<Part>>),
}

/// What a look at one place told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::redact) enum Look {
    /// It does not stand here; nothing beyond this offset was looked at.
    No(usize),
    /// The text ended before it was complete.
    Partial,
    /// It stands here and ends there.
    Full(usize),
}

/// A parsed shape.
#[derive(Debug, Clone)]
pub(in crate::redact) struct Shape {
    parts: Vec<Part>,
}

/// A literal by which a shape is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::redact) struct Anchor {
    /// The literal.
    pub(in crate::redact) word: Vec<u8>,
    /// How many bytes of the shape stand before it, at least and at most.
    pub(in crate::redact) before: (usize, usize),
}

impl Shape {
    /// Reads a shape.
    ///
    /// # Errors
    /// A class or length that does not exist, an open bracket.
    pub(in crate::redact) fn parse(text: &str) -> Result<Shape, String> {
        let mut rest = text;
        let parts = sequence(&mut rest, false)?;
        match rest.is_empty() && !parts.is_empty() {
            true => Ok(Shape { parts }),
            false => Err(format!("cannot read the shape {text} at \"{rest}\"")),
        }
    }

    /// Looks at one place. `text` ends where nothing more may be looked at.
    pub(in crate::redact) fn look(&self, text: &[u8], at: usize) -> Look {
        look(&self.parts, text, at)
    }

    /// The literals by which it is found: of the first part that has some.
    pub(in crate::redact) fn anchors(&self) -> Vec<Anchor> {
        let mut before = (0, 0);
        for part in &self.parts {
            match part {
                Part::Literal(word) => return vec![Anchor { word: word.clone(), before }],
                Part::Run { min, max, .. } => {
                    before = (before.0 + min, before.1.saturating_add(*max));
                }
                Part::Either(choices) => {
                    let first = |parts: &Vec<Part>| match parts.first() {
                        Some(Part::Literal(word)) => Some(Anchor { word: word.clone(), before }),
                        _ => None,
                    };
                    return choices.iter().filter_map(first).collect();
                }
            }
        }
        Vec::new()
    }

    /// Whether it can begin with this byte.
    pub(in crate::redact) fn begins_with(&self, byte: u8) -> bool {
        begins_with(&self.parts, byte)
    }

    /// Whether letters or digits may follow: the shape has an open end, so the rest of the
    /// token belongs to it.
    pub(in crate::redact) fn is_open(&self) -> bool {
        let last =
            self.parts.iter().rev().find(|part| !matches!(part, Part::Run { class: "pad", .. }));
        matches!(last, Some(Part::Run { max, .. }) if *max >= LONGEST_RUN)
            || matches!(last, Some(Part::Either(_)))
    }

    /// Writes an example, for tests, with characters from `next`, which gives a number below its argument.
    #[cfg(test)]
    pub(in crate::redact) fn example(&self, next: &mut dyn FnMut(usize) -> usize) -> String {
        let mut out = String::new();
        write_example(&self.parts, next, &mut out);
        out
    }
}

fn begins_with(parts: &[Part], byte: u8) -> bool {
    match parts.first() {
        Some(Part::Literal(word)) => word.first() == Some(&byte),
        Some(Part::Run { set, .. }) => set[usize::from(byte)],
        Some(Part::Either(choices)) => choices.iter().any(|choice| begins_with(choice, byte)),
        None => false,
    }
}

#[cfg(test)]
fn write_example(parts: &[Part], next: &mut dyn FnMut(usize) -> usize, out: &mut String) {
    for part in parts {
        match part {
            Part::Literal(word) => out.push_str(&String::from_utf8_lossy(word)),
            Part::Run { set, min, max, class } => {
                // No `0`, `x` and marks: a row of them is what examples are told by.
                let dull = |byte: u8| matches!(byte, b'0' | b'x' | b'X' | b'-' | b'.' | b'~');
                let from: Vec<u8> = (0..=255u8)
                    .filter(|&byte| set[usize::from(byte)] && (*class == "pad" || !dull(byte)))
                    .collect();
                let length =
                    if *min == *max { *min } else { *min + next((*max - *min).min(4) + 1) };
                for _ in 0..length {
                    out.push(char::from(from[next(from.len())]));
                }
            }
            Part::Either(choices) => write_example(&choices[next(choices.len())], next, out),
        }
    }
}

/// Reads parts up to the end, or up to `|` or `)` inside brackets.
fn sequence(rest: &mut &str, inside: bool) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    while let Some(first) = rest.chars().next() {
        match first {
            '{' => {
                let (run, after) = rest[1..].split_once('}').ok_or("a class has no end")?;
                parts.push(class(run)?);
                *rest = after;
            }
            '(' => {
                *rest = &rest[1..];
                let mut choices = vec![sequence(rest, true)?];
                while let Some(after) = rest.strip_prefix('|') {
                    *rest = after;
                    choices.push(sequence(rest, true)?);
                }
                *rest = rest.strip_prefix(')').ok_or("a choice has no end")?;
                parts.push(Part::Either(choices));
            }
            '|' | ')' if inside => break,
            _ => {
                let end = rest
                    .find(|c| matches!(c, '{' | '(') || inside && matches!(c, '|' | ')'))
                    .unwrap_or(rest.len());
                parts.push(Part::Literal(rest.as_bytes()[..end].to_vec()));
                *rest = &rest[end..];
            }
        }
    }
    Ok(parts)
}

fn class(text: &str) -> Result<Part, String> {
    let (name, length) = text.split_once(':').ok_or_else(|| format!("no length in {{{text}}}"))?;
    let (set, class): (&'static Set, &'static str) = match name {
        "b62" => (&B62, "b62"),
        "b64" => (&B64, "b64"),
        "b64u" => (&B64U, "b64u"),
        "b64%" => (&B64PERCENT, "b64%"),
        "hex" => (&HEX_LOWER, "hex"),
        "HEX" => (&HEX_ANY, "HEX"),
        "an" => (&LOWER, "an"),
        "AN" => (&UPPER, "AN"),
        "A27" => (&BASE32, "A27"),
        "a27" => (&BASE32_LOWER, "a27"),
        "b58" => (&BASE58, "b58"),
        "letters" => (&LETTERS, "letters"),
        "digits" => (&DIGITS, "digits"),
        "id" => (&ID, "id"),
        "any" => (&ANY, "any"),
        "pad" => (&PAD, "pad"),
        _ => return Err(format!("unknown class {name}")),
    };
    let number = |text: &str| text.parse::<usize>().map_err(|_| format!("no length: {text}"));
    let (min, max) = match (length.strip_suffix('+'), length.split_once('-')) {
        (Some(min), _) => (number(min)?, LONGEST_RUN),
        (None, Some((min, max))) => (number(min)?, number(max)?),
        (None, None) => (number(length)?, number(length)?),
    };
    match min <= max && max > 0 {
        true => Ok(Part::Run { set, class, min, max }),
        false => Err(format!("no length: {length}")),
    }
}

fn look(parts: &[Part], text: &[u8], at: usize) -> Look {
    let Some((part, rest)) = parts.split_first() else { return Look::Full(at) };
    match part {
        Part::Literal(word) => {
            let here = &text[at.min(text.len())..];
            let same = here.iter().zip(word).take_while(|(a, b)| a == b).count();
            match same {
                _ if same == word.len() => look(rest, text, at + same),
                _ if same == here.len() => Look::Partial,
                _ => Look::No(at + same),
            }
        }
        Part::Either(choices) => {
            let mut told = Look::No(at);
            for choice in choices {
                // The rest is tried behind each: `(a|ab)c` must find `abc`.
                let found = match look(choice, text, at) {
                    Look::Full(end) => look(rest, text, end),
                    other => other,
                };
                told = match (told, found) {
                    (_, Look::Full(end)) => return Look::Full(end),
                    (Look::Partial, _) | (_, Look::Partial) => Look::Partial,
                    (Look::No(a), Look::No(b)) => Look::No(a.max(b)),
                    (told, _) => told,
                };
            }
            told
        }
        Part::Run { set, min, max, .. } => {
            let length = text[at.min(text.len())..]
                .iter()
                .take(*max)
                .take_while(|&&byte| set[usize::from(byte)])
                .count();
            if length < *min {
                return if at + length == text.len() {
                    Look::Partial
                } else {
                    Look::No(at + length)
                };
            }
            if rest.is_empty() {
                return Look::Full(at + length);
            }
            let mut told = look(rest, text, at + length);
            // A literal that could begin inside the run: the longest run that leaves room for it.
            if let (Some(Part::Literal(word)), true) =
                (rest.first(), !matches!(told, Look::Full(_)))
                && word.first().is_some_and(|&byte| set[usize::from(byte)])
            {
                for shorter in (*min..length).rev().take(512) {
                    if text[at + shorter] == word[0]
                        && let Look::Full(end) = look(rest, text, at + shorter)
                    {
                        return Look::Full(end);
                    }
                }
            }
            if let Look::No(reach) = told {
                told = Look::No(reach.max(at + length));
            }
            told
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(shape: &str, text: &str) -> Look {
        Shape::parse(shape).unwrap().look(text.as_bytes(), 0)
    }

    #[test]
    fn a_shape_is_full_partial_or_not_there() {
        assert_eq!(look("ghp_{b62:4+}", "ghp_abcdef-"), Look::Full(10));
        assert_eq!(look("ghp_{b62:4+}", "ghp_abc"), Look::Partial);
        assert_eq!(look("ghp_{b62:4+}", "gh"), Look::Partial);
        assert_eq!(look("ghp_{b62:4+}", "ghp_ab-d"), Look::No(6));
        assert_eq!(look("(a|ab)c{digits:2}", "abc12"), Look::Full(5));
        assert_eq!(look("{b62:2-9}Q~{b62:1+}", "abQ~z"), Look::Full(5));
        assert_eq!(look("{id:2-9}Q~{b62:1+}", "a.Q~z"), Look::Full(5));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for shape in ["", "{b62}", "{b63:1}", "{b62:x}", "a{b62:1", "(a|b", "{b62:0}", "{b62:3-2}"]
        {
            assert!(Shape::parse(shape).is_err(), "{shape}");
        }
    }

    #[test]
    fn an_anchor_is_the_first_literal() {
        let anchor = |shape: &str| Shape::parse(shape).unwrap().anchors();
        assert_eq!(anchor("ghp_{b62:4+}"), [Anchor { word: b"ghp_".to_vec(), before: (0, 0) }]);
        assert_eq!(anchor("{b62:3}Q~"), [Anchor { word: b"Q~".to_vec(), before: (3, 3) }]);
        assert_eq!(anchor("(pat|sat).{b62:2}").len(), 2);
    }
}
