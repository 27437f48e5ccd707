//! Walks the syntax tree and lists every simple command with what surrounds it.

use super::brace;
use super::effects;
use super::second::Evaluations;
use super::word::{self, Resolved, Scope, Variable, options};
use super::{MAX_DEPTH, MAX_UNITS, ShellPlace, Unit, Word, guard};
use crate::model::AbsPath;
use crate::policy::facts::Access;
use brush_parser::ast::{self, Command, CommandPrefixOrSuffixItem as Item, CompoundCommand};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

mod again;
mod assign;
mod redirect;
mod run;
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
            cwd: Some(place.cwd.clone()),
            cwd_shape: None,
            bases: vec![place.cwd.clone()],
        },
        home: place.home.cloned(),
        whole: text.to_owned(),
        functions: BTreeSet::new(),
        inside: Vec::new(),
        new_files: BTreeSet::new(),
        links: BTreeSet::new(),
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
    };
    walker.text(text);
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
    functions: BTreeSet<String>,
    inside: Vec<String>,
    new_files: BTreeSet<AbsPath>,
    /// Links that the line makes: what is written through one lands elsewhere.
    links: BTreeSet<AbsPath>,
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
}

/// What is known about the standard input of a command.
#[derive(Default)]
struct Context {
    via: Vec<String>,
    document: Option<Word>,
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
                self.give_up("its shell syntax could not be parsed");
                // The grammar knows no `select`; its body is judged as that of a `for`.
                let other = text.replace("select ", "for ");
                if other != text {
                    self.nested(&other, via);
                }
            }
        }
        self.depth -= 1;
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
        for ast::CompoundListItem(chain, _) in &list.0 {
            self.pipeline(&chain.first);
            for next in &chain.additional {
                let (ast::AndOr::And(pipeline) | ast::AndOr::Or(pipeline)) = next;
                self.maybe(|walker| walker.pipeline(pipeline));
            }
        }
    }

    fn pipeline(&mut self, pipeline: &ast::Pipeline) {
        let start = self.units.len();
        let many = pipeline.seq.len() > 1;
        for command in &pipeline.seq {
            if self.exhausted {
                return;
            }
            let stage = self.units.len();
            if many {
                self.isolated(|walker| walker.command(command));
            } else {
                self.command(command);
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
                self.redirects_alone(redirects.as_ref());
                self.compound(compound);
            }
            Command::Function(function) => {
                let name = function.fname.value.clone();
                self.functions.insert(name.clone());
                self.inside.push(name);
                self.redirects_alone(function.body.1.as_ref());
                self.maybe(|walker| walker.compound(&function.body.0));
                self.inside.pop();
            }
            Command::ExtendedTest(test, redirects) => {
                self.redirects_alone(redirects.as_ref());
                self.test(&test.expr);
            }
        }
    }

    fn compound(&mut self, compound: &CompoundCommand) {
        match compound {
            CompoundCommand::Arithmetic(inner) => {
                self.arithmetic(&inner.expr);
                // The grammar takes `( (x) )`, two subshells, for `((x))`, an expression.
                if brackets_apart(&self.whole) {
                    let text = inner.expr.value.clone();
                    self.isolated(|walker| walker.nested(&text, &[]));
                }
            }
            CompoundCommand::ArithmeticForClause(inner) => {
                for expr in
                    [&inner.initializer, &inner.condition, &inner.updater].into_iter().flatten()
                {
                    self.arithmetic(expr);
                }
                self.maybe(|walker| walker.list(&inner.body.list));
            }
            CompoundCommand::BraceGroup(inner) => self.list(&inner.list),
            CompoundCommand::Subshell(inner) => self.isolated(|walker| walker.list(&inner.list)),
            CompoundCommand::ForClause(inner) => self.for_loop(inner),
            CompoundCommand::CaseClause(inner) => {
                self.resolve(&inner.value.value);
                for case in &inner.cases {
                    for pattern in &case.patterns {
                        self.resolve(&pattern.value);
                    }
                    if let Some(list) = &case.cmd {
                        self.maybe(|walker| walker.list(list));
                    }
                }
            }
            CompoundCommand::IfClause(inner) => {
                self.list(&inner.condition);
                self.maybe(|walker| {
                    walker.list(&inner.then);
                    for other in inner.elses.iter().flatten() {
                        if let Some(condition) = &other.condition {
                            walker.list(condition);
                        }
                        walker.list(&other.body);
                    }
                });
            }
            CompoundCommand::WhileClause(inner) | CompoundCommand::UntilClause(inner) => {
                self.maybe(|walker| {
                    walker.list(&inner.0);
                    walker.list(&inner.1.list);
                });
            }
            CompoundCommand::Coprocess(inner) => {
                if let Some(name) = &inner.name {
                    if special::is_special(&name.value) {
                        self.give_up(format!("it sets `{}` in a roundabout way", name.value));
                    }
                    self.forget(&name.value);
                }
                self.isolated(|walker| walker.command(&inner.body))
            }
        }
    }

    fn for_loop(&mut self, clause: &ast::ForClauseCommand) {
        let mut values = Vec::new();
        let name = &clause.variable_name;
        if special::is_special(name) {
            self.give_up(format!("it sets `{name}` in a roundabout way"));
        }
        for value in clause.values.iter().flatten() {
            let words = self.resolve(&value.value).words;
            for word in &words {
                self.second.gives(name, &value.value, Some(word));
            }
            values.extend(words);
        }
        if clause.values.is_none() {
            self.second.gives(name, "$@", None);
        }
        // The values are named by the line even if the body never uses them.
        let listed = Unit {
            paths: values
                .iter()
                .filter(|w| effects::looks_like_path(&w.text))
                .flat_map(|w| self.paths(&w.text, Access::Read))
                .collect(),
            transparent: true,
            ..Unit::default()
        };
        if !listed.paths.is_empty() {
            self.push(listed);
        }
        let known = !values.is_empty()
            && values.len() <= MAX_LOOP_VALUES
            && values.iter().all(|w| w.literal);
        if !known {
            self.forget(name);
            return self.maybe(|walker| walker.list(&clause.body.list));
        }
        for value in values {
            if self.exhausted {
                break;
            }
            // A glob may expand to a name that starts with a dash, unless a folder leads it.
            let certain = !value.glob || value.text.contains('/') || value.text.starts_with("*.");
            self.state.variables.insert(name.clone(), Variable { value, certain });
            self.maybe(|walker| walker.list(&clause.body.list));
        }
        self.forget(name);
    }

    fn arithmetic(&mut self, expr: &ast::UnexpandedArithmeticExpr) {
        self.evaluates(&expr.value);
        if expr.value.contains(['$', '`']) {
            let resolved = self.document(&expr.value);
            for word in &resolved.words {
                self.evaluates(&word.text);
            }
        }
    }

    fn test(&mut self, expr: &ast::ExtendedTestExpr) {
        use ast::ExtendedTestExpr as Test;
        match expr {
            Test::And(a, b) | Test::Or(a, b) => {
                self.test(a);
                self.test(b);
            }
            Test::Not(a) | Test::Parenthesized(a) => self.test(a),
            Test::UnaryTest(predicate, word) => {
                use ast::UnaryPredicate as Unary;
                let names = matches!(
                    predicate,
                    Unary::ShellVariableIsSetAndAssigned | Unary::ShellVariableIsSetAndNameRef
                );
                self.tested(&word.value, names);
            }
            Test::BinaryTest(predicate, a, b) => {
                use ast::BinaryPredicate as Binary;
                let arithmetic = matches!(
                    predicate,
                    Binary::ArithmeticEqualTo
                        | Binary::ArithmeticNotEqualTo
                        | Binary::ArithmeticLessThan
                        | Binary::ArithmeticLessThanOrEqualTo
                        | Binary::ArithmeticGreaterThan
                        | Binary::ArithmeticGreaterThanOrEqualTo
                );
                self.tested(&a.value, arithmetic);
                self.tested(&b.value, arithmetic);
            }
        }
    }

    /// An operand of `[[ … ]]`, which may be an expression.
    fn tested(&mut self, raw: &str, evaluated: bool) {
        let resolved = self.resolve(raw);
        if evaluated {
            self.evaluates(raw);
            for word in &resolved.words {
                self.evaluates(&word.text);
            }
        }
    }

    /// Resolves a text that is expanded as if it stood in double quotes.
    fn document(&mut self, raw: &str) -> Resolved {
        let scope = Scope {
            variables: &self.state.variables,
            cwd: self.state.cwd.as_ref(),
            home: self.home.as_ref(),
            budget: &self.budget,
        };
        let resolved = word::resolve_document(raw, &scope);
        self.code_inside(resolved)
    }

    /// Resolves a raw word and walks the code inside it.
    fn resolve(&mut self, raw: &str) -> Resolved {
        if let Some(words) = self.whole_array(raw) {
            return Resolved { words, ..Resolved::default() };
        }
        let scope = Scope {
            variables: &self.state.variables,
            cwd: self.state.cwd.as_ref(),
            home: self.home.as_ref(),
            budget: &self.budget,
        };
        let resolved = word::resolve(raw, &scope);
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

    fn simple(&mut self, simple: &ast::SimpleCommand) {
        let before = self.units.len();
        let mut context = Context::default();
        let mut unit = Unit::default();
        let mut words = Vec::new();
        let mut process_substitutions = 0;
        let items = || {
            let prefix = simple.prefix.iter().flat_map(|prefix| &prefix.0);
            prefix.chain(simple.suffix.iter().flat_map(|suffix| &suffix.0))
        };
        context.redirected = items().any(|item| matches!(item, Item::IoRedirect(_)));
        for item in simple.prefix.iter().flat_map(|prefix| &prefix.0) {
            self.item(item, &mut unit, &mut words, &mut context, &mut process_substitutions);
        }
        if let Some(word) = &simple.word_or_name {
            words.extend(self.word(&word.value, &mut unit, &context));
        }
        for item in simple.suffix.iter().flat_map(|suffix| &suffix.0) {
            self.item(item, &mut unit, &mut words, &mut context, &mut process_substitutions);
        }
        if process_substitutions > 0 && glued(&self.whole) {
            self.give_up("a process substitution in it is glued to a word");
        }
        unit.fed_by = self
            .units
            .iter()
            .skip(before)
            .filter(|unit| !unit.transparent)
            .map(|unit| unit.program.clone())
            .collect();
        if words.len() > MAX_WORDS {
            return self.exhaust(format!("a command in it has more than {MAX_WORDS} words"));
        }
        if words.is_empty() {
            let only_constants = unit.paths.is_empty() && unit.sockets.is_empty();
            self.remember(&unit.assignments);
            if !(only_constants && unit.assignments.is_empty()) {
                unit.text = unit
                    .assignments
                    .iter()
                    .map(|a| format!("{}={}", a.name, a.value.text))
                    .collect::<Vec<_>>()
                    .join(" ");
                if unit.text.is_empty() {
                    unit.text = unit
                        .paths
                        .iter()
                        .map(|p| format!("> {}", p.lexical))
                        .collect::<Vec<_>>()
                        .join(" ");
                }
                self.push(unit);
            }
            return;
        }
        self.run(words, unit, context, false);
    }

    /// A word of a command. `{name}` in front of a redirection is no word but names a variable
    /// for the descriptor, and the grammar does not tell the two apart.
    fn word(&mut self, raw: &str, unit: &mut Unit, context: &Context) -> Vec<Word> {
        let name = raw.strip_prefix('{').and_then(|raw| raw.strip_suffix('}'));
        match name.filter(|name| context.redirected && is_name(name)) {
            Some(name) => {
                self.sets(name, unit);
                vec![Word::unknown(raw)]
            }
            None => self.resolve(raw).words,
        }
    }

    fn item(
        &mut self,
        item: &Item,
        unit: &mut Unit,
        words: &mut Vec<Word>,
        context: &mut Context,
        substitutions: &mut usize,
    ) {
        match item {
            Item::IoRedirect(redirect) => self.redirect(redirect, unit, context),
            Item::Word(word) => {
                let found = self.word(&word.value, unit, context);
                self.hidden_array(words, &found);
                words.extend(found);
            }
            Item::AssignmentWord(assignment, raw) => {
                let value = self.assigned(assignment);
                if words.is_empty() {
                    unit.assignments.push(value);
                } else {
                    // `export A=1`, `alias x=y`: an operand that also assigns.
                    words.extend(self.resolve(&raw.value).words);
                    unit.assignments.push(value);
                }
            }
            Item::ProcessSubstitution(_, inner) => {
                *substitutions += 1;
                let start = self.units.len();
                self.isolated(|walker| walker.list(&inner.list));
                for unit in self.units.iter_mut().skip(start) {
                    unit.via.insert(0, "<(…)".to_owned());
                }
                words.push(Word::unknown(format!("<(…{substitutions})")));
            }
        }
    }

    fn push(&mut self, mut unit: Unit) {
        let through = |path: &AbsPath| self.links.iter().any(|link| path.is_within(link));
        if unit.paths.iter().any(|path| path.access == Access::Write && through(&path.lexical)) {
            unit.opaque
                .get_or_insert_with(|| "it writes through a link that the line makes".to_owned());
        }
        if unit.program == "ln" {
            self.links.extend(unit.writes().map(|path| path.lexical.clone()));
        }
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

/// Whether a process substitution touches a word: the grammar would tear the two apart.
fn glued(text: &str) -> bool {
    let part = |c: char| !c.is_whitespace() && !";&|()<>`\"".contains(c);
    ["<(", ">("].iter().flat_map(|open| text.match_indices(open)).any(|(at, _)| {
        let after = text.get(brace::after_brackets(text.as_bytes(), at + 1)..).unwrap_or_default();
        text.get(..at).unwrap_or_default().ends_with(part) || after.starts_with(part)
    })
}

/// Whether two brackets of a line stand next to each other but for white space.
fn brackets_apart(text: &str) -> bool {
    let dense: String = text.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect();
    ["((", "))"].iter().any(|pair| dense.matches(pair).count() != text.matches(pair).count())
}
