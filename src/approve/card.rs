//! A question as text for a person: the whole call, why it is asked, what a yes would do.
//!
//! INVARIANT (shown is approved): nothing is cut, and nothing in the call can move the cursor,
//! colour text, turn its direction, or pass for a line of the picture: hidden characters are
//! written out, and every line of the call stands behind a bar.

use crate::gate::{Asked, Choice};
use crate::model::visible;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write;

/// The widest picture, in columns.
const WIDEST: usize = 100;
/// Most lines of a command's output that the picture repeats.
const OUTPUT_LINES: usize = 20;
/// The narrowest.
const NARROWEST: usize = 30;

/// What a picture is drawn from. It is read from a question's JSON, so that the terminal and
/// `ion approvals show` draw the same.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// The question.
    pub id: String,
    /// The conversation.
    pub session: Option<String>,
    /// Who asks.
    pub agent: String,
    /// The tool.
    pub tool: String,
    /// All arguments.
    pub input: Value,
    /// The command line or path.
    pub subject: String,
    /// SHA-256 of the canonical call.
    pub digest: String,
    /// Where it would run.
    pub cwd: String,
    /// The guilty part.
    pub unit: Option<Part>,
    /// What it would do.
    pub would: Vec<String>,
    /// The rule that asks.
    pub rule: Option<Rule>,
    /// Why it asks.
    pub reason: String,
    /// What could be done instead.
    pub hint: Option<String>,
    /// How it would be confined.
    pub confinement: String,
    /// Untrusted sources that were read.
    pub untrusted: Vec<String>,
    /// What the classifier thinks.
    pub opinion: Option<String>,
    /// Seconds since 1970, UTC.
    pub expires_at: i64,
    /// `remembered` or `only_once`.
    pub offers: String,
    /// Whether `preview` may be answered.
    #[serde(default)]
    pub can_preview: bool,
    /// What the command did on a copy.
    pub preview: Option<Shown>,
}

/// What a command did on a copy of the workspace.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// 128 + n for a signal n.
    pub exit_code: Option<i32>,
    /// The paths, and the lines that differ.
    pub changes: String,
    /// What it printed.
    pub output: String,
    /// What it was refused there.
    pub refused: Vec<String>,
    /// Why the changes cannot be applied.
    pub unfit: Option<String>,
}

/// One simple command of a compound one.
#[derive(Debug, Clone, Deserialize)]
pub struct Part {
    /// 0-based.
    pub index: usize,
    /// Its text.
    pub text: String,
}

/// The rule that asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// Its tier.
    pub tier: String,
    /// `file:line`.
    pub source: String,
}

impl Card {
    /// The card of a question.
    ///
    /// # Errors
    /// Never for a question that the gate made.
    pub fn of(asked: &Asked) -> Result<Self, String> {
        let value = serde_json::to_value(asked).map_err(|error| error.to_string())?;
        Card::read(&value)
    }

    /// The card of a question's JSON.
    ///
    /// # Errors
    /// It is not a question.
    pub fn read(value: &Value) -> Result<Self, String> {
        Card::deserialize(value).map_err(|error| error.to_string())
    }

    /// Whether a yes may be remembered for exactly this call.
    pub fn may_be_remembered(&self) -> bool {
        self.offers == "remembered"
    }

    /// Whether `apply` may be answered.
    pub fn may_be_applied(&self) -> bool {
        self.preview.as_ref().is_some_and(|shown| shown.unfit.is_none())
    }

    /// Whether the question takes this answer, as far as previews go.
    pub fn offers(&self, choice: Choice) -> bool {
        match choice {
            Choice::Preview => self.can_preview,
            Choice::Apply => self.may_be_applied(),
            Choice::Allow(_) | Choice::Deny | Choice::Never => true,
        }
    }

