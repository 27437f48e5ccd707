//! Names that mean something to the shell itself, and what happens when a line sets them.
//!
//! What is judged is what runs: whoever changes where programs are looked for, or what a name
//! stands for, must not be able to do it unseen. Read `run` next.

use super::super::word::Variable;
use super::super::{Unit, Word};
use super::{Walker, is_name};
use std::collections::BTreeSet;

/// Variables that change what other commands of the line do.
const SPECIAL: &[&str] = &[
    "PATH",
    "IFS",
    "ENV",
    "BASH_ENV",
    "BASH_CMDS",
    "BASH_ALIASES",
    "BASH_LOADABLES_PATH",
    "BASHOPTS",
    "SHELLOPTS",
    "POSIXLY_CORRECT",
    "PROMPT_COMMAND",
    "PS0",
    "PS1",
    "PS2",
    "PS4",
    "CDPATH",
    "EXECIGNORE",
    "GLOBIGNORE",
    "HOME",
    "PWD",
    "OLDPWD",
    "PAGER",
    "MANPAGER",
    "EDITOR",
    "VISUAL",
    "BROWSER",
    "SHELL",
    "LESSOPEN",
    "LESSCLOSE",
    "GLIBC_TUNABLES",
    "GCONV_PATH",
    "RANDOM",
    "SRANDOM",
    "SECONDS",
    "LINENO",
    "HISTCMD",
    "BASHPID",
];
const SPECIAL_STEMS: &[&str] =
    &["LD_", "DYLD_", "GIT_", "PYTHON", "PERL5", "RUBY", "NODE_", "BASH_FUNC_"];

/// Options of `shopt` that change nothing in what a line runs. All others do, or may.
const QUIET_OPTIONS: &[&str] = &[
    "extglob",
    "globstar",
    "nullglob",
    "failglob",
    "nocasematch",
    "nocaseglob",
    "inherit_errexit",
    "expand_aliases",
    "checkwinsize",
    "histappend",
    "cmdhist",
    "huponexit",
    "checkjobs",
    "no_empty_cmd_completion",
    "globasciiranges",
    "lithist",
    "progcomp",
    "login_shell",
    "execfail",
    "gnu_errfmt",
];
/// The same for `set -o`.
const QUIET_MODES: &[&str] = &[
    "errexit",
    "nounset",
    "xtrace",
    "verbose",
    "pipefail",
    "noclobber",
    "noglob",
    "monitor",
    "notify",
    "errtrace",
    "functrace",
    "allexport",
    "physical",
    "ignoreeof",
    "hashall",
    "history",
    "emacs",
    "vi",
    "nolog",
];

/// Whether `set` turns on or off how words are read (`-k`, `+B`, `-o posix`, …).
fn changes_reading(args: &[Word]) -> bool {
    let mut names = false;
    for word in args {
        let text = word.text.as_str();
        if !word.literal && word.shape().starts_with(super::super::ANY) {
            return !names && args.first() == Some(word);
        }
        if names {
            if !QUIET_MODES.contains(&text) {
                return true;
            }
            names = false;
        } else if text == "--" || text == "-" || !text.starts_with(['-', '+']) {
            return false;
        } else {
            names = text.contains('o');
            if text.chars().skip(1).any(|c| !"euxvfCmbETahPHo".contains(c)) {
                return true;
            }
        }
    }
    false
}

/// Whether the shell or a program takes a command or a place from the variable.
pub fn is_special(name: &str) -> bool {
    SPECIAL.contains(&name) || SPECIAL_STEMS.iter().any(|stem| name.starts_with(stem))
}

impl Walker {
    /// Nothing is known about a variable any more.
    pub(super) fn forget(&mut self, name: &str) {
        let value = Word::unknown("");
        self.state.variables.insert(name.to_owned(), Variable { value, certain: false });
        self.state.arrays.remove(name);
    }

    /// A builtin or a redirection gives `name` a value that nobody knows.
    pub(super) fn sets(&mut self, name: &str, unit: &mut Unit) {
        let plain = name.split('[').next().unwrap_or_default();
        if is_special(plain) {
            unit.opaque.get_or_insert_with(|| format!("it sets `{plain}` in a roundabout way"));
        }
        if is_name(plain) {
            self.second.unknown(plain);
            self.forget(plain);
        }
    }

    /// The names that `read` is given get a guess: the first line of what is fed.
    fn reads(&mut self, args: &[Word]) {
        let Some(line) = self.input.as_deref().and_then(|text| text.lines().next()) else {
            return;
        };
        let names: Vec<&Word> =
            args.iter().filter(|word| word.literal && is_name(&word.text)).collect();
        let mut parts = line.splitn(names.len().max(1), char::is_whitespace);
        let mut given = Vec::new();
        for name in names {
            let value = Word::unknown(parts.next().unwrap_or_default().trim());
            given.push((name.text.clone(), Variable { value, certain: false }));
        }
        self.state.variables.extend(given);
    }

