//! `flags`: which options a command gives, in every spelling that programs understand.
//!
//! Bundles (`-rf`), values (`--mode=fast`, `--mode fast`, `-Xv`) and abbreviations of long
//! options (`--recurs`) are seen through. Whether an abbreviation or a letter inside a bundle is
//! that option depends on the program, so both are *possible*: enough to restrict, never enough
//! to permit.

use super::match_words::{Sense, certain};
use super::shell::{ANY, ANY_NAME, ANY_PLAIN_NAME, Unit};
use crate::config::schema::rule::FlagsSpec;

/// Longest bundle whose first letter is surely an option.
const SURE_BUNDLE: usize = 3;

/// Whether an option is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Given {
    No,
    Possibly,
    Surely,
}

/// Compiled `flags`.
#[derive(Debug)]
pub struct Flags {
    any_of: Option<Vec<Flag>>,
    none_of: Vec<Flag>,
}

/// One option, with the value that it must have.
#[derive(Debug)]
struct Flag {
    name: String,
    value: Option<String>,
}

impl Flags {
    /// Takes the options apart.
    pub fn new(spec: &FlagsSpec) -> Self {
        let all = |list: &[String]| list.iter().map(|flag| Flag::new(flag)).collect();
        Flags { any_of: spec.any_of.as_deref().map(all), none_of: all(&spec.none_of) }
    }

    /// Whether the command gives the options that it must and none that it must not.
    pub fn fit(&self, unit: &Unit, sense: Sense) -> bool {
        let open = unit.late || unit.arguments().iter().any(could_be_option);
        let given = |flag: &Flag| flag.given(unit);
        let any = self.any_of.as_ref().is_none_or(|flags| {
            let found = flags.iter().map(given).max().unwrap_or(Given::No);
            if sense.allow {
                found == Given::Surely
            } else {
                found != Given::No || open && sense.unknown
            }
        });
        any && self.none_of.iter().all(|flag| {
            if sense.allow {
                given(flag) == Given::No && !open
            } else {
                given(flag) != Given::Surely
            }
        })
    }
}

/// Whether an unknown word may turn out to be an option.
fn could_be_option(word: &super::shell::Word) -> bool {
    let shape = word.shape();
    !certain(word)
        && (shape.contains(ANY)
            || shape.starts_with([ANY_NAME, ANY_PLAIN_NAME, '-', '*', '?', '[']))
}

