//! The one immutable result of reading every layer.

use super::origin::Located;
use super::schema::permissions::PermissionLayer;
use crate::model::{AbsPath, Requirement, Source};
use crate::redact::Secret;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The configuration in force. Read-only by type: outside `config` it can be looked at, and
/// neither made, changed nor copied, so no room can loosen what the sealed tier says.
///
/// ```compile_fail
/// fn loosen(mut inforce: ion::config::InForce) {
///     inforce.redaction.enabled.value = false;
/// }
/// ```
#[derive(Debug)]
pub struct InForce(Effective);

impl InForce {
    /// Made at the end of loading, after the sealed tier was met.
    pub(in crate::config) fn of(effective: Effective) -> Self {
        InForce(effective)
    }

    /// For the parts of a configuration that was loaded in part.
    pub(in crate::config) fn into_parts(self) -> Effective {
        self.0
    }
}

impl std::ops::Deref for InForce {
    type Target = Effective;

    fn deref(&self) -> &Effective {
        &self.0
    }
}

/// Configuration after all layers were read and met with the sealed tier. See [`InForce`].
#[derive(Debug)]
pub struct Effective {
    /// Where everything lies.
    pub places: Places,
    /// Whether the user has trusted the workspace.
    pub trusted: bool,
    /// Name of the profile in force.
    pub profile: Located<String>,
    /// `--model` or `defaultModel`.
    pub model: Option<Located<String>>,
    /// `models.json`: tiers and custom models.
    pub models: ModelCatalogue,
    /// Settings of each configured provider, by lower-case id.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// Models and providers that the sealed tier admits.
    pub admitted: Admitted,
    /// Turn, budget and idle limits.
    pub limits: Limits,
    /// Permission blocks, weakest tier first, the profile's own being the builtin one.
    pub permissions: Vec<PermissionLayer>,
    /// Tools removed by policy.
    pub tools: ToolRestrictions,
    /// What every tool call is confined by.
    pub sandbox: SandboxSettings,
    /// Whether and how a model looks at open calls.
    pub classifier: ClassifierSettings,
    /// What is masked.
    pub redaction: RedactionSettings,
    /// Where and how decisions are recorded.
    pub audit: AuditSettings,
    /// How hooks of other agents are answered.
    pub hook: HookSettings,
    /// How a person is reached.
    pub approvals: ApprovalSettings,
    /// Proxy and certificates.
    pub network: NetworkSettings,
    /// Time-outs.
    pub timeouts: Timeouts,
    /// SHA-256 (hex) over every configuration byte that was read, for the audit record.
    pub digest: String,
    /// Keeps the rest of the house from building one by hand.
    pub(in crate::config) _met: Met,
}

/// The sealed tier was met.
#[derive(Debug)]
pub(in crate::config) struct Met;

/// The folders of a run.
#[derive(Debug, Clone)]
pub struct Places {
    /// The working folder, links resolved.
    pub workspace: AbsPath,
    /// The user's home folder, if there is one.
    pub home: Option<AbsPath>,
    /// `~/.ion`: the user's configuration.
    pub config_dir: Option<AbsPath>,
    /// `ION_DATA_DIR` or `~/.ion`: the audit log, transcripts and other state.
    pub data_dir: Option<AbsPath>,
}

/// A list that limits, where "no list" and "an empty list" are different things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowList {
    /// Nobody set a limit.
    Any,
    /// Only these; empty admits nothing.
    Only(BTreeSet<String>),
}

/// Which models and providers may be used.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// `allowedModels`.
    pub models: Located<AllowList>,
    /// `blockedModels`, always wins.
    pub blocked_models: Vec<Located<String>>,
    /// `allowedProviders`.
    pub providers: Located<AllowList>,
}

/// `toolRestrictions`.
#[derive(Debug, Clone)]
pub struct ToolRestrictions {
    /// `toolRestrictions.allow`.
    pub allow: Located<AllowList>,
    /// `toolRestrictions.deny`, beats allow.
    pub deny: Vec<Located<String>>,
}

/// `models.json`.
#[derive(Debug, Clone, Default)]
pub struct ModelCatalogue {
    /// Tier name (lower case) to model id.
    pub tiers: BTreeMap<String, String>,
    /// Model id to the provider that serves it and what is known about it.
    pub custom: BTreeMap<String, CustomModel>,
}

