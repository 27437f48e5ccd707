//! What ends a run early: turns and money.

use crate::model::Usage;
use crate::provider::route::ModelInfo;

/// Limits of one run. `None` is unlimited.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunLimits {
    /// Model calls.
    pub max_turns: Option<u32>,
    /// US dollars.
    pub max_budget_usd: Option<f64>,
}

/// What a run has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// Model calls begun.
    pub turns: u32,
    /// The provider's own counts, summed.
    pub usage: Usage,
    /// US dollars; stays 0 for a model without a price.
    pub cost_usd: f64,
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reached {
    /// As many model calls as allowed.
    Turns(u32),
    /// As much money as allowed.
    Budget(f64),
}

impl Spent {
    /// Adds one model call's counts.
    pub fn add(&mut self, usage: Usage, info: &ModelInfo) {
        self.usage += usage;
        self.cost_usd += crate::provider::cost(&usage, info).unwrap_or(0.0);
    }

    /// The limit that forbids another model call, if one does. Checked before each call, so
    /// that no call starts at or above a limit.
    pub fn reached(&self, limits: &RunLimits) -> Option<Reached> {
        let budget = limits.max_budget_usd.filter(|max| self.cost_usd >= *max);
        let turns = limits.max_turns.filter(|max| self.turns >= *max);
        budget.map(Reached::Budget).or(turns.map(Reached::Turns))
    }

    /// Whether the model should be told to wrap up: two calls are left of more than four.
    pub fn is_near_the_end(&self, limits: &RunLimits) -> bool {
        limits.max_turns.is_some_and(|max| max > 4 && self.turns + 2 == max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_stops_before_the_call_that_would_pass_it() {
        let limits = RunLimits { max_turns: Some(2), max_budget_usd: Some(0.5) };
        let mut spent = Spent::default();
        assert_eq!(spent.reached(&limits), None);
        spent.turns = 2;
        assert_eq!(spent.reached(&limits), Some(Reached::Turns(2)));
        spent.cost_usd = 0.5;
        assert_eq!(spent.reached(&limits), Some(Reached::Budget(0.5)));
        assert_eq!(spent.reached(&RunLimits::default()), None);
    }
}
