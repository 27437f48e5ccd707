//! Reads every layer and builds the one [`Effective`]: the story of configuration on one page.
//!
//! Nothing starts on half a configuration: the problems of all files are collected, and if
//! there is one, there is no result. Read next: [`super::check`], [`super::layers`],
//! [`super::strangers`], [`super::sealed`], [`super::resolve`].

use super::check::{FileText, Findings, check};
use super::effective::{Effective, InForce, NetworkSettings, Places, SandboxSettings};
use super::environ::Environment;
use super::explain::{ShownValue, table};
use super::flags::{self, Flags};
use super::layers::{self, Settings};
use super::origin::Located;
use super::problem::{ConfigErrors, Problem, Warning};
use super::reading::{Fault, Links, folder_in, read, read_in};
use super::resolve::{Parts, requirement, resolve, sealed_requirement};
use super::review::cases_of;
use super::rules::{mode, permission_layer, tightened};
use super::schema::case::CaseSpec;
use super::schema::permissions::PermissionLayer;
use super::schema::{self, SECTIONS, profile};
use super::sealed::{Enforcement, SealedFile, SealedSources};
use super::trust::{self, TrustStore, fingerprint};
use super::value::{KeyPath, Layer, Setting};
use super::{bypass, models_file, places, profile_choice, sealed, strangers};
use crate::model::{AbsPath, Tier, hex};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What to load for.
#[derive(Debug, Clone)]
pub struct LoadRequest<'a> {
    /// The variables of this run.
    pub environment: &'a Environment,
    /// The working folder.
    pub workspace: PathBuf,
    /// The command line.
    pub flags: Flags,
    /// Where the sealed tier is: [`SealedSources::system`].
    pub sealed: SealedSources,
}

/// A file that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSeen {
    /// The file as a person would type it.
    pub path: String,
    /// The tier that it speaks for.
    pub tier: Tier,
    /// Whether it was there and could be read.
    pub found: bool,
    /// SHA-256 (hexadecimal) of its content, where it was found.
    pub sha256: Option<String>,
}

/// Everything that loading gives.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration in force.
    pub effective: InForce,
    /// What a person should know.
    pub warnings: Vec<Warning>,
    /// What the sealed tier did not let through. To be recorded and told once.
    pub enforcements: Vec<Enforcement>,
    /// What [`table`](Self::table) is made of.
    shown: (Settings, Vec<Layer>),
    /// Keys that were accepted and do nothing yet.
    pub accepted_unused: Vec<Located<String>>,
    /// Every file that was looked for.
    pub files: Vec<FileSeen>,
    /// What the working folder brings along.
    pub project: Project,
    /// The test cases of every file, weakest tier first. No decision reads them.
    pub cases: Vec<Located<CaseSpec>>,
}

impl Loaded {
    /// Every value with its origin, secrets masked.
    pub fn table(&self) -> Vec<ShownValue> {
        let (settings, layers) = &self.shown;
        table(settings, layers, &self.effective)
    }
}

/// What confines a command, without the rest of the configuration.
#[derive(Debug)]
pub struct SandboxPart {
    /// `sandbox`.
    pub settings: SandboxSettings,
    /// `network`, for whom the proxy of listed hosts trusts.
    pub network: NetworkSettings,
    /// Where everything lies.
    pub places: Places,
    /// Name of the profile in force.
    pub profile: Located<String>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
}

/// How much is wanted. Files of people are always read and checked as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Everything,
    /// Of what ships, only `sandbox` and `network`: unpacking and merging all of it takes longer than starting
    /// a sandboxed command.
    Sandbox,
}

impl Part {
    /// Whether a top-level key is wanted.
    pub(super) fn wants(self, key: &str) -> bool {
        self == Part::Everything || matches!(key, "sandbox" | "network")
    }
}

/// The settings of the working folder, as trust sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its files that were read.
    pub files: Vec<String>,
    /// SHA-256 (hex) over their names and contents: what trust is given to.
    pub fingerprint: String,
    /// The keys that do nothing until the folder is trusted.
    pub ignored: Vec<String>,
}

/// One file below the sealed tier, as read.
struct Text {
    tier: Tier,
    shown: String,
    name: &'static str,
    text: Option<String>,
}

