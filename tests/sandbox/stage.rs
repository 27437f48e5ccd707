//! A throw-away home with secrets in it, a workspace, and the binary that plays scenes there.

use serde_json::{Map, Value, json};
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Stands in the parent's environment and in files outside; no reply may hold it.
pub const CANARY: &str = "canary-7f3a91";
/// Backends that confine.
#[cfg(not(feature = "birdcage"))]
pub const CONFINING: [&str; 3] = ["bwrap", "userns", "landlock"];
/// Backends that confine.
#[cfg(feature = "birdcage")]
pub const CONFINING: [&str; 4] = ["bwrap", "userns", "birdcage", "landlock"];
/// Backends.
#[cfg(not(feature = "birdcage"))]
pub const ALL: [&str; 4] = ["bwrap", "userns", "landlock", "none"];
/// Backends.
#[cfg(feature = "birdcage")]
pub const ALL: [&str; 5] = ["bwrap", "userns", "birdcage", "landlock", "none"];
/// An account without any rights, the same number everywhere.
const NOBODY: u32 = 65_534;

/// Whose rights Ion has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Who {
    /// Whoever runs the tests.
    Me,
    /// `nobody`, where the tests run as root; otherwise the same as `Me`.
    Nobody,
}

/// Both.
pub const EVERYBODY: [Who; 2] = [Who::Me, Who::Nobody];

/// The stage.
pub struct Stage {
    dir: tempfile::TempDir,
    pub who: Who,
}

impl Stage {
    /// Sets it up for somebody.
    pub fn new(who: Who) -> Self {
        let dir = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir();
        let dir = dir.expect("a temporary folder");
        let stage = Stage { dir, who };
        if cfg!(feature = "birdcage") && is_root() {
            // Birdcage's fixed place. Made first by `nobody`, it would be refused to root.
            let _ = std::fs::create_dir("/tmp/birdcage-root");
            std::os::unix::fs::chown("/tmp/birdcage-root", Some(0), Some(0)).expect("chown");
        }
        for folder in ["home/.ssh", "home/.ion", "work/sub", "outside", "tmp"] {
            std::fs::create_dir_all(stage.path(folder)).expect("folders");
        }
        for file in ["home/.ssh/id_rsa", "home/.ion/config.json", "outside/file"] {
            std::fs::write(stage.path(file), CANARY).expect("a file");
        }
        // By another process: a child that this one forks at the wrong moment would hold the copy
        // open for writing, and nobody could start it.
        let mut copy = Command::new("cp");
        copy.arg(env!("CARGO_BIN_EXE_ion")).arg(stage.path("ion"));
        assert!(copy.status().expect("cp").success());
        stage.hand_over();
        stage
    }

    /// Gives everything on the stage to the one who plays.
    pub fn hand_over(&self) {
        if self.who == Who::Nobody && is_root() {
            let owner = format!("{NOBODY}:{NOBODY}");
            let done = Command::new("chown").args(["-hR", &owner]).arg(self.dir.path()).status();
            assert!(done.expect("chown").success());
        }
    }

