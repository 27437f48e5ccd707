//! Allow rules for exactly one command or path, as short as they can be written.
//!
//! INVARIANT (exact): a rule made here matches one command text, or one path, and nothing else.
//! Whoever proposes such a rule judges the call again with it; this file only writes it down.

use super::compile::compile;
use super::facts::CallFacts;
use super::match_around::Around;
use super::match_path::Anchors;
use super::rule::{Rule, Subject};
use super::shell::Unit;
use super::spelling::Spelling;
use crate::config::review::policy_text;
use crate::model::{AbsPath, Tier};
use std::fmt::Write as _;

/// Characters that give a command pattern another reading than a plain text.
const SIGNS: [char; 13] = ['\\', '^', '$', '(', ')', '[', ']', '{', '}', '|', '+', '*', '?'];

/// One allow rule, to be shown or tried.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowRule {
    /// Stable id.
    pub id: String,
    /// The tool.
    pub tool: String,
    /// `commandPatterns`, one entry.
    pub command: Option<String>,
    /// `pathPatterns`, one entry.
    pub path: Option<String>,
    /// Dangerous patterns that it lifts.
    pub overrides: Vec<String>,
    /// Why.
    pub reason: String,
}

impl AllowRule {
    /// The rule as a block of a TOML file.
    pub fn to_toml(&self) -> String {
        let mut text = String::from("[[permissions.rules]]\n");
        let mut line = |key: &str, value: String| {
            let _ = writeln!(text, "{key} = {value}");
        };
        line("id", quoted(&self.id));
        line("tool", quoted(&self.tool));
        line("decision", quoted("allow"));
        if let Some(command) = &self.command {
            line("commandPatterns", format!("[{}]", quoted(command)));
        }
        if let Some(path) = &self.path {
            line("pathPatterns", format!("[{}]", quoted(path)));
        }
        if !self.overrides.is_empty() {
            let ids: Vec<String> = self.overrides.iter().map(|id| quoted(id)).collect();
            line("overrides", format!("[{}]", ids.join(", ")));
        }
        line("reason", quoted(&self.reason));
        text
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The pattern that matches `text` alone.
pub fn command_pattern(text: &str) -> String {
    if text.contains(SIGNS) || text.contains('\n') {
        format!("^{}$", regex::escape(text))
    } else {
        text.to_owned()
    }
}

/// A text as part of an expression, where it means itself.
pub fn escaped(text: &str) -> String {
    regex::escape(text)
}

/// A command as an allow rule sees it: a program of the system by its base name, any other as
/// it is written. Asked of a compiled rule, so that there is one answer.
pub fn seen_text(unit: &Unit, anchors: &Anchors) -> String {
    let written = unit.words.first().filter(|word| word.text.contains('/')).map(|first| {
        let rest = unit.text.strip_prefix(unit.program.as_str()).unwrap_or_default();
        format!("{}{rest}", first.text)
    });
    written.filter(|text| covers(unit, text, anchors)).unwrap_or_else(|| unit.text.clone())
}

/// Whether an allow rule for exactly `text` covers a command.
fn covers(unit: &Unit, text: &str, anchors: &Anchors) -> bool {
    let rule = AllowRule {
        id: "exact".to_owned(),
        tool: "Bash".to_owned(),
        command: Some(command_pattern(text)),
        path: None,
        overrides: Vec::new(),
        reason: "exact".to_owned(),
    };
    let file = policy_text("exact.toml", &rule.to_toml(), Tier::User).ok();
    let layers: Vec<_> = file.and_then(|file| file.block).into_iter().collect();
    compile(&layers, anchors.clone()).is_ok_and(|rules| {
        let rules = rules.layers().iter().flat_map(|layer| &layer.rules);
        rules.into_iter().any(|rule| speaks_of(rule, unit, anchors))
    })
}

/// Whether a rule has an opinion on a command of `Bash`, asked as a reviewer's question: nothing
/// is known of what surrounds it.
pub(super) fn speaks_of(rule: &Rule, unit: &Unit, anchors: &Anchors) -> bool {
    let facts = CallFacts::of_some_command(&anchors.workspace, anchors.home.as_ref());
    rule.covers(&facts.tool, Subject::Unit(&Spelling::of(unit)), &Around::of(&facts).within(unit))
}

/// The pattern that matches `path` alone, as short as it can be written.
pub fn path_pattern(path: &AbsPath, anchors: &Anchors) -> String {
    let below = |root: &AbsPath| {
        let rest = path.as_path().strip_prefix(root.as_path()).ok()?;
        Some(glob_of(&rest.display().to_string()))
    };
    if let Some(rest) = below(&anchors.workspace) {
        return if rest.is_empty() { ".".to_owned() } else { format!("./{rest}") };
    }
    match anchors.home.as_ref().and_then(below) {
        Some(rest) if rest.is_empty() => "~".to_owned(),
        Some(rest) => format!("~/{rest}"),
        None => glob_of(&path.to_string()),
    }
}

/// A glob that matches this text alone. `globset::escape` leaves backslashes as they are, which
/// a glob of a policy reads as escapes.
fn glob_of(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\') {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// A word made of an id's characters, for building ids from commands.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => slug.push(c),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
        if slug.len() >= 32 {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "call".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::match_args::CommandPattern;
    use crate::policy::match_path::PathPattern;
    use proptest::prelude::*;

    fn anchors() -> Anchors {
        Anchors {
            workspace: AbsPath::new("/home/dev/app").unwrap(),
            home: AbsPath::new("/home/dev"),
        }
    }

    #[test]
    fn a_plain_command_stays_plain_and_any_other_is_anchored() {
        assert_eq!(command_pattern("git push origin main"), "git push origin main");
        assert_eq!(command_pattern("ls *.rs"), r"^ls \*\.rs$");
        assert_eq!(
            path_pattern(&AbsPath::new("/home/dev/app/a[1]").unwrap(), &anchors()),
            r"./a\[1\]"
        );
        assert_eq!(path_pattern(&AbsPath::new("/home/dev/n").unwrap(), &anchors()), "~/n");
        assert_eq!(slug("git push --force"), "git-push-force");
    }

    #[test]
    fn what_is_written_down_is_read_back_as_the_same_rule() {
        let rule = AllowRule {
            id: "a.b".to_owned(),
            tool: "Bash".to_owned(),
            command: Some("^a\"b\\\\ \\* $".to_owned()),
            path: None,
            overrides: vec!["x.y".to_owned()],
            reason: "a\nb".to_owned(),
        };
        let text = rule.to_toml();
        let file = crate::config::review::policy_text("r.toml", &text, crate::model::Tier::User);
        let read = file.unwrap().block.unwrap().rules.remove(0).value;
        assert_eq!(read.command_patterns.as_deref(), Some(&["^a\"b\\\\ \\* $".to_owned()][..]));
        assert_eq!(read.overrides, ["x.y"]);
        assert_eq!(read.reason.as_deref(), Some("a\nb"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// The pattern of a text matches that text and no other.
        #[test]
        fn an_exact_pattern_matches_one_text(
            text in "[a-c *?.^$|()\\[\\]{}+\\\\-]{1,12}", other in "[a-c *?.^$|()\\[\\]{}+\\\\-]{1,12}",
        ) {
            let pattern = CommandPattern::permitting(&command_pattern(&text));
            prop_assert!(pattern.matches(&text, false), "{}", pattern.written);
            prop_assert_eq!(pattern.matches(&other, true), other == text, "{}", pattern.written);
        }

        /// The same for paths.
        #[test]
        fn an_exact_path_matches_one_path(
            one in "(/[a-c*?\\[\\]{}.\\\\]{1,3}){1,3}", other in "(/[a-c*?\\[\\]{}.\\\\]{1,3}){1,3}", root in 0..3usize,
        ) {
            let root = ["", "/home/dev", "/home/dev/app"][root];
            let (one, other) = (AbsPath::new(format!("{root}{one}")).unwrap(), AbsPath::new(format!("{root}{other}")).unwrap());
            let pattern = PathPattern::new(&path_pattern(&one, &anchors()), &anchors(), false).unwrap();
            prop_assert!(pattern.matches(&one), "{} {:?}", pattern.written, one);
            prop_assert_eq!(pattern.matches(&other), one == other, "{} {:?}", pattern.written, other);
        }
    }
}
