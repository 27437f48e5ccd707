//! Bare `ion`: the three first steps, then how this machine stands.

use super::args::Cli;
use super::{CommandError, Exit, Output};
use crate::config::Environment;
use crate::runtime;
use clap::CommandFactory;

/// Prints the page. It works with a broken configuration and without a home folder.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(environment: &Environment, out: &mut Output) -> Result<Exit, CommandError> {
    let mut page = format!(
        "ion {} - runs LLM agents under policy, sandboxed, redacted, audited\n\n\
         Start here, no key needed:\n  \
           ion tour                                   watch the pipeline allow, confine, mask, refuse\n  \
           ion policy check --tool Bash --command 'git push --force'\n  \
           ion config show --origin                   what holds here, and where it comes from\n",
        env!("CARGO_PKG_VERSION")
    );
    let machine = runtime::machine(environment);
    page.push_str(&format!(
        "With a model:  ion prompt --model NAME \"...\"   ({})\n",
        machine.model
    ));
    page.push_str(&format!("This machine:  {}\n\nCommands:\n", machine.summary));
    for command in Cli::command().get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        page.push_str(&format!("  {:<12} {about}\n", command.get_name()));
    }
    page.push_str(&format!("\nHelp topics:  ion help {}\n", super::help::topics().join(" | ")));
    out.data(&page)?;
    Ok(Exit::Done)
}
