//! The sealed tier: finds its files, proves who could have written them, and meets the result
//! with everything below.
//!
//! No flag and no variable can move or empty it. Only a source that does not exist means "no
//! policy"; anything else that is wrong stops Ion. Read [`super::meet`] for the algebra.

use super::check::Findings;
use super::environ::Environment;
use super::layers::{Held, Settings, key_of};
use super::meet::meet;
use super::problem::{Problem, Warning};
use super::reading::{Fault, Links, fault, folder_in, read, read_in};
use super::schema::Sealing;
use super::sinks;
use super::value::{KeyPath, Layer, Setting, Value};
use crate::model::Tier;
use rustix::fs::{Dir, Mode, OFlags, Stat};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The variable that names a further source, which can only tighten.
pub const FURTHER: &str = "ION_ENTERPRISE_CONFIG";

/// More drop-ins than anybody needs.
const MOST_DROP_INS: usize = 512;

/// Where sealed policy is looked for, and who must own it.
#[derive(Debug, Clone)]
pub struct SealedSources {
    root: PathBuf,
    owner: u32,
}

/// One file of the sealed tier, as read.
#[derive(Debug)]
pub(super) struct SealedFile {
    pub(super) shown: String,
    pub(super) found: Option<String>,
    /// Named by [`FURTHER`]: may only tighten.
    pub(super) further: bool,
}

/// Something of a lower tier that the sealed tier did not let through.
#[derive(Debug, Clone, PartialEq)]
pub struct Enforcement {
    /// The key.
    pub key: String,
    /// What the lower tier wanted; secrets masked.
    pub rejected: String,
    /// What holds instead; secrets masked.
    pub kept: String,
    /// Where the lower value stands.
    pub lost: crate::model::Source,
    /// Where the sealed value stands.
    pub won: crate::model::Source,
}

impl SealedSources {
    /// The machine's own: `/etc/ion`, owned by root.
    pub fn system() -> Self {
        SealedSources { root: PathBuf::from("/"), owner: 0 }
    }

    /// For tests: as if `root` were `/` and `owner` were root. Only Rust code can call it.
    pub fn rooted_at(root: impl Into<PathBuf>, owner: u32) -> Self {
        SealedSources { root: root.into(), owner }
    }

    /// The folder as a person would type it.
    pub fn folder(&self) -> PathBuf {
        self.root.join("etc/ion")
    }

    /// Reads every source. Whatever exists and cannot be trusted is a problem.
    pub(super) fn read(
        &self,
        environment: &Environment,
        findings: &mut Findings,
    ) -> Vec<SealedFile> {
        let mut files = Vec::new();
        if let Err((path, error)) = self.read_system(&mut files, findings) {
            findings.problems.push(refusal(&path, &error));
        }
        if let Some(path) = environment.get(FURTHER) {
            match read(Path::new(path), Links::Follow) {
                Ok(found @ Some(_)) => {
                    files.push(SealedFile { shown: path.to_owned(), found, further: true });
                }
                // FAIL CLOSED: a named source that is missing is a mistake, not an absence.
                Ok(None) => {
                    let what = format!("{FURTHER} names {path}, which does not exist");
                    findings.problems.push(Problem { guards: true, ..Problem::of(FURTHER, what) });
                }
                Err(error) => findings.problems.push(refusal(Path::new(path), &error)),
            }
        }
        files
    }

    fn read_system(
        &self,
        files: &mut Vec<SealedFile>,
        findings: &mut Findings,
    ) -> Result<(), (PathBuf, Fault)> {
        let at = |path: &Path| {
            let path = path.to_path_buf();
            move |error| (path, error)
        };
        let folder = self.folder();
        let absent = |files: &mut Vec<SealedFile>| {
            for name in ["config.json", "config.toml"] {
                let shown = folder.join(name).display().to_string();
                files.push(SealedFile { shown, found: None, further: false });
            }
        };
        let Some((opened, parents)) = self.open_folder().map_err(at(&folder))? else {
            absent(files);
            return Ok(());
        };
        // Parents are judged only now: with no `/etc/ion` there is nothing they could spoil.
        for (path, stat) in &parents {
            self.owned(stat, true).map_err(at(path))?;
        }
        for name in ["config.json", "config.toml"] {
            self.one(&opened, &folder, name, files, findings);
        }
        let drop_ins = folder.join("config.d");
        let Some(inner) = folder_in(&opened, "config.d").map_err(at(&drop_ins))? else {
            return Ok(());
        };
        let stat = rustix::fs::fstat(&inner).map_err(fault).map_err(at(&drop_ins))?;
        self.owned(&stat, true).map_err(at(&drop_ins))?;
        for name in names(&inner).map_err(at(&drop_ins))? {
            if name.ends_with(".json") || name.ends_with(".toml") {
                self.one(&inner, &drop_ins, &name, files, findings);
            } else {
                findings.warnings.push(Warning {
                    file: drop_ins.join(super::json::shown(&name)).display().to_string(),
                    at: None,
                    key: String::new(),
                    message: "not read: drop-ins end in .json or .toml".to_owned(),
                });
            }
        }
        Ok(())
    }

