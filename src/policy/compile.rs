//! Permission blocks, one per tier, into an immutable [`RuleSet`].
//!
//! FAIL CLOSED: an unreadable rule must not become a hole, so one bad pattern refuses the
//! whole set, and every problem is reported at once.

use super::combined::{binding, digest, duplicates, hashed, mode, untrusted_rise};
use super::danger::{self, Danger};
use super::examples::{both, danger_hits, example_matches, example_message};
use super::facts::{Access, PathUse};
use super::index::{self, Candidates, Index};
use super::match_args::{CommandPattern, Dialect};
use super::match_around::{Around, Surroundings};
use super::match_flags::Flags;
use super::match_host::HostPattern;
use super::match_path::{Anchors, PathPattern};
use super::match_words::Token;
use super::parse::{Specifier, nearest_name, tool_field};
use super::rule::{Rule, Subject};
use super::sensitive::{self, SensitiveList};
use super::shell::Reach;
use crate::config::origin::Located;
use crate::config::schema::permissions::{DangerSpec, PermissionLayer, RuleSpec};
use crate::model::{AbsPath, Decision, Source, Tier, ToolName};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// One thing that is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// File and line.
    pub source: Source,
    /// What is wrong, and with which rule.
    pub message: String,
}

/// Why a set of rules was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CompileError {
    /// Every problem.
    pub problems: Vec<RuleProblem>,
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the permission rules cannot be used, so none is", self.problems.len())?;
        for problem in &self.problems {
            write!(f, "\n  {}: {}", problem.source, problem.message)?;
        }
        Ok(())
    }
}

/// One tier's compiled block.
#[derive(Debug)]
pub struct Layer {
    /// The tier.
    pub tier: Tier,
    /// Its allows do nothing.
    pub tighten_only: bool,
    /// Rules in order; the first match wins inside this list.
    pub rules: Vec<Rule>,
    /// Patterns of this tier.
    pub dangers: Vec<Danger>,
    /// Paths that no tool may write.
    pub read_only: Vec<(PathPattern, Source)>,
    /// `tierRules`: label, decision, place.
    pub tier_rules: Vec<Located<(String, Decision)>>,
    /// A call also needs an allow of this block; the place that says so.
    pub exclusive: Option<Source>,
    /// One past the last allow rule that lifts something.
    pub(super) lifts_before: usize,
    asked: AtomicUsize,
    /// Made when enough is asked: a start that judges one call does without.
    index: OnceLock<Index>,
}

impl Layer {
    /// The rules that could cover a part of a call, in order, each with its place in the list.
    pub(super) fn about(
        &self,
        tool: &ToolName,
        subject: Subject<'_>,
        around: &Around<'_>,
    ) -> Candidates<'_> {
        Candidates::of(&self.rules, self.index().map(|index| index.about(tool, subject, around)))
    }

    /// The rules that could reach what is not known in full, or cover it where it has a name.
    pub(super) fn within_reach(
        &self,
        tool: &ToolName,
        reach: &Reach,
        named: Option<&PathUse>,
        around: &Around<'_>,
    ) -> Candidates<'_> {
        let chosen = self.index().map(|index| index.within_reach(tool, reach, named, around));
        Candidates::of(&self.rules, chosen)
    }

    fn index(&self) -> Option<&Index> {
        let length = self.rules.len();
        let early = self.asked.fetch_add(1, Ordering::Relaxed) < index::SELDOM;
        if length < index::SHORT || early && length < index::LONG {
            return None;
        }
        Some(self.index.get_or_init(|| Index::new(&self.rules)))
    }
}

/// Whether hooks and the classifier may turn a question into an allow. A seal only ever takes
/// this away; whether the classifier may at all is configured elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MayLift {
    /// A hook may.
    pub hook: bool,
    /// The classifier may.
    pub classifier: bool,
}

