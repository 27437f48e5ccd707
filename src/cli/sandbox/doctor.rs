//! `ion sandbox doctor`: a table of attacks, tested by doing them.

use super::DoctorArgs;
use crate::cli::{CommandError, Exit, Output};
use crate::config::{Environment, Flags};
use crate::gate::Confiner;
use crate::model::Requirement;
use crate::policy::confinement_of_command;
use crate::runtime::start;
use crate::sandbox::Sandbox;
use crate::sandbox::doctor::machine::Facts;
use crate::sandbox::doctor::{BACKENDS, Outcome, Row, Standing, examine};
use crate::worker::backend::Backend;
use serde_json::{Value, json};

/// One thing that is not held, and what to do.
struct Gap {
    what: String,
    advice: String,
    /// Whether the profile in force does not hold because of it.
    breaks: bool,
}

/// Examines the machine.
///
/// # Errors
/// The configuration is wrong, or no place for the tests could be made.
pub fn run(
    args: &DoctorArgs,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let loaded =
        start::load_sandbox(environment, Flags::default(), None).map_err(CommandError::from)?;
    let sandbox = Sandbox::detect();
    let mut confinement = confinement_of_command(&loaded.settings, &loaded.places.workspace);
    confinement.requirement = confinement.requirement.max(Requirement::Rules);
    let chosen = sandbox.can_hold(&confinement);
    let standings: Vec<Standing> = BACKENDS
        .iter()
        .map(|backend| Standing { backend: *backend, missing: sandbox.missing(*backend) })
        .collect();
    let rows = examine(&standings)
        .map_err(|words| CommandError::new(Exit::Failed, "sandbox_doctor", words))?;
    let facts = Facts::look();
    let gaps = gaps(&facts, &standings, &rows, &chosen);
    let holds = gaps.iter().all(|gap| !gap.breaks);
    if args.json {
        let document = document(&facts, &standings, &rows, &gaps, &chosen, holds);
        out.line(&document.to_string())?;
    } else {
        let mut text = head(&facts, &loaded.profile.value, &chosen);
        if !args.summary {
            text.push_str(&table(&standings, &rows));
        }
        text.push_str(&tail(&gaps, &loaded.profile.value, holds));
        out.data(&text)?;
    }
    Ok(if holds { Exit::Done } else { Exit::Failed })
}

fn gaps(
    facts: &Facts,
    standings: &[Standing],
    rows: &[Row],
    chosen: &Result<String, String>,
) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if let Err(words) = chosen {
        let what = "no backend can hold the profile".to_owned();
        gaps.push(Gap { what, advice: words.clone(), breaks: true });
    }
    for standing in standings {
        if let Some(missing) = &standing.missing {
            gaps.push(Gap {
                what: format!("backend `{}` does not work here", standing.backend.as_str()),
                advice: missing.to_string(),
                breaks: false,
            });
        }
    }
    for row in rows {
        for (standing, (outcome, _)) in standings.iter().zip(&row.outcomes) {
            let name = standing.backend.as_str();
            let in_use = chosen.as_deref() == Ok(name);
            let promised = standing.backend.has_view() || !row.attack.needs_view;
            match outcome {
                Outcome::Open => gaps.push(Gap {
                    what: format!("{name}: a tool could {}", row.attack.about),
                    advice: match promised {
                        true => "this should be held: report it".to_owned(),
                        false => row.attack.advice.to_owned(),
                    },
                    breaks: promised || in_use,
                }),
                Outcome::Untested(why) if standing.missing.is_none() => gaps.push(Gap {
                    what: format!("{name}: not tested: {}", row.attack.about),
                    advice: why.clone(),
                    breaks: false,
                }),
                _ => {}
            }
        }
    }
    if let Some(why) = &facts.no_cgroup {
        gaps.push(Gap {
            what: format!(
                "limits on memory and processes are watched every 20 ms, not held by a control \
                 group: {why}"
            ),
            advice: "run Ion under `systemd-run --user --scope -p Delegate=yes`".to_owned(),
            breaks: false,
        });
    }
    gaps
}

