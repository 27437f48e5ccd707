//! Builds a run, in the order in which things can be missing: configuration, rules, model,
//! credential, audit log, conversation. Nothing is sent and nothing runs before all are there.

use super::StartError;
use super::account::Account;
use super::backlog;
use super::classifier::classifier;
use crate::agent::{Agent, RunError, RunLimits, RunReport};
use crate::approve::{self, Reach};
use crate::audit::{AuditLog, Draft, Kind, query};
use crate::config::{self, Effective, Environment, Flags, LoadRequest, Loaded, SealedSources};
use crate::conversation::{Block, Message};
use crate::event::kinds::SCHEMA_VERSION;
use crate::event::{Event, Sink};
use crate::forward::{self, Forwarder};
use crate::gate::{Advisers, Gate, GateParts, Lift, Place, SystemClock, propose};
use crate::model::{AbsPath, CallId, Effects, SessionId, ToolCall, ToolName};
use crate::policy::{self, Anchors, CallLimits, Circumstances, RuleSet};
use crate::provider::scripted::{Script, Scripted};
use crate::provider::{self, BuildError, BuildSettings, Provider, Route, RouteError};
use crate::redact::{Allowed, Options, Pattern, Redactor, Secret, names_a_secret};
use crate::sandbox::{Sandbox, hosts};
use crate::session::{self, Transcript, transcript};
use crate::tool::Registry;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Where the model comes from.
#[derive(Debug, Clone, Copy)]
pub enum Model<'a> {
    /// Flags and configuration.
    Configured,
    /// A script that the caller brings.
    Script {
        /// What to call it in errors.
        name: &'a str,
        /// The script.
        text: &'a str,
    },
}

/// What a caller asks for.
pub struct StartRequest<'a> {
    /// The environment of the process.
    pub environment: &'a Environment,
    /// Flags of this run.
    pub flags: Flags,
    /// The working folder; the current one when `None`.
    pub dir: Option<PathBuf>,
    /// A conversation to go on with: an id or `latest`.
    pub resume: Option<String>,
    /// Where the model comes from.
    pub model: Model<'a>,
    /// Whether a person at the controlling terminal may be asked.
    pub terminal: bool,
    /// Whether a host program answers questions on standard input.
    pub host: bool,
}

/// Everything that a run needs.
pub struct Runtime {
    loaded: Arc<Loaded>,
    redactor: Arc<Redactor>,
    rules: Arc<RuleSet>,
    audit: Arc<AuditLog>,
    audit_file: AbsPath,
    sinks: Vec<forward::Sink>,
    sandbox: Arc<Sandbox>,
    registry: Registry,
    provider: Box<dyn Provider>,
    route: Route,
    session: SessionId,
    resumed: Option<session::Loaded>,
    warnings: Vec<String>,
    advisers: Advisers,
    /// Questions of dead runs that nobody answered in time.
    expired: Vec<approve::Expired>,
}

/// Reads the configuration of a folder.
///
/// # Errors
/// [`StartError::Folder`] and [`StartError::Config`].
pub fn load(
    environment: &Environment,
    flags: Flags,
    dir: Option<&PathBuf>,
) -> Result<Loaded, StartError> {
    let workspace = workspace(dir)?;
    let sealed = SealedSources::system();
    config::load(&LoadRequest { environment, workspace, flags, sealed }).map_err(StartError::Config)
}

/// Reads what confines a command in a folder.
///
/// # Errors
/// As [`load`].
pub fn load_sandbox(
    environment: &Environment,
    flags: Flags,
    dir: Option<&PathBuf>,
) -> Result<config::SandboxPart, StartError> {
    let workspace = workspace(dir)?;
    let sealed = SealedSources::system();
    config::load_sandbox(&LoadRequest { environment, workspace, flags, sealed })
        .map_err(StartError::Config)
}

