//! `ion hook claude|codex|gemini`: Ion's policy for agents that are not Ion.
//!
//! Reads one hook event, judges the call, records the decision and answers as that agent wants
//! it. FAIL CLOSED: agents let a call through when a hook crashes, prints something else or
//! exits with any code but 2, so every denial and every failure here ends in exit code 2 with
//! its reason on stderr, besides the answer on stdout. Read [`event`], then one of the formats.

mod claude;
mod codex;
mod event;
mod format;
mod gemini;
mod patch;
mod strict;

use super::{CommandError, Exit, Output};
use crate::config::{Environment, Flags};
use crate::gate::{ForeignCall, ForeignPart};
use crate::model::{AbsPath, CallId, Decision, SessionId, ToolName};
use crate::redact::Redactor;
use crate::runtime::guard::{self, Client};
use crate::sys;
use event::{Event, Waiting};
use format::{Answer, Format};
use serde_json::json;
use std::io::Read;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Largest event in bytes.
const MAX_INPUT: usize = 4 * 1024 * 1024;
/// How long the event may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long everything may take. Agents wait longer, and let the call through when they give up.
const DEADLINE: Duration = Duration::from_secs(20);

/// `ion hook`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ion hook claude --settings     what to paste into that agent's settings
  ion hook codex < event.json    one event in, one answer out
See `ion help guard`.")]
pub struct HookArgs {
    /// Whose hook it is.
    #[arg(value_enum)]
    pub agent: Agent,
    /// Print the settings to paste into that agent's configuration, and do nothing else.
    #[arg(long)]
    pub settings: bool,
    /// Let Ion's allow skip the agent's own prompt, where the agent knows such an answer.
    #[arg(long)]
    pub approve: bool,
    /// The profile to judge under.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

/// An agent with hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Agent {
    /// Claude Code.
    Claude,
    /// OpenAI Codex CLI.
    Codex,
    /// Gemini CLI.
    Gemini,
}

impl Agent {
    fn format(self) -> &'static Format {
        match self {
            Agent::Claude => &claude::FORMAT,
            Agent::Codex => &codex::FORMAT,
            Agent::Gemini => &gemini::FORMAT,
        }
    }
}

/// The settings of every agent, for `ion help guard`.
pub fn all_settings() -> impl Iterator<Item = (&'static str, &'static str)> {
    [("~/.claude/settings.json", Agent::Claude), ("~/.codex/config.toml", Agent::Codex)]
        .into_iter()
        .chain([("~/.gemini/settings.json", Agent::Gemini)])
        .map(|(file, agent)| (file, agent.format().settings))
}

/// Whether these arguments answer a hook, so that every failure must block.
pub fn answers_a_hook(arguments: &[std::ffi::OsString]) -> bool {
    arguments.get(1).is_some_and(|first| first == "hook")
}

/// Answers one event.
///
/// # Errors
/// The answer could not be written.
pub fn run(
    args: &HookArgs,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let format = args.agent.format();
    if args.settings {
        out.data(format.settings)?;
        return Ok(Exit::Done);
    }
    watch();
    let (call, answer) = match read_event(format) {
        Ok(Event::Other) => return Ok(Exit::Done),
        Ok(Event::Call(call)) => {
            let answer = judge(&call, format, args, environment);
            (Some(call), answer.unwrap_or_else(|problem| denial(&problem)))
        }
        Err(problem) => (None, denial(&problem)),
    };
    let text = (format.answer)(call.as_deref(), &answer);
    Ok(deliver(format, answer.decision, &text, &answer.text, out))
}

/// Writes the answer. A denial goes out twice: as the agent's format has it, and as the exit
/// code that blocks, so that losing either one changes nothing.
fn deliver(
    format: &Format,
    decision: Decision,
    answer: &str,
    reason: &str,
    out: &mut Output,
) -> Exit {
    let written = answer.is_empty() || out.line(answer).is_ok();
    match (decision, written) {
        // Silence and a question are answers only if they arrive.
        (Decision::Allow | Decision::Ask, true) => Exit::Done,
        (Decision::Allow | Decision::Ask, false) => {
            out.say("ion: the answer could not be written, so the call is blocked");
            Exit::Usage
        }
        (Decision::Deny, written) => {
            let heard = !is_null(rustix::stdio::stderr()) && out.tell(reason).is_ok();
            // Exit code 2 without a reason does not block there; the answer on stdout does,
            // and is only read with exit code 0.
            let only_stdout = format.needs_stderr && !heard && written && !answer.is_empty();
            if only_stdout { Exit::Done } else { Exit::Usage }
        }
    }
}

fn denial(problem: &str) -> Answer {
    Answer {
        decision: Decision::Deny,
        text: format!(
            "Permission denied: Ion could not judge this call, so it is blocked\n  because   {problem}\n  \
             next      ion help guard"
        ),
        approve: false,
    }
}

fn read_event(format: &Format) -> Result<Event, String> {
    let bytes = read_input()?;
    event::read(&bytes, format.gating, format.harmless)
}