    /// A path on the stage.
    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// The workspace.
    pub fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// A `Bash` scene.
    pub fn bash(&self, backend: &str, command: &str) -> Scene<'_> {
        self.scene(backend, "Bash", json!({"command": command}))
    }

    /// A scene with any tool.
    pub fn scene(&self, backend: &str, tool: &str, input: Value) -> Scene<'_> {
        let requirement = match backend {
            "auto" | "bwrap" | "userns" => "view",
            "birdcage" | "landlock" => "rules",
            _ => "open",
        };
        let mut terms = Map::new();
        terms.insert("tool".into(), tool.into());
        terms.insert("input".into(), input);
        terms.insert("workspace".into(), text(&self.work()).into());
        terms.insert("backend".into(), backend.into());
        terms.insert("requirement".into(), requirement.into());
        Scene { stage: self, terms, descriptors: "", wrapper: Vec::new() }
    }

    fn command(&self, wrapper: &[String], role: &[&str], descriptors: &str) -> Command {
        let ion = self.path("ion");
        let mut words = wrapper.to_vec();
        words.push(text(&ion));
        words.extend(role.iter().map(|word| (*word).to_owned()));
        self.as_who(words, descriptors)
    }

    /// Runs a shell command outside of any sandbox, with the rights of the one who plays.
    pub fn shell(&self, command: &str) -> std::process::Output {
        let words = ["/bin/sh", "-c", command].map(str::to_owned).to_vec();
        self.as_who(words, "").output().expect("a shell")
    }

    /// Any program, bare, with the rights of the one who plays.
    pub fn bare(&self, words: &[&str], descriptors: &str) -> Command {
        self.as_who(words.iter().map(|word| (*word).to_owned()).collect(), descriptors)
    }

    fn as_who(&self, mut words: Vec<String>, descriptors: &str) -> Command {
        if self.who == Who::Nobody && is_root() {
            let id = NOBODY.to_string();
            let drop = ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups", "--"];
            words.splice(0..0, drop.map(str::to_owned));
        }
        let mut command = Command::new("/bin/bash");
        command.arg("-c").arg(format!("exec \"$@\" {descriptors}")).arg("-").args(words);
        command.env_clear().env("HOME", self.path("home")).env("ION_TEST_SECRET", CANARY);
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        command.env("TMPDIR", self.path("tmp"));
        command.env("BASH_ENV", self.path("outside/file")).current_dir(self.path("home"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The binary with the rights of the one who plays, its streams not yet chosen.
    pub fn program(&self, words: &[&str]) -> Command {
        self.program_with(words, "")
    }

    /// The same, with shell redirections that it is started with.
    pub fn program_with(&self, words: &[&str], descriptors: &str) -> Command {
        let mut ion = self.command(&[], words, descriptors);
        ion.stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::piped());
        ion
    }

    /// Starts a hidden role of the binary.
    pub fn start(&self, role: &[&str]) -> Child {
        self.command(&[], role, "").spawn().expect("ion starts")
    }
}

/// One call with its terms.
pub struct Scene<'a> {
    stage: &'a Stage,
    terms: Map<String, Value>,
    descriptors: &'static str,
    wrapper: Vec<String>,
}

impl Scene<'_> {
    /// Changes a term.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.terms.insert(name.to_owned(), value.into());
        self
    }

    /// Shell redirections that Ion is started with.
    pub fn inheriting(mut self, descriptors: &'static str) -> Self {
        self.descriptors = descriptors;
        self
    }

    /// A program, with its arguments, that Ion is started by.
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Starts it.
    pub fn start(self) -> Child {
        let role = ["__worker", "rehearse"];
        let mut child =
            self.stage.command(&self.wrapper, &role, self.descriptors).spawn().expect("ion starts");
        let text = Value::Object(self.terms).to_string();
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("a written scene");
        child
    }

    /// Plays it to the end.
    pub fn play(self) -> Played {
        let output = self.start().wait_with_output().expect("ion ends");
        let all = String::from_utf8_lossy(&output.stdout).into_owned();
        let value = serde_json::from_str(&all).unwrap_or_else(|_| {
            panic!("no answer: {all}{}", String::from_utf8_lossy(&output.stderr))
        });
        Played(value)
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Played(pub Value);

impl Played {
    /// The tool's text; empty when there was no reply.
    pub fn content(&self) -> &str {
        self.0["content"].as_str().unwrap_or_default()
    }

    /// Which kind of `RunError`, if any.
    pub fn error(&self) -> Option<&str> {
        self.0["error"].as_str()
    }

    /// Asserts that the tool succeeded, and gives its text.
    pub fn ok(&self) -> &str {
        assert_eq!(self.0["is_error"], json!(false), "{:#}", self.0);
        self.content()
    }

    /// Asserts that the tool ran and failed, and gives its text.
    pub fn failed(&self) -> &str {
        assert_eq!(self.0["is_error"], json!(true), "{:#}", self.0);
        self.content()
    }
}

/// Whether it has mounts, processes and a network of its own, as Ion means it.
pub fn has_view(backend: &str) -> bool {
    matches!(backend, "bwrap" | "userns")
}

/// A path as text.
pub fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs `play` for each confining backend and each user, on a fresh stage.
pub fn everywhere(play: impl Fn(&Stage, &str)) {
    for who in EVERYBODY {
        for backend in CONFINING {
            let stage = Stage::new(who);
            eprintln!("{backend} as {who:?}");
            play(&stage, backend);
        }
    }
}
