//! The shipped patterns, filed by what a command must have for one of them to hit.
//!
//! INVARIANT (prefilter over-approximates): no pattern that is left out hits. Patterns keep the
//! order of their file. Read [`super`] for what a pattern asks.

use super::{Danger, Lazy, Unit};
use crate::policy::lookup::Sieve;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// From this many commands on it is worth to file expressions by their texts.
const SELDOM: usize = 8;

/// The shipped patterns.
#[derive(Debug)]
pub struct Library {
    pub(super) all: Vec<Danger>,
    /// Which patterns name this program and no group or stem.
    by_program: HashMap<String, Vec<u32>>,
    /// Patterns that could be about any program, by the rarest thing that they ask for.
    code: Vec<u32>,
    assigns: Vec<u32>,
    paths: Vec<u32>,
    text: Filed,
    open: Vec<u32>,
    /// Patterns that look at whole lines.
    lines: Filed,
}

/// Patterns with an expression over one text.
#[derive(Debug, Default)]
struct Filed {
    all: Vec<u32>,
    asked: AtomicUsize,
    sieve: OnceLock<Sieve>,
}

impl Filed {
    /// Those whose expression could match `text`.
    fn about<'a>(
        &self,
        text: &str,
        expression: impl Fn(u32) -> Option<&'a Lazy>,
        found: &mut Vec<u32>,
    ) {
        if self.asked.fetch_add(1, Ordering::Relaxed) < SELDOM && self.sieve.get().is_none() {
            return found.extend(&self.all);
        }
        let build = || {
            let wanted = |at: u32| expression(at).and_then(Lazy::literals);
            Sieve::new(self.all.iter().map(|at| (*at, wanted(*at))))
        };
        self.sieve.get_or_init(build).of(text, found);
    }
}

impl Library {
    pub(super) fn new(all: Vec<Danger>) -> Self {
        let mut library = Library {
            by_program: HashMap::new(),
            code: Vec::new(),
            assigns: Vec::new(),
            paths: Vec::new(),
            text: Filed::default(),
            open: Vec::new(),
            lines: Filed::default(),
            all: Vec::new(),
        };
        for (at, danger) in (0..).zip(&all) {
            library.file(danger, at);
        }
        Library { all, ..library }
    }

    fn file(&mut self, danger: &Danger, at: u32) {
        self.lines.all.extend((danger.programs.is_empty() && danger.raw.is_some()).then_some(at));
        let group = |name: &String| name.starts_with('@') || name.ends_with('*');
        let touches = [&danger.deletes, &danger.writes, &danger.reads];
        if !danger.has_condition() {
        } else if !danger.programs.is_empty() && !danger.programs.iter().any(group) {
            for program in &danger.programs {
                let list = self.by_program.entry(program.clone()).or_default();
                if list.last() != Some(&at) {
                    list.push(at);
                }
            }
        } else if danger.code.is_some() {
            self.code.push(at);
        } else if danger.assigns.is_some() {
            self.assigns.push(at);
        } else if touches.into_iter().any(|list| !list.is_empty()) {
            self.paths.push(at);
        } else if danger.text.is_some() {
            self.text.all.push(at);
        } else {
            self.open.push(at);
        }
    }

    /// The patterns that could hit a command, in the order of the file.
    pub fn about(&self, unit: &Unit) -> impl Iterator<Item = &Danger> {
        let mut found = self.open.clone();
        found.extend(self.by_program.get(&unit.program).into_iter().flatten());
        let asked = [
            (&self.code, unit.code.is_some()),
            (&self.assigns, !unit.assignments.is_empty()),
            (&self.paths, !unit.paths.is_empty()),
        ];
        for (list, _) in asked.into_iter().filter(|(_, has)| *has) {
            found.extend(list);
        }
        self.text.about(&unit.text, |at| self.at(at)?.text.as_ref(), &mut found);
        self.in_order(found)
    }

    /// The patterns that could hit a whole line, in the order of the file.
    pub fn lines(&self, raw: &str) -> impl Iterator<Item = &Danger> {
        let mut found = Vec::new();
        self.lines.about(raw, |at| self.at(at)?.raw.as_ref(), &mut found);
        self.in_order(found)
    }

    fn at(&self, at: u32) -> Option<&Danger> {
        self.all.get(at as usize)
    }

    fn in_order(&self, mut found: Vec<u32>) -> impl Iterator<Item = &Danger> {
        found.sort_unstable();
        found.dedup();
        found.into_iter().filter_map(|at| self.at(at))
    }
}
