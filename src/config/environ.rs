//! The process environment, read once at start. No other file may ask the system for a
//! variable (clippy refuses `std::env::var`), so what a run depends on can be listed.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// A snapshot of the environment and of the folder that the process started in.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Reads the real environment. Names or values that are not UTF-8 are left out: no
    /// setting of Ion can be spelled with them.
    pub fn capture() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let all = std::env::vars_os();
        let text = |s: OsString| s.into_string().ok();
        Environment { variables: all.filter_map(|(k, v)| Some((text(k)?, text(v)?))).collect() }
    }

    /// A made-up environment, for tests and for `ion tour`.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        Environment { variables: pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect() }
    }

    /// A variable's value; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Every variable, in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}
