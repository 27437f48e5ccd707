//! The profile by which macOS holds a command (Seatbelt, `sandbox-exec`), made from the same terms as
//! the other backends' plans.
//!
//! Pure, so that it is compiled and tested everywhere; nothing of Ion runs it yet, since its worker is
//! for Linux. Rules in the profile are tried from the last one up: grants come first, what is hidden
//! and protected after them. Paths are parameters and never part of the text, so that no path can
//! become a rule. Protected names are part of it, as expressions, because a parameter cannot be one:
//! they are made of a few harmless characters or refused.

mod names;
#[cfg(test)]
mod tests;

use crate::model::AbsPath;
use crate::policy::{Confinement, NetworkAccess};
use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Apple's program. Never from a search path.
pub const PROGRAM: &str = "/usr/bin/sandbox-exec";
/// Marks Ion's refusals in the system's log.
const TAG: &str = "ion-sandbox";

/// Folders of the system that every program needs.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/System",
    "/Library/Apple",
    "/Library/Developer",
    "/private/var/db/dyld",
    "/private/var/db/timezone",
    "/private/etc/localtime",
    "/private/etc/passwd",
    "/private/etc/group",
    "/private/etc/ssl",
    "/opt/homebrew",
];
/// Devices that take and give bytes and nothing else. No terminal is among them.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"];
/// What programs ask the kernel about themselves and the machine.
const SYSCTLS: &[&str] = &[
    "hw.activecpu",
    "hw.cachelinesize",
    "hw.logicalcpu",
    "hw.logicalcpu_max",
    "hw.machine",
    "hw.memsize",
    "hw.ncpu",
    "hw.pagesize",
    "hw.pagesize_compat",
    "hw.physicalcpu",
    "hw.physicalcpu_max",
    "kern.argmax",
    "kern.hostname",
    "kern.maxfilesperproc",
    "kern.osproductversion",
    "kern.osrelease",
    "kern.ostype",
    "kern.osversion",
    "kern.usrstack64",
    "kern.version",
    "sysctl.proc_cputype",
];

/// A profile, and the paths that it speaks of by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The rules.
    pub text: String,
    /// Names and values of its parameters.
    pub parameters: Vec<(String, PathBuf)>,
}

/// What the profile is made from.
#[derive(Debug)]
pub struct Terms<'a> {
    /// What must hold.
    pub confinement: &'a Confinement,
    /// Whether the call writes at all.
    pub writes: bool,
    /// The call's own temporary folder.
    pub temporary: &'a Path,
    /// Where Ion's proxy listens, for a call with listed hosts.
    pub proxy: Option<u16>,
}

