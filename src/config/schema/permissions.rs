//! The `permissions` block: what a file says, kept per tier and never merged into one list.
//!
//! The strictest tier wins at evaluation time, so the layers stay apart here: putting sealed
//! rules in front of one first-match list would let a sealed allow hide a lower deny.

use super::{Key, Sealing, Shape, Stranger};
use crate::config::origin::Located;
use crate::model::{Decision, Tier};

/// Decisions, most permissive first.
pub const MODES: &[&str] = &["allow", "ask", "deny"];

const fn layered(path: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { path, shape, sealing: Sealing::Layered, stranger: Stranger::Tighten, about }
}

/// The keys of the section.
pub const KEYS: &[Key] = &[
    Key {
        path: "permissions.mode",
        shape: Shape::Word(MODES),
        sealing: Sealing::Floor(MODES),
        stranger: Stranger::Tighten,
        about: "the decision when nothing else decides: allow, ask or deny",
    },
    layered("permissions.rules", Shape::Rules, "ordered rules; inside one file the first wins"),
    layered("permissions.deny", Shape::Texts, "compact deny rules, before all others"),
    layered("permissions.ask", Shape::Texts, "compact ask rules, before `rules`"),
    layered("permissions.allow", Shape::Texts, "compact allow rules, after `rules`"),
    layered("permissions.dangerousPatterns", Shape::Dangers, "regular expressions over a command"),
    layered("permissions.readOnlyPaths", Shape::Texts, "globs that no tool may write"),
    layered(
        "permissions.tests",
        Shape::Cases,
        "calls and their expected decisions: `ion policy test`",
    ),
    Key {
        path: "permissions.tierRules",
        shape: Shape::Unused,
        sealing: Sealing::Pass,
        stranger: Stranger::Ignore,
        about: "accepted, not used",
    },
];

/// The keys of one rule.
pub const RULE: &[&str] = &[
    "id",
    "tool",
    "decision",
    "commandPatterns",
    "pathPatterns",
    "reason",
    "hint",
    "overrides",
    "matches",
    "rejects",
];

/// The keys of one dangerous pattern; `description` is an older spelling of `reason`.
pub const DANGER: &[&str] =
    &["id", "pattern", "category", "severity", "reason", "description", "matches", "rejects"];

/// One tier's `permissions` block, as written.
#[derive(Debug, Clone)]
pub struct PermissionLayer {
    /// The tier that the block belongs to.
    pub tier: Tier,
    /// A project layer of a folder that is not trusted: its allows do nothing.
    pub tighten_only: bool,
    /// The decision when nothing else decides, if the block names one.
    pub mode: Option<Located<Decision>>,
    /// Ordered rules; inside this list the first match wins.
    pub rules: Vec<Located<RuleSpec>>,
    /// Further dangerous patterns: regular expressions over a command.
    pub dangerous_patterns: Vec<Located<DangerSpec>>,
    /// Globs of paths that no tool may write.
    pub read_only_paths: Vec<Located<String>>,
}

/// One entry of `permissions.rules`.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSpec {
    /// Stable id (`area.name`); derived from tier and index when the file names none.
    pub id: Option<String>,
    /// A tool name, `*`, or a Claude-style compact rule such as `Bash(git push:*)`.
    pub tool: String,
    /// What the rule says.
    pub decision: Decision,
    /// At least one must match a command of the call, where the list is present.
    pub command_patterns: Option<Vec<String>>,
    /// At least one must match a path of the call, where the list is present.
    pub path_patterns: Option<Vec<String>>,
    /// Why the rule exists, shown to whoever it stops.
    pub reason: Option<String>,
    /// What to do instead, shown to whoever it stops.
    pub hint: Option<String>,
    /// Ids of dangerous patterns that this allow rule lifts, in its own tier or below.
    pub overrides: Vec<String>,
    /// Commands or paths that must match, checked at load.
    pub matches: Vec<String>,
    /// Commands or paths that must not match, checked at load.
    pub rejects: Vec<String>,
}

/// One dangerous pattern: a bare expression in a user's file, a full entry in `policies/`.
#[derive(Debug, Clone, PartialEq)]
pub struct DangerSpec {
    /// Stable id; derived when the file names none.
    pub id: Option<String>,
    /// Regular expression over one simple command (words joined by a blank).
    pub pattern: String,
    /// Free-form category, for example `destroy` or `exfil`.
    pub category: Option<String>,
    /// How much it matters. Bare expressions in a `permissions` block deny.
    pub severity: Severity,
    /// Why it is dangerous.
    pub reason: Option<String>,
    /// Commands that must match, checked at load.
    pub matches: Vec<String>,
    /// Commands that must not match, checked at load.
    pub rejects: Vec<String>,
}

/// How dangerous a pattern is, and so what a hit does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Recorded, nothing else.
    Notice,
    /// Asks.
    High,
    /// Denies.
    Critical,
}

/// The mode that a list of layers (weakest first) comes to: the last one that names a mode,
/// then at least as strict as every stranger's and every sealed layer's.
pub fn mode_in_force(layers: &[PermissionLayer]) -> Option<Located<Decision>> {
    let binding = |layer: &&PermissionLayer| layer.tighten_only || layer.tier == Tier::Enterprise;
    let free = layers.iter().filter(|layer| !binding(layer));
    let mut mode = free.filter_map(|layer| layer.mode.clone()).next_back();
    for floor in layers.iter().filter(binding).filter_map(|layer| layer.mode.clone()) {
        if mode.as_ref().is_none_or(|held| held.value < floor.value) {
            mode = Some(floor);
        }
    }
    mode
}
