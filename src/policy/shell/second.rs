//! What a shell evaluates a second time: arithmetic, subscripts, names of variables.
//!
//! `x='a[$(id)]'; ((x))` runs `id`: bash takes the *value* of a variable as an expression, and a
//! subscript in it is expanded again. So once a line evaluates anything twice, every text in it
//! is looked through for commands, and values that nobody knows make the line opaque.
//! INVARIANT (over-approximate): a name that could be reached counts as reached.

use super::Word;
use std::collections::{BTreeMap, BTreeSet};

/// Programs whose output is a number, as long as no name of a file is printed.
const NUMERIC: &[&str] = &[
    "wc ",
    "seq ",
    "nproc",
    "expr ",
    "date ",
    "getconf ",
    "grep -c ",
    "id -u",
    "id -g",
    "tput ",
    "git rev-list --count ",
    "stat -c %s ",
    "stat -c%s ",
    "stat -c %Y ",
    "stat -c '%Y' ",
    "jq length",
    "jq 'length'",
];

/// What is known about texts that may be evaluated again.
#[derive(Default)]
pub struct Evaluations {
    /// Texts that are evaluated.
    expressions: Vec<String>,
    /// Texts of the line that hold a substitution.
    texts: Vec<String>,
    /// Substitutions that were looked at already.
    pub walked: BTreeSet<String>,
    /// What each name was given, as written and as resolved.
    values: BTreeMap<String, BTreeSet<String>>,
    /// Names whose value comes from outside the line.
    unknown: BTreeSet<String>,
    /// A name was declared an integer: every assignment may evaluate.
    integers: bool,
}

impl Evaluations {
    /// Keeps the words that hold a substitution, even a quoted one.
    pub fn texts(&mut self, words: &[Word]) {
        for word in words {
            self.text(&word.text);
        }
    }

    /// Keeps one text.
    pub fn text(&mut self, text: &str) {
        if text.contains(['`'])
            || text.contains("$(")
            || text.contains("<(")
            || text.contains(">(")
            || text.contains("$\\(")
        {
            self.texts.push(text.to_owned());
        }
    }

    /// `text` is evaluated.
    pub fn evaluates(&mut self, text: &str) {
        if !text.chars().all(|c| c.is_ascii_digit() || c.is_whitespace()) {
            self.expressions.push(text.to_owned());
        }
    }

    /// A name may be an integer: every value counts as evaluated.
    pub fn integers(&mut self) {
        self.integers = true;
    }

    /// `name` gets a value: as written, and as far as it is resolved.
    pub fn gives(&mut self, name: &str, written: &str, resolved: Option<&Word>) {
        let values = self.values.entry(name.to_owned()).or_default();
        values.insert(written.to_owned());
        if let Some(word) = resolved.filter(|word| word.literal) {
            // Told apart from what is written, which may hold `$x` for good.
            values.insert(format!("={}", word.text));
        }
        if !known_source(written) || resolved.is_some_and(|word| word.glob) {
            self.unknown.insert(name.to_owned());
        }
    }

    /// `name` gets a value that nobody knows.
    pub fn unknown(&mut self, name: &str) {
        self.unknown.insert(name.to_owned());
    }

    /// Whether anything is evaluated a second time.
    pub fn any(&self) -> bool {
        self.integers || !self.expressions.is_empty()
    }

    /// A name that is evaluated although its value is not known.
    pub fn fed_by_unknown(&self) -> Option<String> {
        let mut todo: Vec<String> = Vec::new();
        if self.integers {
            todo.extend(self.values.keys().cloned());
        }
        for text in &self.expressions {
            if !known_source(text) || transforms(text) {
                return Some(text.clone());
            }
            todo.extend(names(text));
        }
        let mut seen = BTreeSet::new();
        while let Some(name) = todo.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            if self.unknown.contains(&name) {
                return Some(name);
            }
            for value in self.values.get(&name).into_iter().flatten() {
                let dangling = value.strip_prefix('=').is_some_and(|value| {
                    value.contains(['$', '`']) && substitutions(value).is_empty()
                });
                if dangling || !value.starts_with('=') && transforms(value) {
                    return Some(name);
                }
                todo.extend(names(value));
            }
        }
        None
    }

    /// Commands inside the texts that were not looked at yet.
    pub fn fresh(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        let mut texts = std::mem::take(&mut self.texts);
        texts.extend(self.expressions.iter().cloned());
        for text in texts {
            let mut inside = substitutions(&text);
            if text.contains('\\') {
                inside.extend(substitutions(&text.replace('\\', "")));
            }
            for command in inside {
                if self.walked.insert(command.clone()) {
                    found.push(command);
                }
            }
        }
        found
    }
}

/// The parts of `${…}` that the shell evaluates: subscripts, offsets, names of names.
pub fn evaluated_inside(inner: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (indirect, inner) = match inner.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, inner.strip_prefix('#').unwrap_or(inner)),
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || matches!(c, '@' | '*');
    let end = inner.find(|c: char| !legal(c)).unwrap_or(inner.len());
    let (name, mut rest) = inner.split_at(end);
    let mut whole = false;
    if let Some(after) = rest.strip_prefix('[') {
        let close = closing(after, '[', ']').unwrap_or(after.len());
        let index = after.get(..close).unwrap_or_default();
        whole = matches!(index, "@" | "*");
        if !whole {
            found.push(index.to_owned());
        }
        rest = after.get(close + 1..).unwrap_or_default();
    }
    // `${!x}` names what x names; `${!x[@]}` and `${!x*}` only list.
    if indirect && !whole && !name.ends_with(['@', '*']) {
        found.push(name.to_owned());
    }
    if let Some(offset) = rest.strip_prefix(':').filter(|o| !o.starts_with(['-', '=', '?', '+'])) {
        found.push(offset.to_owned());
    }
    found.retain(|text| !text.is_empty() && !text.chars().all(|c| c.is_ascii_digit()));
    found
}

