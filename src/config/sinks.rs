//! `audit.sinks`: who is sent the records, and with which secrets.
//!
//! A secret is never written into a file of settings: a key names a variable or a file. INVARIANT (a
//! sealed sink is whole): of a sink that the sealed tier names, nothing below says anything, or a user
//! could add `insecure` to it, or a header that leads the records astray.
#![expect(
    clippy::disallowed_methods,
    reason = "tells the name of a variable or a file from a secret"
)]

use super::effective::{AuditSettings, Keyed, Places, SinkSettings};
use super::environ::Environment;
use super::layers::Settings;
use super::origin::Located;
use super::places::expand;
use super::resolve::{View, built_in};
use super::value::{KeyPath, Value};
use crate::model::{AbsPath, Source};
use crate::redact::Secret;
use std::collections::BTreeSet;
use std::io::Read;
use std::time::Duration;

const PREFIX: [&str; 2] = ["audit", "sinks"];

/// The name of the sink that a key is about.
pub(super) fn name_in(path: &KeyPath) -> Option<&str> {
    match path.0.as_slice() {
        [audit, sinks, name, _] if [audit, sinks] == PREFIX => Some(name),
        _ => None,
    }
}

pub(super) fn audit(
    view: &View<'_>,
    file: Option<AbsPath>,
    places: &Places,
    environment: &Environment,
) -> AuditSettings {
    let block = view.text("audit.backlog.policy");
    let key_secret = KeyPath(["audit", "keySecret"].map(str::to_owned).to_vec());
    AuditSettings {
        file,
        sync_always: match view.text("audit.sync") {
            Some(word) => Located::new(word.value == "always", word.source),
            None => Located::new(true, built_in()),
        },
        rotate_bytes: view.whole_or("audit.rotateBytes", 64 * 1024 * 1024),
        rotate_hours: view.whole_or("audit.rotateHours", 24),
        keep_days: view.whole_or("audit.keepDays", 400),
        key_secret: view.0.get(&key_secret).and_then(|held| match &held.setting.value {
            Value::Secret(named) => Some(keyed(named, &held.setting.source, places, environment)),
            _ => None,
        }),
        sinks: names(view.0).iter().map(|name| sink(view, name, places, environment)).collect(),
        block: block.filter(|policy| policy.value != "spool").map(|policy| policy.source),
        limit: view.whole("audit.backlog.limit").map_or(10_000, |limit| limit.value),
        forward_in_runs: view.held("audit.forward.runs").is_none()
            || view.flag("audit.forward.runs", true).value,
        grace: view.millis("audit.forward.graceMs", Duration::from_secs(2)),
    }
}

fn sink(view: &View<'_>, name: &str, places: &Places, environment: &Environment) -> SinkSettings {
    let at = |key: &str| KeyPath([PREFIX[0], PREFIX[1], name, key].map(str::to_owned).to_vec());
    let text = |key: &str| view.text_at(&at(key));
    // FAIL CLOSED: what is not said is the strict side, `insecure: false` and `required: true`.
    let flag = |key: &str, strict: bool| match view.0.get(&at(key)).map(|held| &held.setting.value)
    {
        Some(Value::Flag(said)) => *said,
        _ => strict,
    };
    let secret = |key: &str| {
        let setting = &view.0.get(&at(key))?.setting;
        let Value::Secret(named) = &setting.value else { return None };
        Some(keyed(named, &setting.source, places, environment))
    };
    let mut keys = view.0.iter().filter(|(path, _)| name_in(path) == Some(name));
    let source = keys.next().map_or_else(built_in, |(_, held)| held.setting.source.clone());
    SinkSettings {
        kind: text("type").map(|kind| kind.value).unwrap_or_default(),
        url: text("url"),
        format: text("format").map_or_else(|| "jsonl".to_owned(), |format| format.value),
        token: secret("token"),
        token_header: text("tokenHeader").map(|header| header.value).unwrap_or_default(),
        signing_key: secret("signingKey"),
        traces: flag("traces", false),
        metrics: flag("metrics", false),
        insecure: flag("insecure", false),
        required: flag("required", true),
        name: name.to_owned(),
        source,
    }
}

/// Looks a secret up where its key says. The error never repeats what stands there: it may be the
/// secret itself, written by mistake.
fn keyed(named: &Secret, source: &Source, places: &Places, environment: &Environment) -> Keyed {
    let text = named.expose();
    let mut file = None;
    let found = if let Some(path) = text.strip_prefix("file:") {
        let root = places.config_dir.clone().or_else(|| AbsPath::new("/"));
        file = root.and_then(|root| expand(path, &root, places.home.as_ref()));
        file.as_ref().map_or_else(|| Err("names no path after file:".to_owned()), read)
    } else {
        let name = text.strip_prefix('$').unwrap_or(text);
        let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        match environment.get(name) {
            _ if !name.bytes().all(plain) => {
                Err("must name a variable or file:PATH; a secret does not belong here".to_owned())
            }
            Some(value) if !value.is_empty() => Ok(Secret::new(value.to_owned())),
            _ => Err("names a variable that is not set".to_owned()),
        }
    };
    let value = found.map_err(|why| format!("{why} ({source})"));
    Keyed { value: value.map(|secret| Located::new(secret, source.clone())), file }
}

fn read(path: &AbsPath) -> Result<Secret, String> {
    let failed = |e: std::io::Error| format!("names {path}, which cannot be read: {e}");
    let mut text = String::new();
    let file = std::fs::File::open(path.as_path()).map_err(failed)?;
    file.take(64 * 1024).read_to_string(&mut text).map_err(failed)?;
    let text = zeroize::Zeroizing::new(text);
    match text.trim() {
        "" => Err(format!("names {path}, which is empty")),
        secret => Ok(Secret::new(secret.to_owned())),
    }
}

/// The names of the sinks that these settings are about.
pub(super) fn names(settings: &Settings) -> BTreeSet<String> {
    settings.keys().filter_map(name_in).map(str::to_owned).collect()
}
