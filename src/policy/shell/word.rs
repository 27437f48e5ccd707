//! Quote removal and static expansion of one shell word.
//!
//! What is only known at run time stays as written and makes the word *not literal*.

use super::brace;
use super::cut;
use super::escape;
use super::output;
use super::second;
use super::walk::is_name;
use crate::model::AbsPath;
use brush_parser::ParserOptions;
use brush_parser::word::{
    self, Parameter, ParameterExpr, ParameterTransformOp, TildeExpr, WordPiece, WordPieceWithSource,
};
use std::cell::Cell;
use std::collections::BTreeMap;

/// Stands in a [`Word::shape`] for any text.
pub const ANY: char = '\u{1}';
/// Stands for any text without a slash (a glob).
pub const ANY_NAME: char = '\u{2}';
/// As [`ANY_NAME`], at the start of a name: what it stands for does not begin with a dot.
pub const ANY_PLAIN_NAME: char = '\u{3}';

/// Longest text in bytes that variables may make of one word; a longer one is not known.
const MAX_VALUE: usize = 4096;

/// A word after quote removal.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Word {
    /// Its text; where it is not literal, the source text of the unknown part.
    pub text: String,
    /// Whether `text` is exactly what the program gets (globs aside).
    pub literal: bool,
    /// Whether the shell expands a `*`, `?` or `[` in it.
    pub glob: bool,
    /// The text with [`ANY`] and its kin for what is only known at run time; empty where all
    /// is known.
    #[serde(skip)]
    pub shape: String,
}

impl Word {
    /// A word that is known.
    pub fn known(text: impl Into<String>) -> Self {
        Word { text: text.into(), literal: true, glob: false, shape: String::new() }
    }

    /// A word that is only known when it runs.
    pub fn unknown(text: impl Into<String>) -> Self {
        Word { text: text.into(), literal: false, glob: false, shape: ANY.to_string() }
    }
}

impl Word {
    /// A piece of this word: known if the whole is.
    pub fn part(&self, text: &str) -> Self {
        let known = self.shape.is_empty();
        let shape = if known { String::new() } else { ANY.to_string() };
        Word { text: text.to_owned(), literal: self.literal, glob: self.glob, shape }
    }

    /// The text with marks for what is not known.
    pub fn shape(&self) -> &str {
        if self.shape.is_empty() { &self.text } else { &self.shape }
    }
}

/// Where a variable's value comes from.
#[derive(Debug, Clone)]
pub struct Variable {
    /// The value.
    pub value: Word,
    /// Whether the assignment surely happened.
    pub certain: bool,
}

/// What words are resolved against.
pub struct Scope<'a> {
    /// Variables with a known value.
    pub variables: &'a BTreeMap<String, Variable>,
    /// The current folder, if known.
    pub cwd: Option<&'a AbsPath>,
    /// Home.
    pub home: Option<&'a AbsPath>,
    /// `$1`, `$2`, … where they are known.
    pub positional: Option<&'a [Word]>,
    /// Bytes that expansion may still make. INVARIANT (bounded): doubling a variable over and
    /// over must not cost more than reading the line.
    pub budget: &'a Cell<usize>,
}

