//! Paths inside options, and options whose value is no path.
//!
//! Part of `effects`.

use super::super::Word;
use super::{LAST_IS_WRITTEN, NO_PATHS, OUTPUT_OPTION, Operand};
use crate::policy::facts::Access;

/// Paths inside options: `--file=/x`, `of=/dev/sda`, `-o out`, `-C dir`.
pub fn options(program: &str, args: &[Word], found: &mut Vec<Operand>) {
    let mut at = 0;
    found.extend(packed(program, args));
    let git_output = program == "git"
        && args.iter().any(|w| matches!(w.text.as_str(), "archive" | "format-patch" | "bundle"));
    while let Some(word) = args.get(at) {
        at += 1;
        let next = args.get(at);
        let text = word.text.as_str();
        let mut add = |text: &str, access| {
            let shape = word.part(text).shape().to_owned();
            found.push(Operand { text: text.to_owned(), access, dynamic: !word.literal, shape });
        };
        if program == "date" {
            // Each line of the file shows in an error message.
            if matches!(text, "-f" | "--file" | "-uf") {
                if let Some(value) = next {
                    found.push(Operand {
                        text: value.text.clone(),
                        access: Access::Read,
                        dynamic: !value.literal,
                        shape: value.shape().to_owned(),
                    });
                }
            } else if let Some(path) =
                text.strip_prefix("--file=").or_else(|| text.strip_prefix("-f"))
            {
                add(path, Access::Read);
            }
            continue;
        }
        if program == "git" && text == "create" && at >= 2 {
            let bundles = args.get(at - 2).is_some_and(|word| word.text == "bundle");
            if let (true, Some(file)) =
                (bundles, args.iter().skip(at).find(|w| !w.text.starts_with('-')))
            {
                add(&file.text, Access::Write);
            }
        }
        if let Some(path) = uploaded(program, word, at.checked_sub(2).and_then(|b| args.get(b))) {
            add(&path, Access::Read);
        }
        if program == "dd" {
            if let Some(path) = text.strip_prefix("of=") {
                add(path, Access::Write);
            } else if let Some(path) = text.strip_prefix("if=") {
                add(path, Access::Read);
            }
            continue;
        }
        if OUTPUT_OPTION.contains(&program)
            || matches!(program, "unzip" | "csplit" | "mktemp")
            || git_output
        {
            let takes = matches!(
                text,
                "-o" | "--output"
                    | "--outfile"
                    | "--out"
                    | "--output-document"
                    | "--outDir"
                    | "--target-dir"
            ) || (program == "wget"
                && matches!(text, "-O" | "-P" | "--directory-prefix"))
                || (program == "unzip" && text == "-d")
                || (program == "csplit" && text == "-f")
                || (program == "mktemp" && matches!(text, "-p" | "--tmpdir"))
                || (program == "openssl" && text == "-out")
                || (program == "sort" && text == "-T")
                || (program == "tar" && matches!(text, "-C" | "--directory"));
            if let (true, Some(value)) = (takes, next) {
                found.push(Operand {
                    text: value.text.clone(),
                    access: Access::Write,
                    dynamic: !value.literal,
                    shape: value.shape().to_owned(),
                });
                at += 1;
                continue;
            }
        }
        if matches!(text, "-t" | "--target-directory") && LAST_IS_WRITTEN.contains(&program)
            || (text == "-t" && program == "mv")
        {
            if let Some(value) = next {
                found.push(Operand {
                    text: value.text.clone(),
                    access: Access::Write,
                    dynamic: !value.literal,
                    shape: value.shape().to_owned(),
                });
            }
            continue;
        }
        // Running a build elsewhere changes what lies there.
        let elsewhere = matches!(
            program,
            "make" | "gmake" | "npm" | "yarn" | "pnpm" | "bun" | "ninja" | "just"
        ) && matches!(text, "-C" | "--directory" | "--prefix" | "--cwd" | "--dir");
        if let (true, Some(value)) = (elsewhere, next) {
            found.push(Operand {
                text: value.text.clone(),
                access: Access::Write,
                dynamic: !value.literal,
                shape: value.shape().to_owned(),
            });
            continue;
        }
        if text.starts_with("-fprint") || text == "-fls" {
            if let Some(value) = next {
                found.push(Operand {
                    text: value.text.clone(),
                    access: Access::Write,
                    dynamic: !value.literal,
                    shape: value.shape().to_owned(),
                });
            }
            continue;
        }
        if let Some((name, value)) = text.split_once('=') {
            let value = value.strip_prefix('@').unwrap_or(value);
            let plain = !NO_PATHS.contains(&program) && !value.contains(char::is_whitespace);
            if plain && (value.starts_with(['/', '~', '.']) || value.contains("/../")) {
                let out = name.contains("out")
                    || name.contains("target-dir")
                    || program == "tar" && name.starts_with("--dir")
                    || name == "--tmpdir";
                add(value, if out { Access::Write } else { Access::Read });
            }
        } else if text.len() > 3
            && text.starts_with('-')
            && !text.starts_with("--")
            && matches!(text.as_bytes().get(2), Some(b'/' | b'~'))
        {
            add(
                &text[2..],
                if text.starts_with("-o") || text.starts_with("-O") {
                    Access::Write
                } else {
                    Access::Read
                },
            );
        }
    }
}

