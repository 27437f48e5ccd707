//! Checks one named file, as `ion config validate FILE` does, without loading the others.

use super::check::{FileText, Findings, check};
use super::origin::Located;
use super::problem::{ConfigErrors, Problem, Warning};
use super::reading::{Links, read};
use super::schema::{self, SECTIONS};
use crate::model::Tier;
use std::path::Path;

/// What is worth saying about a file that is right.
#[derive(Debug, Clone)]
pub struct ValidFile {
    /// The tier whose rules were applied.
    pub tier: Tier,
    /// What a person should know.
    pub warnings: Vec<Warning>,
    /// Keys that were accepted and do nothing yet.
    pub accepted_unused: Vec<Located<String>>,
}

/// Checks the file at `path`. With `sealed`, as the sealed tier would: no unknown key passes.
/// `models.json` is checked as what it is. Owner and mode are not looked at, so that a policy
/// can be tried before it is installed.
///
/// # Errors
/// [`ConfigErrors`] with every problem of the file.
pub fn validate_file(path: &Path, sealed: bool) -> Result<ValidFile, ConfigErrors> {
    const MODELS: &[&[schema::Key]] = &[schema::models::KEYS];
    let shown = path.display().to_string();
    let mut findings = Findings::default();
    let text = match read(path, Links::Follow) {
        Ok(Some(text)) => text,
        Ok(None) => {
            let problems = vec![Problem::of(shown, "does not exist")];
            return Err(ConfigErrors { problems, warnings: Vec::new() });
        }
        Err(fault) => {
            let problems = vec![Problem::of(shown, fault.to_string())];
            return Err(ConfigErrors { problems, warnings: Vec::new() });
        }
    };
    let models = path.file_name().is_some_and(|name| name == "models.json");
    let sections = if models { MODELS } else { SECTIONS };
    let tier = if sealed { Tier::Enterprise } else { Tier::User };
    let layer = check(FileText { tier, shown: &shown, text: &text, sections }, &mut findings);
    if !findings.problems.is_empty() {
        return Err(ConfigErrors { problems: findings.problems, warnings: findings.warnings });
    }
    let unused = layer.unused.into_iter();
    Ok(ValidFile {
        tier,
        warnings: findings.warnings,
        accepted_unused: unused.map(|k| Located::new(k.value.to_string(), k.source)).collect(),
    })
}
