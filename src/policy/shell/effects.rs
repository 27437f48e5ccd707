//! Which operands of a command are paths, and what it does with them.
//!
//! For a program that is not listed, every operand that looks like a path counts as read, and
//! every other operand too when it names something sensitive (`guess`).

use super::super::facts::Access;
use super::Word;
use super::wrap;
use options::{options, skips_value};

mod options;

/// A word that is a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    /// The text of the path.
    pub text: String,
    /// What happens to it.
    pub access: Access,
    /// Only known when it runs.
    pub dynamic: bool,
    /// The text with marks for what is not known.
    pub shape: String,
}

const NO_PATHS: &[&str] = &[
    "echo", "printf", "true", "false", ":", "export", "which", "type", "command", "whereis",
    "kill", "pkill", "killall", "sleep", "date", "seq", "expr", "basename", "dirname", "man",
    "info", "help", "set", "unset", "shift", "return", "exit", "let", "local", "read", "wait",
    "jobs", "uname", "whoami", "id", "hostname", "pwd", "alias", "hash", "ps", "trap", "declare",
    "typeset", "readonly", "cd", "pushd", "popd", "ssh", "docker", "podman", "kubectl", "nslookup",
    "dig", "host", "ping", "yes", "tr", "apropos", "whatis", "test", "[", "[[", "dd", "bazel",
    "bazelisk", "buck2", "logger", "say", "eval", "umask", "ulimit", "shopt", "numfmt", "factor",
    "helm",
];
/// Programs that do the same in every folder.
const SAME_EVERYWHERE: &[&str] = &[
    "echo",
    "printf",
    "true",
    "false",
    ":",
    "export",
    "which",
    "type",
    "command",
    "whereis",
    "kill",
    "pkill",
    "killall",
    "sleep",
    "date",
    "seq",
    "expr",
    "basename",
    "dirname",
    "man",
    "info",
    "help",
    "set",
    "unset",
    "shift",
    "return",
    "exit",
    "let",
    "local",
    "read",
    "wait",
    "jobs",
    "uname",
    "whoami",
    "id",
    "hostname",
    "pwd",
    "alias",
    "hash",
    "ps",
    "trap",
    "declare",
    "typeset",
    "readonly",
    "cd",
    "pushd",
    "popd",
    "dirs",
    "ping",
    "yes",
    "tr",
    "test",
    "[",
    "[[",
    "umask",
    "ulimit",
    "shopt",
    "break",
    "continue",
    "getopts",
    "nproc",
    "free",
    "uptime",
    "env",
    "printenv",
    "tput",
    "clear",
    "tty",
    "df",
    "cat",
    "wc",
    "head",
    "tail",
    "sort",
    "uniq",
    "cut",
    "sed",
    "awk",
    "tee",
    "xargs",
    "column",
    "rev",
    "time",
    "timeout",
    "nohup",
    "nice",
    "exec",
    "source",
    ".",
    "eval",
    "jq",
    "base64",
    "sha256sum",
    "md5sum",
    "groups",
    "locale",
    "fg",
    "bg",
    "disown",
    "history",
    "mapfile",
    "readarray",
    "local",
    "complete",
    "compgen",
    "builtin",
    "bc",
];

/// Whether the program may read, or run, what lies in the folder that it is started in.
pub fn uses_folder(program: &str) -> bool {
    !program.is_empty() && !SAME_EVERYWHERE.contains(&program)
}

const FIRST_IS_TEXT: &[&str] = &[
    "grep", "egrep", "fgrep", "zgrep", "rg", "ag", "ack", "sed", "gsed", "awk", "gawk", "mawk",
    "nawk", "jq", "yq", "xq", "chmod", "chown", "chgrp", "ast-grep", "tokei_", "comby", "sd",
];
const READERS: &[&str] = &[
    "cat",
    "head",
    "tail",
    "less",
    "more",
    "most",
    "wc",
    "sort",
    "uniq",
    "cut",
    "nl",
    "tac",
    "od",
    "xxd",
    "hexdump",
    "strings",
    "file",
    "stat",
    "ls",
    "ll",
    "la",
    "dir",
    "vdir",
    "tree",
    "exa",
    "eza",
    "du",
    "find",
    "fd",
    "diff",
    "cmp",
    "comm",
    "join",
    "paste",
    "md5sum",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "shasum",
    "b2sum",
    "cksum",
    "base64",
    "base32",
    "bat",
    "zcat",
    "zless",
    "bzcat",
    "xzcat",
    "fold",
    "fmt",
    "column",
    "rev",
    "expand",
    "readlink",
    "realpath",
    "source",
    ".",
    "pr",
    "gzip",
    "gunzip",
    "zip",
    "unzip",
    "strip",
    "view",
    "cloc",
    "tokei",
    "scp",
    "rsync",
    "split",
    "csplit",
    "openssl",
];
const WRITERS: &[&str] = &[
    "mkdir",
    "touch",
    "truncate",
    "tee",
    "chmod",
    "chown",
    "chgrp",
    "mkfifo",
    "mknod",
    "chattr",
    "setfacl",
    "patch",
    "fallocate",
    "mkfs",
    "sponge",
    "vim",
    "vi",
    "nvim",
    "nano",
    "emacs",
    "ed",
    "ex",
    "swapon",
    "losetup",
    "mktemp",
    "ar",
];
const DELETERS: &[&str] =
    &["rm", "rmdir", "unlink", "shred", "srm", "wipe", "trash", "trash-put", "rimraf", "del-cli"];
