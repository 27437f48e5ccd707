//! Where the oracle runs lines: bash alone in a sandbox, every other program replaced.
//!
//! Nothing real exists inside, there is no network and no way to the project, so hostile text
//! is harmless. Must never run a line outside of it. Read `shim` and `driver.sh` next.

use std::fs;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Seconds after which a line is ended.
const LIMIT: &str = "0.7";

/// A program that bash started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The file that ran.
    pub exe: String,
    /// What it was given, its name first.
    pub argv: Vec<String>,
}

/// The prepared sandbox.
pub struct Stage {
    bin: tempfile::TempDir,
    shim: PathBuf,
    libraries: Vec<PathBuf>,
}

fn output(command: &mut Command) -> std::process::Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{said}");
    output
}

/// Libraries that the program needs, and the loader.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = Command::new("ldd").arg(program).output().expect("ldd runs");
    String::from_utf8_lossy(&listed.stdout)
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

impl Stage {
    /// Builds the shim and a folder in which every name of `programs` is that shim.
    pub fn new(programs: &[&str]) -> Self {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle");
        fs::create_dir_all(&home).expect("a folder below target");
        let shim = build(&home);
        let bin = tempfile::tempdir_in(&home).expect("a folder");
        for name in programs {
            fs::hard_link(&shim, bin.path().join(name)).expect("a link to the shim");
        }
        let bash = ["/bin/bash", "/usr/bin/bash"].into_iter().find(|path| Path::new(path).exists());
        let bash = Path::new(bash.expect("bash is installed"));
        fs::copy(bash, bin.path().join("bash")).expect("a copy of bash");
        fs::hard_link(bin.path().join("bash"), bin.path().join("sh")).expect("sh");
        let mut libraries = libraries(bash);
        libraries.extend(self::libraries(&shim));
        libraries.sort();
        libraries.dedup();
        Stage { bin, shim, libraries }
    }

    /// Runs the lines one after the other and says what each started. `mode` is 0 or 1: the
    /// exit code of every program, and what it prints.
    pub fn run(&self, lines: &[&str], mode: u8) -> Vec<Vec<Started>> {
        let log = tempfile::tempdir_in(self.bin.path().parent().expect("a parent")).expect("log");
        let mut text = tempfile::tempfile().expect("a file");
        for line in lines {
            text.write_all(line.as_bytes()).and_then(|()| text.write_all(b"\0")).expect("lines");
        }
        std::io::Seek::rewind(&mut text).expect("rewound");
        let ended = self.sandbox(log.path(), text.into(), mode);
        assert!(
            log.path().join("done").exists(),
            "the sandbox of the oracle did not come to its end:\n{ended}"
        );
        (0..lines.len()).map(|at| read(&log.path().join(at.to_string()))).collect()
    }

    fn sandbox(&self, log: &Path, lines: OwnedFd, mode: u8) -> String {
        let mut bwrap = Command::new("bwrap");
        bwrap.args(["--unshare-all", "--die-with-parent", "--as-pid-1", "--clearenv"]);
        for (name, value) in
            [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/home/dev"), ("TMPDIR", "/tmp")]
        {
            bwrap.args(["--setenv", name, value]);
        }
        bwrap.args(["--tmpfs", "/", "--dev", "/dev", "--proc", "/proc", "--dir", "/tmp"]);
        bwrap.arg("--ro-bind").arg(self.bin.path()).arg("/usr/bin");
        bwrap.args(["--symlink", "usr/bin", "/bin", "--dir", "/home/dev/app/src"]);
        for library in &self.libraries {
            bwrap.arg("--ro-bind").arg(library).arg(library);
        }
        for name in ["ls", "run.sh", "scripts/check", "target/debug/app"] {
            bwrap.arg("--ro-bind").arg(&self.shim).arg(format!("/home/dev/app/{name}"));
        }
        bwrap.arg("--bind").arg(log).arg("/log").args(["--chdir", "/home/dev/app"]);
        bwrap.args(["--", "/usr/bin/bash", "-c"]);
        // The lines come in as the driver's standard input.
        bwrap.arg(format!("exec 9<&0 < /dev/null\n{}", include_str!("driver.sh")));
        bwrap.args(["oracle", &mode.to_string(), LIMIT]);
        debug_assert!(lines.as_raw_fd() >= 0);
        let output = bwrap.stdin(Stdio::from(lines)).output().expect("bwrap is installed");
        format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr))
    }
}

/// Compiles the shim, static where the C library allows it. Kept below `target`.
fn build(home: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy/oracle/shim.rs");
    let text = fs::read(&source).expect("the shim's source");
    let shim = home.join(format!("shim-{:016x}", fingerprint(&text)));
    if !shim.exists() {
        let fresh = tempfile::NamedTempFile::new_in(home).expect("a file").into_temp_path();
        let rustc = |flags: &[&str]| {
            let mut rustc = Command::new("rustc");
            rustc.args(["--edition", "2024", "-O", "--crate-name", "shim"]).args(flags);
            rustc.arg("-o").arg(&fresh).arg(&source);
            rustc
        };
        let fixed = rustc(&["-C", "target-feature=+crt-static"]).output();
        if !fixed.is_ok_and(|output| output.status.success()) {
            // Without the C library's static half: its libraries are bound besides.
            output(&mut rustc(&[]));
        }
        fresh.persist(&shim).expect("the shim in its place");
    }
    shim
}

/// FNV-1a, to tell versions of the shim apart.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn read(log: &Path) -> Vec<Started> {
    let Ok(bytes) = fs::read(log) else { return Vec::new() };
    let mut fields = bytes.split(|b| *b == 0).map(|field| String::from_utf8_lossy(field));
    let mut started = Vec::new();
    while let (Some(exe), Some(count)) = (fields.next(), fields.next()) {
        let count: usize = count.parse().unwrap_or(0);
        let argv = fields.by_ref().take(count).map(|arg| arg.into_owned()).collect();
        started.push(Started { exe: exe.into_owned(), argv });
    }
    started
}
