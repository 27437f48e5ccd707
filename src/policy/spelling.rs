//! The texts in which rules look for one command, each made once and only when it is asked for.
//!
//! A list of rules asks the same command again and again; which text a rule may see depends on
//! what it says. Read [`super::rule`] next.

use super::match_words::in_trusted_folder;
use super::shell::Unit;
use std::cell::OnceCell;

/// One command and the ways to write it.
#[derive(Debug)]
pub struct Spelling<'a> {
    /// The command.
    pub unit: &'a Unit,
    written: OnceCell<Option<String>>,
    shapes: OnceCell<Vec<String>>,
}

impl<'a> Spelling<'a> {
    /// Nothing is made yet.
    pub fn of(unit: &'a Unit) -> Self {
        Spelling { unit, written: OnceCell::new(), shapes: OnceCell::new() }
    }

    /// The command with its program as written, where that is a path.
    pub fn written(&self) -> Option<&str> {
        let build = || {
            let first = self.unit.words.first().filter(|word| word.text.contains('/'))?;
            let args = self.unit.text.strip_prefix(self.unit.program.as_str()).unwrap_or_default();
            Some(format!("{}{args}", first.text))
        };
        self.written.get_or_init(build).as_deref()
    }

    /// What an allow rule sees: `/tmp/git` is not `git`, `/usr/bin/git` is.
    pub fn permitted(&self) -> &str {
        match self.unit.words.first() {
            Some(first) if in_trusted_folder(&first.text) => &self.unit.text,
            _ => self.written().unwrap_or(&self.unit.text),
        }
    }

    /// The command with marks for what is not known, see [`Unit::shapes`].
    pub fn shapes(&self) -> &[String] {
        self.shapes.get_or_init(|| self.unit.shapes())
    }
}