/// The names of the main file, in every folder of the user and the project.
const MAIN: [&str; 2] = ["engine.json", "config.toml"];
/// A project's private file, which beats the shared ones.
const LOCAL: &str = "config.local.toml";
const MODELS: &str = "models.json";

/// Loads the configuration.
///
/// # Errors
/// [`ConfigErrors`] with every problem of every file. Then nothing may run.
pub fn load(request: &LoadRequest<'_>) -> Result<Loaded, ConfigErrors> {
    load_part(request, Part::Everything)
}

/// Loads what confines a command, with the same errors as [`load`] for everybody's files.
///
/// # Errors
/// As [`load`].
pub fn load_sandbox(request: &LoadRequest<'_>) -> Result<SandboxPart, ConfigErrors> {
    let loaded = load_part(request, Part::Sandbox)?;
    let Effective { sandbox, network, places, profile, .. } = loaded.effective.into_parts();
    Ok(SandboxPart { settings: sandbox, network, places, profile, warnings: loaded.warnings })
}

fn load_part(request: &LoadRequest<'_>, part: Part) -> Result<Loaded, ConfigErrors> {
    let mut findings = Findings::default();
    let places = match places::find(&request.workspace, request.environment) {
        Ok(places) => places,
        Err(problem) => {
            return Err(ConfigErrors { problems: vec![*problem], warnings: Vec::new() });
        }
    };
    let sealed_files = request.sealed.read(request.environment, &mut findings);
    let texts = read_texts(&places, &mut findings);
    let files = seen(&sealed_files, &texts);

    let real_home = places::home_of_user().filter(|home| Some(home) != places.home.as_ref());
    let expand = |mut layer: Layer| {
        places::expand_paths(&mut layer, &places, real_home.as_ref());
        layer
    };
    let sealed_layers = check_sealed(&sealed_files, &mut findings, &expand);
    let sealed = sealed::combine(&sealed_layers.iter().map(|(l, _)| l.clone()).collect::<Vec<_>>());
    let user = check_tier(&texts, Tier::User, &mut findings, &expand);
    let project = check_tier(&texts, Tier::Project, &mut findings, &expand);
    let models = check_models(&texts, &mut findings);
    one_place_per_key(&user, &mut findings);
    let shared = project.iter().filter(|layer| !layer.file.ends_with(LOCAL)).cloned();
    one_place_per_key(&shared.collect::<Vec<_>>(), &mut findings);
    let main_pair =
        sealed_layers.iter().filter(|(l, _)| in_main_pair(&l.file)).map(|(l, _)| l.clone());
    one_place_per_key(&main_pair.collect::<Vec<_>>(), &mut findings);
    let (mut flag_layer, flag_problems) = flags::layer(&request.flags);
    findings.problems.extend(flag_problems);
    flag_layer = expand(flag_layer);

    let in_project = || texts.iter().filter(|file| file.tier == Tier::Project);
    let project_fingerprint =
        fingerprint(in_project().filter_map(|file| Some((file.name, file.text.as_deref()?))));
    let project_files: Vec<String> =
        in_project().filter(|file| file.text.is_some()).map(|file| file.shown.clone()).collect();
    let trusted = trusted(&places, &project_fingerprint, &mut findings.warnings);
    let (strangers, project) = if trusted { (Vec::new(), project) } else { (project, Vec::new()) };

    let profile = profile_choice::choose(request, &sealed, &user, &project, &mut findings);
    let built_in = profile_choice::built_in_layers(&profile.value, part, &mut findings);
    let mut lower: Vec<Layer> = built_in.into_iter().map(&expand).collect();
    let builtin_count = lower.len();
    lower.extend(user);
    lower.extend(project);
    lower.push(flag_layer);
    bypass::refuse(&sealed, &profile, lower.get(builtin_count..).unwrap_or(&[]), &mut findings);
    if !findings.problems.is_empty() {
        return Err(ConfigErrors { problems: findings.problems, warnings: findings.warnings });
    }

    if part != Part::Everything {
        for layer in &mut lower {
            layer.settings.retain(|path, _| path.0.first().is_some_and(|key| part.wants(key)));
        }
    }
    let mut settings = layers::merge(&lower);
    settings.entry(KeyPath::plain("profile")).or_insert_with(|| profile_choice::held(&profile));
    let held_mode = lower.iter().filter_map(mode).next_back().map(|mode| mode.value);
    let ignored = strangers::restrict(&mut settings, &strangers, lower.len());
    let stranger_file = strangers.first().map_or("", |layer| layer.file.as_str());
    findings.warnings.extend(strangers::warning(stranger_file, &ignored));

    let wanted = requirement(&settings);
    let usual = requirement(&layers::merge(lower.get(..builtin_count).unwrap_or(&[])));
    let profile_chosen = !matches!(profile.source.tier, Tier::Builtin | Tier::Enterprise);
    let mut enforcements = sealed::apply(&sealed, &mut settings, profile_chosen);
    enforcements.extend(sealed::seal_proxy(&sealed, &mut settings));
    enforcements.extend(sealed::seal_sinks(&sealed, &mut settings));
    let mut requirement = wanted.clone();
    if let Some(floor) = sealed_requirement(&sealed, usual.value).filter(|f| f.value > wanted.value)
    {
        if (wanted.source.tier != Tier::Builtin || profile_chosen)
            && !enforcements
                .iter()
                .any(|e| e.key == "sandbox.enabled" || e.key == "sandbox.minimum")
        {
            enforcements.push(Enforcement {
                key: "sandbox.enabled".to_owned(),
                rejected: format!("{:?}", wanted.value).to_lowercase(),
                kept: format!("{:?}", floor.value).to_lowercase(),
                lost: wanted.source.clone(),
                won: floor.source.clone(),
            });
        }
        requirement = floor;
    }

    let further = |file: &str| sealed_layers.iter().any(|(l, further)| *further && l.file == file);
    let sealed_only: Vec<Layer> = sealed_layers.iter().map(|(layer, _)| layer.clone()).collect();
    let permissions = match part {
        Part::Everything => {
            permission_layers(&lower, &strangers, &sealed_only, held_mode, &further)
        }
        Part::Sandbox => Vec::new(),
    };
    let counting = lower.iter().chain(&sealed_only);
    let named = counting.clone().flat_map(|layer| &layer.named);
    let provider_ids: BTreeSet<String> = named
        .filter(|named| named.value.0.first().is_some_and(|first| first == "providers"))
        .filter_map(|named| named.value.0.get(1).cloned())
        .collect();
    let accepted_unused = counting
        .chain(&strangers)
        .chain(models.as_ref())
        .flat_map(|layer| &layer.unused)
        .map(|key| Located::new(key.value.to_string(), key.source.clone()))
        .collect();
    let catalogue = models.map(|layer| models_file::catalogue(&layer, &mut findings));
    if !findings.problems.is_empty() {
        return Err(ConfigErrors { problems: findings.problems, warnings: findings.warnings });
    }
    let digest = digest(&sealed_files, &texts, &profile.value);
    let parts = Parts {
        trusted,
        profile,
        requirement,
        models: catalogue.unwrap_or_default(),
        permissions,
        provider_ids,
        environment: request.environment,
        digest,
        places,
    };
    let effective = resolve(&settings, parts, &mut findings.warnings, &mut enforcements);
    let layers: Vec<Layer> = lower.into_iter().chain(strangers).chain(sealed_only).collect();
    let cases = layers.iter().flat_map(cases_of).cloned().collect();
    Ok(Loaded {
        effective: InForce::of(effective),
        warnings: findings.warnings,
        enforcements,
        shown: (settings, layers),
        accepted_unused,
        files,
        project: Project {
            files: project_files,
            fingerprint: project_fingerprint,
            ignored: ignored.into_iter().collect(),
        },
        cases,
    })
}

