//! Brace expansion: `{a,b}`, `a{1..3}`, nested and joined, in the order in which bash makes it.
//!
//! Works on the raw text of one word, before quote removal. What is not certain to come out as
//! bash would make it is said to be unknown; nothing here guesses. Read `word` next.

/// Most words that one word may become; more are not known.
const MOST: usize = 256;
/// Deepest nesting that is followed.
const DEEPEST: usize = 12;

/// The words that `raw` becomes, in order; `None` where that is not known.
pub fn expand(raw: &str) -> Option<Vec<String>> {
    if !raw.contains('{') {
        return Some(vec![raw.to_owned()]);
    }
    expanded(raw.as_bytes(), DEEPEST)?
        .into_iter()
        .map(|word| String::from_utf8(word).ok())
        .collect()
}

fn expanded(text: &[u8], depth: usize) -> Option<Vec<Vec<u8>>> {
    let depth = depth.checked_sub(1)?;
    let Some((open, close)) = braces(text) else { return Some(vec![text.to_vec()]) };
    let before = text.get(..open)?;
    let inside = text.get(open + 1..close)?;
    let after = text.get(close + 1..)?;
    let parts = split(inside);
    let mut items = Vec::new();
    if parts.len() > 1 {
        for part in parts {
            items.extend(expanded(part, depth)?);
        }
    } else {
        match sequence(inside) {
            Sequence::Items(found) => items = found,
            // Not a list after all: it stands as it is, what follows may still be one.
            Sequence::None => items.push(text.get(open..=close)?.to_vec()),
            Sequence::Unknown => return None,
        }
    }
    let tails = if after.is_empty() { vec![Vec::new()] } else { expanded(after, depth)? };
    if items.len().checked_mul(tails.len())? > MOST {
        return None;
    }
    let mut all = Vec::new();
    for item in &items {
        for tail in &tails {
            all.push([before, item.as_slice(), tail.as_slice()].concat());
        }
    }
    Some(all)
}

/// The first pair of braces that bash takes for a list or a sequence.
fn braces(text: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    loop {
        let open = find(text, from, b'{')?;
        if let Some(close) = find(text, open + 1, b'}') {
            return Some((open, close));
        }
        from = open + 1;
    }
}

/// Splits what stands between braces at its own commas.
fn split(inside: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut from = 0;
    while let Some(comma) = find(inside, from, b',') {
        parts.push(inside.get(from..comma).unwrap_or_default());
        from = comma + 1;
    }
    parts.push(inside.get(from..).unwrap_or_default());
    parts
}

/// Where `wanted` stands outside quotes, substitutions and other braces. A closing brace only
/// counts after a comma or two dots of its own level.
fn find(text: &[u8], from: usize, wanted: u8) -> Option<usize> {
    let at = |index: usize| text.get(index).copied().unwrap_or(0);
    let blank = |byte: u8| matches!(byte, 0 | b' ' | b'\t' | b'\n');
    let (mut level, mut quote, mut lists) = (0usize, 0u8, usize::from(wanted != b'}'));
    let mut index = from;
    while index < text.len() {
        let byte = at(index);
        if byte == b'\\' && quote != b'\'' {
            index += 2;
            continue;
        }
        if byte == b'$' && at(index + 1) == b'{' && quote != b'\'' {
            level += usize::from(quote == 0);
            index += 2;
            continue;
        }
        let substitution = at(index + 1) == b'('
            && (byte == b'$' && quote != b'\'' && quote != b'`'
                || matches!(byte, b'<' | b'>') && quote == 0);
        if substitution {
            index = after_brackets(text, index + 1);
            continue;
        }
        if quote != 0 {
            if byte == quote {
                quote = 0;
            }
            index += 1;
            continue;
        }
        if matches!(byte, b'"' | b'\'' | b'`') {
            quote = byte;
            index += 1;
            continue;
        }
        if byte == wanted && level == 0 && lists > 0 {
            let before = if index == 0 { 0 } else { at(index - 1) };
            let lone =
                byte == b'{' && blank(before) && (blank(at(index + 1)) || at(index + 1) == b'}');
            if !lone {
                return Some(index);
            }
            index += 1;
            continue;
        }
        match byte {
            b'{' => level += 1,
            b'}' => level = level.saturating_sub(1),
            b',' if level == 0 => lists += 1,
            b'.' if level == 0 && at(index + 1) == b'.' && at(index + 2) != wanted => lists += 1,
            _ => {}
        }
        index += 1;
    }
    None
}

