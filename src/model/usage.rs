//! Token counts as the provider reports them. Estimates are never stored here.

use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// Tokens of one model call, or the sum over several. `input_tokens` excludes cached ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Uncached prompt tokens.
    #[serde(default)]
    pub input_tokens: u64,
    /// Generated tokens.
    #[serde(default)]
    pub output_tokens: u64,
    /// Prompt tokens that the provider served from its cache.
    #[serde(default)]
    pub cache_read_input_tokens: u64,
    /// Prompt tokens that the provider wrote to its cache.
    #[serde(default)]
    pub cache_creation_input_tokens: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        // Saturating: a hostile server may report anything (see docs/threat-model.md).
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cache_read_input_tokens =
            self.cache_read_input_tokens.saturating_add(other.cache_read_input_tokens);
        self.cache_creation_input_tokens =
            self.cache_creation_input_tokens.saturating_add(other.cache_creation_input_tokens);
    }
}
