//! `ion audit report`: verifies the log, reads it once, and writes the page for a reviewer.

use super::{Which, chain, shown};
use crate::audit::query::{self, Filter, Skipped};
use crate::audit::verify::{self, Report};
use crate::cli::count::plural;
use crate::cli::{CommandError, Exit, Output};
use crate::model::{AbsPath, Decision};
use crate::report::{About, Gathered};
use std::io::Write;
use std::path::Path;

/// Makes the page. A log that does not verify gets its page too, and the command fails.
///
/// # Errors
/// There is no log, it cannot be read, or the page cannot be written.
pub(super) fn report(
    target: Option<&Path>,
    which: Which,
    file: &AbsPath,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    if let Some(target) = target {
        refuse_the_log(target, file)?;
    }
    let Some(report) = verify::verify(file)? else { return Err(super::no_log(file)) };
    let filters = typed(&which);
    let filter: Filter = which.into();
    let mut gathered = Gathered::new();
    let told = |record: &crate::audit::Record| {
        shown::told(record).into_iter().chain(shown::evidence(record)).collect()
    };
    let skipped = query::each_stored(file, &filter, true, &mut |record, _| {
        // What was appended after the log was verified belongs on the next page.
        if !report.is_intact() || record.seq <= report.last() {
            gathered.take(&record, &told);
        }
        Ok::<(), CommandError>(())
    })?;
    let intact = report.is_intact() && skipped.unreadable == 0;
    let about = About {
        file: file.to_string(),
        made: format!("{:.0}", jiff::Timestamp::now()),
        filters,
        intact,
        verdict: verdict(&report, skipped),
    };
    let page = gathered.page(&about);
    let status = chain(&report, skipped);
    match target {
        None => {
            out.data(&page)?;
            out.say(&status);
        }
        Some(target) => {
            write(target, &page).map_err(|error| {
                let what = format!("cannot write the page to {}: {error}", target.display());
                CommandError::new(Exit::Failed, "audit", what).detail(
                    "next: name a file in a folder of yours with --out, or leave --out away",
                )
            })?;
            let shown = target.display();
            out.say(&format!("{shown}: {}, {status}", plural(page.len(), "byte")));
        }
    }
    Ok(if intact { Exit::Done } else { Exit::Failed })
}

fn verdict(report: &Report, skipped: Skipped) -> Vec<String> {
    let mut lines = Vec::new();
    if report.is_intact() {
        let records = plural(report.records as usize, "record");
        lines.push(format!("VERIFIED: {records}, none changed, removed, moved or cut off"));
        lines.push(format!("Head: {}", report.head_hash));
    } else {
        let broken = chain(report, skipped);
        lines.push(format!("BROKEN: {broken}"));
        let from = report.last().0.saturating_add(1);
        lines.push(format!(
            "Records before {from} check. From there on this page shows what stands in the file, which may be forged."
        ));
    }
    match &report.signed {
        None => lines.push("No signature checks: nothing here is vouched for.".to_owned()),
        Some(signed) => {
            let checked = plural(signed.checkpoints as usize, "signed checkpoint");
            lines.push(format!(
                "{checked} through record {}, by key {}; compare it with the key that you noted elsewhere",
                signed.through, signed.key
            ));
            let tail = report.last().0.saturating_sub(signed.through.0);
            if tail > 0 {
                lines.push(format!(
                    "The newest {} ({} to {}) are chained and not covered by a signature yet",
                    plural(tail as usize, "record"),
                    signed.through.0 + 1,
                    report.last()
                ));
            }
        }
    }
    lines
}

/// The filters as they are typed: a page with some of the records must say so.
fn typed(which: &Which) -> String {
    let Which { since, decision, tool, rule, session, user, limit } = which;
    let options = [
        ("since", since.map(|time| time.to_string())),
        ("decision", decision.map(|decision| Decision::as_str(decision).to_owned())),
        ("tool", tool.clone()),
        ("rule", rule.clone()),
        ("session", session.clone()),
        ("user", user.clone()),
        ("limit", limit.map(|limit| limit.to_string())),
    ];
    let typed =
        options.iter().filter_map(|(name, value)| Some(format!("--{name} {}", value.as_ref()?)));
    typed.collect::<Vec<_>>().join(" ")
}

/// The attack, or the slip: a page written over the log or a file beside it, which is evidence.
fn refuse_the_log(target: &Path, file: &AbsPath) -> Result<(), CommandError> {
    let folder = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(Path::new(".")).canonicalize().ok()
    };
    let theirs = folder(file.as_path());
    if theirs.is_some() && folder(target) == theirs {
        let what = format!("{} is in the folder of the audit log", target.display());
        return Err(CommandError::new(Exit::Usage, "usage", what)
            .detail("a page there could take the place of a file that proves something")
            .detail("next: name a file in another folder with --out"));
    }
    Ok(())
}

/// Under another name first, so that nobody opens half a page and a link is not followed.
fn write(target: &Path, page: &str) -> std::io::Result<()> {
    let mut name = target.file_name().ok_or(std::io::ErrorKind::InvalidFilename)?.to_owned();
    name.push(format!(".{}", std::process::id()));
    let new = target.with_file_name(name);
    let mut file = std::fs::File::create_new(&new)?;
    let written = file.write_all(page.as_bytes()).and_then(|()| std::fs::rename(&new, target));
    if written.is_err() {
        // What is left of it is of no use to anybody.
        let _ = std::fs::remove_file(&new);
    }
    written
}
