//! From the command line to what each policy command needs: configuration, files, logs.

use super::classify::Asking;
use super::diff::{self, DiffArgs, Side};
use super::files::{Places, TierArg, force, in_force, named, proposed, read_all, tier_of};
use super::lint::{self, LintArgs};
use super::recorded::around;
use super::suggest::{self, SuggestArgs};
use super::test::{self, Suite, TestArgs};
use super::{CheckArgs, CheckContext, PolicyCommand, Recorded, log};
use crate::audit::query;
use crate::cli::{CommandError, Exit, Output};
use crate::config::{
    ConfigErrors, Effective, Environment, Flags, LoadRequest, Loaded, SealedSources, look,
};
use crate::model::{AbsPath, Seq, Tier};
use crate::policy::Anchors;
use crate::runtime::{StartError, start};
use crate::tool::Registry;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `ion policy …` under the policy of a folder.
///
/// # Errors
/// The configuration or the rules are wrong, or the command was used wrongly.
pub fn run(
    command: &PolicyCommand,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    match command {
        PolicyCommand::Check(args) => judge(args, false, environment, out),
        PolicyCommand::Explain(args) => judge(args, true, environment, out),
        PolicyCommand::Test(args) => run_tests(args, environment, out),
        PolicyCommand::Lint(args) => run_lint(args, environment, out),
        PolicyCommand::Diff(args) => run_diff(args, environment, out),
        PolicyCommand::Suggest(args) => run_suggest(args, environment, out),
    }
}

fn load(
    environment: &Environment,
    profile: Option<&String>,
    dir: Option<&PathBuf>,
) -> Result<Loaded, CommandError> {
    let flags = Flags { profile: profile.cloned(), ..Flags::default() };
    start::load(environment, flags, dir).map_err(CommandError::from)
}

fn judge(
    args: &CheckArgs,
    explain: bool,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let dir = args.dir.as_ref().map(PathBuf::from);
    let loaded = load(environment, args.profile.as_ref(), dir.as_ref())?;
    let effective = &loaded.effective;
    let rules = start::compile(effective).map_err(CommandError::from)?;
    let recorded = args.record.map(|seq| recorded(Seq(seq), effective)).transpose()?;
    let asking = args
        .classify
        .then(|| Asking::new(effective, environment, &rules, args.request.as_deref()))
        .transpose()?;
    let context = CheckContext {
        workspace: effective.places.workspace.clone(),
        cwd: effective.places.workspace.clone(),
        home: effective.places.home.clone(),
        circumstances: around(recorded.as_ref(), &args.surroundings)?,
        effects: Registry::builtin(&effective.tools).effects(),
        profile: effective.profile.value.clone(),
        restrictions: effective.tools.clone(),
        sandbox: Some(effective.sandbox.clone()),
        recorded,
        asking: asking.map(Arc::new),
    };
    super::run(args, explain, &rules, &context, &mut std::io::stdin().lock(), out)
}

/// The call of a record of this user's log.
fn recorded(seq: Seq, effective: &Effective) -> Result<Recorded, CommandError> {
    let file = effective.audit.file.as_ref().ok_or(StartError::NoHome)?;
    let unusable = |why: &str| {
        CommandError::new(Exit::Failed, "audit", format!("record {seq} of {file} {why}"))
            .detail("next: ion audit list --limit 20")
    };
    let record = query::show(file, seq)?.ok_or_else(|| unusable("is not there"))?;
    Recorded::of(&record).ok_or_else(|| unusable("is not a decision about a call"))
}

fn with_tiers(
    paths: &[PathBuf],
    asked: Option<TierArg>,
) -> Result<Vec<(PathBuf, Tier)>, CommandError> {
    let mut files = Vec::new();
    for path in paths {
        let named = named(path)?.into_iter();
        files.extend(named.map(|file| {
            let tier = tier_of(&file, asked);
            (file, tier)
        }));
    }
    Ok(files)
}

