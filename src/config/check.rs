//! Checks a parsed file against the tables in `schema` and turns it into a [`Layer`].
//!
//! Reports every mistake of the file, never only the first. Read [`super::check_rules`] for
//! the lists of objects inside `permissions`.

use super::origin::Located;
use super::problem::{Problem, Warning, nearest, quote, quoted};
use super::schema::permissions::SEALED_ONLY;
use super::schema::{GUARDED, Key, Shape, providers};
use super::tree::{Data, Entry, Format, Node, Spot, Unparsable};
use super::value::{KeyPath, Layer, Setting, Value};
use crate::model::{AddressBlock, HostRule, Source, Tier};
use crate::redact::{Allowed, Pattern, Secret};
use std::collections::BTreeSet;

/// The most entries of one list. Real policies are far below; comparing lists is not free.
pub(super) const LONGEST: usize = 4096;
/// Most rules of one file.
pub(super) const MOST_RULES: usize = 16_384;
/// The most warnings about one file.
const MOST_WARNINGS: usize = 20;
/// Kinds of secrets in one file.
const MOST_PATTERNS: usize = 200;

/// What was found wrong so far, over all files.
#[derive(Debug, Default)]
pub struct Findings {
    /// Stops the start.
    pub problems: Vec<Problem>,
    /// Does not.
    pub warnings: Vec<Warning>,
}

/// A file that was read and is about to be checked.
#[derive(Debug, Clone, Copy)]
pub struct FileText<'a> {
    /// The tier that the file speaks for.
    pub tier: Tier,
    /// The file as a person would type it.
    pub shown: &'a str,
    /// Its content.
    pub text: &'a str,
    /// The tables that apply.
    pub sections: &'static [&'static [Key]],
}

/// Checks one file. Problems go to `findings`; what is right comes back either way, so that
/// the mistakes of all files can be reported at once.
pub fn check(file: FileText<'_>, findings: &mut Findings) -> Layer {
    check_parsed(file, Format::of(file.shown).parse(file.text), findings)
}

/// As [`check`], for a file that is parsed already: what ships is parsed at build time.
pub(super) fn check_parsed(
    file: FileText<'_>,
    parsed: Result<Vec<Entry>, Unparsable>,
    findings: &mut Findings,
) -> Layer {
    let layer = Layer::empty(file.tier, file.shown);
    let warned = findings.warnings.len();
    let mut checker = Checker { file, findings, layer, names: BTreeSet::new(), unknown: 0 };
    match parsed {
        Ok(root) => {
            let root = checker.unwrapped(root);
            checker.walk(&mut Vec::new(), &root);
        }
        Err(error) => checker.problem(error.at, String::new(), error.message, None),
    }
    let layer = checker.layer;
    // A stranger's file must not bury the one warning that matters under its own noise.
    let surplus = findings.warnings.len().saturating_sub(warned + MOST_WARNINGS);
    if surplus > 0 {
        findings.warnings.truncate(warned + MOST_WARNINGS);
        findings.warnings.push(Warning {
            file: file.shown.to_owned(),
            at: None,
            key: String::new(),
            message: format!("and {surplus} more warnings"),
        });
    }
    layer
}

pub(super) struct Checker<'a> {
    pub(super) file: FileText<'a>,
    findings: &'a mut Findings,
    layer: Layer,
    names: BTreeSet<KeyPath>,
    unknown: usize,
}

