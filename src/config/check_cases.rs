//! The list of test cases inside `permissions`.
//!
//! FAIL CLOSED: a case that cannot be read is an error of the whole file, because a case that
//! is left out in silence looks like one that passes.

use super::check::{Checker, describe};
use super::check_rules::decision_of;
use super::origin::Located;
use super::schema::case::{CASE, CaseSpec};
use super::schema::permissions::MODES;
use super::tree::{Data, Entry, Node};
use crate::model::Decision;
use serde_json::{Map, Value};

impl Checker<'_> {
    /// `permissions.tests`.
    pub(super) fn cases(&mut self, node: &Node) -> Option<Vec<Located<CaseSpec>>> {
        let nodes = self.list(node, "permissions.tests")?;
        let mut cases = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let key = format!("permissions.tests[{index}]");
            if let Some(case) = self.case(node, &key) {
                cases.push(Located::new(case, self.source(node.at)));
            }
        }
        Some(cases)
    }

    fn case(&mut self, node: &Node, key: &str) -> Option<CaseSpec> {
        let entries = self.object(node, key)?;
        self.only(entries, CASE, key);
        let expect = self.word(entries, "expect", key, MODES).and_then(decision_of);
        if expect.is_none() && !entries.iter().any(|entry| entry.key == "expect") {
            let what = "`expect` is missing".to_owned();
            self.problem(node.at, key.to_owned(), what, None);
        }
        let interactive = self.flag(entries, "interactive", key);
        let headless = self.flag(entries, "headless", key);
        if interactive.is_some() && headless.is_some() {
            let what = "`interactive` and `headless` say the same; keep one".to_owned();
            self.problem(node.at, key.to_owned(), what, None);
        }
        let case = CaseSpec {
            name: self.text(entries, "name", key),
            tool: self.text(entries, "tool", key),
            command: self.text(entries, "command", key),
            path: self.text(entries, "path", key),
            input: self.input(entries, key),
            cwd: self.text(entries, "cwd", key),
            interactive: interactive.or(headless.map(|headless| !headless)),
            untrusted: self.sources(entries, key),
            agent: self.text(entries, "agent", key),
            user: self.text(entries, "user", key),
            at: self.text(entries, "at", key),
            expect: expect.unwrap_or(Decision::Deny),
            rule: self.text(entries, "rule", key),
        };
        let says_call = case.tool.is_some() || case.command.is_some();
        if !says_call && !entries.iter().any(|e| e.key == "tool" || e.key == "command") {
            let what = "it names no call: `command`, or `tool` with `path` or `input`".to_owned();
            self.problem(node.at, key.to_owned(), what, None);
        }
        (expect.is_some() && says_call).then_some(case)
    }

    /// `untrusted`: a list of sources, or `true` for "some".
    fn sources(&mut self, entries: &[Entry], key: &str) -> Option<Vec<String>> {
        let entry = entries.iter().find(|entry| entry.key == "untrusted")?;
        match entry.value.data {
            Data::Flag(true) => Some(vec!["a test case".to_owned()]),
            Data::Flag(false) => Some(Vec::new()),
            _ => {
                let items = self.texts(&entry.value, &format!("{key}.untrusted"))?;
                Some(items.into_iter().map(|item| item.value).collect())
            }
        }
    }

    fn input(&mut self, entries: &[Entry], key: &str) -> Option<Map<String, Value>> {
        let entry = entries.iter().find(|entry| entry.key == "input")?;
        match json(&entry.value) {
            Some(Value::Object(input)) => Some(input),
            _ => {
                let what = format!("found {}, expected an object", describe(&entry.value, false));
                self.problem(entry.value.at, format!("{key}.input"), what, None);
                None
            }
        }
    }
}

/// A value as JSON, a date as text; `None` where JSON has no word for it.
fn json(node: &Node) -> Option<Value> {
    Some(match &node.data {
        Data::Null => Value::Null,
        Data::Flag(flag) => (*flag).into(),
        Data::Whole(whole) => (*whole).into(),
        Data::Number(number) => serde_json::Number::from_f64(*number)?.into(),
        Data::Text(text) => text.clone().into(),
        Data::List(nodes) => Value::Array(nodes.iter().map(json).collect::<Option<_>>()?),
        Data::Table(entries) => {
            let pairs = entries.iter().map(|entry| Some((entry.key.clone(), json(&entry.value)?)));
            Value::Object(pairs.collect::<Option<_>>()?)
        }
        Data::Date(date) => date.clone().into(),
    })
}

#[cfg(test)]
mod tests {
    use crate::config::check::{FileText, Findings, check};
    use crate::config::schema::SECTIONS;
    use crate::config::value::Value;
    use crate::model::Tier;

    fn read(shown: &str, text: &str) -> (Vec<String>, usize) {
        let mut findings = Findings::default();
        let file = FileText { tier: Tier::User, shown, text, sections: SECTIONS };
        let layer = check(file, &mut findings);
        let cases = match layer.get("permissions.tests").map(|setting| &setting.value) {
            Some(Value::Cases(cases)) => cases.len(),
            _ => 0,
        };
        (findings.problems.into_iter().map(|p| format!("{} {}", p.key, p.what)).collect(), cases)
    }

    #[test]
    fn both_formats_say_the_same_cases() {
        let toml = "[[permissions.tests]]\nname = \"n\"\ncommand = \"ls\"\nexpect = \"allow\"\n\
                    [[permissions.tests]]\ntool = \"Write\"\ninput = { file_path = \"x\" }\nheadless = true\nexpect = \"deny\"\n";
        let json = r#"{"permissions": {"tests": [{"command": "ls", "expect": "allow"},
            {"tool": "Write", "input": {"file_path": "x"}, "interactive": false, "expect": "deny"}]}}"#;
        assert_eq!(read("p.toml", toml), (vec![], 2));
        assert_eq!(read("p.json", json), (vec![], 2));
    }

    #[test]
    fn a_case_that_cannot_be_read_is_a_problem_of_the_file() {
        for bad in [
            "command = \"ls\"",
            "command = \"ls\"\nexpect = \"maybe\"",
            "expect = \"allow\"",
            "command = \"ls\"\nexpect = \"allow\"\nexpects = \"deny\"",
            "command = \"ls\"\nexpect = \"allow\"\ninput = 3",
            "command = \"ls\"\nexpect = \"allow\"\nheadless = \"yes\"",
            "command = \"ls\"\nexpect = \"allow\"\nheadless = true\ninteractive = true",
        ] {
            let (problems, _) = read("p.toml", &format!("[[permissions.tests]]\n{bad}\n"));
            assert!(!problems.is_empty(), "{bad}");
        }
    }
}