impl Flag {
    fn new(written: &str) -> Self {
        match written.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Flag { name: name.to_owned(), value: Some(value.to_owned()) }
            }
            _ => Flag { name: written.to_owned(), value: None },
        }
    }

    fn given(&self, unit: &Unit) -> Given {
        let mut best = Given::No;
        let mut options_end = false;
        let words = unit.arguments();
        for (at, word) in words.iter().enumerate() {
            if word.text == "--" && certain(word) {
                options_end = true;
                continue;
            }
            let next =
                words.get(at + 1).filter(|word| certain(word)).map(|word| word.text.as_str());
            let found = self.in_word(&word.text, next);
            // Behind `--` stand operands, for programs that keep to it.
            let found =
                if options_end || !certain(word) { found.min(Given::Possibly) } else { found };
            best = best.max(found);
        }
        best
    }

    fn in_word(&self, word: &str, next: Option<&str>) -> Given {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let named = self.named(name);
        let Some(wanted) = &self.value else { return named };
        let letter = self.name.len() == 2 && !self.name.starts_with("--");
        if letter && word.strip_prefix(self.name.as_str()) == Some(wanted.as_str()) {
            return Given::Surely;
        }
        if value.or(next) == Some(wanted.as_str()) { named } else { Given::No }
    }

    /// Whether a word's name, without its value, is this option.
    fn named(&self, name: &str) -> Given {
        if name == self.name {
            return Given::Surely;
        }
        if let Some(long) = self.name.strip_prefix("--") {
            let short = name.strip_prefix("--").filter(|rest| !rest.is_empty());
            let abbreviated = short.is_some_and(|rest| long.starts_with(rest));
            return if abbreviated { Given::Possibly } else { Given::No };
        }
        // `-name` of `find` is no bundle of letters, and no letter of a bundle.
        let (Some(letter), true) = (self.name.chars().nth(1), self.name.chars().count() == 2)
        else {
            return Given::No;
        };
        let Some(bundle) = name.strip_prefix('-').filter(|rest| !rest.starts_with('-')) else {
            return Given::No;
        };
        let plain = bundle.len() <= SURE_BUNDLE && bundle.chars().all(|c| c.is_ascii_alphabetic());
        match bundle.chars().position(|c| c == letter) {
            Some(0) if plain => Given::Surely,
            Some(_) => Given::Possibly,
            None => Given::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AbsPath;
    use crate::policy::shell::{ShellPlace, parse};

    const ALLOW: Sense = Sense { allow: true, unknown: false };
    const DENY: Sense = Sense { allow: false, unknown: true };

    fn fit(any: &[&str], none: &[&str], line: &str, sense: Sense) -> bool {
        let list = |flags: &[&str]| flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>();
        let spec = FlagsSpec {
            any_of: Some(list(any)).filter(|list| !list.is_empty()),
            none_of: list(none),
        };
        let cwd = AbsPath::new("/w").unwrap();
        let script = parse(line, &ShellPlace { cwd: &cwd, home: None });
        Flags::new(&spec).fit(script.units.last().unwrap(), sense)
    }

    #[test]
    fn an_option_is_found_in_every_spelling() {
        for line in ["p -r", "p -rf x", "p -fr x", "p x -r", "p -fxr", "p -- -r"] {
            assert!(fit(&["-r"], &[], line, DENY), "{line}");
        }
        for line in ["p --recursive", "p --recurs", "p --r", "p --recursive=yes"] {
            assert!(fit(&["--recursive"], &[], line, DENY), "{line}");
        }
        for line in ["p", "p r", "p --recursively", "p -- x", "p --no-recursive"] {
            assert!(!fit(&["--recursive", "-r"], &[], line, DENY), "{line}");
        }
        assert!(fit(&["-name"], &[], "find . -name x", DENY));
        assert!(!fit(&["-name"], &[], "find . -amen x", DENY));
    }

    #[test]
    fn a_value_is_part_of_the_option() {
        for line in ["p --mode=fast", "p --mode fast", "p --mo=fast"] {
            assert!(fit(&["--mode=fast"], &[], line, DENY), "{line}");
        }
        assert!(fit(&["-X=v"], &[], "p -Xv", ALLOW) && fit(&["-X=v"], &[], "p -X v", ALLOW));
        assert!(!fit(&["--mode=fast"], &[], "p --mode=slow", DENY));
        assert!(!fit(&["--mode=fast"], &[], "p --mo=fast", ALLOW));
    }

    #[test]
    fn an_allow_takes_only_what_is_sure() {
        assert!(fit(&["-t"], &[], "tar -tf x", ALLOW));
        assert!(!fit(&["-f"], &[], "tar -tf x", ALLOW), "it may be the value of -t");
        assert!(!fit(&["--list"], &[], "tar --li", ALLOW));
        assert!(!fit(&["-t"], &[], "tar -- -t", ALLOW));
        assert!(!fit(&["-t"], &[], "tar $x", ALLOW) && fit(&["-t"], &[], "tar $x", DENY));
    }

    #[test]
    fn what_must_not_be_given_may_not_even_be_possible_for_an_allow() {
        assert!(fit(&[], &["--force"], "git push origin", ALLOW));
        for line in ["git push --force", "git push --forc", "git push $x", "git push *"] {
            assert!(!fit(&[], &["--force"], line, ALLOW), "{line}");
        }
        assert!(!fit(&[], &["-f"], "git push -uf", ALLOW));
        assert!(!fit(&[], &["--dry-run"], "git push --dry-run", DENY));
        for line in ["git push", "git push --dry", "git push $x", "git push -- --dry-run"] {
            assert!(fit(&[], &["--dry-run"], line, DENY), "{line}");
        }
    }
}
