//! Turns the settings in force into one [`Effective`]. Decides nothing that is not derived
//! from several keys: the requirement of the sandbox, and which provider keys are found.

use super::credential::{ENDPOINT_VARIABLES, KEY_VARIABLES, from_environment, written};
use super::effective::{
    Admitted, AllowList, ApprovalSettings, AuditSettings, ClassifierSettings, Effective,
    HookSettings, HostCredential, Limits, Met, NetworkReach, NetworkSettings, Places,
    ProviderSettings, RedactionSettings, SandboxSettings, Timeouts, ToolRestrictions,
    WebhookSettings,
};
use super::environ::Environment;
use super::layers::{Held, Settings};
use super::origin::Located;
use super::problem::Warning;
use super::schema::timeouts::NO_LIMIT;
use super::sealed::Enforcement;
use super::value::{KeyPath, Value};
use crate::model::{AbsPath, Requirement, Source, Tier};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Reads typed values out of the settings in force.
pub(super) struct View<'a>(pub(super) &'a Settings);

impl View<'_> {
    pub(super) fn held(&self, key: &str) -> Option<&Held> {
        self.0.get(&KeyPath::plain(key))
    }

    pub(super) fn text(&self, key: &str) -> Option<Located<String>> {
        self.text_at(&KeyPath::plain(key))
    }

    pub(super) fn text_at(&self, path: &KeyPath) -> Option<Located<String>> {
        let setting = &self.0.get(path)?.setting;
        match &setting.value {
            Value::Text(text) => Some(Located::new(text.clone(), setting.source.clone())),
            _ => None,
        }
    }

    /// A flag; `strict` stands when nobody said anything.
    pub(super) fn flag(&self, key: &str, strict: bool) -> Located<bool> {
        match self.held(key).map(|held| &held.setting) {
            Some(setting) => {
                let value = if let Value::Flag(flag) = setting.value { flag } else { strict };
                Located::new(value, setting.source.clone())
            }
            None => Located::new(strict, built_in()),
        }
    }

    pub(super) fn whole(&self, key: &str) -> Option<Located<u64>> {
        let setting = &self.held(key)?.setting;
        match setting.value {
            Value::Whole(whole) => {
                Some(Located::new(u64::try_from(whole).unwrap_or(0), setting.source.clone()))
            }
            _ => None,
        }
    }

    /// A whole number; `None` where somebody said that there is no limit.
    pub(super) fn whole_or(&self, key: &str, default: u64) -> Option<u64> {
        match self.held(key).map(|held| &held.setting.value) {
            Some(Value::Whole(whole)) => Some(u64::try_from(*whole).unwrap_or(0)),
            Some(Value::Unlimited) => None,
            _ => Some(default),
        }
    }

    pub(super) fn millis(&self, key: &str, default: Duration) -> Duration {
        match self.held(key).map(|held| &held.setting.value) {
            Some(Value::Whole(ms)) => {
                Duration::from_millis(u64::try_from(*ms).unwrap_or(0)).min(NO_LIMIT)
            }
            Some(Value::Unlimited) => NO_LIMIT,
            _ => default,
        }
    }

    fn items(&self, key: &str) -> Vec<Located<String>> {
        match self.held(key).map(|held| &held.setting.value) {
            Some(Value::Texts(items)) => items.clone(),
            _ => Vec::new(),
        }
    }

    fn paths(&self, key: &str) -> Vec<AbsPath> {
        self.items(key).iter().filter_map(|item| AbsPath::new(&item.value)).collect()
    }

    fn allow_list(&self, key: &str) -> Located<AllowList> {
        match self.held(key).map(|held| &held.setting) {
            Some(setting) => {
                let list = match &setting.value {
                    Value::Texts(items) => {
                        AllowList::Only(items.iter().map(|item| item.value.clone()).collect())
                    }
                    _ => AllowList::Any,
                };
                Located::new(list, setting.source.clone())
            }
            None => Located::new(AllowList::Any, built_in()),
        }
    }
}

pub(super) fn built_in() -> Source {
    Source::new(Tier::Builtin, "built in")
}