/// One entry of `models.json` `providers.<id>.models`.
#[derive(Debug, Clone, Default)]
pub struct CustomModel {
    /// The provider's id.
    pub provider: String,
    /// Context window in tokens.
    pub context_window: Option<u64>,
    /// US dollars for 1,000 input tokens.
    pub cost_per_1k_input: Option<f64>,
    /// US dollars for 1,000 output tokens.
    pub cost_per_1k_output: Option<f64>,
    /// Largest answer in tokens.
    pub max_output_tokens: Option<u64>,
}

/// `providers.<id>`.
#[derive(Debug, Clone, Default)]
pub struct ProviderSettings {
    /// The key, after looking up a variable name; with the place that named it.
    pub api_key: Option<Located<Secret>>,
    /// Endpoint override.
    pub base_url: Option<Located<String>>,
    /// `bearer`, `x-api-key`, `api-key` or a header name.
    pub auth_header: Option<Located<String>>,
}

/// `limits`. `None` is unlimited.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Model calls in one run.
    pub max_turns: Option<Located<u32>>,
    /// US dollars in one run.
    pub max_budget_usd: Option<Located<f64>>,
    /// Idle time of a daemon session.
    pub idle_timeout: Option<Located<Duration>>,
}

/// `sandbox.network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetworkReach {
    /// `none`.
    Nothing,
    /// `listed`: `sandbox.hosts`.
    Listed,
    /// `all`.
    Everything,
}

/// `sandbox.credentials.NAME`.
#[derive(Debug, Clone)]
pub struct HostCredential {
    /// Its name.
    pub name: String,
    /// Where it goes, as `sandbox.hosts` has it.
    pub host: Located<String>,
    /// The header's name.
    pub header: String,
    /// The header's value; `None` where the variable that it names is not set.
    pub value: Option<Located<Secret>>,
    /// What stands before the value in the header, as `Bearer `.
    pub scheme: String,
}

/// `sandbox`.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    /// The least that must be enforced, and who said so.
    pub requirement: Located<Requirement>,
    /// A backend asked for by name.
    pub backend: Option<Located<String>>,
    /// What calls can reach.
    pub network: Located<NetworkReach>,
    /// What may be reached where hosts are listed.
    pub hosts: Vec<String>,
    /// `network.denyHosts`: what may not be, whatever `hosts` says.
    pub deny_hosts: Vec<String>,
    /// Addresses that are not public and may be reached by a listed name.
    pub addresses: Vec<String>,
    /// Credentials that the proxy adds, by name.
    pub credentials: Vec<HostCredential>,
    /// Folders readable besides the system and the workspace (`~` already expanded).
    pub read: Vec<AbsPath>,
    /// Folders writable besides the workspace.
    pub write: Vec<AbsPath>,
    /// Whether the workspace itself is writable.
    pub workspace_writable: bool,
    /// Names inside the workspace that stay read-only, as relative paths.
    pub protect: Vec<String>,
    /// Paths that are never visible.
    pub hide: Vec<AbsPath>,
    /// Most processes of one call.
    pub processes: Option<u64>,
    /// Largest file that a call may write, bytes.
    pub file_size: Option<u64>,
    /// Most memory of all processes of one call together, bytes.
    pub memory: Option<u64>,
    /// Most processor time of all processes of one command together, seconds.
    pub cpu_seconds: Option<u64>,
}

/// `classifier`.
#[derive(Debug, Clone)]
pub struct ClassifierSettings {
    /// `classifier.enabled`.
    pub enabled: Located<bool>,
    /// The model; `None` is the model of the run.
    pub model: Option<Located<String>>,
    /// Whether its `safe` may answer an ask.
    pub may_allow: Located<bool>,
    /// Whether its `unsafe` refuses the call; otherwise it asks.
    pub deny_unsafe: Located<bool>,
    /// Both stages together.
    pub time_limit: Duration,
    /// US dollars in one run; `None` is unlimited.
    pub max_budget_usd: Option<Located<f64>>,
}

/// `security`.
#[derive(Debug, Clone)]
pub struct RedactionSettings {
    /// `security.redactSecrets`.
    pub enabled: Located<bool>,
    /// `security.redactPii`.
    pub personal: Located<bool>,
    /// `security.redactPatterns`, as written; each was read once already.
    pub patterns: Vec<Located<String>>,
    /// Whether the sealed tier has some of them: no list of exceptions lets one through then. All
    /// of them, because a lower tier's copy of a sealed one is one entry with it.
    pub patterns_sealed: bool,
    /// `security.redactAllow`, likewise; of the sealed tier alone where it demands masking.
    pub allowed: Vec<Located<String>>,
}

