//! TOML with positions, by way of `toml_edit`, into the same tree as JSON.
//!
//! Read [`super::tree`] for what comes out.

use super::tree::{Data, Entry, Lines, Node, Spot, Unparsable};
use toml_edit::{Document, Item, Table, Value};

/// Nesting that no honest file needs; the walk below is recursive.
const DEEPEST: usize = 64;

/// Parses a TOML document.
///
/// # Errors
/// [`Unparsable`] for bad syntax, a key given twice, and nesting deeper than 64.
pub fn parse(text: &str) -> Result<Vec<Entry>, Unparsable> {
    let lines = Lines::new(text);
    let document = Document::parse(text).map_err(|error| Unparsable {
        at: lines.spot(error.span().unwrap_or(0..1)),
        message: error.message().to_owned(),
    })?;
    table(document.as_table(), &lines, Spot::default(), 0)
}

fn table(table: &Table, lines: &Lines, near: Spot, depth: usize) -> Result<Vec<Entry>, Unparsable> {
    if depth > DEEPEST {
        return Err(too_deep(near));
    }
    let mut entries = Vec::new();
    for (name, item) in table.iter() {
        let at = table.key(name).and_then(toml_edit::Key::span).map_or(near, |s| lines.spot(s));
        entries.push(Entry { key: name.to_owned(), at, value: item_node(item, lines, at, depth)? });
    }
    Ok(entries)
}

fn item_node(item: &Item, lines: &Lines, near: Spot, depth: usize) -> Result<Node, Unparsable> {
    let at = item.span().map_or(near, |s| lines.spot(s));
    let data = match item {
        Item::None => Data::Null,
        Item::Value(value) => return value_node(value, lines, near, depth + 1),
        Item::Table(inner) => Data::Table(table(inner, lines, near, depth + 1)?),
        Item::ArrayOfTables(tables) => {
            let mut nodes = Vec::new();
            for inner in tables.iter() {
                let at = inner.span().map_or(near, |s| lines.spot(s));
                nodes.push(Node { at, data: Data::Table(table(inner, lines, at, depth + 1)?) });
            }
            Data::List(nodes)
        }
    };
    Ok(Node { at, data })
}

fn value_node(value: &Value, lines: &Lines, near: Spot, depth: usize) -> Result<Node, Unparsable> {
    if depth > DEEPEST {
        return Err(too_deep(near));
    }
    let at = value.span().map_or(near, |s| lines.spot(s));
    let data = match value {
        Value::String(text) => Data::Text(text.value().clone()),
        Value::Integer(whole) => Data::Whole(*whole.value()),
        Value::Float(float) => Data::Number(*float.value()),
        Value::Boolean(flag) => Data::Flag(*flag.value()),
        Value::Datetime(date) => Data::Date(date.value().to_string()),
        Value::Array(array) => {
            let nodes = array.iter().map(|v| value_node(v, lines, at, depth + 1));
            Data::List(nodes.collect::<Result<_, _>>()?)
        }
        Value::InlineTable(inline) => {
            let mut entries = Vec::new();
            for (name, inner) in inline.iter() {
                let key = inline.key(name).and_then(toml_edit::Key::span);
                let at = key.map_or(at, |s| lines.spot(s));
                let value = value_node(inner, lines, at, depth + 1)?;
                entries.push(Entry { key: name.to_owned(), at, value });
            }
            Data::Table(entries)
        }
    };
    Ok(Node { at, data })
}

fn too_deep(at: Spot) -> Unparsable {
    Unparsable { at, message: format!("nested deeper than {DEEPEST} levels") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_lines_in_tables_dotted_keys_and_lists_of_tables() {
        let text = "a.b = 1\n[sandbox]\nenabled = true\n[[permissions.rules]]\ntool = \"Bash\"\n";
        let entries = parse(text).unwrap();
        let find = |name: &str| entries.iter().find(|e| e.key == name).unwrap();
        let Data::Table(sandbox) = &find("sandbox").value.data else { panic!("a table") };
        assert_eq!((sandbox[0].at.line, sandbox[0].value.at.column), (3, 11));
        let Data::Table(permissions) = &find("permissions").value.data else { panic!("a table") };
        let Data::List(rules) = &permissions[0].value.data else { panic!("a list") };
        let Data::Table(rule) = &rules[0].data else { panic!("a table") };
        assert_eq!(rule[0].at.line, 5);
    }

    #[test]
    fn what_ships_is_packed_as_it_is_written() {
        for file in crate::shipped::ALL {
            assert_eq!(file.entries(), parse(file.text()).unwrap(), "{}", file.name());
        }
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        let error = parse("mode = 1\nmode = 2\n").unwrap_err();
        assert_eq!(error.at.line, 2);
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        assert!(parse(&format!("a = {}", "[".repeat(100_000))).is_err());
        assert!(parse(&format!("a{} = 1", ".a".repeat(100_000))).is_err());
        assert!(parse(&format!("[a{}]", ".a".repeat(100_000))).is_err());
    }
}
