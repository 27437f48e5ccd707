//! The plain wrappers and the shells, by name.
//!
//! Part of `wrap`, which takes them apart.

/// A wrapper with a command after its options.
pub struct Shape {
    /// Base names.
    pub names: &'static [&'static str],
    /// Options that take the next word as value.
    pub valued: &'static [&'static str],
    /// Positional words before the command.
    pub skip: usize,
    pub transparent: bool,
    pub remote: bool,
}

const fn plain(
    names: &'static [&'static str],
    valued: &'static [&'static str],
    skip: usize,
) -> Shape {
    Shape { names, valued, skip, transparent: true, remote: false }
}

const fn heavy(
    names: &'static [&'static str],
    valued: &'static [&'static str],
    skip: usize,
) -> Shape {
    Shape { names, valued, skip, transparent: false, remote: false }
}

const fn remote(
    names: &'static [&'static str],
    valued: &'static [&'static str],
    skip: usize,
) -> Shape {
    Shape { names, valued, skip, transparent: false, remote: true }
}

/// The wrappers that need no code of their own.
pub const SHAPES: &[Shape] = &[
    plain(&["timeout", "gtimeout"], &["-k", "-s", "--kill-after", "--signal"], 1),
    plain(&["nice"], &["-n", "--adjustment"], 0),
    plain(&["ionice"], &["-c", "-n", "--class", "--classdata"], 0),
    plain(&["chrt"], &["-T", "-P", "-D"], 1),
    plain(&["taskset"], &[], 1),
    plain(&["nohup", "setsid", "builtin", "unbuffer", "catchsegv"], &[], 0),
    plain(&["stdbuf"], &["-i", "-o", "-e", "--input", "--output", "--error"], 0),
    plain(&["time"], &["-f", "-o", "--format", "--output"], 0),
    plain(&["command"], &[], 0),
    plain(&["exec"], &["-a"], 0),
    plain(&["prlimit", "choom", "cpulimit"], &["-n", "-l", "-p"], 0),
    plain(&["xvfb-run"], &["-s", "-n", "-e", "-f", "-p", "-w"], 0),
    heavy(
        &["sudo"],
        &[
            "-u", "-g", "-h", "-p", "-C", "-r", "-t", "-T", "-U", "-D", "-R", "--user", "--group",
            "--host", "--prompt", "--chdir", "--chroot",
        ],
        0,
    ),
    heavy(&["doas"], &["-u", "-C"], 0),
    heavy(&["pkexec"], &["--user"], 0),
    heavy(
        &["run0", "systemd-run"],
        &["-u", "-g", "-p", "-E", "-M", "--unit", "--property", "--uid", "--gid"],
        0,
    ),
    heavy(&["unshare"], &["-S", "-G", "-R", "-w"], 0),
    heavy(&["strace", "ltrace"], &["-e", "-o", "-p", "-s", "-u", "-E", "-P", "-S"], 0),
    heavy(
        &["firejail", "torsocks", "proxychains", "proxychains4", "fakeroot", "dbus-run-session"],
        &["-f"],
        0,
    ),
    remote(&["nsenter"], &["-t", "-S", "-G", "--target"], 0),
    remote(&["chroot"], &[], 1),
];

const SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "rbash"];

/// Whether the program is a shell.
pub fn is_shell(program: &str) -> bool {
    SHELLS.contains(&program)
}
