//! Walks the syntax tree and lists every simple command with what surrounds it.

use super::output;
use super::second::Evaluations;
use super::word::{self, Resolved, Scope, Variable, options};
use super::{MAX_DEPTH, MAX_UNITS, ShellPlace, Unit, Word, guard};
use crate::model::AbsPath;
use brush_parser::ast::{self, Command, CompoundCommand};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod again;
mod assign;
mod call;
mod compound;
mod fed;
mod linked;
mod redirect;
mod run;
mod simple;
mod special;

/// Most commands that are visited, repeated ones counted.
const MAX_STEPS: usize = 4096;
/// Most bytes that reading and expanding the words of one line may come to.
const MAX_EXPANSION: usize = 256 * 1024;
/// Most bytes of all commands together, wrapped ones counted again.
const MAX_TEXT: usize = 64 * 1024;
/// Most paths of all commands together.
const MAX_PATHS: usize = 4096;
/// Most words of one simple command.
const MAX_WORDS: usize = 2048;
/// Most values of one `for` list whose body is walked one by one.
const MAX_LOOP_VALUES: usize = 8;

/// Lists the commands of `text`, and tells why it was not understood as a whole.
pub fn walk(text: &str, place: &ShellPlace<'_>) -> (Vec<Unit>, Option<String>) {
    let mut walker = Walker {
        units: Vec::new(),
        opaque: None,
        state: State {
            variables: BTreeMap::new(),
            arrays: BTreeMap::new(),
            positional: None,
            defined: BTreeSet::new(),
            cwd: Some(place.cwd.clone()),
            cwd_shape: None,
            bases: vec![place.cwd.clone()],
        },
        home: place.home.cloned(),
        whole: text.to_owned(),
        functions: BTreeMap::new(),
        bodies: BTreeSet::new(),
        calls: 0,
        inside: Vec::new(),
        new_files: BTreeSet::new(),
        links: BTreeMap::new(),
        fetched: false,
        conditional: 0,
        remote: false,
        late: false,
        depth: 0,
        steps: 0,
        exhausted: false,
        budget: Cell::new(MAX_EXPANSION),
        text_left: MAX_TEXT,
        paths_left: MAX_PATHS,
        mentions: BTreeMap::new(),
        second: Evaluations::default(),
        selected: BTreeSet::new(),
        sources: BTreeMap::new(),
        input: None,
    };
    walker.text(text);
    // The number of a process, then a quote: the grammar takes the second `$` for the quote's.
    if text.contains("$$'") || text.contains("$$\"") {
        walker.give_up("a quote in it follows `$$`");
    }
    // The grammar loses the rest of a line that goes on with a tab after the word of a here-document.
    let tabbed = |line: &str| line.split_once("<<").is_some_and(|(_, rest)| rest.contains('\t'));
    if text.lines().any(tabbed) {
        walker.give_up("a tab in it follows the word of a here-document");
    }
    walker.evaluated_again();
    (walker.units, walker.opaque)
}

/// Last component of a program's path.
pub fn base_name(program: &str) -> String {
    program.rsplit('/').next().unwrap_or(program).to_owned()
}

/// What a subshell inherits and cannot change outside.
#[derive(Clone)]
struct State {
    variables: BTreeMap<String, Variable>,
    /// Arrays that were given whole.
    arrays: BTreeMap<String, Vec<Word>>,
    /// `$1` and so on, where the line says what they are.
    positional: Option<Vec<Word>>,
    /// Functions that are surely defined: their names are no programs.
    defined: BTreeSet<String>,
    cwd: Option<AbsPath>,
    /// What is known of the folder where `cwd` is not.
    cwd_shape: Option<String>,
    /// Every folder that could be current, because a `cd` may fail.
    bases: Vec<AbsPath>,
}

struct Walker {
    units: Vec<Unit>,
    opaque: Option<String>,
    state: State,
    home: Option<AbsPath>,
    whole: String,
    functions: BTreeMap<String, Arc<CompoundCommand>>,
    /// Functions whose body was walked with operands that nobody knows.
    bodies: BTreeSet<String>,
    /// Calls whose body was walked.
    calls: usize,
    inside: Vec<String>,
    new_files: BTreeSet<AbsPath>,
    /// Links that the line makes, and where they lead as far as that is known.
    links: BTreeMap<AbsPath, Option<AbsPath>>,
    fetched: bool,
    conditional: usize,
    remote: bool,
    /// Inside a text whose operands come at run time (`xargs sh -c`).
    late: bool,
    depth: usize,
    steps: usize,
    /// Over one of the bounds: nothing more is looked at.
    exhausted: bool,
    budget: Cell<usize>,
    text_left: usize,
    paths_left: usize,
    /// How often a name stands bare in the line.
    mentions: BTreeMap<String, usize>,
    second: Evaluations,
    /// Names that `select` sets: to one of its words, or to nothing.
    selected: BTreeSet<String>,
    /// Programs whose output a variable holds.
    sources: BTreeMap<String, BTreeSet<String>>,
    /// Standard input of the commands that are walked now, as far as it can be told. A guess: it
    /// is looked at as code where a program runs it, and makes nothing better known.
    input: Option<String>,
}

