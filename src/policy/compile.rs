//! Permission blocks, one per tier, into an immutable [`RuleSet`].
//!
//! FAIL CLOSED: an unreadable rule must not become a hole, so one bad pattern refuses the
//! whole set, and every problem is reported at once.

use super::danger::{self, Danger, Ground};
use super::facts::{Access, PathUse};
use super::match_args::{CommandPattern, Dialect};
use super::match_path::{Anchors, PathPattern};
use super::parse::{Specifier, nearest_name, tool_field};
use super::rule::{Rule, Subject};
use super::sensitive::{self, Sensitive};
use super::shell::{self, ShellPlace};
use crate::config::origin::Located;
use crate::config::schema::permissions::{DangerSpec, Example, PermissionLayer, RuleSpec};
use crate::model::{AbsPath, Decision, Source, Tier};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::OnceLock;

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
}

/// Every rule in force. Immutable.
#[derive(Debug)]
pub struct RuleSet {
    pub(super) layers: Vec<Layer>,
    pub(super) mode: Located<Decision>,
    pub(super) anchors: Anchors,
    pub(super) sensitive: OnceLock<Vec<Sensitive>>,
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
    let mut compiled = Vec::new();
    for layer in layers {
        let mut work =
            Work { layer, anchors: &anchors, problems: &mut problems, notes: &mut notes };
        compiled.push(work.layer());
    }
    if !problems.is_empty() {
        return Err(CompileError { problems });
    }
    let digest = digest(layers);
    Ok(RuleSet {
        layers: compiled,
        mode: mode(layers),
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
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Remarks that do not stop the start: which reading an ambiguous pattern was given.
    pub fn notes(&self) -> &[RuleProblem] {
        &self.notes
    }

    pub(super) fn sensitive(&self) -> &[Sensitive] {
        self.sensitive.get_or_init(|| sensitive::builtin(&self.anchors))
    }
}

/// The strictest of sealed and tighten-only modes and the last explicit one below.
fn mode(layers: &[PermissionLayer]) -> Located<Decision> {
    let explicit = |layer: &&PermissionLayer| !layer.tighten_only && layer.tier != Tier::Enterprise;
    let mut ordered: Vec<&PermissionLayer> = layers.iter().filter(explicit).collect();
    ordered.sort_by_key(|layer| layer.tier);
    let last = ordered.iter().rev().find_map(|layer| layer.mode.clone());
    // FAIL CLOSED: no profile and no file named a mode.
    let mut mode = last.unwrap_or_else(|| {
        Located::new(Decision::Deny, Source::new(Tier::Builtin, "no mode configured"))
    });
    for layer in layers.iter().filter(|layer| layer.tighten_only || layer.tier == Tier::Enterprise)
    {
        if let Some(floor) = layer.mode.clone().filter(|floor| floor.value > mode.value) {
            mode = floor;
        }
    }
    mode
}

fn digest(layers: &[PermissionLayer]) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    add(include_str!("../../policies/dangerous.toml"));
    add(include_str!("../../policies/sensitive-paths.toml"));
    for layer in layers {
        // Places are left out: the same rules at other lines are the same policy.
        add(&format!(
            "{:?} {} {:?}",
            layer.tier,
            layer.tighten_only,
            layer.mode.as_ref().map(|m| m.value)
        ));
        for rule in &layer.rules {
            add(&format!("{:?}", rule.value));
        }
        for danger in &layer.dangerous_patterns {
            add(&format!("{:?}", danger.value));
        }
        for path in &layer.read_only_paths {
            add(&path.value);
        }
        add("end of layer");
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Work<'a> {
    layer: &'a PermissionLayer,
    anchors: &'a Anchors,
    problems: &'a mut Vec<RuleProblem>,
    notes: &'a mut Vec<RuleProblem>,
}

impl Work<'_> {
    fn problem(&mut self, source: &Source, message: String) {
        self.problems.push(RuleProblem { source: source.clone(), message });
    }

    fn layer(&mut self) -> Layer {
        let layer = self.layer;
        let rules =
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
        Layer { tier: layer.tier, tighten_only: layer.tighten_only, rules, dangers, read_only }
    }

    fn rule(&mut self, at: usize, located: &Located<RuleSpec>) -> Option<Rule> {
        let (spec, source) = (&located.value, &located.source);
        let id = spec.id.clone().unwrap_or_else(|| format!("{}.rule-{at}", self.layer.tier));
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
        let mut hosts = None;
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
            Some(Specifier::Domain(host)) => hosts = Some(vec![host]),
            None => {}
        }
        let rule = Rule {
            id,
            tool,
            decision: spec.decision,
            reason: spec.reason.clone(),
            hint: spec.hint.clone(),
            overrides: spec.overrides.clone(),
            tier: self.layer.tier,
            source: source.clone(),
            commands,
            paths,
            hosts,
        };
        if self.problems.len() > before {
            return None;
        }
        self.examples(&rule, spec, source);
        Some(rule)
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
        let id = spec.id.clone().unwrap_or_else(|| format!("{}.danger-{at}", self.layer.tier));
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
        let texts = |list: &[Example]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (matches, rejects) = (texts(&spec.matches), texts(&spec.rejects));
        for (text, wanted) in both(&matches, &rejects) {
            // Shipped examples are checked by tests.
            if self.layer.tier != Tier::Builtin && rule_matches(rule, text, self.anchors) != wanted
            {
                self.problem(source, example_message(&rule.id, text, wanted));
            }
        }
    }
}