impl Checker<'_> {
    fn sealed(&self) -> bool {
        self.file.tier == Tier::Enterprise
    }

    pub(super) fn source(&self, at: Spot) -> Source {
        let source = Source::new(self.file.tier, self.file.shown);
        if at.line > 0 { source.at(at.line) } else { source }
    }

    pub(super) fn problem(&mut self, at: Spot, key: String, what: String, help: Option<String>) {
        let first = key.split(['.', '[']).next().unwrap_or("");
        let guards = self.sealed() || key.is_empty() || GUARDED.contains(&first);
        self.findings.problems.push(Problem {
            file: self.file.shown.to_owned(),
            at: Some(at),
            snippet: quote(self.file.text, at),
            key,
            what,
            help,
            guards,
        });
    }

    fn warn(&mut self, at: Spot, key: String, message: impl Into<String>) {
        let file = self.file.shown.to_owned();
        self.findings.warnings.push(Warning { file, at: Some(at), key, message: message.into() });
    }

    /// The sealed tier may hold its keys under one `enterprise` object.
    fn unwrapped(&mut self, mut root: Vec<Entry>) -> Vec<Entry> {
        let wrapped = self.sealed()
            && matches!(root.as_slice(),
                [Entry { key, value: Node { data: Data::Table(_), .. }, .. }] if key == "enterprise");
        if !wrapped {
            return root;
        }
        match root.pop() {
            Some(Entry { at, value: Node { data: Data::Table(inner), .. }, .. }) => {
                let message = "keys are read from inside this wrapper; it is not needed here";
                self.warn(at, "enterprise".to_owned(), message);
                inner
            }
            _ => root,
        }
    }

    fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.file.sections.iter().flat_map(|section| section.iter())
    }

    fn walk(&mut self, path: &mut Vec<String>, entries: &[Entry]) {
        for entry in entries {
            let name = match path.as_slice() {
                [first] if first == "providers" => providers::canonical(&entry.key),
                [first] if first == "tiers" => entry.key.to_lowercase(),
                _ => entry.key.clone(),
            };
            path.push(name);
            self.entry(path, entry);
            path.pop();
        }
    }

    fn entry(&mut self, path: &mut Vec<String>, entry: &Entry) {
        let shown = KeyPath(path.clone());
        if !self.sealed() && matches!(path.as_slice(), [one] if one == "enterprise") {
            let message = "ignored: enterprise policy is read from /etc/ion, never from here";
            return self.warn(entry.at, shown.to_string(), message);
        }
        let absent = matches!(entry.value.data, Data::Null) && !self.sealed();
        if let Some(key) = self.keys().find(|key| key.is(path)) {
            if key.shape == Shape::Unused {
                self.layer.unused.push(Located::new(shown, self.source(entry.at)));
            } else if !absent {
                self.leaf(key, shown, entry);
            }
            return;
        }
        if self.keys().any(|key| key.begins(path)) {
            match &entry.value.data {
                Data::Table(inner) => self.block(path, entry, inner),
                Data::Null if absent => {}
                other => {
                    let what = format!("found {}, expected an object", other.kind());
                    self.problem(entry.value.at, shown.to_string(), what, None);
                }
            }
            return;
        }
        self.unknown(path, entry);
    }

    fn block(&mut self, path: &mut Vec<String>, entry: &Entry, inner: &[Entry]) {
        let parent = path.split_last().map_or(&[][..], |(_, rest)| rest);
        if self.keys().any(|key| key.next_after(parent) == Some("*")) {
            let named = KeyPath(path.clone());
            if !self.names.insert(named.clone()) {
                let what = "stands twice (two spellings of one name)".to_owned();
                self.problem(entry.at, named.to_string(), what, None);
            }
            self.layer.named.push(Located::new(named, self.source(entry.at)));
        }
        self.walk(path, inner);
    }

    fn leaf(&mut self, key: &'static Key, shown: KeyPath, entry: &Entry) {
        if key.path == "allowedProfiles" && !self.sealed() {
            let message = "ignored: only the sealed tier can limit profiles";
            return self.warn(entry.at, shown.to_string(), message);
        }
        let lawful = self.sealed() || self.file.tier == Tier::Builtin;
        if SEALED_ONLY.contains(&key.path) && !lawful {
            let what = "only the sealed tier can set this".to_owned();
            let help = Some("take it out of this file".to_owned());
            return self.problem(entry.at, shown.to_string(), what, help);
        }
        let node = &entry.value;
        let value = match key.shape {
            Shape::Rules => self.rules(node).map(Value::Rules),
            Shape::Cases => self.cases(node).map(Value::Cases),
            Shape::Dangers => self.dangers(node, &shown.to_string()).map(Value::Dangers),
            _ => self.scalar(key, &shown, node),
        };
        let Some(value) = value else { return };
        let setting = Setting { value, source: self.source(entry.at), at: entry.at };
        if self.layer.settings.insert(shown.clone(), setting).is_some() {
            let what = "stands twice (two spellings of one name)".to_owned();
            self.problem(entry.at, shown.to_string(), what, None);
        }
    }

    fn scalar(&mut self, key: &Key, path: &KeyPath, node: &Node) -> Option<Value> {
        match (key.shape, &node.data) {
            (Shape::Flag, Data::Flag(flag)) => Some(Value::Flag(*flag)),
            (Shape::Whole { least, zero_is_unlimited }, Data::Whole(n)) if *n >= least => {
                let none = zero_is_unlimited && *n <= 0;
                Some(if none { Value::Unlimited } else { Value::Whole(*n) })
            }
            // 0 is "the default", so it says nothing.
            (Shape::Millis { .. }, Data::Whole(0)) => None,
            (Shape::Millis { .. }, Data::Whole(n)) if *n > 0 => Some(Value::Whole(*n)),
            (Shape::Millis { negative_is_unlimited: true }, Data::Whole(_)) => {
                Some(Value::Unlimited)
            }
            (Shape::Amount, Data::Whole(n)) if *n >= 0 => {
                Value::Whole(*n).number().map(Value::Amount)
            }
            (Shape::Amount, Data::Number(n)) if n.is_finite() && *n >= 0.0 => {
                Some(Value::Amount(*n))
            }
            (Shape::Word(words), Data::Text(word)) if words.contains(&word.as_str()) => {
                Some(Value::Text(word.clone()))
            }
            (Shape::Text | Shape::Secret | Shape::ModelTier, Data::Text(text)) => {
                if text.chars().any(char::is_control) {
                    let what = "holds a control character".to_owned();
                    self.problem(node.at, path.to_string(), what, None);
                    return None;
                }
                // Older files write "" for "no opinion".
                let text = Some(text.clone()).filter(|t| !t.is_empty())?;
                Some(if key.shape == Shape::Secret {
                    Value::Secret(Secret::new(text))
                } else {
                    Value::Text(text)
                })
            }
            (Shape::ModelTier, Data::Table(entries)) => self.model_tier(path, node.at, entries),
            (
                Shape::Hosts { .. } | Shape::Addresses | Shape::Patterns | Shape::Allowed,
                Data::List(_),
            ) => {
                let items = self.texts(node, &path.to_string())?;
                let wrong = |item: &Located<String>| match key.shape {
                    Shape::Hosts { refuses } => HostRule::parse(&item.value, refuses).err(),
                    Shape::Patterns => Pattern::parse(&item.value).err(),
                    Shape::Allowed => Allowed::parse(&item.value).err(),
                    _ => AddressBlock::parse(&item.value).err(),
                };
                if matches!(key.shape, Shape::Patterns | Shape::Allowed)
                    && items.len() > MOST_PATTERNS
                {
                    // The attack: a stranger's file with a million of them fills the memory.
                    let what = format!("holds {} patterns; at most {MOST_PATTERNS}", items.len());
                    self.problem(node.at, path.to_string(), what, None);
                    return None;
                }
                let mut sound = true;
                for item in &items {
                    if let Some(why) = wrong(item) {
                        let what = format!("holds {}: {why}", quoted(&item.value));
                        self.problem(node.at, path.to_string(), what, None);
                        sound = false;
                    }
                }
                sound.then_some(Value::Texts(items))
            }
            (Shape::Texts | Shape::Paths | Shape::Names, Data::List(_)) => {
                let mut items = self.texts(node, &path.to_string())?;
                if key.shape == Shape::Names {
                    items.retain(|item| self.is_name(item, path, node.at));
                }
                if key.path.starts_with("toolRestrictions.") {
                    for item in &mut items {
                        item.value =
                            crate::model::ToolName::resolve(&item.value).as_str().to_owned();
                    }
                }
                if key.path == "allowedProviders" {
                    items.iter_mut().for_each(|i| i.value = providers::canonical(&i.value));
                }
                Some(self.settled(key, path, node.at, items))
            }
            _ => {
                self.mismatch(key.shape, path, node);
                None
            }
        }
    }

    /// Settles what an empty allow-list means, once and here.
    fn settled(
        &mut self,
        key: &Key,
        path: &KeyPath,
        at: Spot,
        items: Vec<Located<String>>,
    ) -> Value {
        let any = super::schema::Sealing::Intersect(super::schema::Empty::Any);
        if items.is_empty() && key.sealing == any {
            self.warn(at, path.to_string(), "an empty list sets no limit here");
            return Value::Unlimited;
        }
        Value::Texts(items)
    }

    fn is_name(&mut self, item: &Located<String>, path: &KeyPath, at: Spot) -> bool {
        let bad = item.value.starts_with(['/', '~']) || item.value.split('/').any(|p| p == "..");
        if bad {
            let at = Spot { line: item.source.line.unwrap_or(at.line), column: 1, width: 1 };
            let what =
                format!("found {}, expected a name inside the workspace", quoted(&item.value));
            self.problem(at, path.to_string(), what, None);
        }
        !bad
    }

    fn model_tier(&mut self, path: &KeyPath, at: Spot, entries: &[Entry]) -> Option<Value> {
        let model = entries.iter().find(|e| e.key == "model");
        for entry in entries.iter().filter(|e| !matches!(e.key.as_str(), "model" | "fallbacks")) {
            self.warn(
                entry.at,
                format!("{path}.{}", super::json::shown(&entry.key)),
                "unknown key, ignored",
            );
        }
        match model.map(|entry| &entry.value.data) {
            Some(Data::Text(text)) if !text.is_empty() => Some(Value::Text(text.clone())),
            _ => {
                let what = "expected `model` to name a model".to_owned();
                self.problem(at, path.to_string(), what, None);
                None
            }
        }
    }

    /// A list of non-empty strings without NUL; every bad entry is reported.
    pub(super) fn texts(&mut self, node: &Node, key: &str) -> Option<Vec<Located<String>>> {
        let Data::List(nodes) = &node.data else {
            let what = format!("found {}, expected a list of strings", describe(node, false));
            self.problem(node.at, key.to_owned(), what, None);
            return None;
        };
        if nodes.len() > LONGEST {
            self.too_long(node, key, LONGEST);
            return None;
        }
        let mut items = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            match &node.data {
                Data::Text(text) if !text.trim().is_empty() && !text.contains('\0') => {
                    items.push(Located::new(text.clone(), self.source(node.at)));
                }
                _ => {
                    let what =
                        format!("found {}, expected a non-empty string", describe(node, false));
                    self.problem(node.at, format!("{key}[{index}]"), what, None);
                }
            }
        }
        Some(items)
    }

    pub(super) fn too_long(&mut self, node: &Node, key: &str, most: usize) {
        let what = format!("holds more than {most} entries");
        self.problem(node.at, key.to_owned(), what, None);
    }

    fn mismatch(&mut self, shape: Shape, path: &KeyPath, node: &Node) {
        let hidden = shape == Shape::Secret;
        let what = format!("found {}, expected {}", describe(node, hidden), expected(shape));
        let help = match (shape, &node.data) {
            (Shape::Word(words), Data::Text(word)) => {
                nearest(word, words.iter().copied()).map(|w| format!("did you mean `{w}`?"))
            }
            (Shape::Flag, Data::Text(word)) if word == "true" || word == "false" => {
                Some("write it without quotes".to_owned())
            }
            _ => None,
        };
        self.problem(node.at, path.to_string(), what, help);
    }

    fn unknown(&mut self, path: &[String], entry: &Entry) {
        let (name, parent) = match path.split_last() {
            Some((name, parent)) => (name.as_str(), parent),
            None => return,
        };
        // Looking for a nearer name costs time that a file full of noise could waste.
        self.unknown += 1;
        let siblings = || self.keys().filter_map(|k| k.next_after(parent)).filter(|n| *n != "*");
        let near = if self.unknown > MOST_WARNINGS { None } else { nearest(name, siblings()) };
        let elsewhere = || {
            let same =
                |k: &&Key| k.shape != Shape::Unused && k.path.rsplit('.').next() == Some(name);
            self.keys().find(same).map(|k| k.path)
        };
        let help = near.or_else(elsewhere).map(|n| format!("did you mean `{n}`?"));
        let shown = KeyPath(path.to_vec()).to_string();
        let first = path.first().map_or("", String::as_str);
        // FAIL CLOSED: `permisions` at the root would otherwise drop a whole block of rules
        // with a mere warning.
        let guarded = GUARDED.contains(&first)
            || (parent.is_empty() && near.is_some_and(|n| GUARDED.contains(&n)));
        if self.sealed() || guarded {
            let help = help.or_else(|| Some("no such key here: `ion help config`".to_owned()));
            self.problem(entry.at, shown, "unknown key".to_owned(), help);
        } else {
            let help = help.map_or(String::new(), |h| format!("; {h}"));
            self.warn(entry.at, shown, format!("unknown key, ignored{help}"));
        }
    }

    /// Reports keys of a list entry that nobody reads. Always an error: entries of lists
    /// stand in guarded sections only.
    pub(super) fn only(&mut self, entries: &[Entry], names: &[&'static str], key: &str) {
        for entry in entries.iter().filter(|e| !names.contains(&e.key.as_str())) {
            let help = nearest(&entry.key, names.iter().copied()).map_or_else(
                || format!("known: {}", names.join(", ")),
                |n| format!("did you mean `{n}`?"),
            );
            let path = format!("{key}.{}", super::json::shown(&entry.key));
            self.problem(entry.at, path, "unknown key".to_owned(), Some(help));
        }
    }
}

