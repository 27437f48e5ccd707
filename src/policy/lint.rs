//! What is odd about the rules of policy files: rules that never decide, patterns that never
//! match, allow rules wider than they look. Pure: files are read elsewhere.
//!
//! INVARIANT (sound): a rule that is called unreachable decides no call. Where that is not
//! certain nothing is said. Read `inclusion` for the one comparison that this rests on.

use super::compile::{CompileError, Layer, RuleSet, compile};
use super::danger;
use super::exact::speaks_of;
use super::expression::{Expression, Lazy};
pub use super::findings::{FINDINGS, describe};
use super::inclusion::Known;
use super::match_path::Anchors;
use super::parse::{ToolMatch, tool_field};
use super::rule::Rule;
use super::sensitive;
use super::shell::{self, ANY, ShellPlace, Unit, Word};
use crate::config::schema::case::CaseSpec;
use crate::config::schema::permissions::{PermissionLayer, RuleSpec};
use crate::config::{Located, Spot};
use crate::model::{Decision, Source, Tier, ToolName};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Probably not what was meant.
    Warning,
    /// Wrong, or refused in this tier.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// An id of [`FINDINGS`].
    pub id: &'static str,
    /// How much it matters.
    pub level: Level,
    /// File and line.
    pub source: Source,
    /// Column and width, where they are known.
    pub at: Option<Spot>,
    /// The rule.
    pub rule: Option<String>,
    /// What is odd.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// One file to look at.
#[derive(Debug, Clone, Copy)]
pub struct LintFile<'a> {
    /// Its `permissions` block.
    pub layer: &'a PermissionLayer,
    /// Its test cases.
    pub cases: &'a [Located<CaseSpec>],
}

/// Programs that run whatever they are told to.
const RUNNERS: &[&str] = &[
    "bash",
    "sh",
    "zsh",
    "dash",
    "fish",
    "python",
    "python3",
    "node",
    "deno",
    "bun",
    "ruby",
    "perl",
    "php",
    "lua",
    "Rscript",
    "osascript",
    "pwsh",
    "docker",
    "podman",
    "kubectl",
    "ssh",
    "xargs",
    "env",
    "find",
    "npx",
    "bunx",
    "pnpx",
    "uvx",
    "make",
    "sudo",
    "doas",
    "su",
    "nohup",
    "timeout",
    "nice",
    "watch",
    "parallel",
    "eval",
    "source",
    "exec",
    "awk",
    "gdb",
    "vim",
    "tmux",
    "screen",
];

/// Whether a program runs whatever its arguments say.
pub fn runs_anything(program: &str) -> bool {
    let stem = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    RUNNERS.contains(&program) || RUNNERS.contains(&stem)
}