    /// `declare "a=($x)"`: a list in an operand is expanded when it is assigned.
    pub(super) fn hidden_array(&mut self, before: &[Word], found: &[Word]) {
        let declares = ["declare", "typeset", "local", "export", "readonly"];
        if !before.iter().any(|word| declares.contains(&word.text.as_str())) {
            return;
        }
        for word in found.iter().filter(|word| word.text.contains("=(")) {
            self.evaluates(&word.text);
            if !word.literal || word.text.contains(['$', '`', '<', '>']) {
                self.give_up("a list in it is only known when it runs");
            }
        }
    }

    /// Builtins that change what a name of a program means, or that name variables unseen.
    pub(super) fn redefines(&mut self, program: &str, args: &[Word], unit: &mut Unit) {
        let option = |letter: char| {
            args.iter().any(|w| {
                w.text.starts_with(['-', '+'])
                    && !w.text.starts_with("--")
                    && w.text.contains(letter)
            })
        };
        let assigned: BTreeSet<String> = unit.assignments.iter().map(|a| a.name.clone()).collect();
        let mut fresh = Vec::new();
        let mut problem = |text: &str| {
            unit.opaque.get_or_insert_with(|| text.to_owned());
        };
        match program {
            "shopt"
                if args.iter().any(|w| {
                    !w.text.starts_with('-') && !QUIET_OPTIONS.contains(&w.text.as_str())
                }) =>
            {
                problem("it changes how the shell reads the rest");
            }
            "set" if changes_reading(args) => problem("it changes how the shell reads the rest"),
            "alias" if args.iter().any(|w| w.text.contains('=') || !w.literal) => {
                problem("an alias changes what the commands after it are");
            }
            "hash" if option('p') => problem("it changes which program a name runs"),
            "enable" if option('f') => problem("it loads code into the shell"),
            "enable" if !args.is_empty() => problem("it turns builtins into programs"),
            "declare" | "typeset" | "local" | "export" | "readonly" => {
                for word in args {
                    let name = word.shape().split('=').next().unwrap_or_default();
                    let known = word.literal || word.shape().contains('=') && is_name(name);
                    if !known {
                        problem("which variable it sets is only known when it runs");
                    }
                    let hidden = word.text.split(['=', '[', '+']).next().unwrap_or_default();
                    // `PATH=x` as the grammar sees it is judged by its name, elsewhere.
                    let seen = assigned.contains(hidden);
                    let empties = matches!(program, "local" | "declare" | "typeset")
                        && !args.iter().any(|w| matches!(w.text.as_str(), "-p" | "-f" | "-F"));
                    let gives = word.text.contains('=') || empties && !word.text.starts_with('-');
                    let whole = matches!(hidden, "BASH_CMDS" | "BASH_ALIASES" | "CDPATH")
                        || gives && !seen && is_special(hidden);
                    if gives && !seen && is_name(hidden) {
                        fresh.push(hidden.to_owned());
                    }
                    if whole
                        || option('n') && args.iter().any(|w| w.text.split('=').any(is_special))
                    {
                        problem("it changes what names mean to the shell");
                    }
                }
                if option('n') && args.iter().any(|w| !w.literal) {
                    problem("it refers to a variable that is only known when it runs");
                }
            }
            "read" | "mapfile" | "readarray" | "getopts" => {
                for word in args.iter().filter(|w| !w.text.starts_with('-')) {
                    if !word.literal {
                        unit.opaque.get_or_insert_with(|| {
                            "which variable it sets is only known when it runs".to_owned()
                        });
                    }
                    if program != "getopts" || args.first() != Some(word) {
                        self.sets(&word.text, unit);
                    }
                }
                if program == "read" {
                    self.reads(args);
                }
            }
            "unset" => {
                for word in args.iter().filter(|w| !w.text.starts_with('-')) {
                    let function = args.iter().any(|w| w.text == "-f");
                    if !word.literal || is_special(&word.text) && !function {
                        unit.opaque.get_or_insert_with(|| {
                            "it takes away a variable that the shell relies on".to_owned()
                        });
                    }
                    self.forget(&word.text);
                }
            }
            "printf" | "wait" => {
                for pair in args.windows(2) {
                    if let [option, name] = pair
                        && matches!(option.text.as_str(), "-v" | "-p")
                    {
                        if !name.literal {
                            unit.opaque.get_or_insert_with(|| {
                                "which variable it sets is only known when it runs".to_owned()
                            });
                        }
                        let plain = name.text.split('[').next().unwrap_or_default();
                        if is_special(plain) {
                            self.sets(plain, unit);
                        }
                    }
                }
            }
            _ => {}
        }
        for name in fresh {
            self.second.unknown(&name);
            self.forget(&name);
        }
    }
}