/// `audit`.
#[derive(Debug, Clone)]
pub struct AuditSettings {
    /// The log file; `None` without a home folder.
    pub file: Option<AbsPath>,
    /// Whether each record is synced, and not each checkpoint alone.
    pub sync_always: Located<bool>,
    /// `rotateBytes`; `None` is never.
    pub rotate_bytes: Option<u64>,
    /// `rotateHours`; `None` is never.
    pub rotate_hours: Option<u64>,
    /// `keepDays`; `None` is for ever.
    pub keep_days: Option<u64>,
    /// `keySecret`; `None` leaves the signing key plain.
    pub key_secret: Option<Keyed>,
    /// Who else is sent the records.
    pub sinks: Vec<SinkSettings>,
    /// `audit.backlog.policy` `block`: where it is set.
    pub block: Option<Source>,
    /// How many records a required sink may lack before `block` refuses calls.
    pub limit: u64,
    /// Whether runs forward, and not `ion audit forward` alone.
    pub forward_in_runs: bool,
    /// The longest that a run waits at its end.
    pub grace: Duration,
}

/// `audit.sinks.NAME`.
#[derive(Debug, Clone)]
pub struct SinkSettings {
    /// Its name.
    pub name: String,
    /// Where it is set.
    pub source: Source,
    /// `otlp`, `http`, `syslog`, `journald`; empty where nobody said.
    pub kind: String,
    /// The receiver.
    pub url: Option<Located<String>>,
    /// What a line of an HTTP batch is.
    pub format: String,
    /// Authenticates requests.
    pub token: Option<Keyed>,
    /// Where the token goes, as `authHeader` spells it.
    pub token_header: String,
    /// Signs HTTP batches.
    pub signing_key: Option<Keyed>,
    /// Whether an OTLP sink is sent spans too.
    pub traces: bool,
    /// Whether an OTLP sink is sent metrics too.
    pub metrics: bool,
    /// Whether records may go to other machines unencrypted.
    pub insecure: bool,
    /// Whether `block` counts it.
    pub required: bool,
}

/// A secret that a key names.
#[derive(Debug, Clone)]
pub struct Keyed {
    /// The secret, or why there is none.
    pub value: Result<Located<Secret>, String>,
    /// The file that holds it.
    pub file: Option<AbsPath>,
}

/// `hook`.
#[derive(Debug, Clone)]
pub struct HookSettings {
    /// `hook.allowSkipsPrompt`.
    pub allow_skips_prompt: Located<bool>,
}

/// `approvals`.
#[derive(Debug, Clone)]
pub struct ApprovalSettings {
    /// How long a question stays open.
    pub wait: Duration,
    /// Whether the terminal of the run asks.
    pub terminal: Located<bool>,
    /// Whether a host program may answer on standard input.
    pub host: Located<bool>,
    /// Whether `ion approvals` may answer.
    pub folder: Located<bool>,
    /// Whether a command may be tried on a copy before it is approved.
    pub preview: Located<bool>,
    /// Where questions are posted.
    pub webhook: Option<WebhookSettings>,
}

/// `approvals.webhook`.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// The receiver.
    pub url: Located<String>,
    /// Signs both ways; without one nothing is posted.
    pub secret: Option<Located<Secret>>,
    /// Hosts that `url` may name.
    pub allow_hosts: Located<AllowList>,
}

/// `network`.
#[derive(Debug, Clone)]
pub struct NetworkSettings {
    /// Proxy for `http://`.
    pub http_proxy: Option<Located<String>>,
    /// Proxy for `https://`.
    pub https_proxy: Option<Located<String>>,
    /// Hosts reached directly.
    pub no_proxy: Option<Located<String>>,
    /// PEM files trusted besides the system's roots.
    pub custom_ca_certs: Vec<Located<AbsPath>>,
    /// `false` switches certificate checks off.
    pub reject_unauthorized: Located<bool>,
    /// Hosts that no request goes to.
    pub deny_hosts: Vec<Located<String>>,
}

/// `timeouts`.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// A tool other than `Bash`.
    pub tool: Duration,
    /// `Bash` when the call names none.
    pub bash_default: Duration,
    /// The most that a `Bash` call may ask for.
    pub bash_max: Duration,
    /// Silence of a provider stream.
    pub stream_idle: Duration,
}
