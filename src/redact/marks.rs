//! Finds the places of a text that are worth a look: one pass of one automaton.
//!
//! Reading every kind over every byte would cost a thousand times more. An automaton over the
//! literals of all shapes, the words of telling names, the marks of structures and the
//! beginnings of known values says where something may stand; `scan` looks there and nowhere
//! else. A second, cheaper pass finds long runs of token characters, for the shapes whose
//! literals are too short to search for and for encoded text. Never decides what is masked.

use super::kinds::Kinds;
use super::known::Known;
use super::shape::Anchor;
use super::shape::Look;
use super::view;
use aho_corasick::automaton::Automaton;
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, MatchKind};
use std::collections::HashMap;
use std::ops::Range;

/// How the text around a place may be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::redact) enum Veil {
    /// Terminal escape sequences and characters without width.
    Invisible,
    /// `%3D`.
    Percent,
    /// `&quot;`.
    Entity,
    /// `\u003d`, `\x3d`.
    Escape,
}

/// What may stand at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::redact) enum Mark {
    /// A shape, which begins this many bytes earlier.
    Shape { kind: usize, shape: usize, before: (usize, usize) },
    /// A word with something that a kind's pattern finds.
    Pattern(usize),
    /// A name whose value has the shape of one of these kinds.
    Named(usize),
    /// A name that may be that of a secret.
    Name,
    /// `Bearer `, `Basic `.
    Scheme,
    /// `://`.
    Url,
    /// `"d"`, the private half of a JSON web key.
    WebKey,
    /// ` -u `, a name and a password.
    UserPair,
    /// A program that takes a password with `-p`.
    FlagPassword { glued: bool },
    /// The port of a line of `.pgpass`.
    PgPass,
    /// The first line of a private key.
    Key,
    /// `[secret:`.
    Placeholder,
    /// Something that hides text.
    Veiled(Veil),
    /// An `@`, or two digits: personal data.
    Personal,
    /// The beginning of known values: an index into [`Known::groups`].
    Known(usize),
}

/// A place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::redact) struct Hit {
    pub(in crate::redact) start: usize,
    pub(in crate::redact) end: usize,
    /// Index of the marks.
    pub(in crate::redact) word: usize,
}

/// A shape without a literal that could be searched for.
#[derive(Debug, Clone, Copy)]
pub(in crate::redact) struct Bare {
    pub(in crate::redact) kind: usize,
    pub(in crate::redact) shape: usize,
}

/// The automaton and what its words mean.
pub(in crate::redact) struct Marks {
    automaton: DFA,
    marks: Vec<Vec<Mark>>,
    /// By first byte.
    bare: Vec<Vec<Bare>>,
    longest: usize,
    placeholder: usize,
}

/// A longer literal is searched for by its beginning.
const LONGEST_WORD: usize = 16;
/// Runs shorter than this hold no token of the shapes that have no literal.
pub(in crate::redact) const SHORTEST_RUN: usize = 17;

/// Parts of names that may be telling; `names` judges the whole name.
const NAMES: &[&str] = &[
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "auth",
    "cred",
    "cookie",
    "sess",
    "sig",
    "_pw",
    "dsn",
    "mnemonic",
    "phrase",
    "passcode",
    "connect.sid",
    "salt",
    "sas",
];