/// Every file that would be read and whether it is there, without checking any content.
pub fn look(request: &LoadRequest<'_>) -> (Vec<FileSeen>, Vec<Problem>) {
    let mut findings = Findings::default();
    match places::find(&request.workspace, request.environment) {
        Ok(places) => {
            let sealed_files = request.sealed.read(request.environment, &mut findings);
            let texts = read_texts(&places, &mut findings);
            (seen(&sealed_files, &texts), findings.problems)
        }
        Err(problem) => (Vec::new(), vec![*problem]),
    }
}

fn seen(sealed: &[SealedFile], texts: &[Text]) -> Vec<FileSeen> {
    let sealed = sealed.iter().map(|file| FileSeen {
        path: file.shown.clone(),
        tier: Tier::Enterprise,
        found: file.found.is_some(),
        sha256: file.found.as_ref().map(|text| hex(&Sha256::digest(text))),
    });
    let lower = texts.iter().map(|file| FileSeen {
        path: file.shown.clone(),
        tier: file.tier,
        found: file.text.is_some(),
        sha256: file.text.as_ref().map(|text| hex(&Sha256::digest(text))),
    });
    sealed.chain(lower).collect()
}

/// Reads the user's and the project's files, each once.
fn read_texts(places: &Places, findings: &mut Findings) -> Vec<Text> {
    let mut texts = Vec::new();
    let config = places.home.as_ref().and_then(|home| home.join(".config/ion"));
    let folders = places.config_dir.iter().chain(config.as_ref());
    for folder in folders {
        for name in MAIN.into_iter().chain([MODELS]) {
            let Some(path) = folder.join(name) else { continue };
            let shown = places::shown(path.as_path(), places);
            let text = keep(read(path.as_path(), Links::Follow), &shown, findings);
            texts.push(Text { tier: Tier::User, shown, name, text });
        }
    }
    // In the home folder itself `.ion` is the user's own and not a project.
    let own = places.workspace.join(".ion");
    let same = |a: &Option<AbsPath>, b: &Option<AbsPath>| {
        let real = |p: &Option<AbsPath>| p.as_ref().and_then(|p| std::fs::canonicalize(p).ok());
        a == b || (real(a).is_some() && real(a) == real(b))
    };
    if !same(&own, &places.config_dir) {
        read_project(places, findings, &mut texts);
    }
    texts
}

