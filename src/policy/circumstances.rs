//! What surrounds a call: who asks, when, for which agent, and what the session has seen.
//!
//! Nothing here reads a clock or an account: whoever proposes the call says it. What is not
//! known is `None`. INVARIANT (unknown restricts): a deny or an ask that tests an unknown hits,
//! an allow that tests one does not.

use serde::Serialize;

/// The surroundings of a call. The default knows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Circumstances {
    /// Whether somebody is there who could answer a question.
    pub interactive: Option<bool>,
    /// The agent that proposes the call: `main`, or `main/NAME/…` for a sub-agent.
    pub agent: Option<String>,
    /// How many agents stand above it; 0 for the main one.
    pub depth: Option<u32>,
    /// The account that Ion runs as.
    pub user: Option<String>,
    /// Its groups.
    pub groups: Option<Vec<String>>,
    /// When the call is proposed.
    pub moment: Option<Moment>,
    /// Untrusted sources that the session has read from, oldest first: `web example.org`,
    /// `mcp server`, `file /outside`. Empty means none; `None` means that nobody kept count.
    pub untrusted: Option<Vec<String>>,
    /// What the tool's server says of it.
    pub annotations: Annotations,
}

/// A moment in the time zone of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Seconds since 1970 in UTC.
    pub unix_seconds: i64,
    /// 0 is Monday.
    pub weekday: u8,
    /// Minutes since local midnight.
    pub minute_of_day: u16,
}

/// Hints of an MCP server about one tool (`readOnlyHint` and its kin). A server that is not
/// trusted may lie: an allow rule that relies on them says so in its own words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Annotations {
    /// It changes nothing.
    pub read_only: Option<bool>,
    /// It may destroy something.
    pub destructive: Option<bool>,
    /// Calling it twice is like calling it once.
    pub idempotent: Option<bool>,
    /// It talks to an open world outside.
    pub open_world: Option<bool>,
}