/// Makes the profile.
///
/// # Errors
/// A protected name that no expression is made of, or listed hosts without a proxy.
pub fn profile(terms: &Terms<'_>) -> Result<Profile, String> {
    let confinement = terms.confinement;
    let mut made = Profile { text: String::new(), parameters: Vec::new() };
    made.line("(version 1)");
    made.line(&format!("(deny default (with message \"{TAG}\"))"));
    made.line("(allow process-exec process-fork)");
    made.line("(allow signal process-info* (target same-sandbox))");
    let names: Vec<String> =
        SYSCTLS.iter().map(|name| format!("(sysctl-name \"{name}\")")).collect();
    made.line(&format!("(allow sysctl-read {})", names.join(" ")));
    made.line("(allow mach-lookup (global-name \"com.apple.system.opendirectoryd.libinfo\"))");
    let fixed = |kind: &str, list: &[&str]| -> String {
        list.iter().map(|path| format!(" ({kind} \"{path}\")")).collect()
    };
    made.line(&format!("(allow file-read*{})", fixed("subpath", SYSTEM)));
    made.line(&format!("(allow file-read* file-write-data{})", fixed("literal", DEVICES)));
    made.line("(allow file-read-metadata (literal \"/\") (literal \"/private\"))");

    let write = terms.writes && confinement.workspace_writable;
    let workspace = made.parameter("WS", &confinement.workspace);
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    if write { &mut writes } else { &mut reads }.push(workspace.clone());
    for (index, path) in confinement.read.iter().enumerate() {
        reads.push(made.parameter(&format!("READ_{index}"), path));
    }
    for (index, path) in confinement.write.iter().enumerate() {
        let name = made.parameter(&format!("WRITE_{index}"), path);
        if terms.writes { &mut writes } else { &mut reads }.push(name);
    }
    made.parameters.push(("TMP".to_owned(), real(terms.temporary)));
    writes.push("(subpath (param \"TMP\"))".to_owned());
    made.ancestors();
    made.line(&format!("(allow file-read* {})", [reads, writes.clone()].concat().join(" ")));
    made.line(&format!("(allow file-write* {})", writes.join(" ")));

    for (index, path) in confinement.hide.iter().enumerate() {
        let name = made.parameter(&format!("HIDE_{index}"), path);
        made.line(&format!("(deny file-read* file-write* {name})"));
    }
    for name in &confinement.protect {
        let expression = names::expression(name)?;
        made.line(&format!(
            "(deny file-write* file-link (require-all {workspace} (regex #\"{expression}(/|$)\")))"
        ));
        // Moved away whole, what lies below would stand at another name.
        for above in names::above(name)? {
            made.line(&format!(
                "(deny file-write-unlink (require-all {workspace} (regex #\"{above}$\")))"
            ));
        }
    }
    // A second name for a file outside, or one inside the workspace for what is protected there.
    made.line("(deny file-write-setugid)");
    match (&confinement.network, terms.proxy) {
        (NetworkAccess::None, _) => {}
        (NetworkAccess::Listed, Some(port)) => {
            made.line(&format!("(allow network-outbound (remote ip \"localhost:{port}\"))"));
        }
        (NetworkAccess::Listed, None) => {
            return Err("listed hosts are reached through a proxy, and there is none".to_owned());
        }
        (NetworkAccess::Host, _) => made.line("(allow network* system-socket)"),
    }
    if confinement.network != NetworkAccess::Host {
        // Names would leave by it, whatever is refused besides.
        made.line("(deny network-outbound (literal \"/private/var/run/mDNSResponder\"))");
    }
    Ok(made)
}

/// The command line: the profile, its parameters, and what is to run.
pub fn command_line(profile: &Profile, command: &[OsString]) -> Vec<OsString> {
    let mut line: Vec<OsString> = vec![PROGRAM.into(), "-p".into(), profile.text.clone().into()];
    for (name, path) in &profile.parameters {
        let mut pair = OsString::from(format!("{name}="));
        pair.push(path);
        line.extend(["-D".into(), pair]);
    }
    line.push("--".into());
    line.extend(command.iter().cloned());
    line
}

impl Profile {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "{text}");
    }

    /// Gives a path a name and says how the profile speaks of it.
    fn parameter(&mut self, name: &str, path: &AbsPath) -> String {
        self.parameters.push((name.to_owned(), real(path.as_path())));
        format!("(subpath (param \"{name}\"))")
    }

    /// Folders on the way to what was granted: programs look at them, and see nothing in them.
    fn ancestors(&mut self) {
        let mut above: Vec<PathBuf> = Vec::new();
        for (_, path) in &self.parameters {
            for folder in path.ancestors().skip(1) {
                if folder.parent().is_some() && !above.iter().any(|known| known == folder) {
                    above.push(folder.to_path_buf());
                }
            }
        }
        above.sort();
        for (index, folder) in above.into_iter().enumerate() {
            let name = format!("ABOVE_{index}");
            self.line(&format!("(allow file-read-metadata (literal (param \"{name}\")))"));
            self.parameters.push((name, folder));
        }
    }
}

/// `/tmp`, `/var` and `/etc` are links on macOS, and a rule about a link is about nothing.
fn real(path: &Path) -> PathBuf {
    let linked = ["/tmp", "/var", "/etc"].iter().any(|root| path.starts_with(root));
    match path.strip_prefix("/") {
        Ok(below) if linked => Path::new("/private").join(below),
        _ => path.to_path_buf(),
    }
}