fn read_project(places: &Places, findings: &mut Findings, texts: &mut Vec<Text>) {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
    let folder = rustix::fs::open(places.workspace.as_path(), flags, Mode::empty())
        .map_err(super::reading::fault)
        .and_then(|workspace| folder_in(&workspace, ".ion"));
    let folder = keep(folder, ".ion", findings);
    for name in MAIN.into_iter().chain([LOCAL]) {
        let shown = format!(".ion/{name}");
        let found = folder.as_ref().map_or(Ok(None), |dir| read_in(dir, name, |_| Ok(())));
        let text = keep(found, &shown, findings);
        texts.push(Text { tier: Tier::Project, shown, name, text });
    }
}

/// A file that is there and cannot be used is a problem in every tier.
fn keep<T>(found: Result<Option<T>, Fault>, shown: &str, findings: &mut Findings) -> Option<T> {
    found.unwrap_or_else(|fault| {
        let problem = Problem { guards: true, ..Problem::of(shown, fault.to_string()) };
        findings.problems.push(problem);
        None
    })
}

fn check_tier(
    texts: &[Text],
    tier: Tier,
    findings: &mut Findings,
    expand: &dyn Fn(Layer) -> Layer,
) -> Vec<Layer> {
    let mine = texts.iter().filter(|file| file.tier == tier && file.name != MODELS);
    mine.filter_map(|file| {
        let text = file.text.as_deref()?;
        let file = FileText { tier, shown: &file.shown, text, sections: SECTIONS };
        Some(expand(check(file, findings)))
    })
    .collect()
}

fn check_sealed(
    files: &[SealedFile],
    findings: &mut Findings,
    expand: &dyn Fn(Layer) -> Layer,
) -> Vec<(Layer, bool)> {
    let mut layers = Vec::new();
    for file in files {
        let Some(text) = file.found.as_deref() else { continue };
        let checked =
            FileText { tier: Tier::Enterprise, shown: &file.shown, text, sections: SECTIONS };
        let mut layer = check(checked, findings);
        if file.further {
            sealed::only_tightening(&mut layer, findings);
        }
        layers.push((expand(layer), file.further));
    }
    layers
}