/// What was found, for a message.
pub(super) fn describe(node: &Node, hidden: bool) -> String {
    match &node.data {
        Data::Text(text) if !hidden => quoted(text),
        Data::Flag(flag) => flag.to_string(),
        Data::Whole(n) if !hidden => n.to_string(),
        Data::Number(n) if !hidden => n.to_string(),
        other => other.kind().to_owned(),
    }
}

fn expected(shape: Shape) -> String {
    match shape {
        Shape::Flag => "true or false".to_owned(),
        Shape::Whole { least, .. } if least < 0 => "a whole number".to_owned(),
        Shape::Whole { least, .. } => format!("a whole number, {least} or more"),
        Shape::Millis { .. } => "a whole number of milliseconds".to_owned(),
        Shape::Amount => "a number, 0 or more".to_owned(),
        Shape::Word(words) => one_of(words),
        Shape::Text => "a string".to_owned(),
        Shape::Secret => "a string (a key, or a variable's name)".to_owned(),
        Shape::ModelTier => "a model, or an object with `model`".to_owned(),
        Shape::Rules | Shape::Dangers | Shape::Cases => "a list of objects".to_owned(),
        Shape::Texts | Shape::Paths | Shape::Names => "a list of strings".to_owned(),
        Shape::Hosts { .. } => "a list of hosts".to_owned(),
        Shape::Addresses => "a list of addresses".to_owned(),
        Shape::Patterns => "a list of ID=EXPRESSION".to_owned(),
        Shape::Allowed => "a list of KIND or =EXPRESSION".to_owned(),
        Shape::Unused => "anything".to_owned(),
    }
}

/// `a, b or c`.
pub(super) fn one_of(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}