/// What the lower tiers ask of the sandbox. `enabled: false` asks for nothing, unless a later
/// layer names a minimum; `enabled: true` asks for rules at least.
pub(super) fn requirement(settings: &Settings) -> Located<Requirement> {
    let view = View(settings);
    let (minimum, minimum_order, minimum_source) = match view.held("sandbox.minimum") {
        Some(held) => (word(&held.setting.value), held.order, held.setting.source.clone()),
        None => (Requirement::Rules, 0, built_in()),
    };
    let mut result = Located::new(minimum, minimum_source);
    if let Some(enabled) = view.held("sandbox.enabled") {
        let source = enabled.setting.source.clone();
        match enabled.setting.value {
            Value::Flag(false) if minimum_order <= enabled.order => {
                result = Located::new(Requirement::Open, source);
            }
            Value::Flag(true) if minimum == Requirement::Open && minimum_order <= enabled.order => {
                result = Located::new(Requirement::Rules, source);
            }
            _ => {}
        }
    }
    for (key, strict) in [("sandbox.required", true), ("sandbox.allowDisable", false)] {
        let said = view.flag(key, !strict);
        if said.value == strict && result.value < Requirement::Rules {
            result = Located::new(Requirement::Rules, said.source);
        }
    }
    result
}

fn word(value: &Value) -> Requirement {
    match value {
        Value::Text(text) if text == "open" => Requirement::Open,
        Value::Text(text) if text == "rules" => Requirement::Rules,
        // FAIL CLOSED: anything else is the strictest.
        _ => Requirement::View,
    }
}

/// What the sealed tier asks of the sandbox. `usual` is what holds when nobody disables it.
pub(super) fn sealed_requirement(
    sealed: &Settings,
    usual: Requirement,
) -> Option<Located<Requirement>> {
    let view = View(sealed);
    let mut floors = Vec::new();
    for (key, strict, level) in [
        ("sandbox.enabled", true, Requirement::Rules),
        ("sandbox.required", true, Requirement::Rules),
        ("sandbox.allowDisable", false, usual.max(Requirement::Rules)),
    ] {
        if let Some(held) = view.held(key)
            && matches!(held.setting.value, Value::Flag(said) if said == strict)
        {
            floors.push(Located::new(level, held.setting.source.clone()));
        }
    }
    if let Some(held) = view.held("sandbox.minimum") {
        floors.push(Located::new(word(&held.setting.value), held.setting.source.clone()));
    }
    floors.into_iter().max_by_key(|floor| floor.value)
}

/// What `resolve` needs besides the settings.
pub(super) struct Parts<'a> {
    pub(super) places: Places,
    pub(super) trusted: bool,
    pub(super) profile: Located<String>,
    pub(super) requirement: Located<Requirement>,
    pub(super) models: super::effective::ModelCatalogue,
    pub(super) permissions: Vec<super::schema::permissions::PermissionLayer>,
    /// Provider ids that a counting layer names, even with an empty object.
    pub(super) provider_ids: BTreeSet<String>,
    pub(super) environment: &'a Environment,
    pub(super) digest: String,
}

/// Where Ion keeps what it goes by. A folder that holds the workspace cannot be hidden whole.
fn own_places(places: &Places, audit: &AuditSettings) -> Vec<AbsPath> {
    let whole = |folder: &AbsPath| !places.workspace.is_within(folder);
    let mut found = Vec::new();
    for folder in places.data_dir.iter().chain(&places.config_dir) {
        if whole(folder) {
            found.push(folder.clone());
        } else {
            let parts = ["approvals", "audit", "conversations", "trust.json"];
            found.extend(parts.iter().filter_map(|part| folder.join(part)));
        }
    }
    // Who can read a key can sign and send records of his own.
    let keys = audit.sinks.iter().flat_map(|sink| sink.token.iter().chain(&sink.signing_key));
    found.extend(keys.chain(&audit.key_secret).filter_map(|key| key.file.clone()));
    if let Some(file) = &audit.file {
        match file.parent().filter(|folder| whole(folder)) {
            Some(folder) => found.push(folder),
            None => {
                found.push(file.clone());
                let beside = [".head", ".checkpoints", ".key", ".retired", ".hold"];
                let beside = beside.map(str::to_owned).into_iter();
                // Closed files that a run from another folder left; a run from here begins none.
                found.extend(closed_files(file));
                // Who moves the cursor of a sink keeps records from it.
                let sinks = audit.sinks.iter();
                let sent = sinks
                    .flat_map(|s| ["", ".new", ".lock"].map(|e| format!(".sent-{}{e}", s.name)));
                found.extend(
                    beside.chain(sent).filter_map(|end| AbsPath::new(format!("{file}{end}"))),
                );
            }
        }
    }
    found
}