/// Every rule in force. Immutable.
#[derive(Debug)]
pub struct RuleSet {
    pub(super) layers: Vec<Arc<Layer>>,
    pub(super) mode: Located<Decision>,
    /// Allow rules below the sealed tier do nothing.
    pub(super) managed_only: bool,
    /// Whether sinks rise after untrusted content, and who said so.
    pub(super) untrusted_rise: Located<bool>,
    pub(super) anchors: Anchors,
    may_lift: MayLift,
    sensitive: OnceLock<SensitiveList>,
    notes: Vec<RuleProblem>,
    digest: String,
}

/// Compiles the blocks of every tier, weakest first.
///
/// # Errors
/// [`CompileError`] with every problem; no rule of any tier is usable then.
pub fn compile(layers: &[PermissionLayer], anchors: Anchors) -> Result<RuleSet, CompileError> {
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    let mut compiled: Vec<Arc<Layer>> = Vec::new();
    for (at, layer) in layers.iter().enumerate() {
        let before = layers.iter().take(at).filter(|other| other.tier == layer.tier).count();
        let mut work = Work {
            layer,
            anchors: &anchors,
            problems: &mut problems,
            notes: &mut notes,
            nth: before + 1,
        };
        compiled.push(Arc::new(work.layer()));
    }
    duplicates(&compiled, &mut problems);
    if !problems.is_empty() {
        return Err(CompileError { problems });
    }
    let digest = digest(layers);
    Ok(RuleSet {
        layers: compiled,
        mode: mode(layers),
        managed_only: binding(layers, |layer| layer.managed_rules_only.as_ref(), true),
        untrusted_rise: untrusted_rise(layers),
        may_lift: MayLift {
            hook: !binding(layers, |layer| layer.allow_hooks.as_ref(), false),
            classifier: !binding(layers, |layer| layer.allow_classifier.as_ref(), false),
        },
        anchors,
        sensitive: OnceLock::new(),
        notes,
        digest,
    })
}

impl RuleSet {
    /// SHA-256 (hex) over the canonical content of every rule, shipped ones included.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The decision when nothing else decides, and who said so.
    pub fn mode(&self) -> &Located<Decision> {
        &self.mode
    }

    /// The compiled blocks, weakest tier first.
    pub fn layers(&self) -> &[Arc<Layer>] {
        &self.layers
    }

    /// Whether hooks and the classifier may answer a question with allow.
    pub fn may_lift(&self) -> MayLift {
        self.may_lift
    }

    /// Rules whose date has passed at `unix_seconds`, for linting: those of the sealed tier that
    /// restrict go on, all others do nothing.
    pub fn expired(&self, unix_seconds: i64) -> Vec<RuleProblem> {
        let past = |rule: &&Rule| rule.expires().is_some_and(|end| unix_seconds >= end);
        let tell = |rule: &Rule| {
            let goes_on = rule.tier == Tier::Enterprise && rule.decision != Decision::Allow;
            let effect = if goes_on { "goes on, because it is sealed" } else { "does nothing" };
            let message = format!("rule `{}` has expired and {effect}", rule.id);
            RuleProblem { source: rule.source.clone(), message }
        };
        self.layers.iter().flat_map(|layer| layer.rules.iter()).filter(past).map(tell).collect()
    }

