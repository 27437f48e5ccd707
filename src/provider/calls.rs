//! The tool calls of one answer while they arrive.
//!
//! INVARIANT (whole before ready): `ToolReady` is sent from [`Calls::finish`] alone, which the
//! dialects reach only when the server said that the answer is whole. A cut stream therefore
//! never yields a call. FAIL CLOSED: input that is not a JSON object becomes an error for the
//! model, never `{}`: a gated tool must not run with arguments that nobody asked for.

use super::error::ProviderError;
use super::event::{ModelEvent, StopReason};
use crate::model::CallId;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, VecDeque};

/// Most calls of one answer.
pub(super) const MAX_CALLS: usize = 128;
/// Most bytes of one call's input.
pub(super) const MAX_INPUT: usize = 1 << 20;
/// Most bytes of an id or a name.
const MAX_NAME: usize = 512;

/// The calls of one answer, in the order they began.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
    ids: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Call {
    json: String,
    whole: Option<Map<String, Value>>,
}

impl Calls {
    /// Begins a call and gives its position. An absent or repeated id is replaced: two calls
    /// with one id would share one result.
    pub fn start(
        &mut self,
        id: &str,
        name: &str,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<usize, ProviderError> {
        let index = self.calls.len();
        if index >= MAX_CALLS {
            return Err(ProviderError::protocol(format!(
                "one answer with more than {MAX_CALLS} tool calls"
            )));
        }
        if name.trim().is_empty() {
            return Err(ProviderError::protocol("a tool call without a name"));
        }
        if id.len() > MAX_NAME || name.len() > MAX_NAME {
            return Err(ProviderError::protocol(format!(
                "a tool call whose id or name is longer than {MAX_NAME} bytes"
            )));
        }
        let usable = !id.trim().is_empty() && !self.ids.contains(id);
        let id = if usable { id.to_owned() } else { made_up(index) };
        self.ids.insert(id.clone());
        self.calls.push(Call::default());
        out.push_back(ModelEvent::ToolStarted {
            index,
            id: CallId::new(id),
            name: name.to_owned(),
        });
        Ok(index)
    }

    /// Notes an input that arrived whole with the start of the call.
    pub fn preset(&mut self, index: usize, input: Map<String, Value>) {
        if let Some(call) = self.calls.get_mut(index) {
            call.whole = Some(input);
        }
    }

    /// Appends a piece of input.
    pub fn fragment(
        &mut self,
        index: usize,
        fragment: &str,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), ProviderError> {
        let Some(call) = self.calls.get_mut(index).filter(|_| !fragment.is_empty()) else {
            return Ok(());
        };
        if call.json.len().saturating_add(fragment.len()) > MAX_INPUT {
            return Err(ProviderError::protocol(format!(
                "a tool call with more than {MAX_INPUT} bytes of input"
            )));
        }
        call.json.push_str(fragment);
        out.push_back(ModelEvent::ToolInput { index, fragment: fragment.to_owned() });
        Ok(())
    }

    /// Ends the answer: every call becomes ready, then the answer stops.
    pub fn finish(&mut self, reason: StopReason, out: &mut VecDeque<ModelEvent>) {
        let reason = match (reason, self.calls.is_empty()) {
            // Some servers say that they are done although they wait for a result, and back.
            (StopReason::EndTurn, false) => StopReason::ToolUse,
            (StopReason::ToolUse, true) => StopReason::EndTurn,
            _ => reason,
        };
        for (index, call) in std::mem::take(&mut self.calls).into_iter().enumerate() {
            out.push_back(ModelEvent::ToolReady { index, input: call.input(reason) });
        }
        out.push_back(ModelEvent::Stopped(reason));
    }
}

impl Call {
    fn input(self, reason: StopReason) -> Result<Map<String, Value>, String> {
        if reason == StopReason::Filtered {
            return Err("the provider's filter stopped the answer inside the call".into());
        }
        if self.json.trim().is_empty() {
            // At the token limit an input that is still empty is one that never came.
            let whole = self.whole.filter(|_| reason == StopReason::ToolUse);
            return whole.ok_or_else(|| "the call came without input".into());
        }
        match serde_json::from_str(&self.json) {
            Ok(Value::Object(input)) => Ok(input),
            Ok(other) => Err(format!("the input is {}, not a JSON object", kind(&other))),
            Err(error) if reason == StopReason::MaxTokens => {
                Err(format!("the answer hit the token limit inside the call ({error})"))
            }
            Err(error) => Err(format!("the input is not JSON ({error})")),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// An id that differs between answers, so that two results never get mixed up.
fn made_up(index: usize) -> String {
    let mut bytes = [0u8; 8];
    // Without a source of chance the position still makes it unique inside the answer.
    let _ = getrandom::fill(&mut bytes);
    format!("call_ion_{:016x}_{index}", u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(json: &str, reason: StopReason) -> Result<Map<String, Value>, String> {
        let (mut calls, mut out) = (Calls::default(), VecDeque::new());
        let index = calls.start("a", "Bash", &mut out).unwrap();
        calls.fragment(index, json, &mut out).unwrap();
        calls.finish(reason, &mut out);
        match out.iter().find(|e| matches!(e, ModelEvent::ToolReady { .. })) {
            Some(ModelEvent::ToolReady { input, .. }) => input.clone(),
            _ => panic!("no ToolReady"),
        }
    }

    #[test]
    fn input_that_is_not_a_whole_object_is_an_error_and_never_empty() {
        for bad in ["", " ", "{", "{\"a\":1", "[1]", "\"x\"", "null", "{}{}", "{'a':1}", "\0"] {
            assert!(ready(bad, StopReason::ToolUse).is_err(), "{bad:?} was accepted");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert!(ready(&deep, StopReason::ToolUse).is_err());
        assert_eq!(ready("{}", StopReason::ToolUse), Ok(Map::new()));
        assert!(ready("{}", StopReason::Filtered).is_err());
    }

    #[test]
    fn an_input_announced_as_empty_counts_only_when_the_answer_is_whole() {
        for (reason, ok) in [(StopReason::ToolUse, true), (StopReason::MaxTokens, false)] {
            let call = Call { json: String::new(), whole: Some(Map::new()) };
            assert_eq!(call.input(reason).is_ok(), ok, "{reason:?}");
        }
    }

    #[test]
    fn calls_and_their_inputs_are_bounded() {
        let (mut calls, mut out) = (Calls::default(), VecDeque::new());
        let accepted = (0..100_000).take_while(|_| calls.start("", "T", &mut out).is_ok()).count();
        assert_eq!(accepted, MAX_CALLS);
        let piece = "x".repeat(4096);
        let pieces = (0..1000).take_while(|_| calls.fragment(0, &piece, &mut out).is_ok()).count();
        assert_eq!(pieces * piece.len(), MAX_INPUT);
        assert!(calls.start(&"i".repeat(600), "T", &mut out).is_err());
    }

    #[test]
    fn a_repeated_id_is_replaced() {
        let (mut calls, mut out) = (Calls::default(), VecDeque::new());
        calls.start("same", "A", &mut out).unwrap();
        calls.start("same", "B", &mut out).unwrap();
        let ids: BTreeSet<String> = out
            .iter()
            .filter_map(|e| match e {
                ModelEvent::ToolStarted { id, .. } => Some(id.as_str().to_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(ids.len(), 2, "{ids:?}");
    }
}
