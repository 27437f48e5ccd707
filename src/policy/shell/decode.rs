//! What small programs print, where all that they are given is known: `echo`, `printf`, `cat`,
//! `base64 -d`, `xxd -r`, `rev`, `tr` and their like.
//!
//! INVARIANT (adds only): what is found here is looked at as code besides everything else. It never
//! makes a command better known than it was, so a guess that is off can only be too strict. Pure;
//! read `output` next.

use super::Word;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Longest text in bytes that is made.
pub const MAX_TEXT: usize = 16 * 1024;

/// Most times a format is used again for more operands.
const MAX_ROUNDS: usize = 256;

/// What `program` prints when `input` is its standard input; `None` where that is not known.
pub fn printed(program: &str, args: &[Word], input: Option<&str>) -> Option<String> {
    let words: Vec<&str> = args.iter().map(|word| word.text.as_str()).collect();
    let operands = || words.iter().filter(|word| !word.starts_with('-') || **word == "-");
    let flag = |letters: &[char], longs: &[&str]| {
        words.iter().any(|word| {
            let long = word.strip_prefix("--").filter(|name| !name.is_empty());
            match long {
                Some(name) => longs.iter().any(|long| long.starts_with(name)),
                None => word.strip_prefix('-').is_some_and(|bundle| bundle.contains(letters)),
            }
        })
    };
    let text = match program {
        "echo" => echo(&words),
        "printf" => printf(&words)?,
        "cat" | "tee" | "head" | "tail" | "sort" | "uniq" | "dd" | "sponge" | "pv" | "buffer" => {
            let reads_input = program == "tee" || operands().all(|word| *word == "-");
            if !reads_input && matches!(program, "cat" | "sort" | "uniq") {
                return None;
            }
            input?.to_owned()
        }
        "base64" | "gbase64" if flag(&['d', 'D'], &["decode"]) => bytes64(&given(&words, input)?)?,
        "base32" if flag(&['d', 'D'], &["decode"]) => bytes32(&given(&words, input)?)?,
        "basenc" if flag(&['d', 'D'], &["decode"]) => {
            let input = given(&words, input)?;
            match words.iter().find(|word| word.starts_with("--base")) {
                Some(&"--base16") => hex(&input)?,
                Some(&("--base32" | "--base32hex")) => bytes32(&input)?,
                _ => bytes64(&input)?,
            }
        }
        "openssl" if words.contains(&"-d") && openssl_encodes(&words) => {
            bytes64(&given(&[], input)?)?
        }
        "xxd" if flag(&['r'], &["revert"]) => {
            let input = given(&[], input)?;
            if flag(&['p'], &["plain", "postscript"]) { hex(&input)? } else { dump(&input)? }
        }
        // It prints where it starts, among the rest.
        "find" => {
            let starts = words.iter().take_while(|word| !word.starts_with(['-', '(', '!']));
            let starts: Vec<&str> =
                starts.filter(|word| word.starts_with(['/', '~'])).copied().collect();
            if starts.is_empty() {
                return None;
            }
            starts.join("\n")
        }
        "rev" => {
            let lines = input?.lines().map(|line| line.chars().rev().collect::<String>());
            lines.collect::<Vec<_>>().join("\n")
        }
        "tac" => input?.lines().rev().collect::<Vec<_>>().join("\n"),
        "tr" => translated(&words, input?)?,
        "sed" | "gsed" => replaced(&words, input?)?,
        _ => return None,
    };
    (text.len() <= MAX_TEXT).then_some(text)
}

/// The text to decode: standard input, unless a file is named.
fn given(words: &[&str], input: Option<&str>) -> Option<String> {
    let valued = ["-w", "--wrap"];
    let mut skip = false;
    for word in words {
        if std::mem::take(&mut skip) {
        } else if valued.contains(word) {
            skip = true;
        } else if !word.starts_with('-') && *word != "/dev/stdin" {
            return None;
        }
    }
    input.map(str::to_owned)
}

fn openssl_encodes(words: &[&str]) -> bool {
    let verb = words.first().copied().unwrap_or_default();
    verb == "base64" || verb == "enc" && words.iter().any(|w| matches!(*w, "-base64" | "-a" | "-A"))
}

fn echo(words: &[&str]) -> String {
    let options = words
        .iter()
        .take_while(|word| {
            word.len() > 1
                && word.starts_with('-')
                && word.chars().skip(1).all(|c| matches!(c, 'n' | 'e' | 'E'))
        })
        .count();
    let text = words.get(options..).unwrap_or_default().join(" ");
    let decodes = words.iter().take(options).any(|word| word.contains('e'));
    if decodes {
        return escapes(&text);
    }
    // Other shells decode without being told to.
    let decoded = escapes(&text);
    if decoded == text { text } else { format!("{text}\n{decoded}") }
}

