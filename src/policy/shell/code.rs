//! Commands in the code of other languages: the strings that `system`, `exec`, `popen`, backquotes
//! and their like are given.
//!
//! No language is parsed. INVARIANT (adds only): code that starts programs has its strings looked
//! at as shell texts, and its lists of strings as commands, whatever they are for.

use super::Word;
use super::wrap::Inner;

/// Words of code that starts programs.
const STARTS: &[&str] = &[
    "system",
    "popen",
    "exec",
    "spawn",
    "subprocess",
    "child_process",
    "backtick",
    "qx",
    "passthru",
    "Open3",
    "shell",
    "Command",
    "run(",
    "getline",
    "| \"",
    "|\"",
    "ProcessBuilder",
];

/// Most strings of one piece of code that are looked at.
const MAX_STRINGS: usize = 32;

/// What the code could start.
pub fn commands(program: &str, code: &str) -> Vec<Inner> {
    let strings = strings(program, code);
    // What stands inside a string starts nothing, unless the quotes are those of a command.
    let shells = !program.starts_with("node") && !matches!(program, "bun" | "deno" | "tsx");
    let starts = |text: &str| STARTS.iter().any(|word| text.contains(word));
    let starts = shells && code.contains('`')
        || strings.iter().any(|(_, before, after)| starts(before) || starts(after))
        || program.ends_with("awk") && starts(code);
    if !starts {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut list: Option<Vec<Word>> = None;
    for (string, before, after) in strings.into_iter().take(MAX_STRINGS) {
        // `['rm', '-rf', '/x']` and `"rm", "-rf", "/x"` are the words of one command.
        let goes_on = before.trim() == ",";
        let listed = goes_on || after.trim_start().starts_with(',');
        if !goes_on && let Some(words) = list.take() {
            found.push(Inner::Words(words, false));
        }
        if listed {
            list.get_or_insert_with(Vec::new).push(Word::known(string.clone()));
        }
        // `os.system("…")` is the usual case, and a list may hold a text: `['sh', '-c', '…']`.
        if string.contains(char::is_whitespace) && !goes_on {
            found.push(Inner::Text(Word::known(string)));
        }
    }
    found.extend(list.map(|words| Inner::Words(words, false)));
    found
}

/// Every quoted string of the code, with what stands between it and its neighbours.
fn strings(program: &str, code: &str) -> Vec<(String, String, String)> {
    let awk = program.ends_with("awk");
    let mut found: Vec<(String, String, String)> = Vec::new();
    let mut between = String::new();
    let mut chars = code.chars();
    while let Some(quote) = chars.next() {
        if !(quote == '"' || !awk && matches!(quote, '\'' | '`')) {
            between.push(quote);
            continue;
        }
        let mut text = String::new();
        let mut closed = false;
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(c) => text.push(c),
                    None => {}
                },
                c if c == quote => {
                    closed = true;
                    break;
                }
                c => text.push(c),
            }
        }
        if let Some(last) = found.last_mut() {
            last.2.clone_from(&between);
        }
        if closed {
            found.push((text, std::mem::take(&mut between), String::new()));
        }
        if found.len() > MAX_STRINGS {
            break;
        }
    }
    if let Some(last) = found.last_mut() {
        last.2 = between;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(program: &str, code: &str) -> Vec<String> {
        let show = |inner: Inner| match inner {
            Inner::Text(text) | Inner::Code(text) => text.text,
            Inner::Words(words, _) => words.iter().map(|w| format!("[{}]", w.text)).collect(),
        };
        commands(program, code).into_iter().map(show).collect()
    }

    #[test]
    fn the_commands_of_inline_code_are_found() {
        assert_eq!(of("python3", "import os; os.system('rm -rf x')"), ["rm -rf x"]);
        assert_eq!(of("python3", "subprocess.run([\"rm\", '-rf', 'x'])"), ["[rm][-rf][x]"]);
        assert_eq!(of("perl", "system(\"id\\n\", \"x y\")"), ["id\n", "[id\n][x y]"]);
        assert_eq!(of("ruby", "puts `rm -rf x`"), ["rm -rf x"]);
        assert_eq!(of("awk", "BEGIN{system(\"rm 'a b'\")}"), ["rm 'a b'"]);
        assert!(of("python3", "print('rm -rf x')").is_empty());
        assert!(of("python3", "print('system is up')").is_empty());
        assert!(of("node", "console.log(`a b`)").is_empty());
    }
}
