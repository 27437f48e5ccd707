//! Splits a bash command line into every simple command that it could run. Runs nothing.
//!
//! The parser is `brush-parser`; this room walks its tree, resolves quoting, unwraps `sudo`,
//! `xargs`, `bash -c` and their like, and says which paths each command touches. What cannot
//! be understood is *opaque*: it never matches an allow rule.
//! INVARIANT (over-approximate): a command that could run is listed, even if it may not.
//! Read `walk` next, then `word` (quoting), `wrap` (wrappers) and `effects` (paths).

mod brace;
mod code;
mod contact;
mod cut;
mod decode;
mod effects;
mod escape;
mod guard;
mod host;
mod network;
mod options;
mod output;
mod runner;
mod script;
mod second;
mod walk;
mod word;
mod wrap;

pub use effects::is_harmless_device;
pub use word::{ANY, ANY_NAME, ANY_PLAIN_NAME, Word};

use super::facts::{Access, PathUse};
use super::possible::ANY_WORDS;
use crate::model::AbsPath;

/// Longest command line that is looked at, in bytes. Longer ones are opaque.
pub const MAX_BYTES: usize = 64 * 1024;
/// Most simple commands of one line; the rest makes the line opaque.
pub const MAX_UNITS: usize = 512;
/// How deep wrappers and nested shell texts are followed.
pub const MAX_DEPTH: usize = 16;

/// Why a command is opaque whose code comes from somewhere at run time.
pub const UNKNOWN_TEXT: &str = "it runs a text that is only known when it runs";

/// Where a line would run.
#[derive(Debug, Clone)]
pub struct ShellPlace<'a> {
    /// The working folder.
    pub cwd: &'a AbsPath,
    /// The home folder behind `~` and `$HOME`.
    pub home: Option<&'a AbsPath>,
}

/// A value that a command sets for itself or for the commands after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// Its value, as far as it is known.
    pub value: Word,
}

/// A path of which parts are only known at run time, or the root of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Absolute, with [`ANY`] and its kin; it begins with [`ANY`] where the folder is unknown.
    pub shape: String,
    /// What happens to it.
    pub access: Access,
    /// Everything below it is touched too.
    pub tree: bool,
}

/// One simple command, or one bare redirection or assignment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// Program and arguments after quote removal.
    pub words: Vec<Word>,
    /// Base name of the program; empty for a bare redirection or assignment.
    pub program: String,
    /// Base name of the program and its arguments, joined by one blank.
    pub text: String,
    /// Assignments in front of the command, or the whole of a bare assignment.
    pub assignments: Vec<Assignment>,
    /// Paths that the command or its redirections touch.
    pub paths: Vec<PathUse>,
    /// Paths that are not known in full, and folders whose whole tree is touched.
    pub reaches: Vec<Reach>,
    /// More operands come at run time (`xargs`).
    pub late: bool,
    /// `host:port` of `/dev/tcp` and `/dev/udp` redirections.
    pub sockets: Vec<String>,
    /// Hosts that the command contacts, as far as they are known: lower case names without a
    /// trailing dot, IP addresses in their plain form, with `:port` where one is written.
    pub hosts: Vec<String>,
    /// It contacts a host that is only known when it runs.
    pub unknown_host: bool,
    /// Wrappers and substitutions around it, outermost first.
    pub via: Vec<String>,
    /// Programs whose output reaches it through a pipe.
    pub piped_from: Vec<String>,
    /// Programs whose output reaches it through a substitution.
    pub fed_by: Vec<String>,
    /// Code given inline to an interpreter (`python -c`, a here-document).
    pub code: Option<String>,
    /// It only runs another listed command (`timeout 5 X`): it needs no allow of its own.
    pub transparent: bool,
    /// The program or the meaning is unknown.
    pub opaque: Option<String>,
    /// An operand is only known when it runs.
    pub dynamic: bool,
    /// A shell function that calls itself.
    pub self_call: bool,
    /// Runs a file that the same line fetched or wrote.
    pub runs_new_file: bool,
    /// Runs on another machine or in a container: its paths are not this machine's.
    pub remote: bool,
}

/// Everything that one command line could run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// The line as given.
    pub raw: String,
    /// Every simple command, in the order found.
    pub units: Vec<Unit>,
    /// Why the line as a whole was not understood.
    pub opaque: Option<String>,
    /// Why the line looks made to deceive a reader (control or invisible characters).
    pub deceptive: Option<String>,
}

impl Script {
    /// Replaces every canonical path by what `resolve` says (links followed on disk).
    pub fn canonicalise(&mut self, resolve: &dyn Fn(&AbsPath) -> AbsPath) {
        for path in self.units.iter_mut().flat_map(|unit| unit.paths.iter_mut()) {
            path.canonical = resolve(&path.lexical);
        }
    }

    /// Counts `folder` as read by every command that names no path and may look around there:
    /// for a line that begins outside the workspace.
    pub fn begins_outside(&mut self, folder: &AbsPath) {
        let local = |unit: &&mut Unit| {
            unit.paths.is_empty() && !unit.remote && effects::uses_folder(&unit.program)
        };
        for unit in self.units.iter_mut().filter(local) {
            unit.paths.push(PathUse::lexical(folder.clone(), Access::Read));
            let shape = folder.to_string();
            unit.reaches.push(Reach { shape, access: Access::Read, tree: true });
        }
    }

    /// Every path of every command.
    pub fn paths(&self) -> impl Iterator<Item = &PathUse> {
        self.units.iter().flat_map(|unit| unit.paths.iter())
    }
}

impl Unit {
    /// Arguments after the program.
    pub fn arguments(&self) -> &[Word] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The command with marks for what is not known, its program by base name and as written;
    /// empty where all is known.
    pub fn shapes(&self) -> Vec<String> {
        if !self.late && self.arguments().iter().all(|word| word.shape.is_empty()) {
            return Vec::new();
        }
        let mut rest = String::new();
        for word in self.arguments() {
            let shape = word.shape();
            if shape.chars().eq([ANY]) {
                rest.push(ANY_WORDS);
                continue;
            }
            rest.push(' ');
            rest.push_str(&if self.late { shape.replace("{}", "\u{1}") } else { shape.to_owned() });
        }
        if self.late {
            rest.push(ANY_WORDS);
        }
        let first = self.words.first().map(|word| word.text.clone());
        let mut names = vec![self.program.clone()];
        names.extend(first.filter(|first| first.contains('/')));
        names.into_iter().map(|name| name + &rest).collect()
    }

    /// Whether a path is written or deleted.
    pub fn writes(&self) -> impl Iterator<Item = &PathUse> {
        self.paths.iter().filter(|path| path.access != Access::Read)
    }
}

/// Splits `text`. Never panics, never runs anything; doubt ends in [`Script::opaque`].
pub fn parse(text: &str, place: &ShellPlace<'_>) -> Script {
    let mut script = Script { raw: text.to_owned(), ..Script::default() };
    script.deceptive = guard::deception(text);
    if let Some(reason) = guard::too_much(text) {
        script.opaque = Some(reason);
        return script;
    }
    // FAIL CLOSED: a panic inside the foreign parser makes the line opaque.
    let walked = std::panic::catch_unwind(|| walk::walk(text, place));
    match walked {
        Ok((units, opaque)) => {
            script.units = units;
            script.opaque = opaque;
        }
        Err(_) => script.opaque = Some("the shell grammar gave up on it".to_owned()),
    }
    script
}