/// Backslash escapes as `printf` and `echo -e` know them.
fn escapes(text: &str) -> String {
    let mut out: Vec<u8> = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some(kind) = bytes.get(at).copied() else {
            out.push(byte);
            break;
        };
        at += 1;
        let digits = |from: usize, most: usize, radix: u32| {
            let count = bytes
                .get(from..)
                .unwrap_or_default()
                .iter()
                .take(most)
                .take_while(|b| char::from(**b).is_digit(radix))
                .count();
            let digits = text.get(from..from + count).unwrap_or_default();
            (u32::from_str_radix(digits, radix).ok(), count)
        };
        let (value, count) = match kind {
            b'x' => digits(at, 2, 16),
            b'u' => digits(at, 4, 16),
            b'U' => digits(at, 8, 16),
            b'0' => digits(at, 3, 8),
            b'1'..=b'7' => {
                at -= 1;
                digits(at, 3, 8)
            }
            _ => (None, 0),
        };
        at += count;
        match (kind, value) {
            (b'u' | b'U', Some(value)) => {
                let c = char::from_u32(value).unwrap_or('?');
                out.extend(c.to_string().bytes());
            }
            (_, Some(value)) => out.push(u8::try_from(value & 0xff).unwrap_or(b'?')),
            (b'n', _) => out.push(b'\n'),
            (b't', _) => out.push(b'\t'),
            (b'r', _) => out.push(b'\r'),
            (b'a' | b'b' | b'f' | b'v' | b'e' | b'E' | b'c', _) => {}
            (b'\\', _) => out.push(b'\\'),
            (b'"', _) => out.push(b'"'),
            (b'\'', _) => out.push(b'\''),
            (other, _) => out.extend([b'\\', other]),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `printf FORMAT operands`: the format is used again until no operand is left.
fn printf(words: &[&str]) -> Option<String> {
    let mut words = words;
    if words.first() == Some(&"--") {
        words = words.get(1..)?;
    }
    let (format, rest) = words.split_first()?;
    if *format == "-v" {
        return Some(String::new());
    }
    let mut operands = rest.iter().copied();
    let mut out = String::new();
    for _ in 0..MAX_ROUNDS {
        let before = operands.len();
        let mut parts = format.split('%');
        out.push_str(&escapes(parts.next().unwrap_or_default()));
        let mut literal = false;
        for part in parts {
            if std::mem::take(&mut literal) {
                // What stands behind `%%`.
                out.push_str(&escapes(part));
                continue;
            }
            if part.is_empty() {
                out.push('%');
                literal = true;
                continue;
            }
            let end = part.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(part.len());
            let kind = part.get(end..).and_then(|rest| rest.chars().next());
            let value = operands.next().unwrap_or_default();
            match kind {
                Some('b') => out.push_str(&escapes(value)),
                Some('c') => out.extend(value.chars().next()),
                Some('x') => {
                    out.push_str(&value.parse::<i64>().map(|n| format!("{n:x}")).ok()?);
                }
                Some(_) => out.push_str(value),
                None => {}
            }
            let after = part.get(end..).unwrap_or_default();
            let skip = kind.map_or(0, char::len_utf8);
            out.push_str(&escapes(after.get(skip..).unwrap_or_default()));
        }
        if operands.len() == 0 || operands.len() == before || out.len() > MAX_TEXT {
            break;
        }
    }
    Some(out)
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn bytes64(text: &str) -> Option<String> {
    let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let url = dense.contains(['-', '_']);
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabet = if url { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    GeneralPurpose::new(alphabet, config).decode(dense).ok().map(|bytes| text_of(&bytes))
}

fn bytes32(text: &str) -> Option<String> {
    let (mut value, mut bits, mut out) = (0u32, 0u32, Vec::new());
    for c in text.bytes().filter(|c| !c.is_ascii_whitespace() && *c != b'=') {
        let digit = match c.to_ascii_uppercase() {
            c @ b'A'..=b'Z' => c - b'A',
            c @ b'2'..=b'7' => c - b'2' + 26,
            _ => return None,
        };
        value = (value << 5 | u32::from(digit)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(value >> bits & 0xff).unwrap_or_default());
        }
    }
    Some(text_of(&out))
}

/// Pairs of hexadecimal digits.
fn hex(text: &str) -> Option<String> {
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map_while(|c| c.to_digit(16)).collect();
    let bytes: Vec<u8> = digits
        .chunks_exact(2)
        .map(|pair| {
            pair.iter().fold(0, |byte, digit| byte << 4 | u8::try_from(*digit).unwrap_or(0))
        })
        .collect();
    (!bytes.is_empty()).then(|| text_of(&bytes))
}

/// The dump that `xxd` makes: `00000000: 6964 0a  id.`.
fn dump(text: &str) -> Option<String> {
    let mut out = String::new();
    for line in text.lines() {
        let (_, rest) = line.split_once(':')?;
        let digits = rest.split("  ").next().unwrap_or_default();
        out.push_str(&hex(digits)?);
    }
    Some(out)
}

/// `tr SET1 SET2` and `tr -d SET1`.
fn translated(words: &[&str], input: &str) -> Option<String> {
    let deletes = words.first() == Some(&"-d");
    let sets = if deletes { words.get(1..)? } else { words };
    let from = set(sets.first().filter(|set| !set.starts_with('-') || set.len() == 1)?);
    if deletes {
        return Some(input.chars().filter(|c| !from.contains(c)).collect());
    }
    let to = set(sets.get(1)?);
    let last = to.last().copied()?;
    let change = |c: char| match from.iter().rposition(|from| *from == c) {
        Some(at) => to.get(at).copied().unwrap_or(last),
        None => c,
    };
    Some(input.chars().map(change).collect())
}

/// The characters of a set of `tr`, ranges written out.
fn set(text: &str) -> Vec<char> {
    let text = text
        .replace("[:lower:]", "a-z")
        .replace("[:upper:]", "A-Z")
        .replace("[:digit:]", "0-9")
        .replace("[:space:]", " \t\n");
    let chars: Vec<char> = escapes(&text).chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        let end = chars.get(at + 2).copied().filter(|_| chars.get(at + 1) == Some(&'-'));
        match end.filter(|end| *end >= c && out.len() < 1024) {
            Some(end) => {
                out.extend((c..=end).take(1024));
                at += 3;
            }
            None => {
                out.push(c);
                at += 1;
            }
        }
    }
    out
}

/// `sed s/TEXT/TEXT/g` without any pattern in it.
fn replaced(words: &[&str], input: &str) -> Option<String> {
    let [script] = words else { return None };
    let rest = script.strip_prefix('s')?;
    let mark = rest.chars().next()?;
    let mut parts = rest.get(mark.len_utf8()..)?.split(mark);
    let (from, to, flags) = (parts.next()?, parts.next()?, parts.next()?);
    let plain = |text: &str| !text.contains(['\\', '*', '[', '.', '^', '$', '&', '\n']);
    if parts.next().is_some() || from.is_empty() || !plain(from) || !plain(to) {
        return None;
    }
    match flags {
        "g" => Some(input.replace(from, to)),
        "" => {
            let lines = input.lines().map(|line| line.replacen(from, to, 1));
            Some(lines.collect::<Vec<_>>().join("\n"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(program: &str, args: &[&str], input: &str) -> Option<String> {
        let args: Vec<Word> = args.iter().map(|text| Word::known(*text)).collect();
        printed(program, &args, Some(input))
    }

    #[test]
    fn what_small_programs_print_is_known() {
        let is = |program: &str, args: &[&str], input: &str, wanted: &str| {
            assert_eq!(out(program, args, input).as_deref(), Some(wanted), "{program} {args:?}");
        };
        is("echo", &["-n", "a", "b"], "", "a b");
        is("echo", &["-e", r"\x72\155"], "", "rm");
        is("printf", &["%s\\n", "a", "b"], "", "a\nb\n");
        is("printf", &[r"\x72\155 100%%"], "", "rm 100%");
        is("printf", &["%b", r"\0162m"], "", "rm");
        is("printf", &["rm %s %s", "-rf", "/x"], "", "rm -rf /x");
        is("cat", &[], "x", "x");
        is("base64", &["-d"], "aWQ=\n", "id");
        is("base64", &["--dec"], "aWQ", "id");
        is("base32", &["-d"], "NFSA====", "id");
        is("xxd", &["-r", "-p"], "6964", "id");
        is("xxd", &["-r"], "00000000: 6964            id\n", "id");
        is("openssl", &["base64", "-d"], "aWQ=", "id");
        is("rev", &[], "di", "id");
        is("tr", &["a-z", "n-za-m"], "vq", "id");
        is("tr", &["A-Za-z", "N-ZA-Mn-za-m"], "vq", "id");
        is("tr", &["-d", "x"], "ixdx", "id");
        is("sed", &["s/X//g"], "iXd", "id");
    }

    #[test]
    fn what_comes_from_elsewhere_is_not_known() {
        assert_eq!(out("cat", &["file"], "x"), None);
        assert_eq!(out("base64", &["-d", "file"], "x"), None);
        assert_eq!(out("base64", &["-d"], "!!!"), None);
        assert_eq!(out("curl", &["x"], "x"), None);
        assert_eq!(out("tr", &["-cs", "a"], "x"), None);
    }
}
