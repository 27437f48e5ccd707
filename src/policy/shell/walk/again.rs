//! Commands that hide in texts which the shell evaluates a second time.
//!
//! `walk` reports what is evaluated and what names are given; when the line is read, this looks
//! at what that evaluation could run. Read `second` for the rules.

use super::super::{Word, wrap};
use super::{Walker, is_name};

impl Walker {
    /// `text` is evaluated as arithmetic, a subscript or a name.
    pub(super) fn evaluates(&mut self, text: &str) {
        self.second.evaluates(text);
        if self.late {
            self.give_up("it evaluates a text that is only known when it runs");
        }
    }

    /// Builtins that evaluate names and expressions, or give names a value.
    pub(super) fn builtin(&mut self, program: &str, args: &[Word]) {
        let flag = |letter: char| {
            args.iter().any(|w| {
                w.text.starts_with(['-', '+'])
                    && !w.text.starts_with("--")
                    && w.text.contains(letter)
            })
        };
        let operands = || args.iter().filter(|w| !w.text.starts_with(['-', '+']));
        match program {
            "let" => args.iter().for_each(|w| self.evaluates(&w.text)),
            "declare" | "typeset" | "local" | "export" | "readonly" => {
                if flag('i') {
                    self.second.integers();
                }
                // A reference evaluates the name that it is given.
                if flag('n') {
                    args.iter().for_each(|w| self.evaluates(&w.text));
                }
                for word in operands() {
                    let name = word.text.split('=').next().unwrap_or_default();
                    if name.contains(['[', '$', '`']) {
                        self.evaluates(name);
                    }
                }
            }
            "read" | "mapfile" | "readarray" | "unset" | "getopts" => {
                for word in operands() {
                    if word.text.contains(['[', '$', '`']) {
                        self.evaluates(&word.text);
                    }
                    if program != "unset" {
                        self.second.unknown(&word.text);
                        self.forget(&word.text);
                    }
                }
                if program != "unset" {
                    for name in ["REPLY", "MAPFILE", "OPTARG"] {
                        self.second.unknown(name);
                    }
                }
            }
            "printf" | "wait" => {
                if let Some(at) = args.iter().position(|w| matches!(w.text.as_str(), "-v" | "-p"))
                    && let Some(name) = args.get(at + 1)
                {
                    // A plain name is not evaluated; a reference is where it is declared.
                    if !(name.literal && is_name(&name.text)) {
                        self.evaluates(&name.text);
                    }
                    let numeric = args.get(at + 2).is_some_and(|format| {
                        format.literal && !format.text.contains(['s', 'b', 'c', 'q', '$', '`', '('])
                    });
                    if !numeric {
                        self.second.unknown(&name.text);
                    }
                    self.forget(&name.text);
                }
            }
            "test" | "[" => {
                if let Some(at) = args.iter().position(|w| w.text == "-v")
                    && let Some(name) = args.get(at + 1)
                {
                    self.evaluates(&name.text);
                }
            }
            _ => {}
        }
        let positional = program == "set"
            || self.functions.contains_key(program)
            || wrap::is_shell(program)
            || matches!(program, "source" | ".");
        if positional {
            for word in args {
                self.second.gives("@", &word.text, Some(word));
            }
        }
    }

    /// FAIL CLOSED: after the last command, judges what a second evaluation could run.
    pub(super) fn evaluated_again(&mut self) {
        if !self.second.any() {
            return;
        }
        if let Some(what) = self.second.fed_by_unknown() {
            self.give_up(format!(
                "the shell evaluates `{what}` as an expression, and its value is only known when it runs"
            ));
        }
        loop {
            let fresh = self.second.fresh();
            if fresh.is_empty() || self.exhausted {
                return;
            }
            for command in fresh {
                self.isolated(|walker| {
                    walker.nested(&command, &["a second evaluation".to_owned()]);
                });
            }
        }
    }
}
