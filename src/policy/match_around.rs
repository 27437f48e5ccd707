//! Conditions on what surrounds a call: the tool's effects and hints, who asks, when, where,
//! and what the session has read. Reads no clock: the moment comes with the call.
//!
//! INVARIANT (unknown restricts): a `None` makes a condition of a deny or an ask hold, and one
//! of an allow fail.

use super::circumstances::{Annotations, Circumstances, Moment};
use super::facts::CallFacts;
use super::match_path::{Anchors, PathPattern};
use super::shell::Unit;
use crate::config::schema::rule::{AnnotationsSpec, RuleSpec, WhenSpec};
use crate::model::{AbsPath, Effects};
use globset::{GlobBuilder, GlobMatcher};

/// What surrounds one part of a call.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// What the tool can do.
    pub effects: Option<Effects>,
    /// What is said of the tool.
    pub annotations: Annotations,
    /// Who asks, when, and what the session has seen.
    pub circumstances: &'a Circumstances,
    /// The folder of the call.
    pub cwd: &'a AbsPath,
    /// Hosts that the call's own arguments name.
    pub hosts: &'a [String],
    /// The command that the part belongs to: its hosts count too.
    pub unit: Option<&'a Unit>,
    /// An example: surroundings are taken to be what the rule wants.
    pub assumed: bool,
}

impl<'a> Around<'a> {
    /// What surrounds a call.
    pub fn of(facts: &'a CallFacts) -> Self {
        Around {
            effects: facts.effects,
            annotations: annotations(facts),
            circumstances: &facts.circumstances,
            cwd: &facts.cwd,
            hosts: &facts.hosts,
            unit: None,
            assumed: false,
        }
    }

    /// The same, for a part of one command.
    pub fn within(self, unit: &'a Unit) -> Self {
        Around { unit: Some(unit), ..self }
    }

    /// Every host that is known.
    pub fn all_hosts(&self) -> impl Iterator<Item = &'a str> {
        let own = self.hosts.iter();
        let unit = self.unit.into_iter().flat_map(|unit| unit.hosts.iter().chain(&unit.sockets));
        own.chain(unit).map(String::as_str)
    }

    /// Whether there may be hosts that are not known.
    pub fn unknown_host(&self) -> bool {
        self.unit.is_some_and(|unit| unit.unknown_host || unit.opaque.is_some())
    }
}

/// Hints of a server; for Ion's own tools, what follows from their registered effects.
pub fn annotations(facts: &CallFacts) -> Annotations {
    let given = facts.circumstances.annotations;
    match facts.effects {
        Some(effects) if !facts.tool.as_str().starts_with("mcp__") => {
            let quiet = !effects.writes && !effects.executes;
            Annotations {
                read_only: given.read_only.or(Some(quiet)),
                destructive: given.destructive.or(quiet.then_some(false)),
                open_world: given.open_world.or(Some(effects.network)),
                ..given
            }
        }
        _ => given,
    }
}

/// The compiled conditions.
#[derive(Debug)]
pub struct Surroundings {
    effects: Option<Effects>,
    annotations: AnnotationsSpec,
    when: WhenSpec,
    agent: Option<GlobMatcher>,
    cwd: Option<PathPattern>,
    expires: Option<i64>,
}

impl Surroundings {
    /// `None` for a rule that holds everywhere.
    ///
    /// # Errors
    /// What is wrong with a glob or a word.
    pub fn new(spec: &RuleSpec, anchors: &Anchors, allow: bool) -> Result<Option<Self>, String> {
        let nothing = spec.effects.is_none()
            && spec.annotations == AnnotationsSpec::default()
            && spec.when == WhenSpec::default()
            && spec.expires.is_none();
        if nothing {
            return Ok(None);
        }
        let glob = |text: &String| {
            let built = GlobBuilder::new(text).literal_separator(true).build();
            built
                .map(|glob| glob.compile_matcher())
                .map_err(|e| format!("`when.agent` `{text}`: {}", e.kind()))
        };
        let cwd = |text: &String| {
            PathPattern::new(text, anchors, !allow).map_err(|e| format!("`when.cwd` `{text}`: {e}"))
        };
        Ok(Some(Surroundings {
            effects: spec.effects.as_deref().map(effects).transpose()?,
            annotations: spec.annotations,
            agent: spec.when.agent.as_ref().map(glob).transpose()?,
            cwd: spec.when.cwd.as_ref().map(cwd).transpose()?,
            when: spec.when.clone(),
            expires: spec.expires,
        }))
    }

