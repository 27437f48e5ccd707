//! `ion help …` and `ion man`: offline pages, and the rule, pattern or error behind an id.

mod words;

use super::args::Cli;
use super::policy::written;
use super::{CommandError, Exit, Output};
use crate::config::credential::KEY_VARIABLES;
use crate::config::environ::VARIABLES;
use crate::config::{Environment, Flags, nearest};
use crate::model::visible;
use crate::policy::{self, lint};
use crate::runtime::start;
use clap::CommandFactory;
use serde_json::json;

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

/// The names of the topics.
pub fn topics() -> Vec<&'static str> {
    TOPICS.iter().map(|(name, _)| *name).collect()
}

/// Prints the page of what was asked; without anything, the help of `ion`.
///
/// # Errors
/// An unknown topic, with the nearest one.
pub fn run(
    asked: &[String],
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let page = match asked {
        [] => Cli::command().render_help().to_string(),
        [word] => page(word, environment).ok_or_else(|| unknown(word))?,
        path => command(path)
            .map(|mut command| command.render_long_help().to_string())
            .ok_or_else(|| unknown(&path.join(" ")))?,
    };
    out.data(&page)?;
    Ok(Exit::Done)
}

/// The page of one word: a topic, a command, an id.
fn page(word: &str, environment: &Environment) -> Option<String> {
    if let Some((_, page)) = TOPICS.iter().find(|(name, _)| *name == word) {
        return Some(page());
    }
    if let Some(mut command) = command(&[word.to_owned()]) {
        return Some(command.render_long_help().to_string());
    }
    let shipped = policy::describe(word).or_else(|| lint::describe(word));
    // What a profile or a file of this folder says, where they can be read.
    shipped.or_else(|| words::describe(word)).or_else(|| rule_in_force(word, environment))
}

/// The command behind `policy check`, with its full name.
fn command(path: &[String]) -> Option<clap::Command> {
    let mut table = Cli::command();
    // Gives each command its full name, `ion prompt`.
    table.build();
    path.iter().try_fold(table, |table, name| table.find_subcommand(name).cloned())
}

/// The rule or pattern with this id that is in force in this folder, as its file writes it.
fn rule_in_force(id: &str, environment: &Environment) -> Option<String> {
    let loaded = start::load(environment, Flags::default(), None).ok()?;
    let mut page = String::new();
    for layer in &loaded.effective.permissions {
        let rules = layer.rules.iter().map(|rule| {
            (rule.value.id.as_deref(), "rule", json!(rule.value), rule.source.to_string())
        });
        let patterns = layer.dangerous_patterns.iter().map(|danger| {
            let (spec, source) = (&danger.value, danger.source.to_string());
            (spec.id.as_deref(), "dangerous pattern", json!(spec), source)
        });
        for (_, kind, entry, source) in rules.chain(patterns).filter(|(own, ..)| *own == Some(id)) {
            page.push_str(&format!(
                "{id}   {kind}\n  set by    {} policy ({source})\n",
                layer.tier
            ));
            let entry = written(entry);
            for (key, value) in entry.as_object().into_iter().flatten().filter(|(k, _)| *k != "id")
            {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                page.push_str(&format!("  {key:<9} {}\n", visible(&value)));
            }
        }
    }
    (!page.is_empty()).then_some(page)
}

fn unknown(word: &str) -> CommandError {
    let mut known = policy::shipped_ids();
    known.extend(Cli::command().get_subcommands().map(|command| command.get_name().to_owned()));
    let findings = lint::FINDINGS.iter().map(|(id, _)| *id);
    known.extend(topics().into_iter().chain(findings).chain(words::names()).map(str::to_owned));
    let near = nearest(word, known.iter().map(String::as_str));
    let error = CommandError::new(
        Exit::Usage,
        "usage",
        format!("no command, topic, rule or error is called `{word}`"),
    );
    let error = near.into_iter().fold(error, |error, near| {
        error.detail(format!("tip: did you mean `{near}`?   ion help {near}"))
    });
    error
        .detail(format!("topics: {}", topics().join(", ")))
        .detail("rules:  the ids that `ion policy explain` and denials print")
}

/// Prints the manual page of Ion, or of the command that `path` names.
///
/// # Errors
/// There is no such command.
pub fn manual(path: &[String], out: &mut Output) -> Result<Exit, CommandError> {
    let command = command(path).ok_or_else(|| unknown(&path.join(" ")))?;
    let mut text = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut text)
        .map_err(|error| CommandError::new(Exit::Failed, "internal", error.to_string()))?;
    out.data(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
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
       ion config show --origin                  what is sealed here, and what it overruled\n  \
       ion config validate --sealed FILE         check a policy before it is rolled out\n  \
       ion policy lint --tier enterprise FILE    what is odd about its rules\n  \
       ion policy diff OLD NEW --replay          what it would change for recorded calls\n  \
       enterprise/ in the sources                commented samples\n"
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