    fn one(
        &self,
        folder: impl AsFd,
        path: &Path,
        name: &str,
        files: &mut Vec<SealedFile>,
        findings: &mut Findings,
    ) {
        let full = path.join(name);
        match read_in(folder, name, |stat| self.owned(stat, false)) {
            Ok(found) => {
                let shown = full.display().to_string();
                files.push(SealedFile { shown, found, further: false });
            }
            Err(error) => findings.problems.push(refusal(&full, &error)),
        }
    }

    /// Walks to `etc/ion` one folder at a time, never through a link.
    #[expect(clippy::type_complexity, reason = "one private use")]
    fn open_folder(&self) -> Result<Option<(OwnedFd, Vec<(PathBuf, Stat)>)>, Fault> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let mut opened = rustix::fs::open(&self.root, flags, Mode::empty()).map_err(fault)?;
        let mut path = self.root.clone();
        let mut seen = vec![(path.clone(), rustix::fs::fstat(&opened).map_err(fault)?)];
        for name in ["etc", "ion"] {
            let Some(next) = folder_in(&opened, name)? else { return Ok(None) };
            path.push(name);
            seen.push((path.clone(), rustix::fs::fstat(&next).map_err(fault)?));
            opened = next;
        }
        Ok(Some((opened, seen)))
    }

    fn owned(&self, stat: &Stat, folder: bool) -> Result<(), Fault> {
        let what = if folder { "folder" } else { "file" };
        let mode = stat.st_mode & 0o7777;
        if stat.st_uid != self.owner {
            return Err(Fault::Owner(format!(
                "this {what} belongs to user {}, not to root; run `chown root` on it",
                stat.st_uid
            )));
        }
        if mode & 0o022 != 0 {
            return Err(Fault::Owner(format!(
                "this {what} is writable by group or others (mode {mode:04o}); run `chmod go-w` on it"
            )));
        }
        Ok(())
    }
}

fn refusal(path: &Path, error: &Fault) -> Problem {
    let mut problem = Problem::of(path.display().to_string(), error.to_string());
    problem.help = Some("sealed policy is never skipped: repair the file or remove it".to_owned());
    problem.guards = true;
    problem
}

fn names(folder: &OwnedFd) -> Result<Vec<String>, Fault> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let name: &CStr = entry.file_name();
        if name.to_bytes().starts_with(b".") {
            continue;
        }
        let name = name
            .to_str()
            .map_err(|_| Fault::System("holds a file whose name is not UTF-8".to_owned()))?;
        names.push(name.to_owned());
    }
    if names.len() > MOST_DROP_INS {
        return Err(Fault::System(format!("holds more than {MOST_DROP_INS} files")));
    }
    names.sort();
    Ok(names)
}

/// Takes from a further source everything that could do more than tighten.
pub(super) fn only_tightening(layer: &mut Layer, findings: &mut Findings) {
    layer.named.clear();
    let free = |path: &KeyPath| {
        key_of(path).is_some_and(|k| matches!(k.sealing, Sealing::Override | Sealing::Pass))
    };
    let ignored: Vec<KeyPath> = layer.settings.keys().filter(|path| free(path)).cloned().collect();
    for path in ignored {
        if let Some(setting) = layer.settings.remove(&path) {
            findings.warnings.push(Warning {
                file: layer.file.clone(),
                at: Some(setting.at),
                key: path.to_string(),
                message: format!("ignored: a source named by {FURTHER} can only tighten"),
            });
        }
    }
}

/// Meets the files of the sealed tier with each other. The order matters for `Override` and
/// `Pass` keys alone, where the later file wins.
pub(super) fn combine(layers: &[Layer]) -> Settings {
    let mut sealed = Settings::new();
    for layer in layers {
        for (path, setting) in &layer.settings {
            let Some(key) = key_of(path) else { continue };
            match sealed.get_mut(path) {
                None => {
                    let held = Held { sealed: true, ..Held::alone(setting.clone(), usize::MAX) };
                    sealed.insert(path.clone(), held);
                }
                Some(held) if matches!(key.sealing, Sealing::Override | Sealing::Pass) => {
                    let lost = std::mem::replace(&mut held.setting, setting.clone());
                    held.overridden.insert(0, lost);
                }
                Some(held) => super::layers::tighten(held, key, setting, usize::MAX),
            }
        }
    }
    sealed
}

