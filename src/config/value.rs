//! One checked setting: its key, its typed value and the place it was read from.

use super::origin::Located;
use super::schema::case::CaseSpec;
use super::schema::permissions::{DangerSpec, RuleSpec};
use super::tree::Spot;
use crate::model::{Source, Tier};
use crate::redact::Secret;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A key as parts, because names chosen by a file may hold dots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath(pub Vec<String>);

impl KeyPath {
    /// A key without names chosen by a file.
    pub fn plain(path: &str) -> Self {
        KeyPath(path.split('.').map(str::to_owned).collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = |part: &String| {
            let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$');
            if part.chars().all(legal) && !part.is_empty() && part.len() < 64 {
                part.clone()
            } else {
                super::problem::quoted(part)
            }
        };
        f.pad(&self.0.iter().map(quote).collect::<Vec<_>>().join("."))
    }
}

/// A value whose type fits its key.
#[derive(Debug, Clone)]
pub enum Value {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// A finite number, 0 or more.
    Amount(f64),
    /// No limit: a value of its own, neither 0 nor absent.
    Unlimited,
    /// A word or a text.
    Text(String),
    /// A text that is never shown.
    Secret(Secret),
    /// A list of texts, each with its own line.
    Texts(Vec<Located<String>>),
    /// Permission rules.
    Rules(Vec<Located<RuleSpec>>),
    /// Dangerous patterns.
    Dangers(Vec<Located<DangerSpec>>),
    /// Test cases of a policy.
    Cases(Vec<Located<CaseSpec>>),
}

impl Value {
    /// The entries of a list of texts, without their places.
    pub fn set(&self) -> BTreeSet<&str> {
        match self {
            Value::Texts(items) => items.iter().map(|item| item.value.as_str()).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// Whether two values mean the same; order and places of list entries do not count.
    pub fn same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Flag(a), Value::Flag(b)) => a == b,
            (Value::Unlimited, Value::Unlimited) => true,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Texts(_), Value::Texts(_)) => self.set() == other.set(),
            (Value::Secret(a), Value::Secret(b)) => a.is(b),
            (Value::Rules(a), Value::Rules(b)) => a == b,
            (Value::Dangers(a), Value::Dangers(b)) => a == b,
            (Value::Cases(a), Value::Cases(b)) => a == b,
            (a, b) => match (a.number(), b.number()) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "compared, never stored")]
            Value::Whole(whole) => Some(*whole as f64),
            Value::Amount(amount) => Some(*amount),
            _ => None,
        }
    }

    /// The value as JSON, secrets masked.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Flag(flag) => (*flag).into(),
            Value::Whole(whole) => (*whole).into(),
            Value::Amount(amount) => (*amount).into(),
            Value::Unlimited => "unlimited".into(),
            Value::Text(text) => without_password(text).into(),
            Value::Secret(_) => "***".into(),
            Value::Texts(items) => items.iter().map(|item| item.value.as_str()).collect(),
            Value::Rules(rules) => format!("{} rules", rules.len()).into(),
            Value::Dangers(dangers) => format!("{} patterns", dangers.len()).into(),
            Value::Cases(cases) => format!("{} cases", cases.len()).into(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Flag(flag) => write!(f, "{flag}"),
            Value::Whole(whole) => write!(f, "{whole}"),
            Value::Amount(amount) => write!(f, "{amount:.2}"),
            Value::Unlimited => f.write_str("unlimited"),
            Value::Text(text) => f.write_str(&super::json::shown(&without_password(text))),
            Value::Secret(_) => f.write_str("***"),
            Value::Texts(items) => {
                let shown: Vec<String> =
                    items.iter().map(|i| super::json::shown(&i.value)).collect();
                write!(f, "[{}]", shown.join(", "))
            }
            Value::Rules(rules) if rules.len() == 1 => f.write_str("1 rule"),
            Value::Rules(rules) => write!(f, "{} rules", rules.len()),
            Value::Dangers(dangers) if dangers.len() == 1 => f.write_str("1 pattern"),
            Value::Dangers(dangers) => write!(f, "{} patterns", dangers.len()),
            Value::Cases(cases) if cases.len() == 1 => f.write_str("1 case"),
            Value::Cases(cases) => write!(f, "{} cases", cases.len()),
        }
    }
}

/// A text with the user and password of a URL masked: a proxy's address is shown, logged and
/// reported, and often carries both.
pub(super) fn without_password(text: &str) -> String {
    let scheme = text.find("://").map(|at| at + 3);
    match (scheme, text.rfind('@')) {
        (Some(from), Some(to)) if to > from => {
            let (head, tail) = (text.get(..from), text.get(to..));
            format!("{}***{}", head.unwrap_or(""), tail.unwrap_or(""))
        }
        _ => text.to_owned(),
    }
}

/// A value in a layer.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// Tier, file and line.
    pub source: Source,
    /// Line, column and width, for messages.
    pub at: Spot,
}

/// All settings of one file, flag set or profile.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The tier.
    pub tier: Tier,
    /// The file as a person would type it.
    pub file: String,
    /// The settings.
    pub settings: BTreeMap<KeyPath, Setting>,
    /// Objects with a name chosen by the file (`providers.ollama`), even when empty.
    pub named: Vec<Located<KeyPath>>,
    /// Keys that were accepted and do nothing.
    pub unused: Vec<Located<KeyPath>>,
}

impl Layer {
    /// A layer that says nothing.
    pub fn empty(tier: Tier, file: impl Into<String>) -> Self {
        Layer {
            tier,
            file: file.into(),
            settings: BTreeMap::new(),
            named: Vec::new(),
            unused: Vec::new(),
        }
    }

    /// The setting at a plain key.
    pub fn get(&self, path: &str) -> Option<&Setting> {
        self.settings.get(&KeyPath::plain(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_inside_a_url_is_not_shown() {
        for text in ["http://u:p@w@host:1/x", "http://p@host/a@b"] {
            let value = Value::Text(text.to_owned());
            assert!(!format!("{value} {}", value.to_json()).contains("p@"), "{value}");
        }
        assert_eq!(without_password("http://host/x"), "http://host/x");
    }
}
