//! One entry of `permissions.rules`: its conditions, as a file writes them.
//!
//! All conditions of a rule must hold; inside a list one entry is enough. INVARIANT (unknown
//! restricts): what is not known makes a condition of a deny or an ask hold, and one of an
//! allow fail. Never decides anything: that is `policy::rule`, which reads this.

use crate::model::Decision;
use serde::{Serialize, Serializer};

/// The keys of one rule; `match`, `not_match` are older spellings of `matches`, `rejects`.
pub const RULE: &[&str] = &[
    "id",
    "tool",
    "decision",
    "commandPatterns",
    "pathPatterns",
    "programs",
    "argv",
    "flags",
    "read",
    "write",
    "hosts",
    "env",
    "effects",
    "annotations",
    "when",
    "expires",
    "enforce",
    "reason",
    "hint",
    "url",
    "overrides",
    "matches",
    "rejects",
    "match",
    "not_match",
];

/// The keys of `flags`; the last two are older spellings.
pub const FLAGS: &[&str] = &["anyOf", "noneOf", "any_of", "none_of"];

/// The keys of `annotations`.
pub const ANNOTATIONS: &[&str] = &["readOnly", "destructive", "idempotent", "openWorld"];

/// The keys of `when`.
pub const WHEN: &[&str] = &[
    "interactive",
    "headless",
    "agent",
    "minDepth",
    "maxDepth",
    "hours",
    "days",
    "users",
    "groups",
    "untrusted",
    "cwd",
];

/// The keys of an example that is an object.
pub const EXAMPLE: &[&str] = &["tool", "command", "path", "access", "url", "host"];

/// The words of `effects`.
pub const EFFECTS: &[&str] = &["reads", "writes", "executes", "network"];

/// The words of `when.days`, from Monday on.
pub const DAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The words of `enforce`.
pub const ENFORCE: &[&str] = &["on", "report"];

/// One entry of `permissions.rules`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleSpec {
    /// Stable id (`area.name`); derived from tier and index when the file names none.
    pub id: Option<String>,
    /// A tool name, `*`, or a Claude-style compact rule such as `Bash(git push:*)`.
    pub tool: String,
    /// What the rule says.
    pub decision: Decision,
    /// At least one must match a command of the call, where the list is present.
    pub command_patterns: Option<Vec<String>>,
    /// At least one must match a path of the call, where the list is present.
    pub path_patterns: Option<Vec<String>>,
    /// Programs: base names or absolute paths.
    pub programs: Option<Vec<String>>,
    /// Patterns for the words of the unwrapped command, program first.
    pub argv: Option<Vec<String>>,
    /// Options that must or must not be given.
    pub flags: Option<FlagsSpec>,
    /// Globs of paths that are read.
    pub read: Option<Vec<String>>,
    /// Globs of paths that are written or deleted.
    pub write: Option<Vec<String>>,
    /// Hosts: `host`, `host:port`, `*.domain`, an address or a range of addresses.
    pub hosts: Option<Vec<String>>,
    /// Names of variables that the command sets, with `*` at the end for any rest.
    pub env: Option<Vec<String>>,
    /// What the tool can do: words of [`EFFECTS`].
    pub effects: Option<Vec<String>>,
    /// What the tool's server says of it.
    pub annotations: AnnotationsSpec,
    /// The surroundings of the call.
    pub when: WhenSpec,
    /// The first second (since 1970, UTC) at which the rule no longer holds.
    pub expires: Option<i64>,
    /// `enforce = "report"`: what the rule would do is recorded, and nothing else.
    pub report: bool,
    /// Why the rule exists, shown to whoever it stops.
    pub reason: Option<String>,
    /// What to do instead, shown to whoever it stops.
    pub hint: Option<String>,
    /// Where to read more, shown to whoever it stops.
    pub url: Option<String>,
    /// Ids of dangerous patterns that this allow rule lifts, in its own tier or below.
    pub overrides: Vec<String>,
    /// Calls that must match, checked at load.
    pub matches: Vec<Example>,
    /// Calls that must not match, checked at load.
    pub rejects: Vec<Example>,
}

