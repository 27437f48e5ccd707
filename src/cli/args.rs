//! The argument table: help, completions, man page and parsing all come from here.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// `ion`, as typed.
#[derive(Debug, Parser)]
#[command(
    name = "ion",
    version,
    about = "Runs LLM agents under policy: gated, sandboxed, redacted, audited.",
    disable_help_subcommand = true,
    subcommand_help_heading = "Commands",
    after_help = format!("See `ion help TOPIC` for: {}.", super::help::topics().join(", "))
)]
pub struct Cli {
    /// What to do; without one, the first steps are shown.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands, in the order that a newcomer meets them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch the pipeline allow, confine, mask and refuse; no key, no network.
    Tour,
    /// Run one prompt to its end, in this process.
    Prompt(Box<PromptArgs>),
    /// Ask what policy says about a call, without running it.
    #[command(subcommand)]
    Policy(super::policy::PolicyCommand),
    /// Show, check and locate the configuration.
    #[command(subcommand)]
    Config(super::config::ConfigCommand),
    /// Run a command in the sandbox, and see what the sandbox holds.
    #[command(subcommand)]
    Sandbox(super::sandbox::SandboxCommand),
    /// Answer another agent's hook with Ion's decision.
    Hook(super::hook::HookArgs),
    /// Trust a folder's own settings, or look at what that would switch on.
    Trust(super::trust::TrustArgs),
    /// Answer questions of runs that wait for a person.
    #[command(subcommand)]
    Approvals(super::approvals::ApprovalsCommand),
    /// Copy standard input to standard output with secrets masked.
    Redact(super::redact::RedactArgs),
    /// Mask what conversations on disk hold.
    #[command(subcommand)]
    Sessions(super::sessions::SessionsCommand),
    /// Read and verify the record of decisions.
    #[command(subcommand)]
    Audit(super::audit::AuditCommand),
    /// Offline help on a command, a topic, or the id of a rule or an error.
    Help {
        /// A command with its subcommands, a topic, or the id of a rule, a finding or an error.
        topic: Vec<String>,
    },
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page of Ion, or of one command.
    Man {
        /// The command with its subcommands, such as `policy check`.
        command: Vec<String>,
    },
    /// Print the version of the engine.
    Version {
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
}

/// `ion prompt`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ion prompt --model claude-sonnet-4-6 \"What does this repository do?\"
  git diff | ion prompt --model fast \"Review this change\"
  ion prompt --output json \"List the tests\" | jq -r .result
  ion prompt --model scripted:./script.toml \"Play my script\"")]
pub struct PromptArgs {
    /// The prompt; several words are joined. `-` reads standard input to its end.
    pub text: Vec<String>,
    /// Model id or tier of models.json; `scripted:FILE` plays a script.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Most model calls; 0 is unlimited.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub max_turns: Option<i64>,
    /// Most US dollars.
    #[arg(long, value_name = "USD", value_parser = dollars, allow_negative_numbers = true)]
    pub max_budget: Option<f64>,
    /// What standard output carries.
    #[arg(long, value_enum, default_value_t = OutputMode::Text, value_name = "MODE")]
    pub output: OutputMode,
    /// Wall-clock limit, for example 60s, 5m or 2h.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Preset of rules and confinement.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Read answers to questions from standard input, one JSON object a line: for a program that
    /// runs Ion and reads its events (docs/approvals.md).
    #[arg(long)]
    pub answers: bool,
    /// Exit with 3 when policy denied at least one call.
    #[arg(long)]
    pub fail_on_deny: bool,
    /// Go on with a conversation: its id, or `latest`.
    #[arg(long, value_name = "ID|latest")]
    pub resume: Option<String>,
    /// Working folder of the tools.
    #[arg(long, short = 'C', value_name = "PATH")]
    pub dir: Option<PathBuf>,
}

/// What standard output carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputMode {
    /// The answer as it streams.
    Text,
    /// One JSON document at the end.
    Json,
    /// One JSON event a line.
    StreamJson,
}

fn dollars(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("expected an amount of US dollars such as 0.50".to_owned()),
    }
}

/// Parses `500ms`, `60s`, `5m`, `2h`, or bare seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time such as 500ms, 60s, 5m or 2h".to_owned();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    milliseconds.filter(|ms| *ms > 0).map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_argument_table_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read_with_their_unit_and_nonsense_is_refused() {
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "s", "-1s", "1d", "0", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["NaN", "-1", "inf", "x"] {
            assert!(dollars(bad).is_err(), "{bad}");
        }
    }
}
