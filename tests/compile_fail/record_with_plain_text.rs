// error: E0308
use ion::audit::{Draft, Kind};

fn recorded(body: serde_json::Value) -> Draft {
    Draft { kind: Kind::Outcome, session: None, call_id: None, tool: None, decision: None, body }
}

fn main() {}
