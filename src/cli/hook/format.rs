//! What differs from agent to agent, as one value each.

use super::event::{Moment, Part, Waiting};
use crate::model::{Decision, ToolName};
use serde_json::{Map, Value, json};

/// How one agent asks and wants to be answered.
pub struct Format {
    /// `claude`, `codex` or `gemini`.
    pub name: &'static str,
    /// Events that wait for an answer.
    pub gating: &'static [(&'static str, Moment)],
    /// Events that Ion has no say in.
    pub harmless: &'static [&'static str],
    /// Variables that name the project's folder.
    pub project: &'static [&'static str],
    /// Exit code 2 blocks only when stderr says why.
    pub needs_stderr: bool,
    /// The call in Ion's words.
    pub parts: fn(&Waiting) -> Result<Vec<Part>, String>,
    /// Whether a person can answer a question, or why not.
    pub person: fn(&Waiting) -> Result<(), &'static str>,
    /// Standard output; empty leaves the decision to the agent's own permissions.
    pub answer: fn(Option<&Waiting>, &Answer) -> String,
    /// Settings to paste.
    pub settings: &'static str,
}

/// What Ion says.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The decision.
    pub decision: Decision,
    /// The whole reason, redacted, with the record's number.
    pub text: String,
    /// Whether an allow may skip the agent's own prompt.
    pub approve: bool,
}

/// Ion's own tools, whose rules a stranger's tool of that name must not borrow.
const OWN: &[&str] =
    &["Bash", "Read", "Write", "Edit", "NotebookEdit", "Glob", "Grep", "WebFetch", "WebSearch"];

impl Format {
    /// A tool that Ion does not know, under the agent's name for it.
    pub fn foreign(&self, name: &str, input: Map<String, Value>) -> Part {
        let resolved = ToolName::resolve(name);
        let own = OWN.iter().any(|own| own.eq_ignore_ascii_case(resolved.as_str()));
        // The attack: `bash ` or `read` from somewhere else, judged by the rules of `Bash`.
        match own || name != resolved.as_str() {
            true => Part::new(&format!("{}:{name}", self.name), input),
            false => Part::new(name, input),
        }
    }
}

/// The answer to `PermissionRequest`, which Claude Code and Codex share. An ask is silence: the
/// person is about to be asked.
pub fn permission_request(answer: &Answer) -> String {
    let decision = match answer.decision {
        Decision::Deny => json!({"behavior": "deny", "message": answer.text}),
        Decision::Allow if answer.approve => json!({"behavior": "allow"}),
        Decision::Allow | Decision::Ask => return String::new(),
    };
    json!({"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": decision}})
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::super::event::{self, Event};
    use super::super::{claude, codex, gemini};
    use super::*;
    use proptest::prelude::*;

    const ALL: [&Format; 3] = [&claude::FORMAT, &codex::FORMAT, &gemini::FORMAT];

    /// Arguments that agents use, with values that they would not.
    fn input() -> impl Strategy<Value = Value> {
        let key = prop::sample::select(vec![
            "command",
            "cmd",
            "file_path",
            "absolute_path",
            "path",
            "dir_path",
            "directory",
            "workdir",
            "pattern",
            "glob",
            "include",
            "paths",
            "url",
            "prompt",
            "edits",
            "fact",
            "input",
            "patch",
            "content",
        ]);
        let text = prop_oneof![
            "\\PC{0,12}",
            Just("*** Begin Patch\n*** Add File: a\n+x\n*** End Patch".to_owned()),
            Just("https://a.example/ http://b.example".to_owned()),
        ];
        let value = prop_oneof![
            text.prop_map(Value::String),
            Just(Value::Null),
            Just(json!(5)),
            Just(json!(["bash", "-lc", "ls"])),
            Just(json!([1, {"a": []}])),
            Just(json!({})),
        ];
        prop::collection::btree_map(key, value, 0..6)
            .prop_map(|pairs| pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    }

    fn tool() -> impl Strategy<Value = String> {
        let known = [
            "Bash",
            "bash ",
            "Read",
            "MultiEdit",
            "Grep",
            "LS",
            "shell",
            "exec_command",
            "apply_patch",
            "view_image",
            "list_dir",
            "grep_files",
            "run_shell_command",
            "read_file",
            "read_many_files",
            "replace",
            "glob",
            "web_fetch",
            "save_memory",
            "mcp_a_b_c",
            "mcp__a__b",
            "functions.Bash",
        ];
        prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), "\\PC{1,9}"]
    }

    fn read(format: &Format, tool: &str, input: &Value) -> Option<Box<Waiting>> {
        let (event, _) = format.gating.first().copied().unwrap();
        let text = json!({
            "hook_event_name": event, "cwd": "/", "tool_name": tool, "tool_input": input,
        });
        match event::read(text.to_string().as_bytes(), format.gating, format.harmless) {
            Ok(Event::Call(call)) => Some(call),
            _ => None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_bytes_end_in_a_panic_or_in_a_call(bytes: Vec<u8>) {
            for format in ALL {
                let read = event::read(&bytes, format.gating, format.harmless);
                prop_assert!(read.is_err(), "{}", format.name);
            }
        }

        #[test]
        fn a_call_is_judged_in_at_least_one_part_or_refused(tool in tool(), input in input()) {
            for format in ALL {
                let Some(call) = read(format, &tool, &input) else { continue };
                if let Ok(parts) = (format.parts)(&call) {
                    prop_assert!(!parts.is_empty(), "{} {tool}", format.name);
                }
            }
        }

        #[test]
        fn only_the_agents_own_spelling_gets_the_rules_of_an_ion_tool(name in "[ bB][aA][sS][hH] ?|functions\\.[bB]ash|[rR]ead ?|\\t?[wW]rite") {
            for format in ALL {
                let mut known = vec!["Bash"];
                if format.name == "claude" {
                    known.extend(["Read", "Write"]);
                }
                if known.contains(&name.as_str()) && format.name != "gemini" {
                    continue;
                }
                let call = read(format, &name, &json!({"command": "ls", "file_path": "a"})).unwrap();
                for part in (format.parts)(&call).unwrap() {
                    let resolved = ToolName::resolve(&part.tool);
                    prop_assert!(!OWN.contains(&resolved.as_str()), "{} {name:?}", format.name);
                }
            }
        }

        #[test]
        fn every_denial_is_one_document_that_denies(text in "\\PC{0,40}", approve: bool) {
            let answer = Answer { decision: Decision::Deny, text: text.clone(), approve };
            for format in ALL {
                let call = read(format, "x", &json!({}));
                for call in [None, call.as_deref()] {
                    let answer: Value = serde_json::from_str(&(format.answer)(call, &answer)).unwrap();
                    let said = match format.name {
                        "gemini" => (&answer["decision"], &answer["reason"]),
                        _ => {
                            let output = &answer["hookSpecificOutput"];
                            (&output["permissionDecision"], &output["permissionDecisionReason"])
                        }
                    };
                    prop_assert_eq!(said, (&json!("deny"), &json!(text)));
                }
            }
        }
    }
}