const LAST_IS_WRITTEN: &[&str] = &[
    "cp", "install", "ln", "scp", "rsync", "link", "uniq", "xxd", "convert", "magick", "ffmpeg",
    "csplit", "split", "iconv",
];
const CWD_READERS: &[&str] =
    &["ls", "ll", "la", "dir", "tree", "exa", "eza", "du", "find", "fd", "rg", "ag"];
const OUTPUT_OPTION: &[&str] = &[
    "curl", "wget", "sort", "gcc", "cc", "clang", "g++", "c++", "clang++", "go", "rustc", "tsc",
    "esbuild", "pandoc", "openssl", "gpg", "ld", "age", "dot", "ffmpeg", "xxd", "jq", "tar",
    "nasm", "javac", "cargo", "sops", "base64", "shuf", "iconv", "tree", "ctags", "info", "strip",
    "ar",
];

/// Options of .NET's builders that begin with a slash and name no file that is written.
const SWITCHES: &[&str] = &[
    "t",
    "target",
    "p",
    "property",
    "m",
    "maxcpucount",
    "v",
    "verbosity",
    "r",
    "restore",
    "nologo",
    "warnaserror",
    "warnnotaserror",
    "warnasmessage",
    "nowarn",
    "nr",
    "nodereuse",
    "graph",
    "low",
    "lowpriority",
    "bl",
    "binarylogger",
    "clp",
    "consoleloggerparameters",
    "noconlog",
    "noconsolelogger",
    "ds",
    "detailedsummary",
    "tl",
    "terminallogger",
    "isolate",
    "mt",
    "help",
    "version",
    "build",
    "rebuild",
    "clean",
];

/// Devices that hold nothing and lose nothing.
pub fn is_harmless_device(path: &str) -> bool {
    matches!(
        path,
        "/dev/null"
            | "/dev/stdout"
            | "/dev/stderr"
            | "/dev/stdin"
            | "/dev/tty"
            | "/dev/zero"
            | "/dev/urandom"
            | "/dev/random"
            | "/dev/full"
    ) || path.starts_with("/dev/fd/")
}

/// Whether a word looks like a path even where none is expected.
pub fn looks_like_path(text: &str) -> bool {
    !text.contains("://")
        && (text.starts_with(['/', '~', '.']) || text.contains('/'))
        && !text.contains(char::is_whitespace)
}

/// Whether a word with blanks is the name of a file all the same: `~/Library/Mail/V2 old/x`.
fn names_file(text: &str) -> bool {
    let anchored = ["/", "~/", "./", "../"].iter().any(|start| text.starts_with(start));
    let first = text.split(char::is_whitespace).next().unwrap_or_default();
    anchored
        && first.matches('/').count() > 1
        && !text.contains(['*', '{', '(', ';', '|', '\n', '"'])
}