/// Standard input to its end, bounded in bytes and in time.
fn read_input() -> Result<Vec<u8>, String> {
    let begun = Instant::now();
    let stdin = std::io::stdin();
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        let ready = sys::wait_readable(&[stdin.as_fd()], left)
            .map_err(|error| format!("standard input cannot be read: {error}"))?;
        if ready.first() != Some(&true) {
            return Err(format!("no whole event came within {} seconds", PATIENCE.as_secs()));
        }
        match stdin.lock().read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(read) => bytes.extend(chunk.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("standard input cannot be read: {error}")),
        }
        if bytes.len() > MAX_INPUT {
            return Err(format!("the event is larger than {MAX_INPUT} bytes"));
        }
    }
}

fn judge(
    call: &Waiting,
    format: &Format,
    args: &HookArgs,
    environment: &Environment,
) -> Result<Answer, String> {
    let cwd = folder(&call.cwd, "`cwd`")?;
    let project = format.project.iter().find_map(|name| Some((name, environment.get(name)?)));
    let project = match project.filter(|(_, value)| value.starts_with('/')) {
        Some((name, value)) => folder(value, name)?,
        None => cwd.clone(),
    };
    let person = (format.person)(call);
    let client = Client {
        name: format.name,
        session: call.session.as_deref().and_then(SessionId::parse),
        interactive: person.is_ok(),
    };
    let flags = Flags {
        profile: args.profile.clone(),
        allow_skips_prompt: args.approve,
        ..Flags::default()
    };
    let guard = guard::guard(environment, flags, project.as_path(), client).map_err(|error| {
        let error = CommandError::from(error);
        let text = std::iter::once(error.message).chain(error.details).collect::<Vec<_>>();
        // Files that do not parse are quoted, and may hold a secret.
        Redactor::new(true, Vec::new()).text(&text.join("\n            ")).as_str().to_owned()
    })?;
    let foreign = ForeignCall {
        id: CallId::new(call.call_id.clone()),
        tool: call.tool.clone(),
        input: call.input.clone(),
        parts: (format.parts)(call).and_then(|parts| placed(parts, &cwd)),
        cwd,
        person,
        about: json!({
            "event": call.event, "permission_mode": call.mode, "session": call.session,
            "mcp": call.mcp.as_ref().map(|(server, tool)| json!({"server": server, "tool": tool})),
        }),
    };
    let guarded = guard.gate.guard(&foreign);
    Ok(Answer {
        decision: guarded.decision,
        text: shortened(guarded.text),
        approve: guard.allow_skips_prompt,
    })
}

/// A reason that an agent shows whole: its beginning, and its end with the record's number.
fn shortened(text: String) -> String {
    let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    let (head, tail) = (boundary(5000), boundary(text.len().saturating_sub(1500)));
    match (head.and_then(|at| text.get(..at)), tail.and_then(|at| text.get(at..))) {
        (Some(first), Some(last)) if first.len() + last.len() < text.len() => {
            let left_out = text.len() - first.len() - last.len();
            format!("{first}… [{left_out} bytes left out] …{last}")
        }
        _ => text,
    }
}

/// Gives every part its folder.
fn placed(parts: Vec<event::Part>, cwd: &AbsPath) -> Result<Vec<ForeignPart>, String> {
    let place = |part: event::Part| {
        let cwd = match &part.cwd {
            None => cwd.clone(),
            Some(other) => {
                let joined = cwd.as_path().join(other);
                folder(&joined.to_string_lossy(), "the folder of the command")?
            }
        };
        Ok(ForeignPart { tool: ToolName::resolve(&part.tool), input: part.input, cwd })
    };
    parts.into_iter().map(place).collect()
}

/// A folder that is there, links resolved.
fn folder(path: &str, what: &str) -> Result<AbsPath, String> {
    std::fs::canonicalize(path)
        .ok()
        .filter(|folder| folder.is_dir())
        .and_then(AbsPath::new)
        .ok_or_else(|| format!("{what} is not a folder"))
}

/// Ends the process with a denial when something hangs (a dead network disk, a held lock).
fn watch() {
    let late = || {
        std::thread::sleep(DEADLINE);
        let seconds = DEADLINE.as_secs();
        let problem = format!("the decision took more than {seconds} seconds");
        Output::stdio().say(&denial(&problem).text);
        sys::end_at_once(2);
    };
    // Without a thread the agent's own time-out is left.
    let _ = std::thread::Builder::new().name("deadline".to_owned()).spawn(late);
}

/// Whether what is written there is thrown away.
fn is_null(fd: impl AsFd) -> bool {
    let same = |a: rustix::fs::Stat, b: rustix::fs::Stat| a.st_rdev != 0 && a.st_rdev == b.st_rdev;
    match (rustix::fs::fstat(fd), rustix::fs::stat("/dev/null")) {
        (Ok(there), Ok(null)) => same(there, null),
        _ => false,
    }
}