/// Meets the lower result with the sealed tier, key by key, and says what did not get through.
///
/// `profile_chosen`: somebody named the profile, so its values are a wish and not a default.
pub(super) fn apply(
    sealed: &Settings,
    lower: &mut Settings,
    profile_chosen: bool,
) -> Vec<Enforcement> {
    let mut enforced = Vec::new();
    for (path, seal) in sealed {
        let Some(key) = key_of(path).filter(|key| key.sealing != Sealing::Layered) else {
            continue;
        };
        let Some(held) = lower.get_mut(path) else {
            // Folders are granted below only; where nobody asked, the seal grants nothing.
            if key.sealing != Sealing::IntersectPaths {
                lower.insert(path.clone(), seal.clone());
            }
            continue;
        };
        held.sealed = true;
        let wanted = held.setting.clone();
        let met = match key.sealing {
            Sealing::Override | Sealing::Pass => seal.setting.value.clone(),
            sealing => meet(sealing, &wanted.value, &seal.setting.value),
        };
        if met.same(&wanted.value) {
            held.note = Some(match key.sealing {
                Sealing::Ceiling => format!("sealed ceiling {}", seal.setting.value),
                _ => "sealed".to_owned(),
            });
            continue;
        }
        let added = key.sealing == Sealing::Union;
        held.note = Some(if added {
            format!("sealed; adds to {} of {}", wanted.value, wanted.source)
        } else {
            format!("sealed; overrides {} of {}", wanted.value, wanted.source)
        });
        // A union takes nothing away, and a default is nobody's wish.
        let wished = wanted.source.tier != Tier::Builtin
            || (profile_chosen && wanted.source.file.starts_with("profiles/"));
        if !added && wished {
            enforced.push(Enforcement {
                key: path.to_string(),
                rejected: shown(&wanted),
                kept: met.to_string(),
                lost: wanted.source.clone(),
                won: seal.setting.source.clone(),
            });
        }
        held.setting = Setting { value: met, ..seal.setting.clone() };
        held.order = usize::MAX;
        held.overridden.insert(0, wanted);
    }
    enforced
}

/// Where the sealed tier names a proxy, nothing below may name an exception to it: a lower
/// `noProxy` of `*` would otherwise walk around the proxy.
pub(super) fn seal_proxy(sealed: &Settings, lower: &mut Settings) -> Vec<Enforcement> {
    let is_proxy = |path: &KeyPath| path.0.starts_with(&["network".to_owned(), "proxy".to_owned()]);
    let Some(seal) = sealed.iter().find(|(path, _)| is_proxy(path)).map(|(_, held)| held) else {
        return Vec::new();
    };
    let stray = |path: &KeyPath| is_proxy(path) && !sealed.contains_key(path);
    remove(lower, stray, &seal.setting.source, "the sealed proxy")
}

/// A sink that the sealed tier names is the sealed tier's alone: a lower `insecure` or `required`
/// would otherwise change who gets the records, and whether that counts.
pub(super) fn seal_sinks(sealed: &Settings, lower: &mut Settings) -> Vec<Enforcement> {
    let mut removed = Vec::new();
    for name in sinks::names(sealed) {
        let of = |path: &KeyPath| sinks::name_in(path) == Some(name.as_str());
        let Some((_, seal)) = sealed.iter().find(|(path, _)| of(path)) else { continue };
        let stray = |path: &KeyPath| of(path) && !sealed.contains_key(path);
        removed.extend(remove(lower, stray, &seal.setting.source, "the sealed sink"));
    }
    removed
}

/// Takes settings of lower tiers away, and says so.
fn remove(
    lower: &mut Settings,
    stray: impl Fn(&KeyPath) -> bool,
    won: &crate::model::Source,
    kept: &str,
) -> Vec<Enforcement> {
    let paths: Vec<KeyPath> = lower.keys().filter(|path| stray(path)).cloned().collect();
    let remove = |path: KeyPath| {
        let held = lower.remove(&path)?;
        Some(Enforcement {
            key: path.to_string(),
            rejected: shown(&held.setting),
            kept: kept.to_owned(),
            lost: held.setting.source,
            won: won.clone(),
        })
    };
    paths.into_iter().filter_map(remove).collect()
}

fn shown(setting: &Setting) -> String {
    match &setting.value {
        Value::Text(_) => format!("\"{}\"", setting.value),
        other => other.to_string(),
    }
}
