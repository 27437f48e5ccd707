//! What runs inside the sandbox: one call in, one reply out.
//!
//! `main` hands control to [`entry`] before any runtime or thread exists. The process knows no
//! secret: its environment is empty, its memory was replaced by `exec`, and all it learns comes
//! in over its input. It imports `model` and `sys`, and nothing that could decide.
//! Read [`serve`] for the order of steps, [`confine`] for the layers, [`body`] for the tools.

pub mod backend;
pub mod body;
#[cfg(feature = "birdcage")]
pub mod cage;
pub mod confine;
pub mod dialogue;
pub mod family;
pub mod handover;
pub mod open;
pub mod serve;
pub mod start;
pub mod supervise;
pub mod usage;
pub mod view;
pub mod wire;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs as a worker. `args` is what follows the hidden first argument
/// [`WORKER`](crate::worker::wire::WORKER).
pub fn entry(args: &[OsString]) -> ExitCode {
    match args.first().and_then(|role| role.to_str()) {
        Some("run") => serve::run(args.get(1)),
        Some("supervise") => supervise::run(args.get(1)),
        _ => ExitCode::from(2),
    }
}
