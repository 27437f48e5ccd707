//! Programs that run another command behind a verb or an option of their own.
//!
//! `wrap` knows the plain wrappers and asks here for the rest. Nothing here makes a command
//! transparent: the runner itself needs an allow, and what it runs needs one too.

use super::Word;
use super::wrap::{Inner, Wrapped, assignment, command_at, join, value_of};

/// Wrappers with a command after their options: names, options that take a word, words to skip.
const PLAIN: &[(&[&str], &[&str], usize)] = &[
    (&["setarch"], &[], 0),
    (
        &[
            "linux32",
            "linux64",
            "i386",
            "x86_64",
            "fakechroot",
            "rlwrap",
            "entr",
            "tini",
            "dumb-init",
            "catatonit",
            "eatmydata",
            "ddtrace-run",
        ],
        &["-p", "-H", "-f"],
        0,
    ),
    (&["gosu", "su-exec", "faketime"], &["-f"], 1),
    (&["setpriv"], &["--reuid", "--regid", "--groups", "--securebits", "--pdeathsig"], 0),
    (
        &["numactl"],
        &["-N", "-m", "-i", "-C", "-p", "--cpunodebind", "--membind", "--physcpubind"],
        0,
    ),
    (&["systemd-inhibit"], &["--what", "--who", "--why", "--mode"], 0),
    (&["systemd-cat"], &["-t", "-p", "--identifier", "--priority"], 0),
    (&["caffeinate"], &["-t", "-w"], 0),
    (&["daemonize"], &["-c", "-e", "-o", "-p", "-l", "-u", "-E"], 0),
    (
        &["watchexec"],
        &[
            "-e",
            "-w",
            "-f",
            "-i",
            "-s",
            "-d",
            "--exts",
            "--watch",
            "--filter",
            "--ignore",
            "--signal",
            "--debounce",
        ],
        0,
    ),
    (&["valgrind"], &[], 0),
    (&["ptrace", "uftrace", "rr", "heaptrack"], &["-o"], 0),
    (&["proot"], &["-r", "-b", "-w", "-R", "-S"], 0),
    (
        &[
            "pv-run",
            "chronic",
            "ts-run",
            "ifne",
            "errno-run",
            "softlimit",
            "envdir",
            "setuidgid",
            "chpst",
            "envuidgid",
        ],
        &[],
        0,
    ),
];

/// Programs, their verbs, options of the verb that take a word, words to skip.
type Verb = (&'static [&'static str], &'static [&'static str], &'static [&'static str], usize);

const VERBS: &[Verb] = &[
    (&["direnv"], &["exec"], &[], 1),
    (
        &["uv"],
        &["run"],
        &[
            "-p",
            "--python",
            "--with",
            "--extra",
            "--group",
            "--project",
            "--directory",
            "--package",
            "--env-file",
        ],
        0,
    ),
    (&["poetry", "pipenv", "pdm", "hatch", "rye", "pixi"], &["run"], &["-C", "-P", "-p", "-e"], 0),
    (&["conda", "mamba", "micromamba"], &["run"], &["-n", "-p", "--name", "--prefix", "--cwd"], 0),
    (
        &["bundle", "rbenv", "pyenv", "nodenv", "asdf", "mise", "volta", "nvm", "fnm"],
        &["exec", "run", "x"],
        &["--gemfile", "--using"],
        0,
    ),
    (
        &["op", "doppler", "infisical", "chamber", "sops"],
        &["run", "exec", "exec-env"],
        &["--env-file", "-p", "-c", "--project", "--config"],
        0,
    ),
    (&["aws-vault", "envchain", "aws-okta"], &["exec"], &["-d", "--duration"], 1),
    (
        &["perf"],
        &["stat", "record", "trace", "bench"],
        &["-e", "-o", "-g", "-F", "-C", "-p", "-r"],
        0,
    ),
    (&["wsl"], &["-e", "--exec"], &[], 0),
    (&["gdb", "lldb"], &["--args"], &[], 0),
    (&["screen"], &["-dm", "-Dm", "-dmS", "-m"], &["-S", "-c"], 0),
];

/// Programs with a shell text behind an option.
const TEXTS: &[(&[&str], &[&str])] = &[
    (&["nodemon", "onchange"], &["--exec", "-x"]),
    (&["nix-shell", "nix"], &["--run", "--command"]),
    (&["npx", "npm", "pnpm", "bunx"], &["-c", "--call", "--shell-mode"]),
    (&["mapfile", "readarray"], &["-C"]),
    (&["fzf", "sk"], &["--preview"]),
    (&["entr"], &["-s"]),
    (&["split"], &["--filter"]),
];

