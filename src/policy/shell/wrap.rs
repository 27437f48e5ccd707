//! Programs that run other programs, and how to find the inner command in their arguments.
//!
//! One table. A wrapper that is not in it never makes an operand look safe: its own name has
//! to be allowed, and it is not.

use super::Word;
use super::runner;

/// What a wrapper runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inner {
    /// A command as words. `true`: more operands come at run time (`xargs`).
    Words(Vec<Word>, bool),
    /// A shell text, known or not.
    Text(Word),
    /// Code of another language.
    Code(Word),
}

/// A wrapper taken apart.
#[derive(Debug, Clone, Default)]
pub struct Wrapped {
    /// What it runs.
    pub inner: Vec<Inner>,
    /// It does nothing else: no allow rule of its own is needed.
    pub transparent: bool,
    /// The inner command runs elsewhere.
    pub remote: bool,
    /// Variables that it sets (`env A=1 X`).
    pub assignments: Vec<(String, Word)>,
}

struct Shape {
    names: &'static [&'static str],
    /// Options that take the next word as value.
    valued: &'static [&'static str],
    /// Positional words before the command.
    skip: usize,
    transparent: bool,
    remote: bool,
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

const SHAPES: &[Shape] = &[
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

/// The options with which an interpreter takes code as the next word.
pub fn code_options(program: &str) -> &'static [&'static str] {
    let stem = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    match stem {
        "python" | "pypy" | "ipython" => &["-c"],
        "perl" => &["-e", "-E", "-ne", "-pe", "-ie", "-nle", "-lne", "-lane", "-ane", "-pie"],
        "ruby" => &["-e", "-ne", "-pe"],
        "node" | "nodejs" | "bun" | "tsx" | "ts-node" => &["-e", "-p", "-pe", "--eval", "--print"],
        "php" => &["-r"],
        "lua" | "luajit" => &["-e"],
        "osascript" => &["-e"],
        "R" | "Rscript" | "julia" | "elixir" | "groovy" | "scala" => &["-e", "-E", "--eval"],
        _ => &[],
    }
}

/// `python3 -Bc CODE`, `perl -wnE CODE`: the letter that takes code may end a bundle.
fn bundled_code(program: &str, args: &[Word]) -> Option<Word> {
    let stem = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let (letters, valued): (&[char], &[char]) = match stem {
        "python" | "pypy" => (&['c'], &['m', 'W', 'X']),
        "perl" => (&['e', 'E'], &['M', 'm', 'I', 'i', 'F', 'x', 'C', 'D', '0', 'd']),
        "ruby" => (&['e'], &['I', 'r', 'C', 'E', 'F', 'i', 'x', 'K', 'W', '0']),
        _ => return None,
    };
    for (at, word) in args.iter().enumerate() {
        let bundle = word.text.strip_prefix('-').filter(|b| !b.starts_with('-'))?;
        let end = bundle.find(|c| letters.contains(&c) || valued.contains(&c));
        if let Some(rest) =
            end.filter(|end| bundle.get(*end..).is_some_and(|b| b.starts_with(letters)))
        {
            let glued = bundle.get(rest + 1..).unwrap_or_default();
            return if glued.is_empty() {
                args.get(at + 1).cloned()
            } else {
                Some(word.part(glued))
            };
        }
    }
    None
}

/// Whether the program runs code of its own language.
pub fn is_interpreter(program: &str) -> bool {
    is_shell(program) || !code_options(program).is_empty()
}

