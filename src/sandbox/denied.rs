//! Which of a command's failures were the sandbox's, and by which rule.
//!
//! The kernel says EACCES and no more. So a command's own words are read for the path or host that it
//! stumbled over, and the path is held against what the call was granted. Three grades: certain
//! (Ion's proxy saw it), likely (the words, and a path that was not granted), and not us (it was
//! granted: an ordinary file mode), for which nothing is said. Wrong words can make a wrong note and
//! nothing else: no decision reads it.

use super::view::{SYSTEM, View};
use crate::egress::contact::Contacts;
use crate::model::visible;
use crate::policy::{Confinement, NetworkAccess};
use crate::worker::open;
use serde::Serialize;
use std::path::{Component, Path, PathBuf};

/// Most that are told about one call.
const MOST: usize = 5;
/// Longest line of output that is looked at, bytes.
const LINE: usize = 4096;

/// One thing that the sandbox refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Denied {
    /// `read`, `write`, `connect` or `call`.
    pub operation: &'static str,
    /// The path, host or system call.
    pub target: String,
    /// `certain` or `likely`.
    pub grade: &'static str,
    /// The setting that decides about it.
    pub rule: String,
    /// How that is known.
    pub because: String,
}

impl Denied {
    /// What was refused, in words: `write to ~/.bashrc`.
    pub fn what(&self) -> String {
        let Denied { operation, target, .. } = self;
        match *operation {
            "call" => format!("the system call {target}"),
            "read" => format!("read of {target}"),
            _ => format!("{operation} to {target}"),
        }
    }
}

/// What was wanted of a path, as far as the words tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Read,
    Write,
    Unknown,
}

/// What the words of one line are about.
#[derive(Debug, PartialEq, Eq)]
enum About {
    Path(PathBuf, Wanted, Words),
    Network(String),
    Call(&'static str),
}

/// Which error it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    Refused,
    ReadOnly,
    Missing,
}

/// What a call was granted, for judging paths.
pub struct Granted<'a> {
    confinement: &'a Confinement,
    view: View,
    cwd: PathBuf,
    own_view: bool,
}

impl<'a> Granted<'a> {
    /// Takes note of it.
    pub fn new(confinement: &'a Confinement, view: View, cwd: &Path, own_view: bool) -> Self {
        Granted { confinement, view, cwd: cwd.to_path_buf(), own_view }
    }

    /// What the proxy saw, then what the words of a failed command tell.
    pub fn denied(&self, failed: bool, content: &str, contacts: &Contacts) -> Vec<Denied> {
        let mut all: Vec<Denied> = Vec::new();
        let mut add = |denied: Denied| {
            let known = |d: &Denied| d.target == denied.target && d.operation == denied.operation;
            if all.len() < MOST && !all.iter().any(known) {
                all.push(denied);
            }
        };
        for contact in contacts.all.iter().filter(|contact| contact.verdict == "refused") {
            add(Denied {
                operation: "connect",
                target: contact.host.clone(),
                grade: "certain",
                rule: "sandbox.hosts".to_owned(),
                because: format!("Ion's proxy: {}", contact.reason),
            });
        }
        if failed {
            for about in content.lines().filter(|line| line.len() <= LINE).filter_map(read) {
                if let Some(denied) = self.judge(about) {
                    add(denied);
                }
            }
        }
        all
    }

    fn judge(&self, about: About) -> Option<Denied> {
        match about {
            About::Path(path, wanted, words) => self.judge_path(&path, wanted, words),
            About::Network(host) => match self.confinement.network {
                NetworkAccess::None => Some(Denied {
                    operation: "connect",
                    target: host,
                    grade: "likely",
                    rule: "sandbox.network = none".to_owned(),
                    because: "this call has no network".to_owned(),
                }),
                NetworkAccess::Listed => Some(Denied {
                    operation: "connect",
                    target: host,
                    grade: "likely",
                    rule: "sandbox.network = listed".to_owned(),
                    because: "only the proxy in HTTPS_PROXY leads out".to_owned(),
                }),
                NetworkAccess::Host => None,
            },
            About::Call(call) => Some(Denied {
                operation: "call",
                target: call.to_owned(),
                grade: "likely",
                rule: "the system-call filter".to_owned(),
                because: "it is refused in every sandbox (ion sandbox explain)".to_owned(),
            }),
        }
    }