/// Takes such a program apart.
pub fn unwrap(program: &str, args: &[Word]) -> Option<Wrapped> {
    let words = |rest: &[Word]| {
        let mut rest = rest;
        let mut assignments = Vec::new();
        while let Some((name, value)) = rest.first().filter(|w| w.literal).and_then(assignment) {
            assignments.push((name, value));
            rest = rest.get(1..).unwrap_or_default();
        }
        let inner = (!rest.is_empty()).then(|| Inner::Words(rest.to_vec(), false));
        Wrapped { inner: inner.into_iter().collect(), assignments, ..Wrapped::default() }
    };
    let texts = |found: Vec<Word>| Wrapped {
        inner: found.into_iter().map(Inner::Text).collect(),
        ..Wrapped::default()
    };
    match program {
        "git" => return git(args),
        "cmake" => {
            let at = args.iter().position(|w| w.text == "-E")?;
            return Some(words(args.get(at + 1..)?));
        }
        "setarch" => {
            let at = command_at(args, &[], 0)?;
            // The architecture may be left out.
            let skip = usize::from(
                args.get(at)
                    .is_some_and(|w| w.text.contains(char::is_numeric) && !w.text.contains('/')),
            );
            return Some(words(args.get(at + skip..)?));
        }
        "runuser" => {
            if let Some(text) = value_of(args, &["-c", "--command", "--session-command"]) {
                return Some(texts(vec![text]));
            }
            let user = value_of(args, &["-u", "--user"]).is_some();
            let at =
                command_at(args, &["-u", "--user", "-g", "-G", "-w", "-s"], usize::from(!user))?;
            return Some(words(args.get(at..)?));
        }
        "sg" if args.get(1).is_some_and(|w| w.text != "run" && w.text != "scan")
            && !args.iter().any(|w| w.text == "-p" || w.text == "--pattern") =>
        {
            let text = value_of(args, &["-c"]).or_else(|| args.get(1).cloned())?;
            return Some(texts(vec![text]));
        }
        "ansible" => {
            let text = value_of(args, &["-a", "--args"])?;
            return Some(Wrapped { remote: true, ..texts(vec![text]) });
        }
        "vagrant" => {
            let text = value_of(args, &["-c", "--command"])?;
            return Some(Wrapped { remote: true, ..texts(vec![text]) });
        }
        "wsl" => {
            let at = command_at(args, &["-d", "-u", "--distribution", "--user", "--cd"], 0)?;
            return Some(Wrapped { remote: true, ..words(args.get(at..)?) });
        }
        "hyperfine" | "concurrently" => {
            let valued = [
                "-w",
                "-r",
                "-m",
                "-M",
                "-p",
                "-s",
                "-n",
                "-N",
                "-u",
                "-P",
                "-L",
                "--warmup",
                "--runs",
                "--min-runs",
                "--max-runs",
                "--export-json",
                "--export-markdown",
                "--export-csv",
                "--names",
                "--shell",
                "--style",
                "-k",
                "--parameter-scan",
                "--parameter-list",
            ];
            let mut found: Vec<Word> =
                ["--prepare", "-p", "--setup", "-s", "--cleanup", "--conclude", "-c"]
                    .iter()
                    .filter_map(|option| value_of(args, &[option]))
                    .collect();
            let mut at = 0;
            while let Some(word) = args.get(at) {
                if word.text.starts_with('-') && word.text != "--" {
                    at += usize::from(valued.contains(&word.text.as_str()));
                } else {
                    found.push(word.clone());
                }
                at += 1;
            }
            return Some(texts(found));
        }
        "tmux" => {
            let verbs = [
                "new-session",
                "new",
                "new-window",
                "neww",
                "split-window",
                "splitw",
                "respawn-pane",
                "respawn-window",
                "run-shell",
                "run",
                "send-keys",
                "send",
                "if-shell",
                "pipe-pane",
                "display-popup",
                "popup",
            ];
            let at = args.iter().position(|w| verbs.contains(&w.text.as_str()))?;
            let rest = args.get(at + 1..)?;
            let start = command_at(
                rest,
                &["-s", "-t", "-n", "-c", "-x", "-y", "-F", "-e", "-l", "-p", "-h", "-w"],
                0,
            )?;
            let rest = rest.get(start..).filter(|rest| !rest.is_empty())?;
            return Some(texts(vec![join(rest)]));
        }
        "bwrap" => {
            // Its options take up to two words each; the command is what names a program.
            let at = bwrap(args);
            return Some(words(args.get(at..)?));
        }
        "deno" if args.first().is_some_and(|w| w.text == "eval") => {
            let code = args.iter().skip(1).find(|w| !w.text.starts_with('-'))?;
            return Some(Wrapped { inner: vec![Inner::Code(code.clone())], ..Wrapped::default() });
        }
        _ => {}
    }
    if let Some((_, options)) = TEXTS.iter().find(|(names, _)| names.contains(&program)) {
        let found: Vec<Word> =
            options.iter().filter_map(|option| value_of(args, &[option])).collect();
        if !found.is_empty() {
            return Some(texts(found));
        }
    }
    if let Some((_, verbs, valued, skip)) =
        VERBS.iter().find(|(names, ..)| names.contains(&program))
    {
        let at = args.iter().position(|w| verbs.contains(&w.text.as_str()))?;
        let rest = args.get(at + 1..)?;
        // `op run --env-file x -- COMMAND`: what follows the dashes, where there are any.
        let start = match rest.iter().position(|w| w.text == "--") {
            Some(dashes) => dashes + 1,
            None => command_at(rest, valued, *skip)?,
        };
        return Some(words(rest.get(start..)?));
    }
    let (_, valued, skip) = PLAIN.iter().find(|(names, ..)| names.contains(&program))?;
    let at = command_at(args, valued, *skip)?;
    Some(words(args.get(at..)?))
}

