//! Programs that run other programs, and how to find the inner command in their arguments.
//!
//! One table. A wrapper that is not in it never makes an operand look safe: its own name has
//! to be allowed, and it is not.

use super::Word;
use super::runner;
use forms::{container, environment, find, parallel, stored, xargs};
use table::SHAPES;

mod forms;
mod table;

pub use table::is_shell;

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
            let words = args.get(dashes..).unwrap_or_default();
            // A name that a glob finds becomes code.
            let text = match words.iter().any(|word| word.glob) {
                true => Word::unknown(join(words).text),
                false => join(words),
            };
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