impl Marks {
    /// Builds the automaton.
    ///
    /// # Errors
    /// It grew too large.
    pub(in crate::redact) fn new(
        kinds: &Kinds,
        known: &Known,
        all: bool,
        personal: bool,
    ) -> Result<Marks, String> {
        let mut words: HashMap<Vec<u8>, Vec<Mark>> = HashMap::new();
        let mut bare = vec![Vec::new(); 256];
        let mut add = |word: &[u8], mark: Mark| {
            let word = word[..word.len().min(LONGEST_WORD)].to_ascii_lowercase();
            let marks = words.entry(word).or_default();
            if !marks.contains(&mark) {
                marks.push(mark);
            }
        };
        if all {
            for (index, kind) in kinds.all.iter().enumerate() {
                kind.keywords.iter().for_each(|word| add(word.as_bytes(), Mark::Pattern(index)));
                kind.names.iter().for_each(|word| add(word.as_bytes(), Mark::Named(index)));
                if !kind.names.is_empty() {
                    continue;
                }
                for (at, shape) in kind.shapes.iter().enumerate() {
                    let anchors = shape.anchors();
                    if anchors.is_empty() || anchors.iter().any(is_too_short) {
                        let found = Bare { kind: index, shape: at };
                        (0..=255u8).filter(|&byte| shape.begins_with(byte)).for_each(|byte| {
                            bare[usize::from(byte)].push(found);
                        });
                        continue;
                    }
                    for Anchor { word, before } in anchors {
                        add(&word, Mark::Shape { kind: index, shape: at, before });
                    }
                }
            }
            NAMES.iter().for_each(|word| add(word.as_bytes(), Mark::Name));
            for scheme in ["bearer ", "basic ", "bearer\\u0020", "bearer%20", "bearer+"] {
                add(scheme.as_bytes(), Mark::Scheme);
            }
            add(b"://", Mark::Url);
            for part in
                ["\"d\"", "\"dp\"", "\"dq\"", "\"qi\"", "\"d\\", "\"dp\\", "\"dq\\", "\"qi\\"]
            {
                add(part.as_bytes(), Mark::WebKey);
            }
            for flag in [" -u ", " -u\"", " -u'", "--user ", "--user=", "--proxy-user "] {
                add(flag.as_bytes(), Mark::UserPair);
            }
            for program in ["mysql", "mariadb"] {
                add(program.as_bytes(), Mark::FlagPassword { glued: true });
            }
            for program in [
                "sshpass",
                "docker login",
                "podman login",
                "oc login",
                "az login",
                "redis-cli",
                "registry login",
                "ldapsearch",
                "smbclient",
            ] {
                add(program.as_bytes(), Mark::FlagPassword { glued: false });
            }
            for port in [":5432:", ":6432:", ":5433:"] {
                add(port.as_bytes(), Mark::PgPass);
            }
            for begin in ["-----begin", "---- begin", "putty-user-key"] {
                add(begin.as_bytes(), Mark::Key);
            }
            add(b"\x1b", Mark::Veiled(Veil::Invisible));
            for invisible in ["\u{200b}", "\u{200c}", "\u{200d}", "\u{2060}", "\u{feff}", "\u{ad}"]
            {
                add(invisible.as_bytes(), Mark::Veiled(Veil::Invisible));
            }
            for percent in [
                "%3d", "%3a", "%22", "%2f", "%20", "%40", "%2b", "%0a", "%26", "%25", "%2d", "%5f",
                "%2e", "%24", "%7e", "%21", "%23",
            ] {
                add(percent.as_bytes(), Mark::Veiled(Veil::Percent));
            }
            for entity in ["&quot;", "&apos;", "&#3", "&#x", "&lt;/"] {
                add(entity.as_bytes(), Mark::Veiled(Veil::Entity));
            }
            for code in
                ["20", "22", "26", "27", "2b", "2d", "2e", "2f", "3a", "3d", "3e", "40", "5f"]
            {
                add(format!("\\u00{code}").as_bytes(), Mark::Veiled(Veil::Escape));
                add(format!("\\x{code}").as_bytes(), Mark::Veiled(Veil::Escape));
            }
        }
        if personal {
            add(b"@", Mark::Personal);
            (0..100).for_each(|pair| add(format!("{pair:02}").as_bytes(), Mark::Personal));
        }
        add(b"[secret:", Mark::Placeholder);
        for (index, group) in known.groups().iter().enumerate() {
            add(group.beginning(), Mark::Known(index));
        }
        let (words, marks): (Vec<_>, Vec<_>) = words.into_iter().unzip();
        let automaton = DFA::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(&words)
            .map_err(|error| error.to_string())?;
        let longest = words.iter().map(Vec::len).max().unwrap_or(0);
        let placeholder = marks.iter().position(|marks| marks.contains(&Mark::Placeholder));
        let placeholder = placeholder.ok_or("no mark for placeholders")?;
        Ok(Marks { automaton, marks, bare, longest, placeholder })
    }