    /// ATTACK: a command prints words about a path of its choice to learn from the note whether
    /// something stands there. So nothing here looks at a place that the call cannot see, and
    /// nothing is followed: the answer depends on what was granted and on the words alone.
    fn judge_path(&self, path: &Path, wanted: Wanted, words: Words) -> Option<Denied> {
        let path = self.absolute(path);
        let likely = |operation, rule: &str, because: &str| {
            Some(Denied {
                operation,
                target: short(&path.display().to_string()),
                grade: "likely",
                rule: rule.to_owned(),
                because: because.to_owned(),
            })
        };
        let said = if wanted == Wanted::Write { "write" } else { "read" };
        let hidden = |path: &Path| {
            self.confinement.hide.iter().any(|hidden| path.starts_with(hidden.as_path()))
        };
        if hidden(&path) {
            return likely(said, "sandbox.hide", "what stands there is out of sight here");
        }
        if let Some(name) = self.protected(&path)
            && wanted != Wanted::Read
            && words != Words::Missing
        {
            return likely("write", &format!("sandbox.protect `{name}`"), "the name is protected");
        }
        if self.is_within(&self.view.write, &path) {
            return None;
        }
        let read = self.is_within(&self.view.read, &path)
            || SYSTEM.iter().any(|folder| path.starts_with(folder));
        let home = self.view.home.as_ref().is_some_and(|home| path.starts_with(home));
        // What is the kernel's, or in memory of the call's own, says nothing about policy.
        let own = |folder: &str| path.starts_with(folder) && !read && !home;
        match (read, wanted, words) {
            _ if own("/dev") || own("/proc") || (own("/tmp") && self.own_view) => None,
            (true, Wanted::Read, _) | (true, _, Words::Missing) => None,
            (true, Wanted::Unknown, Words::Refused) if unreadable_by_mode(&path) => None,
            (true, ..) => likely("write", "sandbox.write", "it can be read here and not written"),
            (false, _, Words::Missing) if home => {
                likely(said, "sandbox.read", "of the home folder nothing is seen here")
            }
            (false, _, Words::Missing) => None,
            (false, Wanted::Write, _) => {
                likely("write", "sandbox.write", "the call was granted nothing there")
            }
            (false, ..) => likely(said, "sandbox.read", "the call was granted nothing there"),
        }
    }

    fn is_within(&self, roots: &[PathBuf], path: &Path) -> bool {
        roots.iter().any(|root| path.starts_with(root))
    }

    fn protected(&self, path: &Path) -> Option<&str> {
        let workspace = self.confinement.workspace.as_path();
        let inside = path.strip_prefix(workspace).ok()?;
        let parts: Vec<Component<'_>> = inside.components().collect();
        let fits = |name: &&String| {
            let wanted: Vec<Component<'_>> = Path::new(name.as_str()).components().collect();
            !wanted.is_empty() && parts.windows(wanted.len()).any(|some| some == wanted)
        };
        self.confinement.protect.iter().find(fits).map(String::as_str)
    }

    /// By words alone.
    fn absolute(&self, path: &Path) -> PathBuf {
        let mut clean = PathBuf::new();
        for part in self.cwd.join(path).components() {
            match part {
                Component::ParentDir => drop(clean.pop()),
                Component::CurDir => {}
                other => clean.push(other),
            }
        }
        clean
    }
}

/// Whether the file's own mode keeps this user from reading it. Asked about granted paths only; no
/// link is followed.
fn unreadable_by_mode(path: &Path) -> bool {
    open::read(path).is_err_and(|error| error.raw_os_error() == Some(libc::EACCES))
}

/// A path or host for a note: nothing that hides, and not for ever.
fn short(text: &str) -> String {
    const LONGEST: usize = 300;
    let shown = visible(text);
    match shown.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", shown.get(..at).unwrap_or_default()),
        None => shown,
    }
}

/// Words by which the C library and the common runtimes name the errors.
const REFUSED: &[&str] = &["permission denied", "operation not permitted", "eacces", "eperm"];
const READ_ONLY: &[&str] = &["read-only file system", "erofs"];
const MISSING: &[&str] = &["no such file or directory", "enoent", "cannot find the path"];
/// Words of a write.
const WRITES: &[&str] = &[
    "cannot create",
    "can't create",
    "cannot touch",
    "cannot remove",
    "cannot move",
    "cannot write",
    "cannot overwrite",
    "cannot open for writing",
    "failed to create",
    "failed to write",
    "unable to create",
    "unable to write",
    "could not create",
    "could not write",
    "unable to unlink",
    "cannot make",
    "mkdir",
    "unlink",
    "rename",
    "rmdir",
    "truncate",
    "symlink",
    "chmod",
    "chown",
    "changing permissions",
    "changing ownership",
    "setting times",
    "cannot set",
    "could not lock",
    "error writing",
];
/// Words of a read.
const READS: &[&str] = &[
    "cannot open directory",
    "cannot access",
    "cannot stat",
    "cannot list",
    "scandir",
    "readdir",
    "for reading",
    "unable to read",
    "could not read",
    "can't read",
];
const NO_NETWORK: &[&str] = &[
    "could not resolve host",
    "temporary failure in name resolution",
    "name or service not known",
    "network is unreachable",
    "enotfound",
    "eai_again",
    "enetunreach",
    "no route to host",
    "nodename nor servname",
    "dns error",
    "failed to lookup address",
    "unable to resolve",
    "could not resolve",
    "failure in name resolution",
];
/// Calls that the filter refuses, by the words in which programs complain about them.
const CALLS: &[(&str, &str)] = &[
    ("ptrace", "ptrace"),
    ("unshare", "unshare"),
    ("mount:", "mount"),
    ("bpf", "bpf"),
    ("perf_event_open", "perf_event_open"),
    ("io_uring", "io_uring_setup"),
    ("keyctl", "keyctl"),
    ("add_key", "add_key"),
    ("setns", "setns"),
    ("pivot_root", "pivot_root"),
    ("chroot", "chroot"),
    ("userfaultfd", "userfaultfd"),
    ("no permissions to create new namespace", "unshare"),
];

