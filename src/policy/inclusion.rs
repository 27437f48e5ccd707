//! Whether one rule speaks about everything that another one speaks about, seen from their text.
//!
//! INVARIANT (under-approximate): "yes" is only said where it is certain; every doubt is a "no".
//! A lint that calls a reachable rule unreachable would have people delete what protects them.
//! Read `lint` for what is made of it.

use super::parse::{Specifier, ToolMatch, tool_field};
use crate::config::schema::permissions::RuleSpec;
use crate::model::Decision;

/// A rule taken apart, where nothing of it is beyond what is understood here.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    tool: ToolMatch,
    decision: Decision,
    commands: Option<Vec<Command>>,
    paths: Option<Vec<String>>,
    domain: Option<String>,
}

/// One way to name commands.
#[derive(Debug, Clone, PartialEq)]
enum Command {
    /// An entry of `commandPatterns`.
    Pattern(String),
    /// `prefix:*`.
    Prefix(String),
}

impl Known {
    /// Takes a rule apart. `None` when it has a condition that is not known here: `bare` is a
    /// rule without any, so whatever else differs from it is one.
    pub fn of(spec: &RuleSpec, bare: &RuleSpec) -> Option<Self> {
        let mut stripped = spec.clone();
        stripped.id.clone_from(&bare.id);
        stripped.tool.clone_from(&bare.tool);
        stripped.decision = bare.decision;
        stripped.command_patterns.clone_from(&bare.command_patterns);
        stripped.path_patterns.clone_from(&bare.path_patterns);
        stripped.reason.clone_from(&bare.reason);
        stripped.hint.clone_from(&bare.hint);
        stripped.overrides.clone_from(&bare.overrides);
        stripped.matches.clone_from(&bare.matches);
        stripped.rejects.clone_from(&bare.rejects);
        if stripped != *bare {
            return None;
        }
        let (tool, inside) = tool_field(&spec.tool).ok()?;
        let mut commands: Option<Vec<Command>> = spec
            .command_patterns
            .as_ref()
            .map(|list| list.iter().cloned().map(Command::Pattern).collect());
        let mut paths = spec.path_patterns.clone();
        let mut domain = None;
        match inside {
            Some(Specifier::CommandPrefix(prefix)) => {
                commands.get_or_insert_default().push(Command::Prefix(prefix));
            }
            Some(Specifier::Command(text)) => {
                commands.get_or_insert_default().push(Command::Pattern(text));
            }
            Some(Specifier::Path(text)) => paths.get_or_insert_default().push(text),
            Some(Specifier::Domain(host)) => domain = Some(host),
            None => {}
        }
        Some(Known { tool, decision: spec.decision, commands, paths, domain })
    }

    /// Whether the rule has no condition but its tool.
    pub fn is_unconditional(&self) -> bool {
        self.commands.is_none() && self.paths.is_none() && self.domain.is_none()
    }

    /// Whether `self` speaks wherever `other` would, both of one tier and asked in this order.
    pub fn covers(&self, other: &Known) -> bool {
        let allow = |known: &Known| known.decision == Decision::Allow;
        // An allow is silent where a command is not understood, a restriction is not.
        if allow(self) && !allow(other) {
            return false;
        }
        tool_covers(&self.tool, &other.tool)
            && (self.domain.is_none() || self.domain == other.domain)
            && (other.domain.is_none() || self.domain == other.domain)
            && self.commands_cover(other)
            && self.paths_cover(other)
    }

    fn commands_cover(&self, other: &Known) -> bool {
        match (&self.commands, &other.commands) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => theirs
                .iter()
                .all(|theirs| mine.iter().any(|mine| command_covers(mine, theirs, other.decision))),
        }
    }

    fn paths_cover(&self, other: &Known) -> bool {
        match (&self.paths, &other.paths) {
            // A restriction with patterns also hears of paths that are not known in full
            // (`cat s*/x`), of which a rule without patterns hears nothing.
            (None, Some(_)) => other.decision == Decision::Allow || other.commands.is_some(),
            (None, None) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => theirs
                .iter()
                .all(|theirs| mine.iter().any(|mine| path_covers(mine, theirs, other.decision))),
        }
    }

    /// Whether no call is about both.
    pub fn is_apart_from(&self, other: &Known) -> bool {
        match (&self.tool, &other.tool) {
            (ToolMatch::Name(one), ToolMatch::Name(two)) => {
                // The file tools judge each other's paths, and those of commands.
                let apart = |name: &str| name.starts_with("mcp__") || name.starts_with("Web");
                one != two && (apart(one.as_str()) || apart(two.as_str()))
            }
            _ => false,
        }
    }
}

fn tool_covers(one: &ToolMatch, other: &ToolMatch) -> bool {
    match (one, other) {
        (ToolMatch::Any, _) => true,
        (ToolMatch::Name(one), ToolMatch::Name(other)) => one == other,
        (ToolMatch::Server(one), ToolMatch::Server(other)) => one == other,
        (ToolMatch::Server(prefix), ToolMatch::Name(name)) => name.as_str().starts_with(prefix),
        _ => false,
    }
}

/// Characters that mean themselves in both readings of a pattern.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '/' | ':' | '=' | ',' | '@' | '%')
}

/// A glob `stem*` whose stem means itself.
fn stem(pattern: &str) -> Option<&str> {
    let stem = pattern.strip_suffix('*')?;
    let begins = stem.starts_with(|c: char| c.is_ascii_alphanumeric());
    (begins && stem.chars().all(is_plain)).then_some(stem)
}

