//! A call that only a person can admit.

use super::decide::{Cause, Gate, cause_of};
use super::propose::Proposed;
use super::refusal::{DecidedBy, Refusal};
use crate::policy::Judgement;

/// What a person would have to answer. Not `Clone`: it is answered once.
#[must_use = "a question that nobody sees must be refused, so that it is recorded"]
#[derive(Debug)]
pub struct Question {
    // Boxed: a verdict is moved around more often than it is a question.
    asked: Box<(Proposed, Judgement)>,
}

impl Question {
    pub(in crate::gate) fn new(proposed: Proposed, judgement: Judgement) -> Self {
        Question { asked: Box::new((proposed, judgement)) }
    }

    /// What policy said, for whoever shows the question. It is raw: redact before showing.
    pub fn judgement(&self) -> &Judgement {
        &self.asked.1
    }

    /// Nobody can answer: recorded and refused. G3: headless never asks.
    pub fn unanswered(self, gate: &Gate) -> Refusal {
        let (proposed, judgement) = &*self.asked;
        let cause = Cause {
            by: DecidedBy::HeadlessAsk,
            asked: Some(
                "no terminal and no client that can approve; an allow rule would (docs/policy.md)",
            ),
            retryable: true,
            ..cause_of(judgement)
        };
        gate.refuse(proposed, judgement, cause)
    }
}
