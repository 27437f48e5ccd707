//! Understand and judge: from a raw call to a case that policy and hooks have spoken about.
//!
//! Hooks are consulted on what policy did not deny. A call that a hook rewrites is proposed and
//! judged again from the start, so that no hook can put in what policy would refuse (X6).

use super::combine::{Standing, standing};
use super::consult::{Round, class_of, consult};
use super::decide::{Case, Cause, Gate};
use super::hook::{MOST_REWRITES, Proposal};
use super::propose::{Place, Proposed, propose};
use super::refusal::DecidedBy;
use super::story::{Rewrite, Story};
use super::withdrawn::{Withdrawn, withdrawn};
use crate::model::{AbsPath, Decision, Requirement, ToolCall, ToolName};
use crate::policy::{Circumstances, Judgement, evaluate};
use tokio_util::sync::CancellationToken;

impl Gate {
    /// Makes a call canonical, with what surrounds it now.
    pub(in crate::gate) fn understand(&self, call: ToolCall, cwd: &AbsPath) -> Proposed {
        let parts = &self.parts;
        let circumstances = self.circumstances();
        let place = Place {
            cwd,
            workspace: &parts.workspace,
            home: parts.home.as_ref(),
            circumstances: &circumstances,
        };
        let effects = parts.effects.get(&call.name).copied();
        let mut proposed = propose(call, effects, &place);
        proposed.facts.unconfined = parts.sandbox.requirement.value == Requirement::Open;
        proposed
    }

    fn circumstances(&self) -> Circumstances {
        let parts = &self.parts;
        let depth = parts.agent.split('/').count().saturating_sub(1);
        Circumstances {
            interactive: parts
                .circumstances
                .interactive
                .or_else(|| Some(parts.advisers.somebody_is_there())),
            agent: Some(parts.agent.clone()),
            depth: u32::try_from(depth).ok(),
            moment: parts.clock.moment(),
            untrusted: Some(self.shared.marks.sources()),
            ..parts.circumstances.clone()
        }
    }

    /// What the rules say: those of this agent and of every agent above it, strictest first.
    pub(in crate::gate) fn judge(&self, proposed: Proposed, story: Story) -> Case {
        let mut judgement = evaluate(&self.parts.rules, &proposed.facts);
        for rules in &self.above {
            judgement = stricter(judgement, evaluate(rules, &proposed.facts));
        }
        Case { proposed, judgement, hook: None, classifier: None, story, tried: None }
    }

    /// Judges a call and hears the hooks. What comes back is open or clear.
    ///
    /// # Errors
    /// The case and why it is refused, not recorded yet.
    pub(in crate::gate) async fn hear(
        &self,
        call: ToolCall,
        cwd: &AbsPath,
        cancel: &CancellationToken,
    ) -> Result<Case, Box<(Case, Cause)>> {
        let id = call.id.clone();
        let mut call = call;
        let mut story = Story::default();
        // An ask of a hook about an earlier form of the call stays.
        let mut kept: Option<Decision> = None;
        loop {
            let mut proposed = self.understand(call, cwd);
            let name = &proposed.call.name;
            if let Some(cause) = self.withdrawn(name).or_else(|| self.unknown(name)) {
                return Err(Box::new((self.judge(proposed, story), cause)));
            }
            match self.class(&proposed, &story, cancel).await {
                Ok(class) => {
                    proposed.facts.class = class.as_ref().map(|(class, _)| class.clone());
                    story.class = class;
                }
                Err(cause) => return Err(Box::new((self.judge(proposed, story), cause))),
            }
            let mut case = self.judge(proposed, story);
            if standing(&case.stages()) == Standing::Refused {
                let cause = Cause::of(&case.judgement);
                return Err(Box::new((case, cause)));
            }
            let Some(round) = self.consult(&case, cancel).await else {
                return Err(Box::new((case, Cause::cancelled())));
            };
            let said = round.decision().max(kept);
            let rewrite = round.rewrite;
            case.story.heard = round.heard;
            // Configuration that forbids hooks to allow takes the word away before it counts.
            let may_allow = self.parts.lift.hook;
            case.hook = said.filter(|said| may_allow || *said != Decision::Allow);
            if standing(&case.stages()) == Standing::Refused {
                let cause = refused_by_hook(&case.story);
                return Err(Box::new((case, cause)));
            }
            let Some(rewritten) = rewrite else { return Ok(case) };
            let by = rewriter(&case.story);
            if case.story.rewrites.len() >= usize::from(MOST_REWRITES) {
                case.hook = Some(Decision::Deny);
                let reason =
                    format!("hook `{by}` rewrote the call more than {MOST_REWRITES} times");
                let cause = Cause::new(DecidedBy::Hook, reason);
                return Err(Box::new((case, cause)));
            }
            kept = said.filter(|said| *said == Decision::Ask);
            let Case { proposed, story: told, .. } = case;
            story = told;
            story.rewrites.push(Rewrite {
                hook: by,
                digest: proposed.digest().to_owned(),
                before: proposed.call,
            });
            call = ToolCall { id: id.clone(), ..rewritten };
        }
    }