fn bwrap(args: &[Word]) -> usize {
    let two = [
        "--bind",
        "--dev-bind",
        "--ro-bind",
        "--bind-try",
        "--dev-bind-try",
        "--ro-bind-try",
        "--setenv",
        "--symlink",
        "--file",
        "--bind-data",
        "--ro-bind-data",
        "--chmod",
    ];
    let one = [
        "--dir",
        "--tmpfs",
        "--dev",
        "--proc",
        "--mqueue",
        "--chdir",
        "--uid",
        "--gid",
        "--hostname",
        "--unsetenv",
        "--lock-file",
        "--sync-fd",
        "--seccomp",
        "--cap-add",
        "--cap-drop",
        "--args",
        "--exec-label",
        "--perms",
        "--size",
        "--remount-ro",
        "--userns",
        "--pidns",
        "--info-fd",
    ];
    let mut at = 0;
    while let Some(word) = args.get(at) {
        let text = word.text.as_str();
        if text == "--" {
            return at + 1;
        }
        if !text.starts_with('-') {
            return at;
        }
        at += 1 + if two.contains(&text) { 2 } else { usize::from(one.contains(&text)) };
    }
    at
}

/// Commands that git starts: `bisect run`, `submodule foreach`, `rebase --exec`, filters, aliases.
fn git(args: &[Word]) -> Option<Wrapped> {
    let mut inner = Vec::new();
    for (at, word) in args.iter().enumerate() {
        let next = |away: usize| args.get(at + away).map(|w| w.text.as_str()).unwrap_or_default();
        let text = word.text.as_str();
        match text {
            "-c" => {
                let alias =
                    args.get(at + 1).filter(|w| w.text.to_ascii_lowercase().starts_with("alias."));
                let shell =
                    alias.and_then(|w| w.text.split_once("=!").map(|(_, text)| w.part(text)));
                inner.extend(shell.map(Inner::Text));
            }
            "bisect" if next(1) == "run" => {
                inner.push(Inner::Words(args.get(at + 2..).unwrap_or_default().to_vec(), false));
            }
            "submodule" if next(1) == "foreach" => {
                let rest = args.get(at + 2..).unwrap_or_default();
                let rest: Vec<Word> =
                    rest.iter().skip_while(|w| w.text.starts_with('-')).cloned().collect();
                inner.push(Inner::Text(join(&rest)));
            }
            "rebase" => {
                let rest = args.get(at + 1..).unwrap_or_default();
                inner.extend(value_of(rest, &["-x", "--exec"]).map(Inner::Text));
            }
            "difftool" | "mergetool" => {
                let rest = args.get(at + 1..).unwrap_or_default();
                inner.extend(value_of(rest, &["-x", "--extcmd"]).map(Inner::Text));
            }
            _ if text.starts_with("--")
                && text.ends_with("-filter")
                && args.iter().any(|w| w.text == "filter-branch") =>
            {
                inner.extend(args.get(at + 1).cloned().map(Inner::Text));
            }
            _ => {}
        }
    }
    (!inner.is_empty()).then(|| Wrapped { inner, ..Wrapped::default() })
}
