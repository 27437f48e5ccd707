//! The sixteen providers as a table: protocol, address, key and quirks of each.
//!
//! A flat table on purpose. A provider that is not here is an OpenAI-compatible gateway, if
//! configuration gives it an address. Read [`super::route`] for who serves a model.

use super::dialect::openai::LimitField::{self, MaxCompletionTokens, MaxTokens};

/// What a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Chat Completions.
    ChatCompletions,
    /// Google's Gemini.
    Gemini,
    /// Amazon's Converse stream.
    Converse,
    /// Chat Completions behind Azure's addresses.
    AzureChatCompletions,
    /// Messages behind Google Cloud's addresses.
    VertexMessages,
}

impl Protocol {
    /// The name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Messages => "Messages",
            Protocol::ChatCompletions => "Chat Completions",
            Protocol::Gemini => "Gemini streamGenerateContent",
            Protocol::Converse => "Bedrock Converse stream",
            Protocol::AzureChatCompletions => "Azure Chat Completions",
            Protocol::VertexMessages => "Vertex Messages",
        }
    }
}

/// What is known about a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The id used in configuration and output.
    pub id: &'static str,
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it is; `None` when only configuration can say.
    pub base_url: Option<&'static str>,
    /// The header of the key, as `authHeader` spells it.
    pub auth_header: &'static str,
    /// Variables that hold its key. A key is never borrowed from another provider, except
    /// that Foundry also takes Anthropic's.
    pub key_variables: &'static [&'static str],
    /// Whether it answers without a key.
    pub keyless: bool,
    /// The limit field that its documentation names.
    pub limit_field: LimitField,
    /// What to do when nobody listens.
    pub refused_hint: Option<&'static str>,
}

const fn chat(
    id: &'static str,
    base_url: &'static str,
    key_variables: &'static [&'static str],
    limit_field: LimitField,
) -> Identity {
    Identity {
        id,
        protocol: Protocol::ChatCompletions,
        base_url: Some(base_url),
        auth_header: "bearer",
        key_variables,
        keyless: false,
        limit_field,
        refused_hint: None,
    }
}

const fn special(
    id: &'static str,
    protocol: Protocol,
    base_url: Option<&'static str>,
    auth_header: &'static str,
    key_variables: &'static [&'static str],
) -> Identity {
    Identity {
        id,
        protocol,
        base_url,
        auth_header,
        key_variables,
        keyless: false,
        limit_field: MaxCompletionTokens,
        refused_hint: None,
    }
}

/// Every built-in provider.
pub const PROVIDERS: [Identity; 16] = [
    special(
        "anthropic",
        Protocol::Messages,
        Some("https://api.anthropic.com"),
        "x-api-key",
        &["ANTHROPIC_API_KEY"],
    ),
    chat("openai", "https://api.openai.com", &["OPENAI_API_KEY"], MaxCompletionTokens),
    special(
        "google",
        Protocol::Gemini,
        Some("https://generativelanguage.googleapis.com"),
        "x-goog-api-key",
        &["GOOGLE_API_KEY", "GEMINI_API_KEY"],
    ),
    special("bedrock", Protocol::Converse, None, "", &["AWS_ACCESS_KEY_ID"]),
    special(
        "azure-openai",
        Protocol::AzureChatCompletions,
        None,
        "api-key",
        &["AZURE_OPENAI_API_KEY", "AZURE_API_KEY"],
    ),
    special("vertex", Protocol::VertexMessages, None, "bearer", &["GOOGLE_ACCESS_TOKEN"]),
    special(
        "foundry",
        Protocol::Messages,
        None,
        "x-api-key",
        &["ANTHROPIC_FOUNDRY_API_KEY", "ANTHROPIC_API_KEY"],
    ),
    chat("groq", "https://api.groq.com/openai/v1", &["GROQ_API_KEY"], MaxCompletionTokens),
    chat("cerebras", "https://api.cerebras.ai/v1", &["CEREBRAS_API_KEY"], MaxCompletionTokens),
    chat("mistral", "https://api.mistral.ai/v1", &["MISTRAL_API_KEY"], MaxTokens),
    chat("openrouter", "https://openrouter.ai/api/v1", &["OPENROUTER_API_KEY"], MaxTokens),
    chat("together", "https://api.together.xyz/v1", &["TOGETHER_API_KEY"], MaxTokens),
    chat("fireworks", "https://api.fireworks.ai/inference/v1", &["FIREWORKS_API_KEY"], MaxTokens),
    chat("xai", "https://api.x.ai/v1", &["XAI_API_KEY"], MaxCompletionTokens),
    chat("deepseek", "https://api.deepseek.com/v1", &["DEEPSEEK_API_KEY"], MaxTokens),
    Identity {
        keyless: true,
        refused_hint: Some("is Ollama running? start it with `ollama serve`"),
        ..chat("ollama", "http://localhost:11434/v1", &[], MaxTokens)
    },
];

/// The canonical id for a spelling: lower case, with the older engine's key names resolved.
pub fn canonical(id: &str) -> String {
    let lower = id.trim().to_lowercase();
    match lower.as_str() {
        "azure" => "azure-openai".to_owned(),
        "aws" => "bedrock".to_owned(),
        _ => lower,
    }
}

/// The built-in provider with a canonical id.
pub fn of(id: &str) -> Option<&'static Identity> {
    PROVIDERS.iter().find(|known| known.id == id)
}

/// Whether `host` is the documented host of a provider that wants a key.
pub fn is_hosted(host: &str) -> bool {
    PROVIDERS.iter().filter(|known| !known.keyless).any(|known| {
        let rest = known.base_url.and_then(|base| base.strip_prefix("https://"));
        rest.and_then(|rest| rest.split('/').next()) == Some(host)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_providers_share_an_id_or_borrow_a_key() {
        let ids: BTreeSet<&str> = PROVIDERS.iter().map(|known| known.id).collect();
        assert_eq!(ids.len(), 16);
        let keys: Vec<&str> =
            PROVIDERS.iter().flat_map(|known| known.key_variables).copied().collect();
        let shared: Vec<&&str> =
            keys.iter().filter(|key| keys.iter().filter(|k| k == key).count() > 1).collect();
        assert_eq!(shared, [&"ANTHROPIC_API_KEY", &"ANTHROPIC_API_KEY"]);
    }

    #[test]
    fn older_spellings_and_capitals_name_the_same_provider() {
        for (spelled, id) in [("Azure", "azure-openai"), ("aws", "bedrock"), (" Groq ", "groq")] {
            assert_eq!(canonical(spelled), id);
        }
        assert!(is_hosted("api.x.ai") && !is_hosted("localhost") && !is_hosted("gw.example"));
    }
}