/// Takes `program` apart; `None` when it runs nothing else. `args` are the words after it.
pub fn unwrap(program: &str, args: &[Word]) -> Option<Wrapped> {
    let literal = |word: &Word| word.literal;
    match program {
        _ if is_shell(program) => return shell(args),
        "env" | "cross-env" | "dotenv" => return Some(environment(program, args)),
        "eval" => {
            let dashes = usize::from(args.first().is_some_and(|w| w.text == "--"));
            let text = join(args.get(dashes..).unwrap_or_default());
            return Some(Wrapped {
                inner: vec![Inner::Text(text)],
                transparent: true,
                ..Default::default()
            });
        }
        "command"
            if args.first().is_some_and(|w| matches!(w.text.as_str(), "-v" | "-V" | "-pv")) =>
        {
            return None;
        }
        "trap" | "alias" => return Some(stored(program, args)),
        "find" | "fd" | "fdfind" => return find(args),
        "xargs" => return Some(xargs(args)),
        "parallel" => {
            let at = command_at(args, &["-j", "--jobs", "-a", "-I", "-S", "--sshlogin"], 0)?;
            return Some(parallel(args.get(at..)?));
        }
        "start-stop-daemon" => {
            let mut words: Vec<Word> =
                value_of(args, &["-x", "--exec", "-a", "--startas"]).into_iter().collect();
            let after = args.iter().position(|w| w.text == "--").unwrap_or(args.len());
            words.extend(args.iter().skip(after + 1).cloned());
            return Some(Wrapped { inner: vec![Inner::Words(words, false)], ..Default::default() });
        }
        "run-parts" => {
            // Whatever lies in the folder.
            let words = vec![Word::unknown("run-parts/*")];
            return Some(Wrapped { inner: vec![Inner::Words(words, true)], ..Default::default() });
        }
        _ if is_loader(program) => {
            let valued = [
                "--library-path",
                "--inhibit-rpath",
                "--audit",
                "--preload",
                "--argv0",
                "--glibc-hwcaps-prepend",
                "--glibc-hwcaps-mask",
            ];
            let at = command_at(args, &valued, 0)?;
            let words = args.get(at..).unwrap_or_default().to_vec();
            return Some(Wrapped { inner: vec![Inner::Words(words, false)], ..Default::default() });
        }
        "coreutils" if args.first().is_some_and(|w| w.text.starts_with("--coreutils-prog")) => {
            let mut words = args.to_vec();
            if let Some(first) = words.first_mut() {
                *first = first.part(first.text.split_once('=').map_or("", |(_, name)| name));
            }
            return Some(Wrapped { inner: vec![Inner::Words(words, false)], ..Default::default() });
        }
        "busybox" | "toybox" | "coreutils" => {
            return Some(Wrapped {
                inner: vec![Inner::Words(args.to_vec(), false)],
                transparent: !args.is_empty(),
                ..Default::default()
            });
        }
        "watch" => {
            let at = command_at(args, &["-n", "--interval"], 0)?;
            return Some(Wrapped {
                inner: vec![Inner::Text(join(args.get(at..)?))],
                transparent: true,
                ..Default::default()
            });
        }
        "script" | "flock" | "su" => {
            // `script -qc TEXT`: the letter may end a bundle.
            let bundled = args.iter().position(|w| {
                w.text.len() > 2
                    && w.text.starts_with('-')
                    && !w.text.starts_with("--")
                    && w.text.ends_with('c')
            });
            let bundled = bundled.and_then(|at| args.get(at + 1).cloned());
            let text = value_of(args, &["-c", "--command"]).or(bundled).map(Inner::Text);
            let after = match program {
                "flock" => command_at(
                    args,
                    &["-w", "-E", "--timeout", "--wait", "--conflict-exit-code"],
                    1,
                ),
                "script" => args.iter().position(|w| w.text == "--").map(|at| at + 1),
                _ => None,
            };
            let words =
                after.and_then(|at| args.get(at..)).filter(|w| !w.is_empty() && text.is_none());
            let inner =
                text.into_iter().chain(words.map(|w| Inner::Words(w.to_vec(), false))).collect();
            return Some(Wrapped { inner, ..Default::default() });
        }
        "ssh" | "dropbear" | "dbclient" => {
            let at = command_at(
                args,
                &[
                    "-p", "-i", "-l", "-o", "-F", "-J", "-L", "-R", "-D", "-b", "-c", "-E", "-e",
                    "-m", "-S", "-W", "-w", "-Q", "-I", "-B", "-O",
                ],
                1,
            )?;
            let inner =
                args.get(at..).filter(|rest| !rest.is_empty()).map(|rest| Inner::Text(join(rest)));
            return Some(Wrapped {
                inner: inner.into_iter().collect(),
                remote: true,
                ..Default::default()
            });
        }
        "docker" | "podman" | "nerdctl" | "kubectl" | "oc" | "docker-compose" => {
            return container(args);
        }
        _ => {}
    }
    let options = code_options(program);
    let code = value_of(args, options).filter(|_| !options.is_empty());
    if let Some(code) = code.or_else(|| bundled_code(program, args)) {
        return Some(Wrapped { inner: vec![Inner::Code(code)], ..Default::default() });
    }
    let Some(shape) = SHAPES.iter().find(|shape| shape.names.contains(&program)) else {
        return runner::unwrap(program, args);
    };
    // `exec -cla NAME`: the letter that takes a word may end a bundle.
    let bundle = |w: &Word| {
        program == "exec" && w.text.len() > 2 && w.text.starts_with('-') && w.text.ends_with('a')
    };
    let skip = shape.skip + usize::from(args.first().is_some_and(bundle));
    let at = command_at(args, shape.valued, skip)?;
    let mut rest = args.get(at..).unwrap_or_default();
    let mut assignments = Vec::new();
    while let Some((name, value)) = rest.first().filter(|w| literal(w)).and_then(assignment) {
        assignments.push((name, value));
        rest = rest.get(1..).unwrap_or_default();
    }
    let empty = rest.is_empty();
    let inner = if empty { vec![] } else { vec![Inner::Words(rest.to_vec(), false)] };
    Some(Wrapped {
        inner,
        transparent: shape.transparent && !empty,
        remote: shape.remote,
        assignments,
    })
}

