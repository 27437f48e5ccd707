//! Models known without configuration, and which names belong to which provider.
//!
//! Prices are US dollars for 1,000 tokens, as the vendors publish them; a model without a
//! price is listed as such and never counted as free. Read [`super::route`] next.

use super::route::Prices;

/// A built-in model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub id: &'static str,
    pub provider: &'static str,
    pub window: u64,
    pub prices: Option<Prices>,
}

const fn priced(
    id: &'static str,
    provider: &'static str,
    window: u64,
    input: f64,
    output: f64,
) -> Entry {
    Entry { id, provider, window, prices: Some(Prices::per_1k(input, output)) }
}

/// OpenAI's cached input has a price of its own and writing to the cache costs nothing extra.
const fn openai(id: &'static str, window: u64, input: f64, cached: f64, output: f64) -> Entry {
    let prices = Prices { input, output, cache_write: input, cache_read: cached };
    Entry { id, provider: "openai", window, prices: Some(prices) }
}

const fn unpriced(id: &'static str, provider: &'static str, window: u64) -> Entry {
    Entry { id, provider, window, prices: None }
}

const ENTRIES: &[Entry] = &[
    priced("claude-opus-4-8", "anthropic", 1_000_000, 0.015, 0.075),
    priced("claude-opus-4-7", "anthropic", 1_000_000, 0.015, 0.075),
    priced("claude-opus-4-6", "anthropic", 1_000_000, 0.015, 0.075),
    priced("claude-sonnet-4-6", "anthropic", 200_000, 0.003, 0.015),
    priced("claude-haiku-4-5-20251001", "anthropic", 200_000, 0.0008, 0.004),
    openai("gpt-4.1", 1_047_576, 0.002, 0.0005, 0.008),
    openai("gpt-4.1-mini", 1_047_576, 0.0004, 0.0001, 0.0016),
    openai("gpt-4o", 128_000, 0.0025, 0.00125, 0.01),
    openai("gpt-4o-mini", 128_000, 0.00015, 0.000_075, 0.0006),
    openai("o4-mini", 200_000, 0.0011, 0.000_275, 0.0044),
    openai("o3", 200_000, 0.01, 0.0025, 0.04),
    priced("gemini-2.5-pro", "google", 1_048_576, 0.00125, 0.01),
    priced("gemini-2.5-flash", "google", 1_048_576, 0.00015, 0.0006),
    unpriced("grok-3", "xai", 131_072),
    unpriced("grok-3-fast", "xai", 131_072),
    unpriced("grok-3-mini", "xai", 131_072),
    unpriced("grok-3-mini-fast", "xai", 131_072),
    unpriced("grok-2", "xai", 131_072),
    unpriced("deepseek-chat", "deepseek", 65_536),
    unpriced("deepseek-reasoner", "deepseek", 65_536),
    unpriced("llama-3.3-70b-versatile", "groq", 131_072),
    unpriced("llama-3.1-8b-instant", "groq", 131_072),
    unpriced("llama-3.3-70b", "cerebras", 128_000),
    unpriced("llama-3.1-8b", "cerebras", 128_000),
    unpriced("mistral-large-latest", "mistral", 131_072),
    unpriced("mistral-small-latest", "mistral", 131_072),
];

/// The built-in model with exactly this id.
pub(super) fn entry(id: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.id == id)
}

/// Beginnings of model names, first match first, case-sensitive.
const PREFIXES: &[(&str, &str)] = &[
    ("claude-", "anthropic"),
    ("claude_", "anthropic"),
    ("gpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("gemini-", "google"),
    ("mistral", "mistral"),
    ("mixtral", "mistral"),
    ("llama", "groq"),
    ("meta-llama", "groq"),
    ("deepseek", "deepseek"),
    ("grok", "xai"),
    ("qwen", "ollama"),
];

/// Names anywhere in a Bedrock model id, asked last.
const BEDROCK: [&str; 3] = ["amazon.", "anthropic.", "meta."];

/// The provider that a name belongs to by its beginning. `configured` tells whether a
/// provider has settings: Llama models go to Together when it has some and Groq has none.
pub(super) fn by_prefix(model: &str, configured: impl Fn(&str) -> bool) -> Option<&'static str> {
    let provider = PREFIXES
        .iter()
        .find(|(prefix, _)| model.starts_with(prefix))
        .map(|(_, provider)| *provider);
    match provider {
        Some("groq") if !configured("groq") && configured("together") => Some("together"),
        Some(provider) => Some(provider),
        None => BEDROCK.iter().any(|name| model.contains(name)).then_some("bedrock"),
    }
}

/// The built-in models as a table for people.
pub fn listing() -> String {
    let mut text =
        format!("  {:<28} {:<10} {:>10}  $ per 1k in/out\n", "MODEL", "PROVIDER", "WINDOW");
    for entry in ENTRIES {
        let price = match entry.prices {
            Some(prices) => format!("{}/{}", prices.input, prices.output),
            None => "-".to_owned(),
        };
        let (id, provider, window) = (entry.id, entry.provider, entry.window);
        text.push_str(&format!("  {id:<28} {provider:<10} {window:>10}  {price}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::identity;

    #[test]
    fn every_model_and_prefix_names_a_known_provider() {
        for entry in ENTRIES {
            assert!(identity::of(entry.provider).is_some(), "{}", entry.id);
        }
        for (prefix, provider) in PREFIXES {
            assert!(identity::of(provider).is_some(), "{prefix}");
        }
    }
}
