//! The `permissions` block: what a file says, kept per tier and never merged into one list.
//!
//! The strictest tier wins at evaluation time, so the layers stay apart here: putting sealed
//! rules in front of one first-match list would let a sealed allow hide a lower deny.

use super::{Key, Sealing, Shape, Stranger};
use crate::config::origin::Located;
use crate::model::{Decision, Tier};

pub use super::rule::{Example, ExampleCall, FlagsSpec, RuleSpec, WhenSpec};

/// Decisions, most permissive first.
pub const MODES: &[&str] = &["allow", "ask", "deny"];

const fn layered(path: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { path, shape, sealing: Sealing::Layered, stranger: Stranger::Tighten, about }
}

const fn seal(path: &'static str, sealing: Sealing, about: &'static str) -> Key {
    Key { path, shape: Shape::Flag, sealing, stranger: Stranger::Tighten, about }
}

/// What untrusted content does, most permissive first.
pub const UNTRUSTED: &[&str] = &["off", "rise"];

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
        "permissions.tierRules.*",
        Shape::Word(MODES),
        "the decision for calls that a `permission_classify` hook gave this label",
    ),
    layered(
        "permissions.tests",
        Shape::Cases,
        "calls and their expected decisions: `ion policy test`",
    ),
    Key {
        path: "permissions.untrustedContent",
        shape: Shape::Word(UNTRUSTED),
        sealing: Sealing::Floor(UNTRUSTED),
        stranger: Stranger::Tighten,
        about: "`rise`: once a session has read untrusted content, what could carry data out is one step stricter",
    },
    seal(
        "permissions.allowManagedRulesOnly",
        super::TRUE_IS_STRICT,
        "allow rules of lower tiers do nothing (sealed tier only)",
    ),
    seal(
        "permissions.exclusiveAllow",
        super::TRUE_IS_STRICT,
        "a call also needs an allow rule of this file (sealed tier only)",
    ),
    seal(
        "permissions.disableBypassModes",
        super::TRUE_IS_STRICT,
        "mode `allow` and profile `permissive` cannot be chosen (sealed tier only)",
    ),
    seal(
        "permissions.allowHooks",
        super::FALSE_IS_STRICT,
        "`false`: no hook answers `allow` (sealed tier only)",
    ),
    seal(
        "permissions.allowClassifier",
        super::FALSE_IS_STRICT,
        "`false`: the classifier never answers `allow` (sealed tier only)",
    ),
];

/// Switches that are lawful in the sealed tier alone.
pub const SEALED_ONLY: &[&str] = &[
    "permissions.allowManagedRulesOnly",
    "permissions.exclusiveAllow",
    "permissions.disableBypassModes",
    "permissions.allowHooks",
    "permissions.allowClassifier",
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
    /// `tierRules`: the label of a call and what the block says about it.
    pub tier_rules: Vec<Located<(String, Decision)>>,
    /// `untrustedContent`: whether sinks rise one step (`true`) or not.
    pub untrusted_rise: Option<Located<bool>>,
    /// A call also needs an allow of this block. Lawful in the sealed tier and for a child.
    pub exclusive_allow: Option<Located<bool>>,
    /// Allow rules of lower tiers do nothing. Lawful in the sealed tier.
    pub managed_rules_only: Option<Located<bool>>,
    /// Whether a hook may answer `allow`; the sealed tier's word.
    pub allow_hooks: Option<Located<bool>>,
    /// Whether the classifier may answer `allow`; the sealed tier's word.
    pub allow_classifier: Option<Located<bool>>,
}

impl PermissionLayer {
    /// A block that says nothing.
    pub fn of(tier: Tier) -> Self {
        PermissionLayer {
            tier,
            tighten_only: false,
            mode: None,
            rules: Vec::new(),
            dangerous_patterns: Vec::new(),
            read_only_paths: Vec::new(),
            tier_rules: Vec::new(),
            untrusted_rise: None,
            exclusive_allow: None,
            managed_rules_only: None,
            allow_hooks: None,
            allow_classifier: None,
        }
    }
}

/// One dangerous pattern: a bare expression in a user's file, a full entry in `policies/`.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
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