/// The working folder, links resolved: the one that was named, or the current one.
///
/// # Errors
/// [`StartError::Folder`].
pub fn workspace(dir: Option<&PathBuf>) -> Result<PathBuf, StartError> {
    let dir = match dir {
        Some(dir) => dir.clone(),
        None => std::env::current_dir().map_err(|error| {
            StartError::Folder(format!("the current folder cannot be used: {error}"))
        })?,
    };
    std::fs::canonicalize(&dir)
        .ok()
        .filter(|dir| dir.is_dir())
        .ok_or_else(|| StartError::Folder(format!("`{}` is not a folder", dir.display())))
}

/// Compiles the rules in force.
///
/// # Errors
/// [`StartError::Policy`], naming file and line.
pub fn compile(effective: &Effective) -> Result<RuleSet, StartError> {
    let anchors = Anchors {
        workspace: effective.places.workspace.clone(),
        home: effective.places.home.clone(),
    };
    policy::compile(&effective.permissions, anchors)
        .map_err(|error| StartError::Policy(error.to_string()))
}

impl Runtime {
    /// Builds a run.
    ///
    /// # Errors
    /// [`StartError`], before any request and any tool.
    pub fn start(request: StartRequest<'_>) -> Result<Self, StartError> {
        let flags = request.flags.clone();
        // Without configuration nobody knows where the log is: this refusal alone has no record.
        let loaded = Arc::new(load(request.environment, flags, request.dir.as_ref())?);
        let environment = request.environment;
        Runtime::build(Arc::clone(&loaded), request).inspect_err(|error| {
            super::log::refused_start(&loaded, environment, error);
        })
    }

    fn build(loaded: Arc<Loaded>, request: StartRequest<'_>) -> Result<Self, StartError> {
        let effective = &loaded.effective;
        let rules = Arc::new(compile(effective)?);
        let redactor = Arc::new(redactor(effective, request.environment));
        get_ready(&rules, &redactor, effective);
        let mut warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        let (provider, route) = choose_model(&request.model, effective, request.environment)?;
        check_budget(effective, &route, &mut warnings)?;
        let classifier = match &request.model {
            Model::Configured => classifier(
                effective,
                request.environment,
                effective.model.as_ref().map(|model| model.value.as_str()),
                &redactor,
            )?,
            // A script that the caller brings is the whole of what is asked.
            Model::Script { .. } => None,
        };
        let audit_file = effective.audit.file.clone().ok_or(StartError::NoHome)?;
        let sinks = forward::sinks(effective, request.environment)?;
        let data_dir = effective.places.data_dir.clone().ok_or(StartError::NoHome)?;
        let attached =
            hosts::attached(&effective.sandbox.credentials).map_err(StartError::Policy)?;
        let sandbox = Sandbox::detect().attaching(attached, hosts::trust(&effective.network));
        let sandbox = Arc::new(sandbox);
        let audit = Arc::new(super::log::open(effective, request.environment)?);
        let conversations = transcript::folder(&data_dir);
        let resumed = match &request.resume {
            None => None,
            Some(wanted) => Some(resume(wanted, &conversations, &redactor)?),
        };
        let session = match &resumed {
            Some(loaded) => loaded.id.clone(),
            None => transcript::new_id().map_err(|error| StartError::Folder(error.to_string()))?,
        };
        let registry = Registry::builtin(&effective.tools);
        let reached = approve::approvers(Reach {
            effective,
            environment: request.environment,
            policy: rules.digest().to_owned(),
            terminal: request.terminal,
            host: request.host,
        })?;
        warnings.extend(reached.warnings);
        let advisers = Advisers {
            preview: effective.approvals.preview.value,
            approvers: reached.approvers,
            patience: reached.patience,
            classifier,
            hooks: Vec::new(),
        };
        Ok(Runtime {
            redactor,
            rules,
            audit,
            audit_file,
            sinks,
            sandbox,
            registry,
            provider,
            route,
            session,
            resumed,
            warnings,
            advisers,
            expired: reached.expired,
            loaded,
        })
    }

    /// Who beside people may answer an ask.
    fn lift(&self) -> Lift {
        let may = self.rules.may_lift();
        let classifier = may.classifier && self.loaded.effective.classifier.may_allow.value;
        Lift { hook: may.hook, classifier }
    }