/// Whether the program is the dynamic loader, which runs the program that it is given.
fn is_loader(program: &str) -> bool {
    program.starts_with("ld-linux")
        || program.starts_with("ld-musl")
        || program == "ld.so"
        || program.starts_with("ld-") && program.contains(".so")
        || program.starts_with("ld64.so")
}

/// Most operands of one `parallel` that are joined to its command one by one.
const MAX_OPERANDS: usize = 16;

/// `parallel COMMAND ::: operands`: the command is a shell text, its operands are known.
fn parallel(args: &[Word]) -> Wrapped {
    let mark = |w: &Word| w.text.starts_with(":::");
    let command: Vec<Word> = args.iter().take_while(|w| !mark(w)).cloned().collect();
    let operands = args.iter().skip(command.len()).filter(|w| !mark(w)).take(MAX_OPERANDS);
    let joined = join(&command);
    let mut inner: Vec<Inner> = operands
        .map(|operand| {
            let text = if joined.text.contains("{}") {
                joined.text.replace("{}", &operand.text)
            } else {
                format!("{} {}", joined.text, operand.text)
            };
            let known = joined.literal && operand.literal && !operand.glob;
            Inner::Text(if known { Word::known(text) } else { Word::unknown(text) })
        })
        .collect();
    match command.as_slice() {
        [] => {}
        [text] if text.text.contains(' ') && inner.is_empty() => {
            inner.push(Inner::Text(text.clone()));
        }
        _ => inner.push(Inner::Words(command, true)),
    }
    Wrapped { inner, ..Wrapped::default() }
}

/// The text that `env -S` splits, and how many words the option takes.
fn split_string(word: &Word, next: Option<&Word>) -> Option<(Word, usize)> {
    let text = word.text.as_str();
    let missing = || next.cloned().unwrap_or_else(|| Word::unknown(""));
    if text.starts_with("--") {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        // Long options may be shortened.
        if name.len() < 3 || !"--split-string".starts_with(name) {
            return None;
        }
        return Some(value.map_or_else(|| (missing(), 2), |value| (word.part(value), 1)));
    }
    let bundle = text.strip_prefix('-')?;
    let at = bundle.find(|c: char| !matches!(c, 'i' | '0' | 'v'))?;
    let value = bundle.get(at..)?.strip_prefix('S')?;
    Some(if value.is_empty() { (missing(), 2) } else { (word.part(value), 1) })
}