/// The paths that `program` touches. `more` tells that operands come at run time.
pub fn operands(program: &str, args: &[Word], more: bool) -> Vec<Operand> {
    let mut found = Vec::new();
    options(program, args, &mut found);
    if NO_PATHS.contains(&program) {
        return found;
    }
    let mut positional = positionals(program, args);
    if FIRST_IS_TEXT.contains(&program)
        && !has_script_option(program, args)
        && !positional.is_empty()
    {
        positional.remove(0);
    }
    let known = READERS.contains(&program)
        || WRITERS.contains(&program)
        || DELETERS.contains(&program)
        || LAST_IS_WRITTEN.contains(&program)
        || FIRST_IS_TEXT.contains(&program)
        || program == "mv";
    // `-ni`: the letter may stand in a bundle, before those that take a value.
    let bundled = |text: &str| {
        let letters = text.strip_prefix('-').filter(|t| !t.starts_with('-')).unwrap_or_default();
        letters.split(['e', 'f', 'l']).next().unwrap_or_default().contains('i')
    };
    let in_place = matches!(program, "sed" | "gsed" | "perl" | "sd" | "yq")
        && args.iter().any(|w| {
            w.text.starts_with("-i")
                || matches!(program, "sed" | "gsed") && bundled(&w.text)
                || w.text.starts_with("--in-place")
                || w.text == "-pi"
                || w.text == "-pie"
                || program == "sd"
        });
    let search_root = if program == "find" {
        let end = positional
            .iter()
            .position(|w| w.text.starts_with(['-', '(', '!']))
            .unwrap_or(positional.len());
        positional.truncate(end);
        find_access(args)
    } else {
        Access::Read
    };
    if positional.is_empty() && !more && CWD_READERS.contains(&program) {
        positional.push(Word::known("."));
    }
    let last = positional.len().saturating_sub(1);
    let target_option =
        args.iter().any(|w| w.text == "-t" || w.text.starts_with("--target-directory"));
    link_targets(program, args, &mut positional);
    for (at, word) in positional.iter().enumerate() {
        if names_no_path(program, args, &word.text) {
            continue;
        }
        let access = if DELETERS.contains(&program) {
            Access::Delete
        } else if WRITERS.contains(&program) || in_place {
            Access::Write
        } else if program == "mv" {
            if at == last && !target_option { Access::Write } else { Access::Delete }
        } else if LAST_IS_WRITTEN.contains(&program) && at == last && last > 0 && !target_option {
            Access::Write
        } else if program == "find" {
            search_root
        } else {
            Access::Read
        };
        push(word, access, known, &mut found);
    }
    if more && !matches!(program, "echo" | "printf") {
        let access = if DELETERS.contains(&program) {
            Access::Delete
        } else if WRITERS.contains(&program)
            || in_place
            || program == "mv"
            || LAST_IS_WRITTEN.contains(&program)
        {
            Access::Write
        } else {
            Access::Read
        };
        // What another program makes of its operands is not known; these take them for paths.
        let shape = if known { super::ANY.to_string() } else { String::new() };
        found.push(Operand { text: String::new(), access, dynamic: true, shape });
    }
    found
}

/// The target of a symbolic link is read from the folder of the link. What is known without
/// looking is the folder that the link's name begins with; a link *into* a folder starts deeper.
fn link_targets(program: &str, args: &[Word], positional: &mut [Word]) {
    let has = |long: &str, letter: char| {
        args.iter().any(|w| {
            w.text.starts_with("--") && w.text.len() > 3 && long.starts_with(w.text.as_str())
                || !w.text.starts_with("--") && w.text.starts_with('-') && w.text.contains(letter)
        })
    };
    let Some((link, targets)) = positional.split_last_mut() else { return };
    let folder = link.text.trim_end_matches('/').rsplit_once('/').map(|(folder, _)| folder);
    let Some(folder) = folder.filter(|_| program == "ln" && link.literal) else { return };
    // `-r` and `-t` read it from elsewhere.
    if !has("--symbolic", 's') || has("--relative", 'r') || has("--target-directory", 't') {
        return;
    }
    for target in targets.iter_mut().filter(|w| w.literal && w.shape.is_empty()) {
        if !target.text.starts_with(['/', '~']) {
            target.text = format!("{folder}/{}", target.text);
        }
    }
}

/// Operands that look like paths and are names of something else.
fn names_no_path(program: &str, args: &[Word], text: &str) -> bool {
    match program {
        // `/t:Build`, `/m`.
        "msbuild" | "xbuild" | "dotnet" | "devenv" | "vstest.console" => {
            let name = text.strip_prefix('/').unwrap_or_default();
            let (name, _) = name.split_once([':', '=']).unwrap_or((name, ""));
            let name = name.to_ascii_lowercase();
            SWITCHES.contains(&name.as_str())
                && !text.contains("=/")
                && !text.contains("..")
                && !text.contains(":/")
        }
        // Names of log groups and parameters.
        "aws" => {
            let verb = args.iter().find(|w| !w.text.starts_with('-'));
            matches!(verb.map(|w| w.text.as_str()), Some("logs" | "ssm")) && !text.contains("://")
        }
        _ => false,
    }
}

