//! Stands in for every program inside the oracle's sandbox: writes down what it was started as.
//!
//! Built by the oracle with `rustc` alone, so it uses nothing but the standard library. It must
//! never do anything else than append to the log of its case and print one harmless line.
//! Read `stage` for where it runs.
#![allow(dead_code)]

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

/// Programs whose output the reader takes for a number.
const NUMERIC: [&str; 11] =
    ["wc", "seq", "nproc", "expr", "date", "getconf", "id", "tput", "stat", "jq", "grep"];
/// Bytes of log after which the exit code turns, so that loops on a program's word end.
const TURNS: u64 = 1500;

pub fn main() -> ExitCode {
    let case = std::fs::read_to_string("/log/case").unwrap_or_default();
    let (mode, number) = case.trim().split_once(' ').unwrap_or(("0", "lost"));
    let exe = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    let mut record = exe.as_os_str().as_bytes().to_vec();
    let args: Vec<_> = std::env::args_os().collect();
    record.extend_from_slice(format!("\0{}\0", args.len()).as_bytes());
    for arg in &args {
        record.extend_from_slice(arg.as_bytes());
        record.push(0);
    }
    let mut turned = false;
    let path = format!("/log/{number}");
    if let Ok(mut log) = std::fs::OpenOptions::new().append(true).create(true).open(path) {
        turned = log.metadata().is_ok_and(|data| data.len() > TURNS);
        // One write, so that two programs at once do not mix their records.
        let _ = log.write_all(&record);
    }
    let name = exe.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // A value that runs something if anything evaluates it a second time.
    let said = if NUMERIC.contains(&name) || name == "pwned" {
        "7\n"
    } else if mode == "0" {
        "w1 w2\n"
    } else {
        "a[$(pwned)]\n"
    };
    let _ = std::io::stdout().write_all(said.as_bytes());
    ExitCode::from(u8::from((mode == "1") != turned))
}