    /// The rules of a child: everything that binds the parent, and `child` on top, which can
    /// only tighten. An exclusive block also makes every call need one of the child's allows.
    ///
    /// # Errors
    /// [`CompileError`] with every problem of the child's block; then no child may start.
    pub fn narrowed(&self, child: &PermissionLayer) -> Result<RuleSet, CompileError> {
        let child = PermissionLayer { tighten_only: true, ..child.clone() };
        let (mut problems, mut notes) = (Vec::new(), self.notes.clone());
        let mut work = Work {
            layer: &child,
            anchors: &self.anchors,
            problems: &mut problems,
            notes: &mut notes,
            nth: self.layers.iter().filter(|layer| layer.tier == child.tier).count() + 1,
        };
        let own = Arc::new(work.layer());
        duplicates(std::slice::from_ref(&own), &mut problems);
        if !problems.is_empty() {
            return Err(CompileError { problems });
        }
        let one = std::slice::from_ref(&child);
        let stricter = child.mode.clone().filter(|mode| mode.value > self.mode.value);
        let rise = child.untrusted_rise.clone().filter(|rise| rise.value);
        Ok(RuleSet {
            layers: self.layers.iter().cloned().chain([own]).collect(),
            mode: stricter.unwrap_or_else(|| self.mode.clone()),
            managed_only: self.managed_only,
            untrusted_rise: rise
                .filter(|_| !self.untrusted_rise.value)
                .unwrap_or_else(|| self.untrusted_rise.clone()),
            may_lift: MayLift {
                hook: self.may_lift.hook
                    && !binding(one, |layer| layer.allow_hooks.as_ref(), false),
                classifier: self.may_lift.classifier
                    && !binding(one, |layer| layer.allow_classifier.as_ref(), false),
            },
            anchors: self.anchors.clone(),
            sensitive: OnceLock::new(),
            notes,
            digest: hashed(&[&self.digest, &digest(one)]),
        })
    }

    /// Remarks that do not stop the start: which reading an ambiguous pattern was given.
    pub fn notes(&self) -> &[RuleProblem] {
        &self.notes
    }

    /// Whether the allow rules of a layer do nothing.
    pub(super) fn mutes(&self, layer: &Layer) -> bool {
        layer.tighten_only || self.managed_only && layer.tier != Tier::Enterprise
    }

    pub(super) fn sensitive(&self) -> &SensitiveList {
        self.sensitive.get_or_init(|| SensitiveList::new(sensitive::builtin(&self.anchors)))
    }
}

struct Work<'a> {
    layer: &'a PermissionLayer,
    anchors: &'a Anchors,
    problems: &'a mut Vec<RuleProblem>,
    notes: &'a mut Vec<RuleProblem>,
    /// Which file of its tier this is, from 1.
    nth: usize,
}