    /// What the word of a hit means.
    pub(in crate::redact) fn of(&self, hit: Hit) -> &[Mark] {
        &self.marks[hit.word]
    }

    /// The shapes to try where a long run begins with this byte.
    pub(in crate::redact) fn bare(&self, first: u8) -> &[Bare] {
        &self.bare[usize::from(first)]
    }

    /// Length of the longest word.
    pub(in crate::redact) fn longest(&self) -> usize {
        self.longest
    }

    /// Whether a hit may be a placeholder that stands there already.
    pub(in crate::redact) fn is_placeholder(&self, hit: Hit) -> bool {
        hit.word == self.placeholder
    }

    /// All places within a range of a text, ordered by their ends.
    ///
    /// The automaton waits for memory at every byte; two halves, read in turn, wait together.
    pub(in crate::redact) fn hits(&self, text: &[u8], range: Range<usize>, hits: &mut Vec<Hit>) {
        hits.clear();
        let (from, end) = (range.start, range.end);
        // No word holds a line end, so a line end is a safe place to part the text.
        let middle = from + (end - from) / 2;
        let middle = match end - from > 512 {
            true => {
                memchr::memchr(b'\n', &text[middle..end]).map_or(from, |length| middle + length)
            }
            false => from,
        };
        let mut later = Vec::new();
        let (Ok(mut a), Ok(mut b)) =
            (self.automaton.start_state(Anchored::No), self.automaton.start_state(Anchored::No))
        else {
            return;
        };
        let (first, second) = (&text[from..middle], &text[middle..end]);
        let both = first.len().min(second.len());
        for (at, (&x, &y)) in first[..both].iter().zip(&second[..both]).enumerate() {
            a = self.automaton.next_state(Anchored::No, a, x);
            b = self.automaton.next_state(Anchored::No, b, y);
            if self.automaton.is_special(a) {
                self.note(a, from + at + 1, hits);
            }
            if self.automaton.is_special(b) {
                self.note(b, middle + at + 1, &mut later);
            }
        }
        for (at, &byte) in first[both..].iter().enumerate() {
            a = self.automaton.next_state(Anchored::No, a, byte);
            if self.automaton.is_special(a) {
                self.note(a, from + both + at + 1, hits);
            }
        }
        for (at, &byte) in second[both..].iter().enumerate() {
            b = self.automaton.next_state(Anchored::No, b, byte);
            if self.automaton.is_special(b) {
                self.note(b, middle + both + at + 1, &mut later);
            }
        }
        hits.append(&mut later);
    }

    #[cold]
    fn note(&self, state: aho_corasick::automaton::StateID, end: usize, hits: &mut Vec<Hit>) {
        if !self.automaton.is_match(state) {
            return;
        }
        for index in 0..self.automaton.match_len(state) {
            let word = self.automaton.match_pattern(state, index);
            let start = end - self.automaton.pattern_len(word);
            hits.push(Hit { start, end, word: word.as_usize() });
        }
    }

