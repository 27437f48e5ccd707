//! `programs`, `argv` and `env`: conditions on the words of one unwrapped command.
//!
//! INVARIANT (unknown restricts): an allow holds only if it holds for whatever the unknown
//! words turn out to be; a deny or an ask holds if it holds for some of it. See [`Sense`].

use super::shell::{ANY, ANY_NAME, ANY_PLAIN_NAME, Unit, Word};

const MARKS: [char; 3] = [ANY, ANY_NAME, ANY_PLAIN_NAME];

/// Folders whose programs are what their name says.
const TRUSTED_FOLDERS: &[&str] = &[
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
];

/// Commands whose arguments set variables.
const SETTERS: &[&str] = &["export", "declare", "typeset", "readonly", "local", "env"];

/// From which side a condition is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sense {
    /// For an allow: every part must fit, and must fit for sure.
    pub allow: bool,
    /// The answer where a word decides that is only known when it runs.
    pub unknown: bool,
}

/// Whether a program written so is the one that its base name says.
pub fn in_trusted_folder(written: &str) -> bool {
    written.rsplit_once('/').is_none_or(|(folder, _)| TRUSTED_FOLDERS.contains(&folder))
}

/// Whether nothing about a word is left to run time.
pub fn certain(word: &Word) -> bool {
    word.literal && !word.glob && word.shape.is_empty()
}

/// Whether `*` of `pattern` can stand for what `text` has in its place.
pub fn wildcard(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// Whether some text of `shape` fits `pattern`: errs towards yes where both have wildcards.
fn wildcard_could(pattern: &str, shape: &str) -> bool {
    if !shape.contains(MARKS) {
        return wildcard(pattern, shape);
    }
    if !pattern.contains('*') {
        return wildcard(&shape.replace(MARKS, "*"), pattern) && !pattern.contains(MARKS);
    }
    let head = |text: &str| text.split(['*', ANY, ANY_NAME, ANY_PLAIN_NAME]).next().map(str::len);
    let (a, b) = (head(pattern).unwrap_or(0), head(shape).unwrap_or(0));
    pattern.as_bytes().get(..a.min(b)) == shape.as_bytes().get(..a.min(b))
}

/// Whether the command runs one of `programs`.
pub fn program_in(programs: &[String], unit: &Unit, sense: Sense) -> bool {
    let Some(first) = unit.words.first() else { return unit.opaque.is_some() && sense.unknown };
    if !certain(first) {
        return sense.unknown;
    }
    let written = first.text.as_str();
    programs.iter().any(|program| {
        let base = program.rsplit('/').next().unwrap_or_default();
        let same_name = wildcard(base, &unit.program);
        if program.contains('/') {
            // A restriction also hits another path of that name: it may be a link to it.
            written == program || !sense.allow && same_name
        } else {
            same_name && (!sense.allow || in_trusted_folder(written))
        }
    })
}

/// One place in an `argv` pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// One of these texts, each with `*` for any part.
    Text(Vec<String>),
    /// Any one word.
    One,
    /// Any number of words.
    Rest,
}

impl Token {
    /// Reads one token.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(written: &str) -> Result<Self, String> {
        match written {
            "*" => return Ok(Token::One),
            "**" => return Ok(Token::Rest),
            _ => {}
        }
        let inside = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let texts: Vec<String> = match inside {
            Some(inside) if !inside.is_empty() => inside.split('|').map(str::to_owned).collect(),
            _ => vec![written.to_owned()],
        };
        if texts.iter().any(String::is_empty) {
            return Err("one of its alternatives is empty".to_owned());
        }
        Ok(Token::Text(texts))
    }

    fn surely(&self, word: &Word) -> bool {
        match self {
            Token::Rest => true,
            Token::One => certain(word),
            Token::Text(texts) => {
                certain(word) && texts.iter().any(|text| wildcard(text, &word.text))
            }
        }
    }

    fn could(&self, shape: &str) -> bool {
        match self {
            Token::Rest | Token::One => true,
            Token::Text(texts) => texts.iter().any(|text| wildcard_could(text, shape)),
        }
    }
}

/// Whether the whole command fits `pattern`, its program as in [`program_in`].
pub fn argv_fits(pattern: &[Token], unit: &Unit, sense: Sense) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return false };
    let program = match first {
        Token::Rest => return !unit.words.is_empty(),
        Token::One => !unit.words.is_empty(),
        Token::Text(names) => program_in(names, unit, sense),
    };
    program && words_fit(rest, unit, sense)
}

