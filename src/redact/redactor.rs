//! STUB interface: to be replaced.
use super::{Raw, Redacted, Secret};
use serde_json::Value;

/// Masks secrets.
pub struct Redactor;
impl Redactor {
    /// With the shipped rules, plus values known to be secret (label, value).
    pub fn new(_enabled: bool, _known: Vec<(String, Secret)>) -> Self {
        todo!()
    }
    /// Masks a text.
    pub fn text(&self, _text: &str) -> Redacted<String> {
        todo!()
    }
    /// Masks every string (and key) inside a JSON value; the shape stays.
    pub fn json(&self, _value: &Value) -> Redacted<Value> {
        todo!()
    }
    /// Masks a text from outside.
    pub fn raw(&self, _raw: Raw<String>) -> Redacted<String> {
        todo!()
    }
    /// A redactor for text that arrives in pieces.
    pub fn stream(&self) -> StreamRedactor<'_> {
        todo!()
    }
}
/// Masks a text in pieces.
pub struct StreamRedactor<'a>(&'a Redactor);
impl StreamRedactor<'_> {
    /// Takes a piece and gives what can be shown already.
    pub fn push(&mut self, _piece: &str) -> Redacted<String> {
        todo!()
    }
    /// Gives the rest.
    pub fn finish(self) -> Redacted<String> {
        todo!()
    }
}