fn head(facts: &Facts, profile: &str, chosen: &Result<String, String>) -> String {
    let landlock = match facts.landlock {
        0 => "no Landlock".to_owned(),
        version => format!("Landlock ABI {version}"),
    };
    let yes = |on: bool| if on { "yes" } else { "no" };
    format!(
        "sandbox    {} for profile `{profile}`\nkernel     {}, {landlock}, seccomp {}, container: {}\n\
         bubblewrap {}\nbirdcage   {}\n",
        chosen.as_deref().unwrap_or("UNAVAILABLE"),
        facts.kernel,
        yes(facts.seccomp),
        yes(facts.container),
        facts.bwrap.as_deref().unwrap_or("not installed"),
        match Backend::Birdcage.is_built_in() {
            true => "in this binary, which is under the GPL-3.0 because of it",
            false => "not in this binary (GPL-3.0; cargo build --features birdcage)",
        },
    )
}

fn table(standings: &[Standing], rows: &[Row]) -> String {
    let mut text = format!("\n{:<52}", "WHAT A TOOL COULD DO");
    for standing in standings {
        text.push_str(&format!("{:<10}", standing.backend.as_str()));
    }
    text.push_str("TESTED\n");
    for row in rows {
        text.push_str(&format!("{:<52}", row.attack.about));
        for (outcome, _) in &row.outcomes {
            text.push_str(&format!("{:<10}", outcome.word()));
        }
        text.push_str(&format!("{}\n", tested(row)));
    }
    text.push('\n');
    text
}

fn tested(row: &Row) -> String {
    let tried = row.outcomes.iter().filter(|(o, _)| !matches!(o, Outcome::Untested(_)));
    let times: Vec<String> = tried.map(|(_, time)| time.as_millis().to_string()).collect();
    match times.is_empty() {
        true => "no".to_owned(),
        false => format!("yes, {} ms", times.join("/")),
    }
}

fn tail(gaps: &[Gap], profile: &str, holds: bool) -> String {
    let mut text = match gaps.len() {
        0 => "no gaps\n".to_owned(),
        1 => "1 gap:\n".to_owned(),
        n => format!("{n} gaps:\n"),
    };
    for gap in gaps {
        let advice = gap.advice.replace('\n', "\n    ");
        text.push_str(&format!("- {}\n    {advice}\n", gap.what));
    }
    let verdict = if holds { "holds" } else { "does NOT hold" };
    text.push_str(&format!("profile `{profile}` {verdict} on this machine\n"));
    text
}

fn document(
    facts: &Facts,
    standings: &[Standing],
    rows: &[Row],
    gaps: &[Gap],
    chosen: &Result<String, String>,
    holds: bool,
) -> Value {
    let outcome = |(standing, (outcome, time)): (&Standing, &(Outcome, std::time::Duration))| {
        let word = match outcome {
            Outcome::Held => "held",
            Outcome::Undone => "undone",
            Outcome::Open => "open",
            Outcome::Untested(_) => "untested",
        };
        let why = if let Outcome::Untested(why) = outcome { Some(why) } else { None };
        json!({"backend": standing.backend.as_str(), "outcome": word, "ms": time.as_millis() as u64, "why": why})
    };
    json!({
        "schemaVersion": 1, "ok": holds,
        "backend": chosen.as_ref().ok(),
        "kernel": {
            "release": facts.kernel, "landlockAbi": facts.landlock, "seccomp": facts.seccomp,
            "container": facts.container, "cgroupDelegated": facts.no_cgroup.is_none(),
            "legacyTiocsti": facts.legacy_tiocsti,
        },
        "bubblewrap": facts.bwrap,
        "birdcageBuiltIn": Backend::Birdcage.is_built_in(),
        "backends": standings.iter().map(|s| json!({
            "name": s.backend.as_str(), "works": s.missing.is_none(),
            "missing": s.missing.as_ref().map(ToString::to_string),
        })).collect::<Vec<_>>(),
        "attacks": rows.iter().map(|row| json!({
            "id": row.attack.id, "about": row.attack.about,
            "outcomes": standings.iter().zip(&row.outcomes).map(outcome).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "gaps": gaps.iter().map(|g| json!({"what": g.what, "advice": g.advice, "breaks": g.breaks})).collect::<Vec<_>>(),
    })
}
