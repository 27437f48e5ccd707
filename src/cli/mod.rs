//! Commands in, exit codes out.
//!
//! Parsing, rendering and exit codes live here and nothing else: no rule is evaluated, no tool
//! is started and no file of a workspace is opened in this room. Read [`args`] for what can be
//! typed, [`prompt`] for the main command, [`output`] for the one way to stdout.

pub mod approvals;
pub mod args;
pub mod audit;
pub mod config;
mod count;
pub mod exit;
pub mod help;
pub mod hook;
pub mod output;
pub mod policy;
pub mod prompt;
pub mod redact;
pub mod sandbox;
pub mod sessions;
pub mod start;
pub mod tour;
pub mod trust;
pub mod welcome;

pub use exit::{CommandError, Exit};
pub use output::Output;

use crate::config::Environment;
use crate::redact::Redactor;
use crate::{sys, worker};
use args::{Cli, Command};
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::process::ExitCode;

/// The whole program.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // The worker comes first: it must not have a thread, a runtime or a logger.
    if let Some((first, rest)) = arguments.get(1..).and_then(<[OsString]>::split_first)
        && first == worker::wire::WORKER
    {
        // Tests drive the parent's half without a permit through this. It exists in builds with
        // debug assertions alone: a shipped binary has no way around the gate.
        #[cfg(debug_assertions)]
        if rest.first().is_some_and(|role| role == "rehearse") {
            return crate::sandbox::rehearse::run();
        }
        return worker::entry(rest);
    }
    std::panic::set_hook(Box::new(report_panic));
    let outcome = std::panic::catch_unwind(|| {
        let mut out = Output::stdio();
        let mut json = false;
        let result = sys::prepare_process()
            .map_err(|error| CommandError::new(Exit::Failed, "internal", error.to_string()))
            .and_then(|()| dispatch(&arguments, &mut json, &mut out));
        conclude(result, json, &mut out)
    });
    let exit = outcome.unwrap_or(Exit::Failed);
    // FAIL CLOSED: to an agent that waits for an answer, any other code means "go on".
    if exit != Exit::Done && hook::answers_a_hook(&arguments) {
        return Exit::Usage.into();
    }
    exit.into()
}

/// The place of a panic, never its message: a message can hold what the redactor has not seen.
fn report_panic(info: &std::panic::PanicHookInfo<'_>) {
    let place = info.location().map_or_else(String::new, |at| format!(" at {at}"));
    Output::stdio().say(&format!("error: internal: a bug in Ion{place}; nothing more was run"));
}

/// An error is told to people on stderr, and with `--json` to programs on stdout too.
fn conclude(result: Result<Exit, CommandError>, json: bool, out: &mut Output) -> Exit {
    match result {
        Ok(exit) => exit,
        // A reader who left (`| head -1`) knows why there is no more.
        Err(error) if error.is_reader_gone() => Exit::Failed,
        Err(error) => {
            let redactor = Redactor::new(true, Vec::new());
            if json && !error.is_about_output() {
                // It failed already: a second failure has nothing to add.
                let _ = out.line(&redactor.json(&error.to_json()).get().to_string());
            }
            out.say(redactor.text(&error.to_string()).as_str());
            error.exit
        }
    }
}

/// Runs the command; `json` says whether it was called with `--json`.
fn dispatch(
    arguments: &[OsString],
    json: &mut bool,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let environment = Environment::capture();
    if let Some(command) = sandbox::command_line(arguments) {
        return sandbox::run(&command, &environment, out);
    }
    let parsed = Cli::command().try_get_matches_from(arguments).and_then(|matches| {
        *json = asks_for_json(&matches);
        Cli::from_arg_matches(&matches)
    });
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &environment, out),
    };
    let Some(command) = cli.command else {
        return welcome::run(&environment, out);
    };
    match command {
        Command::Tour => tour::run(&environment, out),
        Command::Prompt(args) => prompt::run(&args, &environment, out),
        Command::Policy(command) => policy::start::run(&command, &environment, out),
        Command::Config(command) => config::run(&command, &environment, out),
        Command::Sandbox(command) => sandbox::run(&command, &environment, out),
        Command::Hook(args) => hook::run(&args, &environment, out),
        Command::Trust(args) => trust::run(&args, &environment, out),
        Command::Approvals(command) => approvals::run(&command, &environment, out),
        Command::Redact(args) => redact::run(&args, &environment, out),
        Command::Sessions(command) => sessions::run(&command, &environment, out),
        Command::Audit(command) => start::audit(command, &environment, out),
        Command::Help { topic } => help::run(&topic, &environment, out),
        Command::Completions { shell } => completions(shell, out),
        Command::Man { command } => help::manual(&command, out),
        Command::Version { json } => version(json, out),
    }
}

/// Whether the innermost command was given `--json`.
fn asks_for_json(matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some((_, inner)) => asks_for_json(inner),
        None => matches!(matches.try_get_one::<bool>("json"), Ok(Some(true))),
    }
}

/// Help and version are data; everything else that clap says is wrong usage.
fn usage(
    error: &clap::Error,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let rendered = error.render();
    let plain = environment.get("NO_COLOR").is_some() || environment.get("TERM") == Some("dumb");
    let show = |terminal: bool| match terminal && !plain {
        true => rendered.ansi().to_string(),
        false => rendered.to_string(),
    };
    if error.use_stderr() {
        let text = show(out.err_is_terminal);
        out.say(text.trim_end());
        return Ok(Exit::Usage);
    }
    let text = show(out.out_is_terminal);
    out.data(&text)?;
    Ok(Exit::Done)
}

fn completions(shell: clap_complete::Shell, out: &mut Output) -> Result<Exit, CommandError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ion", &mut text);
    out.data(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}

fn version(json: bool, out: &mut Output) -> Result<Exit, CommandError> {
    let version = env!("CARGO_PKG_VERSION");
    match json {
        true => out.line(&serde_json::json!({"name": "ion", "version": version}).to_string())?,
        false => out.line(&format!("ion-engine {version}"))?,
    }
    Ok(Exit::Done)
}
