//! Lets tests drive the parent's half of the sandbox in the real binary, without a permit.
//!
//! Compiled with debug assertions only, private to the crate, and reachable only as a hidden
//! worker role: neither the library nor a shipped binary has a way to run a tool without a
//! permit. Reads one JSON document, prints one.

use super::{RunError, Sandbox};
use crate::gate::{Confiner, Terms};
use crate::model::{AbsPath, CallId, Requirement, Seq, ToolCall, ToolName};
use crate::policy::{Confinement, Hosts, NetworkAccess, ResourceLimits};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::io::Read;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scene {
    tool: String,
    input: Map<String, Value>,
    #[serde(default)]
    paths: Vec<String>,
    workspace: String,
    requirement: Requirement,
    #[serde(default)]
    backend: Option<String>,
    #[serde(default = "yes")]
    workspace_writable: bool,
    #[serde(default)]
    read: Vec<String>,
    #[serde(default)]
    write: Vec<String>,
    #[serde(default)]
    protect: Vec<String>,
    #[serde(default)]
    hide: Vec<String>,
    #[serde(default)]
    network: bool,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default = "wall")]
    wall_ms: u64,
    #[serde(default = "output")]
    output_bytes: usize,
    #[serde(default)]
    processes: Option<u64>,
    #[serde(default)]
    file_size: Option<u64>,
    #[serde(default)]
    memory: Option<u64>,
    #[serde(default)]
    cpu_seconds: Option<u64>,
    #[serde(default)]
    cancel_after_ms: Option<u64>,
    /// For which tool a worker is made ready before, as the gate does it; `-` for none.
    #[serde(default)]
    ready: Option<String>,
    /// How often the call is run, for measuring.
    #[serde(default = "once")]
    times: u32,
}

fn yes() -> bool {
    true
}
fn wall() -> u64 {
    20_000
}
fn output() -> usize {
    100_000
}
fn once() -> u32 {
    1
}

/// Runs the scene from standard input.
pub(crate) fn run() -> ExitCode {
    let answer = crate::sys::prepare_process()
        .map_err(|e| e.to_string())
        .and_then(|()| scene())
        .and_then(play)
        .unwrap_or_else(|cause| json!({"error": "scene", "message": cause}));
    let mut text = answer.to_string();
    text.push('\n');
    match rustix::io::write(rustix::stdio::stdout(), text.as_bytes()) {
        Ok(n) if n == text.len() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn scene() -> Result<Scene, String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|e| e.to_string())?;
    serde_json::from_str(&text).map_err(|e| e.to_string())
}

fn play(scene: Scene) -> Result<Value, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| e.to_string())?;
    let (cancel_after, times) = (scene.cancel_after_ms, scene.times);
    let ready = scene.ready.clone().unwrap_or_else(|| scene.tool.clone());
    let terms = terms(scene)?;
    let sandbox = Sandbox::detect();
    let cancel = CancellationToken::new();
    let mut elapsed = Vec::new();
    let outcome = runtime.block_on(async {
        if let Some(ms) = cancel_after {
            let cancel = cancel.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                cancel.cancel();
            });
        }
        let mut last = None;
        for _ in 0..times {
            let started = Instant::now();
            if ready != "-" {
                let tool = ToolName::resolve(&ready);
                // A refusal comes again, from the call itself.
                let _ = sandbox.make_ready(&terms.confinement, &tool, &terms.cwd);
            }
            last = Some(sandbox.hold(&terms, &cancel).await);
            elapsed.push(started.elapsed().as_micros() as u64);
        }
        last
    });
    let (kind, message) = match outcome.ok_or("nothing was run")? {
        Ok((reply, enforced)) => {
            return Ok(json!({
                "content": reply.content,
                "is_error": reply.is_error,
                "exit_code": reply.exit_code,
                "omitted_bytes": reply.omitted_bytes,
                "enforced": enforced,
                "elapsed_us": elapsed,
                "closed": [crate::sys::stdout_was_closed(), crate::sys::stderr_was_closed()],
            }));
        }
        Err(RunError::Unavailable(message)) => ("unavailable", message),
        Err(RunError::Expired(message)) => ("expired", message),
        Err(RunError::Worker(message)) => ("worker", message),
        Err(error @ RunError::TimedOut(_)) => ("timed-out", error.to_string()),
        Err(error @ RunError::Cancelled) => ("cancelled", error.to_string()),
    };
    Ok(json!({"error": kind, "message": message, "elapsed_us": elapsed}))
}

fn terms(scene: Scene) -> Result<Terms, String> {
    let path = |text: &String| AbsPath::new(text).ok_or_else(|| format!("not absolute: {text}"));
    let all = |list: &[String]| list.iter().map(path).collect::<Result<Vec<_>, _>>();
    let workspace = path(&scene.workspace)?;
    Ok(Terms {
        call: ToolCall {
            id: CallId::new("call-1"),
            name: ToolName::resolve(&scene.tool),
            input: scene.input,
        },
        paths: all(&scene.paths)?,
        cwd: workspace.clone(),
        confinement: Confinement {
            withheld: Vec::new(),
            requirement: scene.requirement,
            backend: scene.backend,
            workspace,
            workspace_writable: scene.workspace_writable,
            read: all(&scene.read)?,
            write: all(&scene.write)?,
            protect: scene.protect,
            hide: all(&scene.hide)?,
            network: match (scene.network, &scene.hosts[..]) {
                (true, _) => NetworkAccess::Host,
                (false, []) => NetworkAccess::None,
                (false, _) => NetworkAccess::Listed,
            },
            hosts: Hosts { allow: scene.hosts, deny: Vec::new(), addresses: scene.addresses },
            limits: ResourceLimits {
                wall: Duration::from_millis(scene.wall_ms),
                output_bytes: scene.output_bytes,
                processes: scene.processes,
                file_size: scene.file_size,
                memory: scene.memory,
                cpu_seconds: scene.cpu_seconds,
                open_files: Some(1024),
            },
        },
        digest: "d1".to_owned(),
        seq: Seq(1),
        applies: None,
    })
}
