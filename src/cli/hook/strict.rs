//! JSON that means one thing: a name that stands twice in an object is an error.
//!
//! The attack: a reader that keeps the first `command` and a reader that keeps the last one
//! judge and run different calls. Everything else is `serde_json`, with its limit on nesting.

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Read).map(Strict)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("no finite number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = from.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Strict(value))) = from.next_entry::<String, Strict>()? {
            if members.insert(name, value).is_some() {
                // The name itself is a stranger's text and is not repeated.
                return Err(A::Error::custom("a name stands twice in one object"));
            }
        }
        Ok(Value::Object(members))
    }
}

/// Reads one JSON object and nothing after it.
///
/// # Errors
/// What is wrong, in a person's words and without the text that was read.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice::<Strict>(bytes) {
        Ok(Strict(Value::Object(members))) => Ok(members),
        Ok(_) => Err("the input is not a JSON object".to_owned()),
        Err(error) if error.is_eof() && bytes.iter().all(u8::is_ascii_whitespace) => {
            Err("the input is empty".to_owned())
        }
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let why = match error.classify() {
                serde_json::error::Category::Data => "a name stands twice in one object",
                _ => "it does not parse",
            };
            Err(format!("the input is not usable JSON: {why}, line {line} column {column}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_that_stands_twice_is_refused_at_every_depth() {
        for twice in [
            r#"{"a":1,"a":1}"#,
            r#"{"x":{"command":"ls","command":"rm -rf /"}}"#,
            r#"{"x":[{"a":1,"\u0061":2}]}"#,
        ] {
            assert!(object(twice.as_bytes()).unwrap_err().contains("twice"), "{twice}");
        }
        assert!(object(br#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#).is_ok());
    }

    #[test]
    fn what_is_no_object_is_refused_without_repeating_it() {
        let deep = "[".repeat(100_000);
        for wrong in ["", "  ", "null", "[]", "\"hunter2\"", "{", r#"{"hunter2":1}x"#, &deep] {
            let error = object(wrong.as_bytes()).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn what_serde_json_wrote_is_read_alike(name in "\\PC{0,9}", text in "\\PC{0,20}", n: i64) {
            let value = serde_json::json!({ name: [text, n, null, {"x": true}] });
            let read = object(value.to_string().as_bytes()).unwrap();
            prop_assert_eq!(Value::Object(read), value);
        }

        #[test]
        fn no_bytes_end_in_a_panic(bytes: Vec<u8>) {
            let _ = object(&bytes);
        }
    }
}
