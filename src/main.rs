//! `ion`: argv in, exit code out.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match args.split_first() {
        Some((first, rest)) if first == ion::sandbox::wire::WORKER => ion::worker::entry(rest),
        _ => ExitCode::from(2),
    }
}
