//! From TOML text to a [`Script`], with the line of every mistake.
//!
//! Only reading: no file, no clock. Read `docs/providers.md` for the format as people see it.

use super::script::{Call, Input, Script, ScriptError, Turn};
use crate::model::Usage;
use crate::provider::error::ProviderError;
use crate::provider::event::StopReason;
use crate::provider::route::Prices;
use serde_json::{Map, Number, Value};
use std::time::Duration;
use toml_edit::{Document, Item, TableLike};

type Result<T> = std::result::Result<T, ScriptError>;

/// Deepest input of a call.
const MAX_DEPTH: usize = 64;
/// Longest pause before a piece.
const MAX_DELAY_MS: u64 = 600_000;

/// Reads a script; `name` stands for the file in errors.
pub(super) fn read(name: &str, text: &str) -> Result<Script> {
    let reader = Reader { name, text };
    let document = Document::parse(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        reader.wrong(at, e.message().trim().replace('\n', "; "))
    })?;
    let root = Table { reader: &reader, table: document.as_table(), at: 0 };
    root.only(&["prices", "turn"])?;
    let prices = root.table("prices")?.map(|prices| prices.prices()).transpose()?;
    let turns: Vec<Turn> = root.tables("turn")?.iter().map(Table::turn).collect::<Result<_>>()?;
    if turns.is_empty() {
        return Err(reader.wrong(0, "a script needs at least one `[[turn]]`"));
    }
    Ok(Script { name: name.to_owned(), prices, turns })
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn wrong(&self, at: usize, reason: impl Into<String>) -> ScriptError {
        let (file, line) = (self.name.to_owned(), self.line(at));
        ScriptError::Invalid { file, line, reason: reason.into() }
    }
}

/// A table with its place in the text.
struct Table<'a> {
    reader: &'a Reader<'a>,
    table: &'a dyn TableLike,
    at: usize,
}

impl<'a> Table<'a> {
    /// Refuses keys that mean nothing here.
    fn only(&self, known: &[&str]) -> Result<()> {
        for (key, item) in self.table.iter() {
            if !known.contains(&key) {
                let reason = format!("unknown key `{key}`, expected one of: {}", known.join(", "));
                return Err(self.reader.wrong(self.place(key, item), reason));
            }
        }
        Ok(())
    }

    fn place(&self, key: &str, item: &Item) -> usize {
        let key = self.table.key(key).and_then(toml_edit::Key::span);
        key.or_else(|| item.span()).map_or(self.at, |span| span.start)
    }

    fn expected<T>(&self, key: &str, item: &Item, what: &str) -> Result<T> {
        let reason = format!("`{key}` must be {what}, found {}", item.type_name());
        Err(self.reader.wrong(self.place(key, item), reason))
    }

    /// A value read by `read`, absent when the key is.
    fn value<T>(
        &self,
        key: &str,
        what: &str,
        read: impl FnOnce(&'a Item) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(item) = self.table.get(key) else { return Ok(None) };
        read(item).map_or_else(|| self.expected(key, item, what), |value| Ok(Some(value)))
    }

    fn string(&self, key: &str) -> Result<Option<String>> {
        self.value(key, "a string", |item| item.as_str().map(str::to_owned))
    }

    fn count(&self, key: &str) -> Result<Option<u64>> {
        let read = |item: &Item| item.as_integer().and_then(|n| u64::try_from(n).ok());
        self.value(key, "a whole number that is not negative", read)
    }

    fn price(&self, key: &str) -> Result<Option<f64>> {
        let read = |item: &Item| {
            let number = item.as_float().or_else(|| item.as_integer().map(|n| n as f64));
            number.filter(|n| n.is_finite() && *n >= 0.0)
        };
        self.value(key, "a number that is not negative", read)
    }

    fn required<T>(&self, key: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.reader.wrong(self.at, format!("`{key}` is missing")))
    }