impl Work<'_> {
    fn problem(&mut self, source: &Source, message: String) {
        self.problems.push(RuleProblem { source: source.clone(), message });
    }

    fn layer(&mut self) -> Layer {
        let layer = self.layer;
        let rules: Vec<Rule> =
            layer.rules.iter().enumerate().filter_map(|(at, rule)| self.rule(at, rule)).collect();
        let dangers = layer
            .dangerous_patterns
            .iter()
            .enumerate()
            .filter_map(|(at, danger)| self.danger(at, danger))
            .collect();
        let mut read_only = Vec::new();
        for path in &layer.read_only_paths {
            match PathPattern::new(&path.value, self.anchors, true) {
                Ok(pattern) => read_only.push((pattern, path.source.clone())),
                Err(e) => {
                    self.problem(&path.source, format!("`readOnlyPaths` `{}`: {e}", path.value))
                }
            }
        }
        let lifts = |rule: &Rule| rule.decision == Decision::Allow && !rule.overrides.is_empty();
        let exclusive = layer.exclusive_allow.as_ref().filter(|exclusive| exclusive.value);
        Layer {
            tier: layer.tier,
            tighten_only: layer.tighten_only,
            lifts_before: rules.iter().rposition(lifts).map_or(0, |at| at + 1),
            rules,
            asked: AtomicUsize::new(0),
            index: OnceLock::new(),
            dangers,
            read_only,
            tier_rules: layer.tier_rules.clone(),
            // Below the sealed tier only a block that tightens may ask for this.
            exclusive: exclusive
                .filter(|_| layer.tighten_only || layer.tier == Tier::Enterprise)
                .map(|exclusive| exclusive.source.clone()),
        }
    }

    /// `user.rule-0`; a second file of the tier says so.
    fn derived(&self, kind: &str, at: usize) -> String {
        match self.nth {
            1 => format!("{}.{kind}-{at}", self.layer.tier),
            nth => format!("{}.{nth}.{kind}-{at}", self.layer.tier),
        }
    }

    fn rule(&mut self, at: usize, located: &Located<RuleSpec>) -> Option<Rule> {
        let (spec, source) = (&located.value, &located.source);
        let id = spec.id.clone().unwrap_or_else(|| self.derived("rule", at));
        let (tool, inside) = match tool_field(&spec.tool) {
            Ok(parsed) => parsed,
            Err(e) => {
                self.problem(source, format!("rule `{id}`: tool `{}`: {e}", spec.tool));
                return None;
            }
        };
        if let Some(nearest) = nearest_name(&tool) {
            let message = format!(
                "rule `{id}`: no tool is called `{}`, so the rule is about nothing; is `{nearest}` meant?",
                spec.tool
            );
            self.notes.push(RuleProblem { source: source.clone(), message });
        }
        let before = self.problems.len();
        let allow = spec.decision == Decision::Allow;
        let mut commands = spec.command_patterns.as_ref().map(|list| {
            list.iter().map(|p| self.command(&id, p, allow, source)).collect::<Vec<_>>()
        });
        let mut paths = spec.path_patterns.as_ref().map(|list| {
            list.iter().filter_map(|p| self.path(&id, p, allow, source)).collect::<Vec<_>>()
        });
        let mut globs = |list: &Option<Vec<String>>| -> Option<Vec<PathPattern>> {
            let list = list.as_ref()?;
            Some(list.iter().filter_map(|p| self.path(&id, p, allow, source)).collect())
        };
        let (read, write) = (globs(&spec.read), globs(&spec.write));
        let argv = self.all(&id, "argv", spec.argv.as_deref(), source, Token::new);
        let host = |text: &str| HostPattern::new(text, allow);
        let mut hosts = self.all(&id, "hosts", spec.hosts.as_deref(), source, host);
        match inside {
            Some(Specifier::CommandPrefix(prefix)) => {
                commands.get_or_insert_default().push(CommandPattern::prefix(&prefix))
            }
            Some(Specifier::Command(text)) => {
                let pattern = self.command(&id, &text, allow, source);
                commands.get_or_insert_default().push(pattern);
            }
            Some(Specifier::Path(text)) => {
                if let Some(pattern) = self.path(&id, &text, allow, source) {
                    paths.get_or_insert_default().push(pattern);
                }
            }
            Some(Specifier::Domain(host)) => {
                hosts.get_or_insert_default().push(HostPattern::domain(&host));
            }
            None => {}
        }
        let around = Surroundings::new(spec, self.anchors, allow).unwrap_or_else(|e| {
            self.problem(source, format!("rule `{id}`: {e}"));
            None
        });
        if spec.report && self.layer.tier == Tier::Enterprise {
            self.problem(source, format!("rule `{id}`: the sealed tier is always enforced"));
        }
        let rule = Rule {
            id,
            tool,
            decision: spec.decision,
            reason: spec.reason.clone(),
            hint: spec.hint.clone(),
            url: spec.url.clone(),
            overrides: spec.overrides.clone(),
            tier: self.layer.tier,
            source: source.clone(),
            report: spec.report,
            commands,
            paths,
            programs: spec.programs.clone(),
            argv,
            flags: spec.flags.as_ref().map(Flags::new),
            env: spec.env.clone(),
            read,
            write,
            hosts,
            around,
        };
        if self.problems.len() > before {
            return None;
        }
        self.examples(&rule, spec, source);
        Some(rule)
    }

    /// Compiles every entry of a list and reports those that cannot be.
    fn all<T>(
        &mut self,
        id: &str,
        key: &str,
        list: Option<&[String]>,
        source: &Source,
        compile: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let mut compiled = Vec::new();
        for text in list? {
            match compile(text) {
                Ok(one) => compiled.push(one),
                Err(e) => self.problem(source, format!("rule `{id}`: `{key}` `{text}`: {e}")),
            }
        }
        Some(compiled)
    }

    fn command(&mut self, id: &str, written: &str, allow: bool, source: &Source) -> CommandPattern {
        let pattern = if allow {
            CommandPattern::permitting(written)
        } else {
            CommandPattern::restricting(written)
        };
        // Shipped patterns are compiled by tests; at start that time is saved.
        if self.layer.tier != Tier::Builtin
            && let Err(e) = pattern.check()
        {
            let last = e.lines().last().unwrap_or_default().trim().to_owned();
            self.problem(
                source,
                format!("rule `{id}`: command pattern `{written}` is no usable expression: {last}"),
            );
        }
        if pattern.dialect == Dialect::AnchoredHere {
            let message = format!(
                "rule `{id}`: `{written}` is read as a regular expression over the whole command; write `^…$` to say so"
            );
            self.notes.push(RuleProblem { source: source.clone(), message });
        }
        pattern
    }

    fn path(
        &mut self,
        id: &str,
        written: &str,
        allow: bool,
        source: &Source,
    ) -> Option<PathPattern> {
        match PathPattern::new(written, self.anchors, !allow) {
            Ok(pattern) => Some(pattern),
            Err(e) => {
                self.problem(source, format!("rule `{id}`: path pattern `{written}`: {e}"));
                None
            }
        }
    }

    fn danger(&mut self, at: usize, located: &Located<DangerSpec>) -> Option<Danger> {
        let (spec, source) = (&located.value, &located.source);
        let id = spec.id.clone().unwrap_or_else(|| self.derived("danger", at));
        let category = spec.category.clone().unwrap_or_else(|| "custom".to_owned());
        let reason = spec.reason.clone().unwrap_or_else(|| {
            format!("the command matches the dangerous pattern `{}`", spec.pattern)
        });
        match Danger::expression(
            &spec.pattern,
            id.clone(),
            category,
            spec.severity,
            reason,
            source.clone(),
        ) {
            Ok(danger) => {
                for (text, wanted) in both(&spec.matches, &spec.rejects) {
                    if danger_hits(&danger, text, self.anchors) != wanted {
                        self.problem(source, example_message(&id, text, wanted));
                    }
                }
                Some(danger)
            }
            Err(e) => {
                let last = e.lines().last().unwrap_or_default().trim().to_owned();
                self.problem(
                    source,
                    format!("dangerous pattern `{id}` is no usable expression: {last}"),
                );
                None
            }
        }
    }

    fn examples(&mut self, rule: &Rule, spec: &RuleSpec, source: &Source) {
        // Shipped examples are checked by tests.
        if self.layer.tier == Tier::Builtin {
            return;
        }
        let yes = spec.matches.iter().map(|example| (example, true));
        let no = spec.rejects.iter().map(|example| (example, false));
        for (example, wanted) in yes.chain(no) {
            if example_matches(rule, example, self.anchors) != wanted {
                self.problem(source, example_message(&rule.id, &example.to_string(), wanted));
            }
        }
    }
}

/// Checks everything that is compiled into the binary; for tests and `ion policy lint`.
///
/// # Errors
/// Every shipped pattern whose examples do not hold.
pub fn check_shipped() -> Result<usize, Vec<String>> {
    let home = AbsPath::new("/home/dev").ok_or_else(Vec::new)?;
    let workspace = home.join("app").ok_or_else(Vec::new)?;
    let anchors = Anchors { workspace, home: Some(home) };
    let mut wrong = Vec::new();
    for danger in danger::builtin() {
        for (text, wanted) in both(&danger.matches, &danger.rejects) {
            if danger_hits(danger, text, &anchors) != wanted {
                wrong.push(example_message(&danger.id, text, wanted));
            }
        }
    }
    let paths = sensitive::builtin(&anchors);
    for entry in &paths {
        for (text, wanted) in both(&entry.matches, &entry.rejects) {
            let path =
                sensitive::expand(text, &anchors).map(|p| PathUse::lexical(p, Access::Write));
            if path.is_some_and(|p| entry.hits(&p)) != wanted {
                wrong.push(example_message(&entry.id, text, wanted));
            }
        }
    }
    if wrong.is_empty() { Ok(danger::builtin().len()) } else { Err(wrong) }
}
