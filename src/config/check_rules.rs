//! The lists of objects inside `permissions` and `sandbox`: rules and dangerous patterns.
//!
//! FAIL CLOSED: one bad rule is an error of the whole file; a rule is never left out.

use super::check::{Checker, LONGEST, MOST_RULES, describe, one_of};
use super::origin::Located;
use super::problem::{nearest, quoted};
use super::schema::permissions::{DANGER, DangerSpec, MODES, RuleSpec, Severity};
use super::schema::rule::{EFFECTS, ENFORCE, RULE};
use super::tree::{Data, Entry, Node};
use crate::model::{Decision, Tier};

const SEVERITIES: &[&str] = &["notice", "high", "critical"];

impl Checker<'_> {
    /// `permissions.rules`.
    pub(super) fn rules(&mut self, node: &Node) -> Option<Vec<Located<RuleSpec>>> {
        let nodes = self.list_of(node, "permissions.rules", MOST_RULES)?;
        let mut rules = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let key = format!("permissions.rules[{index}]");
            if let Some(rule) = self.rule(node, &key) {
                rules.push(Located::new(rule, self.source(node.at)));
            }
        }
        Some(rules)
    }

    fn rule(&mut self, node: &Node, key: &str) -> Option<RuleSpec> {
        let entries = self.object(node, key)?;
        self.only(entries, RULE, key);
        let decision = self.word(entries, "decision", key, MODES);
        let tool = self.text(entries, "tool", key);
        let report = self.word(entries, "enforce", key, ENFORCE) == Some("report");
        if report && self.file.tier == Tier::Enterprise {
            let what = "the sealed tier is always enforced; `report` is for the tiers below it";
            self.problem(node.at, format!("{key}.enforce"), what.to_owned(), None);
        }
        let rule = RuleSpec {
            id: self.text(entries, "id", key),
            tool: tool.clone().unwrap_or_default(),
            decision: decision.and_then(decision_of).unwrap_or(Decision::Deny),
            command_patterns: self.patterns(entries, "commandPatterns", key),
            path_patterns: self.patterns(entries, "pathPatterns", key),
            programs: self.patterns(entries, "programs", key),
            argv: self.patterns(entries, "argv", key),
            flags: self.flags(entries, key),
            read: self.patterns(entries, "read", key),
            write: self.patterns(entries, "write", key),
            hosts: self.patterns(entries, "hosts", key),
            env: self.patterns(entries, "env", key),
            effects: self.words(entries, "effects", key, EFFECTS),
            annotations: self.annotations(entries, key),
            when: self.when(entries, key),
            expires: self.expires(entries, key),
            report,
            reason: self.text(entries, "reason", key),
            hint: self.text(entries, "hint", key),
            url: self.text(entries, "url", key),
            overrides: self.strings(entries, "overrides", key),
            matches: self.examples(entries, ["matches", "match"], key),
            rejects: self.examples(entries, ["rejects", "not_match"], key),
        };
        for (name, found) in [("tool", tool.is_some()), ("decision", decision.is_some())] {
            if !found && !entries.iter().any(|e| e.key == name) {
                let what = format!("`{name}` is missing");
                self.problem(node.at, key.to_owned(), what, None);
            }
        }
        (tool.is_some() && decision.is_some()).then_some(rule)
    }

    /// A list of dangerous patterns.
    pub(super) fn dangers(&mut self, node: &Node, key: &str) -> Option<Vec<Located<DangerSpec>>> {
        let nodes = self.list(node, key)?;
        let mut dangers = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            if let Some(danger) = self.danger(node, &format!("{key}[{index}]")) {
                dangers.push(Located::new(danger, self.source(node.at)));
            }
        }
        Some(dangers)
    }

    fn danger(&mut self, node: &Node, key: &str) -> Option<DangerSpec> {
        if let Data::Text(pattern) = &node.data {
            if pattern.trim().is_empty() || pattern.contains('\0') {
                let what = format!("found {}, expected a regular expression", quoted(pattern));
                self.problem(node.at, key.to_owned(), what, None);
                return None;
            }
            return Some(DangerSpec {
                id: None,
                pattern: pattern.clone(),
                category: None,
                severity: Severity::Critical,
                reason: None,
                matches: Vec::new(),
                rejects: Vec::new(),
            });
        }
        let entries = self.object(node, key)?;
        self.only(entries, DANGER, key);
        let pattern = self.text(entries, "pattern", key);
        if pattern.is_none() && !entries.iter().any(|e| e.key == "pattern") {
            self.problem(node.at, key.to_owned(), "`pattern` is missing".to_owned(), None);
        }
        // An entry that names no severity denies, as a bare expression does.
        let severity = match self.word(entries, "severity", key, SEVERITIES) {
            Some("notice") => Severity::Notice,
            Some("high") => Severity::High,
            _ => Severity::Critical,
        };
        let reason = self.text(entries, "reason", key);
        Some(DangerSpec {
            id: self.text(entries, "id", key),
            pattern: pattern?,
            category: self.text(entries, "category", key),
            severity,
            reason: reason.or_else(|| self.text(entries, "description", key)),
            matches: self.strings(entries, "matches", key),
            rejects: self.strings(entries, "rejects", key),
        })
    }

    pub(super) fn list<'n>(&mut self, node: &'n Node, key: &str) -> Option<&'n [Node]> {
        self.list_of(node, key, LONGEST)
    }

    fn list_of<'n>(&mut self, node: &'n Node, key: &str, most: usize) -> Option<&'n [Node]> {
        match &node.data {
            Data::List(nodes) if nodes.len() > most => {
                self.too_long(node, key, most);
                None
            }
            Data::List(nodes) => Some(nodes),
            _ => {
                let what = format!("found {}, expected a list", describe(node, false));
                self.problem(node.at, key.to_owned(), what, None);
                None
            }
        }
    }

    pub(super) fn object<'n>(&mut self, node: &'n Node, key: &str) -> Option<&'n [Entry]> {
        match &node.data {
            Data::Table(entries) => Some(entries),
            _ => {
                let what = format!("found {}, expected an object", describe(node, false));
                self.problem(node.at, key.to_owned(), what, None);
                None
            }
        }
    }

    pub(super) fn text(&mut self, entries: &[Entry], name: &str, key: &str) -> Option<String> {
        let entry = entries.iter().find(|e| e.key == name)?;
        match &entry.value.data {
            Data::Text(text) if !text.trim().is_empty() && !text.contains('\0') => {
                Some(text.clone())
            }
            _ => {
                let what =
                    format!("found {}, expected a non-empty string", describe(&entry.value, false));
                self.problem(entry.value.at, format!("{key}.{name}"), what, None);
                None
            }
        }
    }

    pub(super) fn word(
        &mut self,
        entries: &[Entry],
        name: &str,
        key: &str,
        words: &'static [&'static str],
    ) -> Option<&'static str> {
        let entry = entries.iter().find(|e| e.key == name)?;
        let found = match &entry.value.data {
            Data::Text(text) => words.iter().find(|word| *word == text).copied(),
            _ => None,
        };
        if found.is_none() {
            let what =
                format!("found {}, expected {}", describe(&entry.value, false), one_of(words));
            let help = match &entry.value.data {
                Data::Text(text) => nearest(text, words.iter().copied()),
                _ => None,
            };
            let help = help.map(|word| format!("did you mean `{word}`?"));
            self.problem(entry.value.at, format!("{key}.{name}"), what, help);
        }
        found
    }

    pub(super) fn strings(&mut self, entries: &[Entry], name: &str, key: &str) -> Vec<String> {
        let Some(entry) = entries.iter().find(|e| e.key == name) else { return Vec::new() };
        let items = self.texts(&entry.value, &format!("{key}.{name}")).unwrap_or_default();
        items.into_iter().map(|item| item.value).collect()
    }

    /// `None` when the key is absent. An empty list is refused: one reader takes it for "no
    /// condition", another for "matches nothing", and one of the two is a hole.
    pub(super) fn patterns(
        &mut self,
        entries: &[Entry],
        name: &str,
        key: &str,
    ) -> Option<Vec<String>> {
        let entry = entries.iter().find(|e| e.key == name)?;
        if matches!(&entry.value.data, Data::List(nodes) if nodes.is_empty()) {
            let what = "an empty list matches nothing; leave the key out to match every call";
            self.problem(entry.value.at, format!("{key}.{name}"), what.to_owned(), None);
        }
        Some(self.strings(entries, name, key))
    }
}

/// The decision that a word of [`MODES`] names.
pub(super) fn decision_of(word: &str) -> Option<Decision> {
    match word {
        "allow" => Some(Decision::Allow),
        "ask" => Some(Decision::Ask),
        "deny" => Some(Decision::Deny),
        _ => None,
    }
}
