//! Which rules of a long list are worth asking about one part of a call.
//!
//! Ten thousand rules are about ten thousand programs, texts, folders and hosts, and a call has
//! few of them. Each rule is filed under one condition that must hold for it, whichever can be
//! looked up; a rule without such a condition is always asked.
//! INVARIANT (index over-approximates): whatever rule covers or could reach a part is among its
//! candidates, and candidates keep the order of their list. A word that is only known when the
//! command runs makes a candidate of every rule that the rest does not rule out.
//! The index only saves questions: [`super::rule`] answers them.

use super::expression::{Wanted, known_head};
use super::facts::PathUse;
use super::lookup::{Globs, Sieve};
use super::match_args::CommandPattern;
use super::match_around::Around;
use super::match_host::{HostPattern, names_of};
use super::match_path::PathPattern;
use super::match_words::certain;
use super::parse::ToolMatch;
use super::rule::{Rule, Subject};
use super::shell::Reach;
use super::spelling::Spelling;
use crate::model::ToolName;
use std::collections::HashMap;

/// Shorter lists are asked one rule after the other.
pub const SHORT: usize = 12;
/// Longer ones are worth an index at once.
pub const LONG: usize = 128;
/// From this many questions on, any other list is.
pub const SELDOM: usize = 16;

/// A rule, by its place in the list.
type Place = u32;

/// The index of one list.
#[derive(Debug)]
pub struct Index {
    tools: HashMap<ToolName, Table>,
    /// Rules about any tool, or all of one server.
    open: Table,
}

/// Rules about one tool, once for each kind of question.
#[derive(Debug, Default)]
struct Table {
    commands: Files,
    paths: Files,
    whole: Files,
}

/// Where rules are filed.
#[derive(Debug, Default)]
struct Files {
    /// By base name of a program.
    programs: HashMap<String, Vec<Place>>,
    /// By what the text of a command must have.
    texts: Sieve,
    /// Rules about texts of which the beginning is not known.
    unstarted: Vec<Place>,
    /// By what a path must have.
    globs: Globs,
    /// By host or domain.
    hosts: HashMap<String, Vec<Place>>,
    /// Rules without a condition that can be looked up.
    others: Vec<Place>,
}

/// The rules that are asked, in order, each with its place in the list.
#[derive(Debug)]
pub struct Candidates<'a> {
    rules: &'a [Rule],
    /// `None` for all.
    chosen: Option<Vec<Place>>,
    next: usize,
}

impl<'a> Candidates<'a> {
    /// `chosen` of `rules`; all for `None`.
    pub fn of(rules: &'a [Rule], chosen: Option<Vec<Place>>) -> Self {
        Candidates { rules, chosen, next: 0 }
    }
}

impl<'a> Iterator for Candidates<'a> {
    type Item = (usize, &'a Rule);

    fn next(&mut self) -> Option<Self::Item> {
        let at = match &self.chosen {
            None => self.next,
            Some(chosen) => *chosen.get(self.next)? as usize,
        };
        self.next += 1;
        self.rules.get(at).map(|rule| (at, rule))
    }
}

impl Index {
    /// Files every rule.
    pub fn new(rules: &[Rule]) -> Self {
        let mut index = Index { tools: HashMap::new(), open: Table::default() };
        for (at, rule) in (0..).zip(rules) {
            let table = match &rule.tool {
                ToolMatch::Name(name) => index.tools.entry(name.clone()).or_default(),
                ToolMatch::Any | ToolMatch::Server(_) => &mut index.open,
            };
            table.file(rule, at);
        }
        index.tools.values_mut().for_each(Table::close);
        index.open.close();
        index
    }

    /// Places of the rules that could cover a part of a call by `tool`.
    pub fn about(&self, tool: &ToolName, subject: Subject<'_>, around: &Around<'_>) -> Vec<Place> {
        let mut found = Vec::new();
        for table in self.tables(tool) {
            match subject {
                Subject::Unit(spelling) => {
                    table.commands.about_command(spelling, &mut found);
                    table.commands.about_hosts(around, &mut found);
                }
                Subject::Path(path) => {
                    table.paths.globs.of(path, &mut found);
                    table.paths.about_hosts(around, &mut found);
                }
                Subject::Whole => table.whole.about_hosts(around, &mut found),
            }
        }
        in_order(found)
    }

    /// Places of the rules that could reach what is not known in full, and of those that could
    /// cover it where it has a name.
    pub fn within_reach(
        &self,
        tool: &ToolName,
        reach: &Reach,
        named: Option<&PathUse>,
        around: &Around<'_>,
    ) -> Vec<Place> {
        let mut found = Vec::new();
        for table in self.tables(tool) {
            table.paths.globs.within_reach(reach, &mut found);
            if let Some(path) = named {
                table.paths.globs.of(path, &mut found);
            }
            table.paths.about_hosts(around, &mut found);
        }
        in_order(found)
    }

