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
    &["password", "secret", "token", "api-key", "authorization", "cookie", "session", "signature"];

/// Words after the telling part that change nothing.
const SUFFIXES: &[&[u8]] = &[
    b"base",
    b"value",
    b"val",
    b"b64",
    b"base64",
    b"raw",
    b"plain",
    b"prod",
    b"production",
    b"dev",
    b"staging",
    b"test",
    b"old",
    b"new",
    b"current",
    b"live",
    b"main",
    b"str",
    b"string",
    b"txt",
    b"default",
    b"admin",
    b"primary",
    b"secondary",
    b"backup",
    b"enc",
];

/// Words before `token` that make it one of the parsing or paging kind.
const TOKEN_OF: &[&[u8]] = &[
    b"next",
    b"page",
    b"continuation",
    b"csrf",
    b"xsrf",
    b"eos",
    b"bos",
    b"pad",
    b"unk",
    b"sep",
    b"mask",
    b"cancellation",
    b"cancel",
    b"max",
    b"cursor",
    b"continue",
    b"stop",
    b"start",
    b"end",
    b"begin",
    b"prev",
    b"previous",
    b"current",
    b"last",
    b"first",
    b"peek",
    b"lookahead",
    b"syntax",
    b"skip",
];

/// Words before `key` that make it a secret one.
const KEY_OF: &[&[u8]] = &[
    b"api",
    b"secret",
    b"access",
    b"private",
    b"priv",
    b"signing",
    b"encryption",
    b"auth",
    b"master",
    b"account",
    b"service",
    b"app",
    b"webhook",
    b"admin",
    b"deploy",
    b"jwt",
    b"shared",
    b"session",
    b"subscription",
    b"hmac",
    b"crypto",
    b"cipher",
    b"aes",
    b"ssh",
    b"license",
    b"licence",
    b"client",
    b"consumer",
    b"storage",
    b"integration",
    b"ingest",
    b"ingestion",
    b"write",
    b"rest",
    b"sdk",
    b"wrapping",
    b"unseal",
    b"recovery",
    b"pre",
    b"psk",
    b"preshared",
    b"server",
    b"stream",
    b"sas",
];

/// The longest name that is judged.
const LONGEST: usize = 96;
const MOST_PARTS: usize = 24;

/// The lower-case words of a name: parts between separators, and between humps.
struct Parts {
    text: [u8; LONGEST],
    ranges: [(u8, u8); MOST_PARTS],
    count: usize,
}

impl Parts {
    fn of(name: &[u8]) -> Option<Parts> {
        if name.is_empty() || name.len() > LONGEST {
            return None;
        }
        let mut parts = Parts { text: [0; LONGEST], ranges: [(0, 0); MOST_PARTS], count: 0 };
        let (mut start, mut before_was_lower) = (0, false);
        for (at, &byte) in name.iter().enumerate() {
            parts.text[at] = byte.to_ascii_lowercase();
            let hump = byte.is_ascii_uppercase() && before_was_lower;
            if hump || !byte.is_ascii_alphanumeric() {
                parts.push(start, at)?;
                start = if hump { at } else { at + 1 };
            }
            before_was_lower = byte.is_ascii_lowercase() || byte.is_ascii_digit();
        }
        parts.push(start, name.len())?;
        Some(parts)
    }

    fn push(&mut self, start: usize, end: usize) -> Option<()> {
        if end > start {
            *self.ranges.get_mut(self.count)? = (start as u8, end as u8);
            self.count += 1;
        }
        Some(())
    }

    fn get(&self, from_end: usize) -> &[u8] {
        match self.count.checked_sub(from_end + 1) {
            Some(index) => {
                let (start, end) = self.ranges[index];
                &self.text[usize::from(start)..usize::from(end)]
            }
            None => b"",
        }
    }
}

