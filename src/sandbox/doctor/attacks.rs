//! What a tool could try, in shell, and what would show that it succeeded.
//!
//! Only programs that every system has are used; where one is missing the row says "not tested".

/// What tells from outside that an attack got through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The secret of the stage is in the output.
    Secret,
    /// The file `outside/mark` exists.
    Mark,
    /// `.git/hooks/pre-commit` exists in the workspace.
    Hook,
    /// Somebody connected to the listener of the stage.
    Connection,
    /// The number of the doctor's own process was seen.
    Process,
    /// The command ended by itself (a limit did not end it).
    EndedWell,
    /// A process of the command is still there.
    Survivor,
    /// A file of the workspace carries the set-user-id bit.
    SetUserId,
}

/// One row of the table.
#[derive(Debug)]
pub struct Attack {
    /// Stable name for programs.
    pub id: &'static str,
    /// What a tool could do, for a person.
    pub about: &'static str,
    /// Further options of `ion sandbox run`.
    pub options: &'static [&'static str],
    /// The program that it needs.
    pub needs: &'static str,
    /// The attack. `$1` is the stage, `$2` the port, `$3` the doctor's process.
    pub script: &'static str,
    /// How success is seen.
    pub sign: Sign,
    /// Whether Landlock alone cannot stop it by its nature.
    pub needs_view: bool,
    /// What to do about a gap.
    pub advice: &'static str,
}

const VIEW: &str = "use a backend with a view of its own (bwrap, userns)";

/// The rows.
pub const ATTACKS: &[Attack] = &[
    Attack {
        id: "read-home",
        about: "read ~/.ssh and other secrets of the home folder",
        options: &[],
        needs: "cat",
        script: "cat \"$1/home/.ssh/id\"",
        sign: Sign::Secret,
        needs_view: false,
        advice: "report this",
    },
    Attack {
        id: "read-outside",
        about: "read files of other projects",
        options: &[],
        needs: "cat",
        script: "cat \"$1/outside/secret\" < /dev/null; cat \"/proc/1/root$1/outside/secret\"",
        sign: Sign::Secret,
        needs_view: false,
        advice: "report this",
    },
    Attack {
        id: "write-outside",
        about: "write outside the workspace",
        options: &[],
        needs: "ln",
        script: "echo x > \"$1/outside/mark\"; ln -s \"$1/outside/mark\" door; echo x > door",
        sign: Sign::Mark,
        needs_view: false,
        advice: "report this",
    },
    Attack {
        id: "environment",
        about: "read keys from Ion's environment",
        options: &[],
        needs: "cat",
        script: "env; cat /proc/[0-9]*/environ",
        sign: Sign::Secret,
        needs_view: false,
        advice: "report this",
    },
    Attack {
        id: "descriptor",
        about: "use a file that Ion's starter left open",
        options: &[],
        needs: "cat",
        script: "cat <&9; cat /proc/[0-9]*/fd/9",
        sign: Sign::Secret,
        needs_view: false,
        advice: "report this",
    },
    Attack {
        id: "network",
        about: "open TCP to any host (net none)",
        options: &[],
        needs: "bash",
        script: "exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/'\"$2\"",
        sign: Sign::Connection,
        needs_view: false,
        advice: "report this",
    },
    Attack {
        id: "hooks",
        about: "change .git/hooks of a writable project",
        options: &[],
        needs: "mkdir",
        script: "mkdir -p .git/hooks; echo x > .git/hooks/pre-commit",
        sign: Sign::Hook,
        needs_view: true,
        advice: VIEW,
    },
    Attack {
        id: "processes",
        about: "see other processes in /proc",
        options: &[],
        needs: "ls",
        script: "ls /proc",
        sign: Sign::Process,
        needs_view: true,
        advice: VIEW,
    },
    Attack {
        id: "set-user-id",
        about: "leave a set-user-id program behind",
        options: &[],
        needs: "chmod",
        script: "echo x > suid; chmod 4755 suid",
        sign: Sign::SetUserId,
        needs_view: false,
        advice: "report this",
    },
    Attack {
        id: "survive",
        about: "leave a process behind",
        options: &[],
        needs: "setsid",
        script: "(trap '' TERM HUP; setsid sleep 4321.$2 < /dev/null > /dev/null 2>&1 &)",
        sign: Sign::Survivor,
        needs_view: false,
        advice: "report this",
    },
    Attack {
        id: "forks",
        about: "fork without end (--pids)",
        options: &["--pids", "24", "--timeout", "5s"],
        needs: "sleep",
        script: "i=0; while [ $i -lt 200 ]; do sleep 1 & i=$((i+1)); done; wait; exit 0",
        sign: Sign::EndedWell,
        needs_view: false,
        advice: "report this",
    },
    Attack {
        id: "memory",
        about: "take all memory (--memory)",
        options: &["--memory", "48M", "--timeout", "10s"],
        needs: "head",
        script: "x=$(head -c 200000000 /dev/zero | tr '\\0' x); exit 0",
        sign: Sign::EndedWell,
        needs_view: false,
        advice: "report this",
    },
    Attack {
        id: "time",
        about: "run for ever (--timeout)",
        options: &["--timeout", "300ms"],
        needs: "sleep",
        script: "trap '' TERM; sleep 30 & wait; sleep 30",
        sign: Sign::EndedWell,
        needs_view: false,
        advice: "report this",
    },
];
