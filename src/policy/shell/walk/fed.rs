//! Texts that a command is fed and runs as code: through a pipe, a process substitution, a
//! document, the strings of its inline code, a guess at what `eval` gets.
//!
//! Part of `walk`. INVARIANT (adds only): everything found here is listed besides the command
//! itself, which stays as little known as it was.

use super::super::wrap::{self, Inner};
use super::super::{ANY, Unit, Word, code};
use super::{Context, Walker};

/// Most bytes of one text that is looked at.
const MAX_FED: usize = 16 * 1024;

/// What a command runs besides its own words.
#[derive(Default)]
pub(super) struct Fed {
    inner: Vec<Inner>,
    /// On another machine.
    remote: bool,
}

impl Fed {
    fn text(&mut self, text: &str) {
        if text.len() <= MAX_FED && !text.trim().is_empty() {
            self.inner.push(Inner::Text(Word::known(text)));
        }
    }

    /// A text of which parts are not known. What is written out in it is looked at.
    pub(super) fn guess(&mut self, word: &Word) {
        let begins = word.text.trim_start();
        if !begins.starts_with(['$', '`', '<', '{', ANY]) {
            self.text(&word.text);
        }
    }

    /// The commands of inline code.
    pub(super) fn code(&mut self, program: &str, text: Option<&str>) {
        if let Some(text) = text.filter(|text| text.len() <= MAX_FED) {
            self.inner.extend(code::commands(program, text));
        }
    }
}

/// Whether an interpreter is given no file to run.
pub(super) fn no_script(args: &[Word]) -> bool {
    args.iter().all(|word| word.text.starts_with('-') || word.text == "/dev/stdin")
        || args.iter().any(|word| {
            word.text.starts_with('-') && !word.text.starts_with("--") && word.text.ends_with('s')
        })
}

/// The command of a line of `crontab`: behind five fields, or behind `@daily`.
fn scheduled(line: &str) -> Option<String> {
    let line = line.trim_start();
    let skip = if line.starts_with('@') { 1 } else { 5 };
    let rest: Vec<&str> = line.split_whitespace().skip(skip).collect();
    (!rest.is_empty() && !line.starts_with('#')).then(|| rest.join(" "))
}

impl Walker {
    /// What `program` takes for code, besides what `wrap` finds in its words.
    pub(super) fn fed(
        &mut self,
        program: &str,
        args: &[Word],
        context: &Context,
        unit: &mut Unit,
    ) -> Fed {
        let mut fed = Fed::default();
        let document = context.document.as_ref().map(|word| word.text.as_str());
        let piped = context.printed.first().map(String::as_str).or(self.input.as_deref());
        let input = document.or(piped);
        let given = args.iter().any(|word| word.text.starts_with("<("));
        match program {
            _ if wrap::is_shell(program) || matches!(program, "source" | ".") => {
                let literal = context.document.as_ref().is_some_and(|word| word.literal);
                let sources = matches!(program, "source" | ".");
                let from_input = args.iter().any(|word| {
                    matches!(word.text.as_str(), "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0")
                });
                if from_input || !sources && no_script(args) && !literal {
                    input.into_iter().for_each(|text| fed.text(text));
                }
                if given {
                    context.printed.iter().for_each(|text| fed.text(text));
                }
            }
            "at" | "batch" => input.into_iter().for_each(|text| fed.text(text)),
            "crontab" => {
                let lines = input.into_iter().flat_map(str::lines).filter_map(scheduled);
                lines.for_each(|text| fed.text(&text));
            }
            "ssh" if wrap::unwrap(program, args).is_none_or(|w| w.inner.is_empty()) => {
                input.into_iter().for_each(|text| fed.text(text));
                fed.remote = true;
            }
            "xargs" => fed.inner.extend(input.and_then(|text| operands_of(args, text))),
            "psql" | "mysql" | "sqlite3" | "mongo" | "mongosh" => {
                unit.code = unit.code.take().or_else(|| input.map(str::to_owned));
            }
            "awk" | "gawk" | "mawk" | "nawk" | "sed" | "gsed" => {
                for word in args.iter().filter(|word| word.text.contains(char::is_whitespace)) {
                    if program.ends_with("awk") {
                        fed.code(program, Some(&word.text));
                    } else if let Some((_, text)) = word.text.split_once("e ") {
                        // `1e COMMAND`
                        let address = word.text.split("e ").next().unwrap_or_default();
                        if address.chars().all(|c| c.is_ascii_digit() || "$,!~+".contains(c)) {
                            fed.text(text);
                        }
                    }
                }
            }
            _ if wrap::is_interpreter(program) => {
                if unit.code.is_none() && no_script(args) {
                    unit.code = input.map(str::to_owned);
                }
                if unit.code.is_none() && given {
                    unit.code = context.printed.first().cloned();
                }
            }
            _ => {}
        }
        let code = unit.code.clone();
        fed.code(program, code.as_deref());
        fed
    }

    /// Walks what was found.
    pub(super) fn run_fed(&mut self, fed: Fed, via: &[String], more: bool) {
        if fed.inner.is_empty() || self.depth >= super::MAX_DEPTH {
            return;
        }
        let remote = self.remote;
        self.remote |= fed.remote;
        self.depth += 1;
        let input = self.input.take();
        for inner in fed.inner {
            self.isolated(|walker| match inner {
                Inner::Words(words, _) => {
                    let context = Context { via: via.to_vec(), ..Context::default() };
                    walker.run(words, Unit::default(), context, false);
                }
                Inner::Text(text) => {
                    let late = std::mem::replace(&mut walker.late, more);
                    // A guess that is no shell text says nothing about the line.
                    let opaque = walker.opaque.clone();
                    walker.maybe(|walker| walker.nested(&text.text, via));
                    if !walker.exhausted {
                        walker.opaque = opaque;
                    }
                    walker.late = late;
                }
                Inner::Code(_) => {}
            });
        }
        self.input = input;
        self.depth -= 1;
        self.remote = remote;
    }
}

/// The command of `xargs` with the operands that it is fed.
fn operands_of(args: &[Word], text: &str) -> Option<Inner> {
    let wrapped = wrap::unwrap("xargs", args)?;
    let Some(Inner::Words(words, _)) = wrapped.inner.into_iter().next() else { return None };
    let mark = wrap::value_of(args, &["-I", "--replace"]).map(|mark| mark.text);
    let mark = mark.unwrap_or_else(|| "{}".to_owned());
    let mut words = words;
    let placed = !mark.is_empty() && words.iter().any(|word| word.text.contains(&mark));
    if placed {
        for word in &mut words {
            *word = Word::known(word.text.replace(&mark, text.trim()));
        }
    } else {
        words.extend(text.split_whitespace().take(256).map(Word::known));
    }
    Some(Inner::Words(words, false))
}
