//! Reads the profile back, the way macOS documents it: the last rule that fits decides.

use super::*;
use crate::model::Requirement;
use crate::policy::{Hosts, ResourceLimits};
use proptest::prelude::*;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

fn path(text: &str) -> AbsPath {
    AbsPath::new(text).unwrap()
}

fn confinement() -> Confinement {
    Confinement {
        withheld: Vec::new(),
        requirement: Requirement::Rules,
        backend: None,
        workspace: path("/Users/lena/src/shop"),
        workspace_writable: true,
        read: vec![path("/Users/lena/data"), path("/etc/app")],
        write: vec![path("/tmp/out")],
        protect: vec![".git/hooks".to_owned(), ".git/config".to_owned(), ".ion".to_owned()],
        hide: vec![path("/Users/lena/src/shop/.env"), path("/Users/lena/data/keys")],
        network: NetworkAccess::None,
        hosts: Hosts::default(),
        limits: ResourceLimits {
            wall: Duration::from_secs(1),
            output_bytes: 1,
            processes: None,
            file_size: None,
            memory: None,
            cpu_seconds: None,
            open_files: None,
        },
    }
}

fn made(confinement: &Confinement, writes: bool, proxy: Option<u16>) -> Result<Profile, String> {
    profile(&Terms { confinement, writes, temporary: Path::new("/var/folders/x/ion-1"), proxy })
}

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Word(String),
    Text(String),
    Regex(String),
    List(Vec<Node>),
}

fn parse(text: &str) -> Vec<Node> {
    let bytes: Vec<char> = text.chars().collect();
    let mut at = 0;
    let all = list(&bytes, &mut at, false);
    assert_eq!(at, bytes.len());
    all
}

fn list(text: &[char], at: &mut usize, inner: bool) -> Vec<Node> {
    let mut all = Vec::new();
    while *at < text.len() {
        match text[*at] {
            c if c.is_whitespace() => *at += 1,
            '(' => {
                *at += 1;
                all.push(Node::List(list(text, at, true)));
            }
            ')' => {
                assert!(inner, "a bracket too many");
                *at += 1;
                return all;
            }
            '"' | '#' => {
                let regex = text[*at] == '#';
                *at += if regex { 2 } else { 1 };
                let end = (*at..text.len()).find(|i| text[*i] == '"').expect("an end of text");
                let inside: String = text[*at..end].iter().collect();
                all.push(if regex { Node::Regex(inside) } else { Node::Text(inside) });
                *at = end + 1;
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || c == '(' || c == ')';
                let end = (*at..text.len()).find(|i| ends(text[*i])).unwrap_or(text.len());
                all.push(Node::Word(text[*at..end].iter().collect()));
                *at = end;
            }
        }
    }
    assert!(!inner, "a bracket is missing");
    all
}

fn fits(node: &Node, profile: &Profile, path: &[u8]) -> bool {
    let Node::List(parts) = node else { return false };
    let value = |node: &Node| match node {
        Node::Text(text) => PathBuf::from(text),
        Node::List(inner) => {
            let Node::Text(name) = &inner[1] else { panic!("{inner:?}") };
            profile.parameters.iter().find(|(known, _)| known == name).expect("a value").1.clone()
        }
        other => panic!("{other:?}"),
    };
    let at = Path::new(std::ffi::OsStr::from_bytes(path));
    let Node::Word(kind) = &parts[0] else { panic!("{parts:?}") };
    match kind.as_str() {
        "subpath" => at.starts_with(value(&parts[1])),
        "literal" => at == value(&parts[1]),
        "require-all" => parts[1..].iter().all(|part| fits(part, profile, path)),
        "regex" => {
            let Node::Regex(text) = &parts[1] else { panic!("{parts:?}") };
            regex::bytes::Regex::new(text).unwrap().is_match(path)
        }
        _ => false,
    }
}

/// Whether an operation on a path is let through.
fn allows(profile: &Profile, operation: &str, path: impl AsRef<[u8]>) -> bool {
    let covers = |word: &str| match word.strip_suffix('*') {
        Some(stem) => operation.starts_with(stem),
        None => word == operation || word == "default",
    };
    let mut answer = false;
    for rule in parse(&profile.text) {
        let Node::List(parts) = rule else { panic!("{rule:?}") };
        let Node::Word(verdict) = &parts[0] else { panic!("{parts:?}") };
        let words = |node: &Node| matches!(node, Node::Word(word) if covers(word));
        if !parts[1..].iter().any(words) {
            continue;
        }
        let filters: Vec<&Node> =
            parts[1..].iter().filter(|node| matches!(node, Node::List(_))).collect();
        let message =
            |node: &Node| matches!(node, Node::List(l) if l[0] == Node::Word("with".into()));
        let open = filters.iter().all(|node| message(node));
        if open || filters.iter().any(|node| fits(node, profile, path.as_ref())) {
            answer = verdict == "allow";
        }
    }
    answer
}

