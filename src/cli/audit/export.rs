//! `ion audit export`: the log in the words of another system, as a stream.

use super::{chain, missing, visible};
use crate::audit::export::{Exporter, Format};
use crate::audit::query::{self, Filter};
use crate::audit::verify;
use crate::cli::{CommandError, Exit, Output};
use crate::model::AbsPath;

/// Writes what the filter takes. A log that is broken or has unreadable lines is exported as far
/// as it can be read and is a failure all the same: a machine reads the exit code alone.
///
/// # Errors
/// The log cannot be read, or the output not be written.
pub(super) fn export(
    format: Format,
    filter: &Filter,
    file: &AbsPath,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let Some(report) = verify::glance(file)? else { return Ok(missing(file, out)) };
    let mut exporter = Exporter::new(format);
    let skipped = query::each_stored(file, filter, true, &mut |record, line| {
        if format == Format::Jsonl {
            // A pipe or a file gets the very bytes; a terminal must not act on a forged line.
            return match out.out_is_terminal {
                true => Ok::<(), CommandError>(
                    out.line(&visible(String::from_utf8_lossy(line).trim_end()))?,
                ),
                false => Ok(out.bytes(line)?),
            };
        }
        match exporter.take(&record) {
            Some(line) => Ok(out.data(&line)?),
            None => Ok(()),
        }
    })?;
    if let Some(line) = exporter.finish() {
        out.data(&line)?;
    }
    out.say(&chain(&report, skipped));
    let whole = report.is_intact() && skipped.unreadable == 0;
    Ok(if whole { Exit::Done } else { Exit::Failed })
}