/// Looks at files, each of its own tier; `bare` is a rule without conditions, `now` the time in
/// seconds since 1970 (UTC).
pub fn lint(files: &[LintFile<'_>], anchors: &Anchors, bare: &RuleSpec, now: i64) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut compiled = Vec::new();
    for file in files {
        match compile(std::slice::from_ref(file.layer), anchors.clone()) {
            Ok(rules) => {
                found.extend(notes(&rules));
                found.extend(expired(&rules, now));
                compiled.push(Some(rules));
            }
            Err(error) => {
                found.extend(unusable(&error));
                // An id that stands twice must not hide what else is odd.
                let rules = compile(&[unnamed(file.layer, &error)], anchors.clone()).ok();
                found.extend(rules.iter().flat_map(notes));
                compiled.push(rules);
            }
        }
    }
    let ids = known_ids(files, anchors);
    for (file, rules) in files.iter().zip(&compiled) {
        let layer = rules.as_ref().and_then(|rules| rules.layers().first().map(|layer| &**layer));
        let mut look = Look { file, layer, anchors, bare, ids: &ids, found: &mut found };
        look.rules();
        look.hidden();
        look.other_patterns();
    }
    outranked(files, bare, &mut found);
    duplicates(files, &mut found);
    found.sort_by(|a, b| {
        let key = |f: &Finding| (f.source.file.clone(), f.source.line, std::cmp::Reverse(f.level));
        key(a).cmp(&key(b))
    });
    found
}

/// The block with the rules that were refused left without their ids.
fn unnamed(layer: &PermissionLayer, error: &CompileError) -> PermissionLayer {
    let mut layer = layer.clone();
    for rule in &mut layer.rules {
        if error.problems.iter().any(|problem| problem.source == rule.source) {
            rule.value.id = None;
        }
    }
    layer
}

fn notes(rules: &RuleSet) -> Vec<Finding> {
    let finding = |note: &super::RuleProblem| {
        let tool = note.message.contains("no tool is called");
        Finding {
            id: if tool { "lint.unknown-tool" } else { "lint.ambiguous-pattern" },
            level: Level::Warning,
            source: note.source.clone(),
            at: None,
            rule: note.message.split('`').nth(1).map(str::to_owned),
            message: note.message.clone(),
            help: match tool {
                true => "write the tool's own name".to_owned(),
                false => {
                    "write `^…$` for an expression, or a glob without special characters".to_owned()
                }
            },
        }
    };
    rules.notes().iter().map(finding).collect()
}

fn expired(rules: &RuleSet, now: i64) -> Vec<Finding> {
    let finding = |problem: super::RuleProblem| Finding {
        id: "lint.expired",
        level: Level::Warning,
        source: problem.source,
        at: None,
        rule: problem.message.split('`').nth(1).map(str::to_owned),
        message: problem.message,
        help: "remove the rule, or give it a later date".to_owned(),
    };
    rules.expired(now).into_iter().map(finding).collect()
}

fn unusable(error: &CompileError) -> Vec<Finding> {
    let finding = |problem: &super::RuleProblem| Finding {
        id: "lint.unusable-rule",
        level: Level::Error,
        source: problem.source.clone(),
        at: None,
        rule: problem.message.split('`').nth(1).map(str::to_owned),
        message: problem.message.clone(),
        help: "put it right: until then Ion starts with none of the rules".to_owned(),
    };
    error.problems.iter().map(finding).collect()
}

/// Ids that `overrides` can name, with the tier of each.
fn known_ids(files: &[LintFile<'_>], anchors: &Anchors) -> BTreeMap<String, Tier> {
    let mut ids: BTreeMap<String, Tier> = BTreeMap::new();
    ids.extend(danger::builtin().iter().map(|danger| (danger.id.clone(), Tier::Builtin)));
    ids.extend(sensitive::builtin(anchors).into_iter().map(|path| (path.id, Tier::Builtin)));
    for file in files {
        for (at, danger) in file.layer.dangerous_patterns.iter().enumerate() {
            let id = danger.value.id.clone();
            let id = id.unwrap_or_else(|| format!("{}.danger-{at}", file.layer.tier));
            ids.insert(id, file.layer.tier);
        }
    }
    ids
}

struct Look<'a> {
    file: &'a LintFile<'a>,
    layer: Option<&'a Layer>,
    anchors: &'a Anchors,
    bare: &'a RuleSpec,
    ids: &'a BTreeMap<String, Tier>,
    found: &'a mut Vec<Finding>,
}

/// The id of the rule at a place of a list, as `compile` gives it.
fn id_of(layer: &PermissionLayer, at: usize, spec: &RuleSpec) -> String {
    spec.id.clone().unwrap_or_else(|| format!("{}.rule-{at}", layer.tier))
}

impl Look<'_> {
    fn say(
        &mut self,
        id: &'static str,
        level: Level,
        source: &Source,
        rule: Option<&str>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found.push(Finding {
            id,
            level,
            source: source.clone(),
            at: None,
            rule: rule.map(str::to_owned),
            message: message.into(),
            help: help.into(),
        });
    }

    fn rules(&mut self) {
        let file = self.file;
        if !file.layer.rules.is_empty() && file.cases.is_empty() {
            let source = Source::new(file.layer.tier, file_of(file.layer));
            self.say(
                "lint.no-tests",
                Level::Note,
                &source,
                None,
                "the file has rules and no test cases",
                "add `permissions.tests` (docs/review.md) and run `ion policy test`",
            );
        }
        for (at, located) in file.layer.rules.iter().enumerate() {
            let (spec, source) = (&located.value, &located.source);
            let id = id_of(file.layer, at, spec);
            self.named(&id, spec, source);
            self.overrides(&id, spec, source);
            self.patterns(&id, spec, source);
            let compiled = self.layer.and_then(|layer| layer.rules.get(at));
            if let Some(rule) = compiled.filter(|rule| rule.decision == Decision::Allow) {
                self.wide(&id, rule, spec, source);
            }
            let named = |case: &Located<CaseSpec>| case.value.rule.as_deref() == Some(&id);
            let tested = !spec.matches.is_empty() || file.cases.iter().any(named);
            if !tested && spec.id.is_some() {
                self.say(
                    "lint.untested",
                    Level::Note,
                    source,
                    Some(&id),
                    format!("`{id}` has no example under `matches`, and no test case names it"),
                    "add a command that it must match, or a test case with `rule`",
                );
            }
        }
    }

    fn named(&mut self, id: &str, spec: &RuleSpec, source: &Source) {
        if spec.id.is_none() {
            self.say(
                "lint.no-id",
                Level::Note,
                source,
                None,
                format!("the rule has no id; it is called `{id}`, which changes when rules move"),
                "add `id = \"area.name\"`: records and tests name rules by it",
            );
        } else if spec.reason.is_none() {
            self.say(
                "lint.no-reason",
                Level::Note,
                source,
                Some(id),
                format!("`{id}` has no reason: whoever it stops learns nothing"),
                "add `reason`, and `hint` for what to do instead",
            );
        }
    }

    fn overrides(&mut self, id: &str, spec: &RuleSpec, source: &Source) {
        for name in &spec.overrides {
            match self.ids.get(name) {
                None => self.say(
                    "lint.unknown-override",
                    Level::Warning,
                    source,
                    Some(id),
                    format!("`{id}` overrides `{name}`, which is no pattern here"),
                    "ids stand in `ion policy explain` and in `ion help ID`",
                ),
                Some(_) if spec.decision != Decision::Allow => self.say(
                    "lint.idle-override",
                    Level::Warning,
                    source,
                    Some(id),
                    format!("`{id}` does not allow, so it lifts no pattern"),
                    "take `overrides` out, or make it an allow rule",
                ),
                Some(tier) if *tier > self.file.layer.tier => self.say(
                    "lint.idle-override",
                    Level::Warning,
                    source,
                    Some(id),
                    format!(
                        "`{name}` belongs to tier {tier}, and a rule of tier {} cannot lift it",
                        self.file.layer.tier
                    ),
                    "only a rule of that tier or above can",
                ),
                Some(_) => {}
            }
        }
    }

    fn patterns(&mut self, id: &str, spec: &RuleSpec, source: &Source) {
        let Ok((tool, _)) = tool_field(&spec.tool) else { return };
        if let ToolMatch::Name(name) = &tool
            && spec.command_patterns.is_some()
            && matches!(name.as_str(), "Read" | "Write" | "Edit" | "Grep" | "Glob" | "NotebookEdit")
        {
            self.say(
                "lint.never-matches",
                Level::Warning,
                source,
                Some(id),
                format!("`{id}` has `commandPatterns`, and calls of {name} have no command"),
                "use `pathPatterns`, or tool `Bash`",
            );
        }
        for pattern in spec.command_patterns.iter().flatten() {
            self.command(id, pattern, spec.decision, source);
        }
        for pattern in spec.path_patterns.iter().flatten() {
            self.path(id, pattern, source);
        }
    }

    fn command(&mut self, id: &str, pattern: &str, decision: Decision, source: &Source) {
        let nothing = || {
            Expression::new(pattern).is_ok() && !Lazy::new(pattern).could_match(&ANY.to_string())
        };
        let expression = pattern.contains(['^', '$', '\\', '(', '[', '|', '+', '{']);
        if expression && pattern.starts_with('^') && nothing() {
            return self.say(
                "lint.never-matches",
                Level::Warning,
                source,
                Some(id),
                format!("no text matches `{pattern}`"),
                "look at its anchors: `^` and `$` stand for the ends of the whole command",
            );
        }
        // What a glob spells, with its wildcards filled in, must be one command that it covers.
        let spelled = pattern.replace(['*', '?'], "x");
        let place = ShellPlace { cwd: &self.anchors.workspace, home: self.anchors.home.as_ref() };
        let script = shell::parse(&spelled, &place);
        let several = script.units.iter().filter(|unit| !unit.transparent).count() > 1;
        if !pattern.starts_with('^') && several {
            let level = if decision == Decision::Allow { Level::Warning } else { Level::Note };
            let reading = match pattern.contains('|') {
                true => "; `|` is read as \"or\" of an expression",
                false => "",
            };
            self.say(
                "lint.splits", level, source, Some(id),
                format!("`{pattern}` spells several commands, and each is judged by itself{reading}"),
                "write one pattern for each command; for a pipe use a dangerous pattern with `piped_from`",
            );
        }
        if decision == Decision::Allow && pattern.starts_with('/') && !expression {
            let covered = self.covers_spelled(source, &spelled);
            if covered == Some(false) {
                self.say(
                    "lint.never-matches", Level::Warning, source, Some(id),
                    format!("`{pattern}` does not match the command that it spells: programs of the system are seen by their base name"),
                    "write the base name",
                );
            }
        }
    }

    /// Whether the rule at `source` covers the one command that a text spells.
    fn covers_spelled(&self, source: &Source, text: &str) -> Option<bool> {
        let rule = self.layer?.rules.iter().find(|rule| rule.source == *source)?;
        let place = ShellPlace { cwd: &self.anchors.workspace, home: self.anchors.home.as_ref() };
        let script = shell::parse(text, &place);
        let mut units = script.units.iter().filter(|unit| !unit.transparent).peekable();
        units.peek()?;
        Some(units.all(|unit| speaks_of(rule, unit, self.anchors)))
    }

    fn path(&mut self, id: &str, pattern: &str, source: &Source) {
        if let Some(why) = impossible_path(pattern) {
            self.say(
                "lint.never-matches", Level::Warning, source, Some(id),
                format!("no path matches `{pattern}`: {why}"),
                "paths are compared without `.`, `..`, doubled or trailing slashes; `X/**` means `X` too",
            );
        }
    }

    fn other_patterns(&mut self) {
        for path in &self.file.layer.read_only_paths {
            self.path("readOnlyPaths", &path.value, &path.source);
        }
        for danger in &self.file.layer.dangerous_patterns {
            let (spec, source) = (&danger.value, &danger.source);
            let never = Expression::new(&spec.pattern).is_ok()
                && !Lazy::new(&spec.pattern).could_match(&ANY.to_string());
            if never {
                self.say(
                    "lint.never-matches",
                    Level::Warning,
                    source,
                    spec.id.as_deref(),
                    format!("no text matches the dangerous pattern `{}`", spec.pattern),
                    "look at its anchors",
                );
            }
        }
    }

    /// Whether an allow rule permits running anything. Asked of the compiled rule, so that every
    /// condition counts, known here or not.
    fn wide(&mut self, id: &str, rule: &Rule, spec: &RuleSpec, source: &Source) {
        let sealed = self.file.layer.tier == Tier::Enterprise;
        let level = if sealed { Level::Error } else { Level::Warning };
        let help = "name the exact command, or the subcommand with its operands";
        if Known::of(spec, self.bare).is_some_and(|known| known.is_unconditional())
            && (rule.tool == ToolMatch::Any || rule.tool.covers(&ToolName::resolve("Bash")))
        {
            return self.say(
                "lint.wide-allow",
                level,
                source,
                Some(id),
                format!(
                    "`{id}` allows every call of {}",
                    if rule.tool == ToolMatch::Any { "every tool" } else { "Bash" }
                ),
                help,
            );
        }
        if self.covers_spelled(source, "zq7x9k zq7x9k") == Some(true) {
            return self.say(
                "lint.wide-allow",
                level,
                source,
                Some(id),
                format!("`{id}` allows any program"),
                help,
            );
        }
        // No author means these words, so a rule that covers them covers any. What a wrapper runs
        // is judged besides; here the question is what was written.
        let probes =
            ["zq7x9k", "-c zq7x9k", "-e zq7x9k", "run zq7x9k", "exec zq7x9k", ". -exec zq7x9k"];
        let covers =
            |program: &str, rest: &str| speaks_of(rule, &spelled(program, rest), self.anchors);
        let programs: Vec<&str> = RUNNERS
            .iter()
            .copied()
            .filter(|program| probes.iter().any(|rest| covers(program, rest)))
            .collect();
        if !programs.is_empty() {
            self.say(
                "lint.wide-allow",
                level,
                source,
                Some(id),
                format!(
                    "`{id}` allows {} with any argument, and so running anything",
                    programs.join(", ")
                ),
                help,
            );
        }
    }

    /// Rules that an earlier one of the same list always hides.
    fn hidden(&mut self) {
        let layer = self.file.layer;
        let known: Vec<Option<Known>> =
            layer.rules.iter().map(|rule| Known::of(&rule.value, self.bare)).collect();
        for (at, later) in known.iter().enumerate() {
            let Some(later) = later else { continue };
            // A stranger's allow does nothing, so it hides nothing either.
            let idle = |at: usize| {
                let allow = |rule: &Located<RuleSpec>| rule.value.decision == Decision::Allow;
                layer.tighten_only && layer.rules.get(at).is_some_and(allow)
            };
            let first = known.iter().take(at).enumerate().position(|(at, earlier)| {
                !idle(at) && earlier.as_ref().is_some_and(|earlier| earlier.covers(later))
            });
            let (Some(first), Some(located)) = (first, layer.rules.get(at)) else { continue };
            let Some(earlier) = layer.rules.get(first) else { continue };
            let id = id_of(layer, at, &located.value);
            let other = id_of(layer, first, &earlier.value);
            let level = match located.value.decision == earlier.value.decision {
                true => Level::Note,
                false => Level::Warning,
            };
            let source = located.source.clone();
            self.say(
                "lint.hidden", level, &source, Some(&id),
                format!("`{id}` never decides: `{other}` ({}) stands before it and matches all that it matches", earlier.source),
                "put it before the wider rule, or take it out",
            );
        }
    }
}