/// Walks the words with every place of the pattern that can be reached.
fn words_fit(pattern: &[Token], unit: &Unit, sense: Sense) -> bool {
    let ends = pattern.len();
    let mut at = vec![false; ends + 1];
    let open = |at: &mut Vec<bool>| {
        for place in 0..ends {
            if at.get(place) == Some(&true) && pattern.get(place) == Some(&Token::Rest) {
                at[place + 1] = true;
            }
        }
    };
    at[0] = true;
    open(&mut at);
    for word in unit.arguments() {
        let mut next = vec![false; ends + 1];
        let shape = word.shape();
        let many = sense.unknown && (shape.contains(ANY) || word.glob);
        for (place, token) in pattern.iter().enumerate().filter(|(place, _)| at[*place]) {
            let fits = if sense.unknown { token.could(shape) } else { token.surely(word) };
            if fits {
                next[if *token == Token::Rest { place } else { place + 1 }] = true;
            }
            // What is not known may be several words, the first of which begins as written.
            if many && fits {
                next.iter_mut().skip(place).for_each(|open| *open = true);
            }
        }
        // It may be no word at all.
        if many && shape.chars().all(|c| MARKS.contains(&c)) {
            next.iter_mut().zip(&at).for_each(|(next, was)| *next |= was);
            if at[ends] {
                next[ends] = true;
            }
        }
        at = next;
        open(&mut at);
    }
    if unit.late {
        // More words come: only `**` at the end surely takes them.
        return if sense.unknown {
            at.contains(&true)
        } else {
            pattern.last() == Some(&Token::Rest) && at[ends]
        };
    }
    at[ends]
}