#[test]
fn the_profile_lets_through_what_was_granted() {
    let profile = made(&confinement(), true, None).unwrap();
    for (operation, path, expected) in [
        ("file-write-data", "/Users/lena/src/shop/a", true),
        ("file-write-create", "/Users/lena/src/shop/sub/a", true),
        ("file-read-data", "/Users/lena/src/shop/a", true),
        ("file-read-data", "/Users/lena/data/a", true),
        ("file-write-data", "/Users/lena/data/a", false),
        ("file-read-data", "/private/etc/app/x", true),
        ("file-write-data", "/private/tmp/out/x", true),
        ("file-write-data", "/private/tmp/other", false),
        ("file-write-data", "/private/var/folders/x/ion-1/t", true),
        ("file-read-data", "/usr/lib/x", true),
        ("file-write-data", "/usr/lib/x", false),
        ("file-read-data", "/Users/lena/.ssh/id_rsa", false),
        ("file-read-data", "/Users/lena", false),
        ("file-read-metadata", "/Users/lena", true),
        ("file-read-data", "/Users/lena/src/shop-evil/a", false),
        ("file-write-data", "/dev/null", true),
        ("file-write-data", "/dev/tty", false),
        ("file-read-data", "/private/etc/master.passwd", false),
        ("mach-register", "", false),
        ("network-outbound", "", false),
        ("network-outbound", "/private/var/run/mDNSResponder", false),
    ] {
        assert_eq!(allows(&profile, operation, path), expected, "{operation} {path}");
    }
}

#[test]
fn what_is_hidden_or_protected_stays_so_in_every_spelling() {
    let profile = made(&confinement(), true, None).unwrap();
    for path in
        [".git/hooks", ".git/hooks/pre-commit", ".GIT/Hooks/x", "sub/.git/config", ".ion/x", ".IOn"]
    {
        let path = format!("/Users/lena/src/shop/{path}");
        for operation in ["file-write-data", "file-write-create", "file-write-unlink", "file-link"]
        {
            assert!(!allows(&profile, operation, &path), "{operation} {path}");
        }
        assert!(allows(&profile, "file-read-data", &path), "{path}");
    }
    for path in [".git", "deep/er/.Git"] {
        let path = format!("/Users/lena/src/shop/{path}");
        assert!(!allows(&profile, "file-write-unlink", &path), "{path} could be moved away");
    }
    for path in [".git/index", ".gitignore", "my.git/hooks2", "x.ion", ".ionic/a"] {
        let path = format!("/Users/lena/src/shop/{path}");
        assert!(allows(&profile, "file-write-data", &path), "{path}");
    }
    for path in ["/Users/lena/src/shop/.env", "/Users/lena/data/keys/a"] {
        assert!(!allows(&profile, "file-read-data", path), "{path}");
    }
}

#[test]
fn a_call_that_reads_writes_nothing_but_its_temporary_folder() {
    let profile = made(&confinement(), false, None).unwrap();
    for path in ["/Users/lena/src/shop/a", "/private/tmp/out/x"] {
        assert!(
            allows(&profile, "file-read-data", path) && !allows(&profile, "file-write-data", path)
        );
    }
    assert!(allows(&profile, "file-write-data", "/private/var/folders/x/ion-1/t"));
}

#[test]
fn the_network_is_nothing_the_proxy_or_everything() {
    let mut terms = confinement();
    assert!(!made(&terms, true, Some(3128)).unwrap().text.contains("3128"));
    terms.network = NetworkAccess::Listed;
    let listed = made(&terms, true, Some(3128)).unwrap();
    assert!(listed.text.contains("(allow network-outbound (remote ip \"localhost:3128\"))"));
    assert!(listed.text.contains("mDNSResponder") && !listed.text.contains("network*"));
    assert!(made(&terms, true, None).is_err());
    terms.network = NetworkAccess::Host;
    assert!(made(&terms, true, None).unwrap().text.contains("(allow network* system-socket)"));
}

#[test]
fn names_that_would_be_rules_are_refused() {
    for name in ["a\")(allow default)", "a b", "\u{e9}", "a*", "../x", "", "a//b", "a[b]", "a$"] {
        let mut terms = confinement();
        terms.protect = vec![name.to_owned()];
        assert!(made(&terms, true, None).is_err(), "{name}");
    }
}

#[test]
fn the_command_line_is_apples_program_and_parameters() {
    let profile = made(&confinement(), true, None).unwrap();
    let line = command_line(&profile, &["/bin/ls".into(), "-p".into()]);
    assert_eq!(line[..2], [OsString::from("/usr/bin/sandbox-exec"), OsString::from("-p")]);
    let text: Vec<String> = line.iter().map(|w| w.to_string_lossy().into_owned()).collect();
    assert!(text.contains(&"WS=/Users/lena/src/shop".to_owned()));
    assert!(text.contains(&"WRITE_0=/private/tmp/out".to_owned()), "{text:?}");
    assert_eq!(text[text.len() - 3..], ["--", "/bin/ls", "-p"]);
}

#[test]
fn the_profile_is_the_one_that_was_reviewed() {
    insta::assert_snapshot!(made(&confinement(), true, None).unwrap().text);
}

proptest! {
    #[test]
    fn no_path_becomes_a_rule(bytes in proptest::collection::vec(1u8..=255, 1..40)) {
        let mut odd = b"/Users/lena/".to_vec();
        odd.extend(bytes.iter().filter(|b| **b != b'/'));
        let odd = Path::new(std::ffi::OsStr::from_bytes(&odd));
        let Some(odd) = AbsPath::new(odd) else { return Ok(()) };
        let plain = made(&confinement(), true, None).unwrap();
        let mut terms = confinement();
        terms.read[0] = odd;
        let other = made(&terms, true, None).unwrap();
        let rules = |p: &Profile| parse(&p.text).len();
        // The folders on the way may differ in number; everything else is the same text.
        let lines = |p: &Profile| -> Vec<String> {
            p.text.lines().filter(|l| !l.contains("ABOVE_")).map(str::to_owned).collect()
        };
        prop_assert_eq!(lines(&plain), lines(&other));
        prop_assert!(rules(&other) > 10);
    }
}
