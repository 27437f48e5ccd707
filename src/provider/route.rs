//! Who serves a model, and whether policy admits it.
//!
//! Order: tier alias, exact entry (`models.json`, then built in), `provider/model`, beginning
//! of the name, and else a hard error. Never falls back to another model: a policy product
//! must not switch models silently. INVARIANT (admitted after resolved): the enterprise lists
//! are compared with the resolved id, so an alias cannot get around them. Read
//! [`super::build()`] next.

use super::scripted::{Script, ScriptError};
use super::{catalogue, identity};
use crate::config::Effective;
use crate::config::effective::ProviderSettings;
use crate::config::effective::{Admitted, AllowList, CustomModel, ModelCatalogue};
use crate::model::{Source, Tier};
use std::collections::BTreeMap;

/// The context window assumed for a model that nobody described, in tokens.
pub const DEFAULT_WINDOW: u64 = 200_000;

/// US dollars for 1,000 tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// Uncached input.
    pub input: f64,
    /// Output.
    pub output: f64,
    /// Input written to the cache.
    pub cache_write: f64,
    /// Input read from the cache.
    pub cache_read: f64,
}

impl Prices {
    /// Prices with the usual ones for the cache: 1.25 and 0.1 times the input.
    pub const fn per_1k(input: f64, output: f64) -> Self {
        Prices { input, output, cache_write: input * 1.25, cache_read: input * 0.1 }
    }
}

/// What is known about a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelInfo {
    /// Tokens that fit into a conversation.
    pub context_window: u64,
    /// `None` when no price is known, which is not the same as free.
    pub prices: Option<Prices>,
    /// Largest answer in tokens, where it is known.
    pub max_output: Option<u64>,
}

impl Default for ModelInfo {
    fn default() -> Self {
        ModelInfo { context_window: DEFAULT_WINDOW, prices: None, max_output: None }
    }
}

/// A resolved and admitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The provider's canonical id.
    pub provider_id: String,
    /// The model's id as the provider knows it.
    pub model: String,
    /// What is known about it.
    pub info: ModelInfo,
}

/// Why a model name leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Nobody serves it.
    #[error(
        "no provider found for model \"{model}\": list it in models.json \
         (providers.<id>.models) or name a provider of engine.json in front \
         (<provider>/<model>)"
    )]
    NoProvider {
        /// The resolved name.
        model: String,
    },
    /// The sealed tier does not admit the model.
    #[error("model \"{model}\" not allowed by {owner} policy ({key}, {source_place})")]
    ModelNotAllowed {
        /// The resolved id.
        model: String,
        /// `allowedModels` or `blockedModels`.
        key: &'static str,
        /// The tier whose list it is.
        owner: Tier,
        /// File and line of the list.
        source_place: String,
    },
    /// The sealed tier does not admit the provider.
    #[error(
        "model \"{model}\" not allowed by {owner} policy: provider \"{provider}\" is not in \
         allowedProviders ({source_place})"
    )]
    ProviderNotAllowed {
        /// The resolved id.
        model: String,
        /// The provider.
        provider: String,
        /// The tier whose list it is.
        owner: Tier,
        /// File and line of the list.
        source_place: String,
    },
    /// The script of a scripted model cannot be used.
    #[error(transparent)]
    Script(#[from] ScriptError),
}

impl RouteError {
    /// The stable code for JSON output.
    pub fn code(&self) -> &'static str {
        match self {
            RouteError::NoProvider { .. } => "invalid_model",
            RouteError::ModelNotAllowed { .. } | RouteError::ProviderNotAllowed { .. } => "policy",
            RouteError::Script(_) => "script",
        }
    }
}

/// Resolves `name` under the effective configuration of a run.
pub fn resolve(name: &str, effective: &Effective) -> Result<Route, RouteError> {
    resolve_with(name, &effective.models, &effective.providers, &effective.admitted)
}

/// [`resolve`] with just the parts of the configuration that matter.
pub fn resolve_with(
    name: &str,
    models: &ModelCatalogue,
    providers: &BTreeMap<String, ProviderSettings>,
    admitted: &Admitted,
) -> Result<Route, RouteError> {
    let asked = name.trim();
    // One step, not recursive.
    let model = models.tiers.get(&asked.to_lowercase()).map_or(asked, String::as_str).trim();
    let route = find(model, models, providers)?;
    admit(route, admitted)
}

