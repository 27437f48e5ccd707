//! Policy files as reviewers name them, and the rules that they make in a place.
//!
//! A named file is a proposal: it takes the place of its tier, and nothing is installed.

use super::CheckContext;
use crate::cli::{CommandError, Exit};
use crate::config::effective::ToolRestrictions;
use crate::config::review::{PolicyFile, read_policy_file};
use crate::config::schema::permissions::PermissionLayer;
use crate::config::{ConfigErrors, Effective, Loaded, Problem, Warning};
use crate::model::Tier;
use crate::policy::{Anchors, CompileError, RuleProblem, RuleSet, compile};
use crate::tool::Registry;
use std::path::{Path, PathBuf};

/// Names that a folder's policy has, in the order in which they are read.
const NAMES: [&str; 5] =
    ["engine.json", "config.json", "config.toml", "config.local.toml", "policy.toml"];

/// The tier that a file is judged as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TierArg {
    /// As `~/.ion/config.toml`.
    User,
    /// As `.ion/config.toml` of a trusted folder.
    Project,
    /// As `/etc/ion/config.toml`.
    Enterprise,
}

impl From<TierArg> for Tier {
    fn from(tier: TierArg) -> Tier {
        match tier {
            TierArg::User => Tier::User,
            TierArg::Project => Tier::Project,
            TierArg::Enterprise => Tier::Enterprise,
        }
    }
}

/// The tier of a file: as asked, else by where it lies, else the user's.
pub fn tier_of(path: &Path, asked: Option<TierArg>) -> Tier {
    match asked {
        Some(tier) => tier.into(),
        None if path.starts_with("/etc/ion") => Tier::Enterprise,
        None if path.starts_with(".ion") || path.starts_with("./.ion") => Tier::Project,
        None => Tier::User,
    }
}

/// The files that a name stands for: itself, or the policy files of a folder.
///
/// # Errors
/// A folder without any.
pub fn named(path: &Path) -> Result<Vec<PathBuf>, CommandError> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let inside = |folder: &Path| -> Vec<PathBuf> {
        NAMES.iter().map(|name| folder.join(name)).filter(|file| file.is_file()).collect()
    };
    let mut files = inside(path);
    if files.is_empty() {
        files = inside(&path.join(".ion"));
    }
    if files.is_empty() {
        let what = format!("`{}` is a folder without a policy file", path.display());
        return Err(CommandError::new(Exit::Usage, "usage", what)
            .detail(format!("looked for: {} there and in its .ion", NAMES.join(", "))));
    }
    Ok(files)
}

/// Reads files, and gives every problem of every file at once.
///
/// # Errors
/// [`ConfigErrors`] over all files.
pub fn read_all(files: &[(PathBuf, Tier)]) -> Result<Vec<PolicyFile>, ConfigErrors> {
    let mut read = Vec::new();
    let mut errors = ConfigErrors { problems: Vec::new(), warnings: Vec::new() };
    for (path, tier) in files {
        match read_policy_file(path, *tier) {
            Ok(file) => read.push(file),
            Err(bad) => {
                errors.problems.extend(bad.problems);
                errors.warnings.extend(bad.warnings);
            }
        }
    }
    if errors.problems.is_empty() { Ok(read) } else { Err(errors) }
}

/// The files that are in force in a folder and that are there, as paths.
pub fn in_force(
    loaded: &[crate::config::FileSeen],
    effective: &Places<'_>,
) -> Vec<(PathBuf, Tier)> {
    let real = |shown: &str| match (shown.strip_prefix("~/"), effective.home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ if shown.starts_with('/') => PathBuf::from(shown),
        _ => effective.workspace.join(shown),
    };
    let files = loaded.iter().filter(|file| file.found && file.tier != Tier::Builtin);
    let files = files.filter(|file| !file.path.ends_with("models.json"));
    files.map(|file| (real(&file.path), file.tier)).collect()
}

/// Where shown paths begin.
pub struct Places<'a> {
    /// The home folder.
    pub home: Option<&'a Path>,
    /// The working folder.
    pub workspace: &'a Path,
}

/// A policy that can be asked: its rules and what surrounds them.
pub struct Asked {
    /// The rules.
    pub rules: RuleSet,
    /// The place.
    pub context: CheckContext,
}

/// The policy in force in a folder.
///
/// # Errors
/// Rules that cannot be used.
pub fn force(loaded: &Loaded) -> Result<Asked, CommandError> {
    let effective = &loaded.effective;
    asked(&effective.permissions, effective, effective.tools.clone())
}

/// `files` above what is kept of the policy in force: the profile alone, or every other tier too.
///
/// # Errors
/// Rules that cannot be used, each with file and line.
pub fn proposed(
    loaded: &Loaded,
    files: &[PolicyFile],
    keep_others: bool,
) -> Result<Asked, CommandError> {
    let effective = &loaded.effective;
    let replaced = |tier: Tier| files.iter().any(|file| file.tier == tier);
    let kept = |layer: &&PermissionLayer| {
        layer.tier == Tier::Builtin || keep_others && !replaced(layer.tier)
    };
    let mut layers: Vec<PermissionLayer> =
        effective.permissions.iter().filter(kept).cloned().collect();
    layers.extend(files.iter().filter_map(|file| file.block.clone()));
    one_mode_per_tier(&mut layers);
    layers.sort_by_key(|layer| layer.tier);
    let mut restrictions = match files.first() {
        Some(file) => file.restrictions.clone(),
        None => effective.tools.clone(),
    };
    for file in files.iter().skip(1) {
        restrictions.deny.extend(file.restrictions.deny.clone());
    }
    asked(&layers, effective, restrictions)
}

/// Inside one tier a later file's mode replaces the earlier one's.
fn one_mode_per_tier(layers: &mut [PermissionLayer]) {
    let says: Vec<(Tier, bool)> = layers.iter().map(|l| (l.tier, l.mode.is_some())).collect();
    for (at, layer) in layers.iter_mut().enumerate() {
        let same = says.iter().skip(at + 1).any(|(tier, says)| *tier == layer.tier && *says);
        if same && layer.tier != Tier::Enterprise {
            layer.mode = None;
        }
    }
}

/// Compiles layers for the place of `effective`.
///
/// # Errors
/// Rules that cannot be used.
pub fn asked(
    layers: &[PermissionLayer],
    effective: &Effective,
    restrictions: ToolRestrictions,
) -> Result<Asked, CommandError> {
    let places = &effective.places;
    let anchors = Anchors { workspace: places.workspace.clone(), home: places.home.clone() };
    let rules = compile(layers, anchors).map_err(refused)?;
    let context = CheckContext {
        workspace: places.workspace.clone(),
        cwd: places.workspace.clone(),
        home: places.home.clone(),
        circumstances: Default::default(),
        effects: Registry::builtin(&effective.tools).effects(),
        profile: effective.profile.value.clone(),
        restrictions,
        sandbox: Some(effective.sandbox.clone()),
        recorded: None,
        asking: None,
    };
    Ok(Asked { rules, context })
}

fn refused(error: CompileError) -> CommandError {
    let problem = |problem: &RuleProblem| Problem {
        guards: true,
        ..Problem::of(problem.source.to_string(), problem.message.clone())
    };
    let problems = error.problems.iter().map(problem).collect();
    ConfigErrors { problems, warnings: Vec::<Warning>::new() }.into()
}
