//! From a raw tool call to the facts that policy judges: the command parsed, paths found and
//! their links followed, types checked, everything hashed.
//!
//! INVARIANT (judged is run): the digest covers tool, input, canonical paths and folder.
//! This is the only file of the gate that looks at a disk, and it never writes.

use crate::model::{AbsPath, Effects, ToolCall, hex};
use crate::policy::shell::{self, ShellPlace};
use crate::policy::{Access, CallFacts, Circumstances, PathUse};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

/// Arguments that name a path, whatever the tool.
const PATH_KEYS: [&str; 5] = ["path", "file_path", "filePath", "directory", "notebook_path"];
/// Most links followed for one path.
const MAX_LINKS: usize = 40;
/// Deepest nesting of an input.
const MAX_INPUT_DEPTH: usize = 64;

/// Where a call is proposed.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// The folder that the call runs in.
    pub cwd: &'a AbsPath,
    /// The workspace.
    pub workspace: &'a AbsPath,
    /// The user's home.
    pub home: Option<&'a AbsPath>,
    /// Who asks, when, and what the session has seen.
    pub circumstances: &'a Circumstances,
}

/// A call that is understood, not yet judged.
#[derive(Debug, Clone)]
pub struct Proposed {
    /// The call.
    pub call: ToolCall,
    /// What policy judges.
    pub facts: CallFacts,
    /// Canonical paths that arguments name, in the order of the keys.
    pub paths: Vec<AbsPath>,
    /// Paths that the digest covers: `paths`, and where links of a command led.
    seen: Vec<AbsPath>,
    /// Made when it is asked for: whoever only judges does not need it.
    digest: OnceLock<String>,
}

impl Proposed {
    /// SHA-256 (hex) over the canonical call.
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| digest(&self.call, &self.seen, &self.facts.cwd))
    }
}

/// Understands a call. Never fails: what is wrong ends in `facts.malformed`, which denies.
pub fn propose(call: ToolCall, effects: Option<Effects>, place: &Place<'_>) -> Proposed {
    let mut work = Work { call: &call, place, paths: Vec::new(), malformed: None };
    let access = work.access(effects);
    if depth(&call.input.values().collect::<Vec<_>>(), 0) > MAX_INPUT_DEPTH {
        work.wrong(format!("the input nests deeper than {MAX_INPUT_DEPTH} levels"));
    }
    work.named_paths(access);
    work.search_paths();
    work.check_types();
    let timeout_ms = work.timeout();
    let command = work.command();
    let hosts = hosts(&call);
    let (uses, malformed) = (work.paths, work.malformed);
    let paths: Vec<AbsPath> = uses.iter().map(|path| path.canonical.clone()).collect();
    // Where links led, also those in a command: a yes is not for where they lead tomorrow.
    let led = command.iter().flat_map(|script| script.paths());
    let led = led.filter(|path| path.canonical != path.lexical).map(|path| &path.canonical);
    let seen: Vec<AbsPath> = paths.iter().chain(led).cloned().collect();
    let facts = CallFacts {
        tool: call.name.clone(),
        effects,
        command,
        paths: uses,
        hosts,
        cwd: place.cwd.clone(),
        workspace: place.workspace.clone(),
        home: place.home.cloned(),
        malformed,
        timeout_ms,
        circumstances: place.circumstances.clone(),
        class: None,
        unconfined: false,
    };
    Proposed { call, facts, paths, seen, digest: OnceLock::new() }
}

struct Work<'a> {
    call: &'a ToolCall,
    place: &'a Place<'a>,
    paths: Vec<PathUse>,
    malformed: Option<String>,
}

