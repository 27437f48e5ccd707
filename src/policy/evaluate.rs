//! Judges one call. The strictest opinion wins; nothing here loosens one.
//!
//! INVARIANT (exact, S5): the sealed tier and the rest are judged apart, and the verdict is
//! `strictest(sealed, lower)`. A sealed allow never hides a lower deny.

use super::compile::{Layer, RuleSet};
use super::danger::{self, Danger, DangerHit, Ground};
use super::facts::{Access, CallFacts, PathUse, Region, region};
use super::rule::{Rule, Subject};
use super::sensitive::Sensitive;
use super::shell::{ANY, Reach, Unit};
use crate::config::schema::permissions::Severity;
use crate::model::{AbsPath, Decision, Source, Tier, ToolName};
use serde::Serialize;

/// Longest path in bytes that is judged: what the kernel takes.
const MAX_PATH: usize = 4096;

/// What kind of thing decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// A rule.
    Rule,
    /// A dangerous pattern.
    Danger,
    /// A sensitive path.
    SensitivePath,
    /// A read-only path.
    ReadOnlyPath,
    /// It could not be understood.
    Opaque,
    /// Its arguments are wrong.
    Malformed,
    /// The mode.
    Mode,
}

/// The rule, pattern or setting behind an opinion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Stable id.
    pub id: String,
    /// Its tier.
    pub tier: Tier,
    /// Its place.
    #[serde(serialize_with = "as_text")]
    pub source: Source,
}

fn as_text<S: serde::Serializer>(source: &Source, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(source)
}

/// One opinion that was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// What it says.
    pub decision: Decision,
    /// What kind of thing says so.
    pub basis: Basis,
    /// Who.
    pub origin: Option<Origin>,
    /// About which part of the call.
    pub subject: String,
    /// Which command, where the part is one.
    pub unit: Option<usize>,
    /// Why.
    pub reason: String,
    /// What to do instead.
    pub hint: Option<String>,
}

/// The verdict on one simple command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JudgedCommand {
    /// Program and arguments.
    pub text: String,
    /// What policy says about it.
    pub decision: Decision,
    /// What it was unwrapped from.
    pub via: Vec<String>,
}

/// What policy says about a call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    /// The verdict.
    pub decision: Decision,
    /// What the sealed tier alone says (no opinion is allow).
    pub sealed: Decision,
    /// What everything else says.
    pub lower: Decision,
    /// The strictest dangerous pattern or sensitive path, part of `lower`.
    pub danger_decision: Decision,
    /// What decided.
    pub decided_by: Basis,
    /// The rule or pattern that decided, `None` for the mode.
    pub rule: Option<Origin>,
    /// The command that decided.
    pub unit: Option<usize>,
    /// Why.
    pub reason: String,
    /// What to do instead.
    pub hint: Option<String>,
    /// Every pattern that was hit, also when it did not decide.
    pub danger: Vec<DangerHit>,
    /// Every simple command.
    pub commands: Vec<JudgedCommand>,
    /// Everything that was considered, in order.
    pub trace: Vec<Considered>,
}

/// Judges a call.
pub fn evaluate(rules: &RuleSet, facts: &CallFacts) -> Judgement {
    let mut bench = Bench { rules, facts, trace: Vec::new(), hits: Vec::new(), mode_needed: false };
    bench.hear();
    bench.close()
}

struct Bench<'a> {
    rules: &'a RuleSet,
    facts: &'a CallFacts,
    trace: Vec<Considered>,
    hits: Vec<DangerHit>,
    mode_needed: bool,
}