/// Whether the command sets a variable of `names`; for an allow, no other one.
pub fn env_in(names: &[String], unit: &Unit, sense: Sense) -> bool {
    let mut set: Vec<&str> = unit.assignments.iter().map(|set| set.name.as_str()).collect();
    let mut unknown = false;
    if SETTERS.contains(&unit.program.as_str()) {
        for word in unit.arguments() {
            unknown |= !certain(word) && word.shape().split('=').next().unwrap_or("").contains(ANY);
            let name = word.text.split('=').next().unwrap_or_default();
            let named = !name.is_empty() && !name.starts_with('-');
            set.extend(Some(name).filter(|_| named));
        }
    }
    let listed = |name: &&str| names.iter().any(|pattern| wildcard(pattern, name));
    if sense.allow {
        !unknown && !set.is_empty() && set.iter().all(listed)
    } else {
        unknown && sense.unknown || set.iter().any(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AbsPath;
    use crate::policy::shell::{ShellPlace, parse};
    use proptest::prelude::*;

    const ALLOW: Sense = Sense { allow: true, unknown: false };
    const DENY: Sense = Sense { allow: false, unknown: true };

    fn unit(line: &str) -> Unit {
        let cwd = AbsPath::new("/w").unwrap();
        let script = parse(line, &ShellPlace { cwd: &cwd, home: None });
        script.units.into_iter().rfind(|unit| !unit.transparent).unwrap()
    }

    fn argv(pattern: &str, line: &str, sense: Sense) -> bool {
        let tokens: Vec<Token> =
            pattern.split(' ').map(|token| Token::new(token).unwrap()).collect();
        argv_fits(&tokens, &unit(line), sense)
    }

    #[test]
    fn a_pattern_fits_whole_words_and_all_of_them() {
        for sense in [ALLOW, DENY] {
            assert!(argv("git push", "git push", sense));
            assert!(!argv("git push", "git push x", sense));
            assert!(argv("git push **", "git push x y", sense));
            assert!(argv("git push **", "git push", sense));
            assert!(argv("git * origin", "git push origin", sense));
            assert!(!argv("git *", "git", sense));
            assert!(argv("git [push|pull]", "git pull", sense));
            assert!(!argv("git [push|pull]", "git pulls", sense));
            assert!(argv("git ** --force **", "git push origin --force x", sense));
            assert!(argv("git push v*", "git push v1.2", sense));
            assert!(argv("sudo **", "sudo", sense) && !argv("su", "sudo", sense));
        }
    }

    #[test]
    fn an_unknown_word_restricts_and_never_permits() {
        assert!(argv("deploy production **", "deploy $x", DENY));
        assert!(argv("deploy production **", "deploy pro$x", DENY));
        assert!(!argv("deploy production **", "deploy stag$x", DENY));
        assert!(argv("deploy ** --now", "deploy $x", DENY));
        assert!(argv("deploy", "deploy $x", DENY), "it may be no word at all");
        assert!(!argv("deploy *", "deploy $x", ALLOW), "it may be several words");
        assert!(argv("deploy **", "deploy $x", ALLOW), "whatever it is");
        assert!(!argv("deploy staging", "deploy $x", ALLOW));
        assert!(!argv("ls *", "ls *.rs", ALLOW) && argv("ls a.rs", "ls *.rs", DENY));
        assert!(argv("rm a", "echo x | xargs rm", DENY));
        assert!(!argv("rm", "echo x | xargs rm", ALLOW), "more words come");
        assert!(argv("rm **", "echo x | xargs rm", ALLOW));
    }

    #[test]
    fn a_program_elsewhere_inherits_restrictions_and_no_permission() {
        let of = |names: &[&str], line: &str, sense| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            program_in(&names, &unit(line), sense)
        };
        assert!(of(&["git"], "git x", ALLOW) && of(&["git"], "/usr/bin/git x", ALLOW));
        assert!(!of(&["git"], "/tmp/git x", ALLOW) && of(&["git"], "/tmp/git x", DENY));
        assert!(!of(&["git"], "./git x", ALLOW) && of(&["git"], "./git x", DENY));
        assert!(of(&["/opt/t/git"], "/opt/t/git x", ALLOW));
        assert!(!of(&["/opt/t/git"], "git x", ALLOW) && of(&["/opt/t/git"], "git x", DENY));
        assert!(of(&["python*"], "python3.12 x", ALLOW) && !of(&["python"], "python3 x", DENY));
    }

    #[test]
    fn variables_are_found_in_front_of_a_command_and_behind_export() {
        let of = |names: &[&str], line: &str, sense| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            env_in(&names, &unit(line), sense)
        };
        assert!(of(&["LD_*"], "LD_PRELOAD=x make", DENY));
        assert!(of(&["LD_*"], "export LD_PRELOAD=x", DENY));
        assert!(of(&["LD_*"], "export \"$n\"=x", DENY));
        assert!(!of(&["LD_*"], "RUST_LOG=x make", DENY));
        assert!(of(&["RUST_LOG"], "RUST_LOG=x make", ALLOW));
        assert!(!of(&["RUST_LOG"], "RUST_LOG=x PATH=y make", ALLOW));
        assert!(!of(&["RUST_LOG"], "make", ALLOW));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_fits_for_sure_could_fit(
            pattern in proptest::collection::vec("[ab*]{1,2}|\\[a\\|b\\]|\\*\\*", 1..5),
            words in proptest::collection::vec("[ab]{1,2}|\\$x|a\\$x|\\*", 1..5),
        ) {
            let tokens: Vec<Token> = pattern.iter().map(|t| Token::new(t).unwrap()).collect();
            let line = format!("p {}", words.join(" "));
            let mut whole = vec![Token::new("p").unwrap()];
            whole.extend(tokens);
            let unit = unit(&line);
            if argv_fits(&whole, &unit, ALLOW) {
                prop_assert!(argv_fits(&whole, &unit, DENY), "{pattern:?} {line}");
            }
        }

        /// Whatever value an unknown word takes, the restriction that this line would hit is hit.
        #[test]
        fn no_value_of_an_unknown_word_escapes_a_restriction(
            pattern in proptest::collection::vec("[ab*]{1,2}|\\[a\\|b\\]|\\*\\*", 1..5),
            before in "[ab]{1,2}", value in "[ab]{1,2}( [ab]{1,2})?|", after in "[ab]{1,2}",
        ) {
            let mut whole = vec![Token::new("p").unwrap()];
            whole.extend(pattern.iter().map(|t| Token::new(t).unwrap()));
            let known = unit(&format!("p {before} {value} {after}"));
            let open = unit(&format!("p {before} $x {after}"));
            if argv_fits(&whole, &known, DENY) {
                prop_assert!(argv_fits(&whole, &open, DENY), "{pattern:?} {value}");
            }
            if argv_fits(&whole, &open, ALLOW) {
                prop_assert!(argv_fits(&whole, &known, ALLOW), "{pattern:?} {value}");
            }
        }

        #[test]
        fn wildcards_agree_with_an_expression(pattern in "[ab*]{0,6}", text in "[ab]{0,6}") {
            let source = format!("^{}$", pattern.replace('*', ".*"));
            let expected = regex::Regex::new(&source).unwrap().is_match(&text);
            prop_assert_eq!(wildcard(&pattern, &text), expected);
        }
    }
}