fn both<'a>(matches: &'a [String], rejects: &'a [String]) -> impl Iterator<Item = (&'a str, bool)> {
    let yes = matches.iter().map(|text| (text.as_str(), true));
    yes.chain(rejects.iter().map(|text| (text.as_str(), false)))
}

fn example_message(id: &str, text: &str, wanted: bool) -> String {
    if wanted {
        format!("`{id}` does not match its own example `{text}`")
    } else {
        format!("`{id}` matches `{text}`, which it lists under `rejects`")
    }
}

/// Whether a rule is about an example: a command, or else a path.
pub(super) fn rule_matches(rule: &Rule, text: &str, anchors: &Anchors) -> bool {
    let tool = match &rule.tool {
        super::parse::ToolMatch::Name(name) => name.clone(),
        _ => crate::model::ToolName::resolve("Bash"),
    };
    let for_path = rule.commands.is_none() && (rule.paths.is_some() || tool.as_str() != "Bash");
    if for_path {
        let path =
            sensitive::expand(text, anchors).map(|path| PathUse::lexical(path, Access::Write));
        return path.is_some_and(|path| rule.covers(&tool, Subject::Path(&path)));
    }
    let script = parsed(text, anchors);
    let mut units = script
        .units
        .iter()
        .filter(|unit| !unit.transparent || rule.decision != Decision::Allow)
        .peekable();
    if rule.decision == Decision::Allow {
        script.opaque.is_none()
            && units.peek().is_some()
            && units.all(|unit| rule.covers(&tool, Subject::Unit(unit)))
    } else {
        units.any(|unit| rule.covers(&tool, Subject::Unit(unit)))
    }
}

/// Whether a pattern hits an example command.
pub(super) fn danger_hits(danger: &Danger, text: &str, anchors: &Anchors) -> bool {
    let script = parsed(text, anchors);
    let ground = Ground { workspace: &anchors.workspace, home: anchors.home.as_ref() };
    danger.hits_line(&script) || script.units.iter().any(|unit| danger.hits(unit, &ground))
}

fn parsed(text: &str, anchors: &Anchors) -> shell::Script {
    shell::parse(text, &ShellPlace { cwd: &anchors.workspace, home: anchors.home.as_ref() })
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
