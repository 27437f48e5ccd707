//! Why a machine cannot hold a confinement: one of a closed list, each with its own way out.

use crate::worker::backend::Backend;
use std::fmt;

/// The causes that are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// No bubblewrap where only the system can put one.
    NoBwrap,
    /// A backend whose Cargo feature was off when this binary was made.
    NotBuiltIn,
    /// A bubblewrap that lacks an option.
    TooOld,
    /// Ubuntu's restriction of user namespaces.
    AppArmor,
    /// User namespaces switched off by a kernel setting.
    Sysctl(&'static str),
    /// A container or outer sandbox that refuses namespaces or a fresh `/proc`.
    Container,
    /// A kernel without Landlock, or with too old a version of it.
    Landlock(u32),
    /// A kernel or container that refuses the system-call filter.
    Seccomp,
    /// The binary of Ion cannot be started inside.
    Worker,
    /// A layer that was asked for is not in force although nothing reported an error.
    NotInForce(String),
    /// None of the above.
    Other,
}

/// What is missing, with the words of whoever refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The backend that was tried.
    pub backend: Backend,
    /// Why it does not work.
    pub cause: Cause,
    /// The first line that the program in question printed.
    pub words: String,
}

impl Missing {
    /// A backend that is not in this binary.
    pub fn not_built_in(backend: Backend) -> Self {
        Missing { backend, cause: Cause::NotBuiltIn, words: String::new() }
    }

    /// Sorts what bubblewrap or a worker said into the list.
    pub fn understand(backend: Backend, words: &str) -> Self {
        let has = |part: &str| words.contains(part);
        let cause = if has("Unknown option") || has("unknown option") {
            Cause::TooOld
        } else if has("landlock:") {
            Cause::Landlock(0)
        } else if has("seccomp:") {
            Cause::Seccomp
        } else if has("ion-worker") || has("starting the worker") || has("finding the worker") {
            Cause::Worker
        } else if backend.has_view() || backend == Backend::Birdcage {
            namespace_cause(words)
        } else {
            Cause::Other
        };
        Missing { backend, cause, words: words.to_owned() }
    }
}

/// Kernel settings lie by omission, so they only explain a refusal that has happened.
fn namespace_cause(words: &str) -> Cause {
    let setting =
        |path: &str| std::fs::read_to_string(path).ok().map(|value| value.trim().to_owned());
    let is = |path: &str, wanted: &str| setting(path).as_deref() == Some(wanted);
    if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        Cause::AppArmor
    } else if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        Cause::Sysctl("kernel.unprivileged_userns_clone=1")
    } else if is("/proc/sys/user/max_user_namespaces", "0") {
        Cause::Sysctl("user.max_user_namespaces=15000")
    } else if [
        "namespace",
        "uid map",
        "Can't mount proc",
        "pivot_root",
        "Failed to make / slave",
        "view:",
        "sandboxing failure",
        "birdcage: input/output error",
    ]
    .iter()
    .any(|part| words.contains(part))
    {
        Cause::Container
    } else {
        Cause::Other
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needs = match self.backend {
            Backend::Bwrap => "an own view of the system (namespaces by bwrap)",
            Backend::Userns => "an own view of the system (namespaces by Ion)",
            Backend::Birdcage => "the backend `birdcage` (namespaces, then kernel rules)",
            Backend::Landlock => "kernel rules for files and system calls (Landlock, seccomp)",
            Backend::None => "a separate worker process",
        };
        f.write_str("this machine cannot hold the required confinement; the tool did not run")?;
        write!(f, "\n  needs     {needs}")?;
        if !self.words.is_empty() {
            write!(f, "       {}", self.words)?;
        }
        let (cause, fix) = explain(&self.cause);
        write!(f, "\n  cause     {cause}\n  fix       {fix}")
    }
}

fn explain(cause: &Cause) -> (String, String) {
    let pair = |cause: &str, fix: &str| (cause.to_owned(), fix.to_owned());
    match cause {
        Cause::NoBwrap => pair(
            "no bubblewrap in /usr/bin, /usr/local/bin or /bin that belongs to root",
            "install the package `bubblewrap` (apt, dnf, apk, pacman)",
        ),
        Cause::NotBuiltIn => pair(
            "this binary was built without it: the crate birdcage is GPL-3.0-or-later, and Ion's \
             default binary is MIT",
            "cargo build --release --features birdcage (that binary is then under the GPL as a \
             whole), or choose bwrap, userns or landlock",
        ),
        Cause::TooOld => pair(
            "this bubblewrap lacks an option",
            "install bubblewrap 0.6 or newer from your distribution",
        ),
        Cause::AppArmor => pair(
            "kernel.apparmor_restrict_unprivileged_userns=1 and no profile for bwrap \
             (default of Ubuntu 24.04)",
            "sudo apt install apparmor-profiles && sudo install -m644 \
             /usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/ && \
             sudo apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict",
        ),
        Cause::Sysctl(setting) => (
            "user namespaces are switched off by a kernel setting".to_owned(),
            format!("sudo sysctl -w {setting}"),
        ),
        Cause::Container => pair(
            "the container or sandbox around Ion refuses new namespaces",
            "start the container so that user namespaces are allowed (for Docker a seccomp \
             profile that permits unshare and mount), or choose `landlock` where policy permits",
        ),
        Cause::Landlock(0) => pair(
            "this kernel has no Landlock, or it is not switched on",
            "use Linux 6.2 or newer with `landlock` in the kernel parameter lsm=",
        ),
        Cause::Landlock(version) => (
            format!("this kernel has Landlock version {version}, and 3 is needed"),
            "use Linux 6.2 or newer".to_owned(),
        ),
        Cause::Seccomp => pair(
            "the system-call filter was refused",
            "use a kernel with CONFIG_SECCOMP_FILTER and a container that permits seccomp",
        ),
        Cause::Worker => pair(
            "Ion's own program cannot be started inside the sandbox",
            "keep the `ion` binary where its user can read it, and restart Ion after replacing it",
        ),
        Cause::NotInForce(what) => (
            format!("{what} is not in force although it was set up"),
            "run on a kernel without an outer sandbox, and report this".to_owned(),
        ),
        Cause::Other => pair("unknown", "the words above name the step that failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_names_a_cause_and_a_fix() {
        for words in ["bwrap: Unknown option --x", "landlock: no", "seccomp: no", "", "odd"] {
            let text = Missing::understand(Backend::Bwrap, words).to_string();
            assert!(text.contains("\n  cause     ") && text.contains("\n  fix       "), "{text}");
        }
        let old = Missing::understand(Backend::Bwrap, "bwrap: Unknown option --as-pid-1");
        assert_eq!(old.cause, Cause::TooOld);
    }
}