/// A command of plain words.
fn spelled(program: &str, rest: &str) -> Unit {
    let words = std::iter::once(program).chain(rest.split(' ')).map(|text| Word {
        text: text.to_owned(),
        literal: true,
        glob: false,
        shape: String::new(),
    });
    Unit {
        words: words.collect(),
        program: program.to_owned(),
        text: format!("{program} {rest}"),
        ..Unit::default()
    }
}

fn file_of(layer: &PermissionLayer) -> String {
    layer.rules.first().map_or_else(String::new, |rule| rule.source.file.clone())
}

/// Why no clean absolute path matches a glob; `None` if one may.
fn impossible_path(pattern: &str) -> Option<&'static str> {
    // In brackets and braces a part of the text need not be a part of the path.
    if pattern.contains(['{', '[', '\\']) || pattern == "." || pattern == "./" {
        return None;
    }
    let bare = pattern.strip_prefix("./").unwrap_or(pattern);
    let bare = bare.trim_start_matches('/');
    if bare.is_empty() {
        return None;
    }
    if bare.ends_with('/') {
        return Some("it ends with a slash");
    }
    bare.split('/').find_map(|part| match part {
        "" => Some("it has two slashes in a row"),
        "." => Some("it has a `.` inside"),
        ".." => Some("it has a `..` inside"),
        _ => None,
    })
}