impl Work<'_> {
    fn wrong(&mut self, reason: String) {
        self.malformed.get_or_insert(reason);
    }

    fn access(&self, effects: Option<Effects>) -> Access {
        let read = match (self.call.name.as_str(), effects) {
            ("Read" | "Grep" | "Glob" | "LSP", _) => true,
            ("NotebookEdit", _) => self.call.text("action") == Some("read"),
            (_, Some(effects)) => !effects.writes && !effects.executes,
            (_, None) => false,
        };
        // An unknown tool that names a path is taken to write it.
        if read { Access::Read } else { Access::Write }
    }

    fn named_paths(&mut self, access: Access) {
        for key in PATH_KEYS {
            match self.call.input.get(key) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) if !text.is_empty() => self.add(key, text, access),
                Some(Value::String(_)) => {}
                // FAIL CLOSED: a wrong type is not "absent"; the tool might still use it.
                Some(_) => self.wrong(format!("`{key}` must be text")),
            }
        }
    }

    fn add(&mut self, key: &str, text: &str, access: Access) {
        let Some(lexical) = self.place.cwd.join(text) else {
            return self.wrong(format!("`{key}` is no usable path"));
        };
        let canonical = self::canonical(&unclean(self.place.cwd, text));
        self.paths.push(PathUse { canonical, lexical, access });
        // Tools do not expand `~`, but whoever runs them might.
        let rest = text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let expanded = rest.and_then(|rest| self.place.home?.join(rest.trim_start_matches('/')));
        if let Some(lexical) = expanded {
            let canonical = self::canonical(lexical.as_path());
            self.paths.push(PathUse { canonical, lexical, access });
        }
    }

    /// Grep and Glob search the working folder unless told otherwise; a pattern of Glob that
    /// is absolute or climbs is a path too.
    fn search_paths(&mut self) {
        let tool = self.call.name.as_str();
        if !matches!(tool, "Grep" | "Glob") {
            return;
        }
        for key in ["pattern", "glob"] {
            let Some(Value::String(pattern)) = self.call.input.get(key) else { continue };
            let is_path = tool == "Glob" || key == "glob";
            if is_path
                && (pattern.starts_with(['/', '~']) || pattern.split('/').any(|part| part == ".."))
            {
                let pattern = pattern.clone();
                let base: Vec<&str> = pattern
                    .split('/')
                    .take_while(|part| !part.contains(['*', '?', '[', '{']))
                    .collect();
                let base = base.join("/");
                self.add(key, if base.is_empty() { "/" } else { &base }, Access::Read);
                self.add(key, &pattern, Access::Read);
            }
        }
        if self.paths.is_empty() {
            let lexical = self.place.cwd.clone();
            self.paths.push(PathUse {
                canonical: canonical(lexical.as_path()),
                lexical,
                access: Access::Read,
            });
        }
    }

    fn check_types(&mut self) {
        const TEXT: &[(&str, &[&str])] = &[
            ("Bash", &["command"]),
            ("Read", &["file_path"]),
            ("Write", &["file_path", "content"]),
            ("Edit", &["file_path", "old_string", "new_string"]),
            ("Glob", &["pattern"]),
            ("Grep", &["pattern"]),
            ("WebFetch", &["url"]),
        ];
        let wanted = TEXT.iter().find(|(tool, _)| *tool == self.call.name.as_str());
        for key in wanted.map_or(&[][..], |(_, keys)| keys) {
            match self.call.input.get(*key) {
                Some(Value::String(_)) => {}
                // A missing path may stand under another of the path keys.
                None if *key == "file_path" && !self.paths.is_empty() => {}
                // The tool itself answers for missing content, in its own words.
                None if *key == "content" => {}
                None => self.wrong(format!("`{key}` is required")),
                Some(_) => self.wrong(format!("`{key}` must be text")),
            }
        }
    }

    fn timeout(&mut self) -> Option<u64> {
        let value = self
            .call
            .input
            .get("timeout")
            .filter(|value| !value.is_null() && self.call.name.as_str() == "Bash")?;
        let whole = value
            .as_u64()
            .or_else(|| value.as_f64().filter(|n| n.is_finite() && *n >= 0.0).map(|n| n as u64));
        if whole.is_none() {
            self.wrong("`timeout` must be a number of milliseconds".to_owned());
        }
        whole
    }

    fn command(&mut self) -> Option<shell::Script> {
        let text = match self.call.input.get("command")? {
            Value::String(text) => text,
            Value::Null => return None,
            _ => {
                self.wrong("`command` must be text".to_owned());
                return None;
            }
        };
        let mut script =
            shell::parse(text, &ShellPlace { cwd: self.place.cwd, home: self.place.home });
        // Paths of one line share their folders: each is asked for once.
        let links = RefCell::new(Links::new());
        let follow = |path: &Path| followed(path, &mut links.borrow_mut());
        // The attack: a working folder of the call's own choice, and `make` in it.
        if !follow(self.place.cwd.as_path()).is_within(self.place.workspace) {
            script.begins_outside(self.place.cwd);
        }
        script.canonicalise(&|path| follow(path.as_path()));
        Some(script)
    }
}