/// `NAME=value` as a plain word.
pub fn assignment(word: &Word) -> Option<(String, Word)> {
    let (name, value) = word.text.split_once('=')?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(legal) && !name.starts_with(|c: char| c.is_ascii_digit()))
        .then(|| (name.to_owned(), word.part(value)))
}

/// Index of the first word after options, their values, and `skip` positional words.
pub fn command_at(args: &[Word], valued: &[&str], skip: usize) -> Option<usize> {
    let (mut at, mut left) = (0, skip);
    loop {
        let Some(word) = args.get(at) else { return Some(at) };
        if word.text == "--" {
            at += 1;
            return Some(at + left);
        }
        if word.text.starts_with('-') && word.text.len() > 1 {
            at += if valued.contains(&word.text.as_str()) { 2 } else { 1 };
        } else if left > 0 {
            left -= 1;
            at += 1;
        } else {
            return Some(at);
        }
    }
}

/// The value of the first of `options`, in the next word or after `=`.
pub fn value_of(args: &[Word], options: &[&str]) -> Option<Word> {
    for (at, word) in args.iter().enumerate() {
        if options.contains(&word.text.as_str()) {
            return Some(args.get(at + 1).cloned().unwrap_or_else(|| Word::unknown("")));
        }
        let attached =
            options.iter().filter(|o| o.len() == 2 || o.starts_with("--")).find_map(|o| {
                let rest = word.text.strip_prefix(o)?;
                if o.starts_with("--") { rest.strip_prefix('=') } else { Some(rest) }
            });
        if let Some(rest) = attached.filter(|rest| !rest.is_empty()) {
            return Some(word.part(rest));
        }
    }
    None
}

pub fn join(words: &[Word]) -> Word {
    let text = words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ");
    let literal = words.iter().all(|w| w.literal);
    if literal { Word::known(text) } else { Word::unknown(text) }
}

/// `bash -ec TEXT`: the text is the first word after all options and their values.
fn shell(args: &[Word]) -> Option<Wrapped> {
    let (mut at, mut takes_text) = (0, false);
    while let Some(word) = args.get(at) {
        let text = word.text.as_str();
        if text == "--" || text == "-" {
            at += 1;
            break;
        }
        if let Some(long) = text.strip_prefix("--") {
            if let Some(code) = long.strip_prefix("command=") {
                let inner = vec![Inner::Text(word.part(code))];
                return Some(Wrapped { inner, transparent: true, ..Default::default() });
            }
            takes_text |= long == "command";
            at += if matches!(long, "rcfile" | "init-file" | "init-command") { 2 } else { 1 };
        } else if text.len() > 1 && text.starts_with(['-', '+']) {
            takes_text |= text.starts_with('-') && text.contains('c');
            // Each `o` and `O` takes a word.
            at += 1 + text.matches(['o', 'O']).count();
        } else {
            break;
        }
    }
    if !takes_text {
        return None;
    }
    let code = args.get(at).cloned().unwrap_or_else(|| Word::unknown(""));
    Some(Wrapped { inner: vec![Inner::Text(code)], transparent: true, ..Default::default() })
}

fn environment(program: &str, args: &[Word]) -> Wrapped {
    let mut wrapped = Wrapped { transparent: true, ..Wrapped::default() };
    let mut at = 0;
    while let Some(word) = args.get(at) {
        let text = word.text.as_str();
        let file = program == "dotenv" && matches!(text, "-e" | "-p" | "-v");
        if file || matches!(text, "-u" | "--unset" | "-C" | "--chdir" | "-f" | "-a") {
            at += 2;
        } else if let Some((value, taken)) = split_string(word, args.get(at + 1)) {
            let rest = args.get(at + taken..).unwrap_or_default();
            // Options and assignments may stand in the text too.
            let mut parts = vec![Word::known("env"), value];
            parts.extend(rest.iter().cloned());
            wrapped.inner.push(Inner::Text(join(&parts)));
            return wrapped;
        } else if let Some((name, value)) = assignment(word) {
            wrapped.assignments.push((name, value));
            at += 1;
        } else if text == "--" || (text.starts_with('-') && text.len() > 1) || text == "-" {
            at += 1;
        } else {
            break;
        }
    }
    match args.get(at..).filter(|rest| !rest.is_empty()) {
        Some(rest) => wrapped.inner.push(Inner::Words(rest.to_vec(), false)),
        // Alone it prints the environment, which is not harmless.
        None => wrapped.transparent = false,
    }
    wrapped
}