fn read(line: &str) -> Option<About> {
    let lower = line.to_lowercase();
    let find = |list: &[&str]| list.iter().filter_map(|words| lower.find(words)).min();
    if find(NO_NETWORK).is_some() {
        return Some(About::Network(host_in(line).unwrap_or_else(|| "a host".to_owned())));
    }
    let refused = find(REFUSED).map(|at| (at, Words::Refused));
    let read_only = find(READ_ONLY).map(|at| (at, Words::ReadOnly));
    let missing = find(MISSING).map(|at| (at, Words::Missing));
    let (at, words) = refused.or(read_only).or(missing)?;
    if words == Words::Refused
        && let Some((_, call)) = CALLS.iter().find(|(sign, _)| names(&lower, sign))
    {
        return Some(About::Call(call));
    }
    let wanted = if words == Words::ReadOnly || WRITES.iter().any(|word| lower.contains(word)) {
        Wanted::Write
    } else if READS.iter().any(|word| lower.contains(word)) {
        Wanted::Read
    } else {
        Wanted::Unknown
    };
    // Offsets into the lower-case copy hold for the line where the copy has the same length.
    let at = if lower.len() == line.len() { at } else { line.len() };
    path_in(line, at).map(|path| About::Path(path, wanted, words))
}

/// Whether a line is about this call: as the beginning of a word, and not in a path or a file's name,
/// which a folder called `.tmpBPFx` is.
fn names(lower: &str, sign: &str) -> bool {
    let word = |word: &str| {
        let word = word.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let rest = word.strip_prefix(sign);
        !word.contains('/') && rest.is_some_and(|rest| !rest.starts_with(['.', '-']))
    };
    lower.split_whitespace().any(word) || sign.contains(' ') && lower.contains(sign)
}

/// The path that a message names: in quotes, or as a word of its own, best right before the error.
fn path_in(line: &str, error_at: usize) -> Option<PathBuf> {
    const QUOTES: &[(char, char)] =
        &[('\'', '\''), ('"', '"'), ('`', '\''), ('\u{2018}', '\u{2019}')];
    let mut quoted: Vec<&str> = Vec::new();
    for (open, close) in QUOTES {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once(*open) {
            let Some((inside, next)) = after.split_once(*close) else { break };
            quoted.push(inside);
            rest = next;
        }
    }
    if let Some(path) = quoted.iter().rev().find(|text| looks_like_a_path(text)) {
        return Some(PathBuf::from(path));
    }
    let (before, after) = line.split_at_checked(error_at)?;
    let plain = |word: &str| word.trim_matches([':', ',', ';', '(', ')', '[', ']']).to_owned();
    let words = before.split_whitespace().rev().chain(after.split_whitespace());
    let mut words = words.map(plain);
    // With `name: path: Error` the part between the colons may hold blanks; paths seldom do.
    let slashed = words.find(|word| word.contains('/') && looks_like_a_path(word));
    slashed
        .or_else(|| {
            let part = before.trim_end().trim_end_matches(':').rsplit(": ").next()?.trim();
            let part = part.rsplit(' ').next()?;
            looks_like_a_path(part).then(|| part.to_owned())
        })
        .map(PathBuf::from)
}

fn looks_like_a_path(text: &str) -> bool {
    !text.is_empty()
        && text.len() < 1024
        && !text.contains("://")
        && !text.chars().any(char::is_control)
        && (text.contains('/') || (text.contains('.') && !text.contains(' ') && text.len() > 1))
}

/// The host that a message names: what stands behind the words, or looks like a name.
fn host_in(line: &str) -> Option<String> {
    let is_host = |word: &str| {
        word.len() > 3
            && word.contains('.')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || ".-:".contains(c))
            && !word.starts_with('.')
            && word
                .split(':')
                .next()
                .and_then(|host| host.rsplit('.').next())
                .is_some_and(|last| last.len() > 1 || last.bytes().all(|b| b.is_ascii_digit()))
    };
    line.split(|c: char| c.is_whitespace() || "'\"`(),;<>/".contains(c))
        .map(|word| word.trim_matches([':', '.']))
        .filter(|word| is_host(word))
        .find(|word| {
            let lower = word.to_lowercase();
            !["error", "exception", ".py", ".rs", ".js", ".go"].iter().any(|e| lower.ends_with(e))
        })
        .map(str::to_owned)
}

