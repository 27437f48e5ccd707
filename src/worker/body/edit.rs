//! `Edit`: exact replacement first, then one that forgives typographic differences. Nothing
//! outside the match changes, in either.

use super::{Arguments, Outcome, fuzzy, read, write};

/// Runs the tool.
///
/// # Errors
/// The tool error.
pub fn run(arguments: &Arguments<'_>) -> Result<Outcome, String> {
    let path = arguments.path()?;
    let old = arguments.required("old_string")?;
    let new = arguments.required("new_string")?;
    let all = arguments.flag("replace_all")?;
    if old.is_empty() {
        return Err("Error: old_string must not be empty".to_owned());
    }
    let bytes = read::contents(&path, "reading")?;
    // Lossy text cannot be written back: it would change bytes that nobody named.
    let text = String::from_utf8(bytes)
        .map_err(|_| format!("Error: {} is not UTF-8 text", path.display()))?;
    arguments.still_held(&path, &text)?;
    let exact: Vec<(usize, usize)> =
        text.match_indices(old).map(|(at, hit)| (at, at + hit.len())).collect();
    let fuzzy_used = exact.is_empty();
    let hits = if fuzzy_used { fuzzy::find(&text, old) } else { exact };
    let by = if fuzzy_used { " (via fuzzy match)" } else { "" };
    if hits.is_empty() {
        return Err(format!("Error: old_string not found in {}", path.display()));
    }
    if hits.len() > 1 && !all {
        return Err(format!(
            "Error: old_string found {} times{by}. Use replace_all or provide more context.",
            hits.len()
        ));
    }
    let changed = Some(write::replace(&path, splice(&text, &hits, new).as_bytes())?);
    let note = if fuzzy_used { " (fuzzy match: Unicode normalization applied)" } else { "" };
    let words = format!("Successfully edited {}{note}", path.display());
    Ok(Outcome { changed, ..Outcome::done(words) })
}

/// Replaces ordered, disjoint byte ranges.
fn splice(text: &str, hits: &[(usize, usize)], new: &str) -> String {
    let mut out = String::with_capacity(text.len() + new.len());
    let mut from = 0;
    for (start, end) in hits {
        out.push_str(text.get(from..*start).unwrap_or_default());
        out.push_str(new);
        from = *end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}
