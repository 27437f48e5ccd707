//! The process environment, read once at start. No other file may ask the system for a
//! variable (clippy refuses `std::env::var`), so what a run depends on can be listed.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// A variable that Ion reads, for `ion help env` and the documentation.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it does. No variable loosens a seal.
    pub about: &'static str,
}

const fn variable(name: &'static str, about: &'static str) -> Variable {
    Variable { name, about }
}

/// Every variable that configuration reads, besides provider keys
/// ([`super::credential::KEY_VARIABLES`]) and those that an `apiKey` names.
pub const VARIABLES: &[Variable] = &[
    variable("HOME", "where ~/.ion and ~/.config/ion are"),
    variable("ION_DATA_DIR", "moves state (audit log, sessions, trust), not configuration"),
    variable("ION_ENTERPRISE_CONFIG", "a further sealed source, which can only tighten"),
    variable("HTTPS_PROXY", "proxy for https:// where no file names one (also https_proxy)"),
    variable("HTTP_PROXY", "proxy for http:// where no file names one (also http_proxy)"),
    variable("NO_PROXY", "hosts reached directly where no file names any (also no_proxy)"),
    variable("ANTHROPIC_FOUNDRY_BASE_URL", "endpoint of provider foundry"),
    variable("AZURE_OPENAI_ENDPOINT", "endpoint of provider azure-openai"),
    variable("CLAUDE_PROJECT_DIR", "the workspace of `ion hook claude`, set by that agent"),
    variable("GEMINI_PROJECT_DIR", "the workspace of `ion hook gemini`, set by that agent"),
];

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