fn find(
    model: &str,
    models: &ModelCatalogue,
    providers: &BTreeMap<String, ProviderSettings>,
) -> Result<Route, RouteError> {
    let configured = |id: &str| providers.keys().any(|key| identity::canonical(key) == id);
    let route = |provider_id: String, model: &str, custom: Option<&CustomModel>| Route {
        model: model.to_owned(),
        info: known(&provider_id, model, custom),
        provider_id,
    };
    if let Some(path) = model.strip_prefix("scripted:") {
        let info = Script::load(path)?.info();
        return Ok(Route { provider_id: "scripted".into(), model: model.to_owned(), info });
    }
    if let Some(custom) = models.custom.get(model) {
        return Ok(route(identity::canonical(&custom.provider), model, Some(custom)));
    }
    if let Some(entry) = catalogue::entry(model) {
        return Ok(route(entry.provider.to_owned(), model, None));
    }
    if let Some((provider, rest)) = model.split_once('/') {
        let provider = identity::canonical(provider);
        let exists = configured(&provider) || identity::of(&provider).is_some();
        if exists && !rest.is_empty() {
            let custom = models.custom.get(rest);
            let custom = custom.filter(|c| identity::canonical(&c.provider) == provider);
            return Ok(route(provider, rest, custom));
        }
    }
    match catalogue::by_prefix(model, configured) {
        Some(provider) => Ok(route(provider.to_owned(), model, None)),
        None => Err(RouteError::NoProvider { model: model.to_owned() }),
    }
}

/// The user's description over the built-in one, field by field. A built-in price holds for
/// its vendor, and for a model that `models.json` moved elsewhere without another price.
fn known(provider: &str, model: &str, custom: Option<&CustomModel>) -> ModelInfo {
    let mut info = ModelInfo::default();
    if let Some(entry) = catalogue::entry(model) {
        info.context_window = entry.window;
        info.prices = entry.prices.filter(|_| custom.is_some() || entry.provider == provider);
    }
    if let Some(custom) = custom {
        info.context_window =
            custom.context_window.filter(|tokens| *tokens > 0).unwrap_or(info.context_window);
        info.max_output = custom.max_output_tokens.filter(|tokens| *tokens > 0);
        if let Some(prices) = priced(custom, info.prices) {
            info.prices = Some(prices);
        }
    }
    info
}

/// FAIL CLOSED: a price that is negative or not a number would let a budget never end, so it
/// counts as no price. One price alone is a price only if the other is known from elsewhere.
fn priced(custom: &CustomModel, built_in: Option<Prices>) -> Option<Prices> {
    let usable = |price: Option<f64>| price.filter(|price| price.is_finite() && *price >= 0.0);
    let input = usable(custom.cost_per_1k_input);
    let output = usable(custom.cost_per_1k_output);
    if input.is_none() && output.is_none() {
        return None;
    }
    let input = input.or(built_in.map(|prices| prices.input))?;
    let output = output.or(built_in.map(|prices| prices.output))?;
    Some(Prices::per_1k(input, output))
}

fn admit(route: Route, admitted: &Admitted) -> Result<Route, RouteError> {
    let full = format!("{}/{}", route.provider_id, route.model);
    // Resellers put the vendor in front: `openai/gpt-4o` is still what `gpt-4o` blocks.
    let bare = route.model.rsplit('/').next().unwrap_or_default();
    // Vendors differ in whether capitals matter; a block must hold whichever it is.
    let same = |listed: &str| {
        [&route.model, full.as_str(), bare].iter().any(|id| listed.trim().eq_ignore_ascii_case(id))
    };
    let refused = |key, source: &Source| {
        let (model, owner) = (route.model.clone(), source.tier);
        RouteError::ModelNotAllowed { model, key, owner, source_place: source.to_string() }
    };
    if let Some(blocked) = admitted.blocked_models.iter().find(|b| same(&b.value)) {
        return Err(refused("blockedModels", &blocked.source));
    }
    if let AllowList::Only(allowed) = &admitted.models.value {
        let exact = |listed: &String| listed.trim() == route.model || listed.trim() == full;
        if !allowed.iter().any(exact) {
            return Err(refused("allowedModels", &admitted.models.source));
        }
    }
    if let AllowList::Only(allowed) = &admitted.providers.value
        && !allowed.iter().any(|listed| identity::canonical(listed) == route.provider_id)
    {
        return Err(RouteError::ProviderNotAllowed {
            model: route.model,
            provider: route.provider_id,
            owner: admitted.providers.source.tier,
            source_place: admitted.providers.source.to_string(),
        });
    }
    Ok(route)
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