impl Scope<'_> {
    fn spend(&self, bytes: usize) -> bool {
        let left = self.budget.get().checked_sub(bytes.saturating_add(1));
        self.budget.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// A resolved word together with the code found inside it.
#[derive(Debug, Default)]
pub struct Resolved {
    /// One word, or several after brace expansion or splitting.
    pub words: Vec<Word>,
    /// Texts of command substitutions.
    pub substitutions: Vec<String>,
    /// A prompt expansion (`${x@P}`): runs a value as code.
    pub evaluates_value: bool,
    /// Texts that the shell evaluates as arithmetic, subscripts or names.
    pub evaluated: Vec<String>,
    /// Names that the word gives a value (`${x:=…}`), with the text of the value.
    pub given: Vec<(String, String)>,
    /// The word could not be parsed.
    pub broken: bool,
    /// The budget is used up.
    pub exhausted: bool,
}

impl Resolved {
    /// Takes over what was found in a part, all but its words.
    fn take_code(&mut self, inner: &mut Resolved) {
        self.substitutions.append(&mut inner.substitutions);
        self.evaluated.append(&mut inner.evaluated);
        self.given.append(&mut inner.given);
        self.evaluates_value |= inner.evaluates_value;
        self.broken |= inner.broken;
        self.exhausted |= inner.exhausted;
    }
}

/// The dialect that everything is parsed with: bash with extended globs.
pub fn options() -> ParserOptions {
    ParserOptions { enable_extended_globbing: true, ..ParserOptions::default() }
}

struct Builder {
    current: String,
    literal: bool,
    glob: bool,
    started: bool,
    shape: String,
    out: Vec<Word>,
    /// It holds a name that was cut down to nothing known.
    stem: bool,
}

impl Builder {
    fn push(&mut self, text: &str) {
        self.current.push_str(text);
        self.shape.push_str(text);
        self.started = true;
    }

    /// Unquoted text, in which the shell expands globs.
    fn push_glob(&mut self, text: &str) {
        self.current.push_str(text);
        self.started = true;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let wild = match c {
                '*' | '?' => true,
                '[' => match chars.as_str().find(']') {
                    Some(end) => {
                        chars = chars.as_str().get(end + 1..).unwrap_or_default().chars();
                        true
                    }
                    None => false,
                },
                _ => false,
            };
            if !wild {
                self.shape.push(c);
            } else if self.shape.is_empty() || self.shape.ends_with('/') {
                self.shape.push(ANY_PLAIN_NAME);
            } else if !self.shape.ends_with([ANY_NAME, ANY_PLAIN_NAME]) {
                self.shape.push(ANY_NAME);
            }
        }
    }

    /// A value that the text may have, or not.
    fn guess(&mut self, text: &str) {
        self.current.push_str(text);
        self.started = true;
        self.literal = false;
        self.shape.push(ANY);
    }

    /// The same, split into words.
    fn guess_split(&mut self, text: &str) {
        let mut parts = text.split_whitespace().peekable();
        while let Some(part) = parts.next() {
            self.guess(part);
            if parts.peek().is_some() {
                self.split();
                self.literal = false;
            }
        }
    }

    fn unknown(&mut self, text: &str) {
        self.current.push_str(text);
        self.started = true;
        self.literal = false;
        self.shape.push(ANY);
    }

    fn split(&mut self) {
        if self.started {
            let text = std::mem::take(&mut self.current);
            let mut shape = std::mem::take(&mut self.shape);
            // `*.c` without its end may be `-rf`.
            if self.stem && text.starts_with('*') && !text.contains(['.', '/']) {
                self.literal = false;
            }
            // FAIL CLOSED: not literal, and no part is marked: any part may be unknown.
            if !self.literal && !shape.contains([ANY, ANY_NAME, ANY_PLAIN_NAME]) {
                shape = ANY.to_string();
            } else if !shape.contains([ANY, ANY_NAME, ANY_PLAIN_NAME]) {
                shape.clear();
            }
            self.out.push(Word { text, literal: self.literal, glob: self.glob, shape });
        }
        (self.literal, self.glob, self.started, self.stem) = (true, false, false, false);
    }
}

/// Resolves the raw text of one word.
pub fn resolve(raw: &str, scope: &Scope<'_>) -> Resolved {
    let mut found = Resolved::default();
    if let Some(words) = positionals(raw, scope) {
        found.words = words;
        return found;
    }
    let Some(alternatives) = brace::expand(raw) else {
        // FAIL CLOSED: some words, nobody knows which; the code inside is still looked at.
        resolve_one(raw, scope, &mut found);
        found.words = vec![Word::unknown(raw)];
        return found;
    };
    // Words that braces make are no assignments any more, whatever they look like.
    let made = alternatives.len() > 1 || alternatives.first().is_some_and(|one| one != raw);
    for alternative in alternatives {
        if !scope.spend(alternative.len()) {
            found.exhausted = true;
            found.words.push(Word::unknown(""));
            break;
        }
        match made {
            true => resolve_plain(&alternative, scope, &mut found),
            false => resolve_one(&alternative, scope, &mut found),
        }
    }
    found
}

