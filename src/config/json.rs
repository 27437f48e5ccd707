//! JSON with positions: `serde_json` says whether the text is JSON, a walk over the same text
//! then adds lines and columns and refuses a key that stands twice.
//!
//! The walk never accepts what `serde_json` refused. Read [`super::tree`] for what comes out.

use super::tree::{Data, Entry, Lines, Node, Spot, Unparsable};
use std::collections::BTreeSet;

/// Parses a JSON object.
///
/// # Errors
/// [`Unparsable`] for bad syntax, nesting deeper than 128, a root that is not an object,
/// and a key given twice: two readers could otherwise see two different policies.
pub fn parse(text: &str) -> Result<Vec<Entry>, Unparsable> {
    if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let at = Spot {
            line: count(error.line().max(1)),
            column: count(error.column().max(1)),
            width: 1,
        };
        let full = error.to_string();
        let message = full.split(" at line ").next().unwrap_or("not valid JSON").to_owned();
        return Err(Unparsable { at, message });
    }
    let mut walk = Walk { text, at: 0, lines: Lines::new(text) };
    let root = walk.value()?;
    match root.data {
        Data::Table(entries) => Ok(entries),
        other => Err(Unparsable {
            at: root.at,
            message: format!("expected an object at the root, found {}", other.kind()),
        }),
    }
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
    lines: Lines<'a>,
}

impl Walk<'_> {
    fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or(0)
    }

    /// FAIL CLOSED: if the walk and `serde_json` ever disagree, the file is refused.
    fn lost(&self) -> Unparsable {
        let at = self.lines.spot(self.at..self.at + 1);
        Unparsable { at, message: "not valid JSON".to_owned() }
    }

    fn value(&mut self) -> Result<Node, Unparsable> {
        let first = self.peek();
        let start = self.at;
        let data = match first {
            b'{' => Data::Table(self.table()?),
            b'[' => Data::List(self.list()?),
            b'"' => Data::Text(self.string()?),
            _ => self.scalar()?,
        };
        // Only the first line of a block is underlined.
        Ok(Node { at: self.lines.spot(start..self.at), data })
    }

    fn table(&mut self) -> Result<Vec<Entry>, Unparsable> {
        self.at += 1;
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = BTreeSet::new();
        if self.peek() == b'}' {
            self.at += 1;
            return Ok(entries);
        }
        loop {
            self.peek();
            let start = self.at;
            let key = self.string()?;
            let at = self.lines.spot(start..self.at);
            if !seen.insert(key.clone()) {
                let message = format!("the key `{}` stands twice in one object", shown(&key));
                return Err(Unparsable { at, message });
            }
            if self.peek() != b':' {
                return Err(self.lost());
            }
            self.at += 1;
            let value = self.value()?;
            entries.push(Entry { key, at, value });
            match self.peek() {
                b',' => self.at += 1,
                b'}' => break,
                _ => return Err(self.lost()),
            }
        }
        self.at += 1;
        Ok(entries)
    }

    fn list(&mut self) -> Result<Vec<Node>, Unparsable> {
        self.at += 1;
        let mut nodes = Vec::new();
        if self.peek() == b']' {
            self.at += 1;
            return Ok(nodes);
        }
        loop {
            nodes.push(self.value()?);
            match self.peek() {
                b',' => self.at += 1,
                b']' => break,
                _ => return Err(self.lost()),
            }
        }
        self.at += 1;
        Ok(nodes)
    }

    fn string(&mut self) -> Result<String, Unparsable> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        loop {
            match bytes.get(end) {
                Some(b'\\') => end += 2,
                Some(b'"') => break,
                Some(_) => end += 1,
                None => return Err(self.lost()),
            }
        }
        let literal = self.text.get(start..=end).ok_or_else(|| self.lost())?;
        let text = serde_json::from_str(literal).map_err(|_| self.lost())?;
        self.at = end + 1;
        Ok(text)
    }

    fn scalar(&mut self) -> Result<Data, Unparsable> {
        let start = self.at;
        let rest = self.text.get(start..).ok_or_else(|| self.lost())?;
        let length = rest.find([',', '}', ']', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
        let word = rest.get(..length).ok_or_else(|| self.lost())?;
        let data = match word {
            "null" => Data::Null,
            "true" => Data::Flag(true),
            "false" => Data::Flag(false),
            number => match (number.parse::<i64>(), number.parse::<f64>()) {
                (Ok(whole), _) => Data::Whole(whole),
                (_, Ok(float)) => Data::Number(float),
                _ => return Err(self.lost()),
            },
        };
        self.at = start + length;
        Ok(data)
    }
}

/// A foreign key made safe to print: no control characters, bounded.
pub(crate) fn shown(text: &str) -> String {
    let clean: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() { format!("{clean}…") } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_value_knows_its_line_and_column() {
        let entries = parse("{\n  \"a\": {\n    \"b\\u0062\": [1, \"x\"]\n  }\n}").unwrap();
        assert_eq!(entries[0].at, Spot { line: 2, column: 3, width: 3 });
        let Data::Table(inner) = &entries[0].value.data else { panic!("a table") };
        assert_eq!(inner[0].key, "bb");
        let Data::List(items) = &inner[0].value.data else { panic!("a list") };
        assert_eq!(items[1].at, Spot { line: 3, column: 20, width: 3 });
    }

    #[test]
    fn a_key_given_twice_is_refused_even_when_spelled_with_an_escape() {
        let error = parse("{\"mode\": 1,\n \"mo\\u0064e\": 2}").unwrap_err();
        assert_eq!((error.at.line, error.at.column), (2, 2));
        assert!(error.message.contains("stands twice"), "{}", error.message);
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        assert!(parse(&"[".repeat(200_000)).is_err());
        assert!(parse(&"{\"a\":".repeat(200_000)).is_err());
    }
}
