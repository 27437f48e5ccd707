//! What several test rooms share: a throw-away home, and the real binary run in it.
#![allow(dead_code)]

pub mod loopback;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// A stream that keeps what is written to it.
#[derive(Clone, Default)]
pub struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Sink {
    /// What was written.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A throw-away home folder with an empty workspace inside. Removed when dropped.
pub struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    /// Makes the folders. Nothing of the real home or of `/etc/ion` is touched.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(dir.path().join("home")).expect("home");
        std::fs::create_dir(dir.path().join("work")).expect("work");
        Home { dir }
    }

    /// The home folder.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// The workspace.
    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Writes a file below the throw-away folder, making folders as needed.
    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(&path, text).expect("a written file");
        path
    }

    /// `ion ARGS` in the workspace, with an environment that holds only `HOME` and `PATH`.
    pub fn ion(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ion"));
        command.args(args).current_dir(self.work()).env_clear();
        command.env("HOME", self.home()).env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command
    }

    /// Runs `ion ARGS` to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.ion(args).output().expect("ion runs")
    }
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