/// Allow rules that a deny of another list beats for every call.
fn outranked(files: &[LintFile<'_>], bare: &RuleSpec, found: &mut Vec<Finding>) {
    let known = |file: &LintFile<'_>| -> Vec<Option<Known>> {
        file.layer.rules.iter().map(|rule| Known::of(&rule.value, bare)).collect()
    };
    let all: Vec<Vec<Option<Known>>> = files.iter().map(known).collect();
    for (here, (file, mine)) in files.iter().zip(&all).enumerate() {
        for (at, (located, allow)) in file.layer.rules.iter().zip(mine).enumerate() {
            let Some(allow) = allow.as_ref().filter(|_| located.value.decision == Decision::Allow)
            else {
                continue;
            };
            let beaten = files.iter().zip(&all).enumerate().filter(|(there, _)| *there != here);
            let deny = beaten.filter_map(|(_, (other, theirs))| beats(other, theirs, allow)).next();
            let Some(deny) = deny else { continue };
            let id = id_of(file.layer, at, &located.value);
            found.push(Finding {
                id: "lint.outranked",
                level: Level::Warning,
                source: located.source.clone(),
                at: None,
                rule: Some(id.clone()),
                message: format!("`{id}` never allows anything: {} ({}) denies all that it matches, and the strictest tier wins", deny.0, deny.1),
                help: "take it out, or ask the owner of the deny rule for an exception".to_owned(),
            });
        }
    }
}