impl<'a> Bench<'a> {
    fn hear(&mut self) {
        let facts = self.facts;
        if let Some(problem) = &facts.malformed {
            self.say(
                Decision::Deny,
                Basis::Malformed,
                None,
                "the call",
                None,
                problem.clone(),
                None,
            );
        }
        if let Some(script) = &facts.command {
            if let Some(deception) = &script.deceptive {
                let origin = danger::invisible_character();
                self.hit("evasion.invisible-character", "evasion", Severity::Critical);
                self.say(
                    Decision::Deny,
                    Basis::Danger,
                    Some(origin),
                    "the command line",
                    None,
                    deception.clone(),
                    None,
                );
            }
            for (at, unit) in script.units.iter().enumerate() {
                self.unit(at, unit);
            }
            self.line(script);
            if let Some(reason) = &script.opaque {
                self.opaque(
                    "the command line",
                    None,
                    &format!("the command line could not be understood: {reason}"),
                );
            } else if script.units.is_empty() && script.raw.trim().is_empty() {
                self.default("an empty command", None);
            }
        }
        for path in &facts.paths {
            self.own_path(path);
        }
        if facts.command.is_none() && facts.paths.is_empty() {
            let heard = self.rules_on(&facts.tool, Subject::Whole(&facts.hosts), "the call", None);
            if !heard.decided {
                self.default("the call", None);
            }
        }
    }

    fn unit(&mut self, at: usize, unit: &'a Unit) {
        let heard = self.rules_on(&self.facts.tool, Subject::Unit(unit), &unit.text, Some(at));
        self.dangers_on(at, unit, &heard.lifts);
        for path in &unit.paths {
            self.path_of_command(at, path, &heard.lifts);
        }
        for reach in &unit.reaches {
            self.reach_of_command(at, reach, &heard.lifts);
        }
        if let Some(reason) = &unit.opaque {
            self.opaque(&unit.text, Some(at), reason);
        } else if !heard.decided
            && !unit.transparent
            && !unit.text.is_empty()
            && !only_constants(unit)
        {
            self.default(&unit.text, Some(at));
        }
    }

