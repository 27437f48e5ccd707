//! Opinions besides the ordered lists: `tierRules`, exclusive lists, secrets that leave, and what
//! untrusted content does. Each can only make a verdict stricter than the lists alone would, except that a tier
//! rule may stand in for the mode, as a rule does.

use super::compile::Layer;
use super::danger;
use super::endpoints;
use super::evaluate::{Bench, counts, lifted};
use super::facts::{Access, PathUse, Region, region};
use super::judgement::{Basis, Origin};
use super::leaks;
use super::rule::Rule;
use super::shell::{Reach, Script};
use super::untrusted;
use crate::config::origin::Located;
use crate::model::{Decision, Source, Tier};

impl<'a> Bench<'a> {
    /// What `tierRules` say about the label of the call, tier by tier.
    pub(super) fn tier_rules(&mut self) {
        let (facts, rules) = (self.facts, self.rules);
        let Some(label) = &facts.class else { return };
        for layer in &rules.layers {
            let Some(rule) = self.tier_rule(layer, label) else { continue };
            let id = format!("tier-rules.{label}");
            let origin = Origin { id, tier: layer.tier, source: rule.source.clone() };
            let reason = format!("tier rule: {label}");
            self.say(rule.value.1, Basis::Rule, Some(origin), "the call", None, reason, None);
        }
    }

    pub(super) fn tier_rule(
        &self,
        layer: &'a Layer,
        label: &str,
    ) -> Option<&'a Located<(String, Decision)>> {
        let rule = layer.tier_rules.iter().find(|rule| rule.value.0 == label)?;
        (rule.value.1 != Decision::Allow || !self.rules.mutes(layer)).then_some(rule)
    }

    /// Whether an opinion of this layer stands in for the mode.
    pub(super) fn decides(&self, layer: &Layer) -> bool {
        // A stranger's `ask` must not stand in for a mode that denies. Where only the sealed
        // tier's rules count, its allows are the ones that allow.
        !layer.tighten_only && (layer.tier != Tier::Enterprise || self.rules.managed_only)
    }

    /// A part that no rule can be asked about is on no exclusive list.
    pub(super) fn unlisted(&mut self, name: &str, unit: Option<usize>) {
        let rules = self.rules;
        for layer in &rules.layers {
            if let Some(source) = &layer.exclusive {
                self.say_unlisted(layer.tier, source, name, unit);
            }
        }
    }

    pub(super) fn say_unlisted(
        &mut self,
        tier: Tier,
        source: &Source,
        name: &str,
        unit: Option<usize>,
    ) {
        let origin = Origin { id: "exclusive-allow".to_owned(), tier, source: source.clone() };
        let reason = format!("only what {source} allows may run, and it does not allow `{name}`");
        self.say(Decision::Deny, Basis::Rule, Some(origin), name, unit, reason, None);
    }

    /// After untrusted content, whatever could carry data out is one step stricter.
    pub(super) fn rise(&mut self) {
        let (facts, rules) = (self.facts, self.rules);
        let seen = facts.circumstances.untrusted.as_deref().unwrap_or_default();
        let (Some(source), true) = (seen.last(), rules.untrusted_rise.value) else { return };
        let more = match seen.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        let tell = |what: &str| {
            format!(
                "{what} could carry data out, and the session has read untrusted content ({source}{more})"
            )
        };
        if let Some(script) = &facts.command {
            for (at, unit) in script.units.iter().enumerate() {
                let sink = untrusted::unit_is_sink(unit, facts.unconfined);
                if sink && !self.trusted_units.contains(&at) {
                    self.step(Some(at), &unit.text, tell("the command"));
                }
            }
            if script.opaque.is_some() {
                self.step(None, "the command line", tell("a line that is not understood"));
            }
        }
        if untrusted::call_is_sink(facts) && !self.trusted_call {
            self.step(None, "the call", tell("the call"));
        }
    }

    pub(super) fn lifts_rise(&self, lifts: &[&Rule]) -> bool {
        lifted(untrusted::ID, self.rules.untrusted_rise.source.tier, lifts)
    }

    /// Secrets that the line hands to another host.
    pub(super) fn leaks(&mut self, script: &Script) {
        let rules = self.rules;
        let secret = |path: &PathUse| {
            rules.sensitive().about(path).any(|entry| !entry.writes_only && entry.hits(path))
        };
        let found = leaks::leaking(script, &secret);
        let about = danger::builtin().iter().filter(|danger| danger.about_flow());
        for danger in about.filter(|_| !found.is_empty()) {
            for at in &found {
                let text = script.units.get(*at).map_or("the command line", |unit| &unit.text);
                self.say_danger(danger, Tier::Builtin, text, Some(*at), &[]);
            }
        }
    }

    /// Whether a path that is not known in full is written, and begins outside the workspace:
    /// `> ~/notes/$day`. FAIL CLOSED: no rule about whole paths can allow it.
    pub(super) fn written_outside(&self, reach: &Reach) -> bool {
        let folder = endpoints::known_folder(reach).filter(|_| reach.access != Access::Read);
        let Some(folder) = folder else { return false };
        let place = region(&folder, &self.facts.workspace, self.facts.home.as_ref());
        // Where temporary files may be written, rules say so.
        !matches!(place, Region::Workspace | Region::Temporary)
    }

    fn step(&mut self, unit: Option<usize>, name: &str, reason: String) {
        let said = self.trace.iter().filter(|c| counts(c));
        let mut said = said
            .filter(|c| unit.is_none() || c.unit.is_none() || c.unit == unit)
            .map(|c| c.decision);
        let risen = match said.by_ref().fold(Decision::Allow, Decision::strictest) {
            Decision::Allow => Decision::Ask,
            Decision::Ask => Decision::Deny,
            Decision::Deny => return,
        };
        let rise = &self.rules.untrusted_rise.source;
        let origin = Origin { id: untrusted::ID.to_owned(), tier: rise.tier, source: rise.clone() };
        self.say(risen, Basis::Untrusted, Some(origin), name, unit, reason, None);
    }
}