/// `"$@"` and its kin as a whole word: the positional parameters, one word each.
fn positionals(raw: &str, scope: &Scope<'_>) -> Option<Vec<Word>> {
    let plain = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw);
    let skip = match plain {
        "$@" | "$*" | "${@}" | "${*}" | "${@:1}" | "${*:1}" => 0,
        "${@:2}" | "${*:2}" => 1,
        "${@:3}" | "${*:3}" => 2,
        _ => return None,
    };
    let words = scope.positional?.get(skip..).unwrap_or_default();
    scope.spend(words.iter().map(|word| word.text.len() + 1).sum()).then(|| words.to_vec())
}

/// Resolves the body of a here-document that is expanded.
pub fn resolve_document(raw: &str, scope: &Scope<'_>) -> Resolved {
    let mut found = Resolved::default();
    match word::parse_heredoc(raw, &options()) {
        Ok(pieces) => finish(raw, &pieces, scope, &mut found, true),
        Err(_) => broken(raw, &mut found),
    }
    found
}

fn resolve_one(raw: &str, scope: &Scope<'_>, found: &mut Resolved) {
    // In a word that looks like an assignment a tilde is expanded right after its first `=` and
    // after each `:`, and nowhere else.
    if let Some((name, value)) = raw.split_once('=')
        && is_name(name.trim_end_matches('+'))
        && (value.starts_with('~') || value.contains(":~"))
    {
        match value.strip_prefix("~/").filter(|rest| !rest.contains(":~")) {
            Some(rest) => return resolve_plain(&format!("{name}=$HOME/{rest}"), scope, found),
            None => {
                let mut inner = Resolved::default();
                nested(raw, scope, &mut inner);
                found.take_code(&mut inner);
                found.words.push(Word::unknown(raw));
                return;
            }
        }
    }
    resolve_plain(raw, scope, found);
}

/// A word in which no tilde but a leading one means anything.
fn resolve_plain(raw: &str, scope: &Scope<'_>, found: &mut Resolved) {
    match word::parse(raw, &options()) {
        Ok(pieces) => finish(raw, &pieces, scope, found, false),
        Err(_) => broken(raw, found),
    }
}

fn broken(raw: &str, found: &mut Resolved) {
    found.broken = true;
    found.words.push(Word::unknown(raw));
}

fn finish(
    raw: &str,
    pieces: &[WordPieceWithSource],
    scope: &Scope<'_>,
    found: &mut Resolved,
    quoted: bool,
) {
    let mut builder = Builder {
        current: String::new(),
        literal: true,
        glob: false,
        started: false,
        shape: String::new(),
        out: vec![],
        stem: false,
    };
    found.broken |= cut_wrong(pieces);
    for piece in pieces {
        add(raw, piece, scope, found, &mut builder, quoted);
    }
    builder.split();
    found.words.append(&mut builder.out);
}

/// FAIL CLOSED: an expansion that the grammar left as plain text, although bash begins one there:
/// `$(($((())|env)))`, or a bracket in a here-document inside `"$(…)"`.
fn cut_wrong(pieces: &[WordPieceWithSource]) -> bool {
    let text = |piece: &WordPieceWithSource| match &piece.piece {
        WordPiece::Text(text) => Some(text.clone()),
        _ => None,
    };
    let lone = pieces.windows(2).any(|pair| {
        let [first, second] = pair else { return false };
        text(first).is_some_and(|text| text.ends_with('$'))
            && text(second).is_some_and(|text| text.starts_with('('))
    });
    lone || pieces.iter().filter_map(text).any(|text| text.contains("$(") || text.contains('`'))
}

