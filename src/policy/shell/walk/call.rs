//! Functions and their operands: `f(){ rm "$1"; }; f x`, `set -- …; "$@"`, `sh -c '…' _ x`.
//!
//! Part of `walk`. A body is walked for each call with what the call gives it, and once with
//! operands that nobody knows, unless every call is in plain sight.

use super::super::{Word, wrap};
use super::{Walker, is_name};
use brush_parser::ast::{self, CompoundCommand};
use std::sync::Arc;

/// Most calls of one line whose bodies are walked one by one.
const MAX_CALLS: usize = 48;

/// Words of a body in which operands may change before a use that stands in front.
const LOOPS: &[&str] = &["for", "while", "until", "select"];

/// Words of a line that run a text unseen, at any time.
const UNSEEN: &[&str] = &["eval", "source", "trap", "."];

/// Words behind which a command begins.
const BEFORE: &[&str] = &["then", "do", "else", "elif", "if", "while", "until", "!", "time"];

impl Walker {
    /// A function is defined.
    pub(super) fn define(&mut self, function: &ast::FunctionDefinition) {
        let name = function.fname.value.clone();
        let body = Arc::new(function.body.0.clone());
        self.functions.insert(name.clone(), Arc::clone(&body));
        // Elsewhere the name may still be a program's.
        if self.conditional == 0 && !self.whole.contains("unset") {
            self.state.defined.insert(name.clone());
        }
        self.inside.push(name.clone());
        self.redirects_alone(function.body.1.as_ref());
        self.inside.pop();
        if !(self.depth == 1 && called_in_plain_sight(&self.whole, &name)) {
            self.body(&name, &body);
        }
    }

    /// The body, with operands that nobody knows.
    fn body(&mut self, name: &str, body: &CompoundCommand) {
        self.bodies.insert(name.to_owned());
        self.inside.push(name.to_owned());
        let positional = self.state.positional.take();
        self.maybe(|walker| walker.compound(body));
        self.state.positional = positional;
        self.inside.pop();
    }

    /// A call of a function that the line defines. `more` tells that operands come at run time.
    pub(super) fn call(&mut self, name: &str, body: &CompoundCommand, args: &[Word], more: bool) {
        self.calls += 1;
        let again = self.inside.iter().any(|inside| inside == name);
        if again || more || self.calls > MAX_CALLS {
            if !self.bodies.contains(name) {
                self.body(name, body);
            }
            return;
        }
        if self.bodies.contains(name) && args.is_empty() {
            return;
        }
        self.inside.push(name.to_owned());
        let known = self.given(args, body);
        let positional = self.state.positional.replace(known);
        self.compound(body);
        self.state.positional = positional;
        self.inside.pop();
    }

    /// Operands as they are given; a guess where they may change before they are used.
    fn given(&self, args: &[Word], body: &CompoundCommand) -> Vec<Word> {
        let has = |text: &str, words: &[&str]| {
            let dense: String = text.chars().filter(|c| !"'\"\\".contains(*c)).collect();
            dense
                .split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'))
                .any(|word| words.contains(&word))
        };
        let certain = !has(&self.whole, UNSEEN) && !has(&body.to_string(), LOOPS);
        args.iter().map(|word| if certain { word.clone() } else { guess(word) }).collect()
    }

    /// `set -- …` and `shift`.
    pub(super) fn positional(&mut self, program: &str, args: &[Word]) {
        match program {
            "set" => {
                let dashes = args.iter().position(|word| matches!(word.text.as_str(), "--" | "-"));
                let plain = args.first().is_some_and(|word| !word.text.starts_with(['-', '+']));
                let from = dashes.map(|at| at + 1).or(plain.then_some(0));
                if let Some(rest) = from.and_then(|from| args.get(from..)) {
                    self.state.positional = Some(rest.iter().map(guess).collect());
                }
            }
            "shift" => {
                let count = args.first().map_or(1, |word| word.text.parse().unwrap_or(1));
                // It may not happen, so what is left is a guess.
                if let Some(words) = &mut self.state.positional {
                    words.drain(..usize::min(count, words.len()));
                    words.iter_mut().for_each(|word| *word = guess(word));
                }
            }
            _ => {}
        }
    }
}

/// A word whose text is likely and not known.
fn guess(word: &Word) -> Word {
    Word { glob: word.glob, ..Word::unknown(word.text.clone()) }
}

/// `$1` and so on of `sh -c TEXT NAME OPERANDS`.
pub(super) fn script_operands(program: &str, args: &[Word], more: bool) -> Option<Vec<Word>> {
    if more || !wrap::is_shell(program) {
        return None;
    }
    let at = args.iter().position(|word| word.text.starts_with('-') && word.text.contains('c'))?;
    let rest = args.get(at + 3..).unwrap_or_default();
    Some(rest.iter().map(guess).collect())
}

/// Whether the line defines `name` before it names it anywhere else, and names it only where a
/// command begins: then whoever calls it is seen. A name that is put together at run time is no
/// known program, and asks.
fn called_in_plain_sight(text: &str, name: &str) -> bool {
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if !is_name(name) {
        return false;
    }
    let mut found = 0;
    for (at, _) in text.match_indices(name) {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + name.len()..).unwrap_or_default();
        if before.ends_with(in_name) || after.starts_with(in_name) {
            continue;
        }
        let trimmed = before.trim_end_matches([' ', '\t']);
        let word = trimmed.rsplit(|c: char| !(c.is_ascii_alphabetic() || c == '!')).next();
        let begins = trimmed.is_empty()
            || trimmed.ends_with([';', '&', '|', '(', '{', '\n'])
            || trimmed.len() < before.len() && word.is_some_and(|word| BEFORE.contains(&word));
        let defines = after.trim_start_matches([' ', '\t']).starts_with('(');
        let ends = after.is_empty() || after.starts_with([' ', '\t', ';', '&', '|', ')', '\n']);
        if !begins || defines != (found == 0) || !defines && !ends {
            return false;
        }
        found += 1;
    }
    found > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_in_plain_sight_only_where_a_command_begins() {
        for text in ["f(){ a; }; f x", "f () { a; }\nif f x; then f; fi", "f(){ a; }; x=$(f y)"] {
            assert!(called_in_plain_sight(text, "f"), "{text}");
        }
        for text in [
            "f(){ a; }",
            "f x; f(){ a; }",
            "f(){ a; }; trap f EXIT",
            "f(){ a; }; x=f; $x",
            "f(){ a; }; f(){ b; }; f",
            "function f { a; }; f",
            "f(){ a; }; 'f' x",
            "f(){ a; }; \\f x",
            "f(){ a; }; \"f\" x",
            "f(){ a; }; f{,} x",
        ] {
            assert!(!called_in_plain_sight(text, "f"), "{text}");
        }
    }
}