/// Whether a pattern is a glob in its first reading.
fn is_glob(pattern: &str) -> bool {
    !pattern.contains(['\\', '^', '$', '(', ')', '[', ']', '{', '}', '|', '+'])
        && !pattern.contains(".*")
}

fn command_covers(one: &Command, other: &Command, decision: Decision) -> bool {
    match (one, other) {
        (one, other) if one == other => true,
        (Command::Pattern(one), Command::Pattern(other)) => stem(one).is_some_and(|stem| {
            // A restriction reads a glob twice; both readings begin with the stem's letters.
            is_glob(other)
                && other.starts_with(stem)
                && (decision == Decision::Allow || reads_as_stem(other, stem))
        }),
        (Command::Pattern(one), Command::Prefix(prefix)) => {
            stem(one).is_some_and(|stem| prefix.starts_with(stem))
        }
        (Command::Prefix(one), Command::Prefix(other)) => begins_words(other, one),
        // The second reading of a restriction's glob is not bound to the start.
        (Command::Prefix(one), Command::Pattern(other)) => {
            decision == Decision::Allow && is_glob(other) && begins_words(other, one)
        }
    }
}

/// Whether the second reading of `pattern` holds the stem too: no wildcard takes its last
/// letter away.
fn reads_as_stem(pattern: &str, stem: &str) -> bool {
    let rest = pattern.get(stem.len()..).unwrap_or_default();
    pattern == format!("{stem}*") || !rest.starts_with(['*', '?'])
}

fn begins_words(text: &str, words: &str) -> bool {
    text == words || text.strip_prefix(words).is_some_and(|rest| rest.starts_with(' '))
}

fn path_covers(one: &str, other: &str, decision: Decision) -> bool {
    if one == other {
        return true;
    }
    let Some(folder) = one.strip_suffix("/**") else { return false };
    let plain = |text: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '~'))
    };
    // A name alone restricts at any depth, also outside the folder.
    let anchored = other.contains('/') || decision == Decision::Allow;
    let (Some(folder), Some(other)) = (anchor(folder), anchor(other)) else { return false };
    let below = other
        .strip_prefix(folder.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || folder.ends_with('/'));
    anchored && plain(&folder) && !folder.contains("..") && below
}

/// A pattern with its anchor written out; `None` where it has none.
fn anchor(pattern: &str) -> Option<String> {
    if pattern.starts_with("**") || pattern.contains("//") || pattern.contains("..") {
        None
    } else if pattern.starts_with('/') || pattern == "~" || pattern.starts_with("~/") {
        Some(pattern.to_owned())
    } else {
        let bare = pattern.strip_prefix("./").unwrap_or(pattern);
        Some(if bare == "." { ".".to_owned() } else { format!("./{bare}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(tool: &str, decision: Decision, commands: &[&str], paths: &[&str]) -> Known {
        let list = |texts: &[&str]| {
            (!texts.is_empty()).then(|| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>())
        };
        let bare = crate::config::review::bare_rule().unwrap();
        let spec = RuleSpec {
            tool: tool.to_owned(),
            decision,
            command_patterns: list(commands),
            path_patterns: list(paths),
            ..bare.clone()
        };
        Known::of(&spec, &bare).unwrap()
    }

    #[test]
    fn a_wider_glob_covers_a_narrower_one_and_never_the_other_way_round() {
        let (allow, deny) = (Decision::Allow, Decision::Deny);
        let wide = |d| known("Bash", d, &["git *"], &[]);
        let narrow = |d| known("Bash", d, &["git push --force*"], &[]);
        assert!(wide(deny).covers(&narrow(deny)) && wide(deny).covers(&narrow(allow)));
        assert!(wide(allow).covers(&narrow(allow)));
        assert!(!wide(allow).covers(&narrow(deny)), "an allow hears less than a deny");
        assert!(!narrow(deny).covers(&wide(allow)));
        assert!(known("*", deny, &[], &[]).covers(&wide(allow)));
        assert!(known("Bash(git:*)", deny, &[], &[]).covers(&wide(allow)));
        assert!(!known("Bash(git:*)", deny, &[], &[]).covers(&known(
            "Bash",
            allow,
            &["gitk*"],
            &[]
        )));
        assert!(!known("Bash", deny, &["rm -rf*"], &[]).covers(&known(
            "Bash",
            deny,
            &["rm -rf?x"],
            &[]
        )));
    }

    #[test]
    fn folders_cover_what_lies_in_them() {
        let (allow, deny) = (Decision::Allow, Decision::Deny);
        let rule = |decision, path: &str| known("Read", decision, &[], &[path]);
        assert!(rule(deny, "secret/**").covers(&rule(allow, "./secret/a.txt")));
        assert!(rule(deny, "./**").covers(&rule(allow, "Cargo.toml")));
        assert!(
            !rule(deny, "./**").covers(&rule(deny, "Cargo.toml")),
            "a bare name denies anywhere"
        );
        assert!(!rule(deny, "secret/**").covers(&rule(allow, "secrets/a")));
        assert!(!rule(deny, "/a/**").covers(&rule(allow, "/a/../b")));
        assert!(known("Read", deny, &[], &[]).covers(&rule(allow, "~/notes/**")));
        assert!(!known("Read", deny, &[], &[]).covers(&rule(deny, "~/notes/**")));
    }
}
