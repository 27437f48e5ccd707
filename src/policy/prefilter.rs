//! Literal beginnings of an anchored expression, so that most expressions are never compiled.
//!
//! A start pays for every expression that it compiles. INVARIANT (prefilter over-approximates):
//! whatever the expression matches begins with one of these, ignoring case.

/// The beginnings, lower case; `None` when a match may begin with anything.
pub fn beginnings(pattern: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let pattern = pattern.strip_prefix("(?i)").unwrap_or(pattern);
    for alternative in split(pattern) {
        collect(alternative.strip_prefix('^')?, &mut found)?;
    }
    Some(found)
}

/// Whether `text` begins with one of `starts`.
pub fn begins(text: &str, starts: Option<&[String]>) -> bool {
    let same = |start: &String| {
        text.as_bytes()
            .get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
    };
    starts.is_none_or(|starts| starts.iter().any(same))
}

fn collect(rest: &str, found: &mut Vec<String>) -> Option<()> {
    if let Some(group) = rest.strip_prefix('(') {
        let inner = match group.strip_prefix("?:") {
            Some(inner) => inner,
            None if group.starts_with('?') => return None,
            None => group,
        };
        let end = closing(inner)?;
        let (inside, after) = (inner.get(..end)?, inner.get(end + 1..)?);
        if after.starts_with(['?', '*', '{']) {
            return None;
        }
        for alternative in split(inside) {
            collect(alternative.strip_prefix('^').unwrap_or(alternative), found)?;
        }
        return Some(());
    }
    let mut literal = String::new();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped) if !escaped.is_ascii_alphanumeric() => literal.push(escaped),
                _ => break,
            },
            '?' | '*' | '{' => {
                literal.pop();
                break;
            }
            '[' | '.' | '(' | ')' | '+' | '$' | '^' | '|' => break,
            plain => literal.push(plain),
        }
    }
    if literal.is_empty() {
        return None;
    }
    found.push(literal.to_ascii_lowercase());
    Some(())
}

/// Splits at `|` outside groups and classes.
fn split(pattern: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut class, mut skip) =
        (Vec::new(), 0, 0usize, false, false);
    for (at, c) in pattern.char_indices() {
        match c {
            _ if skip => skip = false,
            '\\' => skip = true,
            '[' => class = true,
            ']' => class = false,
            _ if class => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => {
                parts.extend(pattern.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(pattern.get(from..));
    parts
}

/// Where the group that is already open ends.
fn closing(pattern: &str) -> Option<usize> {
    let (mut depth, mut class, mut skip) = (0usize, false, false);
    for (at, c) in pattern.char_indices() {
        match c {
            _ if skip => skip = false,
            '\\' => skip = true,
            '[' => class = true,
            ']' => class = false,
            _ if class => {}
            '(' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_those_of_every_alternative() {
        let of = |pattern: &str| beginnings(pattern).map(|list| list.join(" "));
        assert_eq!(of(r"^(?:git|ls)(?: .*)?$").as_deref(), Some("git ls"));
        assert_eq!(of(r"^pip3?(\.\d+)?\s|^npm\s").as_deref(), Some("pip npm"));
        assert_eq!(of(r"(?i)^(mysql|PSQL)\s").as_deref(), Some("mysql psql"));
        assert_eq!(of(r"^(?:\[|\[\[|test) .*").as_deref(), Some("[ [[ test"));
        assert_eq!(of(r"^(a|b)?c"), None);
        assert_eq!(of(r"^git|push"), None);
        assert_eq!(of(r"git"), None);
        assert_eq!(of(r"^[ab]c"), None);
        assert_eq!(of(r"^\S+ x"), None);
        assert!(begins("GIT push", Some(&["git".to_owned()])));
        assert!(!begins("gi", Some(&["git".to_owned()])));
    }
}
