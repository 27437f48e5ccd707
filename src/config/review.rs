//! One policy file by itself, for whoever reviews it: its rules, its test cases, and every
//! mistake with file, line and column. Decides nothing and changes nothing.
//!
//! A file read here is a proposal: what is in force comes from [`super::load`] alone.

use super::check::{FileText, Findings, check};
use super::effective::{AllowList, ToolRestrictions};
use super::origin::Located;
use super::problem::{ConfigErrors, Problem, Warning};
use super::reading::{Links, read};
use super::rules::permission_layer;
use super::schema::SECTIONS;
use super::schema::case::CaseSpec;
use super::schema::permissions::{PermissionLayer, RuleSpec};
use super::value::{Layer, Value};
use crate::model::{Source, Tier};
use std::path::Path;

/// What one file says about policy.
#[derive(Debug)]
pub struct PolicyFile {
    /// The file as it was named.
    pub shown: String,
    /// The tier that it is taken for.
    pub tier: Tier,
    /// Its `permissions` block, where it has one.
    pub block: Option<PermissionLayer>,
    /// Its test cases.
    pub cases: Vec<Located<CaseSpec>>,
    /// Its `toolRestrictions`.
    pub restrictions: ToolRestrictions,
    /// What a person should know about it.
    pub warnings: Vec<Warning>,
    /// Keys that are accepted and do nothing.
    pub accepted_unused: Vec<Located<String>>,
}

/// Reads `path` as a file of `tier`. Owner and mode are not looked at: a policy is reviewed
/// before it is installed.
///
/// # Errors
/// [`ConfigErrors`] with every problem of the file.
pub fn read_policy_file(path: &Path, tier: Tier) -> Result<PolicyFile, ConfigErrors> {
    let shown = path.display().to_string();
    let refused = |what: String| ConfigErrors {
        problems: vec![Problem { guards: true, ..Problem::of(shown.clone(), what) }],
        warnings: Vec::new(),
    };
    match read(path, Links::Follow) {
        Ok(Some(text)) => policy_text(&shown, &text, tier),
        Ok(None) => Err(refused("does not exist".to_owned())),
        Err(fault) => Err(refused(fault.to_string())),
    }
}

/// As [`read_policy_file`], of a text; the ending of `shown` names its format.
///
/// # Errors
/// [`ConfigErrors`] with every problem of the text.
pub fn policy_text(shown: &str, text: &str, tier: Tier) -> Result<PolicyFile, ConfigErrors> {
    let mut findings = Findings::default();
    let layer = check(FileText { tier, shown, text, sections: SECTIONS }, &mut findings);
    if !findings.problems.is_empty() {
        return Err(ConfigErrors { problems: findings.problems, warnings: findings.warnings });
    }
    let unused = layer.unused.iter();
    Ok(PolicyFile {
        shown: shown.to_owned(),
        tier,
        block: permission_layer(&layer),
        cases: cases_of(&layer).to_vec(),
        restrictions: restrictions(&layer, shown),
        warnings: findings.warnings,
        accepted_unused: unused
            .map(|key| Located::new(key.value.to_string(), key.source.clone()))
            .collect(),
    })
}

/// A rule that says nothing but `deny` and has no condition: what every other rule is compared
/// with to see whether it has conditions that a reviewer's tool does not know.
pub fn bare_rule() -> Option<RuleSpec> {
    let text = "[[permissions.rules]]\ntool = \"*\"\ndecision = \"deny\"\n";
    let file = policy_text("bare.toml", text, Tier::User).ok()?;
    file.block?.rules.into_iter().next().map(|rule| rule.value)
}

/// The test cases of a layer.
pub(super) fn cases_of(layer: &Layer) -> &[Located<CaseSpec>] {
    match layer.get("permissions.tests").map(|setting| &setting.value) {
        Some(Value::Cases(cases)) => cases,
        _ => &[],
    }
}

fn restrictions(layer: &Layer, shown: &str) -> ToolRestrictions {
    let here = || Source::new(layer.tier, shown);
    let allow = match layer.get("toolRestrictions.allow") {
        Some(setting) => match &setting.value {
            Value::Texts(items) => Located::new(
                AllowList::Only(items.iter().map(|item| item.value.clone()).collect()),
                setting.source.clone(),
            ),
            _ => Located::new(AllowList::Any, setting.source.clone()),
        },
        None => Located::new(AllowList::Any, here()),
    };
    let deny = match layer.get("toolRestrictions.deny").map(|setting| &setting.value) {
        Some(Value::Texts(items)) => items.clone(),
        _ => Vec::new(),
    };
    ToolRestrictions { allow, deny }
}
