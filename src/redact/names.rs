//! Whether a name says that its value is a secret: `DB_PASSWORD`, `client-secret`, `apiKey`.
//!
//! Names of counts, types, files and public halves (`max_tokens`, `password_hash`,
//! `public_key`, `secretName`) do not. Read `value` for what is then asked of the value.

/// How much a name says about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::redact) enum Sensitivity {
    /// Almost any value is a secret.
    Strong,
    /// The value must look random too.
    Weak,
}

/// A name that was recognised, and the kind of its placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::redact) struct Named {
    pub(in crate::redact) sensitivity: Sensitivity,
    pub(in crate::redact) kind: &'static str,
}

/// The kinds that names give.
pub(in crate::redact) const KINDS: &[&str] =
    &["password", "secret", "token", "api-key", "authorization", "cookie"];

/// Words after the telling part that change nothing.
const SUFFIXES: &[&str] = &[
    "base",
    "value",
    "val",
    "b64",
    "base64",
    "raw",
    "plain",
    "prod",
    "production",
    "dev",
    "staging",
    "test",
    "old",
    "new",
    "current",
    "live",
    "main",
    "str",
    "string",
    "txt",
];

/// Judges a name.
pub(in crate::redact) fn judge(name: &str) -> Option<Named> {
    if name.len() > 128 {
        return None;
    }
    let mut parts = split(name);
    while parts.len() > 1 && parts.last().is_some_and(|last| SUFFIXES.contains(&last.as_str())) {
        parts.pop();
    }
    let last = parts.last()?.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    let before = parts.len().checked_sub(2).and_then(|i| parts.get(i)).map_or("", String::as_str);
    let named = |sensitivity, kind| Some(Named { sensitivity, kind });
    match last.as_str() {
        "password" | "passwd" | "passphrase" => named(Sensitivity::Strong, "password"),
        "pass" | "pwd" | "pw" if !before.is_empty() && before != "old" => {
            named(Sensitivity::Strong, "password")
        }
        "secret" | "secrets" => named(Sensitivity::Strong, "secret"),
        "token" if !matches!(before, "next" | "page" | "continuation" | "csrf" | "eos" | "bos") => {
            named(Sensitivity::Weak, "token")
        }
        "authtoken" | "accesstoken" | "refreshtoken" => named(Sensitivity::Weak, "token"),
        "apikey" | "secretkey" | "accesskey" | "privatekey" => named(Sensitivity::Weak, "api-key"),
        "clientsecret" => named(Sensitivity::Strong, "secret"),
        "credential" | "credentials" | "creds" => named(Sensitivity::Weak, "secret"),
        "authorization" => named(Sensitivity::Weak, "authorization"),
        "cookie" => named(Sensitivity::Weak, "cookie"),
        "key" => match before {
            "api" | "secret" | "access" | "private" | "signing" | "encryption" | "auth"
            | "master" | "account" | "service" | "app" | "webhook" | "admin" | "deploy" | "jwt"
            | "shared" | "session" => named(Sensitivity::Weak, "api-key"),
            _ => None,
        },
        _ => None,
    }
}

/// The lower-case words of a name: parts between separators, and between humps.
fn split(name: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut before_was_lower = false;
    for c in name.chars() {
        let hump = c.is_ascii_uppercase() && before_was_lower;
        if (hump || !c.is_ascii_alphanumeric()) && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
        if c.is_ascii_alphanumeric() {
            part.push(c.to_ascii_lowercase());
        }
        before_was_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_from_names_about_secrets() {
        for name in [
            "password",
            "DB_PASSWORD",
            "dbPassword",
            "MYSQL_PWD",
            "client_secret",
            "clientSecret",
            "api_key",
            "apiKey",
            "X-Api-Key",
            "AWS_SECRET_ACCESS_KEY",
            "GITHUB_TOKEN",
            "SECRET_KEY_BASE",
            "private_key",
            "Authorization",
            "PASSWORD2",
            "access_token",
        ] {
            assert!(judge(name).is_some(), "{name} was not recognised");
        }
        for name in [
            "PWD",
            "OLDPWD",
            "max_tokens",
            "tokenizer",
            "token_count",
            "next_page_token",
            "password_hash",
            "public_key",
            "key",
            "primary_key",
            "secretName",
            "AUTHOR",
            "password_file",
            "token_type",
            "SSH_AUTH_SOCK",
            "monkey",
            "passport",
        ] {
            assert_eq!(judge(name), None, "{name} was taken for a secret");
        }
    }
}