fn add(
    raw: &str,
    piece: &WordPieceWithSource,
    scope: &Scope<'_>,
    found: &mut Resolved,
    to: &mut Builder,
    quoted: bool,
) {
    let source = raw.get(piece.start_index..piece.end_index).unwrap_or(raw);
    match &piece.piece {
        WordPiece::Text(text) => {
            // A lone `[` is a program's name.
            if !quoted && (text.contains(['*', '?']) || (text.contains('[') && text.contains(']')))
            {
                to.glob = true;
                return to.push_glob(text);
            }
            // A tilde that the grammar left alone still means home to `cp --to=~/x`.
            to.push(text);
        }
        WordPiece::SingleQuotedText(text) => to.push(text),
        WordPiece::AnsiCQuotedText(text) => match escape::decoded(text) {
            Some(decoded) => to.push(&decoded),
            None => to.unknown(source),
        },
        WordPiece::DoubleQuotedSequence(inner) | WordPiece::GettextDoubleQuotedSequence(inner) => {
            to.started = true;
            found.broken |= cut_wrong(inner);
            for piece in inner {
                add(raw, piece, scope, found, to, true);
            }
        }
        WordPiece::EscapeSequence(text) => {
            let escaped = text.strip_prefix('\\').unwrap_or(text);
            let keeps = quoted && !escaped.starts_with(['$', '`', '"', '\\', '\n']);
            to.push(if keeps { text } else { escaped.trim_start_matches('\n') });
        }
        WordPiece::TildeExpansion(tilde) => match (tilde, scope.home, scope.cwd) {
            // A tilde means what `HOME` says, and the line may have said something else.
            (TildeExpr::Home, ..) if scope.variables.contains_key("HOME") => to.unknown(source),
            (TildeExpr::Home, Some(home), _) => to.push(&home.to_string()),
            (TildeExpr::UserHome(name), _, _) if name == "root" => to.guess("/root"),
            (TildeExpr::WorkingDir, _, Some(cwd)) => to.push(&cwd.to_string()),
            _ => to.unknown(source),
        },
        WordPiece::ParameterExpansion(expr) => parameter(source, expr, scope, found, to, quoted),
        WordPiece::CommandSubstitution(text) => {
            substitution(text.clone(), source, scope, found, to, quoted)
        }
        WordPiece::BackquotedCommandSubstitution(text) => {
            let plain = text.replace("\\`", "`").replace("\\$", "$").replace("\\\\", "\\");
            substitution(plain, source, scope, found, to, quoted);
        }
        WordPiece::ArithmeticExpression(expr) => {
            found.evaluated.push(expr.value.clone());
            found.broken |= !second::is_balanced(&expr.value);
            found.substitutions.extend(second::groups(&expr.value));
            nested(&expr.value, scope, found);
            to.unknown(source);
        }
    }
}

fn substitution(
    text: String,
    source: &str,
    scope: &Scope<'_>,
    found: &mut Resolved,
    to: &mut Builder,
    quoted: bool,
) {
    match (text.trim(), scope.cwd) {
        ("pwd", Some(cwd)) => to.push(&cwd.to_string()),
        _ => match output::of_text(&text, scope).filter(|out| !out.trim().is_empty()) {
            Some(out) if out.len() + to.current.len() <= MAX_VALUE && scope.spend(out.len()) => {
                if quoted {
                    to.guess(&out)
                } else {
                    to.guess_split(&out)
                }
            }
            _ => to.unknown(source),
        },
    }
    found.substitutions.push(text);
}