/// The deny rule of a list that denies all of `allow`, whatever else the list says.
fn beats(file: &LintFile<'_>, known: &[Option<Known>], allow: &Known) -> Option<(String, Source)> {
    for (at, (located, rule)) in file.layer.rules.iter().zip(known).enumerate() {
        let rule = rule.as_ref();
        let denies = located.value.decision == Decision::Deny;
        if denies && rule.is_some_and(|rule| rule.covers(allow)) {
            return Some((
                format!("`{}`", id_of(file.layer, at, &located.value)),
                located.source.clone(),
            ));
        }
        // A milder rule that stands first may speak instead of the denial.
        if !denies && !rule.is_some_and(|rule| rule.is_apart_from(allow)) {
            return None;
        }
    }
    None
}

fn duplicates(files: &[LintFile<'_>], found: &mut Vec<Finding>) {
    let shipped: BTreeSet<&str> =
        danger::builtin().iter().map(|danger| danger.id.as_str()).collect();
    let mut seen: BTreeMap<(Tier, &str), &Source> = BTreeMap::new();
    for file in files {
        for located in &file.layer.rules {
            let Some(id) = located.value.id.as_deref() else { continue };
            let clash = if shipped.contains(id) {
                Some("a shipped dangerous pattern".to_owned())
            } else {
                seen.insert((file.layer.tier, id), &located.source).map(ToString::to_string)
            };
            let Some(clash) = clash else { continue };
            found.push(Finding {
                id: "lint.duplicate-id",
                level: Level::Warning,
                source: located.source.clone(),
                at: None,
                rule: Some(id.to_owned()),
                message: format!(
                    "the id `{id}` stands at {clash} too; records could not tell the two apart"
                ),
                help: "give each rule an id of its own".to_owned(),
            });
        }
    }
}