    fn table(&self, key: &str) -> Result<Option<Table<'a>>> {
        let Some(item) = self.table.get(key) else { return Ok(None) };
        match item.as_table_like() {
            Some(table) => {
                let at = self.place(key, item);
                Ok(Some(Table { reader: self.reader, table, at }))
            }
            None => self.expected(key, item, "a table"),
        }
    }

    /// `[[key]]` or an array of inline tables.
    fn tables(&self, key: &str) -> Result<Vec<Table<'a>>> {
        let Some(item) = self.table.get(key) else { return Ok(Vec::new()) };
        let start = |span: Option<std::ops::Range<usize>>| span.map_or(self.at, |span| span.start);
        if let Some(tables) = item.as_array_of_tables() {
            let reader = self.reader;
            return Ok(tables
                .iter()
                .map(|table| Table { reader, table, at: start(table.span()) })
                .collect());
        }
        let Some(array) = item.as_array() else {
            return self.expected(key, item, &format!("a list of tables (`[[{key}]]`)"));
        };
        let mut tables = Vec::new();
        for value in array {
            let Some(table) = value.as_inline_table() else {
                return self.expected(key, item, "a list of tables");
            };
            tables.push(Table { reader: self.reader, table, at: start(value.span()) });
        }
        Ok(tables)
    }

    fn prices(&self) -> Result<Prices> {
        const KEYS: [&str; 4] =
            ["input_per_1k", "output_per_1k", "cache_write_per_1k", "cache_read_per_1k"];
        self.only(&KEYS)?;
        let input = self.required("input_per_1k", self.price("input_per_1k")?)?;
        let output = self.required("output_per_1k", self.price("output_per_1k")?)?;
        let mut prices = Prices::per_1k(input, output);
        prices.cache_write = self.price("cache_write_per_1k")?.unwrap_or(prices.cache_write);
        prices.cache_read = self.price("cache_read_per_1k")?.unwrap_or(prices.cache_read);
        Ok(prices)
    }

    fn turn(&self) -> Result<Turn> {
        self.only(&[
            "when", "expect", "text", "chunk", "delay_ms", "call", "usage", "stop", "error",
        ])?;
        let calls: Vec<Call> =
            self.tables("call")?.iter().map(Table::call).collect::<Result<_>>()?;
        let delay = self.count("delay_ms")?.unwrap_or(0).min(MAX_DELAY_MS);
        let chunk = self.count("chunk")?.map(|n| usize::try_from(n).unwrap_or(usize::MAX).max(1));
        Ok(Turn {
            line: self.reader.line(self.at),
            when: self.string("when")?,
            expect: self.string("expect")?,
            text: self.text()?,
            chunk,
            delay: Duration::from_millis(delay),
            usage: self.table("usage")?.map(|usage| usage.usage()).transpose()?,
            stop: self.stop(!calls.is_empty())?,
            error: self.table("error")?.map(|error| error.error()).transpose()?,
            calls,
        })
    }

    fn text(&self) -> Result<Vec<String>> {
        let read = |item: &Item| match (item.as_str(), item.as_array()) {
            (Some(text), _) => Some(vec![text.to_owned()]),
            (_, Some(list)) => list.iter().map(|v| v.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        Ok(self.value("text", "a string or a list of strings", read)?.unwrap_or_default())
    }

    fn stop(&self, calls: bool) -> Result<StopReason> {
        let read = |item: &Item| match item.as_str()? {
            "end_turn" => Some(StopReason::EndTurn),
            "tool_use" => Some(StopReason::ToolUse),
            "max_tokens" => Some(StopReason::MaxTokens),
            "filtered" => Some(StopReason::Filtered),
            _ => None,
        };
        let what = "one of \"end_turn\", \"tool_use\", \"max_tokens\", \"filtered\"";
        let usual = if calls { StopReason::ToolUse } else { StopReason::EndTurn };
        Ok(self.value("stop", what, read)?.unwrap_or(usual))
    }

    fn usage(&self) -> Result<Usage> {
        self.only(&[
            "input_tokens",
            "output_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
        ])?;
        Ok(Usage {
            input_tokens: self.count("input_tokens")?.unwrap_or(0),
            output_tokens: self.count("output_tokens")?.unwrap_or(0),
            cache_read_input_tokens: self.count("cache_read_input_tokens")?.unwrap_or(0),
            cache_creation_input_tokens: self.count("cache_creation_input_tokens")?.unwrap_or(0),
        })
    }

    fn error(&self) -> Result<ProviderError> {
        self.only(&["code", "message", "http_status", "retryable", "retry_after_ms"])?;
        let known = |item: &Item| ProviderError::known_code(item.as_str()?);
        let code =
            self.value("code", "a code such as \"rate_limit\" (docs/providers.md)", known)?;
        let code = self.required("code", code)?;
        let message = self.string("message")?.unwrap_or_else(|| "raised by the script".into());
        let mut error = ProviderError::new(code, message);
        let status = |item: &Item| item.as_integer().and_then(|n| u16::try_from(n).ok());
        error.http_status = self.value("http_status", "an HTTP status", status)?;
        let retryable = self.value("retryable", "true or false", Item::as_bool)?;
        error.retryable = retryable.unwrap_or(error.retryable);
        error.retry_after = self.count("retry_after_ms")?.map(Duration::from_millis);
        Ok(error)
    }

    fn call(&self) -> Result<Call> {
        self.only(&["id", "name", "input", "input_json"])?;
        let name = self.required("name", self.string("name")?)?;
        let object = match self.table.get("input") {
            Some(item) => match self.json(item, 0)? {
                Value::Object(object) => Some(object),
                _ => return self.expected("input", item, "a table"),
            },
            None => None,
        };
        let input = match (object, self.string("input_json")?) {
            (Some(_), Some(_)) => {
                return Err(self.reader.wrong(self.at, "give `input` or `input_json`, not both"));
            }
            (_, Some(text)) => Input::Verbatim(text),
            (object, None) => Input::Object(object.unwrap_or_default()),
        };
        Ok(Call { id: self.string("id")?, name, input })
    }

    /// A TOML value as JSON; dates become strings.
    fn json(&self, item: &Item, depth: usize) -> Result<Value> {
        let at = item.span().map_or(self.at, |span| span.start);
        if depth > MAX_DEPTH {
            return Err(self.reader.wrong(at, format!("more than {MAX_DEPTH} levels of input")));
        }
        if let Some(table) = item.as_table_like() {
            let mut object = Map::new();
            for (key, item) in table.iter() {
                object.insert(key.to_owned(), self.json(item, depth + 1)?);
            }
            return Ok(Value::Object(object));
        }
        if let Some(tables) = item.as_array_of_tables() {
            let items = tables.iter().map(|t| self.json(&Item::Table(t.clone()), depth + 1));
            return Ok(Value::Array(items.collect::<Result<_>>()?));
        }
        if let Some(array) = item.as_array() {
            let items = array.iter().map(|v| self.json(&Item::Value(v.clone()), depth + 1));
            return Ok(Value::Array(items.collect::<Result<_>>()?));
        }
        if let Some(text) = item.as_str() {
            return Ok(text.into());
        }
        if let Some(number) = item.as_integer() {
            return Ok(number.into());
        }
        if let Some(yes) = item.as_bool() {
            return Ok(yes.into());
        }
        if let Some(number) = item.as_float() {
            let number = Number::from_f64(number).map(Value::Number);
            return number.ok_or_else(|| self.reader.wrong(at, "JSON has no such number"));
        }
        match item.as_datetime() {
            Some(date) => Ok(date.to_string().into()),
            None => Err(self.reader.wrong(at, "a value that JSON does not have")),
        }
    }
}