/// Judges a name.
pub(in crate::redact) fn judge(name: &[u8]) -> Option<Named> {
    let mut parts = Parts::of(name)?;
    while parts.count > 1 && SUFFIXES.contains(&parts.get(0)) {
        parts.count -= 1;
    }
    // `PASSWORD_2`
    if parts.count > 1 && parts.get(0).iter().all(u8::is_ascii_digit) {
        parts.count -= 1;
    }
    let last = parts.get(0);
    let digits = last.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (last, before) = (&last[..last.len() - digits], parts.get(1));
    let named = |sensitivity, kind| Some(Named { sensitivity, kind });
    let ends = |tails: &[&[u8]]| tails.iter().any(|tail| last.ends_with(tail));
    match last {
        b"password" | b"passwd" | b"passphrase" | b"passcode" | b"pword" | b"passwort" => {
            named(Sensitivity::Strong, "password")
        }
        b"pass" | b"pwd" | b"pw" if !before.is_empty() && before != b"old" && before != b"by" => {
            named(Sensitivity::Strong, "password")
        }
        b"pass" | b"pwd" if parts.count == 1 && name != b"PWD" => {
            named(Sensitivity::Weak, "password")
        }
        b"secret" | b"secrets" => named(Sensitivity::Strong, "secret"),
        b"token" if !TOKEN_OF.contains(&before) => named(Sensitivity::Weak, "token"),
        b"token" => None,
        // `Access-Control-Allow-Credentials: true`
        b"credentials" if before == b"allow" => None,
        b"credential" | b"credentials" | b"creds" | b"cred" => named(Sensitivity::Weak, "secret"),
        b"authorization" => named(Sensitivity::Weak, "authorization"),
        b"auth"
            if matches!(
                before,
                b"" | b"proxy" | b"basic" | b"http" | b"x" | b"registry" | b"npm"
            ) =>
        {
            named(Sensitivity::Weak, "authorization")
        }
        b"cookie" => named(Sensitivity::Weak, "cookie"),
        b"sessid" | b"sessionid" | b"jsessionid" | b"phpsessid" | b"sid"
            if before != b"account" =>
        {
            named(Sensitivity::Weak, "session")
        }
        b"session" if parts.count == 1 => named(Sensitivity::Weak, "session"),
        b"id" if before == b"session" && parts.count <= 3 => None,
        b"signature" | b"sig" => named(Sensitivity::Weak, "signature"),
        b"salt" if parts.count > 1 => named(Sensitivity::Weak, "secret"),
        b"key" if KEY_OF.contains(&before) => named(Sensitivity::Weak, "api-key"),
        b"key" => None,
        _ if ends(&[b"password", b"passwd", b"passphrase", b"dbpass", b"userpass", b"dbpwd"]) => {
            named(Sensitivity::Strong, "password")
        }
        _ if ends(&[b"clientsecret", b"apisecret", b"appsecret", b"secretbase"]) => {
            named(Sensitivity::Strong, "secret")
        }
        _ if ends(&[b"secret"]) => named(Sensitivity::Weak, "secret"),
        _ if ends(&[
            b"authtoken",
            b"accesstoken",
            b"refreshtoken",
            b"apitoken",
            b"bottoken",
            b"idtoken",
            b"usertoken",
            b"bearertoken",
            b"sessiontoken",
            b"securitytoken",
            b"privatetoken",
            b"deploytoken",
            b"logintoken",
        ]) =>
        {
            named(Sensitivity::Weak, "token")
        }
        _ if ends(&[
            b"apikey",
            b"secretkey",
            b"accesskey",
            b"privatekey",
            b"authkey",
            b"signingkey",
            b"masterkey",
            b"encryptionkey",
            b"licensekey",
            b"accountkey",
            b"sharedkey",
            b"presharedkey",
            b"sharedaccesskey",
        ]) =>
        {
            named(Sensitivity::Weak, "api-key")
        }
        _ => None,
    }
}

/// Whether a name says that its value is a hash, a number or a name of something.
pub(in crate::redact) fn is_about(name: &[u8]) -> bool {
    const ABOUT: &[&[u8]] = &[
        b"id",
        b"hash",
        b"sha",
        b"sha1",
        b"sha256",
        b"sha512",
        b"commit",
        b"digest",
        b"checksum",
        b"etag",
        b"trace",
        b"request",
        b"version",
        b"rev",
        b"revision",
        b"fingerprint",
        b"uuid",
        b"guid",
        b"ref",
        b"tag",
        b"integrity",
        b"md5",
        b"image",
        b"build",
        b"path",
        b"file",
        b"url",
        b"name",
        b"host",
        b"user",
        b"public",
    ];
    let Some(parts) = Parts::of(name) else { return true };
    (0..parts.count).any(|index| ABOUT.contains(&parts.get(index)))
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
            assert!(judge(name.as_bytes()).is_some(), "{name} was not recognised");
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
            "Access-Control-Allow-Credentials",
            "SSH_AUTH_SOCK",
            "monkey",
            "passport",
        ] {
            assert_eq!(judge(name.as_bytes()), None, "{name} was taken for a secret");
        }
    }
}
