//! `ion redact`: copies standard input to standard output with secrets masked.
//!
//! A stream: what is decided is written at once, and memory does not grow with the input. What
//! is masked is for `redact` to decide. FAIL CLOSED: when a rule fails, nothing more is written.

use super::{CommandError, Exit, Output};
use crate::config::{Environment, Flags};
use crate::redact::{ByteRedactor, Secret, Style};
use crate::runtime::start;
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// How much is read at once.
const PIECE: usize = 256 * 1024;

/// `ion redact`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  kubectl logs api | ion redact
  ion redact --report findings.jsonl < build.log > build.masked.log
  ion redact --known known.json --placeholder label < dump.sql")]
pub struct RedactArgs {
    /// Write one JSON line for each finding: rule, first byte, byte after the last.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What stands in the place of a secret.
    #[arg(long, value_enum, value_name = "STYLE", default_value_t = Placeholder::Numbered)]
    pub placeholder: Placeholder,
    /// A JSON array of strings that are masked exactly, in every encoding.
    #[arg(long, value_name = "FILE")]
    pub known: Option<PathBuf>,
}

/// What stands in the place of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Placeholder {
    /// `[secret:github-token:1]`, the same number for the same value.
    Numbered,
    /// `[secret:github-token]`.
    Label,
    /// Nothing.
    Remove,
}

/// Runs the command.
///
/// # Errors
/// The configuration or the file of known values is wrong, the report cannot be written, input
/// or output fails, or a rule fails.
pub fn run(
    args: &RedactArgs,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let loaded = start::load(environment, Flags::default(), None).map_err(CommandError::from)?;
    let known = args.known.as_deref().map(read_known).transpose()?.unwrap_or_default();
    let redactor = start::filter(&loaded.effective, environment, known);
    let style = match args.placeholder {
        Placeholder::Numbered => Style::Numbered,
        Placeholder::Label => Style::Label,
        Placeholder::Remove => Style::Remove,
    };
    let mut report = match &args.report {
        Some(file) => {
            Some((BufWriter::new(File::create(file).map_err(|e| report_error(file, &e))?), file))
        }
        None => None,
    };
    let mut stream = redactor.bytes().with_style(style);
    if report.is_some() {
        stream = stream.with_findings();
    }
    let mut input = std::io::stdin().lock();
    let mut piece = vec![0; PIECE];
    loop {
        let length = match input.read(&mut piece) {
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let message = format!("cannot read standard input: {error}");
                return Err(CommandError::new(Exit::Failed, "input", message));
            }
        };
        let shown = match length {
            0 => stream.finish(),
            length => stream.push(&piece[..length]),
        };
        let shown = shown.ok_or_else(|| {
            CommandError::new(
                Exit::Failed,
                "redaction",
                "a redaction rule failed, so nothing more was written",
            )
            .detail("next: run `ion config validate`; if it finds nothing, this is a bug in Ion")
        })?;
        out.bytes(shown.get())?;
        if let Some((writer, file)) = &mut report {
            write_findings(&mut stream, writer, length == 0).map_err(|e| report_error(file, &e))?;
        }
        if length == 0 {
            return Ok(Exit::Done);
        }
    }
}

fn write_findings(
    stream: &mut ByteRedactor<'_>,
    writer: &mut BufWriter<File>,
    last: bool,
) -> std::io::Result<()> {
    for finding in stream.take_findings() {
        serde_json::to_writer(&mut *writer, &finding)?;
        writer.write_all(b"\n")?;
    }
    if last { writer.flush() } else { Ok(()) }
}

fn report_error(file: &Path, error: &std::io::Error) -> CommandError {
    let message = format!("cannot write the report {}: {error}", file.display());
    CommandError::new(Exit::Failed, "output", message)
}

/// Reads the values of `--known`.
fn read_known(file: &Path) -> Result<Vec<(String, Secret)>, CommandError> {
    let shown = file.display();
    let wrong = |message: String| {
        CommandError::new(Exit::Usage, "known_values", message).detail(
            "expected: a JSON array of strings, such as [\"first value\", \"second value\"]",
        )
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| wrong(format!("cannot read the known values {shown}: {error}")))?;
    // Only the place is told: the message of the parser may quote a value.
    let values: Vec<String> = serde_json::from_str(&text).map_err(|error| {
        wrong(format!("{shown}:{}:{} is no array of strings", error.line(), error.column()))
    })?;
    Ok(values.into_iter().map(|value| ("known".to_owned(), Secret::new(value))).collect())
}
