//! `~/.ion/models.json`: tiers and custom models. User only.

use super::{Key, Sealing, Shape, Stranger};

const fn model(path: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { path, shape, sealing: Sealing::Pass, stranger: Stranger::Ignore, about }
}

const COUNT: Shape = Shape::Whole { least: 0, zero_is_unlimited: false };
const UNUSED: &str = "accepted, not used";

/// The keys of the file.
pub const KEYS: &[Key] = &[
    model("tiers.*", Shape::ModelTier, "a model id, or an object with model and fallbacks"),
    model("providers.*.models.*.contextWindow", COUNT, "context window in tokens"),
    model("providers.*.models.*.costPer1kInput", Shape::Amount, "US dollars"),
    model("providers.*.models.*.costPer1kOutput", Shape::Amount, "US dollars"),
    model("providers.*.models.*.maxOutputTokens", COUNT, "largest answer in tokens"),
    model("providers.*.models.*.supportsCaching", Shape::Unused, UNUSED),
    model("providers.*.models.*.supportsThinking", Shape::Unused, UNUSED),
    model("providers.*.models.*.supportsImages", Shape::Unused, UNUSED),
    model("providers.*.models.*.costPer1kCacheCreation", Shape::Unused, UNUSED),
    model("providers.*.models.*.costPer1kCacheRead", Shape::Unused, UNUSED),
    model("providers.*.models.*.costPerImage", Shape::Unused, UNUSED),
    model("providers.*.models.*.thinkingMode", Shape::Unused, UNUSED),
    model("providers.*.models.*.thinkingEfforts", Shape::Unused, UNUSED),
    model("providers.*.models.*.tokenizer", Shape::Unused, UNUSED),
    model("providers.*.models.*.modelKind", Shape::Unused, UNUSED),
    model("providers.*.models.*.dialect", Shape::Unused, UNUSED),
];
