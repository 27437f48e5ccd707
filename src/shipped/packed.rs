//! A tree of keys and values as bytes: written by the build script, read at start.
//!
//! A start reads only what it wrote itself at build time, so the form may change with every
//! build and is never a file format. Reading never trusts it: what does not fit is `None`.
//! The build script compiles this file too, so it knows no other room.

use super::tree::{Data, Entry, Node, Spot};

const NULL: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;
const WHOLE: u8 = 3;
const NUMBER: u8 = 4;
const TEXT: u8 = 5;
const LIST: u8 = 6;
const TABLE: u8 = 7;

/// Writes `entries`.
///
/// # Errors
/// The place of a value that no key of Ion takes (a date).
pub fn pack(entries: &[Entry]) -> Result<Vec<u8>, Spot> {
    let mut out = Vec::new();
    table(entries, &mut out)?;
    Ok(out)
}

fn table(entries: &[Entry], out: &mut Vec<u8>) -> Result<(), Spot> {
    length(entries.len(), out);
    for entry in entries {
        bytes(entry.key.as_bytes(), out);
        spot(entry.at, out);
        node(&entry.value, out)?;
    }
    Ok(())
}

fn node(node: &Node, out: &mut Vec<u8>) -> Result<(), Spot> {
    spot(node.at, out);
    match &node.data {
        Data::Null => out.push(NULL),
        Data::Flag(flag) => out.push(if *flag { YES } else { NO }),
        Data::Whole(whole) => {
            out.push(WHOLE);
            out.extend(whole.to_le_bytes());
        }
        Data::Number(number) => {
            out.push(NUMBER);
            out.extend(number.to_le_bytes());
        }
        Data::Text(value) => {
            out.push(TEXT);
            bytes(value.as_bytes(), out);
        }
        Data::List(nodes) => {
            out.push(LIST);
            length(nodes.len(), out);
            for inner in nodes {
                self::node(inner, out)?;
            }
        }
        Data::Table(entries) => {
            out.push(TABLE);
            table(entries, out)?;
        }
        Data::Date(_) => return Err(node.at),
    }
    Ok(())
}

fn spot(at: Spot, out: &mut Vec<u8>) {
    for part in [at.line, at.column, at.width] {
        length(part as usize, out);
    }
}

/// Writes bytes behind their number.
pub fn bytes(value: &[u8], out: &mut Vec<u8>) {
    length(value.len(), out);
    out.extend(value);
}

/// Writes a number: seven bits a byte, the lowest first; the eighth says that more follow.
pub fn length(mut value: usize, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads what [`pack`] wrote; `None` for anything else.
pub fn unpack(bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut reader = Reader::new(bytes);
    let entries = reader.table(0)?;
    reader.rest.is_empty().then_some(entries)
}

/// As [`unpack`], for the top-level keys that are wanted; the others are passed over.
pub fn unpack_some(bytes: &[u8], wanted: impl Fn(&str) -> bool) -> Option<Vec<Entry>> {
    let mut reader = Reader::new(bytes);
    let mut entries = Vec::new();
    for _ in 0..reader.length()? {
        let (key, at) = (reader.text()?, reader.spot()?);
        if wanted(key) {
            entries.push(Entry { key: key.to_owned(), at, value: reader.node(0)? });
        } else {
            reader.pass_node(0)?;
        }
    }
    reader.rest.is_empty().then_some(entries)
}

/// Deeper than any file that the parsers take.
const DEEPEST: usize = 256;

/// Reads packed bytes from the front. Every reading is `None` when they end too early.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    pub fn new(rest: &'a [u8]) -> Self {
        Reader { rest }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A number.
    pub fn length(&mut self) -> Option<usize> {
        let (mut value, mut shift) = (0usize, 0u32);
        loop {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
            shift += 7;
        }
    }

    fn spot(&mut self) -> Option<Spot> {
        let mut part = || u32::try_from(self.length()?).ok();
        Some(Spot { line: part()?, column: part()?, width: part()? })
    }

    /// Bytes behind their number.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    /// Text behind its number of bytes.
    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn eight(&mut self) -> Option<[u8; 8]> {
        self.take(8)?.try_into().ok()
    }

    fn table(&mut self, depth: usize) -> Option<Vec<Entry>> {
        let count = self.length()?;
        let mut entries = Vec::with_capacity(count.min(self.rest.len()));
        for _ in 0..count {
            let (key, at) = (self.text()?.to_owned(), self.spot()?);
            entries.push(Entry { key, at, value: self.node(depth)? });
        }
        Some(entries)
    }

    fn node(&mut self, depth: usize) -> Option<Node> {
        if depth > DEEPEST {
            return None;
        }
        let at = self.spot()?;
        let data = match self.byte()? {
            NULL => Data::Null,
            NO => Data::Flag(false),
            YES => Data::Flag(true),
            WHOLE => Data::Whole(i64::from_le_bytes(self.eight()?)),
            NUMBER => Data::Number(f64::from_le_bytes(self.eight()?)),
            TEXT => Data::Text(self.text()?.to_owned()),
            LIST => {
                let count = self.length()?;
                let mut nodes = Vec::with_capacity(count.min(self.rest.len()));
                for _ in 0..count {
                    nodes.push(self.node(depth + 1)?);
                }
                Data::List(nodes)
            }
            TABLE => Data::Table(self.table(depth + 1)?),
            _ => return None,
        };
        Some(Node { at, data })
    }

    /// Reads a node without keeping anything of it.
    fn pass_node(&mut self, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        self.spot()?;
        match self.byte()? {
            NULL | NO | YES => {}
            WHOLE | NUMBER => drop(self.take(8)?),
            TEXT => drop(self.bytes()?),
            LIST => {
                for _ in 0..self.length()? {
                    self.pass_node(depth + 1)?;
                }
            }
            TABLE => {
                for _ in 0..self.length()? {
                    self.bytes()?;
                    self.spot()?;
                    self.pass_node(depth + 1)?;
                }
            }
            _ => return None,
        }
        Some(())
    }
}
