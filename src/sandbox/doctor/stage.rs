//! A private folder with a home, a workspace and a secret, and the command that is attacked with.

use super::Outcome;
use super::attacks::{Attack, Sign};
use crate::worker::backend::Backend;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Where every system has its programs.
const PROGRAMS: &[&str] = &["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
/// How long an effect may take to show.
const SHOWING: Duration = Duration::from_millis(20);

/// The stage; removed with everything on it when dropped.
pub struct Stage {
    folder: PathBuf,
    secret: String,
    listener: TcpListener,
    port: u16,
}

impl Stage {
    /// Sets it up below the temporary folder.
    ///
    /// # Errors
    /// In a person's words.
    pub fn new() -> Result<Self, String> {
        let failed = |e: std::io::Error| format!("making a place for the tests: {e}");
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|e| format!("making a place for the tests: {e}"))?;
        let secret = format!("canary-{:032x}", u128::from_ne_bytes(random));
        let folder = std::env::temp_dir().join(format!("ion-doctor-{}", &secret[7..23]));
        let mut make = fs::DirBuilder::new();
        make.mode(0o700).create(&folder).map_err(failed)?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let stage = Stage { folder, secret, listener, port };
        for below in ["home/.ssh", "outside"] {
            fs::create_dir_all(stage.at(below)).map_err(failed)?;
        }
        for below in ["home/.ssh/id", "outside/secret"] {
            fs::write(stage.at(below), &stage.secret).map_err(failed)?;
        }
        Ok(stage)
    }

    fn at(&self, below: &str) -> PathBuf {
        self.folder.join(below)
    }

    /// Tries one attack under one backend.
    pub fn attack(&self, attack: &Attack, backend: Backend) -> Outcome {
        if !PROGRAMS.iter().any(|folder| Path::new(folder).join(attack.needs).exists()) {
            return Outcome::Untested(format!("`{}` is not installed", attack.needs));
        }
        let work = self.at("work");
        let _ = fs::remove_dir_all(&work);
        let _ = fs::remove_file(self.at("outside/mark"));
        while self.listener.accept().is_ok() {}
        if let Err(error) = fs::create_dir(&work) {
            return Outcome::Untested(error.to_string());
        }
        let output = match self.run(attack, backend, &work) {
            Ok(output) => output,
            Err(error) => return Outcome::Untested(error.to_string()),
        };
        let told = String::from_utf8_lossy(&output.stderr);
        // FAIL CLOSED: a command that never ran proves nothing.
        if output.status.code() == Some(2) && told.starts_with("error:") {
            let first = told.lines().next().unwrap_or_default();
            return Outcome::Untested(first.trim_start_matches("error: ").to_owned());
        }
        match self.shows(attack.sign, &output, &work) {
            true => Outcome::Open,
            false if told.contains("was changed; put back") => Outcome::Undone,
            false => Outcome::Held,
        }
    }

    fn run(&self, attack: &Attack, backend: Backend, work: &Path) -> std::io::Result<Output> {
        #[expect(clippy::disallowed_methods, reason = "the command that is examined")]
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["sandbox", "run", "--profile", "standard", "--backend", backend.as_str()]);
        command.args(attack.options).arg("--").args(["/bin/sh", "-c", attack.script, "-"]);
        command.arg(&self.folder).arg(self.port.to_string());
        command.arg(std::process::id().to_string());
        command.env_clear().env("HOME", self.at("home")).env("ION_DOCTOR_KEY", &self.secret);
        command.env("PATH", PROGRAMS.join(":")).current_dir(work);
        command.stdin(Stdio::null());
        let left_open = self.left_open()?;
        let output = command.output();
        drop(left_open);
        output
    }

    /// An open file of a careless starter, under a number that the attack knows.
    fn left_open(&self) -> std::io::Result<Vec<OwnedFd>> {
        let open = || rustix::fs::open(self.at("outside/secret"), OFlags::RDONLY, Mode::empty());
        let mut all = vec![open()?];
        while all.last().is_some_and(|fd| fd.as_raw_fd() < 9) {
            all.push(open()?);
        }
        Ok(all)
    }

    fn shows(&self, sign: Sign, output: &Output, work: &Path) -> bool {
        let said = String::from_utf8_lossy(&output.stdout);
        match sign {
            Sign::Secret => said.contains(&self.secret),
            Sign::Mark => self.at("outside/mark").exists(),
            Sign::Hook => work.join(".git/hooks/pre-commit").exists(),
            Sign::Connection => {
                std::thread::sleep(SHOWING);
                self.listener.accept().is_ok()
            }
            Sign::Process => {
                let own = std::process::id().to_string();
                said.split_whitespace().any(|word| word == own)
            }
            Sign::EndedWell => output.status.success(),
            Sign::Survivor => self.survivor(),
            Sign::SetUserId => fs::metadata(work.join("suid"))
                .is_ok_and(|about| about.permissions().mode() & 0o6000 != 0),
        }
    }

    /// Whether the sleeper with this stage's own number is still there.
    fn survivor(&self) -> bool {
        let mark = format!("4321.{}", self.port);
        let until = Instant::now() + SHOWING;
        loop {
            let there = fs::read_dir("/proc").into_iter().flatten().flatten().any(|entry| {
                fs::read(entry.path().join("cmdline"))
                    .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&mark))
            });
            if there || Instant::now() >= until {
                return there;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
