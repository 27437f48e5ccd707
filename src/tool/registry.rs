//! The tools of a run, after policy removed what it removes.

use super::spec::{self, ToolSpec};
use crate::config::effective::ToolRestrictions;
use crate::conversation::ToolDeclaration;
use crate::gate::withdrawn;
use crate::model::{Effects, ToolName};
use crate::redact::Redactor;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tools on offer. A tool that policy removes is neither offered nor runnable.
pub struct Registry {
    tools: BTreeMap<ToolName, ToolSpec>,
    removed: Vec<ToolName>,
}

impl Registry {
    /// The built-in tools under `toolRestrictions`.
    pub fn builtin(restrictions: &ToolRestrictions) -> Self {
        let (kept, removed): (Vec<_>, Vec<_>) = spec::builtin()
            .into_iter()
            .partition(|tool| withdrawn(restrictions, &tool.name).is_none());
        Registry {
            tools: kept.into_iter().map(|tool| (tool.name.clone(), tool)).collect(),
            removed: removed.into_iter().map(|tool| tool.name).collect(),
        }
    }

    /// The tool of that name, if it is on offer.
    pub fn get(&self, name: &ToolName) -> Option<&ToolSpec> {
        self.tools.get(name)
    }

    /// The names on offer, sorted.
    pub fn names(&self) -> Vec<ToolName> {
        self.tools.keys().cloned().collect()
    }

    /// The names that policy removed.
    pub fn removed(&self) -> &[ToolName] {
        &self.removed
    }

    /// What each tool on offer can do.
    pub fn effects(&self) -> BTreeMap<ToolName, Effects> {
        self.tools.values().map(|tool| (tool.name.clone(), tool.effects)).collect()
    }

    /// The tools as a model is told of them. The texts pass the redactor like everything
    /// that is sent, although they are Ion's own.
    pub fn declarations(&self, redactor: &Redactor) -> Arc<[ToolDeclaration]> {
        let declare = |tool: &ToolSpec| ToolDeclaration {
            name: tool.name.clone(),
            description: redactor.text(tool.description),
            input_schema: redactor.json(&tool.input_schema),
        };
        self.tools.values().map(declare).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Located;
    use crate::config::effective::AllowList;
    use crate::model::{Source, Tier};

    fn restrictions(allow: AllowList, deny: &[&str]) -> ToolRestrictions {
        let source = Source::new(Tier::Enterprise, "/etc/ion/config.json");
        let at = |text: &&str| Located::new((*text).to_owned(), source.clone());
        ToolRestrictions {
            allow: Located::new(allow, source.clone()),
            deny: deny.iter().map(at).collect(),
        }
    }

    #[test]
    fn a_denied_tool_is_gone_under_every_spelling() {
        let registry = Registry::builtin(&restrictions(AllowList::Any, &["bash"]));
        assert!(registry.get(&ToolName::resolve("shell")).is_none());
        assert_eq!(registry.removed(), [ToolName::resolve("Bash")]);
    }

    #[test]
    fn an_empty_allow_list_offers_nothing() {
        let only = AllowList::Only(Default::default());
        assert!(Registry::builtin(&restrictions(only, &[])).names().is_empty());
    }
}