/// The note behind a command's own words.
pub fn note(all: &[Denied], writable: &[PathBuf], network: &NetworkAccess) -> String {
    let mut text = String::new();
    for denied in all {
        let Denied { grade, rule, because, .. } = denied;
        let what = denied.what();
        text.push_str(&format!(
            "[ion sandbox] {what} refused by the sandbox ({grade}: {because}; rule {rule})\n"
        ));
    }
    if all.is_empty() {
        return text;
    }
    let mut places: Vec<String> = writable.iter().map(|path| path.display().to_string()).collect();
    places.push("$TMPDIR".to_owned());
    let network = match network {
        NetworkAccess::None => "none",
        NetworkAccess::Listed => "listed hosts",
        NetworkAccess::Host => "all",
    };
    text.push_str(&format!("  writable here: {}     network: {network}\n", places.join(", ")));
    text.push_str(match all.iter().any(|denied| denied.operation == "connect") {
        true => "  next: do without the network, or ask for the host in sandbox.hosts",
        false => "  next: work inside the project, or ask for the path in sandbox.read or .write",
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(line: &str) -> Option<(String, Wanted)> {
        match read(line)? {
            About::Path(path, wanted, _) => Some((path.display().to_string(), wanted)),
            _ => None,
        }
    }

    #[test]
    fn the_path_of_a_message_is_found_in_the_words_of_many_programs() {
        for (line, expected, wanted) in [
            (
                "sh: 1: cannot create /etc/app.conf: Permission denied",
                "/etc/app.conf",
                Wanted::Write,
            ),
            ("bash: line 1: /etc/x: Permission denied", "/etc/x", Wanted::Unknown),
            ("touch: cannot touch '/usr/x': Read-only file system", "/usr/x", Wanted::Write),
            (
                "mkdir: cannot create directory \u{2018}/opt/a b\u{2019}: Permission denied",
                "/opt/a b",
                Wanted::Write,
            ),
            (
                "cat: /home/lena/.ssh/id_rsa: No such file or directory",
                "/home/lena/.ssh/id_rsa",
                Wanted::Unknown,
            ),
            ("PermissionError: [Errno 13] Permission denied: '/etc/x'", "/etc/x", Wanted::Unknown),
            ("Error: EACCES: permission denied, open '/etc/x'", "/etc/x", Wanted::Unknown),
            ("open /etc/x: permission denied", "/etc/x", Wanted::Unknown),
            (
                "error: could not lock config file .git/config: Read-only file system",
                ".git/config",
                Wanted::Write,
            ),
            ("ls: cannot open directory '/srv': Permission denied", "/srv", Wanted::Read),
            ("tee: out.txt: Permission denied", "out.txt", Wanted::Unknown),
            ("rm: cannot remove 'a/b': Operation not permitted", "a/b", Wanted::Write),
        ] {
            assert_eq!(path(line), Some((expected.to_owned(), wanted)), "{line}");
        }
        for line in ["all good", "error: test failed", "Permission denied"] {
            assert_eq!(path(line), None, "{line}");
        }
    }

    #[test]
    fn networks_and_calls_are_told_apart() {
        let host = |line| match read(line) {
            Some(About::Network(host)) => host,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(host("curl: (6) Could not resolve host: example.com"), "example.com");
        assert_eq!(
            host(
                "npm error network request to https://registry.npmjs.org/x failed, reason: getaddrinfo EAI_AGAIN registry.npmjs.org"
            ),
            "registry.npmjs.org"
        );
        assert_eq!(host("connect to 1.1.1.1 port 80: Network is unreachable"), "1.1.1.1");
        let calls = [
            "unshare: unshare failed: Operation not permitted",
            "strace: ptrace(PTRACE_TRACEME): Operation not permitted",
        ];
        for line in calls {
            assert!(matches!(read(line), Some(About::Call(_))), "{line}");
        }
        let files = [
            "cat: /tmp/.tmpBPFED2/home/id_rsa: Permission denied",
            "cat: bpf.txt: Permission denied",
            "sh: 1: cannot create /srv/chroot/x: Permission denied",
            "rm: cannot remove 'a/keyctl': Operation not permitted",
        ];
        for line in files {
            assert!(!matches!(read(line), Some(About::Call(_))), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC{0,60}(Permission denied|could not resolve host|ENOENT)?\\PC{0,20}") {
            let _ = read(&line);
        }
    }
}
