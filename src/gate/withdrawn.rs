//! `toolRestrictions`: tools that policy takes away, whatever its rules say of a call.

use crate::config::effective::{AllowList, ToolRestrictions};
use crate::model::ToolName;
use crate::policy::Origin;

/// Why a tool is not there.
#[derive(Debug)]
pub struct Withdrawn {
    /// The list that took it away.
    pub rule: Origin,
    /// The same for a person.
    pub reason: String,
}

/// Whether `tool` is taken away: on the deny list, or missing from an allow list.
pub fn withdrawn(restrictions: &ToolRestrictions, tool: &ToolName) -> Option<Withdrawn> {
    let same = |written: &str| {
        written == "*"
            || ToolName::resolve(written) == *tool
            || written.eq_ignore_ascii_case(tool.as_str())
    };
    let denied =
        restrictions.deny.iter().find(|entry| same(&entry.value)).map(|entry| &entry.source);
    let missing = match &restrictions.allow.value {
        AllowList::Any => None,
        AllowList::Only(names) => {
            (!names.iter().any(|name| same(name))).then_some(&restrictions.allow.source)
        }
    };
    let source = denied.or(missing)?;
    Some(Withdrawn {
        rule: Origin {
            id: "tool-restrictions".to_owned(),
            tier: source.tier,
            source: source.clone(),
        },
        reason: format!("`toolRestrictions` takes the tool `{tool}` away"),
    })
}
