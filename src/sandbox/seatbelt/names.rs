//! Protected names as expressions of a profile.
//!
//! The file system usually does not tell `.GIT` from `.git`, and neither does the expression. It may
//! not tell other forms of one character apart either, so names are made of ASCII or refused.

/// An expression for a name at any depth, whatever its letters' case: `/\.[gG][iI][tT]`.
///
/// # Errors
/// The name holds something that has no place in one.
pub fn expression(name: &str) -> Result<String, String> {
    let refused =
        || format!("the protected name `{}` cannot be held by seatbelt", name.escape_debug());
    let mut text = String::new();
    for part in name.split('/') {
        if part.is_empty() || part == "." || part == ".." {
            return Err(refused());
        }
        text.push('/');
        for c in part.chars() {
            match c {
                'a'..='z' | 'A'..='Z' => {
                    let (lower, upper) = (c.to_ascii_lowercase(), c.to_ascii_uppercase());
                    text.extend(['[', lower, upper, ']']);
                }
                '0'..='9' | '_' | '-' => text.push(c),
                '.' => text.push_str("\\."),
                _ => return Err(refused()),
            }
        }
    }
    Ok(text)
}

/// Expressions for the folders that a name of several parts lies in, outermost first.
///
/// # Errors
/// As [`expression`].
pub fn above(name: &str) -> Result<Vec<String>, String> {
    let slashes = name.match_indices('/').map(|(at, _)| at);
    slashes.map(|at| expression(name.get(..at).unwrap_or_default())).collect()
}
