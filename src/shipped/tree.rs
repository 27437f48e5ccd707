//! A parsed file in which every key and value still knows its line and column.
//!
//! JSON, TOML and what was parsed at build time all end here, so that checking, merging and
//! explaining are written once. Never decides what a key means. Parsers: `config::json`,
//! `config::toml`. The build script compiles this file too, so it knows no other room.

/// A place in a file: 1-based line and column (in characters), and how wide it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spot {
    /// 1-based line; 0 when the file gave none.
    pub line: u32,
    /// 1-based column in characters.
    pub column: u32,
    /// Characters to underline.
    pub width: u32,
}

/// One value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where the value begins.
    pub at: Spot,
    /// The value.
    pub data: Data,
}

/// What a value can be. Numbers keep the difference between whole and fractional.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// JSON `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// Any other number.
    Number(f64),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// An object or table.
    Table(Vec<Entry>),
    /// A TOML date or time, as written.
    Date(String),
}

/// One key of an object or table, with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key, escapes resolved.
    pub key: String,
    /// Where the key stands.
    pub at: Spot,
    /// The value.
    pub value: Node,
}

impl Data {
    /// What a person calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Data::Null => "null",
            Data::Flag(_) => "true or false",
            Data::Whole(_) | Data::Number(_) => "a number",
            Data::Text(_) => "a string",
            Data::List(_) => "a list",
            Data::Table(_) => "an object",
            Data::Date(_) => "a date",
        }
    }
}

/// Turns byte offsets of a text into lines and columns.
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Finds the lines of `text`.
    pub fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1))
            .collect();
        Lines { text, starts }
    }

    /// The place of a byte range. Ranges that leave the text are cut to it.
    pub fn spot(&self, range: std::ops::Range<usize>) -> Spot {
        let start = range.start.min(self.text.len());
        let line = self.starts.partition_point(|s| *s <= start).max(1);
        let from = self.starts.get(line - 1).copied().unwrap_or(0);
        // Beyond this a line is not for eyes, and counting its characters again and again would
        // make a megabyte on one line take seconds: bytes do.
        const LONG: usize = 4096;
        let before = start.saturating_sub(from);
        let column = match self.text.get(from..start) {
            Some(text) if before <= LONG => text.chars().count(),
            _ => before,
        };
        let end = range.end.clamp(start, self.text.len());
        let shown = self.text.get(start..end).unwrap_or("").chars();
        let width = shown.take(LONG).take_while(|c| *c != '\n' && *c != '\r').count();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Spot {
            line: count(line),
            column: count(column).saturating_add(1),
            width: count(width).max(1),
        }
    }
}

/// Why a text is not JSON or TOML at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Unparsable {
    /// Where the parser gave up.
    pub at: Spot,
    /// What it said.
    pub message: String,
}