/// The archive that tar makes: `-cf FILE`, `czf FILE`, `--file=FILE`.
fn packed(program: &str, args: &[Word]) -> Option<Operand> {
    if !matches!(program, "tar" | "gtar" | "bsdtar") {
        return None;
    }
    let bundle = |at: usize, text: &str| {
        let letters = text.strip_prefix('-').unwrap_or(text);
        let short = text.starts_with('-') || at == 0;
        (short && !letters.starts_with('-')).then(|| letters.to_owned())
    };
    let has = |letters: &[char], long: &[&str]| {
        args.iter().enumerate().any(|(at, word)| {
            bundle(at, &word.text).is_some_and(|text| text.contains(letters))
                || long.contains(&word.text.as_str())
        })
    };
    if !has(&['c', 'r', 'u', 'A'], &["--create", "--append", "--update", "--concatenate"]) {
        return None;
    }
    let file = args.iter().enumerate().find_map(|(at, word)| {
        if let Some(path) = word.text.strip_prefix("--file=") {
            return Some(word.part(path));
        }
        let short = bundle(at, &word.text).is_some_and(|letters| letters.contains('f'));
        (short || word.text == "--file").then(|| args.get(at + 1).cloned())?
    })?;
    // `-` is standard output; with a colon it is another host's, which a pattern denies.
    let named = file.text != "-" && !file.text.contains(':');
    let shape = file.shape().to_owned();
    named.then_some(Operand {
        text: file.text,
        access: Access::Write,
        dynamic: !file.literal,
        shape,
    })
}

/// The file that a word of a network program sends: `name@FILE`, `-F x=@FILE;type=t`, `-TFILE`,
/// `--post-file=FILE`.
fn uploaded(program: &str, word: &Word, before: Option<&Word>) -> Option<String> {
    let text = word.text.as_str();
    let file = match program {
        "curl" | "http" | "https" | "xh" | "xhs" | "curlie" => {
            let glued = text.strip_prefix("-T").filter(|_| program == "curl");
            let long = text.strip_prefix("--upload-file=").filter(|_| program == "curl");
            let form = || {
                let (name, file) = text.split_once('@')?;
                // `user@host` is one only behind an option that sends a file.
                let address = name.contains("://") || name.contains(':') && program == "curl";
                let file = file.split([';', ',']).next().unwrap_or_default();
                let sends = program != "curl"
                    || name.ends_with('=')
                    || name.starts_with("-d")
                    || name.starts_with("--")
                    || before.is_some_and(|w| {
                        w.text.starts_with("--data") || w.text == "-d" || w.text == "--json"
                    });
                (!address && sends).then_some(file)
            };
            glued.or(long).or_else(form)
        }
        "wget" | "wget2" => {
            let glued = ["--post-file=", "--body-file="];
            glued.iter().find_map(|option| text.strip_prefix(option))
        }
        "lftp" => {
            // `-e 'put FILE; bye'`
            let words: Vec<&str> = text.split([';', ' ', '\t', '\n']).collect();
            let verbs = ["put", "mput", "mirror"];
            let at = words.iter().position(|part| verbs.contains(part))?;
            words.get(at + 1..)?.iter().copied().find(|part| !part.starts_with('-'))
        }
        _ => None,
    }?;
    let plain = !file.is_empty() && !file.contains(['"', '{', '}', '\n', '<', '>']);
    plain.then(|| file.to_owned())
}

/// Options whose next word is not an operand, where leaving it in would mislead.
pub fn skips_value(program: &str, option: &str) -> bool {
    match program {
        "head" | "tail" => matches!(option, "-n" | "-c"),
        "uniq" => matches!(option, "-f" | "-s" | "-w"),
        "csplit" => matches!(option, "-b" | "-n"),
        "split" => matches!(option, "-b" | "-l" | "-n" | "-a" | "-C" | "-t"),
        "iconv" => matches!(option, "-f" | "-t" | "-o"),
        "cut" => matches!(option, "-d" | "-f" | "-c" | "-b"),
        "sort" => matches!(option, "-k" | "-t" | "-S"),
        "tree" => matches!(option, "-L" | "-I" | "-P"),
        "du" => matches!(option, "-d"),
        "grep" | "egrep" | "fgrep" | "rg" | "ag" => {
            matches!(
                option,
                "-e" | "-A"
                    | "-B"
                    | "-C"
                    | "-m"
                    | "-g"
                    | "--glob"
                    | "-t"
                    | "-T"
                    | "--type"
                    | "--include"
                    | "--exclude"
            )
        }
        "sed" | "awk" | "gawk" => matches!(option, "-e" | "-F" | "-v"),
        "jq" => matches!(option, "--arg" | "--argjson" | "--indent"),
        "install" => matches!(option, "-m" | "-o" | "-g"),
        "touch" => matches!(option, "-d" | "-t"),
        "mkdir" => matches!(option, "-m"),
        "truncate" => matches!(option, "-s"),
        "curl" => {
            matches!(option, "-H" | "-X" | "-A" | "-u" | "-e" | "--header" | "--request" | "-w")
        }
        "git" => matches!(option, "-m" | "--message" | "--format" | "--author" | "-c" | "-C"),
        "tar" => matches!(option, "--exclude" | "-I"),
        "xmllint" => option == "--xpath",
        "fold" | "fmt" => option == "-w",
        "column" => matches!(option, "-t" | "-s") && option == "-s",
        "xxd" => matches!(option, "-l" | "-s" | "-c"),
        "gh" => matches!(option, "--title" | "--body" | "-t" | "-b"),
        _ => false,
    }
}