/// The files beside the log whose name is its own and a number.
fn closed_files(log: &AbsPath) -> Vec<AbsPath> {
    let (Some(folder), Some(name)) = (log.parent(), log.as_path().file_name()) else {
        return Vec::new();
    };
    let stem = format!("{}.", name.to_string_lossy());
    let entries = std::fs::read_dir(folder.as_path()).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let numbered = names.filter(|name| {
        name.strip_prefix(&stem).is_some_and(|end| end.bytes().all(|b| b.is_ascii_digit()))
    });
    numbered.filter_map(|name| folder.join(&name)).collect()
}

/// Builds the result.
pub(super) fn resolve(
    settings: &Settings,
    parts: Parts<'_>,
    warnings: &mut Vec<Warning>,
    enforcements: &mut Vec<Enforcement>,
) -> Effective {
    let view = View(settings);
    let admitted = Admitted {
        models: view.allow_list("allowedModels"),
        blocked_models: view.items("blockedModels"),
        providers: view.allow_list("allowedProviders"),
    };
    let mut providers = providers(&view, &parts, warnings);
    prune(&mut providers, &admitted.providers, enforcements);
    let network = match view.text("sandbox.network") {
        Some(word) => {
            let reach = match word.value.as_str() {
                "all" => NetworkReach::Everything,
                "listed" => NetworkReach::Listed,
                _ => NetworkReach::Nothing,
            };
            Located::new(reach, word.source)
        }
        None => Located::new(NetworkReach::Nothing, built_in()),
    };
    let texts = |key| view.items(key).into_iter().map(|item| item.value).collect::<Vec<_>>();
    let audit_file = match view.text("audit.file") {
        Some(text) => {
            // Never the workspace: what an agent may write cannot be evidence.
            let base = parts.places.data_dir.clone().or_else(|| AbsPath::new("/"));
            base.and_then(|base| {
                super::places::expand(&text.value, &base, parts.places.home.as_ref())
            })
        }
        None => parts.places.data_dir.as_ref().and_then(|dir| dir.join("audit/audit.jsonl")),
    };
    let approvals = approvals(&view, parts.environment, warnings);
    let audit = super::sinks::audit(&view, audit_file, &parts.places, parts.environment);
    let mut hide = view.paths("sandbox.hide");
    hide.extend(view.paths("sandbox.additionalDenyPaths"));
    // What a tool could read or forge there decides about later calls: state and settings of Ion
    // are out of sight, wherever they were moved to.
    hide.extend(own_places(&parts.places, &audit));
    hide.sort();
    hide.dedup();
    Effective {
        trusted: parts.trusted,
        profile: parts.profile,
        model: view.text("defaultModel"),
        models: parts.models,
        admitted,
        limits: limits(&view),
        permissions: parts.permissions,
        tools: ToolRestrictions {
            allow: view.allow_list("toolRestrictions.allow"),
            deny: view.items("toolRestrictions.deny"),
        },
        sandbox: SandboxSettings {
            requirement: parts.requirement,
            backend: view.text("sandbox.backend"),
            network,
            hosts: texts("sandbox.hosts"),
            deny_hosts: texts("network.denyHosts"),
            addresses: texts("sandbox.addresses"),
            credentials: host_credentials(&view, parts.environment, warnings),
            read: view.paths("sandbox.read"),
            write: view.paths("sandbox.write"),
            workspace_writable: view.flag("sandbox.workspaceWritable", false).value,
            protect: view.items("sandbox.protect").into_iter().map(|item| item.value).collect(),
            hide,
            processes: view.whole("sandbox.processes").map(|n| n.value),
            file_size: view.whole("sandbox.fileSize").map(|n| n.value),
            memory: view.whole("sandbox.memory").map(|n| n.value),
            cpu_seconds: view.whole("sandbox.cpuSeconds").map(|n| n.value),
        },
        classifier: classifier(&view),
        redaction: RedactionSettings {
            enabled: view.flag("security.redactSecrets", true),
            personal: view.flag("security.redactPii", false),
            patterns: view.items("security.redactPatterns"),
            patterns_sealed: is_sealed(&view, "security.redactPatterns"),
            allowed: redaction_allowed(&view),
        },
        audit,
        hook: HookSettings { allow_skips_prompt: view.flag("hook.allowSkipsPrompt", false) },
        approvals,
        network: network_settings(&view, parts.environment),
        timeouts: Timeouts {
            tool: view.millis("timeouts.toolDefaultMs", Duration::from_secs(3600)),
            bash_default: view.millis("timeouts.bashDefaultMs", Duration::from_secs(120)),
            bash_max: view.millis("timeouts.bashMaxMs", Duration::from_secs(600)),
            stream_idle: view.millis("timeouts.streamIdleMs", Duration::from_secs(90)),
        },
        providers,
        places: parts.places,
        digest: parts.digest,
        _met: Met,
    }
}

