//! `ion help TOPIC`: offline pages, and the rule or pattern behind an id.

use super::args::Cli;
use super::{CommandError, Exit, Output};
use crate::config::credential::KEY_VARIABLES;
use crate::config::environ::VARIABLES;
use crate::policy::lint;
use clap::CommandFactory;

/// Makes a page when it is asked for.
type Page = fn() -> String;

/// The topics, with the page of each. Pages that list things are made from the things.
const TOPICS: &[(&str, Page)] = &[
    ("models", models),
    ("exit-codes", exit_codes),
    ("env", variables),
    ("files", files),
    ("profiles", profiles),
    ("admins", admins),
    ("guard", guard),
];

/// Prints the page of `topic`; without one, the help of `ion`.
///
/// # Errors
/// An unknown topic, with the nearest ones.
pub fn run(topic: Option<&str>, out: &mut Output) -> Result<Exit, CommandError> {
    let Some(topic) = topic else {
        out.data(&Cli::command().render_help().to_string())?;
        return Ok(Exit::Done);
    };
    if let Some((_, page)) = TOPICS.iter().find(|(name, _)| *name == topic) {
        out.data(&page())?;
        return Ok(Exit::Done);
    }
    let mut table = Cli::command();
    // Gives each command its full name, `ion prompt`.
    table.build();
    if let Some(command) = table.find_subcommand_mut(topic) {
        out.data(&command.render_long_help().to_string())?;
        return Ok(Exit::Done);
    }
    if let Some(page) = crate::policy::describe(topic).or_else(|| lint::describe(topic)) {
        out.data(&page)?;
        return Ok(Exit::Done);
    }
    let names: Vec<&str> = TOPICS.iter().map(|(name, _)| *name).collect();
    Err(CommandError::new(
        Exit::Usage,
        "usage",
        format!("no command, topic or rule is called `{topic}`"),
    )
    .detail(format!("topics: {}", names.join(", ")))
    .detail("rules:  the ids that `ion policy explain` and denials print"))
}

fn models() -> String {
    let mut page = String::from(
        "Ion ships with no default model. Name one for a run, or for good:\n\n  \
           ion prompt --model claude-sonnet-4-6 \"...\"\n  \
           ~/.ion/engine.json:  {\"defaultModel\": \"qwen2.5:14b\", \"providers\": {\"ollama\": {}}}\n\n\
         A name is looked up as a tier of ~/.ion/models.json, then as a model of models.json or\n\
         of the list below, then as PROVIDER/MODEL, then by its prefix. No match is an error.\n\n",
    );
    page.push_str(&crate::provider::catalogue::listing());
    page.push_str("\n  scripted:FILE plays a script (docs/providers.md); `ion tour` plays the built-in one.\n");
    page
}

fn exit_codes() -> String {
    "  0  done\n  1  failed (the provider, the disk, a limit)\n  \
     2  wrong usage or invalid configuration; no model or key; the sandbox cannot hold the profile\n  \
     3  finished, but policy denied a call and --fail-on-deny was given\n\
     124  timed out\n130  interrupted\n"
        .to_owned()
}

fn variables() -> String {
    let mut page =
        String::from("Variables that Ion reads. None of them loosens a sealed policy.\n\n");
    for variable in VARIABLES {
        page.push_str(&format!("  {:<28} {}\n", variable.name, variable.about));
    }
    page.push_str("\nKeys, each for its own provider only:\n\n");
    for (provider, names) in KEY_VARIABLES {
        page.push_str(&format!("  {:<28} {}\n", provider, names.join(", ")));
    }
    page
}

fn files() -> String {
    "  ~/.ion/engine.json, ~/.ion/config.toml      your settings (JSON or TOML, same keys)\n  \
     ~/.ion/models.json                           tiers and models of your own\n  \
     .ion/engine.json, .ion/config.toml           the project's: may tighten, never loosen\n  \
     .ion/config.local.toml                       the project's, yours alone\n  \
     /etc/ion/config.json, /etc/ion/config.d/     the sealed tier: wins over everything\n  \
     ~/.ion/audit/                                the record of decisions\n  \
     ~/.ion/conversations/                        transcripts, redacted\n\n\
     `ion config paths` lists every file that was looked for, and whether it was found.\n"
        .to_owned()
}

fn profiles() -> String {
    let mut page = String::from(
        "Profiles are files (profiles/ in the sources), chosen by --profile or the key `profile`:\n\n",
    );
    for (name, first) in crate::config::schema::profile::summaries() {
        page.push_str(&format!("  {name:<11} {first}\n"));
    }
    page
}

fn admins() -> String {
    "The sealed tier is read from /etc/ion (Linux): config.json, config.toml and config.d/*.\n\
     Each file and folder must belong to root and be writable by root alone; anything else, a\n\
     file that does not parse, or an unknown key stops every command that would run a tool.\n\
     No flag, variable, project or user file loosens what is said there.\n\n  \
       ion config show --origin     what is sealed here, and what it overruled\n  \
       ion config validate FILE     check a policy before it is rolled out\n  \
       enterprise/ in the sources   commented samples\n"
        .to_owned()
}

fn guard() -> String {
    let mut page = String::from(
        "`ion hook claude|codex|gemini` answers another agent's pre-tool hook with Ion's decision:\n\
         the policy of the folder that the agent works in, recorded like Ion's own decisions.\n\n\
         Paste these settings (ion hook AGENT --settings prints one of them alone):\n",
    );
    for (file, settings) in super::hook::all_settings() {
        page.push_str(&format!("\n{file}\n"));
        settings.lines().for_each(|line| page.push_str(&format!("  {line}\n")));
    }
    page.push_str(
        "\nallow leaves the call to the agent's own permissions (--approve or hook.allowSkipsPrompt\n\
         skips its prompt); ask asks where the agent can and a person is there, else it denies;\n\
         deny blocks, and so does every failure. Ion judges these calls; it does not confine them.\n\
         Decisions:  ion audit list --tool Bash     why:  ion policy explain --record N\n",
    );
    page
}
