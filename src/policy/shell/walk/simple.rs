//! A simple command before it runs: its words, assignments and redirections.
//!
//! Part of `walk`; what the final words do is the subject of `run`.

use super::super::{Unit, Word, brace, output};
use super::{Context, MAX_WORDS, Walker, is_name};
use brush_parser::ast::{self, CommandPrefixOrSuffixItem as Item};
use std::collections::BTreeSet;

impl Walker {
    pub(super) fn simple(&mut self, simple: &ast::SimpleCommand) {
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
        self.carried(simple, &mut unit);
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

    /// What reaches the command through a variable that another command's output was put into.
    fn carried(&mut self, simple: &ast::SimpleCommand, unit: &mut Unit) {
        let items = || {
            let prefix = simple.prefix.iter().flat_map(|prefix| &prefix.0);
            prefix.chain(simple.suffix.iter().flat_map(|suffix| &suffix.0))
        };
        if !self.sources.is_empty() {
            let mut raw: Vec<&str> = simple.word_or_name.iter().map(|w| w.value.as_str()).collect();
            for item in items() {
                match item {
                    Item::Word(word) | Item::AssignmentWord(_, word) => raw.push(&word.value),
                    Item::IoRedirect(ast::IoRedirect::HereString(_, word)) => raw.push(&word.value),
                    Item::IoRedirect(ast::IoRedirect::HereDocument(_, document)) => {
                        raw.push(&document.doc.value);
                    }
                    _ => {}
                }
            }
            for name in raw.into_iter().flat_map(named) {
                for program in self.sources.get(name).into_iter().flatten() {
                    if !unit.fed_by.contains(program) {
                        unit.fed_by.push(program.clone());
                    }
                }
            }
        }
        let fed: BTreeSet<String> = unit.fed_by.iter().cloned().collect();
        if !fed.is_empty() {
            for assignment in &unit.assignments {
                let holds = self.sources.entry(assignment.name.clone()).or_default();
                holds.extend(fed.iter().cloned());
            }
        }
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
                context.printed.extend(output::of_list(&inner.list, &self.scope(), None));
                self.isolated(|walker| walker.list(&inner.list));
                for unit in self.units.iter_mut().skip(start) {
                    unit.via.insert(0, "<(…)".to_owned());
                }
                words.push(Word::unknown(format!("<(…{substitutions})")));
            }
        }
    }
}

/// Names of variables that a word expands.
fn named(raw: &str) -> impl Iterator<Item = &str> {
    raw.match_indices('$').filter_map(|(at, _)| {
        let rest = raw.get(at + 1..)?;
        let rest = rest.strip_prefix('{').unwrap_or(rest).trim_start_matches(['!', '#']);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        rest.get(..end.unwrap_or(rest.len())).filter(|name| !name.is_empty())
    })
}

/// Whether a process substitution touches a word: the grammar would tear the two apart.
fn glued(text: &str) -> bool {
    let part = |c: char| !c.is_whitespace() && !";&|()<>`\"".contains(c);
    ["<(", ">("].iter().flat_map(|open| text.match_indices(open)).any(|(at, _)| {
        let after = text.get(brace::after_brackets(text.as_bytes(), at + 1)..).unwrap_or_default();
        let before = text.get(..at).unwrap_or_default();
        // A quote behind it begins a word, unless it ends the one that the whole stands in.
        let even = |quote: char| before.matches(quote).count().is_multiple_of(2);
        let quotes = ['"', '`'];
        let touches = quotes
            .iter()
            .any(|quote| even(*quote) && (after.starts_with(*quote) || before.ends_with(*quote)));
        before.ends_with(part) || before.ends_with(')') || after.starts_with(part) || touches
    })
}
