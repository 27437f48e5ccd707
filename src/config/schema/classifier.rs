//! `classifier`: whether a model looks at calls that rules leave open, and what it may do.

use super::{FALSE_IS_STRICT, Key, Sealing, Shape, Stranger};

/// What an unsafe call comes to, most permissive first.
pub const ON_UNSAFE: &[&str] = &["ask", "deny"];

const fn key(path: &'static str, shape: Shape, sealing: Sealing, about: &'static str) -> Key {
    // A stranger's folder neither chooses a model nor sends anything to one.
    Key { path, shape, sealing, stranger: Stranger::Ignore, about }
}

/// The keys of the section.
pub const KEYS: &[Key] = &[
    key("classifier.enabled", Shape::Flag, Sealing::Override, "ask a model about open calls"),
    key(
        "classifier.model",
        Shape::Text,
        Sealing::Override,
        "the model that is asked; without it the one of the run",
    ),
    key(
        "classifier.mayAllow",
        Shape::Flag,
        FALSE_IS_STRICT,
        "whether its `safe` may answer an ask; without it an ask stays one",
    ),
    key(
        "classifier.onUnsafe",
        Shape::Word(ON_UNSAFE),
        Sealing::Floor(ON_UNSAFE),
        "what its `unsafe` does: ask or deny",
    ),
    key(
        "classifier.timeoutMs",
        Shape::Millis { negative_is_unlimited: false },
        Sealing::Ceiling,
        "both stages together (default 15000)",
    ),
    key(
        "classifier.maxBudgetUsd",
        Shape::Amount,
        Sealing::Ceiling,
        "US dollars for the classifier in one run; open calls stay open afterwards",
    ),
];