    /// The picture, without the keys. `now` is in seconds since 1970.
    pub fn picture(&self, now: i64, columns: usize) -> String {
        let columns = columns.clamp(NARROWEST, WIDEST);
        let by = match &self.rule {
            Some(rule) => format!("ask, rule {}, {} {}", rule.id, rule.tier, rule.source),
            None => "ask, as no rule allows it".to_owned(),
        };
        let mut out = String::new();
        let expires = format!("expires in {}", span(self.expires_at.saturating_sub(now)));
        paragraph(&mut out, "", &format!("Approval needed ({by}), {expires}"), columns);
        for line in self.subject.split_inclusive('\n') {
            paragraph(&mut out, "  | ", line, columns);
        }
        for (key, text) in self.other_arguments() {
            for line in format!("{}: {text}", visible(key)).split_inclusive('\n') {
                paragraph(&mut out, "  | ", line, columns);
            }
        }
        let mut row = |label: &str, text: &str| {
            if !text.is_empty() {
                paragraph(&mut out, &format!("  {label:<8} "), text, columns);
            }
        };
        row("tool", &format!("{} in {} by agent `{}`", self.tool, self.cwd, self.agent));
        if let Some(part) = self.unit.as_ref().filter(|part| part.text != self.subject) {
            row("part", &format!("{}: {}", part.index + 1, part.text));
        }
        row("because", &self.reason);
        row("would", &self.would.join(" · "));
        row("sandbox", &self.confinement);
        if !self.untrusted.is_empty() {
            row("has read", &format!("{} (untrusted)", self.untrusted.join(" · ")));
        }
        row("opinion", self.opinion.as_deref().unwrap_or_default());
        row("instead", self.hint.as_deref().unwrap_or_default());
        if let Some(shown) = &self.preview {
            shown.draw(&mut out, columns);
        }
        out
    }

    /// The arguments that the subject does not show. A call is approved with all of them, so
    /// all are in the picture, but for `description`: that is what the model says about itself.
    fn other_arguments(&self) -> Vec<(&str, String)> {
        let Value::Object(input) = &self.input else {
            return vec![("input", self.input.to_string())];
        };
        let others = input.iter().filter_map(|(key, value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (text != self.subject && key != "description").then_some((key.as_str(), text))
        });
        others.collect()
    }

    /// What else there is to know: the arguments as they are, and what a yes is bound to.
    pub fn details(&self, columns: usize) -> String {
        let columns = columns.clamp(NARROWEST, WIDEST);
        let input = serde_json::to_string_pretty(&self.input).unwrap_or_default();
        let mut out = String::new();
        for line in input.lines() {
            paragraph(&mut out, "  | ", line, columns);
        }
        paragraph(&mut out, "  digest   ", &self.digest, columns);
        paragraph(&mut out, "  question ", &self.id, columns);
        if let Some(rule) = &self.rule {
            paragraph(&mut out, "  rule     ", &format!("{} ({})", rule.id, rule.source), columns);
            paragraph(&mut out, "  next     ", &format!("ion help {}", rule.id), columns);
        }
        out
    }
}

impl Shown {
    /// What it printed and changed stands behind a bar of its own, like the call itself.
    fn draw(&self, out: &mut String, columns: usize) {
        let ended = self.exit_code.map_or_else(String::new, |code| format!(", exit code {code}"));
        paragraph(out, "  on a copy, without network", &ended, columns);
        let lines: Vec<&str> = self.output.lines().collect();
        let left_out = lines.len().saturating_sub(OUTPUT_LINES);
        if left_out > 0 {
            paragraph(out, "  output   ", &format!("{left_out} lines before these"), columns);
        }
        for line in lines.iter().skip(left_out) {
            paragraph(out, "  output | ", line, columns);
        }
        for line in self.changes.lines() {
            paragraph(out, "  change | ", line, columns);
        }
        for refused in &self.refused {
            paragraph(out, "  refused  ", refused, columns);
        }
        if let Some(why) = &self.unfit {
            paragraph(out, "  apply    ", &format!("not possible: {why}"), columns);
        }
    }
}

/// One paragraph behind `lead`, broken at the width and never cut. A continued line keeps the
/// bar, or the indent.
fn paragraph(out: &mut String, lead: &str, text: &str, columns: usize) {
    let room = columns.saturating_sub(lead.len()).max(8);
    let next = if lead.ends_with("| ") { lead.to_owned() } else { " ".repeat(lead.len()) };
    let mut lead = lead.to_owned();
    let text = visible(text);
    let mut rest = text.as_str();
    loop {
        let (line, after) = rest.split_at(broken_at(rest, room));
        let _ = writeln!(out, "{lead}{}", line.trim_end());
        if after.is_empty() {
            return;
        }
        rest = after;
        lead.clone_from(&next);
    }
}

/// Where a line of at most `room` columns ends: after the last blank that fits, else anywhere.
fn broken_at(text: &str, room: usize) -> usize {
    let (mut used, mut blank) = (0, None);
    for (at, c) in text.char_indices() {
        // Characters outside ASCII may be two columns wide.
        used += if c.is_ascii() { 1 } else { 2 };
        if used > room && at > 0 {
            return blank.unwrap_or(at);
        }
        if c == ' ' {
            blank = Some(at + 1);
        }
    }
    text.len()
}

