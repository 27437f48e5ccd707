//! What the build script found out about the expressions that ship: see [`super::prefilter`].
//!
//! One table, sorted by source, read in place: a start looks up only what it reaches. What does
//! not fit is not found, and then the expression is taken apart here and now.

use super::prefilter::{Literal, Need, Part, Test, Words};
use crate::shipped::packed::Reader;
use std::borrow::Cow;

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/expressions"));

/// The parts of a shipped expression; `None` for any other.
pub fn shipped(source: &str) -> Option<Vec<Part>> {
    let (mut low, mut high) = (0, count());
    while low < high {
        let middle = low + (high - low) / 2;
        let mut reader = entry(middle)?;
        match reader.text()?.cmp(source) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return parts(&mut reader),
        }
    }
    None
}

/// Every shipped expression.
#[cfg(test)]
pub fn sources() -> impl Iterator<Item = &'static str> {
    (0..count()).filter_map(|at| entry(at)?.text())
}

fn number(at: usize) -> Option<usize> {
    let bytes = PACKED.get(at * 4..at * 4 + 4)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

fn count() -> usize {
    number(0).unwrap_or(0)
}

fn entry(at: usize) -> Option<Reader<'static>> {
    PACKED.get(number(at + 1)?..).map(Reader::new)
}

fn parts(reader: &mut Reader<'static>) -> Option<Vec<Part>> {
    (0..reader.length()?).map(|_| part(reader)).collect()
}

fn part(reader: &mut Reader<'static>) -> Option<Part> {
    let source = reader.text()?;
    let test = match literals(reader)? {
        Some(sorted) => Test::Words(Words { sorted, blanks: reader.length()? }),
        None => Test::Regex(Cow::Borrowed(source)),
    };
    let (starts, needs) = (literals(reader)?, literals(reader)?);
    Some(Part { test, starts, needs: needs.map(|all| all.into_iter().map(Need::new).collect()) })
}

/// How many and one more, or 0 for none.
fn literals(reader: &mut Reader<'static>) -> Option<Option<Vec<Literal>>> {
    let Some(count) = reader.length()?.checked_sub(1) else { return Some(None) };
    (0..count).map(|_| reader.bytes().map(Cow::Borrowed)).collect::<Option<_>>().map(Some)
}