fn parameter(
    source: &str,
    expr: &ParameterExpr,
    scope: &Scope<'_>,
    found: &mut Resolved,
    to: &mut Builder,
    quoted: bool,
) {
    if let ParameterExpr::Parameter { parameter: Parameter::Named(name), indirect: false } = expr {
        if name == "IFS" && !quoted && !scope.variables.contains_key(name) {
            return to.split();
        }
        return match named(name, scope) {
            Some((value, certain)) => put(source, &value, certain, scope, found, to, quoted),
            None => to.unknown(source),
        };
    }
    if let ParameterExpr::Parameter { parameter: Parameter::Positional(number), indirect: false } =
        expr
    {
        let known = usize::try_from(*number).ok().and_then(|number| number.checked_sub(1));
        let known = known.and_then(|at| scope.positional?.get(at));
        return match known.filter(|word| scope.spend(word.text.len())) {
            Some(word) if word.literal && (quoted || !word.text.contains(char::is_whitespace)) => {
                to.glob |= !quoted && word.glob;
                if quoted { to.push(&word.text) } else { to.push_glob(&word.text) }
            }
            Some(word) if quoted => to.guess(&word.text),
            Some(word) if !word.text.trim().is_empty() => to.guess_split(&word.text),
            _ => to.unknown(source),
        };
    }
    if let ParameterExpr::Transform { op: ParameterTransformOp::PromptExpand, .. } = expr {
        found.evaluates_value = true;
    }
    if let ParameterExpr::AssignDefaultValues { parameter, default_value, .. } = expr {
        let name = match parameter {
            Parameter::Named(name) | Parameter::NamedWithIndex { name, .. } => name.clone(),
            _ => String::new(),
        };
        found.given.push((name, default_value.clone().unwrap_or_default()));
    }
    if let Some(inner) = source.strip_prefix("${").and_then(|s| s.strip_suffix('}')) {
        found.evaluated.extend(second::evaluated_inside(inner));
        nested(inner, scope, found);
    }
    // `${HOME:?}`, `${dir:-x}`: the value itself, where there is one.
    if let ParameterExpr::IndicateErrorIfNullOrUnset { parameter, indirect: false, .. }
    | ParameterExpr::UseDefaultValues { parameter, indirect: false, .. }
    | ParameterExpr::AssignDefaultValues { parameter, indirect: false, .. } = expr
        && let Parameter::Named(name) = parameter
        && let Some((value, true)) = named(name, scope)
        && !value.text.is_empty()
    {
        return put(source, &value, true, scope, found, to, quoted);
    }
    if let Some((value, certain)) = cut::of(expr, |name| named(name, scope), scope.positional) {
        to.stem |= value.text.starts_with('*');
        return put(source, &value, certain, scope, found, to, quoted);
    }
    to.unknown(source);
}

/// The value of a variable, and whether it surely has it.
fn named(name: &str, scope: &Scope<'_>) -> Option<(Word, bool)> {
    let variable = scope.variables.get(name);
    let value = match (name, variable) {
        (_, Some(variable)) => variable.value.clone(),
        ("HOME", None) => Word::known(scope.home?.to_string()),
        ("PWD", None) => Word::known(scope.cwd?.to_string()),
        _ => return None,
    };
    let certain = value.literal && variable.is_none_or(|variable| variable.certain);
    Some((value, certain))
}

/// Puts a value where a word expands it.
fn put(
    source: &str,
    value: &Word,
    certain: bool,
    scope: &Scope<'_>,
    found: &mut Resolved,
    to: &mut Builder,
    quoted: bool,
) {
    let fits = to.current.len() + value.text.len() <= MAX_VALUE;
    if !scope.spend(value.text.len()) {
        found.exhausted = true;
        return to.unknown(source);
    }
    if !fits {
        return to.unknown(source);
    }
    if quoted {
        // A name that a glob found stands for any that it may find.
        to.glob |= certain && value.glob;
        return match (certain, value.glob) {
            (true, true) => to.push_glob(&value.text),
            (true, false) => to.push(&value.text),
            (false, _) => to.guess(&value.text),
        };
    }
    if !certain && value.text.trim().is_empty() {
        return to.unknown(source);
    }
    to.glob |= value.glob || value.text.contains(['*', '?', '[']);
    let mut parts = value.text.split_whitespace().peekable();
    while let Some(part) = parts.next() {
        if certain {
            to.push_glob(part);
        } else {
            to.guess(part);
        }
        if parts.peek().is_some() {
            let literal = to.literal;
            to.split();
            to.literal = literal;
        }
    }
}

/// Looks for code inside a default value, a subscript or an arithmetic expression.
fn nested(text: &str, scope: &Scope<'_>, found: &mut Resolved) {
    if !text.contains(['$', '`']) {
        return;
    }
    let mut inner = Resolved::default();
    resolve_one(text, scope, &mut inner);
    found.take_code(&mut inner);
}
