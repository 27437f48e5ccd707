//! A record as one line of a listing. Six columns need little of a record, so the rest of its line is
//! skipped; a record of another shape than most is read whole.

use super::record::Record;
use crate::model::{Decision, Seq};
use serde::Deserialize;
use std::borrow::Cow;

/// The columns of `ion audit list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub seq: Seq,
    /// RFC 3339, UTC.
    pub time: String,
    /// What it is about.
    pub kind: String,
    /// The final decision.
    pub decision: Option<Decision>,
    /// The rule that decided, or what else did.
    pub rule: Option<String>,
    /// The login name, or the user id.
    pub who: String,
    /// The command, the path, or the input.
    pub what: String,
}

#[derive(Deserialize)]
struct Slim<'a> {
    seq: Seq,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    tool: Option<Cow<'a, str>>,
    #[serde(default)]
    decision: Option<Decision>,
    #[serde(borrow, default)]
    user: Option<Cow<'a, str>>,
    #[serde(default)]
    uid: u32,
    #[serde(borrow)]
    body: Body<'a>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    rule: Option<Rule<'a>>,
    #[serde(borrow, default)]
    decided_by: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    call: Option<Call<'a>>,
}

#[derive(Deserialize)]
struct Rule<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow, default)]
    input: Option<Input<'a>>,
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow, default)]
    command: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    path: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    file_path: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pattern: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    url: Option<Cow<'a, str>>,
}

impl Row {
    /// From a whole record.
    pub fn of(record: &Record) -> Self {
        let rule = record.rule().or(record.text(&["decided_by"]));
        Row {
            seq: record.seq,
            time: record.time.clone(),
            kind: record.kind.clone(),
            decision: record.decision,
            rule: rule.map(str::to_owned),
            who: record.user.clone().unwrap_or_else(|| record.uid.to_string()),
            what: record.what(),
        }
    }

    /// From the bytes of a line, where it has the usual shape.
    pub(in crate::audit) fn read(line: &[u8]) -> Option<Self> {
        let slim: Slim<'_> = serde_json::from_slice(line).ok()?;
        // How a question ended is told in words of its own.
        if slim.kind == "answered" {
            return None;
        }
        let what = match slim.body.call.map(|call| call.input) {
            None => String::new(),
            Some(input) => {
                let input = input?;
                let tool = slim.tool.as_deref().unwrap_or_default();
                match (
                    input.command,
                    input.path.or(input.file_path).or(input.pattern).or(input.url),
                ) {
                    (Some(command), _) => command.into_owned(),
                    (None, Some(text)) => format!("{tool} {text}"),
                    (None, None) => return None,
                }
            }
        };
        let rule = slim.body.rule.and_then(|rule| rule.id).or(slim.body.decided_by);
        Some(Row {
            seq: slim.seq,
            time: slim.time.into_owned(),
            kind: slim.kind.into_owned(),
            decision: slim.decision,
            rule: rule.map(Cow::into_owned),
            who: slim.user.map_or_else(|| slim.uid.to_string(), Cow::into_owned),
            what,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tests::{Log, draft};
    use crate::audit::{Draft, Kind};
    use crate::redact::Redactor;
    use serde_json::{Value, json};

    /// However a record looks, it is listed the same whether it was read whole or not.
    #[test]
    fn a_line_read_in_part_gives_the_same_row() {
        let input = |input: Value| json!({"call": {"tool": "X", "input": input}});
        let bodies = [
            json!({}),
            json!(null),
            json!([1]),
            json!({"rule": null, "decided_by": "mode", "call": null}),
            json!({"rule": "text", "decided_by": 3}),
            json!({"rule": {"id": "a\"b\u{202e}"}, "decided_by": "rule"}),
            json!({"call": {"tool": "X"}}),
            json!({"call": "text"}),
            input(json!({})),
            input(json!(null)),
            input(json!("text")),
            input(json!({"command": "ls \u{9b}31m\n\"x\"", "path": "p"})),
            input(json!({"command": 3, "path": "p"})),
            input(json!({"command": null, "file_path": "f"})),
            input(json!({"path": "p", "file_path": "f"})),
            input(json!({"pattern": "x", "url": "u"})),
            input(json!({"url": "https://x.example/?q=1"})),
            input(json!({"other": [1, {"a": "b"}]})),
            json!({"question": "q-1", "choice": "allow", "by": "ada", "via": "terminal", "waited_ms": 3200}),
        ];
        let log = Log::with(3);
        let open = log.open();
        let redactor = Redactor::new(false, Vec::new());
        for (n, body) in bodies.iter().enumerate() {
            for kind in [Kind::Decision, Kind::Answered, Kind::Outcome, Kind::Trust] {
                let mut draft = Draft { kind, body: redactor.json(body), ..draft(n) };
                if n % 2 == 0 {
                    (draft.tool, draft.decision) = (None, None);
                }
                open.append(&draft).unwrap();
            }
        }
        let text = std::fs::read_to_string(log.path()).unwrap();
        let mut in_part = 0;
        for line in text.lines() {
            let whole = Row::of(&serde_json::from_str::<Record>(line).unwrap());
            if let Some(row) = Row::read(line.as_bytes()) {
                in_part += 1;
                assert_eq!(row, whole, "{line}");
            }
        }
        assert!(in_part > 20, "{in_part}");
        // Without a name the number stands for the user.
        let bare = "{\"seq\":1,\"time\":\"t\",\"kind\":\"trust\",\"uid\":7,\"body\":{}}";
        assert_eq!(Row::read(bare.as_bytes()).unwrap().who, "7");
    }
}
