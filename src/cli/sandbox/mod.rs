//! `ion sandbox …`: a command in the sandbox, and what the sandbox holds.

mod doctor;
mod explain;
mod preview;
mod run;

use super::args::duration;
use super::{CommandError, Exit, Output};
use crate::config::{Environment, Flags};
use clap::{Args, FromArgMatches};
use std::ffi::OsString;
use std::time::Duration;

/// `ion sandbox`.
#[derive(Debug, clap::Subcommand)]
pub enum SandboxCommand {
    /// Run a command under the confinement that tool calls get.
    Run(RunArgs),
    /// Attack this machine through each backend and tell what got through.
    Doctor(DoctorArgs),
    /// Print what a command would be held by, and run nothing.
    Explain(ExplainArgs),
}

/// `ion sandbox doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code: 0 if the default profile holds here, 1 if not.")]
pub struct DoctorArgs {
    /// One JSON document.
    #[arg(long, conflicts_with = "summary")]
    pub json: bool,
    /// Only the gaps, and what to do about them.
    #[arg(long)]
    pub summary: bool,
}

/// `ion sandbox explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// What to hold it by.
    #[command(flatten)]
    pub terms: TermArgs,
    /// One JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `ion sandbox run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code: the command's own, 128+N after signal N, 124 at the time limit, 126/127 when it \
cannot be started, 2 when the sandbox cannot hold what the profile asks for.

Examples:
  ion sandbox run -- make test
  ion sandbox run --profile strict --timeout 60s -- ./untrusted.sh
  ion sandbox run --preview -- ./migrate.sh
  ion sandbox run --read ~/data --write /srv/out -- python3 convert.py"
)]
pub struct RunArgs {
    /// What to hold it by.
    #[command(flatten)]
    pub terms: TermArgs,
    /// Wall-clock limit, for example 60s, 5m or 2h.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Run it on a copy-on-write view of the workspace without network, show what it would change, and ask
    /// whether to apply exactly that.
    #[arg(long)]
    pub preview: bool,
    /// Apply what the preview shows without asking, if the command succeeded.
    #[arg(long, requires = "preview")]
    pub apply: bool,
    /// The command and its arguments, after `--`.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// What a command is held by.
#[derive(Debug, Clone, clap::Args)]
pub struct TermArgs {
    /// Preset of confinement.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// How to hold it; `auto` is the strongest that works here.
    #[arg(long, value_name = "NAME")]
    pub backend: Option<String>,
    /// A further file or folder to read.
    #[arg(long, value_name = "PATH")]
    pub read: Vec<String>,
    /// A further file or folder to write.
    #[arg(long, value_name = "PATH")]
    pub write: Vec<String>,
    /// `none`, `all`, or the hosts that may be reached: `example.org,*.crates.io,GET api.test/v1`.
    #[arg(long, value_name = "none|all|HOST,…")]
    pub net: Option<String>,
    /// Most memory of all processes together, for example 512M or 2G.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
    /// Most processes and threads.
    #[arg(long, value_name = "N")]
    pub pids: Option<u64>,
    /// Most processor time of all processes together, seconds.
    #[arg(long, value_name = "SECONDS")]
    pub cpu: Option<u64>,
}

impl TermArgs {
    fn flags(&self) -> Flags {
        Flags {
            profile: self.profile.clone(),
            backend: self.backend.clone(),
            read: self.read.clone(),
            write: self.write.clone(),
            network: self.net.clone(),
            memory: self.memory,
            processes: self.pids,
            cpu_seconds: self.cpu,
            ..Flags::default()
        }
    }
}

/// The command of `ion sandbox run …` where it is well-formed, without making the table of all
/// commands: that would take as long as the sandbox. Whatever is odd is left to the whole table.
pub fn command_line(arguments: &[OsString]) -> Option<SandboxCommand> {
    let [_, first, second, rest @ ..] = arguments else { return None };
    if first != "sandbox" || second != "run" {
        return None;
    }
    let table = RunArgs::augment_args(clap::Command::new("run").no_binary_name(true));
    let matches = table.try_get_matches_from(rest).ok()?;
    RunArgs::from_arg_matches(&matches).ok().map(SandboxCommand::Run)
}

/// Runs the command.
///
/// # Errors
/// Wrong usage or configuration, or the sandbox cannot hold what is asked.
pub fn run(
    command: &SandboxCommand,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    match command {
        SandboxCommand::Run(args) => run::run(args, environment, out),
        SandboxCommand::Doctor(args) => doctor::run(args, environment, out),
        SandboxCommand::Explain(args) => explain::run(args, environment, out),
    }
}

/// Parses `1048576`, `64K`, `512M`, `2G` (powers of 1024; an added `B` or `iB` is accepted).
fn size(text: &str) -> Result<u64, String> {
    let wrong = || "expected a size such as 512M or 2G".to_owned();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim_end_matches("iB").trim_end_matches('B');
    let shift = match unit {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        _ => return Err(wrong()),
    };
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit_and_nonsense_is_refused() {
        for (text, bytes) in [("1", 1), ("64K", 65_536), ("2GiB", 2 << 30), ("3MB", 3 << 20)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "G", "-1", "1X", "0", "99999999999T", "1.5G"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