fn run_tests(
    args: &TestArgs,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let loaded = load(environment, args.profile.as_ref(), args.dir.as_ref())?;
    let mut suites = Vec::new();
    if args.files.is_empty() {
        let name = format!("the policy in force in {}", loaded.effective.places.workspace);
        suites.push(Suite { name, asked: force(&loaded)?, cases: loaded.cases.clone() });
    }
    // All files are read before any is judged, so that every mistake is told at once.
    for file in read_all(&with_tiers(&args.files, args.tier)?).map_err(CommandError::from)? {
        let cases = file.cases.clone();
        let name = format!("{} as {}", file.shown, file.tier);
        let asked = proposed(&loaded, std::slice::from_ref(&file), false)?;
        suites.push(Suite { name, asked, cases });
    }
    test::run(&suites, args, out)
}

fn run_lint(
    args: &LintArgs,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let workspace = start::workspace(args.dir.as_ref()).map_err(CommandError::from)?;
    let home = environment.get("HOME").and_then(AbsPath::new);
    let files = if args.files.is_empty() {
        let sealed = SealedSources::system();
        let flags = Flags::default();
        let request = LoadRequest { environment, workspace: workspace.clone(), flags, sealed };
        let (seen, problems) = look(&request);
        if !problems.is_empty() {
            return Err(ConfigErrors { problems, warnings: Vec::new() }.into());
        }
        let places = Places { home: home.as_ref().map(AbsPath::as_path), workspace: &workspace };
        in_force(&seen, &places)
    } else {
        with_tiers(&args.files, args.tier)?
    };
    let workspace = AbsPath::new(&workspace).ok_or(StartError::NoHome)?;
    let anchors = Anchors { workspace, home };
    lint::run(&files, &anchors, args, environment.get("GITHUB_ACTIONS").is_some(), out)
}

fn run_diff(
    args: &DiffArgs,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let loaded = load(environment, args.profile.as_ref(), args.dir.as_ref())?;
    let old = with_tiers(std::slice::from_ref(&args.old), args.tier)?;
    let new = with_tiers(std::slice::from_ref(&args.new), args.tier)?;
    // The mistakes of both at once.
    let both: Vec<(PathBuf, Tier)> = old.iter().chain(&new).cloned().collect();
    let mut files = read_all(&both).map_err(CommandError::from)?;
    let new_files = files.split_off(old.len());
    let tiers = |files: &[(PathBuf, Tier)]| {
        files.iter().map(|(_, tier)| *tier).collect::<std::collections::BTreeSet<_>>()
    };
    if tiers(&old) != tiers(&new) {
        return Err(CommandError::new(
            Exit::Usage,
            "usage",
            "the two policies would stand in different tiers",
        )
        .detail("next: say which with `--tier user`, `project` or `enterprise`"));
    }
    let old_side = Side { asked: proposed(&loaded, &files, true)?, files };
    let new_side = Side { asked: proposed(&loaded, &new_files, true)?, files: new_files };
    let past = match &args.replay {
        None => None,
        Some(path) => Some(log::read(&log_file(path.as_deref(), &loaded)?)?),
    };
    let mut corpus = args.corpus.as_deref().map(open).transpose()?;
    let corpus = corpus.as_mut().map(|corpus| corpus as &mut dyn BufRead);
    diff::run(args, &old_side, &new_side, past, corpus, out)
}

fn run_suggest(
    args: &SuggestArgs,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let loaded = load(environment, args.profile.as_ref(), args.dir.as_ref())?;
    let past = log::read(&log_file(args.from.as_deref(), &loaded)?)?;
    suggest::run(args, &loaded.effective, &force(&loaded)?, past, out)
}

/// The log that was named, or this user's.
fn log_file(named: Option<&Path>, loaded: &Loaded) -> Result<AbsPath, CommandError> {
    match named {
        None => Ok(loaded.effective.audit.file.clone().ok_or(StartError::NoHome)?),
        Some(path) => std::path::absolute(path).ok().and_then(AbsPath::new).ok_or_else(|| {
            CommandError::new(Exit::Usage, "usage", format!("`{}` is no path", path.display()))
        }),
    }
}

fn open(path: &Path) -> Result<BufReader<File>, CommandError> {
    File::open(path).map(BufReader::new).map_err(|error| {
        let what = format!("cannot read `{}`: {error}", path.display());
        CommandError::new(Exit::Usage, "input", what)
    })
}
