//! `ion sandbox explain`: paths, hosts, limits and the system-call filter, and who says so.

use super::ExplainArgs;
use crate::cli::{CommandError, Exit, Output};
use crate::config::Environment;
use crate::gate::Confiner;
use crate::model::{Requirement, visible};
use crate::policy::{Confinement, Hosts, NetworkAccess, confinement_of_command};
use crate::runtime::start;
use crate::sandbox::Sandbox;
use crate::sandbox::describe::{self, Description};
use crate::sandbox::seatbelt;
use crate::worker::backend::Backend;
use crate::worker::handover::PORT;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Prints the plan.
///
/// # Errors
/// The configuration is wrong, or no backend can hold it (exit code 2, as `run` would).
pub fn run(
    args: &ExplainArgs,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let loaded =
        start::load_sandbox(environment, args.terms.flags(), None).map_err(CommandError::from)?;
    let settings = &loaded.settings;
    let mut confinement = confinement_of_command(settings, &loaded.places.workspace);
    confinement.requirement = confinement.requirement.max(Requirement::Rules);
    if confinement.backend.as_deref() == Some("seatbelt") {
        return of_macos(&confinement, args.json, out);
    }
    let held = Sandbox::detect().can_hold(&confinement).map_err(super::run::unavailable)?;
    let backend = Backend::named(&held).unwrap_or(Backend::None);
    let plan = describe::describe(&confinement, backend).map_err(super::run::unavailable)?;
    let network = match confinement.network {
        NetworkAccess::None => "none",
        NetworkAccess::Listed => "listed",
        NetworkAccess::Host => "all",
    };
    let limits = &confinement.limits;
    if args.json {
        let paths = |list: &[PathBuf]| -> Vec<String> {
            list.iter().map(|path| path.display().to_string()).collect()
        };
        let document = json!({
            "schemaVersion": 1, "ok": true,
            "profile": {"name": loaded.profile.value, "source": loaded.profile.source.to_string()},
            "requirement": settings.requirement.value,
            "backend": held,
            "workspace": confinement.workspace.to_string(),
            "read": paths(&plan.read), "write": paths(&plan.write), "hide": paths(&plan.hidden),
            "protect": plan.protected.iter()
                .map(|(name, exists)| json!({"name": name, "exists": exists})).collect::<Vec<_>>(),
            "network": network, "hosts": confinement.hosts,
            "limits": {
                "processes": limits.processes, "memoryBytes": limits.memory,
                "cpuSeconds": limits.cpu_seconds,
                "fileSizeBytes": limits.file_size, "openFiles": limits.open_files,
            },
            "environment": plan.environment.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "refusedCalls": plan.refused_calls,
        });
        out.line(&document.to_string())?;
        return Ok(Exit::Done);
    }
    let mut text = format!(
        "profile    {} ({}), requirement {}\nbackend    {held}\n",
        loaded.profile.value,
        loaded.profile.source,
        format!("{:?}", settings.requirement.value).to_lowercase(),
    );
    lists(&plan, &mut text);
    text.push_str(&format!("network    {network} ({})\n", settings.network.source));
    if confinement.network == NetworkAccess::Listed {
        let Hosts { allow, deny, addresses } = &confinement.hosts;
        let names = |list: &[String]| match list {
            [] => "nothing".to_owned(),
            some => some.join(", "),
        };
        text.push_str(&format!("           reached through Ion's proxy: {}\n", names(allow)));
        if !deny.is_empty() {
            text.push_str(&format!("           and never {}\n", names(deny)));
        }
        text.push_str(&format!("           private addresses: {}\n", names(addresses)));
        for credential in &settings.credentials {
            let missing = if credential.value.is_none() { " (not set)" } else { "" };
            text.push_str(&format!(
                "           credential {} as {} to {}{missing}\n",
                credential.name, credential.header, credential.host.value
            ));
        }
    }
    let limit = |n: Option<u64>| n.map_or("not limited".to_owned(), |n| n.to_string());
    text.push_str(&format!(
        "limits     processes {}, memory {}, processor time {}, one file {}, open files {}\n",
        limit(limits.processes),
        limits.memory.map_or("not limited".to_owned(), |n| format!("{n} bytes")),
        limits.cpu_seconds.map_or("not limited".to_owned(), |n| format!("{n} s")),
        limits.file_size.map_or("not limited".to_owned(), |n| format!("{n} bytes")),
        limit(limits.open_files),
    ));
    let names: Vec<&str> = plan.environment.iter().map(|(name, _)| name.as_str()).collect();
    text.push_str(&format!("variables  {}\n", names.join(" ")));
    text.push_str(&format!("refused    {}\n", plan.refused_calls.join(", ")));
    text.push_str("nothing was run. next: ion sandbox run -- COMMAND, ion sandbox doctor\n");
    out.data(&text)?;
    Ok(Exit::Done)
}

/// The profile that macOS would be given, on any system.
fn of_macos(confinement: &Confinement, json: bool, out: &mut Output) -> Result<Exit, CommandError> {
    let proxy = (confinement.network == NetworkAccess::Listed).then_some(PORT);
    let temporary = Path::new("/tmp/ion-call");
    let terms = seatbelt::Terms { confinement, writes: true, temporary, proxy };
    let profile = seatbelt::profile(&terms).map_err(super::run::unavailable)?;
    let shown = |path: &PathBuf| path.display().to_string();
    if json {
        let parameters: serde_json::Map<String, Value> = profile
            .parameters
            .iter()
            .map(|(name, path)| (name.clone(), Value::from(shown(path))))
            .collect();
        let document = json!({
            "schemaVersion": 1, "ok": true, "backend": "seatbelt",
            "program": seatbelt::PROGRAM, "profile": profile.text, "parameters": parameters,
        });
        out.line(&document.to_string())?;
        return Ok(Exit::Done);
    }
    let mut text = profile.text.clone();
    for (name, path) in &profile.parameters {
        text.push_str(&format!("; {name} = {}\n", visible(&shown(path))));
    }
    text.push_str("; nothing was run; Ion's worker does not run on macOS yet\n");
    out.data(&text)?;
    Ok(Exit::Done)
}

fn lists(plan: &Description, text: &mut String) {
    let mut list = |name: &str, rows: Vec<String>| {
        for (index, row) in rows.iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            text.push_str(&format!("{name:<11}{row}\n"));
        }
    };
    let shown = |paths: &[PathBuf]| -> Vec<String> {
        paths.iter().map(|path| path.display().to_string()).collect()
    };
    list("read", shown(&plan.read));
    list("write", shown(&plan.write));
    if let Some(home) = &plan.home {
        list("home", vec![format!("{} is empty and private but for the openings", home.display())]);
    }
    list("hidden", shown(&plan.hidden));
    let protected = plan.protected.iter().map(|(name, exists)| match exists {
        true => name.clone(),
        false => format!("{name} (missing: cannot be made)"),
    });
    list("protected", protected.collect());
}
