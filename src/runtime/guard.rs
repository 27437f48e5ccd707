//! Builds the gate that judges calls of other agents: configuration, rules, audit log, and
//! nothing else. No model, no session, no sandbox, no thread: it is started for every call.

use super::StartError;
use super::account::Account;
use super::backlog::recorder;
use super::start::{compile, load, redactor};
use crate::config::{Environment, Flags};
use crate::gate::{Advisers, Gate, GateParts, Lift, RunsNothing, SystemClock};
use crate::model::{Effects, SessionId, ToolName};
use crate::policy::{CallLimits, Circumstances};
use crate::tool::Registry;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Another agent, as the record names it.
#[derive(Debug)]
pub struct Client<'a> {
    /// `claude`, `codex` or `gemini`.
    pub name: &'a str,
    /// Its conversation.
    pub session: Option<SessionId>,
    /// Whether a person can answer a question.
    pub interactive: bool,
}

/// A gate for one call of another agent, and what the configuration says of the answer.
pub struct Guard {
    /// The gate. It can judge and record, and permits nothing.
    pub gate: Gate,
    /// Whether an allow may skip the agent's own prompt.
    pub allow_skips_prompt: bool,
}

/// Tools of other agents that Ion has rules about and does not offer itself.
const KNOWN: &[(&str, Effects)] = &[
    ("NotebookEdit", Effects::WRITES),
    ("WebFetch", Effects { reads: false, writes: false, executes: false, network: true }),
    ("WebSearch", Effects { reads: false, writes: false, executes: false, network: true }),
];

/// Builds the gate for the project `dir`.
///
/// # Errors
/// [`StartError`]: the caller answers it with a denial.
pub fn guard(
    environment: &Environment,
    flags: Flags,
    dir: &Path,
    client: Client<'_>,
) -> Result<Guard, StartError> {
    let loaded = load(environment, flags, Some(&dir.to_path_buf()))?;
    let effective = &loaded.effective;
    let rules = Arc::new(compile(effective)?);
    let redactor = redactor(effective, environment);
    let audit = super::log::open(effective, environment)?;
    let mut effects = Registry::builtin(&effective.tools).effects();
    effects.extend(KNOWN.iter().map(|(name, effects)| (ToolName::resolve(name), *effects)));
    let agent = format!("guard/{}", client.name);
    let account = Account::here();
    let circumstances = Circumstances {
        interactive: Some(client.interactive),
        user: account.user,
        groups: account.groups,
        ..Circumstances::default()
    };
    let policy_digest = rules.digest().to_owned();
    let gate = Gate::new(GateParts {
        rules,
        sandbox: effective.sandbox.clone(),
        limits: CallLimits::default(),
        audit: recorder(effective, Arc::new(audit)),
        redactor: Arc::new(redactor),
        confiner: Arc::new(RunsNothing),
        session: client.session,
        agent,
        policy_digest,
        restrictions: effective.tools.clone(),
        effects,
        workspace: effective.places.workspace.clone(),
        home: effective.places.home.clone(),
        circumstances,
        advisers: Advisers::default(),
        lift: Lift { hook: false, classifier: false },
        clock: Arc::new(SystemClock::new()),
        trusted_servers: BTreeSet::new(),
    });
    Ok(Guard { gate, allow_skips_prompt: effective.hook.allow_skips_prompt.value })
}
