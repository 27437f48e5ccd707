//! A real pseudo-terminal with `ion` on it: the whole way from a key to a call.

use super::{PATIENCE, document, home, script, until};
use crate::support::{Home, stdout};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::json;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A terminal, the person's end of it.
pub struct Screen {
    master: File,
    pub slave: File,
    seen: Arc<Mutex<String>>,
}

impl Screen {
    pub fn new() -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let slave = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap();
        let (master, slave) = (File::from(master), File::from(slave));
        let seen = Arc::new(Mutex::new(String::new()));
        let (mut reader, shared) = (master.try_clone().unwrap(), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut piece) {
                shared.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..n]));
            }
        });
        Screen { master, slave, seen }
    }

    pub fn types(&self, text: &str) {
        (&self.master).write_all(text.as_bytes()).unwrap();
    }

    pub fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }

    pub fn shows(&self, text: &str) {
        let begun = Instant::now();
        while !self.seen().contains(text) {
            assert!(begun.elapsed() < PATIENCE, "{text} never came: {:?}", self.seen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts a program whose controlling terminal this is.
    pub fn start(&self, home: &Home, program: &[&str]) -> Child {
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).args(program).current_dir(home.work()).env_clear();
        command.env("HOME", home.home()).env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.stdin(self.slave.try_clone().unwrap()).stdout(Stdio::piped());
        command.stderr(self.slave.try_clone().unwrap()).spawn().expect("setsid of util-linux")
    }

    pub fn is_cooked(&self) -> bool {
        tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }
}

pub const ION: &str = env!("CARGO_BIN_EXE_ion");
pub const PROMPT: [&str; 5] = [ION, "prompt", "--model", "scripted:s.toml", "go"];

#[test]
fn a_person_at_the_terminal_lets_one_call_run_and_refuses_the_next() {
    let home = home(&json!({}));
    script(&home, &["touch made", "touch two"]);
    let screen = Screen::new();
    let child = screen.start(&home, &PROMPT);
    screen.shows("  | touch made");
    screen.shows("[?] more");
    assert!(!home.work().join("made").exists());
    screen.types("o");
    screen.shows("-> allowed once");
    screen.shows("  | touch two");
    until("the second line of keys", || {
        (screen.seen().matches("[?] more").count() == 2).then_some(())
    });
    screen.types("n");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?} {:?}", screen.seen());
    assert!(home.work().join("made").exists() && !home.work().join("two").exists());
    assert!(screen.is_cooked());
    let records = stdout(&home.run(&["audit", "list", "--json"]));
    let answered = records.lines().find(|line| line.contains("\"answered\"")).expect("a record");
    assert!(answered.contains("terminal") && answered.contains("/dev/pts/"), "{answered}");
}

#[test]
fn ctrl_c_at_a_question_ends_the_run_and_gives_the_terminal_back() {
    let home = home(&json!({}));
    script(&home, &["touch made"]);
    let screen = Screen::new();
    let child = screen.start(&home, &PROMPT);
    screen.shows("[?] more");
    screen.types("\u{3}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?} {:?}", screen.seen());
    assert!(screen.is_cooked() && !home.work().join("made").exists());
}

#[test]
fn a_piped_prompt_still_finds_the_person_at_the_terminal() {
    let home = home(&json!({}));
    script(&home, &["touch made"]);
    let screen = Screen::new();
    let line = format!("echo go | {ION} prompt --model scripted:s.toml -");
    let child = screen.start(&home, &["sh", "-c", &line]);
    screen.shows("[?] more");
    screen.types("o");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && home.work().join("made").exists(), "{output:?}");
}

#[test]
fn a_run_in_the_background_or_with_json_output_does_not_ask_at_the_terminal() {
    let home = home(&json!({}));
    script(&home, &["touch made"]);
    let screen = Screen::new();
    // A shell with job control puts what it starts with `&` into a group of its own.
    let line = format!("set -m; {ION} prompt --model scripted:s.toml go < /dev/null & wait");
    let output = screen.start(&home, &["sh", "-c", &line]).wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(screen.seen().contains("nobody can answer") || screen.seen().contains("denied Bash"));
    let json = [ION, "prompt", "--model", "scripted:s.toml", "--output", "json", "go"];
    let output = screen.start(&home, &json).wait_with_output().unwrap();
    assert_eq!(super::denied_by(&document(&output), "headless-ask"), 1);
    assert!(!screen.seen().contains("Approval needed") && !home.work().join("made").exists());
}

#[test]
fn a_sealed_or_configured_no_keeps_the_terminal_out() {
    let home = home(&json!({"terminal": false}));
    script(&home, &["touch made"]);
    let screen = Screen::new();
    let output = screen.start(&home, &PROMPT).wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!screen.seen().contains("Approval needed") && !home.work().join("made").exists());
}