    fn tables(&self, tool: &ToolName) -> impl Iterator<Item = &Table> {
        self.tools.get(tool).into_iter().chain([&self.open])
    }
}

fn in_order(mut found: Vec<Place>) -> Vec<Place> {
    found.sort_unstable();
    found.dedup();
    found
}

impl Table {
    fn file(&mut self, rule: &Rule, at: Place) {
        let text = rule.commands.as_deref().and_then(Texts::of);
        let paths = || rule.paths.iter().chain(&rule.read).chain(&rule.write).flatten();
        // Of `pathPatterns` one must fit whatever the other lists say.
        let wanted: Vec<&PathPattern> = match &rule.paths {
            Some(all) => all.iter().collect(),
            None => paths().collect(),
        };
        let hosts = rule.hosts.as_deref().and_then(host_keys);
        let commands = &mut self.commands;
        if let Some(names) = rule.first_words() {
            for name in names {
                commands.programs.entry(name.to_owned()).or_default().push(at);
            }
        } else if let Some(texts) = text {
            texts.file(commands, at);
        } else if rule.wants_path() {
            commands.file_paths(&wanted, at);
        } else if let Some(hosts) = &hosts {
            commands.file_hosts(hosts, at);
        } else {
            commands.others.push(at);
        }
        if rule.wants_command() {
            return;
        }
        if rule.wants_path() {
            self.paths.file_paths(&wanted, at);
            return;
        }
        for files in [&mut self.paths, &mut self.whole] {
            match &hosts {
                Some(hosts) => files.file_hosts(hosts, at),
                None => files.others.push(at),
            }
        }
    }

    fn close(&mut self) {
        for files in [&mut self.commands, &mut self.paths, &mut self.whole] {
            files.texts.close();
            files.globs.close();
        }
    }
}

/// Names that one of must be among the hosts of the part; `None` where a range is wanted.
fn host_keys(wanted: &[HostPattern]) -> Option<Vec<&str>> {
    wanted.iter().map(HostPattern::key).collect()
}

/// What the text of a command must have.
struct Texts<'a> {
    wanted: Vec<Wanted<'a>>,
    /// The text of a command that is not known in full may begin with any.
    unstarted: bool,
}

impl<'a> Texts<'a> {
    /// `None` if one of the patterns says nothing.
    fn of(patterns: &'a [CommandPattern]) -> Option<Self> {
        let mut texts = Texts { wanted: Vec::new(), unstarted: false };
        for pattern in patterns {
            let (readings, asked) = pattern.readings();
            for (at, reading) in readings.iter().enumerate() {
                let wanted = reading.literals()?;
                texts.unstarted |=
                    at < asked && wanted.iter().any(|one| matches!(one, Wanted::Part(_)));
                texts.wanted.extend(wanted);
            }
        }
        Some(texts)
    }

    fn file(self, files: &mut Files, at: Place) {
        files.texts.add(&self.wanted, at);
        files.unstarted.extend(self.unstarted.then_some(at));
    }
}

impl Files {
    fn file_paths(&mut self, wanted: &[&PathPattern], at: Place) {
        wanted.iter().for_each(|pattern| self.globs.add(pattern, at));
    }

    fn file_hosts(&mut self, wanted: &[&str], at: Place) {
        for name in wanted {
            self.hosts.entry((*name).to_owned()).or_default().push(at);
        }
    }

    fn about_command(&self, spelling: &Spelling<'_>, found: &mut Vec<Place>) {
        self.about_program(spelling, found);
        let texts = [Some(spelling.unit.text.as_str()), spelling.written()];
        for text in texts.into_iter().flatten() {
            self.texts.of(text, found);
        }
        for shape in spelling.shapes() {
            self.texts.compatible(known_head(shape), found);
            found.extend(&self.unstarted);
        }
        for path in &spelling.unit.paths {
            self.globs.of(path, found);
        }
        for reach in &spelling.unit.reaches {
            self.globs.within_reach(reach, found);
        }
    }

    fn about_program(&self, spelling: &Spelling<'_>, found: &mut Vec<Place>) {
        match spelling.unit.words.first() {
            Some(first) if certain(first) => {
                let base = first.text.rsplit('/').next().unwrap_or_default();
                for name in [spelling.unit.program.as_str(), base] {
                    found.extend(self.programs.get(name).into_iter().flatten());
                }
            }
            // Which program runs is not known, or is none.
            _ => found.extend(self.programs.values().flatten()),
        }
    }

    fn about_hosts(&self, around: &Around<'_>, found: &mut Vec<Place>) {
        found.extend(&self.others);
        if self.hosts.is_empty() {
            return;
        }
        if around.unknown_host() {
            return found.extend(self.hosts.values().flatten());
        }
        for host in around.all_hosts() {
            names_of(host, |name| found.extend(self.hosts.get(name).into_iter().flatten()));
        }
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
