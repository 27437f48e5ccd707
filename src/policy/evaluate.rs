//! Judges one call. The strictest opinion wins; nothing here loosens one.
//!
//! INVARIANT (exact, S5): the sealed tier and the rest are judged apart, and the verdict is
//! `strictest(sealed, lower)`. A sealed allow never hides a lower deny.

use super::compile::RuleSet;
use super::danger::{self, Danger, DangerHit, Ground};
use super::facts::{Access, CallFacts, PathUse, Region, region};
use super::match_around::Around;
use super::rule::{Rule, Subject};
use super::sensitive::Sensitive;
use super::shell::{ANY, Reach, Unit};
use super::speak::speak;
use super::spelling::Spelling;
use crate::config::schema::permissions::Severity;
use crate::model::{AbsPath, Decision, Source, Tier, ToolName};

pub use super::judgement::{Basis, Considered, JudgedCommand, Judgement, Origin};

/// Longest path in bytes that is judged: what the kernel takes.
const MAX_PATH: usize = 4096;

/// Judges a call.
pub fn evaluate(rules: &RuleSet, facts: &CallFacts) -> Judgement {
    let mut bench = Bench {
        rules,
        facts,
        around: Around::of(facts),
        trace: Vec::new(),
        hits: Vec::new(),
        trusted_units: Vec::new(),
        trusted_call: true,
    };
    bench.hear();
    bench.rise();
    bench.close()
}