    /// Asks every tier's list; inside one list the first match speaks.
    fn rules_on(
        &mut self,
        tool: &ToolName,
        subject: Subject<'_>,
        name: &str,
        unit: Option<usize>,
    ) -> Heard<'a> {
        let mut heard = Heard { decided: false, lifts: Vec::new() };
        let rules = self.rules;
        for layer in &rules.layers {
            let Some(rule) = first_match(layer, tool, subject) else { continue };
            self.say_rule(rule, name, unit);
            // A stranger's `ask` must not stand in for a mode that denies.
            if layer.tier != Tier::Enterprise && !layer.tighten_only {
                heard.decided = true;
            }
            if rule.decision == Decision::Allow {
                heard.lifts.push(rule);
            }
        }
        heard
    }

    fn say_rule(&mut self, rule: &Rule, subject: &str, unit: Option<usize>) {
        let reason = rule.reason.clone().unwrap_or_else(|| match rule.decision {
            Decision::Allow => format!("allowed by rule `{}`", rule.id),
            Decision::Ask => "requires user approval".to_owned(),
            Decision::Deny => format!("matched rule for {}", self.facts.tool),
        });
        let origin = Origin { id: rule.id.clone(), tier: rule.tier, source: rule.source.clone() };
        self.say(
            rule.decision,
            Basis::Rule,
            Some(origin),
            subject,
            unit,
            reason,
            rule.hint.clone(),
        );
    }

    fn dangers_on(&mut self, at: usize, unit: &Unit, lifts: &[&Rule]) {
        let ground = self.ground();
        let rules = self.rules;
        let all = danger::library().about(&unit.program).map(|d| (d, Tier::Builtin));
        let all = all.chain(
            rules.layers.iter().flat_map(|layer| layer.dangers.iter().map(|d| (d, layer.tier))),
        );
        for (danger, tier) in all {
            if danger.hits(unit, &ground) {
                self.say_danger(danger, tier, &unit.text, Some(at), lifts);
            }
        }
    }

    fn line(&mut self, script: &super::shell::Script) {
        let rules = self.rules;
        let all = danger::library().lines().map(|d| (d, Tier::Builtin));
        for (danger, tier) in all.chain(
            rules.layers.iter().flat_map(|layer| layer.dangers.iter().map(|d| (d, layer.tier))),
        ) {
            let heard_already = || self.hits.iter().any(|hit| hit.pattern == danger.id);
            if danger.hits_line(script) && !heard_already() {
                self.say_danger(danger, tier, "the command line", None, &[]);
            }
        }
    }

    fn say_danger(
        &mut self,
        danger: &Danger,
        tier: Tier,
        subject: &str,
        unit: Option<usize>,
        lifts: &[&Rule],
    ) {
        let severity = danger.severity.unwrap_or(Severity::Critical);
        self.hit(&danger.id, &danger.category, severity);
        let decision = match severity {
            Severity::Critical => Decision::Deny,
            Severity::High => Decision::Ask,
            Severity::Notice => return,
        };
        if lifted(&danger.id, tier, lifts) {
            return;
        }
        let source = danger.source.clone().unwrap_or_else(|| Source::new(tier, "built in"));
        let origin = Origin { id: danger.id.clone(), tier, source };
        self.say(
            decision,
            Basis::Danger,
            Some(origin),
            subject,
            unit,
            danger.reason.clone(),
            danger.hint.clone(),
        );
    }

    fn hit(&mut self, id: &str, category: &str, severity: Severity) {
        let hit = DangerHit { pattern: id.to_owned(), category: category.to_owned(), severity };
        if !self.hits.contains(&hit) {
            self.hits.push(hit);
        }
    }

    /// A path that a command touches: judged as the file tools would be.
    fn path_of_command(&mut self, at: usize, path: &PathUse, lifts: &[&Rule]) {
        let name = format!("{} {}", verb(path.access), path.lexical);
        let tools: &[&str] =
            if path.access == Access::Read { &["Read"] } else { &["Write", "Edit"] };
        let mut decided = false;
        let mut lifts = lifts.to_vec();
        for tool in tools {
            let heard =
                self.rules_on(&ToolName::resolve(tool), Subject::Path(path), &name, Some(at));
            decided |= heard.decided;
            lifts.extend(heard.lifts);
        }
        self.protections(path, &name, Some(at), &lifts);
        if !decided && self.leaves_workspace(path) {
            self.default(&name, Some(at));
        }
    }

    /// A path that is not known in full, or a tree: only what restricts is asked, because a
    /// denial that cannot be evaluated denies.
    fn reach_of_command(&mut self, at: usize, reach: &Reach, lifts: &[&Rule]) {
        let shown = reach.shape.replace(|c: char| c.is_control(), "*");
        let below = if reach.tree { "/**" } else { "" };
        let name = format!("{} {}{below}", verb(reach.access), shown.trim_end_matches('/'));
        let named = (!reach.tree && !reach.shape.contains(ANY)).then(|| AbsPath::new(&shown));
        let named = named.flatten().map(|path| PathUse::lexical(path, reach.access));
        let tools: &[&str] =
            if reach.access == Access::Read { &["Read"] } else { &["Write", "Edit"] };
        let rules = self.rules;
        for layer in &rules.layers {
            for tool in tools.iter().map(|tool| ToolName::resolve(tool)) {
                // In one list, an earlier allow of all that a glob can name speaks first.
                let settles = |rule: &&Rule| match rule.decision {
                    Decision::Allow => {
                        !layer.tighten_only
                            && named
                                .as_ref()
                                .is_some_and(|path| rule.covers(&tool, Subject::Path(path)))
                    }
                    _ => rule.could_reach(&tool, reach),
                };
                let first = layer.rules.iter().find(settles);
                if let Some(rule) = first.filter(|rule| rule.decision != Decision::Allow) {
                    self.say_rule(rule, &name, Some(at));
                }
            }
            for (pattern, source) in &layer.read_only {
                let heard = layer.tier != Tier::Builtin || named.is_some();
                if reach.access != Access::Read && heard && pattern.could_reach(reach) {
                    self.say_read_only(source, &name, &shown, Some(at));
                }
            }
        }
        for entry in rules.sensitive().iter().filter(|entry| entry.could_reach(reach)) {
            self.say_sensitive(entry, &name, &shown, Some(at), lifts);
        }
    }

    /// A path that an argument of another tool names.
    fn own_path(&mut self, path: &PathUse) {
        // FAIL CLOSED: no kernel takes such a path, and matching it would cost without end.
        if path.lexical.as_path().as_os_str().len() > MAX_PATH {
            let problem = format!("a path is longer than {MAX_PATH} bytes");
            return self.say(
                Decision::Deny,
                Basis::Malformed,
                None,
                "the call",
                None,
                problem,
                None,
            );
        }
        let name = format!("{} {}", verb(path.access), path.lexical);
        let tool = self.facts.tool.clone();
        let heard = self.rules_on(&tool, Subject::Path(path), &name, None);
        // `Read` rules also bind Grep and Glob, `Write` rules every other writer.
        let kin = if path.access == Access::Read { "Read" } else { "Write" };
        if tool.as_str() != kin {
            let rules = self.rules;
            for layer in &rules.layers {
                let kin_rule = first_match(layer, &ToolName::resolve(kin), Subject::Path(path));
                if let Some(rule) = kin_rule.filter(|rule| rule.decision != Decision::Allow) {
                    self.say_rule(rule, &name, None);
                }
            }
        }
        self.protections(path, &name, None, &heard.lifts);
        if !heard.decided {
            self.default(&name, None);
        }
    }

    fn protections(&mut self, path: &PathUse, name: &str, unit: Option<usize>, lifts: &[&Rule]) {
        let rules = self.rules;
        if path.access != Access::Read {
            for (pattern, source) in rules.layers.iter().flat_map(|layer| &layer.read_only) {
                if pattern.restricts(path) {
                    self.say_read_only(source, name, &path.lexical.to_string(), unit);
                }
            }
        }
        for entry in rules.sensitive().iter().filter(|entry| entry.hits(path)) {
            self.say_sensitive(entry, name, &path.lexical.to_string(), unit, lifts);
        }
    }

    fn say_read_only(&mut self, source: &Source, name: &str, path: &str, unit: Option<usize>) {
        let origin =
            Origin { id: "read-only-path".to_owned(), tier: source.tier, source: source.clone() };
        let reason = format!("path is read-only: {path}");
        self.say(Decision::Deny, Basis::ReadOnlyPath, Some(origin), name, unit, reason, None);
    }

    fn say_sensitive(
        &mut self,
        entry: &Sensitive,
        name: &str,
        path: &str,
        unit: Option<usize>,
        lifts: &[&Rule],
    ) {
        self.hit(&entry.id, "credential", entry.severity);
        let decision = match entry.severity {
            Severity::Critical => Decision::Deny,
            Severity::High => Decision::Ask,
            Severity::Notice => return,
        };
        if lifted(&entry.id, Tier::Builtin, lifts) {
            return;
        }
        let origin =
            Origin { id: entry.id.clone(), tier: Tier::Builtin, source: entry.source.clone() };
        let reason = format!("access to sensitive path: {path} ({})", entry.reason);
        self.say(decision, Basis::SensitivePath, Some(origin), name, unit, reason, None);
    }

    fn leaves_workspace(&self, path: &PathUse) -> bool {
        let home = self.facts.home.as_ref();
        [&path.lexical, &path.canonical]
            .into_iter()
            .any(|path| region(path, &self.facts.workspace, home) != Region::Workspace)
    }

    /// FAIL CLOSED: what was not understood never gets better than `ask`, in any mode.
    fn opaque(&mut self, subject: &str, unit: Option<usize>, reason: &str) {
        let mode = self.rules.mode.value;
        let decision = mode.strictest(Decision::Ask);
        self.say(
            decision,
            Basis::Opaque,
            None,
            subject,
            unit,
            reason.to_owned(),
            Some("write the command out in plain words".to_owned()),
        );
    }

    fn default(&mut self, subject: &str, unit: Option<usize>) {
        self.mode_needed = true;
        let mode = &self.rules.mode;
        let reason = match mode.value {
            Decision::Allow => "default allow",
            Decision::Ask => "requires user approval",
            Decision::Deny => "denied by default policy",
        };
        let origin =
            Origin { id: "mode".to_owned(), tier: mode.source.tier, source: mode.source.clone() };
        self.say(
            mode.value,
            Basis::Mode,
            Some(origin),
            subject,
            unit,
            format!("{reason}: no rule is about `{subject}`"),
            None,
        );
    }

    #[expect(clippy::too_many_arguments, reason = "one row of the trace")]
    fn say(
        &mut self,
        decision: Decision,
        basis: Basis,
        origin: Option<Origin>,
        subject: &str,
        unit: Option<usize>,
        reason: String,
        hint: Option<String>,
    ) {
        self.trace.push(Considered {
            decision,
            basis,
            origin,
            subject: subject.to_owned(),
            unit,
            reason,
            hint,
        });
    }

    fn ground(&self) -> Ground<'a> {
        Ground { workspace: &self.facts.workspace, home: self.facts.home.as_ref() }
    }

    fn close(self) -> Judgement {
        let sealed_one = |c: &&Considered| {
            c.basis == Basis::Rule && c.origin.as_ref().is_some_and(|o| o.tier == Tier::Enterprise)
        };
        let worst = |list: &mut dyn Iterator<Item = Decision>| {
            list.fold(Decision::Allow, Decision::strictest)
        };
        let sealed = worst(&mut self.trace.iter().filter(sealed_one).map(|c| c.decision));
        let lower = worst(&mut self.trace.iter().filter(|c| !sealed_one(c)).map(|c| c.decision));
        let dangerous = |c: &&Considered| {
            matches!(c.basis, Basis::Danger | Basis::SensitivePath | Basis::ReadOnlyPath)
        };
        let danger_decision = worst(&mut self.trace.iter().filter(dangerous).map(|c| c.decision));
        let decision = sealed.strictest(lower);
        // Of equally strict opinions the one of the highest tier is named, rules first.
        let deciding = self.trace.iter().rev().filter(|c| c.decision == decision).max_by_key(|c| {
            let tier = c.origin.as_ref().filter(|_| c.basis != Basis::Mode).map(|o| o.tier);
            let explicit = !matches!(c.basis, Basis::Mode | Basis::Opaque);
            (explicit, tier, std::cmp::Reverse(c.unit))
        });
        let commands = self.facts.command.iter().flat_map(|script| script.units.iter().enumerate());
        let commands = commands
            .filter(|(_, unit)| {
                !unit.transparent || unit.program.is_empty() && !unit.text.is_empty()
            })
            .map(|(at, unit)| JudgedCommand {
                text: unit.text.clone(),
                decision: worst(
                    &mut self.trace.iter().filter(|c| c.unit == Some(at)).map(|c| c.decision),
                ),
                via: unit.via.clone(),
            })
            .collect();
        Judgement {
            decision,
            sealed,
            lower,
            danger_decision,
            decided_by: deciding.map_or(Basis::Mode, |c| c.basis),
            rule: deciding.filter(|c| c.basis != Basis::Mode).and_then(|c| c.origin.clone()),
            unit: deciding.and_then(|c| c.unit),
            reason: deciding.map_or_else(|| "nothing to run".to_owned(), |c| c.reason.clone()),
            hint: deciding.and_then(|c| c.hint.clone()),
            danger: self.hits,
            commands,
            trace: self.trace,
        }
    }
}

struct Heard<'a> {
    /// A lower tier has an opinion, so the mode is not asked.
    decided: bool,
    /// Allow rules that matched, for `overrides`.
    lifts: Vec<&'a Rule>,
}

fn first_match<'a>(layer: &'a Layer, tool: &ToolName, subject: Subject<'_>) -> Option<&'a Rule> {
    layer.rules.iter().find(|rule| {
        // A stranger's allow does nothing at all: not even hide a later rule of the list.
        !(layer.tighten_only && rule.decision == Decision::Allow) && rule.covers(tool, subject)
    })
}

/// An allow rule lifts a pattern that it names, unless the pattern's tier is higher.
fn lifted(id: &str, tier: Tier, lifts: &[&Rule]) -> bool {
    lifts.iter().any(|rule| rule.tier >= tier && rule.overrides.iter().any(|name| name == id))
}

fn only_constants(unit: &Unit) -> bool {
    unit.program.is_empty() && unit.words.is_empty()
}

fn verb(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "write",
        Access::Delete => "delete",
    }
}
