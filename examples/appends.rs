//! What one append to the audit log costs, and a log of a million records to read.
//!
//! `appends DIR COUNT` writes a new log of so many everyday records into DIR and prints medians.

#![allow(missing_docs, clippy::disallowed_macros)]

use ion::audit::settings::Sync;
use ion::audit::{AuditLog, Draft, Kind, Origin, Settings};
use ion::model::{AbsPath, CallId, Decision, SessionId, ToolName};
use ion::redact::Redactor;
use serde_json::json;
use std::time::{Duration, Instant};

/// As a call is recorded: one in ten is refused, two records a call.
fn draft(n: usize, redactor: &Redactor) -> Draft {
    let denied = n.is_multiple_of(10);
    let rule = match denied {
        true => {
            json!({"id": "egress.raw-fetch", "tier": "enterprise", "source": "/etc/ion/config.json:42"})
        }
        false => json!({"id": "read.workspace", "tier": "shipped", "source": "policies/core.toml"}),
    };
    let step = json!({"stage": "rules", "tier": "shipped", "verdict": "allow", "by": "read.workspace", "reason": "inside the workspace"});
    let body = json!({
        "call": {"tool": "Bash", "input": {"command": format!("git -C /home/lena/project-{} log --oneline -n {n}", n % 97)}},
        "digest": "3f0d56fab8e9d42d6a68b3e991d137eb894a8e6d32fa1cf5e71b8ca0b548220f", "cwd": "/home/lena/project",
        "decided_by": "rule", "rule": rule, "reason": "commands of this kind are known", "steps": vec![step; 4],
        "agent": "main", "depth": 0, "interactive": false,
        "confinement": {"backend": "bwrap", "network": "none", "requirement": "view"}
    });
    Draft {
        kind: Kind::Decision,
        session: SessionId::parse(&format!("17783200000{:02}-a1b2c3d4e5f6", n / 1000 % 100)),
        call_id: Some(CallId::new(format!("toolu_{n}"))),
        tool: Some(ToolName::resolve(if n.is_multiple_of(3) { "Read" } else { "Bash" })),
        decision: Some(if denied { Decision::Deny } else { Decision::Allow }),
        body: redactor.json(&body),
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(count)) = (args.next(), args.next()) else {
        return Err("usage: appends DIR COUNT".into());
    };
    let count: usize = count.parse()?;
    let redactor = Redactor::new(true, Vec::new()).for_log();
    let drafts: Vec<Draft> = (0..1000).map(|n| draft(n, &redactor)).collect();
    for (name, sync, records) in
        [("always.jsonl", Sync::Always, 2000), ("audit.jsonl", Sync::Checkpoint, count)]
    {
        let file = AbsPath::new(format!("{dir}/{name}")).ok_or("DIR must be absolute")?;
        let settings = Settings { sync, ..Settings::default() };
        let log = AuditLog::open_as(&file, Origin::here(Some("lena".to_owned())), settings)?;
        let mut times = Vec::with_capacity(records);
        for draft in drafts.iter().cycle().take(records) {
            let begun = Instant::now();
            log.append(draft)?;
            times.push(begun.elapsed());
        }
        let worst = times.iter().max().copied().unwrap_or_default();
        let median = median(&mut times);
        println!("{}: {records} records, median {median:?}, worst {worst:?}", sync.as_str());
    }
    Ok(())
}
