//! A call that only a person can admit.

use super::decide::{Cause, Gate, cause_of};
use super::propose::Proposed;
use super::refusal::{DecidedBy, Refusal};
use crate::policy::Judgement;

/// What a person would have to answer. Not `Clone`: it is answered once.
#[must_use = "a question that nobody sees must be refused, so that it is recorded"]
#[derive(Debug)]
pub struct Question {
    proposed: Proposed,
    judgement: Judgement,
}

impl Question {
    pub(in crate::gate) fn new(proposed: Proposed, judgement: Judgement) -> Self {
        Question { proposed, judgement }
    }

    /// What policy said, for whoever shows the question. It is raw: redact before showing.
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// Nobody can answer: recorded and refused. G3: headless never asks.
    pub fn unanswered(self, gate: &Gate) -> Refusal {
        let cause = Cause {
            by: DecidedBy::HeadlessAsk,
            asked: Some(
                "no terminal and no client that can approve: add a rule (ion policy suggest) or attach a client",
            ),
            retryable: true,
            ..cause_of(&self.judgement)
        };
        gate.refuse(&self.proposed, &self.judgement, cause)
    }
}
