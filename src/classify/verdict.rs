//! What counts as an answer: exactly the agreed form, anything else is none.
//!
//! FAIL CLOSED: the older engine searched the answer for a word; a model that refuses, rambles
//! or is cut off would then have been heard as saying yes.

use serde::Deserialize;

/// Kinds of harm that an answer may name.
pub const CATEGORIES: &[&str] = &[
    "destroy",
    "exfiltration",
    "credentials",
    "privilege",
    "persistence",
    "remote-code",
    "evasion",
    "shared-systems",
    "overreach",
    "none",
];

/// The answer of the quick look; `None` for anything but one of the two words.
pub fn quick(answer: &str) -> Option<bool> {
    match answer.trim() {
        "safe" | "Safe" | "SAFE" => Some(true),
        "unsafe" | "Unsafe" | "UNSAFE" => Some(false),
        _ => None,
    }
}

/// The answer of the careful look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Careful {
    /// Whether the call is harmless.
    pub safe: bool,
    /// One of [`CATEGORIES`] but `none`.
    pub category: Option<String>,
    /// For the user.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(rename = "reasoning")]
    _reasoning: String,
    verdict: Word,
    category: String,
    reason: String,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Word {
    Safe,
    Unsafe,
}

/// Longest reason in characters that is kept.
const MAX_REASON: usize = 300;

/// Reads the careful look's answer; `None` for anything that is not one object with exactly
/// the four keys, each once, and values that agree with each other.
pub fn careful(answer: &str) -> Option<Careful> {
    // Serde refuses a repeated key of a struct, so a second `verdict` cannot hide the first.
    let wire: Wire = serde_json::from_str(answer.trim()).ok()?;
    let known = CATEGORIES.contains(&wire.category.as_str());
    let (safe, harmless) = (wire.verdict == Word::Safe, wire.category == "none");
    if !known || wire.reason.trim().is_empty() || safe && !harmless {
        return None;
    }
    let reason = wire.reason.trim().chars().take(MAX_REASON).collect();
    Some(Careful { safe, category: (!harmless).then_some(wire.category), reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn x8_only_the_bare_word_is_an_answer() {
        assert_eq!(quick("safe\n"), Some(true));
        assert_eq!(quick(" UNSAFE "), Some(false));
        for nonsense in [
            "",
            "safe.",
            "It is safe",
            "safe unsafe",
            "SAFE, because UNSAFE is wrong",
            "\u{feff}safe",
            "sаfe", // a Cyrillic letter
            "I cannot help with that",
            "\"safe\"",
        ] {
            assert_eq!(quick(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn x8_the_careful_answer_is_one_exact_object() {
        let good = r#"{"reasoning":"r","verdict":"safe","category":"none","reason":"It lists."}"#;
        assert!(careful(good).unwrap().safe);
        let bad = good.replace("safe", "unsafe").replace("none", "destroy");
        assert_eq!(careful(&bad).unwrap().category.as_deref(), Some("destroy"));
        for nonsense in [
            good.replace("\"none\"", "\"destroy\""),
            good.replace("none", "fine"),
            good.replace("}", ",\"verdict\":\"safe\"}"),
            good.replace("}", ",\"note\":\"x\"}"),
            good.replace("\"safe\"", "\"SAFE\""),
            good.replace("\"safe\"", "true"),
            good.replace("It lists.", " "),
            format!("{good} {good}"),
            format!("Here it is: {good}"),
            format!("```json\n{good}\n```"),
            good[..good.len() - 1].to_owned(),
            "null".to_owned(),
        ] {
            assert_eq!(careful(&nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_readers_panic_and_none_but_the_words_is_safe(text in "\\PC{0,60}") {
            let _ = careful(&text);
            if quick(&text) == Some(true) {
                prop_assert_eq!(text.trim().to_ascii_lowercase(), "safe");
            }
        }
    }
}