/// What is known about the standard input of a command.
#[derive(Default)]
struct Context {
    via: Vec<String>,
    document: Option<Word>,
    /// What a process substitution gives it, as a file or as its input.
    printed: Vec<String>,
    /// The command has a redirection.
    redirected: bool,
}

impl Walker {
    fn give_up(&mut self, reason: impl Into<String>) {
        self.opaque.get_or_insert_with(|| reason.into());
    }

    /// FAIL CLOSED: over a bound the whole line is opaque, and no more work is spent on it.
    fn exhaust(&mut self, reason: impl Into<String>) {
        self.exhausted = true;
        self.give_up(reason);
    }

    /// Parses and walks a shell text.
    fn text(&mut self, text: &str) {
        self.nested(text, &[]);
    }

    fn nested(&mut self, text: &str, via: &[String]) {
        if self.depth >= MAX_DEPTH {
            return self.give_up(format!("it nests deeper than {MAX_DEPTH} levels"));
        }
        if let Some(reason) = guard::too_much(text) {
            return self.give_up(reason);
        }
        let parsed = brush_parser::uncached_tokenize_str(text, &options().tokenizer_options())
            .map_err(drop)
            .and_then(|tokens| brush_parser::parse_tokens(&tokens, &options()).map_err(drop));
        self.depth += 1;
        match parsed {
            Ok(program) => {
                let start = self.units.len();
                for list in &program.complete_commands {
                    self.list(list);
                }
                for unit in self.units.iter_mut().skip(start) {
                    unit.via.splice(0..0, via.iter().cloned());
                }
            }
            Err(()) => {
                if let Some(other) = self.select_as_for(text) {
                    self.depth -= 1;
                    return self.nested(&other, via);
                }
                self.give_up("its shell syntax could not be parsed");
                // The grammar knows no `select`; its body is judged as that of a `for`.
                // In `$(case x in x) …)` it takes the bracket of the pattern for the end.
                let other = bracketed(&text.replace("select ", "for "));
                if other != text {
                    self.nested(&other, via);
                }
            }
        }
        self.depth -= 1;
    }

