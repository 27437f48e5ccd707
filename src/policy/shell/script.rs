//! The small languages of sed and awk: whether a script runs programs or names files.
//!
//! FAIL CLOSED: a script that is not understood counts as one that does. Read `options` first.

use super::Word;

/// Why the sed command may do more than print.
pub fn of_sed(args: &[Word]) -> Option<&'static str> {
    let mut scripts = Vec::new();
    let (mut at, mut option, mut first) = (0, false, None);
    while let Some(word) = args.get(at) {
        at += 1;
        let text = word.text.as_str();
        let name = text.split('=').next().unwrap_or_default();
        if text == "-e" || name.len() > 3 && "--expression".starts_with(name) && !text.contains('=')
        {
            scripts.extend(args.get(at).cloned());
            at += 1;
            option = true;
        } else if name.len() > 3 && "--expression".starts_with(name) {
            scripts.push(word.part(text.split_once('=').map_or("", |(_, rest)| rest)));
            option = true;
        } else if let Some(bundle) = text.strip_prefix('-').filter(|_| !text.starts_with("--")) {
            // `-ne SCRIPT`, `-nf FILE`, `-i.bak`.
            let letters = bundle.split(['i', 'l']).next().unwrap_or_default();
            if let Some(rest) = letters.find('e').and_then(|e| bundle.get(e + 1..)) {
                if rest.is_empty() {
                    scripts.extend(args.get(at).cloned());
                    at += 1;
                } else {
                    scripts.push(word.part(rest));
                }
                option = true;
            } else if letters.contains('f') {
                option = true;
                at += usize::from(letters.ends_with('f'));
            }
        } else if !text.starts_with('-') && first.is_none() {
            first = Some(word.clone());
        } else if name.len() > 3 && "--file".starts_with(name) {
            option = true;
        }
    }
    if !option {
        scripts.extend(first);
    }
    for script in &scripts {
        if !script.literal {
            // Known parts are looked at by the patterns; what is put in may be anything.
            continue;
        }
        if !sed_prints(&script.text) {
            return Some("its script runs a program, or reads or writes another file");
        }
    }
    None
}

/// Whether a sed script only edits and prints.
fn sed_prints(script: &str) -> bool {
    let chars: Vec<char> = script.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let Some(next) = sed_command(&chars, at) else { return false };
        at = next;
    }
    true
}

/// One command; where the next begins, or `None` for one that does more, or is not understood.
fn sed_command(chars: &[char], from: usize) -> Option<usize> {
    let get = |at: usize| chars.get(at).copied();
    let mut at = from;
    while get(at).is_some_and(|c| c.is_whitespace() || c == ';') {
        at += 1;
    }
    // Up to two addresses.
    loop {
        match get(at) {
            None => return Some(at),
            Some(c) if c.is_ascii_digit() || matches!(c, '$' | ',' | '~' | '+' | ' ' | '\t') => {
                at += 1
            }
            Some('/') => at = after_delimiter(chars, at + 1, '/')?,
            Some('\\') => at = after_delimiter(chars, at + 2, get(at + 1)?)?,
            Some('I' | 'M') if at > from => at += 1,
            Some(_) => break,
        }
    }
    while get(at).is_some_and(|c| c == '!' || c == ' ') {
        at += 1;
    }
    let end_of = |at: usize, stops: &[char]| {
        (at..chars.len())
            .find(|i| get(*i).is_some_and(|c| stops.contains(&c)))
            .unwrap_or(chars.len())
    };
    match get(at)? {
        '{' | '}' | 'p' | 'P' | 'd' | 'D' | 'n' | 'N' | 'g' | 'G' | 'h' | 'H' | 'x' | '=' | 'z'
        | 'F' => Some(at + 1),
        '#' => Some(end_of(at, &['\n'])),
        'q' | 'Q' | 'l' | 'L' => {
            let mut end = at + 1;
            while get(end).is_some_and(|c| c == ' ' || c.is_ascii_digit()) {
                end += 1;
            }
            Some(end)
        }
        'b' | 't' | 'T' | ':' => Some(end_of(at, &[';', '\n', '}'])),
        'a' | 'i' | 'c' => {
            // The text ends at a line end that no backslash takes away.
            let mut end = at + 1;
            while let Some(c) = get(end) {
                if c == '\\' {
                    end += 1;
                } else if c == '\n' {
                    break;
                }
                end += 1;
            }
            Some(end.min(chars.len()))
        }
        'y' => {
            let mark = get(at + 1)?;
            let middle = after_delimiter(chars, at + 2, mark)?;
            after_delimiter(chars, middle, mark)
        }
        's' => {
            let mark = get(at + 1)?;
            let middle = after_delimiter(chars, at + 2, mark)?;
            let mut end = after_delimiter(chars, middle, mark)?;
            while let Some(c) = get(end) {
                match c {
                    'e' | 'w' => return None,
                    'g' | 'p' | 'i' | 'I' | 'm' | 'M' | '0'..='9' => end += 1,
                    ';' | '\n' | '}' | ' ' | '\t' | '#' => break,
                    _ => return None,
                }
            }
            Some(end)
        }
        _ => None,
    }
}

