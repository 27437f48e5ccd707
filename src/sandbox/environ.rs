//! The environment of a command, rebuilt from nothing.
//!
//! An allow-list: a variable that is not named here does not exist inside, so neither a key nor
//! an interpreter's start-up hook (`LD_*`, `BASH_ENV`, `GIT_*`, `NODE_OPTIONS`, ...) gets in.

use crate::config::Environment;
use crate::model::AbsPath;
use crate::worker::handover::PORT;

/// Search path when the user's own has no usable folder.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Carried over as they are: they describe a person's language and terminal.
const CARRIED: &[&str] = &["LANG", "LANGUAGE", "TERM", "TZ", "USER", "LOGNAME", "COLUMNS", "LINES"];
const LONGEST: usize = 4096;

/// Builds it. `refused` are folders that a tool may write: a program planted there must not
/// shadow one of the system.
pub fn rebuild(
    outer: &Environment,
    home: &str,
    temporary: &str,
    refused: &[&AbsPath],
) -> Vec<(String, String)> {
    let mut inner: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: String| inner.push((name.to_owned(), value));
    set("PATH", search_path(outer.get("PATH").unwrap_or_default(), refused));
    set("HOME", home.to_owned());
    set("TMPDIR", temporary.to_owned());
    for (name, value) in outer.iter() {
        let wanted = CARRIED.contains(&name) || name.starts_with("LC_");
        let sane = value.len() <= LONGEST && !value.contains('\0') && !value.is_empty();
        if wanted && sane {
            set(name, value.to_owned());
        }
    }
    inner
}

/// Variables by which most programs find a proxy. A help only: there is no other route.
pub fn of_proxy() -> Vec<(String, String)> {
    let address = format!("http://127.0.0.1:{PORT}");
    let names =
        ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
    let inside = ["no_proxy", "NO_PROXY"];
    let proxies = names.iter().map(|name| ((*name).to_owned(), address.clone()));
    let direct =
        inside.iter().map(|name| ((*name).to_owned(), "localhost,127.0.0.1,::1".to_owned()));
    let node = [("NODE_USE_ENV_PROXY".to_owned(), "1".to_owned())];
    proxies.chain(direct).chain(node).collect()
}

fn search_path(outer: &str, refused: &[&AbsPath]) -> String {
    let usable = |entry: &&str| {
        AbsPath::new(entry).is_some_and(|path| !refused.iter().any(|root| path.is_within(root)))
    };
    let kept: Vec<&str> = outer.split(':').filter(usable).collect();
    if kept.is_empty() { DEFAULT_PATH.to_owned() } else { kept.join(":") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_variables_reach_a_command() {
        let outer = Environment::from_pairs([
            ("ANTHROPIC_API_KEY", "sk-x"),
            ("BASH_ENV", "/tmp/x"),
            ("LD_PRELOAD", "/tmp/x.so"),
            ("LC_ALL", "C.UTF-8"),
            ("HOME", "/real"),
            ("PATH", "/usr/bin"),
        ]);
        let inner = rebuild(&outer, "/h", "/tmp", &[]);
        let names: Vec<&str> = inner.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["PATH", "HOME", "TMPDIR", "LC_ALL"]);
        assert_eq!(inner[1].1, "/h");
    }

    #[test]
    fn a_writable_or_relative_folder_leaves_the_search_path() {
        let ws = AbsPath::new("/w/s").unwrap();
        assert_eq!(search_path("/w/s/bin:.:/usr/bin::/w/s-b", &[&ws]), "/usr/bin:/w/s-b");
        assert_eq!(search_path("/w/s", &[&ws]), DEFAULT_PATH);
    }
}
