//! Where things lie: workspace, home, configuration and state; and how a written path becomes
//! an absolute one. The only file besides `environ` that knows what a home folder is.

use super::effective::Places;
use super::environ::Environment;
use super::layers::key_of;
use super::origin::Located;
use super::problem::Problem;
use super::schema::Shape;
use super::value::{Layer, Value};
use crate::model::AbsPath;
use std::path::Path;

/// Finds the folders of this run.
///
/// # Errors
/// A [`Problem`] when the workspace does not exist.
pub(super) fn find(workspace: &Path, environment: &Environment) -> Result<Places, Box<Problem>> {
    let real = std::fs::canonicalize(workspace).map_err(|error| {
        let what = format!("the working folder: {error}");
        Box::new(Problem::of(workspace.display().to_string(), what))
    })?;
    let workspace = AbsPath::new(&real).ok_or_else(|| {
        Box::new(Problem::of(real.display().to_string(), "is not an absolute path"))
    })?;
    // A relative HOME would make the repository's own folder the user's configuration.
    let home = environment.get("HOME").and_then(AbsPath::new);
    let config_dir = home.as_ref().and_then(|home| home.join(".ion"));
    let data_dir = match environment.get("ION_DATA_DIR") {
        // A relative one would put the audit log and trust into the repository.
        Some(text) if !text.starts_with(['/', '~']) => {
            let what = format!("found {}, expected an absolute path", super::problem::quoted(text));
            return Err(Box::new(Problem::of("ION_DATA_DIR", what)));
        }
        Some(text) => expand(text, &workspace, home.as_ref()),
        None => config_dir.clone(),
    };
    Ok(Places { workspace, home, config_dir, data_dir })
}

/// `text` as an absolute path: `~` is the home folder, a relative path starts at the workspace.
pub(super) fn expand(text: &str, workspace: &AbsPath, home: Option<&AbsPath>) -> Option<AbsPath> {
    match text.strip_prefix('~') {
        Some("") => home.cloned(),
        Some(rest) if rest.starts_with('/') => home?.join(rest.trim_start_matches('/')),
        _ => workspace.join(text),
    }
}

/// Makes every path of a layer absolute. A path below a home that does not exist is left out:
/// there is nothing there to grant or to hide.
pub(super) fn expand_paths(layer: &mut Layer, places: &Places, real_home: Option<&AbsPath>) {
    for (path, setting) in &mut layer.settings {
        let Some(key) = key_of(path).filter(|key| key.shape == Shape::Paths) else { continue };
        let hides = matches!(key.path, "sandbox.hide" | "sandbox.additionalDenyPaths");
        let Value::Texts(items) = &mut setting.value else { continue };
        let mut expanded: Vec<Located<String>> = Vec::new();
        for item in items.iter() {
            // A run with another HOME must not unhide the person's real `~/.ssh`.
            let second = real_home.filter(|_| hides);
            let first = expand(&item.value, &places.workspace, places.home.as_ref());
            let other = second.and_then(|home| expand(&item.value, &places.workspace, Some(home)));
            for found in [first, other].into_iter().flatten() {
                let text = found.to_string();
                if !expanded.iter().any(|known| known.value == text) {
                    expanded.push(Located::new(text, item.source.clone()));
                }
            }
        }
        *items = expanded;
    }
}

/// The home folder that the system's user table names for this user, whatever `HOME` says.
pub(super) fn home_of_user() -> Option<AbsPath> {
    let table = super::reading::read(Path::new("/etc/passwd"), super::reading::Links::Follow);
    let uid = rustix::process::getuid().as_raw().to_string();
    let table = table.ok().flatten()?;
    let line = table.lines().find(|line| line.split(':').nth(2) == Some(uid.as_str()))?;
    line.split(':').nth(5).and_then(AbsPath::new)
}

/// `path` as a person would type it: `~/…` or relative to the workspace where shorter.
pub(super) fn shown(path: &Path, places: &Places) -> String {
    if let Ok(rest) = path.strip_prefix(places.workspace.as_path()) {
        return rest.display().to_string();
    }
    if let Some(rest) = places.home.as_ref().and_then(|h| path.strip_prefix(h.as_path()).ok()) {
        return format!("~/{}", rest.display());
    }
    path.display().to_string()
}