/// `sandbox.credentials`. One without a place has none to go to.
fn host_credentials(
    view: &View<'_>,
    environment: &Environment,
    warnings: &mut Vec<Warning>,
) -> Vec<HostCredential> {
    let names: BTreeSet<String> = view
        .0
        .keys()
        .filter(|path| path.0.len() == 4 && path.0[0] == "sandbox" && path.0[1] == "credentials")
        .map(|path| path.0[2].clone())
        .collect();
    let mut found = Vec::new();
    for name in names {
        let at =
            |key: &str| KeyPath(["sandbox", "credentials", &name, key].map(str::to_owned).to_vec());
        let Some(host) = view.text_at(&at("host")) else { continue };
        let value = view.0.get(&at("value")).and_then(|held| match &held.setting.value {
            Value::Secret(secret) => {
                let key = at("value").to_string();
                written(&key, secret, &held.setting.source, environment, warnings)
            }
            _ => None,
        });
        let text = |key: &str| view.text_at(&at(key)).map(|text| text.value);
        found.push(HostCredential {
            header: text("header").unwrap_or_else(|| "authorization".to_owned()),
            scheme: text("scheme").unwrap_or_default(),
            name,
            host,
            value,
        });
    }
    found
}

fn is_sealed(view: &View<'_>, key: &str) -> bool {
    view.held(key).is_some_and(|held| held.sealed)
}

/// INVARIANT (what the sealed tier demands cannot be hollowed out): where it demands masking, only
/// its own list of exceptions counts.
fn redaction_allowed(view: &View<'_>) -> Vec<Located<String>> {
    let mut masking = ["security.redactSecrets", "security.redactPii"].iter();
    let demanded = masking.any(|key| is_sealed(view, key) && view.flag(key, false).value);
    match demanded && !is_sealed(view, "security.redactAllow") {
        true => Vec::new(),
        false => view.items("security.redactAllow"),
    }
}

fn classifier(view: &View<'_>) -> ClassifierSettings {
    let deny_unsafe = match view.text("classifier.onUnsafe") {
        Some(word) => Located::new(word.value != "ask", word.source),
        None => Located::new(false, built_in()),
    };
    ClassifierSettings {
        enabled: view.flag("classifier.enabled", false),
        model: view.text("classifier.model"),
        may_allow: view.flag("classifier.mayAllow", false),
        deny_unsafe,
        time_limit: view.millis("classifier.timeoutMs", Duration::from_secs(15)),
        max_budget_usd: amount(view, "classifier.maxBudgetUsd"),
    }
}

fn amount(view: &View<'_>, key: &str) -> Option<Located<f64>> {
    let setting = &view.held(key)?.setting;
    match setting.value {
        Value::Amount(usd) => Some(Located::new(usd, setting.source.clone())),
        _ => None,
    }
}

fn limits(view: &View<'_>) -> Limits {
    let turns = view.whole("limits.maxTurns");
    let idle = view.whole("limits.idleTimeoutMs");
    Limits {
        max_turns: turns
            .map(|n| Located::new(u32::try_from(n.value).unwrap_or(u32::MAX), n.source)),
        max_budget_usd: amount(view, "limits.maxBudgetUsd"),
        idle_timeout: idle.map(|n| Located::new(Duration::from_millis(n.value), n.source)),
    }
}

fn approvals(
    view: &View<'_>,
    environment: &Environment,
    warnings: &mut Vec<Warning>,
) -> ApprovalSettings {
    let key = "approvals.webhook.secret";
    let secret = view.held(key).and_then(|held| match &held.setting.value {
        Value::Secret(secret) => written(key, secret, &held.setting.source, environment, warnings),
        _ => None,
    });
    let otherwise = |key: &str, value: bool| match view.held(key) {
        // FAIL CLOSED: the strict side of both flags is `false`.
        Some(_) => view.flag(key, false),
        None => Located::new(value, built_in()),
    };
    ApprovalSettings {
        wait: view.millis("approvals.waitMs", Duration::from_secs(300)),
        terminal: otherwise("approvals.terminal", true),
        host: otherwise("approvals.host", true),
        folder: otherwise("approvals.folder", false),
        preview: otherwise("approvals.preview", true),
        webhook: view.text("approvals.webhook.url").map(|url| WebhookSettings {
            url,
            secret,
            allow_hosts: view.allow_list("approvals.webhook.allowHosts"),
        }),
    }
}

