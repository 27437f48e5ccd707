//! `ion audit forward`: sends the log to its sinks, for a systemd unit or cron.
//!
//! Exit code 0: every sink has every record, or another process is sending to it. 1: one lacks records.
//! 2: a sink is configured that can never work, or none is.

use crate::audit::record::visible;
use crate::cli::count::plural;
use crate::cli::{CommandError, Exit, Output};
use crate::forward::pump::{Note, status};
use crate::forward::{Progress, Pump, Sink, Stop};
use crate::model::AbsPath;
use clap::Args;
use serde_json::json;
use std::sync::mpsc::channel;

/// How to forward.
#[derive(Debug, Clone, Args)]
pub struct ForwardArgs {
    /// Sends what there is and ends. This is what happens without a flag, too.
    #[arg(long, conflicts_with_all = ["follow", "status"])]
    pub once: bool,
    /// Goes on, and sends each record within five seconds, until it is interrupted.
    #[arg(long, short, conflicts_with = "status")]
    pub follow: bool,
    /// Only says how the sinks stand.
    #[arg(long)]
    pub status: bool,
    /// Only these sinks.
    #[arg(long = "sink", value_name = "NAME")]
    pub sinks: Vec<String>,
    /// One JSON document; with `--follow` one a line whenever something changes.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// No sink is meant, or the output cannot be written.
pub fn forward(
    args: &ForwardArgs,
    mut sinks: Vec<Sink>,
    file: &AbsPath,
    note: &Note,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let usage = |what: String| CommandError::new(Exit::Usage, "forward", what);
    if let Some(unknown) = args.sinks.iter().find(|name| !sinks.iter().any(|s| &s.name == *name)) {
        return Err(
            usage(format!("there is no sink `{unknown}`")).detail("next: ion config show audit")
        );
    }
    sinks.retain(|sink| args.sinks.is_empty() || args.sinks.contains(&sink.name));
    if sinks.is_empty() {
        return Err(usage("no sink is configured, so the log stays on this machine".to_owned())
            .detail("next: audit.sinks.NAME.type and .url, see docs/audit.md, Forwarding"));
    }
    if args.follow {
        return follow(args.json, sinks, file, note, out);
    }
    let ask = |sink: &Sink| match args.status {
        true => status(file, sink),
        false => Pump::new(sink.clone(), file, note.clone()).once(),
    };
    // FAIL CLOSED: a thread that ended in a panic has not sent everything.
    let lost =
        |sink: &Sink| Progress { error: Some("a bug in Ion".to_owned()), ..status(file, sink) };
    // Side by side: one that does not answer must not keep the others waiting.
    let ended: Vec<Progress> = std::thread::scope(|scope| {
        let start = |sink| (sink, scope.spawn(move || ask(sink)));
        let threads: Vec<_> = sinks.iter().map(start).collect();
        let ended = threads.into_iter().map(|(sink, thread)| (sink, thread.join()));
        ended.map(|(sink, ended)| ended.unwrap_or_else(|_| lost(sink))).collect()
    });
    let well = ended.iter().all(Progress::is_well);
    if args.json {
        let document = json!({"schemaVersion": 1, "ok": well, "log": file, "sinks": ended});
        out.line(&document.to_string())?;
    } else {
        ended.iter().try_for_each(|progress| out.line(&line(progress)))?;
    }
    Ok(if well { Exit::Done } else { Exit::Failed })
}

fn follow(
    json: bool,
    sinks: Vec<Sink>,
    file: &AbsPath,
    note: &Note,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let (tell, told) = channel();
    for sink in sinks {
        let (pump, tell) = (Pump::new(sink, file, note.clone()), tell.clone());
        // Ends when its sink is parked, or with the process.
        std::thread::spawn(move || {
            let say = |progress| drop(tell.send(progress));
            say(pump.follow(&Stop::default(), true, &say));
        });
    }
    drop(tell);
    for progress in told {
        match json {
            true => out.line(&json!(progress).to_string())?,
            false => out.line(&line(&progress))?,
        }
    }
    // Every sink is parked: a unit that ends is seen, one that does nothing is not.
    Ok(Exit::Failed)
}

fn line(progress: &Progress) -> String {
    let Progress { sink, kind, sent, seq, backlog, parked, busy, error } = progress;
    let at = seq.map_or_else(String::new, |seq| format!(", up to record {seq}"));
    let waiting = backlog.map_or_else(
        || "records wait".to_owned(),
        |n| format!("{} not sent", plural(usize::try_from(n).unwrap_or(usize::MAX), "record")),
    );
    let sent = plural(usize::try_from(*sent).unwrap_or(usize::MAX), "record");
    let what = match (error, busy) {
        (Some(why), _) if *parked => format!("STOPPED: {waiting}{at}: {}", visible(why)),
        (Some(why), _) => format!("{waiting}{at}: {}", visible(why)),
        (None, true) => format!("another process sends to it; {waiting}{at}"),
        (None, false) if *backlog == Some(0) => format!("sent {sent}, has all{at}"),
        (None, false) => format!("sent {sent}; {waiting}{at}"),
    };
    format!("{sink:<16}  {kind:<8}  {what}")
}