fn check_models(texts: &[Text], findings: &mut Findings) -> Option<Layer> {
    const MODEL_SECTIONS: &[&[schema::Key]] = &[schema::models::KEYS];
    let mut found = texts.iter().filter(|file| file.name == MODELS && file.text.is_some());
    let file = found.next()?;
    if let Some(other) = found.next() {
        let what = format!("stands beside {}; keep one of the two", file.shown);
        findings.problems.push(Problem::of(other.shown.clone(), what));
    }
    let text = file.text.as_deref()?;
    let file = FileText { tier: Tier::User, shown: &file.shown, text, sections: MODEL_SECTIONS };
    Some(check(file, findings))
}

fn in_main_pair(file: &str) -> bool {
    let path = Path::new(file);
    let main = path.file_stem().is_some_and(|stem| stem == "config");
    main && path.parent().is_some_and(|folder| folder.ends_with("etc/ion"))
}

/// The same key in two files of one tier is an error that names both: neither order of reading
/// would be the one that everybody expects.
fn one_place_per_key(layers: &[Layer], findings: &mut Findings) {
    let mut known: BTreeMap<&KeyPath, &Setting> = BTreeMap::new();
    for layer in layers {
        for (path, setting) in &layer.settings {
            if let Some(first) = known.insert(path, setting) {
                let what = format!("is set here and in {}; keep one of the two", first.source);
                findings.problems.push(Problem {
                    at: Some(setting.at),
                    key: path.to_string(),
                    ..Problem::of(layer.file.clone(), what)
                });
            }
        }
    }
}

fn trusted(places: &Places, fingerprint: &str, warnings: &mut Vec<Warning>) -> bool {
    let Some(file) = places.data_dir.as_ref().and_then(|dir| dir.join(trust::FILE)) else {
        return false;
    };
    match TrustStore::load(file.as_path()) {
        Ok(store) => store.is_trusted(&places.workspace, fingerprint),
        // FAIL CLOSED: without the store every folder is a stranger.
        Err(error) => {
            warnings.push(Warning {
                file: places::shown(file.as_path(), places),
                at: None,
                key: String::new(),
                message: format!("{error}; no folder is trusted"),
            });
            false
        }
    }
}

/// Weakest first: built in, user, project, sealed. A stranger's and a further source's blocks
/// can only tighten.
fn permission_layers(
    lower: &[Layer],
    strangers: &[Layer],
    sealed: &[Layer],
    held: Option<crate::model::Decision>,
    further: &dyn Fn(&str) -> bool,
) -> Vec<PermissionLayer> {
    let mut blocks: Vec<PermissionLayer> = lower.iter().filter_map(permission_layer).collect();
    // Inside one tier a later file's mode replaces the earlier one's.
    let tiers: Vec<(Tier, bool)> = blocks.iter().map(|b| (b.tier, b.mode.is_some())).collect();
    for (index, block) in blocks.iter_mut().enumerate() {
        let mut later = tiers.iter().skip(index + 1);
        if later.any(|(tier, says)| *tier == block.tier && *says) {
            block.mode = None;
        }
    }
    let strangers = strangers.iter().filter_map(permission_layer);
    blocks.extend(strangers.map(|block| tightened(block, held)));
    for layer in sealed {
        let Some(block) = permission_layer(layer) else { continue };
        blocks.push(if further(&layer.file) { tightened(block, None) } else { block });
    }
    blocks
}

/// SHA-256 over tier, name and content of everything that was read; what ships counts by its
/// own digest.
fn digest(sealed: &[SealedFile], texts: &[Text], profile: &str) -> String {
    let mut hash = Sha256::new();
    let mut add = |tier: Tier, name: &str, text: &str| {
        for part in [tier.as_str(), name, text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    };
    add(Tier::Builtin, profile, profile::file(profile).map_or("", |file| file.digest()));
    for file in texts {
        if let Some(text) = &file.text {
            add(file.tier, &file.shown, text);
        }
    }
    for file in sealed {
        if let Some(text) = &file.found {
            add(Tier::Enterprise, &file.shown, text);
        }
    }
    hex(&hash.finalize())
}