fn network_settings(view: &View<'_>, environment: &Environment) -> NetworkSettings {
    // A sealed proxy has no exceptions that a variable could add.
    let keys = ["network.proxy.httpProxy", "network.proxy.httpsProxy", "network.proxy.noProxy"];
    let sealed = keys.iter().any(|key| view.held(key).is_some_and(|held| held.sealed));
    let or_variable = |key: &str, names: [&str; 2]| {
        view.text(key).or_else(|| {
            if sealed {
                return None;
            }
            let (name, text) = names.iter().find_map(|n| Some((*n, environment.get(n)?)))?;
            Some(Located::new(text.to_owned(), Source::new(Tier::Environment, name)))
        })
    };
    let certificates = view.items("network.customCaCerts").into_iter();
    NetworkSettings {
        http_proxy: or_variable("network.proxy.httpProxy", ["HTTP_PROXY", "http_proxy"]),
        https_proxy: or_variable("network.proxy.httpsProxy", ["HTTPS_PROXY", "https_proxy"]),
        no_proxy: or_variable("network.proxy.noProxy", ["NO_PROXY", "no_proxy"]),
        custom_ca_certs: certificates
            .filter_map(|item| Some(Located::new(AbsPath::new(&item.value)?, item.source)))
            .collect(),
        reject_unauthorized: view.flag("network.rejectUnauthorized", true),
        deny_hosts: view.items("network.denyHosts"),
    }
}

fn providers(
    view: &View<'_>,
    parts: &Parts<'_>,
    warnings: &mut Vec<Warning>,
) -> BTreeMap<String, ProviderSettings> {
    let mut ids = parts.provider_ids.clone();
    let sealed = view.0.keys().filter(|path| path.0.len() == 3 && path.0[0] == "providers");
    ids.extend(sealed.map(|path| path.0[1].clone()));
    // Foundry also takes Anthropic's key, which alone does not mean that anybody uses Foundry.
    let named = |id: &&str| {
        *id != "foundry" || parts.environment.get("ANTHROPIC_FOUNDRY_BASE_URL").is_some()
    };
    let known = KEY_VARIABLES.iter().map(|(id, _)| *id).filter(named);
    ids.extend(
        known.filter(|id| from_environment(id, parts.environment).is_some()).map(str::to_owned),
    );
    let mut providers = BTreeMap::new();
    for id in ids {
        let at = |key: &str| KeyPath(vec!["providers".to_owned(), id.clone(), key.to_owned()]);
        let explicit = view.0.get(&at("apiKey")).and_then(|held| match &held.setting.value {
            Value::Secret(secret) => {
                let key = at("apiKey").to_string();
                written(&key, secret, &held.setting.source, parts.environment, warnings)
            }
            _ => None,
        });
        let endpoint = ENDPOINT_VARIABLES.iter().find(|(known, _)| *known == id);
        let base_url = view.text_at(&at("baseURL")).or_else(|| {
            let (_, name) = endpoint?;
            let text = parts.environment.get(name)?.to_owned();
            Some(Located::new(text, Source::new(Tier::Environment, *name)))
        });
        let settings = ProviderSettings {
            api_key: explicit.or_else(|| from_environment(&id, parts.environment)),
            base_url,
            auth_header: view.text_at(&at("authHeader")),
        };
        providers.insert(id, settings);
    }
    providers
}

/// Providers that the allow-list does not name are gone, with their keys.
fn prune(
    providers: &mut BTreeMap<String, ProviderSettings>,
    admitted: &Located<AllowList>,
    enforcements: &mut Vec<Enforcement>,
) {
    let AllowList::Only(names) = &admitted.value else { return };
    providers.retain(|id, settings| {
        let kept = names.contains(id);
        if !kept && admitted.source.tier == Tier::Enterprise {
            let key = settings.api_key.as_ref().map(|key| key.source.clone());
            let lost = key.or_else(|| settings.base_url.as_ref().map(|url| url.source.clone()));
            enforcements.push(Enforcement {
                key: format!("providers.{id}"),
                rejected: id.clone(),
                kept: "not allowed by allowedProviders".to_owned(),
                lost: lost.unwrap_or_else(built_in),
                won: admitted.source.clone(),
            });
        }
        kept
    });
}
