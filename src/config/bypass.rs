//! `permissions.disableBypassModes`: where the sealed tier says so, nobody chooses a way around
//! the rules. Whoever tries is told which line forbids it, and Ion does not start.
//!
//! Only a choice counts: a stranger's `mode` is ignored anyway and never stops a start here.

use super::check::Findings;
use super::layers::Settings;
use super::origin::Located;
use super::problem::{Problem, quoted};
use super::rules::mode;
use super::value::{KeyPath, Layer, Value};
use crate::model::{Decision, Source};

/// The profile whose mode is `allow` and whose sandbox is open.
const PERMISSIVE: &str = "permissive";

/// Reports every chosen bypass. `chosen` are the layers that a person wrote or typed.
pub(super) fn refuse(
    sealed: &Settings,
    profile: &Located<String>,
    chosen: &[Layer],
    findings: &mut Findings,
) {
    let seal = sealed
        .get(&KeyPath::plain("permissions.disableBypassModes"))
        .filter(|held| matches!(held.setting.value, Value::Flag(true)));
    let Some(seal) = seal.map(|held| &held.setting.source) else { return };
    let mut refused = |key: &str, source: &Source, what: String| {
        findings.problems.push(Problem {
            key: key.to_owned(),
            help: Some(format!("`permissions.disableBypassModes` of {seal} forbids it")),
            guards: true,
            ..Problem::of(source.to_string(), what)
        });
    };
    if profile.value == PERMISSIVE {
        let what = format!("profile {} is not allowed here", quoted(PERMISSIVE));
        refused("profile", &profile.source, what);
    }
    for named in chosen.iter().filter_map(mode).filter(|mode| mode.value == Decision::Allow) {
        let what = format!("mode {} is not allowed here", quoted("allow"));
        refused("permissions.mode", &named.source, what);
    }
}
