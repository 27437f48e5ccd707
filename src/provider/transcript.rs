//! The conversation as a server will accept it: every call has its answer, no block is empty.
//!
//! Servers refuse a whole request for one orphan, and a session that was killed or compacted
//! leaves orphans. Nothing is invented here but the sentence that says so. Read the dialects
//! next.

use crate::conversation::{Block, Message, Role};
use crate::model::CallId;
use crate::redact::Redacted;

/// What a call without a recorded result is answered with.
const NO_RESULT: &str = "No result was recorded: the session ended before the tool answered.";

/// The messages with empty blocks and unasked results dropped and missing results filled in.
/// Results come first in their message: both dialects want them right after the call.
pub(super) fn acceptable(messages: &[Message]) -> Vec<Message> {
    let mut accepted: Vec<Message> = Vec::with_capacity(messages.len());
    let mut open: Vec<CallId> = Vec::new();
    for message in messages {
        match message.role {
            Role::Assistant => {
                close(&mut open, &mut accepted);
                let content: Vec<Block> = message
                    .content
                    .iter()
                    .filter(|block| !matches!(block, Block::ToolResult { .. }) && !is_empty(block))
                    .cloned()
                    .collect();
                open.extend(content.iter().filter_map(|block| match block {
                    Block::ToolUse { id, .. } => Some(id.clone()),
                    _ => None,
                }));
                push(&mut accepted, Role::Assistant, content);
            }
            Role::User => {
                let mut results = Vec::new();
                let mut rest = Vec::new();
                for block in &message.content {
                    match block {
                        Block::ToolResult { tool_use_id, .. } => {
                            if let Some(at) = open.iter().position(|id| id == tool_use_id) {
                                open.remove(at);
                                results.push(block.clone());
                            }
                        }
                        Block::ToolUse { .. } => {}
                        Block::Text { .. } if is_empty(block) => {}
                        Block::Text { .. } => rest.push(block.clone()),
                    }
                }
                results.extend(open.drain(..).map(unanswered));
                results.append(&mut rest);
                push(&mut accepted, Role::User, results);
            }
        }
    }
    close(&mut open, &mut accepted);
    accepted
}

fn close(open: &mut Vec<CallId>, accepted: &mut Vec<Message>) {
    let missing: Vec<Block> = open.drain(..).map(unanswered).collect();
    push(accepted, Role::User, missing);
}

fn push(accepted: &mut Vec<Message>, role: Role, content: Vec<Block>) {
    if !content.is_empty() {
        accepted.push(Message { role, content });
    }
}

fn unanswered(id: CallId) -> Block {
    Block::ToolResult { tool_use_id: id, content: Redacted::literal(NO_RESULT), is_error: true }
}

fn is_empty(block: &Block) -> bool {
    matches!(block, Block::Text { text } if text.as_str().is_empty())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::ToolName;
    use crate::redact::Redactor;
    use serde_json::{Value, json};

    pub fn redacted(value: Value) -> Redacted<Value> {
        Redactor::new(false, Vec::new()).json(&value)
    }

    pub fn said(role: Role, text: &'static str) -> Message {
        Message { role, content: vec![Block::Text { text: Redacted::literal(text) }] }
    }

    pub fn call(id: &str) -> Block {
        let input = redacted(json!({"command": "ls"}));
        Block::ToolUse { id: CallId::new(id), name: ToolName::resolve("Bash"), input }
    }

    pub fn result(id: &str, text: &'static str) -> Block {
        let content = Redacted::literal(text);
        Block::ToolResult { tool_use_id: CallId::new(id), content, is_error: false }
    }

    fn answered(messages: &[Message]) -> Vec<String> {
        let ids = messages.iter().flat_map(|m| &m.content).filter_map(|b| match b {
            Block::ToolResult { tool_use_id, .. } => Some(tool_use_id.as_str().to_owned()),
            _ => None,
        });
        ids.collect()
    }

    #[test]
    fn an_unasked_result_is_dropped_and_a_missing_one_is_said_to_be_missing() {
        let messages = [
            said(Role::User, "go"),
            Message { role: Role::Assistant, content: vec![call("a"), call("b")] },
            Message { role: Role::User, content: vec![result("zz", "x"), result("b", "y")] },
            Message { role: Role::Assistant, content: vec![call("c")] },
            said(Role::Assistant, "well"),
        ];
        let accepted = acceptable(&messages);
        assert_eq!(answered(&accepted), ["b", "a", "c"]);
    }

    #[test]
    fn empty_text_and_empty_messages_are_dropped() {
        let messages = [said(Role::User, "go"), said(Role::Assistant, ""), said(Role::User, "on")];
        assert_eq!(acceptable(&messages).len(), 2);
    }

    #[test]
    fn results_come_before_the_words_of_the_same_message() {
        let mut late = said(Role::User, "and then");
        late.content.push(result("a", "ok"));
        let turn = Message { role: Role::Assistant, content: vec![call("a")] };
        let accepted = acceptable(&[turn, late]);
        assert!(matches!(accepted[1].content[0], Block::ToolResult { .. }));
    }
}