/// `text` below `cwd` with its dots in place: `..` means what the kernel says, after links.
fn unclean(cwd: &AbsPath, text: &str) -> PathBuf {
    cwd.as_path().join(text)
}

/// Where the links that were looked at lead; `None` for what is no link.
type Links = HashMap<PathBuf, Option<PathBuf>>;

/// Follows every link of the part that exists and keeps the rest as it is.
pub fn canonical(path: &Path) -> AbsPath {
    followed(path, &mut Links::new())
}

fn followed(path: &Path, known: &mut Links) -> AbsPath {
    let root = || AbsPath::new("/").expect("the root is absolute");
    let mut done = PathBuf::from("/");
    let mut todo: Vec<std::ffi::OsString> = Vec::new();
    let push_all = |todo: &mut Vec<std::ffi::OsString>, path: &Path| {
        for part in path.components().rev() {
            match part {
                Component::Normal(name) => todo.push(name.to_owned()),
                Component::ParentDir => todo.push("..".into()),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
    };
    push_all(&mut todo, path);
    let mut links = 0;
    while let Some(part) = todo.pop() {
        if part == ".." {
            done.pop();
            continue;
        }
        done.push(&part);
        // A loop or a long chain of links stays unresolved: no pattern can permit it then,
        // because its lexical form differs and the kernel refuses it as well.
        let target = match known.get(&done) {
            Some(target) => target.clone(),
            None => {
                let target = std::fs::read_link(&done).ok();
                known.insert(done.clone(), target.clone());
                target
            }
        };
        let Some(target) = target else { continue };
        links += 1;
        if links > MAX_LINKS {
            continue;
        }
        done.pop();
        if target.is_absolute() {
            done = PathBuf::from("/");
        }
        push_all(&mut todo, &target);
    }
    AbsPath::new(&done).unwrap_or_else(root)
}

fn depth(values: &[&Value], at: usize) -> usize {
    if at > MAX_INPUT_DEPTH {
        return at;
    }
    let inner = values.iter().map(|value| match value {
        Value::Array(items) => depth(&items.iter().collect::<Vec<_>>(), at + 1),
        Value::Object(items) => depth(&items.values().collect::<Vec<_>>(), at + 1),
        _ => at,
    });
    inner.max().unwrap_or(at)
}

/// Host names of the URLs in the arguments, lower case, without a trailing dot.
fn hosts(call: &ToolCall) -> Vec<String> {
    let urls = ["url", "uri", "endpoint"].iter().filter_map(|key| call.text(key));
    urls.map(|url| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host = match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        host.trim_end_matches('.').to_ascii_lowercase()
    })
    .collect()
}

/// The hash that ties the record to what runs.
fn digest(call: &ToolCall, paths: &[AbsPath], cwd: &AbsPath) -> String {
    let mut text = String::new();
    let paths: Vec<Value> = paths.iter().map(|path| Value::String(path.to_string())).collect();
    canonical_json(
        &Value::Array(vec![
            Value::String("ion-call-v1".to_owned()),
            Value::String(call.name.as_str().to_owned()),
            Value::Object(call.input.clone()),
            Value::Array(paths),
            Value::String(cwd.to_string()),
        ]),
        &mut text,
        0,
    );
    hex(&Sha256::digest(text.as_bytes()))
}

/// JSON with sorted keys and no blanks.
fn canonical_json(value: &Value, out: &mut String, at: usize) {
    match value {
        // Deeper input is malformed and never runs.
        _ if at > MAX_INPUT_DEPTH + 8 => out.push_str("\"…\""),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                canonical_json(item, out, at + 1);
            }
            out.push(']');
        }
        Value::Object(items) => {
            let mut keys: Vec<&String> = items.keys().collect();
            keys.sort();
            out.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                canonical_json(items.get(key).unwrap_or(&Value::Null), out, at + 1);
            }
            out.push('}');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CallId, ToolName};
    use serde_json::json;

    fn abs(path: &Path) -> AbsPath {
        canonical(path)
    }

    fn proposed(dir: &AbsPath, tool: &str, input: Value) -> Proposed {
        let Value::Object(input) = input else { panic!("an object") };
        let home = AbsPath::new("/home/dev").unwrap();
        let circumstances = Circumstances::default();
        let call = ToolCall { id: CallId::new("c"), name: ToolName::resolve(tool), input };
        propose(
            call,
            None,
            &Place { cwd: dir, workspace: dir, home: Some(&home), circumstances: &circumstances },
        )
    }

    #[test]
    fn x3_a_notebook_path_is_a_path() {
        let dir = AbsPath::new("/w").unwrap();
        let p = proposed(
            &dir,
            "NotebookEdit",
            json!({"action": "edit", "notebook_path": "/etc/x.ipynb"}),
        );
        assert_eq!(p.paths, [AbsPath::new("/etc/x.ipynb").unwrap()]);
        assert_eq!(p.facts.paths[0].access, Access::Write);
    }

    #[test]
    fn x9_links_and_dots_are_followed_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let real = abs(dir.path());
        std::fs::create_dir_all(dir.path().join("secret/deep")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret/deep"), dir.path().join("link"))
            .unwrap();
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
        let p = proposed(&real, "Read", json!({"file_path": "link/../x"}));
        assert_eq!(
            p.paths,
            [real.join("secret/x").unwrap()],
            "`..` after a link is the target's parent"
        );
        assert_eq!(p.facts.paths[0].lexical, real.join("x").unwrap());
        let p = proposed(&real, "Read", json!({"file_path": "link/new/file"}));
        assert_eq!(p.paths, [real.join("secret/deep/new/file").unwrap()]);
        assert_eq!(proposed(&real, "Read", json!({"file_path": "loop/x"})).paths.len(), 1);
    }

    #[test]
    fn x9_a_literal_tilde_is_judged_as_the_home_too() {
        let dir = AbsPath::new("/w").unwrap();
        let p = proposed(&dir, "Read", json!({"file_path": "~/.ssh/id_rsa"}));
        let paths: Vec<String> = p.facts.paths.iter().map(|p| p.lexical.to_string()).collect();
        assert_eq!(paths, ["/w/~/.ssh/id_rsa", "/home/dev/.ssh/id_rsa"]);
    }

    #[test]
    fn a_wrong_type_is_a_refusal_and_not_an_absence() {
        let dir = AbsPath::new("/w").unwrap();
        for (tool, input) in [
            ("Bash", json!({"command": ["ls"]})),
            ("Bash", json!({})),
            ("Bash", json!({"command": "ls", "timeout": "soon"})),
            ("Read", json!({"file_path": 5})),
            ("Read", json!({"file_path": "a\u{0}b"})),
            ("Write", json!({"file_path": "a", "content": {}})),
            ("Edit", json!({"file_path": "a", "old_string": "x"})),
        ] {
            assert!(
                proposed(&dir, tool, input.clone()).facts.malformed.is_some(),
                "{tool} {input}"
            );
        }
        assert!(proposed(&dir, "Read", json!({"filePath": "a"})).facts.malformed.is_none());
    }

    #[test]
    fn a_glob_that_climbs_or_is_absolute_is_a_path() {
        let dir = AbsPath::new("/w").unwrap();
        let p = proposed(&dir, "Glob", json!({"pattern": "/etc/ss*/key"}));
        assert!(p.paths.contains(&AbsPath::new("/etc").unwrap()));
        let p = proposed(&dir, "Glob", json!({"pattern": "../*/x"}));
        assert!(p.paths.contains(&AbsPath::new("/").unwrap()));
        let p = proposed(&dir, "Grep", json!({"pattern": "/etc"}));
        assert_eq!(p.paths, [dir]);
    }

    #[test]
    fn the_digest_covers_input_paths_and_folder_but_not_key_order() {
        let dir = AbsPath::new("/w").unwrap();
        let one = proposed(&dir, "Bash", json!({"command": "ls", "timeout": 5}));
        let two = proposed(&dir, "Bash", json!({"timeout": 5, "command": "ls"}));
        let other = proposed(&dir, "Bash", json!({"command": "ls -a", "timeout": 5}));
        let elsewhere =
            proposed(&AbsPath::new("/v").unwrap(), "Bash", json!({"command": "ls", "timeout": 5}));
        assert_eq!(one.digest(), two.digest());
        assert_ne!(one.digest(), other.digest());
        assert_ne!(one.digest(), elsewhere.digest());
        assert_eq!(one.digest().len(), 64);
    }

    #[test]
    fn the_digest_of_a_command_changes_when_a_link_in_it_leads_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let real = abs(dir.path());
        let digest =
            || proposed(&real, "Bash", json!({"command": "cat data/x"})).digest().to_owned();
        let plain = digest();
        let lead = |to: &str| {
            let _ = std::fs::remove_file(dir.path().join("data"));
            std::os::unix::fs::symlink(to, dir.path().join("data")).unwrap();
            digest()
        };
        let (one, two) = (lead("/srv/a"), lead("/srv/b"));
        assert!(plain != one && one != two && two != plain);
        assert_eq!(one, lead("/srv/a"));
    }

    #[test]
    fn a_working_folder_outside_the_workspace_is_read_by_what_names_no_path() {
        let (w, away) = (AbsPath::new("/w").unwrap(), AbsPath::new("/away").unwrap());
        let circumstances = Circumstances::default();
        let paths = |cwd: &AbsPath, command: &str| {
            let Value::Object(input) = json!({ "command": command }) else { panic!("an object") };
            let call = ToolCall { id: CallId::new("c"), name: ToolName::resolve("Bash"), input };
            let place = Place { cwd, workspace: &w, home: None, circumstances: &circumstances };
            let script = propose(call, None, &place).facts.command.unwrap();
            script.paths().map(|path| path.lexical.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(paths(&away, "make"), ["/away"]);
        assert_eq!(paths(&w, "make"), Vec::<String>::new());
        assert_eq!(paths(&away, "echo x"), Vec::<String>::new());
    }

    #[test]
    fn hosts_are_read_past_user_names_and_ports() {
        let dir = AbsPath::new("/w").unwrap();
        let host = |url: &str| proposed(&dir, "WebFetch", json!({ "url": url })).facts.hosts;
        assert_eq!(host("https://good.example@evil.example:80/x"), ["evil.example"]);
        assert_eq!(host("https://Docs.Example.ORG./x"), ["docs.example.org"]);
        assert_eq!(host("http://[::1]:8080/"), ["::1"]);
    }
}