/// Where the bracket that is already open ends.
fn closing(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            if depth == 0 {
                return Some(at);
            }
            depth -= 1;
        }
    }
    None
}

/// Every command inside `$(…)`, `<(…)`, `>(…)` and backquotes; an open end reaches to the end.
fn substitutions(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '<', '>', '`']) {
        let tail = rest.get(at..).unwrap_or_default();
        let (inside, close) = if let Some(inside) = tail.strip_prefix('`') {
            (inside, inside.find('`'))
        } else {
            match tail.get(1..).and_then(|tail| tail.strip_prefix('(')) {
                Some(inside) => (inside, closing(inside, '(', ')')),
                None => {
                    rest = tail.get(1..).unwrap_or_default();
                    continue;
                }
            }
        };
        let end = close.unwrap_or(inside.len());
        found.extend(inside.get(..end).map(str::to_owned));
        rest = inside.get(end..).and_then(|rest| rest.get(1..)).unwrap_or_default();
    }
    // `$((…))` shows as `(…)`, which would be a subshell.
    found.retain(|command| !command.trim().is_empty() && !command.starts_with('('));
    found
}

/// Commands in `text` that look like arithmetic: `$((…` is a substitution with a group in front
/// unless the second bracket is closed right before the first.
pub fn groups(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("$((") {
        let inside = text.get(at + 2..).unwrap_or_default();
        let end = super::brace::after_brackets(inside.as_bytes(), 0);
        if inside.as_bytes().get(end) != Some(&b')') {
            let whole = text.get(at + 1..).unwrap_or_default();
            let close = super::brace::after_brackets(whole.as_bytes(), 0);
            let command = whole.get(1..close).unwrap_or_default();
            found.push(command.strip_suffix(')').unwrap_or(command).to_owned());
        }
    }
    found
}

/// Whether every bracket of an expression is closed in order; another one was cut in the wrong
/// place.
pub fn is_balanced(text: &str) -> bool {
    let mut depth = 0_i64;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

/// Names in an expression; `@` for the positional ones.
fn names(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for part in text.split(|c: char| !legal(c)).filter(|part| !part.is_empty()) {
        if !part.starts_with(|c: char| c.is_ascii_digit()) {
            found.push(part.to_owned());
        }
    }
    let positional = |mark: &str| {
        text.match_indices(mark).any(|(at, _)| {
            text.get(at + mark.len()..).is_some_and(|rest| {
                rest.starts_with(|c: char| c.is_ascii_digit() || c == '@' || c == '*')
            })
        })
    };
    if positional("$") || positional("${") {
        found.push("@".to_owned());
    }
    found
}

/// Whether a value changes its letters on the way (`${x//a/b}`, `${x^}`, `${x@P}`).
fn transforms(text: &str) -> bool {
    text.match_indices("${").any(|(at, _)| {
        let rest = text.get(at + 2..).unwrap_or_default();
        let after = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        after.len() < rest.len() && after.starts_with(['/', '^', ',', '@'])
    })
}

/// Whether no substitution in `text` can bring in a text from outside the line.
fn known_source(text: &str) -> bool {
    substitutions(text).iter().all(|command| {
        let last = command.rsplit('|').next().unwrap_or(command).trim();
        let last = format!("{last} ");
        let plain = !last.contains(['*', '?', '[', '$', ';', '&', '\n', '`']);
        plain
            && !command.contains([';', '&', '\n'])
            && !command.contains("||")
            && NUMERIC.iter().any(|program| last.starts_with(program))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evaluated_parts_of_an_expansion_are_found() {
        let of = |inner: &str| evaluated_inside(inner).join(" ");
        assert_eq!(of("y:x"), "x");
        assert_eq!(of("y[x]"), "x");
        assert_eq!(of("!x"), "x");
        assert_eq!(of("y[a[b]]:c"), "a[b] c");
        assert_eq!(of("y:-x"), "");
        assert_eq!(of("y[@]"), "");
        assert_eq!(of("!y[@]"), "");
        assert_eq!(of("y[0]"), "");
        assert_eq!(of("y%x"), "");
    }

    #[test]
    fn a_group_behind_a_dollar_is_told_from_arithmetic() {
        assert!(groups("$((1 + 2)) $(( (1) + (2) )) $(((3)))").is_empty());
        assert_eq!(groups("$((( 1 + 2 )) | env x) + 1"), ["(( 1 + 2 )) | env x"]);
        assert_eq!(groups("$((())|env )"), ["(())|env "]);
        assert_eq!(groups("1 + $((a) ; b"), ["(a) ; b"]);
    }

    #[test]
    fn substitutions_are_found_in_any_text() {
        assert_eq!(substitutions("a[$(id)] `ls` <(x (y))"), ["id", "ls", "x (y)"]);
        assert_eq!(substitutions("a[$(id"), ["id"]);
        assert!(substitutions("^[0-9]+$ a[$x]").is_empty());
    }
}