/// `4:52`, or `1 h 4 min` for long ones.
fn span(seconds: i64) -> String {
    match seconds.max(0) {
        s if s < 3600 => format!("{}:{:02}", s / 60, s % 60),
        s => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
pub(in crate::approve) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    pub fn card(subject: &str) -> Card {
        Card::read(&json!({
            "id": "q-000000000000000000000000", "session": "s-1", "callId": "c", "agent": "main",
            "tool": "Bash", "input": {"command": subject}, "subject": subject, "digest": "d",
            "cwd": "~/src/shop", "unit": null, "would": ["writes .git", "contacts github.com:443"],
            "rule": {"id": "git.force-push", "tier": "project", "source": ".ion/engine.json:9"},
            "reason": "rewrites a remote branch", "hint": "push a new branch",
            "confinement": "bwrap, network none", "untrusted": ["web example.org"],
            "opinion": null, "askedAt": 100, "expiresAt": 392, "patienceSeconds": 300,
            "offers": "remembered",
        }))
        .unwrap()
    }

    #[test]
    fn the_picture_has_rule_place_reason_effects_and_sources() {
        let picture = card("git push --force origin main").picture(100, 100);
        for part in [
            "rule git.force-push, project .ion/engine.json:9",
            "expires in 4:52",
            "  | git push --force origin main\n",
            "agent `main`",
            "rewrites a remote branch",
            "writes .git · contacts github.com:443",
            "bwrap, network none",
            "web example.org (untrusted)",
            "push a new branch",
        ] {
            assert!(picture.contains(part), "{part} is missing in\n{picture}");
        }
    }

    #[test]
    fn a_call_cannot_repaint_the_screen_or_turn_the_direction_of_text() {
        let evil = "ls \u{1b}[2K\u{202e}fdp.exe\u{200b}\r\u{9b}1A\u{feff}\u{a0}\u{e0041}\u{7}";
        let picture = card(evil).picture(100, 80);
        assert!(
            picture.chars().all(|c| c == '\n' || !crate::model::visible::is_hidden(c)),
            "{picture:?}"
        );
        for written in
            ["\\u{1b}", "\\u{202e}", "\\u{200b}", "\\r", "\\u{9b}", "\\u{a0}", "\\u{e0041}"]
        {
            assert!(picture.contains(written), "{written} is not shown in {picture}");
        }
    }

    #[test]
    fn what_a_preview_shows_cannot_pass_for_the_picture() {
        let mut card = card("./x");
        let evil = "\u{1b}[2K\n  apply    possible\n  [a] apply exactly these changes";
        card.preview = Some(Shown {
            exit_code: Some(0),
            changes: evil.to_owned(),
            output: format!("{}{evil}", "line\n".repeat(100)),
            refused: vec![evil.to_owned()],
            unfit: Some(evil.to_owned()),
        });
        let picture = card.picture(100, 80);
        assert!(
            picture.chars().all(|c| c == '\n' || !crate::model::visible::is_hidden(c)),
            "{picture:?}"
        );
        for line in picture.lines() {
            assert!(
                !line.starts_with("  [a]") && !line.starts_with("  apply    possible"),
                "{line}"
            );
        }
        assert!(picture.contains("83 lines before these"), "{picture}");
    }

    #[test]
    fn all_arguments_are_in_the_picture_but_the_models_own_words_are_not() {
        let mut card = card("src/x");
        card.input = json!({"file_path": "src/x", "content": "one\n  [o] once\n", "mode": 7,
            "description": "perfectly safe"});
        let picture = card.picture(100, 80);
        for line in ["  | src/x\n", "  | content: one\\n\n", "  |   [o] once\\n\n", "  | mode: 7\n"]
        {
            assert!(picture.contains(line), "{line} is missing in\n{picture}");
        }
        assert!(!picture.contains("perfectly safe"), "{picture}");
        card.subject = String::new();
        assert!(card.picture(100, 80).contains("  | file_path: src/x\n"));
    }

    #[test]
    fn a_command_of_many_lines_cannot_pass_for_the_picture() {
        let picture = card("true\n  because  all is well\n  [o] once\nrm -rf /").picture(100, 80);
        for line in ["  |   because  all is well\\n", "  |   [o] once\\n", "  | rm -rf /"] {
            assert!(picture.contains(line), "{picture}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn nothing_of_a_command_is_cut_at_any_width(text in "\\PC{1,400}", columns in 0usize..140) {
            let picture = card(&text).picture(100, columns);
            let without_blanks = |text: &str| text.replace([' ', '\n'], "");
            let bars: String = picture
                .lines()
                .filter_map(|line| line.strip_prefix("  | "))
                .collect();
            prop_assert_eq!(without_blanks(&bars), without_blanks(&visible(&text)));
        }
    }
}