    /// The first second at which the rule no longer holds.
    pub fn expires(&self) -> Option<i64> {
        self.expires
    }

    /// Whether all conditions hold. `keeps`: the rule outlives its date (a sealed restriction).
    pub fn hold(&self, around: &Around<'_>, allow: bool, keeps: bool) -> bool {
        if around.assumed {
            return true;
        }
        let known = |answer: Option<bool>| answer.unwrap_or(!allow);
        let seen = around.circumstances;
        self.in_time(seen.moment, allow, keeps)
            && self.effects_fit(around.effects, allow)
            && self.annotations_fit(&around.annotations, allow)
            && self
                .when
                .interactive
                .is_none_or(|wanted| known(seen.interactive.map(|is| is == wanted)))
            && self.when.untrusted.is_none_or(|wanted| {
                known(seen.untrusted.as_ref().map(|list| list.is_empty() != wanted))
            })
            && self.when.min_depth.is_none_or(|least| known(seen.depth.map(|at| at >= least)))
            && self.when.max_depth.is_none_or(|most| known(seen.depth.map(|at| at <= most)))
            && self
                .agent
                .as_ref()
                .is_none_or(|glob| known(seen.agent.as_ref().map(|name| glob.is_match(name))))
            && self
                .when
                .users
                .as_ref()
                .is_none_or(|users| known(seen.user.as_ref().map(|user| users.contains(user))))
            && self.when.groups.as_ref().is_none_or(|groups| {
                known(
                    seen.groups.as_ref().map(|own| own.iter().any(|group| groups.contains(group))),
                )
            })
            && self.cwd.as_ref().is_none_or(|pattern| pattern.matches(around.cwd))
            && self.clock_fits(seen.moment, allow)
    }

    fn in_time(&self, moment: Option<Moment>, allow: bool, keeps: bool) -> bool {
        match (self.expires, moment) {
            (None, _) => true,
            (Some(_), _) if keeps => true,
            (Some(_), None) => !allow,
            (Some(end), Some(now)) => now.unix_seconds < end,
        }
    }

    fn clock_fits(&self, moment: Option<Moment>, allow: bool) -> bool {
        if self.when.hours.is_none() && self.when.days.is_none() {
            return true;
        }
        let Some(now) = moment else { return !allow };
        let minute = now.minute_of_day;
        let hours = self.when.hours.is_none_or(|(from, to)| {
            if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to }
        });
        hours && self.when.days.as_ref().is_none_or(|days| days.contains(&now.weekday))
    }

    /// A restriction is about tools that can do one of these, an allow about those that can do
    /// nothing else.
    fn effects_fit(&self, effects: Option<Effects>, allow: bool) -> bool {
        let Some(listed) = self.effects else { return true };
        let Some(own) = effects else { return !allow };
        let pairs = [
            (listed.reads, own.reads),
            (listed.writes, own.writes),
            (listed.executes, own.executes),
            (listed.network, own.network),
        ];
        if allow {
            pairs.into_iter().all(|(listed, own)| listed || !own)
        } else {
            pairs.into_iter().any(|(listed, own)| listed && own)
        }
    }

    fn annotations_fit(&self, said: &Annotations, allow: bool) -> bool {
        let wanted = &self.annotations;
        let pairs = [
            (wanted.read_only, said.read_only),
            (wanted.destructive, said.destructive),
            (wanted.idempotent, said.idempotent),
            (wanted.open_world, said.open_world),
        ];
        pairs.into_iter().all(|(wanted, said)| match (wanted, said) {
            (None, _) => true,
            (Some(_), None) => !allow,
            (Some(wanted), Some(said)) => wanted == said,
        })
    }
}

fn effects(words: &[String]) -> Result<Effects, String> {
    let mut all = Effects { reads: false, writes: false, executes: false, network: false };
    for word in words {
        match word.as_str() {
            "reads" => all.reads = true,
            "writes" => all.writes = true,
            "executes" => all.executes = true,
            "network" => all.network = true,
            other => return Err(format!("`effects` does not know `{other}`")),
        }
    }
    Ok(all)
}