pub(super) struct Bench<'a> {
    pub(super) rules: &'a RuleSet,
    pub(super) facts: &'a CallFacts,
    pub(super) trace: Vec<Considered>,
    hits: Vec<DangerHit>,
    around: Around<'a>,
    /// Commands whose allow rules lift the rise after untrusted content.
    pub(super) trusted_units: Vec<usize>,
    /// Every other part of the call has such an allow rule.
    pub(super) trusted_call: bool,
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
            self.leaks(script);
            if let Some(reason) = &script.opaque {
                self.opaque(
                    "the command line",
                    None,
                    &format!("the command line could not be understood: {reason}"),
                );
                self.unlisted("the command line", None);
            } else if script.units.is_empty() && script.raw.trim().is_empty() {
                self.default("an empty command", None);
                self.unlisted("an empty command", None);
            }
        }
        for path in &facts.paths {
            self.own_path(path);
        }
        if facts.command.is_none() && facts.paths.is_empty() {
            let around = self.around;
            let heard = self.rules_on(&[&facts.tool], Subject::Whole, &around, "the call", None);
            self.trusted_call &= self.lifts_rise(&heard.lifts);
            if !heard.decided {
                self.default("the call", None);
            }
        }
        self.tier_rules();
    }

    fn unit(&mut self, at: usize, unit: &'a Unit) {
        let around = self.around.within(unit);
        let spelling = Spelling::of(unit);
        let tool = &self.facts.tool;
        let needs = !unit.transparent && !unit.text.is_empty() && !only_constants(unit);
        let heard = self.rules_about(
            &[tool],
            Subject::Unit(&spelling),
            &around,
            (&unit.text, Some(at)),
            needs || unit.opaque.is_some(),
        );
        if self.lifts_rise(&heard.lifts) {
            self.trusted_units.push(at);
        }
        self.dangers_on(at, unit, &heard.lifts);
        for path in &unit.paths {
            self.path_of_command(at, path, &around, &heard.lifts);
        }
        for reach in &unit.reaches {
            self.reach_of_command(at, reach, &around, &heard.lifts);
        }
        if let Some(reason) = &unit.opaque {
            self.opaque(&unit.text, Some(at), reason);
        } else if !heard.decided && needs {
            self.default(&unit.text, Some(at));
        }
    }

    /// Asks every tier's list about a part that needs an allow.
    fn rules_on(
        &mut self,
        tools: &[&ToolName],
        subject: Subject<'_>,
        around: &Around<'_>,
        name: &str,
        unit: Option<usize>,
    ) -> Heard<'a> {
        self.rules_about(tools, subject, around, (name, unit), true)
    }

    /// Asks every tier's list; inside one list the first match speaks. Under several tools, each
    /// tool's first match does. `needs`: the part needs an allow, also of an exclusive list.
    fn rules_about(
        &mut self,
        tools: &[&ToolName],
        subject: Subject<'_>,
        around: &Around<'_>,
        (name, unit): (&str, Option<usize>),
        needs: bool,
    ) -> Heard<'a> {
        let mut heard = Heard { decided: false, lifts: Vec::new() };
        let rules = self.rules;
        for layer in &rules.layers {
            let mut listed = false;
            for tool in tools {
                let muted = rules.mutes(layer);
                let spoken = speak(layer, muted, tool, subject, around);
                for rule in spoken.reports {
                    self.say_report(rule, name, unit);
                }
                listed |= spoken.first.is_some();
                listed |= muted && layer.exclusive.is_some() && needs && {
                    let covers = |rule: &Rule| !rule.report && rule.covers(tool, subject, around);
                    layer.about(tool, subject, around).any(|(_, rule)| covers(rule))
                };
                let Some(rule) = spoken.first else { continue };
                self.say_rule(rule, name, unit);
                heard.decided |= self.decides(layer);
                heard.lifts.extend(spoken.lifts);
            }
            let class = self.facts.class.as_deref();
            if let Some(rule) = class.and_then(|label| self.tier_rule(layer, label)) {
                heard.decided |= self.decides(layer);
                listed |= rule.value.1 != Decision::Deny;
            }
            if let Some(source) = layer.exclusive.as_ref().filter(|_| needs && !listed) {
                self.say_unlisted(layer.tier, source, name, unit);
            }
        }
        heard
    }

    fn say_report(&mut self, rule: &Rule, subject: &str, unit: Option<usize>) {
        let origin = Origin { id: rule.id.clone(), tier: rule.tier, source: rule.source.clone() };
        let reason = format!("would {} (`enforce = \"report\"`)", rule.decision);
        self.say(rule.decision, Basis::Report, Some(origin), subject, unit, reason, None);
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
        if let Some(said) = self.trace.last_mut() {
            said.url.clone_from(&rule.url);
        }
    }

    fn dangers_on(&mut self, at: usize, unit: &Unit, lifts: &[&Rule]) {
        let ground = self.ground();
        let rules = self.rules;
        let all = danger::library().about(unit).map(|d| (d, Tier::Builtin));
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
        let all = danger::library().lines(&script.raw).map(|d| (d, Tier::Builtin));
        for (danger, tier) in all.chain(
            rules.layers.iter().flat_map(|layer| layer.dangers.iter().map(|d| (d, layer.tier))),
        ) {
            let heard_already = || self.hits.iter().any(|hit| hit.pattern == danger.id);
            if danger.hits_line(script) && !heard_already() {
                self.say_danger(danger, tier, "the command line", None, &[]);
            }
        }
    }

    pub(super) fn say_danger(
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
    fn path_of_command(
        &mut self,
        at: usize,
        path: &PathUse,
        around: &Around<'_>,
        lifts: &[&'a Rule],
    ) {
        let name = format!("{} {}", verb(path.access), path.lexical);
        let tools = file_tools(path.access);
        let tools: Vec<&ToolName> = tools.iter().collect();
        let leaves = self.leaves_workspace(path);
        let part = (name.as_str(), Some(at));
        let heard = self.rules_about(&tools, Subject::Path(path), around, part, leaves);
        let mut lifts = lifts.to_vec();
        lifts.extend(heard.lifts);
        self.protections(path, &name, Some(at), &lifts);
        if !heard.decided && leaves {
            self.default(&name, Some(at));
        }
    }

    /// A path that is not known in full, or a tree: only what restricts is asked, because a
    /// denial that cannot be evaluated denies.
    fn reach_of_command(&mut self, at: usize, reach: &Reach, around: &Around<'_>, lifts: &[&Rule]) {
        let shown = reach.shape.replace(|c: char| c.is_control(), "*");
        let below = if reach.tree { "/**" } else { "" };
        let name = format!("{} {}{below}", verb(reach.access), shown.trim_end_matches('/'));
        let named = (!reach.tree && !reach.shape.contains(ANY)).then(|| AbsPath::new(&shown));
        let named = named.flatten().map(|path| PathUse::lexical(path, reach.access));
        let rules = self.rules;
        for layer in &rules.layers {
            for tool in &file_tools(reach.access) {
                // In one list, an earlier allow of all that a glob can name speaks first.
                let settles = |rule: &&Rule| match rule.decision {
                    Decision::Allow => {
                        !rules.mutes(layer)
                            && named
                                .as_ref()
                                .is_some_and(|path| rule.covers(tool, Subject::Path(path), around))
                    }
                    _ => rule.could_reach(tool, reach, around),
                };
                let rules = layer.within_reach(tool, reach, named.as_ref(), around);
                let first = rules.map(|(_, rule)| rule).filter(|rule| !rule.report).find(settles);
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
        if self.written_outside(reach) {
            self.default(&name, Some(at));
        }
        for entry in rules.sensitive().all().iter().filter(|entry| entry.could_reach(reach)) {
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
        let around = self.around;
        let heard = self.rules_on(&[&tool], Subject::Path(path), &around, &name, None);
        self.trusted_call &= self.lifts_rise(&heard.lifts);
        // `Read` rules also bind Grep and Glob, `Write` rules every other writer.
        let kin = if path.access == Access::Read { "Read" } else { "Write" };
        if tool.as_str() != kin {
            let rules = self.rules;
            for layer in &rules.layers {
                let muted = rules.mutes(layer);
                let kin = ToolName::resolve(kin);
                let spoken = speak(layer, muted, &kin, Subject::Path(path), &around);
                if let Some(rule) = spoken.first.filter(|rule| rule.decision != Decision::Allow) {
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
        for entry in rules.sensitive().about(path).filter(|entry| entry.hits(path)) {
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

    pub(super) fn default(&mut self, subject: &str, unit: Option<usize>) {
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
    pub(super) fn say(
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
            url: None,
        });
    }

    fn ground(&self) -> Ground<'a> {
        Ground { workspace: &self.facts.workspace, home: self.facts.home.as_ref() }
    }

    fn close(self) -> Judgement {
        // Its patterns, and the rise that it demands, are its words as much as its rules.
        let sealed_one = |c: &&Considered| {
            !matches!(c.basis, Basis::Mode | Basis::Opaque)
                && c.origin.as_ref().is_some_and(|o| o.tier == Tier::Enterprise)
        };
        let worst = |list: &mut dyn Iterator<Item = Decision>| {
            list.fold(Decision::Allow, Decision::strictest)
        };
        let said = || self.trace.iter().filter(|c| counts(c));
        let sealed = worst(&mut said().filter(sealed_one).map(|c| c.decision));
        let lower = worst(&mut said().filter(|c| !sealed_one(c)).map(|c| c.decision));
        let dangerous = |c: &&Considered| {
            matches!(c.basis, Basis::Danger | Basis::SensitivePath | Basis::ReadOnlyPath)
        };
        let danger_decision = worst(&mut said().filter(dangerous).map(|c| c.decision));
        let decision = sealed.strictest(lower);
        // Of equally strict opinions the one of the highest tier is named, rules first.
        let equal = self.trace.iter().rev().filter(|c| counts(c) && c.decision == decision);
        let deciding = equal.max_by_key(|c| {
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
                decision: worst(&mut said().filter(|c| c.unit == Some(at)).map(|c| c.decision)),
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
            url: deciding.and_then(|c| c.url.clone()),
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

/// Whether an entry of the trace is more than a report.
pub(super) fn counts(considered: &Considered) -> bool {
    considered.basis != Basis::Report
}

/// The file tools whose rules judge the path of a command.
fn file_tools(access: Access) -> Vec<ToolName> {
    let names: &[&str] = if access == Access::Read { &["Read"] } else { &["Write", "Edit"] };
    names.iter().map(|name| ToolName::resolve(name)).collect()
}

/// An allow rule lifts a pattern that it names, unless the pattern's tier is higher.
pub(super) fn lifted(id: &str, tier: Tier, lifts: &[&Rule]) -> bool {
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
