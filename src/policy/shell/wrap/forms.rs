//! Wrappers with a grammar of their own: `env`, `find -exec`, `xargs`, `parallel`, containers.
//!
//! Part of `wrap`, which calls them by name.

use super::super::{ANY, Word};
use super::{Inner, Wrapped, assignment, command_at, join, value_of};

/// Most operands of one `parallel` that are joined to its command one by one.
const MAX_OPERANDS: usize = 16;

/// `parallel COMMAND ::: operands`: the command is a shell text, its operands are known.
pub fn parallel(args: &[Word]) -> Wrapped {
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
            // A glob is one of the shell that runs the text; a name may begin with a dash.
            let safe =
                !operand.glob || operand.text.starts_with("*.") || operand.text.contains('/');
            let known = joined.literal && operand.literal && safe;
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

pub fn environment(program: &str, args: &[Word]) -> Wrapped {
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

pub fn stored(program: &str, args: &[Word]) -> Wrapped {
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

pub fn find(args: &[Word]) -> Option<Wrapped> {
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

pub fn xargs(args: &[Word]) -> Wrapped {
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
                    shape: word.shape().replace(mark.as_str(), &ANY.to_string()),
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

pub fn container(args: &[Word]) -> Option<Wrapped> {
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