fn stored(program: &str, args: &[Word]) -> Wrapped {
    let texts: Vec<Word> = if program == "trap" {
        args.iter()
            .find(|w| !w.text.starts_with('-') || w.text == "-")
            .cloned()
            .into_iter()
            .filter(|w| w.text != "-")
            .collect()
    } else {
        args.iter().filter_map(|w| assignment(w).map(|(_, value)| value)).collect()
    };
    Wrapped {
        inner: texts.into_iter().map(Inner::Text).collect(),
        transparent: false,
        ..Wrapped::default()
    }
}

fn find(args: &[Word]) -> Option<Wrapped> {
    let mut inner = Vec::new();
    let mut at = 0;
    while let Some(word) = args.get(at) {
        at += 1;
        if matches!(
            word.text.as_str(),
            "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X" | "--exec" | "--exec-batch"
        ) {
            let rest = args.get(at..).unwrap_or_default();
            let end =
                rest.iter().position(|w| w.text == ";" || w.text == "+").unwrap_or(rest.len());
            let words: Vec<Word> = rest.get(..end).unwrap_or_default().to_vec();
            // What it finds lies below its start points; those are judged as its operands.
            inner.push(Inner::Words(words, true));
            at += end;
        }
    }
    (!inner.is_empty()).then(|| Wrapped { inner, ..Wrapped::default() })
}

fn xargs(args: &[Word]) -> Wrapped {
    let valued = [
        "-I",
        "-n",
        "-P",
        "-L",
        "-d",
        "-E",
        "-s",
        "-a",
        "--arg-file",
        "--max-args",
        "--max-procs",
        "--delimiter",
        "--replace",
    ];
    let at = command_at(args, &valued, 0).unwrap_or(args.len());
    match args.get(at..).filter(|rest| !rest.is_empty()) {
        Some(rest) => {
            // `-I NAME` says where the operand goes.
            let mark = value_of(args.get(..at).unwrap_or_default(), &["-I", "--replace"]);
            let mark = mark.map(|mark| mark.text).filter(|mark| !mark.is_empty());
            let late = |word: &Word| match &mark {
                Some(mark) if word.text.contains(mark.as_str()) => Word {
                    shape: word.shape().replace(mark.as_str(), &super::ANY.to_string()),
                    ..word.clone()
                },
                _ => word.clone(),
            };
            Wrapped {
                inner: vec![Inner::Words(rest.iter().map(late).collect(), true)],
                transparent: true,
                ..Wrapped::default()
            }
        }
        None => Wrapped::default(),
    }
}

fn container(args: &[Word]) -> Option<Wrapped> {
    let at = args.iter().position(|w| matches!(w.text.as_str(), "exec" | "run"))?;
    let rest = args.get(at + 1..)?;
    let after_dashes = rest.iter().position(|w| w.text == "--").map(|at| at + 1);
    let valued = [
        "-v",
        "-e",
        "-u",
        "-w",
        "-p",
        "-n",
        "-c",
        "--name",
        "--volume",
        "--env",
        "--user",
        "--workdir",
        "--network",
        "--net",
        "--mount",
        "--entrypoint",
        "--namespace",
        "--container",
        "--image",
        "--pid",
        "--publish",
        "-l",
        "--label",
        "--env-file",
        "-m",
        "--memory",
        "--cpus",
        "--platform",
        "-h",
        "--hostname",
    ];
    let start = match after_dashes {
        Some(start) => start,
        None => command_at(rest, &valued, 1)?,
    };
    let inner = rest
        .get(start..)
        .filter(|words| !words.is_empty())
        .map(|words| Inner::Words(words.to_vec(), false));
    Some(Wrapped { inner: inner.into_iter().collect(), remote: true, ..Wrapped::default() })
}