fn after_delimiter(chars: &[char], from: usize, mark: char) -> Option<usize> {
    let mut at = from;
    while let Some(c) = chars.get(at).copied() {
        if c == '\\' {
            at += 1;
        } else if c == mark {
            return Some(at + 1);
        }
        at += 1;
    }
    None
}

/// Whether all that the program asks of `ENVIRON` and `getline` is a variable that is no secret, or
/// a plain text file beside it.
fn reads_little(text: &str) -> bool {
    let variables = text.match_indices("ENVIRON").all(|(at, _)| {
        let name = text.get(at + "ENVIRON".len()..).and_then(|rest| rest.strip_prefix("[\""));
        let name = name.and_then(|rest| rest.split_once("\"]")).map(|(name, _)| name);
        let plain = ["USER", "LANG", "TZ", "SHELL", "PWD", "HOME", "LOGNAME", "TERM", "CI"];
        name.is_some_and(|name| plain.contains(&name))
    });
    let files = text.match_indices("getline").all(|(at, _)| {
        let rest = text.get(at + "getline".len()..).unwrap_or_default();
        let piped = text.get(..at).unwrap_or_default().trim_end().ends_with(['|', '&']);
        let source = rest.trim_start().trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        let name = source.trim_start().strip_prefix('<').map(str::trim_start);
        let name = name.and_then(|rest| rest.strip_prefix('"')).and_then(|r| r.split_once('"'));
        !piped
            && name.is_some_and(|(name, rest)| {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
                let joined = |c: char| plain(c) || "\"($".contains(c);
                let (stem, kind) = name.rsplit_once('.').unwrap_or_default();
                !rest.trim_start().starts_with(joined)
                    && matches!(kind, "txt" | "csv" | "tsv" | "log" | "dat" | "md")
                    && !stem.is_empty()
                    && stem.chars().all(plain)
            })
    });
    variables && files
}

/// Why the awk command may do more than print.
pub fn of_awk(args: &[Word]) -> Option<&'static str> {
    for word in args {
        let text = word.text.as_str();
        let loads = matches!(text, "-i" | "-l" | "--include" | "--load" | "-D" | "--debug")
            || text.starts_with("--incl")
            || text.starts_with("--loa");
        if loads {
            return Some("it loads another program");
        }
        let named = text.contains("/inet") || !reads_little(text);
        // `@include "x"`, `@load "x"`, `@name(…)` calls what a variable names.
        let indirect = text.match_indices('@').any(|(at, _)| {
            let before = text.get(..at).unwrap_or_default();
            let rest = text.get(at + 1..).unwrap_or_default();
            let quoted =
                before.matches('"').count() % 2 == 1 || before.matches('/').count() % 2 == 1;
            !quoted && rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        });
        if named
            || indirect && text.contains(['{', '('])
            || text.starts_with("@include")
            || text.starts_with("@load")
        {
            return Some("its program reads other files, or calls what it names at run time");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sed_scripts_that_only_edit_are_told_from_those_that_do_more() {
        for script in [
            "10,20p",
            "s/a/b/",
            "s/a/b/g;s|c|d|2p",
            "/x/d",
            "/a/,/b/{s/c/d/;p}",
            "$!N;P;D",
            "y/abc/xyz/",
            "1!G;h;$!d",
            "s/e/w/g",
            "/^$/d",
            "s/\\//x/",
            "\\,a,d",
            "5q",
            "a\\\ntext e w",
            "i hello e world",
            "/x/a new",
            ":a;N;$!ba;s/\\n/ /g",
            "s/a/b/ # e id",
            "s,[a-z]*,X,I",
            "=",
            "1~2d",
            "/a/I,+3p",
            "n;d",
            "/re/!d",
            "$ d",
            "s/x/y/;t;s/a/b/",
            "",
        ] {
            assert!(sed_prints(script), "{script}");
        }
        for script in [
            "e id",
            "1e id",
            "1!e id",
            "e",
            "s/x/id/e",
            "s_x_id_ge",
            "w x",
            "s/a/b/w x",
            "r x",
            "R x",
            "W x",
            "/a/w/etc/x",
            "p;e id",
            "{e id\n}",
            "s/a/b",
            "v",
            "$!{r f\n}",
        ] {
            assert!(!sed_prints(script), "{script}");
        }
    }
}
