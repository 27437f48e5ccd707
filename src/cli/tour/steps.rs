//! Prints each step of the tour as it happens, and remembers what was seen.

use crate::cli::{CommandError, Exit, Output};
use crate::event::{Event, Sink};
use crate::gate::Refusal;
use crate::model::{CallId, visible};
use std::collections::HashMap;
use std::io;

/// A listener that tells the run as numbered steps.
pub struct Steps<'a> {
    out: &'a mut Output,
    number: usize,
    says: String,
    calls: HashMap<CallId, Call>,
    seen: Seen,
}

#[derive(Default)]
struct Call {
    tool: String,
    input: String,
    refusal: Option<Refusal>,
}

/// What the steps showed.
#[derive(Debug, Default)]
pub struct Seen {
    allowed: usize,
    sandboxed: usize,
    masked: usize,
    refused: Vec<String>,
    everything: String,
}

impl<'a> Steps<'a> {
    /// Prints to `out`.
    pub fn new(out: &'a mut Output) -> Self {
        Steps { out, number: 0, says: String::new(), calls: HashMap::new(), seen: Seen::default() }
    }

    /// What was seen.
    pub fn finish(self) -> Seen {
        self.seen
    }

    fn result(&mut self, id: &CallId, output: &str, is_error: bool) -> io::Result<()> {
        let call = self.calls.remove(id).unwrap_or_default();
        self.number += 1;
        let masked = output.contains("[secret:");
        let mark = match (&call.refusal, masked, is_error) {
            (Some(_), _, _) => "refused",
            (None, true, _) => "masked ",
            (None, false, false) => "allowed",
            (None, false, true) => "failed ",
        };
        match &call.refusal {
            Some(refusal) => self.seen.refused.push(refusal.tool_input.get().to_string()),
            None if !is_error => {
                self.seen.allowed += 1;
                self.seen.sandboxed += usize::from(call.tool == "Bash");
                self.seen.masked += usize::from(masked);
            }
            None => {}
        }
        let said = std::mem::take(&mut self.says);
        let asked = summary(&call);
        self.print(&format!("{}. {mark}  {asked}", self.number))?;
        if !said.trim().is_empty() {
            self.print(&format!("     model    \"{}\"", visible(said.trim())))?;
        }
        let shown: Vec<&str> = match &call.refusal {
            Some(_) => output.lines().collect(),
            None => output.lines().filter(|line| line.trim().len() > 1).take(4).collect(),
        };
        for line in shown {
            self.print(&format!("     | {}", visible(&line.replace('\t', "  "))))?;
        }
        self.print("")
    }

    fn print(&mut self, line: &str) -> io::Result<()> {
        self.seen.everything.push_str(line);
        self.seen.everything.push('\n');
        self.out.line(line).map_err(io::Error::other)
    }
}

impl Sink for Steps<'_> {
    fn emit(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::TextChunk { text } => self.says.push_str(text.as_str()),
            Event::ToolCall { tool_name, tool_id, .. } => {
                let call = Call { tool: tool_name.to_string(), ..Call::default() };
                self.calls.insert(tool_id.clone(), call);
            }
            Event::ToolCallUpdate { tool_id, partial_input } => {
                if let Some(call) = self.calls.get_mut(tool_id) {
                    call.input.push_str(partial_input.as_str());
                }
            }
            Event::PermissionDenied { refusal } => {
                if let Some(call) = self.calls.get_mut(&refusal.tool_use_id) {
                    call.refusal = Some(Refusal::clone(refusal));
                }
            }
            Event::ToolResult { tool_id, output, is_error, .. } => {
                return self.result(tool_id, output.as_str(), *is_error);
            }
            Event::TaskComplete(complete) => {
                self.print(&format!("model    \"{}\"\n", visible(complete.result.as_str())))?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// `Bash  wc -w notes.txt` from the tool and its JSON input.
fn summary(call: &Call) -> String {
    let input: serde_json::Value = serde_json::from_str(&call.input).unwrap_or_default();
    let main = ["command", "file_path", "path", "pattern"]
        .iter()
        .find_map(|key| input[*key].as_str())
        .unwrap_or(&call.input);
    format!("{:<5} {}", call.tool, visible(main))
}

impl Seen {
    /// Whether the pipeline did its part.
    ///
    /// # Errors
    /// What did not happen; the tour must not end well then.
    pub fn check(&self, token: &str) -> Result<(), CommandError> {
        let failed = |what: &str| {
            Err(CommandError::new(Exit::Failed, "tour", format!("the tour did not show {what}"))
                .detail("next: read the steps above; a step marked `failed` says why"))
        };
        if self.everything.contains(token) {
            return failed("a masked secret: the token is in the output above");
        }
        let refused = |word: &str| self.refused.iter().any(|input| input.contains(word));
        match () {
            () if self.allowed < 2 => failed("an allowed read"),
            () if self.sandboxed == 0 => failed("a sandboxed command"),
            () if self.masked == 0 => failed("a masked secret"),
            () if !refused("collect.example") => failed("a refused exfiltration"),
            () if !refused("rm -rf") => failed("a refused destructive command"),
            () => Ok(()),
        }
    }
}