impl Default for RuleSpec {
    /// A rule without conditions that denies: whoever forgets the decision opens nothing.
    fn default() -> Self {
        RuleSpec {
            id: None,
            tool: "*".to_owned(),
            decision: Decision::Deny,
            command_patterns: None,
            path_patterns: None,
            programs: None,
            argv: None,
            flags: None,
            read: None,
            write: None,
            hosts: None,
            env: None,
            effects: None,
            annotations: AnnotationsSpec::default(),
            when: WhenSpec::default(),
            expires: None,
            report: false,
            reason: None,
            hint: None,
            url: None,
            overrides: Vec::new(),
            matches: Vec::new(),
            rejects: Vec::new(),
        }
    }
}

/// `flags`: each entry is one option, `-r`, `--recursive` or `--mode=fast`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagsSpec {
    /// At least one is given, where the list is present.
    pub any_of: Option<Vec<String>>,
    /// None is given.
    pub none_of: Vec<String>,
}

/// `annotations`: each that is named must be so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnnotationsSpec {
    /// It changes nothing.
    pub read_only: Option<bool>,
    /// It may destroy something.
    pub destructive: Option<bool>,
    /// Calling it twice is like calling it once.
    pub idempotent: Option<bool>,
    /// It talks to an open world outside.
    pub open_world: Option<bool>,
}

/// `when`: each that is named must be so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhenSpec {
    /// Whether somebody can answer; `headless` is written here as its opposite.
    pub interactive: Option<bool>,
    /// Glob over the path of the agent, `main/NAME/…`.
    pub agent: Option<String>,
    /// At least so many agents above the one that asks.
    pub min_depth: Option<u32>,
    /// At most so many agents above the one that asks.
    pub max_depth: Option<u32>,
    /// Minutes since local midnight, from and up to; the second may lie on the next day.
    #[serde(serialize_with = "hours")]
    pub hours: Option<(u16, u16)>,
    /// Days of the week, 0 is Monday.
    #[serde(serialize_with = "days")]
    pub days: Option<Vec<u8>>,
    /// Accounts that Ion runs as.
    pub users: Option<Vec<String>>,
    /// Groups of the account.
    pub groups: Option<Vec<String>>,
    /// Whether the session has read untrusted content.
    pub untrusted: Option<bool>,
    /// Glob over the folder that the call runs in.
    pub cwd: Option<String>,
}

/// A call that a rule lists under `matches` or `rejects`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Example {
    /// A command for rules about commands, else a path.
    Text(String),
    /// A call written out.
    Call(ExampleCall),
}

impl From<String> for Example {
    fn from(text: String) -> Self {
        Example::Text(text)
    }
}

impl From<&str> for Example {
    fn from(text: &str) -> Self {
        Example::Text(text.to_owned())
    }
}

impl std::fmt::Display for Example {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Example::Text(text) => f.write_str(text),
            Example::Call(call) => {
                let parts = [&call.tool, &call.command, &call.path, &call.host];
                let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
                f.write_str(&parts.join(" "))
            }
        }
    }
}

/// An example written out. Without a tool it is the rule's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExampleCall {
    /// The tool.
    pub tool: Option<String>,
    /// A command line.
    pub command: Option<String>,
    /// A path that the call names.
    pub path: Option<String>,
    /// Whether the path is only read.
    pub reads: bool,
    /// A host that the call reaches, with `:port` where it is known.
    pub host: Option<String>,
}

/// `08:00-18:00`, as files write it.
fn hours<S: Serializer>(hours: &Option<(u16, u16)>, to: S) -> Result<S::Ok, S::Error> {
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    hours.map(|(from, until)| format!("{}-{}", clock(from), clock(until))).serialize(to)
}

/// `mon` to `sun`, as files write them.
fn days<S: Serializer>(days: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
    let name = |day: &u8| DAYS.get(usize::from(*day)).copied().unwrap_or_default();
    days.as_ref().map(|days| days.iter().map(name).collect::<Vec<_>>()).serialize(to)
}