/// The index after the bracket that closes the one at `open`, quotes heeded.
pub fn after_brackets(text: &[u8], open: usize) -> usize {
    let (mut depth, mut quote, mut index) = (0usize, 0u8, open);
    while let Some(byte) = text.get(index).copied() {
        match (quote, byte) {
            (0 | b'"', b'\\') => index += 1,
            (0, b'\'' | b'"' | b'`') => quote = byte,
            (0, b'(') => depth += 1,
            (0, b')') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1;
                }
            }
            (open, close) if open == close => quote = 0,
            _ => {}
        }
        index += 1;
    }
    text.len()
}

enum Sequence {
    Items(Vec<Vec<u8>>),
    None,
    Unknown,
}

/// `1..9`, `a..e`, `0..10..2`.
fn sequence(inside: &[u8]) -> Sequence {
    let Ok(text) = std::str::from_utf8(inside) else { return Sequence::None };
    let mut parts = text.split("..");
    let (Some(first), Some(last)) = (parts.next(), parts.next()) else { return Sequence::None };
    let step = parts.next();
    let number = |text: &str| text.parse::<i32>().ok();
    if parts.next().is_some() || step.is_some_and(|step| number(step).is_none()) {
        // Numbers that do not fit, and spellings that only bash would read.
        return if text.contains(|c: char| c.is_ascii_digit()) {
            Sequence::Unknown
        } else {
            Sequence::None
        };
    }
    let step = step.and_then(number).map_or(1, i32::unsigned_abs).max(1) as usize;
    if let (Some(from), Some(to)) = (number(first), number(last)) {
        let count = (from.abs_diff(to) as usize) / step;
        if count >= MOST || [first, last].iter().any(|part| part.starts_with('+')) {
            return Sequence::Unknown;
        }
        let padded = |part: &str| {
            part.trim_start_matches('-').len() > 1 && part.trim_start_matches('-').starts_with('0')
        };
        let width = if padded(first) || padded(last) { first.len().max(last.len()) } else { 0 };
        let item = |index: usize| {
            let away = i64::try_from(index * step).unwrap_or(0);
            let value = if from <= to { i64::from(from) + away } else { i64::from(from) - away };
            format!("{value:0width$}").into_bytes()
        };
        return Sequence::Items((0..=count).map(item).collect());
    }
    if let ([from], [to]) = (first.as_bytes(), last.as_bytes())
        && from.is_ascii_alphabetic()
        && to.is_ascii_alphabetic()
    {
        // Between the two cases stand a backslash and a backquote.
        if from.is_ascii_lowercase() != to.is_ascii_lowercase() {
            return Sequence::Unknown;
        }
        let count = usize::from(from.abs_diff(*to)) / step;
        let item = |index: usize| {
            let away = u8::try_from(index * step).unwrap_or(0);
            vec![if from <= to { from + away } else { from - away }]
        };
        return Sequence::Items((0..=count).map(item).collect());
    }
    let numeric = |part: &str| part.bytes().any(|b| b.is_ascii_digit());
    if numeric(first) && numeric(last) { Sequence::Unknown } else { Sequence::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(raw: &str) -> String {
        expand(raw).map_or_else(|| "?".to_owned(), |words| words.join(" "))
    }

    #[test]
    fn lists_and_sequences_expand_as_bash_expands_them() {
        for (raw, wanted) in [
            ("{a,b}", "a b"),
            ("x{a,b}y{1,2}", "xay1 xay2 xby1 xby2"),
            ("a{,b}", "a ab"),
            ("{a,{b,c}d}", "a bd cd"),
            ("{a{b,c}}", "{ab} {ac}"),
            ("{a}b,c}", "a}b c"),
            ("{a", "{a"),
            ("{}", "{}"),
            ("{a}", "{a}"),
            ("${x,y}", "${x,y}"),
            ("${x}{a,b}", "${x}a ${x}b"),
            ("$(a,{b,c}){1,2}", "$(a,{b,c})1 $(a,{b,c})2"),
            ("'{a,b}'", "'{a,b}'"),
            ("\\{a,b}", "\\{a,b}"),
            ("{a\\,b,c}", "a\\,b c"),
            ("{1..3}", "1 2 3"),
            ("{3..1}", "3 2 1"),
            ("{01..03}", "01 02 03"),
            ("{1..5..2}", "1 3 5"),
            ("{a..c}x", "ax bx cx"),
            ("{-1..1}", "-1 0 1"),
            ("{1..x}", "{1..x}"),
            ("{1..99999999}", "?"),
            ("{Z..a}", "?"),
            ("{$x,b}", "$x b"),
        ] {
            assert_eq!(of(raw), wanted, "{raw}");
        }
    }
}