    /// Whether a run may hold what only a look at runs finds. Most are names of programs.
    pub(in crate::redact) fn is_worth(
        &self,
        kinds: &Kinds,
        text: &[u8],
        run: &Range<usize>,
    ) -> bool {
        let token = &text[run.clone()];
        let may_begin = |at: usize| {
            self.bare(text[at]).iter().any(|bare| {
                let looked = kinds.all[bare.kind].shapes[bare.shape].look(text, at);
                match looked {
                    Look::No(reach) if reach < run.end => false,
                    // It may go on in the next line.
                    Look::No(_) => view::line_break(&text[run.end..], false) > 0,
                    Look::Partial | Look::Full(_) => true,
                }
            })
        };
        may_begin(run.start)
            || run.start >= 2 && text[run.start - 1] == b'.' && may_begin(run.start - 2)
            || token.contains(&b'/')
            || view::may_hold_text(token)
            || follows_wrapped_line(text, run.start)
    }
}

/// Whether a run begins its line and the line before ends with a token.
fn follows_wrapped_line(text: &[u8], at: usize) -> bool {
    let first = at.saturating_sub(40);
    let gap =
        text[first..at].iter().rev().take_while(|&&byte| !is_run(byte) && byte != b'\n').count();
    let line = at - gap;
    line >= 2
        && text[line - 1] == b'\n'
        && text[..line - 1]
            .iter()
            .rev()
            .find(|&&byte| byte != b'\r')
            .is_some_and(|&byte| is_run(byte))
}

/// Whether a literal stands in ordinary text so often that searching for it costs more than
/// trying the shape wherever a long run begins.
fn is_too_short(anchor: &Anchor) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    match anchor.word.as_slice() {
        [] | [_] => true,
        word @ ([_, _] | [_, _, _]) => {
            word.iter().all(plain)
                && !word[..word.len() - 1].contains(&b'.')
                && !word.ends_with(b".")
                || word.len() == 2 && !word.iter().any(u8::is_ascii_punctuation)
                || word.len() == 2 && word.ends_with(b".")
        }
        _ => false,
    }
}

/// The characters of tokens and of base64 and hexadecimal text.
pub(in crate::redact) fn is_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-')
}

static RUN: [bool; 256] = {
    let mut set = [false; 256];
    let mut i = 0;
    while i < 256 {
        let byte = i as u8;
        set[i] = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-');
        i += 1;
    }
    set
};

/// All runs of at least [`SHORTEST_RUN`] token characters within a range of a text.
///
/// Only every seventeenth byte is read while no run is near: a run that long covers one of them.
pub(in crate::redact) fn runs(text: &[u8], range: Range<usize>, runs: &mut Vec<Range<usize>>) {
    runs.clear();
    let (mut from, end) = (range.start, range.end);
    while from + SHORTEST_RUN <= end {
        // INVARIANT: no run of full length begins before `from` and is not in the list.
        let probe = from + SHORTEST_RUN - 1;
        if !RUN[usize::from(text[probe])] {
            from = probe + 1;
            continue;
        }
        let before = text[from..probe].iter().rposition(|&byte| !RUN[usize::from(byte)]);
        if let Some(gap) = before {
            from += gap + 1;
            // The run begins here; it is long enough if it goes on for as many bytes as the gap.
            let last = from + SHORTEST_RUN - 1;
            if last >= end {
                break;
            }
            if let Some(gap) = text[probe..=last].iter().rposition(|&byte| !RUN[usize::from(byte)])
            {
                from = probe + gap + 1;
                continue;
            }
        }
        let tail = text[from + SHORTEST_RUN..end].iter().position(|&byte| !RUN[usize::from(byte)]);
        let stop = tail.map_or(end, |tail| from + SHORTEST_RUN + tail);
        runs.push(from..stop);
        from = stop + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn long_runs_are_all_found(text in "([a-z]{1,50}[ .]{1,3}){0,8}") {
            let mut found = Vec::new();
            runs(text.as_bytes(), 0..text.len(), &mut found);
            let mut wanted = Vec::new();
            let mut from = 0;
            for (at, byte) in text.bytes().chain([b' ']).enumerate() {
                if !is_run(byte) {
                    if at - from >= SHORTEST_RUN { wanted.push(from..at); }
                    from = at + 1;
                }
            }
            prop_assert_eq!(found, wanted);
        }
    }
}
