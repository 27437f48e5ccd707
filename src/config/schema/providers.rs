//! `providers`: endpoint and credential of each provider.

use super::{Key, Sealing, Shape, Stranger};

const fn entry(path: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { path, shape, sealing: Sealing::Override, stranger: Stranger::Ignore, about }
}

const fn unused(path: &'static str) -> Key {
    Key {
        path,
        shape: Shape::Unused,
        sealing: Sealing::Pass,
        stranger: Stranger::Ignore,
        about: "accepted, not used",
    }
}

/// The keys of the section.
pub const KEYS: &[Key] = &[
    entry("providers.*.apiKey", Shape::Secret, "a key, or the name of a variable that holds it"),
    entry("providers.*.baseURL", Shape::Text, "endpoint override"),
    entry("providers.*.authHeader", Shape::Text, "bearer, x-api-key, api-key or a header name"),
    unused("providers.*.displayName"),
    unused("providers.*.backend"),
    unused("providers.*.region"),
    unused("providers.*.profile"),
    unused("providers.*.project"),
    unused("providers.*.deployment"),
    unused("providers.*.apiVersion"),
];

/// The id under which a spelling is kept: lower case, and one name for each provider.
pub fn canonical(id: &str) -> String {
    match id.to_lowercase().as_str() {
        "aws" => "bedrock".to_owned(),
        "azure" => "azure-openai".to_owned(),
        other => other.to_owned(),
    }
}