    /// Runs a prompt to its end.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn run(
        &mut self,
        prompt: &str,
        sink: &mut dyn Sink,
        cancel: CancellationToken,
    ) -> Result<RunReport, RunError> {
        let effective = &self.loaded.effective;
        let changed = self.changed()?;
        self.record(Kind::SessionStart, self.opening())?;
        if let Some(changed) = changed {
            self.record(Kind::PolicyChanged, changed)?;
        }
        for enforcement in &self.loaded.enforcements {
            self.record(Kind::Enforcement, overruled(enforcement))?;
        }
        for question in std::mem::take(&mut self.expired) {
            let body = json!({
                "question": question.id.as_str(), "outcome": "expired", "of_session": question.session,
                "reason": "its run was killed, and nobody answered in time",
            });
            self.record(Kind::Answered, body)?;
        }
        let (history, mut transcript) = match self.resumed.take() {
            Some(loaded) => {
                let transcript = Transcript::reopen(&loaded)?;
                (loaded.messages, transcript)
            }
            None => {
                let data_dir = effective.places.data_dir.as_ref().ok_or_else(no_home)?;
                let folder = transcript::folder(data_dir);
                (Vec::new(), Transcript::create(folder, &self.session, &self.route.model)?)
            }
        };
        sink.emit(&self.session_init()).map_err(RunError::Output)?;
        let account = Account::here();
        let gate = Gate::new(GateParts {
            rules: self.rules.clone(),
            sandbox: effective.sandbox.clone(),
            audit: backlog::recorder(effective, self.audit.clone()),
            redactor: self.redactor.clone(),
            confiner: self.sandbox.clone(),
            session: Some(self.session.clone()),
            limits: call_limits(effective),
            agent: "main".to_owned(),
            policy_digest: self.rules.digest().to_owned(),
            restrictions: effective.tools.clone(),
            effects: self.registry.effects(),
            workspace: effective.places.workspace.clone(),
            home: effective.places.home.clone(),
            circumstances: Circumstances {
                user: account.user,
                groups: account.groups,
                ..Circumstances::default()
            },
            advisers: self.advisers.clone(),
            lift: self.lift(),
            clock: Arc::new(SystemClock::new()),
            trusted_servers: BTreeSet::new(),
        });
        gate.recall(earlier_calls(&history), &effective.places.workspace);
        let agent = Agent {
            provider: self.provider.as_ref(),
            model: self.route.model.clone(),
            info: self.route.info,
            gate: &gate,
            registry: &self.registry,
            sandbox: &self.sandbox,
            redactor: &self.redactor,
            audit: &self.audit,
            session: self.session.clone(),
            cwd: effective.places.workspace.clone(),
            limits: RunLimits {
                max_turns: effective.limits.max_turns.as_ref().map(|limit| limit.value),
                max_budget_usd: effective.limits.max_budget_usd.as_ref().map(|limit| limit.value),
            },
            cancel,
        };
        let prompt = self.redactor.text(prompt);
        let begun = std::time::Instant::now();
        let result = agent.run(history, prompt, &mut transcript, sink).await;
        let mut closing = match &result {
            Ok(report) => {
                transcript.finish(report.complete.usage, report.complete.cost_usd)?;
                json!({
                    "status": report.complete.status,
                    "turns": report.complete.num_turns,
                    "cost_usd": report.complete.cost_usd,
                    "usage": report.complete.usage,
                    "denials": report.complete.permission_denials.len(),
                })
            }
            Err(error) => json!({"status": "failed", "error": error.to_string()}),
        };
        closing["provider"] = json!(self.provider.id());
        closing["model"] = json!(self.route.model);
        closing["duration_ms"] =
            json!(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        match (result, self.record(Kind::SessionEnd, closing)) {
            (Ok(_), Err(error)) => Err(error),
            (result, _) => result,
        }
    }

    fn record(&self, kind: Kind, body: serde_json::Value) -> Result<(), RunError> {
        let draft = Draft {
            kind,
            session: Some(self.session.clone()),
            call_id: None,
            tool: None,
            decision: None,
            body: self.redactor.for_log().json(&body),
        };
        match self.audit.append(&draft) {
            Ok(_) => Ok(()),
            Err(error) => Err(RunError::Audit(error.to_string())),
        }
    }

    fn opening(&self) -> serde_json::Value {
        let effective = &self.loaded.effective;
        let found = self.loaded.files.iter().filter(|file| file.found);
        let files: Vec<_> = found
            .map(|file| json!({"path": file.path, "tier": file.tier, "sha256": file.sha256}))
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "profile": effective.profile.value,
            "profile_source": effective.profile.source.to_string(),
            "policy_digest": self.rules.digest(),
            "config_digest": effective.digest,
            "workspace": effective.places.workspace,
            "trusted": effective.trusted,
            "model": self.route.model,
            "provider": self.route.provider_id,
            "redaction": effective.redaction.enabled.value,
            "requirement": effective.sandbox.requirement.value,
            "files": files,
            "audit": {
                "sync": if effective.audit.sync_always.value { "always" } else { "checkpoint" },
                "keep_days": effective.audit.keep_days,
            },
        })
    }

    /// What differs from the newest run in the same folder, if anything does.
    fn changed(&self) -> Result<Option<serde_json::Value>, RunError> {
        let effective = &self.loaded.effective;
        let workspace = effective.places.workspace.to_string();
        let before = query::newest(&self.audit_file, "session_start", |record| {
            record.text(&["workspace"]) == Some(&workspace)
        });
        let before = before.map_err(|error| RunError::Audit(error.to_string()))?;
        let Some(before) = before else { return Ok(None) };
        let mut body = json!({"workspace": workspace, "since": before.seq});
        let mut differs = false;
        for (key, now) in
            [("policy_digest", self.rules.digest()), ("config_digest", &effective.digest)]
        {
            let then = before.text(&[key]).unwrap_or_default();
            if then != now {
                body[key] = json!({"before": then, "now": now});
                differs = true;
            }
        }
        Ok(differs.then_some(body))
    }

    fn session_init(&self) -> Event {
        Event::SessionInit {
            schema_version: SCHEMA_VERSION,
            session_id: self.session.clone(),
            tools: self.registry.names(),
            removed_tools: self.registry.removed().to_vec(),
            model: self.redactor.text(&self.route.model),
            provider: self.redactor.text(&self.route.provider_id),
            profile: self.redactor.text(&self.loaded.effective.profile.value),
            policy_digest: self.rules.digest().to_owned(),
            mcp_servers: Vec::new(),
            skills: Vec::new(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// Things that a person should know and that stop nothing.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The conversation.
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// Begins to forward the log beside the run, where that is configured.
    pub fn forward(&self, environment: &Environment) -> Option<Forwarder> {
        let wanted = self.loaded.effective.audit.forward_in_runs && !self.sinks.is_empty();
        let (redactor, session) = (Arc::clone(&self.redactor), Some(self.session.clone()));
        let note = || {
            backlog::note(&self.audit_file, &self.loaded.effective, environment, redactor, session)
        };
        wanted.then(|| Forwarder::start(self.sinks.clone(), &self.audit_file, &note()))
    }

    /// The longest that the end of a run waits for forwarding.
    pub fn grace(&self) -> Duration {
        self.loaded.effective.audit.grace
    }

    /// The redactor of this run.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The log file.
    pub fn audit_file(&self) -> &AbsPath {
        &self.audit_file
    }

    /// The profile in force.
    pub fn profile(&self) -> &str {
        &self.loaded.effective.profile.value
    }

    /// The sandbox and the settings it is held to.
    pub fn confinement_summary(&self) -> String {
        super::machine::confinement(&self.sandbox, &self.loaded.effective)
    }
}

/// Builds what the first call and the first text need on another core, while this one goes on
/// and the model is asked: shipped patterns, sensitive paths, kinds of secrets. It judges a call
/// that does nothing and runs nothing. Whoever needs a part that is not ready waits for it.
fn get_ready(rules: &Arc<RuleSet>, redactor: &Arc<Redactor>, effective: &Effective) {
    let (rules, redactor) = (Arc::clone(rules), Arc::clone(redactor));
    let (workspace, home) = (effective.places.workspace.clone(), effective.places.home.clone());
    let work = move || {
        let input = serde_json::Map::from_iter([("command".to_owned(), json!("true"))]);
        let name = ToolName::resolve("Bash");
        let call = ToolCall { id: CallId::new("none"), name, input };
        let circumstances = Circumstances::default();
        let place = Place {
            cwd: &workspace,
            workspace: &workspace,
            home: home.as_ref(),
            circumstances: &circumstances,
        };
        let proposed = propose(call, Some(Effects::EXECUTES), &place);
        drop(policy::evaluate(&rules, &proposed.facts));
        drop(redactor.text("nothing"));
    };
    // Without a thread the same work is done when it is needed.
    let _ = std::thread::Builder::new().name("get-ready".to_owned()).spawn(work);
}

/// The tool calls of a conversation, as far as it is still in the context.
fn earlier_calls(history: &[Message]) -> Vec<ToolCall> {
    let blocks = history.iter().flat_map(|message| &message.content);
    let call = |block: &Block| match block {
        Block::ToolUse { id, name, input } => {
            let input = input.get().as_object().cloned().unwrap_or_default();
            Some(ToolCall { id: id.clone(), name: ToolName::resolve(name.as_str()), input })
        }
        Block::Text { .. } | Block::ToolResult { .. } => None,
    };
    blocks.filter_map(call).collect()
}

fn no_home() -> RunError {
    RunError::Audit(StartError::NoHome.to_string())
}

fn resume(
    wanted: &str,
    folder: &std::path::Path,
    redactor: &Redactor,
) -> Result<session::Loaded, StartError> {
    let unknown =
        || session::SessionError::Unknown { id: wanted.to_owned(), folder: folder.to_path_buf() };
    let id = match wanted {
        "latest" => session::latest(folder),
        id => SessionId::parse(id),
    };
    Ok(session::load(folder, &id.ok_or_else(unknown)?, redactor)?)
}

fn choose_model(
    wanted: &Model<'_>,
    effective: &Effective,
    environment: &Environment,
) -> Result<(Box<dyn Provider>, Route), StartError> {
    if let Model::Script { name, text } = wanted {
        let script = Script::parse(name, text).map_err(|error| unusable("script", &error))?;
        let info = script.info();
        let route = Route { provider_id: "scripted".into(), model: "scripted".into(), info };
        return Ok((Box::new(Scripted::new(script)), route));
    }
    let model = effective.model.as_ref().ok_or_else(|| StartError::NoModel {
        looked_for: "--model, defaultModel in .ion/engine.json, ~/.ion/engine.json, /etc/ion"
            .into(),
    })?;
    let route = provider::resolve(&model.value, effective)
        .map_err(|error: RouteError| unusable(error.code(), &error))?;
    let settings = BuildSettings::of(effective, environment);
    let provider = provider::build(&route, &settings).map_err(|error| match error {
        BuildError::NoCredential { provider, looked_for } => {
            StartError::NoCredential { model: route.model.clone(), provider, looked_for }
        }
        other => unusable(other.code(), &other),
    })?;
    Ok((provider, route))
}

fn unusable(code: &'static str, error: &dyn std::error::Error) -> StartError {
    StartError::Model { code, message: error.to_string(), next: vec!["ion help models".to_owned()] }
}

fn call_limits(effective: &Effective) -> CallLimits {
    CallLimits {
        tool: effective.timeouts.tool,
        bash_default: effective.timeouts.bash_default,
        bash_max: effective.timeouts.bash_max,
        ..CallLimits::default()
    }
}

fn overruled(enforcement: &config::Enforcement) -> serde_json::Value {
    json!({
        "key": enforcement.key,
        "rejected": enforcement.rejected,
        "kept": enforcement.kept,
        "lost": enforcement.lost.to_string(),
        "won": enforcement.won.to_string(),
    })
}

/// A budget on a model without a price could never trip.
fn check_budget(
    effective: &Effective,
    route: &Route,
    warnings: &mut Vec<String>,
) -> Result<(), StartError> {
    let Some(budget) = &effective.limits.max_budget_usd else { return Ok(()) };
    if route.info.prices.is_some() {
        return Ok(());
    }
    let message = format!(
        "the budget of ${} ({}) cannot be kept: no price is known for model `{}`",
        budget.value, budget.source, route.model
    );
    if budget.source.tier == crate::model::Tier::Enterprise {
        return Err(StartError::Model {
            code: "unpriced_model",
            message,
            next: vec!["set costPer1kInput and costPer1kOutput in ~/.ion/models.json".to_owned()],
        });
    }
    warnings.push(message);
    Ok(())
}

/// The redactor that the configuration asks for. It masks what Ion itself knows to be secret.
pub fn redactor(effective: &Effective, environment: &Environment) -> Redactor {
    let known = known_secrets(effective, environment);
    Redactor::with(redaction(effective, effective.redaction.enabled.value), known)
}

/// The same for a filter, where masking is what was asked for: a setting that switches it off
/// for runs is not about that. `more` are values to mask besides.
pub fn filter(
    effective: &Effective,
    environment: &Environment,
    more: Vec<(String, Secret)>,
) -> Redactor {
    let mut known = known_secrets(effective, environment);
    known.extend(more);
    Redactor::with(redaction(effective, true), known)
}

fn redaction(effective: &Effective, enabled: bool) -> Options {
    let written = effective.redaction.patterns.iter();
    // INVARIANT: the check of the configuration refused what cannot be read.
    let fixed = effective.redaction.patterns_sealed;
    let patterns = written.filter_map(|text| Pattern::parse(&text.value).ok());
    let patterns = patterns.map(|own| if fixed { own.fixed() } else { own }).collect();
    let allowed = effective.redaction.allowed.iter();
    let allowed = allowed.filter_map(|text| Allowed::parse(&text.value).ok()).collect();
    Options { enabled, personal: effective.redaction.personal.value, patterns, allowed }
}

/// Values that are secret because of where they stand: provider keys, and variables of this
/// environment whose names say so.
fn known_secrets(effective: &Effective, environment: &Environment) -> Vec<(String, Secret)> {
    let keys = effective.providers.iter().filter_map(|(id, settings)| {
        settings.api_key.as_ref().map(|key| (format!("{id}-key"), key.value.clone()))
    });
    let variables = environment
        .iter()
        .filter(|(name, value)| value.len() >= 8 && names_a_secret(name))
        .map(|(_, value)| ("environment".to_owned(), Secret::new(value.to_owned())));
    let webhook = effective.approvals.webhook.as_ref();
    let webhook = webhook.and_then(|webhook| webhook.secret.as_ref());
    let webhook = webhook.map(|secret| ("webhook-secret".to_owned(), secret.value.clone()));
    // What the proxy adds, a host may send back.
    let added = effective.sandbox.credentials.iter().filter_map(|credential| {
        credential.value.as_ref().map(|v| (credential.name.clone(), v.value.clone()))
    });
    // Receivers of the log may send back what authenticates Ion to them.
    let sinks = effective.audit.sinks.iter().flat_map(|s| s.token.iter().chain(&s.signing_key));
    let sinks = sinks.filter_map(|key| key.value.as_ref().ok());
    let sinks = sinks.map(|key| ("audit-sink".to_owned(), key.value.clone()));
    keys.chain(variables).chain(webhook).chain(added).chain(sinks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_judged_by_whole_words() {
        for secret in ["OPENAI_API_KEY", "GITHUB_TOKEN", "DB_PASSWORD", "MY_APIKEY", "DB_PASSWD"] {
            assert!(names_a_secret(secret), "{secret}");
        }
        for harmless in ["HOME", "KEYBOARD", "MONKEY_BUSINESS", "SSH_AUTH_SOCK", "AUTHOR_NAME"] {
            assert!(!names_a_secret(harmless), "{harmless}");
        }
    }
}