fn push(word: &Word, access: Access, known: bool, found: &mut Vec<Operand>) {
    let text = word.text.strip_prefix('@').unwrap_or(&word.text);
    let remote = text
        .split_once(':')
        .is_some_and(|(host, _)| !host.is_empty() && !host.contains('/') && host != "~");
    if text.is_empty() || text == "-" || text.contains("://") || remote {
        return;
    }
    if known || looks_like_path(text) || names_file(text) || !text.contains(char::is_whitespace) {
        let shape = word.shape();
        let shape = shape.strip_prefix('@').unwrap_or(shape);
        let vague = !known && !shape.contains('/') && shape.contains(super::ANY);
        let shape = if vague { String::new() } else { shape.to_owned() };
        found.push(Operand { text: text.to_owned(), access, dynamic: !word.literal, shape });
    }
}

/// Whether the command goes through the contents of whole folders.
pub fn reads_tree(program: &str, args: &[Word]) -> bool {
    let flag = |letters: &[char], long: &str| {
        args.iter().take_while(|w| w.text != "--").any(|w| {
            let bundle = w.text.starts_with('-') && !w.text.starts_with("--");
            bundle && w.text.contains(letters) || w.text == long
        })
    };
    match program {
        "rg" | "ag" | "ack" | "7z" | "7za" | "restic" | "borg" => true,
        "grep" | "egrep" | "fgrep" | "zgrep" => {
            flag(&['r', 'R'], "--recursive") || flag(&[], "--dereference-recursive")
        }
        "cp" => flag(&['r', 'R', 'a'], "--recursive") || flag(&[], "--archive"),
        "rsync" => flag(&['r', 'a'], "--recursive") || flag(&[], "--archive"),
        "scp" | "zip" | "diff" => flag(&['r'], "--recursive"),
        "rm" | "chmod" | "chown" | "chgrp" | "mv" => {
            program == "mv" || flag(&['r', 'R'], "--recursive")
        }
        "tar" | "gtar" | "bsdtar" => {
            let first = args
                .first()
                .is_some_and(|w| !w.text.starts_with("--") && w.text.contains(['c', 'r', 'u']));
            first || flag(&['c'], "--create")
        }
        "find" => {
            find_access(args) == Access::Delete || args.iter().any(|w| w.text.starts_with("-exec"))
        }
        _ => false,
    }
}

fn find_access(args: &[Word]) -> Access {
    let has = |names: &[&str]| args.iter().any(|w| names.contains(&w.text.as_str()));
    let runs_deleter = args.windows(2).any(|pair| {
        pair[0].text.starts_with("-exec")
            && DELETERS.contains(&super::walk::base_name(&pair[1].text).as_str())
    });
    if has(&["-delete"]) || runs_deleter { Access::Delete } else { Access::Read }
}

fn has_script_option(program: &str, args: &[Word]) -> bool {
    let flags: &[&str] = match program {
        // `-x` is a mode, not an option: then the first operand is a path already.
        "chmod" | "chown" | "chgrp" => &["--reference", "-x", "-w", "-r", "-rw", "-rwx", "-s"],
        "jq" | "yq" | "xq" => &["-f", "--from-file"],
        "rg" => &["-e", "-f", "--files", "--type-list", "--regexp", "--file"],
        _ => &["-e", "-f", "--expression", "--file", "--regexp"],
    };
    args.iter().any(|w| flags.iter().any(|f| w.text == *f || w.text.starts_with(&format!("{f}="))))
}

fn positionals(program: &str, args: &[Word]) -> Vec<Word> {
    let mut found = Vec::new();
    let (mut at, mut only_operands) = (0, false);
    while let Some(word) = args.get(at) {
        at += 1;
        if only_operands || !word.text.starts_with('-') || word.text == "-" {
            found.push(word.clone());
        } else if word.text == "--" {
            only_operands = true;
        } else if program == "find" && !matches!(word.text.as_str(), "-H" | "-L" | "-P") {
            break;
        } else if skips_value(program, &word.text) {
            at += 1;
        }
    }
    if wrap::is_interpreter(program) && !wrap::code_options(program).is_empty() {
        let code = wrap::code_options(program);
        if args.iter().any(|w| code.contains(&w.text.as_str())) {
            found.retain(|w| !w.text.contains([' ', '(', ';', '\'']));
        }
    }
    found
}