    /// The text with each `select` that begins a command as a `for` whose value nobody knows.
    fn select_as_for(&mut self, text: &str) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("select ") {
            let (head, tail) = rest.split_at(at);
            let after = tail.get("select ".len()..)?;
            out.push_str(head);
            let before = out.trim_end_matches([' ', '\t']);
            let begins = before.is_empty()
                || before.ends_with([';', '&', '|', '(', '{', '\n'])
                || before.ends_with(" do")
                || before.ends_with(" then");
            let name = after.split_whitespace().next().unwrap_or_default();
            if begins && is_name(name) {
                self.selected.insert(name.to_owned());
                out.push_str("for ");
            } else {
                out.push_str("select ");
            }
            rest = after;
        }
        out.push_str(rest);
        (out != text && self.selected.len() <= 16).then_some(out)
    }

    fn isolated(&mut self, run: impl FnOnce(&mut Self)) {
        let saved = self.state.clone();
        run(self);
        self.state = saved;
    }

    fn maybe(&mut self, run: impl FnOnce(&mut Self)) {
        self.conditional += 1;
        run(self);
        self.conditional -= 1;
    }

    fn list(&mut self, list: &ast::CompoundList) {
        for ast::CompoundListItem(chain, separator) in &list.0 {
            if matches!(separator, ast::SeparatorOperator::Async) {
                // In the background nothing changes here.
                self.isolated(|walker| walker.chain(chain));
            } else {
                self.chain(chain);
            }
        }
    }

    fn chain(&mut self, chain: &ast::AndOrList) {
        self.pipeline(&chain.first);
        for next in &chain.additional {
            let (ast::AndOr::And(pipeline) | ast::AndOr::Or(pipeline)) = next;
            self.maybe(|walker| walker.pipeline(pipeline));
        }
    }

    fn pipeline(&mut self, pipeline: &ast::Pipeline) {
        let start = self.units.len();
        let many = pipeline.seq.len() > 1;
        let input = self.input.clone();
        for (at, command) in pipeline.seq.iter().enumerate() {
            if self.exhausted {
                break;
            }
            let stage = self.units.len();
            if many {
                self.isolated(|walker| walker.command(command));
            } else {
                self.command(command);
            }
            if at + 1 < pipeline.seq.len() {
                self.input = output::of_command(command, &self.scope(), self.input.as_deref());
            }
            let upstream: BTreeSet<String> = self
                .units
                .iter()
                .take(stage)
                .skip(start)
                .filter(|unit| !unit.transparent)
                .map(|unit| unit.program.clone())
                .collect();
            for unit in self.units.iter_mut().skip(stage) {
                unit.piped_from.extend(upstream.iter().cloned());
            }
        }
        self.input = input;
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            variables: &self.state.variables,
            cwd: self.state.cwd.as_ref(),
            home: self.home.as_ref(),
            positional: self.state.positional.as_deref(),
            budget: &self.budget,
        }
    }

    fn command(&mut self, command: &Command) {
        // Loops are walked once per value, so nested ones multiply: an end is needed.
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return self.exhaust(format!("it takes more than {MAX_STEPS} steps to read"));
        }
        if self.exhausted {
            return;
        }
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Compound(compound, redirects) => {
                let fed = self.redirects_alone(redirects.as_ref());
                let input = self.input.clone();
                self.input = fed.or_else(|| input.clone());
                self.compound(compound);
                self.input = input;
            }
            Command::Function(function) => {
                self.define(function);
            }
            Command::ExtendedTest(test, redirects) => {
                self.redirects_alone(redirects.as_ref());
                self.test(&test.expr);
            }
        }
    }

    /// Resolves a text that is expanded as if it stood in double quotes.
    fn document(&mut self, raw: &str) -> Resolved {
        let resolved = word::resolve_document(raw, &self.scope());
        self.code_inside(resolved)
    }

    /// Resolves a raw word and walks the code inside it.
    fn resolve(&mut self, raw: &str) -> Resolved {
        if let Some(words) = self.whole_array(raw) {
            return Resolved { words, ..Resolved::default() };
        }
        let resolved = word::resolve(raw, &self.scope());
        self.code_inside(resolved)
    }

    fn code_inside(&mut self, resolved: Resolved) -> Resolved {
        if resolved.broken {
            self.give_up("one of its words could not be parsed");
        }
        if resolved.exhausted {
            self.exhaust("its variables expand to too much text");
        }
        self.second.texts(&resolved.words);
        for text in &resolved.evaluated {
            self.evaluates(text);
        }
        for (name, text) in &resolved.given {
            self.second.text(text);
            self.second.gives(name, text, None);
        }
        if resolved.evaluates_value {
            self.push(Unit {
                opaque: Some("a prompt expansion runs a value as code".to_owned()),
                text: "${…@P}".to_owned(),
                ..Unit::default()
            });
        }
        for text in &resolved.substitutions {
            self.second.walked.insert(text.clone());
            self.isolated(|walker| walker.nested(text, &["$(…)".to_owned()]));
        }
        resolved
    }

    fn push(&mut self, mut unit: Unit) {
        self.through_links(&mut unit);
        self.text_left = self.text_left.saturating_sub(unit.text.len());
        self.paths_left = self.paths_left.saturating_sub(unit.paths.len());
        if self.text_left == 0 || self.paths_left == 0 {
            unit.paths.truncate(self.paths_left);
            self.exhaust("its commands together are too long");
        }
        if self.units.len() >= MAX_UNITS {
            return self.exhaust(format!("it holds more than {MAX_UNITS} commands"));
        }
        self.units.push(unit);
    }
}

/// Patterns of `case` with the bracket in front that they may have.
fn bracketed(text: &str) -> String {
    if !text.contains("case ") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = [" in ", " in\n", ";;"].iter().filter_map(|m| rest.find(m)).min() {
        let end =
            at + if rest.get(at..).is_some_and(|tail| tail.starts_with(";;")) { 2 } else { 4 };
        let (head, tail) = rest.split_at(end.min(rest.len()));
        let pattern = tail.trim_start();
        let cases = head.ends_with(";;") || head.contains("case ");
        out.push_str(head);
        if cases && !pattern.starts_with(['(', ';', ')']) && !pattern.starts_with("esac") {
            out.push('(');
        }
        rest = tail;
    }
    out + rest
}

fn text_of(program: &str, args: &[Word]) -> String {
    let mut text = program.to_owned();
    for word in args {
        text.push(' ');
        text.push_str(&word.text);
    }
    text
}

/// Whether `text` is the name of a variable.
pub fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
