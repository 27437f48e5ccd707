//! Provider keys: the three forms of `apiKey`, and one variable list per provider.
//!
//! INVARIANT (own key only): a provider is given its own variables and nobody else's. The older
//! engine fell back to `OPENAI_API_KEY` and so sent one vendor's key to eight others.
#![expect(clippy::disallowed_methods, reason = "tells the name of a variable from a key itself")]

use super::environ::Environment;
use super::origin::Located;
use super::problem::Warning;
use crate::model::{Source, Tier};
use crate::redact::Secret;

/// Variables that hold a provider's key, in order; the first that is set counts.
/// `bedrock` is absent: it signs with three variables, which its provider reads.
pub const KEY_VARIABLES: &[(&str, &[&str])] = &[
    ("anthropic", &["ANTHROPIC_API_KEY"]),
    ("openai", &["OPENAI_API_KEY"]),
    ("google", &["GOOGLE_API_KEY", "GEMINI_API_KEY"]),
    ("azure-openai", &["AZURE_OPENAI_API_KEY", "AZURE_API_KEY"]),
    ("vertex", &["GOOGLE_ACCESS_TOKEN"]),
    ("foundry", &["ANTHROPIC_FOUNDRY_API_KEY", "ANTHROPIC_API_KEY"]),
    ("groq", &["GROQ_API_KEY"]),
    ("cerebras", &["CEREBRAS_API_KEY"]),
    ("mistral", &["MISTRAL_API_KEY"]),
    ("openrouter", &["OPENROUTER_API_KEY"]),
    ("together", &["TOGETHER_API_KEY"]),
    ("fireworks", &["FIREWORKS_API_KEY"]),
    ("xai", &["XAI_API_KEY"]),
    ("deepseek", &["DEEPSEEK_API_KEY"]),
];

/// Providers that need no key, or not one key, so that no name is made up for them.
const KEYLESS: &[&str] = &["ollama", "bedrock"];

/// Variables that hold a provider's endpoint.
pub const ENDPOINT_VARIABLES: &[(&str, &str)] =
    &[("foundry", "ANTHROPIC_FOUNDRY_BASE_URL"), ("azure-openai", "AZURE_OPENAI_ENDPOINT")];

/// What an `apiKey` value is.
#[derive(Debug, PartialEq, Eq)]
enum Form<'a> {
    Variable(&'a str),
    Literal,
}

fn form(text: &str) -> Form<'_> {
    let bare = text.strip_prefix('$').unwrap_or(text);
    let name = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    if bare.len() >= 3 && bare.bytes().all(name) { Form::Variable(bare) } else { Form::Literal }
}

/// Resolves an `apiKey` as written. A variable that is not set counts as "omitted": its name
/// is never used as a key.
pub(super) fn written(
    key: &str,
    value: &Secret,
    source: &Source,
    environment: &Environment,
    warnings: &mut Vec<Warning>,
) -> Option<Located<Secret>> {
    match form(value.expose()) {
        Form::Literal => Some(Located::new(value.clone(), source.clone())),
        Form::Variable(name) => {
            let found = environment.get(name);
            if found.is_none() {
                // The text passed for a name, but it could be a key of capitals and digits.
                warnings.push(Warning {
                    file: source.to_string(),
                    at: None,
                    key: key.to_owned(),
                    message: "names a variable that is not set; taken as omitted".to_owned(),
                });
            }
            found.map(|text| Located::new(Secret::new(text.to_owned()), source.clone()))
        }
    }
}

/// The key that a provider's own variables hold. An id that is not in the table has
/// `<ID>_API_KEY`.
pub(super) fn from_environment(id: &str, environment: &Environment) -> Option<Located<Secret>> {
    let own;
    let names = match KEY_VARIABLES.iter().find(|(known, _)| *known == id) {
        Some((_, names)) => *names,
        None if KEYLESS.contains(&id) => return None,
        None => {
            let upper =
                |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
            own = format!("{}_API_KEY", id.chars().map(upper).collect::<String>());
            &[own.as_str()][..]
        }
    };
    let (name, text) = names.iter().find_map(|name| Some((*name, environment.get(name)?)))?;
    Some(Located::new(Secret::new(text.to_owned()), Source::new(Tier::Environment, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_told_apart_as_documented() {
        assert_eq!(form("OPENAI_API_KEY"), Form::Variable("OPENAI_API_KEY"));
        assert_eq!(form("$MY_KEY"), Form::Variable("MY_KEY"));
        assert_eq!(form("123"), Form::Variable("123"));
        assert_eq!(form("A1"), Form::Literal);
        assert_eq!(form("sk-abc"), Form::Literal);
    }

    #[test]
    fn a_provider_never_gets_another_providers_key() {
        let environment = Environment::from_pairs([
            ("OPENAI_API_KEY", "openai-key"),
            ("ANTHROPIC_API_KEY", "anthropic-key"),
        ]);
        // `foundry` is Anthropic's own service and takes its key; nobody else takes another's.
        let own = |id: &str| matches!(id, "openai" | "anthropic" | "foundry");
        for (id, _) in KEY_VARIABLES.iter().filter(|(id, _)| !own(id)) {
            assert!(from_environment(id, &environment).is_none(), "{id}");
        }
        assert_eq!(from_environment("openai", &environment).unwrap().value.expose(), "openai-key");
        assert!(from_environment("ollama", &environment).is_none());
    }

    #[test]
    fn an_unset_variable_name_is_never_used_as_a_key() {
        let mut warnings = Vec::new();
        let source = Source::new(Tier::User, "u.json");
        let empty = Environment::default();
        let secret = Secret::new("SOME_KEY".to_owned());
        assert!(written("k", &secret, &source, &empty, &mut warnings).is_none());
        assert_eq!(warnings.len(), 1);
        assert!(!warnings[0].to_string().contains("SOME_KEY"));
    }
}