    /// `None` when the run was cancelled meanwhile.
    async fn consult(&self, case: &Case, cancel: &CancellationToken) -> Option<Round> {
        let hooks = &self.parts.advisers.hooks;
        if hooks.is_empty() {
            return Some(Round::default());
        }
        let proposal = self.proposal(&case.proposed, &case.story);
        tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            round = consult(hooks, &proposal, &case.judgement) => Some(round),
        }
    }

    async fn class(
        &self,
        proposed: &Proposed,
        story: &Story,
        cancel: &CancellationToken,
    ) -> Result<Option<(String, String)>, Cause> {
        let proposal = self.proposal(proposed, story);
        let class = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Cause::cancelled()),
            class = class_of(&self.parts.advisers.hooks, &proposal) => class,
        };
        class.map_err(|(hook, why)| {
            Cause::new(DecidedBy::Hook, format!("hook `{hook}` guards and failed: {why}"))
        })
    }

    fn proposal<'a>(&'a self, proposed: &'a Proposed, story: &Story) -> Proposal<'a> {
        Proposal {
            call: &proposed.call,
            cwd: &proposed.facts.cwd,
            digest: proposed.digest(),
            agent: &self.parts.agent,
            rewrites: u8::try_from(story.rewrites.len()).unwrap_or(u8::MAX),
        }
    }

    /// Whether no tool of this run has that name.
    fn unknown(&self, tool: &ToolName) -> Option<Cause> {
        let known = self.parts.effects.contains_key(tool);
        (!known).then(|| Cause::new(DecidedBy::Tool, format!("Unknown tool: {tool}")))
    }

    /// Whether policy took the tool away.
    pub(in crate::gate) fn withdrawn(&self, tool: &ToolName) -> Option<Cause> {
        let Withdrawn { rule, reason } = withdrawn(&self.parts.restrictions, tool)?;
        Some(Cause { rule: Some(Box::new(rule)), ..Cause::new(DecidedBy::Tool, reason) })
    }
}

/// Two judgements of one call, both of which must be satisfied (T4). The first one speaks where
/// both are as strict.
fn stricter(one: Judgement, other: Judgement) -> Judgement {
    let (mut first, second) =
        if other.decision > one.decision { (other, one) } else { (one, other) };
    first.sealed = first.sealed.strictest(second.sealed);
    first.lower = first.lower.strictest(second.lower);
    first.danger_decision = first.danger_decision.strictest(second.danger_decision);
    for hit in second.danger {
        if !first.danger.contains(&hit) {
            first.danger.push(hit);
        }
    }
    for step in second.trace {
        if !first.trace.contains(&step) {
            first.trace.push(step);
        }
    }
    first
}

/// The hook whose word counts against the call.
fn refused_by_hook(story: &Story) -> Cause {
    let guilty = story.heard.iter().find(|heard| heard.counts == Some(Decision::Deny));
    let reason = match guilty {
        None => "a hook refuses it".to_owned(),
        Some(heard) => match (&heard.failed, &heard.reason) {
            (Some(why), _) => format!("hook `{}` guards and failed: {why}", heard.hook),
            (None, Some(reason)) => format!("hook `{}`: {reason}", heard.hook),
            (None, None) => format!("hook `{}` refuses it and gives no reason", heard.hook),
        },
    };
    let retryable = guilty.is_some_and(|heard| heard.failed.is_some());
    Cause { retryable, ..Cause::new(DecidedBy::Hook, reason) }
}

fn rewriter(story: &Story) -> String {
    let first = story.heard.iter().find(|heard| heard.rewrote);
    first.map_or_else(String::new, |heard| heard.hook.clone())
}
