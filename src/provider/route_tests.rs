//! Tests of [`super`]: who serves a name, what it costs, and what policy says.

use super::*;
use crate::config::Located;
use crate::model::{Source, Tier};

fn place() -> Source {
    Source::new(Tier::Enterprise, "/etc/ion/config.json").at(3)
}

fn anything() -> Admitted {
    Admitted {
        models: Located::new(AllowList::Any, place()),
        blocked_models: Vec::new(),
        providers: Located::new(AllowList::Any, place()),
    }
}

fn only(names: &[&str]) -> Located<AllowList> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Located::new(AllowList::Only(names), place())
}

fn configured(ids: &[&str]) -> BTreeMap<String, ProviderSettings> {
    ids.iter().map(|id| ((*id).to_owned(), ProviderSettings::default())).collect()
}

fn models() -> ModelCatalogue {
    let mut models = ModelCatalogue::default();
    models.tiers.insert("fast".into(), "qwen2.5:7b".into());
    models.tiers.insert("loop".into(), "fast".into());
    let custom = |provider: &str| CustomModel { provider: provider.into(), ..Default::default() };
    let finetune = CustomModel { context_window: Some(32_768), ..custom("ollama") };
    models.custom.insert("myteam/qwen-finetune:latest".into(), finetune);
    models.custom.insert("claude-sonnet-4-6".into(), custom("openrouter"));
    models
}

fn served(name: &str) -> Result<(String, String), RouteError> {
    let route = resolve_with(name, &models(), &configured(&["gateway"]), &anything())?;
    Ok((route.provider_id, route.model))
}

#[test]
fn each_name_finds_its_provider() {
    for (name, provider, model) in [
        ("gpt-4o", "openai", "gpt-4o"),
        ("claude-opus-4-7", "anthropic", "claude-opus-4-7"),
        ("claude-new", "anthropic", "claude-new"),
        ("qwen2.5:14b", "ollama", "qwen2.5:14b"),
        ("FAST", "ollama", "qwen2.5:7b"),
        ("mistral-large-latest", "mistral", "mistral-large-latest"),
        ("llama-3.3-70b", "cerebras", "llama-3.3-70b"),
        ("llama-9", "groq", "llama-9"),
        ("meta-llama/x", "groq", "meta-llama/x"),
        ("myteam/qwen-finetune:latest", "ollama", "myteam/qwen-finetune:latest"),
        ("claude-sonnet-4-6", "openrouter", "claude-sonnet-4-6"),
        ("gateway/gpt-4o", "gateway", "gpt-4o"),
        ("Gateway/a/b", "gateway", "a/b"),
        ("openrouter/deepseek/chat", "openrouter", "deepseek/chat"),
        ("us.anthropic.claude", "bedrock", "us.anthropic.claude"),
        ("grok-9", "xai", "grok-9"),
    ] {
        assert_eq!(served(name), Ok((provider.into(), model.into())), "{name}");
    }
}

#[test]
fn a_name_that_nobody_serves_is_an_error_that_names_both_places() {
    for name in ["", "wonder", "GPT-4o", "nobody/gpt-4o", "loop", "gateway/"] {
        let text = served(name).unwrap_err().to_string();
        assert!(text.contains("models.json") && text.contains("engine.json"), "{name}: {text}");
    }
}

#[test]
fn llama_goes_to_together_only_when_groq_is_not_set_up() {
    let to = |ids: &[&str]| {
        let none = ModelCatalogue::default();
        resolve_with("llama-9", &none, &configured(ids), &anything()).unwrap().provider_id
    };
    assert_eq!(to(&["together"]), "together");
    assert_eq!(to(&["together", "groq"]), "groq");
    assert_eq!(to(&[]), "groq");
}

#[test]
fn the_users_description_is_laid_over_the_built_in_one() {
    let models = models();
    let info =
        |name: &str| resolve_with(name, &models, &configured(&[]), &anything()).unwrap().info;
    assert_eq!(info("myteam/qwen-finetune:latest").context_window, 32_768);
    assert_eq!(info("claude-sonnet-4-6").prices, Some(Prices::per_1k(0.003, 0.015)));
    assert_eq!(info("claude-new"), ModelInfo::default());
    assert!(info("gpt-4o").prices.is_some());
    // Another vendor has another price, and nobody said which.
    assert_eq!(info("together/gpt-4o").prices, None);
}

#[test]
fn a_price_that_makes_a_budget_endless_is_no_price() {
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let custom = CustomModel {
            cost_per_1k_input: Some(bad),
            cost_per_1k_output: Some(bad),
            ..Default::default()
        };
        assert_eq!(priced(&custom, None), None, "{bad}");
    }
    let half = CustomModel { cost_per_1k_input: Some(1.0), ..Default::default() };
    assert_eq!(priced(&half, None), None);
    assert_eq!(priced(&half, Some(Prices::per_1k(9.0, 2.0))), Some(Prices::per_1k(1.0, 2.0)));
}

#[test]
fn an_alias_cannot_get_around_a_blocked_model() {
    let mut admitted = anything();
    admitted.blocked_models.push(Located::new("QWEN2.5:7b".into(), place()));
    for name in ["fast", "qwen2.5:7b", "ollama/qwen2.5:7b"] {
        let error = resolve_with(name, &models(), &configured(&[]), &admitted).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("model \"qwen2.5:7b\" not allowed by enterprise policy"),
            "{text}"
        );
        assert!(text.contains("/etc/ion/config.json:3"), "{text}");
    }
}

#[test]
fn a_reseller_cannot_get_around_a_blocked_model() {
    let mut admitted = anything();
    admitted.blocked_models.push(Located::new("gpt-4o".into(), place()));
    for (name, refused) in [("openrouter/openai/gpt-4o", true), ("openrouter/x/gpt-4o-2", false)] {
        let result = resolve_with(name, &models(), &configured(&[]), &admitted);
        assert_eq!(result.is_err(), refused, "{name}");
    }
}

#[test]
fn an_allow_list_admits_only_its_models_and_an_empty_one_admits_none() {
    let mut admitted = anything();
    admitted.models = only(&["gpt-4o", "gateway/special"]);
    let ask = |name: &str, admitted: &Admitted| {
        resolve_with(name, &models(), &configured(&["gateway"]), admitted).is_ok()
    };
    assert!(ask("gpt-4o", &admitted) && ask("gateway/special", &admitted));
    assert!(!ask("gpt-4.1", &admitted) && !ask("GATEWAY/other", &admitted));
    admitted.models = only(&[]);
    assert!(!ask("gpt-4o", &admitted));
}

#[test]
fn a_provider_outside_the_list_is_refused() {
    let mut admitted = anything();
    admitted.providers = only(&["Azure", "openai"]);
    let ask = |name: &str| resolve_with(name, &models(), &configured(&["gateway"]), &admitted);
    assert!(ask("gpt-4o").is_ok());
    for name in ["gateway/gpt-4o", "claude-opus-4-7", "fast"] {
        assert!(matches!(ask(name), Err(RouteError::ProviderNotAllowed { .. })), "{name}");
    }
}
