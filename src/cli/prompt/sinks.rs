//! The three shapes of standard output, as listeners of a run.

use crate::cli::Output;
use crate::cli::args::OutputMode;
use crate::cli::output::OutputError;
use crate::event::{Event, Progress, Sink};
use crate::gate::Refusal;
use crate::model::visible;
use crate::model::visible::visible_lines;
use std::io;

/// Writes a run to stdout in one of three shapes, and refusals to stderr in all of them.
pub struct PromptSink<'a> {
    out: &'a mut Output,
    mode: OutputMode,
    /// The last character shown was not a line end.
    open_line: bool,
    /// Text is shown, and the next piece belongs to another turn.
    between_turns: bool,
    /// A line that updates itself stands on stderr.
    shows_progress: bool,
    /// A person reads a question, maybe on this very terminal.
    asks: bool,
}

impl<'a> PromptSink<'a> {
    /// A listener that writes to `out`.
    pub fn new(out: &'a mut Output, mode: OutputMode) -> Self {
        PromptSink {
            out,
            mode,
            open_line: false,
            between_turns: false,
            shows_progress: false,
            asks: false,
        }
    }

    /// Ends an open line of text, so that what follows stands alone.
    ///
    /// # Errors
    /// As [`Output::data`].
    pub fn close_line(&mut self) -> Result<(), OutputError> {
        if std::mem::take(&mut self.open_line) {
            self.out.data("\n")?;
        }
        Ok(())
    }

    fn text(&mut self, event: &Event) -> Result<(), OutputError> {
        match event {
            Event::TextChunk { text } => {
                if std::mem::take(&mut self.between_turns) {
                    self.close_line()?;
                }
                // A terminal acts on what it is sent, and a model's text is not to act. A file or a
                // pipe gets the text as it is.
                match self.out.out_is_terminal {
                    true => self.out.data(&visible_lines(text.as_str()))?,
                    false => self.out.data(text.as_str())?,
                }
                self.open_line = !text.as_str().ends_with('\n');
            }
            Event::ToolCall { .. } => self.between_turns = true,
            Event::StreamReset => {
                self.close_line()?;
                self.out.say("ion: the provider broke off; asking again, the text above is void");
            }
            Event::TaskComplete(_) => self.close_line()?,
            _ => {}
        }
        Ok(())
    }
}

/// `turn 3 - Bash npm test - 41 s - $0.04 of 5.00 - Ctrl-C stops`.
fn progress_line(progress: &Progress) -> String {
    let cost = match progress.budget_usd {
        Some(budget) => format!("${:.2} of {budget:.2}", progress.cost_usd),
        None => format!("${:.2}", progress.cost_usd),
    };
    let running = visible(progress.running.as_str());
    format!("turn {} - {running} - {} s - {cost} - Ctrl-C stops", progress.turn, progress.seconds)
}

impl Sink for PromptSink<'_> {
    fn progress(&mut self, progress: &Progress) {
        // Only where a person watches, and never in the middle of a line of the answer.
        if self.out.err_is_terminal && !self.asks && !(self.open_line && self.out.out_is_terminal) {
            self.out.update(&progress_line(progress));
            self.shows_progress = true;
        }
    }

    fn emit(&mut self, event: &Event) -> io::Result<()> {
        if std::mem::take(&mut self.shows_progress) {
            self.out.update("");
        }
        match event {
            Event::PermissionDenied { refusal } => self.out.say(&refusal_line(refusal)),
            Event::PermissionRequest { question_id, tool_name, question, .. } => {
                self.asks = true;
                // On a terminal the question itself stands there.
                if !self.out.err_is_terminal {
                    let what = visible(question.subject.as_str());
                    let wait = question.patience.as_secs();
                    self.out.say(&format!(
                        "ion: waits up to {wait} s for a person: {tool_name} `{what}` ({question_id})"
                    ));
                }
            }
            Event::PermissionResolved { .. } => self.asks = false,
            Event::ToolStalled { tool_name, elapsed, .. } => {
                self.out.say(&format!("ion: {tool_name} has run for {elapsed} s"));
            }
            Event::ProviderRetry { retry, of, after_ms, reason } => {
                let seconds = *after_ms as f64 / 1000.0;
                let reason = visible(reason.as_str());
                self.out.say(&format!("ion: retry {retry} of {of} in {seconds:.1} s: {reason}"));
            }
            _ => {}
        }
        let shown = match self.mode {
            OutputMode::Text => self.text(event),
            OutputMode::StreamJson => self.out.line(&to_line(event)),
            OutputMode::Json => match event {
                Event::TaskComplete(_) => self.out.line(&to_line(event)),
                _ => Ok(()),
            },
        };
        shown.map_err(|error| match error {
            OutputError::ReaderGone => io::Error::from(io::ErrorKind::BrokenPipe),
            OutputError::Failed(error) => error,
        })
    }
}

/// One event as one line of JSON.
pub fn to_line(event: &Event) -> String {
    // Serialising plain data cannot fail; a clear line is still better than a panic.
    serde_json::to_string(event)
        .unwrap_or_else(|error| format!("{{\"type\":\"error\",\"message\":\"{error}\"}}"))
}

/// `ion: denied Bash 'curl ...' egress.raw-fetch (enterprise); details: ion audit show 1187`.
fn refusal_line(refusal: &Refusal) -> String {
    let part = refusal.unit.as_ref().map_or_else(String::new, |unit| {
        format!(" `{}`", visible(&unit.text.truncated(60).to_string()))
    });
    let by = match &refusal.rule {
        Some(rule) => format!("{} ({})", rule.id, rule.tier),
        None => serde_json::to_value(refusal.decided_by)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default(),
    };
    let details = refusal
        .audit_seq
        .map_or_else(String::new, |seq| format!("; details: ion audit show {seq}"));
    format!(
        "ion: denied {}{part} {by}: {}{details}",
        refusal.tool_name,
        visible(refusal.reason.as_str())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_line_says_turn_tool_time_cost_and_the_way_out() {
        let progress = Progress {
            turn: 3,
            running: crate::redact::Redacted::literal("Bash npm test"),
            seconds: 41,
            cost_usd: 0.04,
            budget_usd: Some(5.0),
        };
        let line = progress_line(&progress);
        assert_eq!(line, "turn 3 - Bash npm test - 41 s - $0.04 of 5.00 - Ctrl-C stops");
    }
}
