//! Canaries: secrets planted everywhere that a run touches, and then looked for in every byte
//! that left the process or reached the disk.
//!
//! One canary a place, none of a known shape where the place alone must tell, all made here.

use super::prompt::home_with;
use crate::support::loopback::{Loopback, Reply, anthropic_text, anthropic_tool_call};
use crate::support::{Home, stderr};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::path::Path;

/// A token that is no live one; the same for the same seed.
fn grow(prefix: &str, seed: u64, length: usize) -> String {
    let letters = b"aB3dE5gH7jK9mN2pQ4rS6tU8vWxYz1C";
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut tail = String::new();
    for _ in 0..length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        tail.push(char::from(letters[(state >> 20) as usize % letters.len()]));
    }
    format!("{prefix}{tail}")
}

fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.push((path.display().to_string(), bytes));
        }
    }
}

/// Every form of a canary in which it could have slipped out.
fn forms(canary: &str) -> Vec<Vec<u8>> {
    let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
    let core = |pad: &str, from: usize| {
        let encoded = STANDARD.encode(format!("{pad}{canary}"));
        encoded.as_bytes()[from..encoded.len() - 4].to_vec()
    };
    vec![
        canary.as_bytes().to_vec(),
        canary.as_bytes()[4..canary.len() - 4].to_vec(),
        hex.into_bytes(),
        core("", 0),
        core("x", 2),
        core("xy", 3),
    ]
}

struct Planted {
    home: Home,
    server: Loopback,
    canaries: Vec<(&'static str, String)>,
}

/// A home with canaries in its files, and a model that handles them as clumsily as it can.
fn plant() -> Planted {
    let in_file = grow("ghp_", 1, 36);
    let in_env = grow("", 2, 30);
    let in_output = grow("glpat-", 3, 20);
    let in_input = grow("npm_", 4, 36);
    let in_answer = grow("xoxb-1234567890-", 5, 24);
    let in_error = grow("sk-ant-api03-", 6, 90);
    let in_prompt = grow("hf_", 7, 34);
    let in_variable = grow("", 8, 28);
    let encoded = STANDARD.encode(format!("PASSWORD={in_output}"));
    let server = Loopback::start(vec![
        Reply::sse(anthropic_tool_call("Read", &json!({"file_path": "settings.txt"})))
            .chunks_of(11),
        Reply::sse(anthropic_tool_call(
            "Bash",
            &json!({"command": "cat printed.txt; sort -r printed.txt"}),
        )),
        Reply::sse(anthropic_tool_call(
            "Bash",
            &json!({"command": format!("echo {in_input} | rev")}),
        )),
        Reply::sse(anthropic_tool_call(
            "Write",
            &json!({"file_path": "copy.txt", "content": format!("token = \"{in_input}\"\n")}),
        )),
        Reply::sse(anthropic_tool_call("Grep", &json!({"pattern": "glpat", "path": "."}))),
        Reply::sse(anthropic_text(&format!("Your token is {in_answer} and I keep it.")))
            .chunks_of(3),
    ]);
    let home = home_with("anthropic", "claude-sonnet-4-6", &server);
    home.write("work/settings.txt", &format!("A=1\nTOKEN={in_file}\nDB_PASSWORD={in_env}\n"));
    home.write(
        "work/printed.txt",
        &format!("{in_output}\n{encoded}\n\u{1b}[31m{in_output}\u{1b}[0m\n"),
    );
    let canaries = vec![
        ("file", in_file),
        ("environment", in_env),
        ("output", in_output),
        ("input", in_input),
        ("answer", in_answer),
        ("error", in_error),
        ("prompt", in_prompt),
        ("variable", in_variable),
    ];
    Planted { home, server, canaries }
}

impl Planted {
    fn canary(&self, place: &str) -> &str {
        &self.canaries.iter().find(|(name, _)| *name == place).unwrap().1
    }

    /// Looks through everything that left the process. What was planted stays where it was.
    fn search(&self, seen: &[(String, Vec<u8>)]) {
        let mut all: Vec<(String, Vec<u8>)> = seen.to_vec();
        for (index, request) in self.server.requests().into_iter().enumerate() {
            all.push((format!("request {index}"), request.body.into_bytes()));
        }
        let mut on_disk = Vec::new();
        files(&self.home.home(), &mut on_disk);
        assert!(
            on_disk.iter().any(|(name, _)| name.contains("audit")),
            "no audit log was looked at"
        );
        all.extend(on_disk);
        for (place, canary) in &self.canaries {
            for form in forms(canary) {
                for (name, bytes) in &all {
                    let at = bytes.windows(form.len()).position(|window| window == form);
                    assert!(
                        at.is_none(),
                        "the canary of the {place} is in {name}: {:?}",
                        String::from_utf8_lossy(
                            &bytes[at.unwrap().saturating_sub(60)..]
                                [..160.min(bytes.len() - at.unwrap().saturating_sub(60))]
                        )
                    );
                }
            }
        }
    }
}

#[test]
fn no_canary_leaves_a_run_or_reaches_the_disk() {
    for output in ["text", "json", "stream-json"] {
        let planted = plant();
        let prompt = format!("use {} for the upload", planted.canary("prompt"));
        let mut command =
            planted.home.ion(&["prompt", "--output", output, "--profile", "permissive", &prompt]);
        command.env("UPLOAD_SECRET", planted.canary("variable"));
        let run = command.output().unwrap();
        assert!(run.status.success(), "{}", stderr(&run));
        assert_eq!(planted.server.requests().len(), 6);
        let seen = [
            (format!("stdout of {output}"), run.stdout.clone()),
            (format!("stderr of {output}"), run.stderr.clone()),
        ];
        let masked = planted
            .server
            .requests()
            .iter()
            .filter(|request| request.body.contains("[secret:"))
            .count();
        assert!(masked >= 5, "placeholders reached the model in {masked} requests");
        planted.search(&seen);
    }
}

#[test]
fn no_canary_of_a_providers_error_is_shown_or_stored() {
    let planted = plant();
    let canary = planted.canary("error").to_owned();
    let server = Loopback::start(vec![Reply::json(
        400,
        &json!({"type": "error", "error": {"type": "invalid_request_error",
            "message": format!("the key {canary} is not allowed; Authorization: Bearer {canary}")}}),
    )]);
    let home = home_with("anthropic", "claude-sonnet-4-6", &server);
    let run = home.ion(&["prompt", "--output", "json", "hello"]).output().unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", stderr(&run));
    let planted = Planted { home, server, ..planted };
    planted.search(&[("stdout".to_owned(), run.stdout), ("stderr".to_owned(), run.stderr)]);
}

/// A run in which a model reads a file with a token and then makes one call with the placeholder.
fn written_back(call: (&str, serde_json::Value)) -> (Home, Loopback, String, std::process::Output) {
    let token = grow("ghp_", 11, 36);
    let server = Loopback::start(vec![
        Reply::sse(anthropic_tool_call("Read", &json!({"file_path": "settings.txt"}))),
        Reply::sse(anthropic_tool_call(call.0, &call.1)).chunks_of(7),
        Reply::sse(anthropic_text("Done.")),
    ]);
    let home = home_with("anthropic", "claude-sonnet-4-6", &server);
    home.write("work/settings.txt", &format!("A=1\r\nTOKEN={token}\nB=2"));
    home.write("work/other.txt", "TOKEN=none\n");
    std::os::unix::fs::symlink("settings.txt", home.work().join("link.txt")).unwrap();
    let args = ["prompt", "--output", "stream-json", "--profile", "permissive", "go on"];
    let run = home.ion(&args).output().unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    (home, server, token, run)
}

const MARK: &str = "[secret:github-token:1]";

fn is_nowhere(token: &str, home: &Home, server: &Loopback, run: &std::process::Output) {
    let mut seen =
        vec![("stdout".to_owned(), run.stdout.clone()), ("stderr".to_owned(), run.stderr.clone())];
    seen.extend(server.requests().into_iter().map(|r| ("request".to_owned(), r.body.into_bytes())));
    files(&home.home(), &mut seen);
    for form in forms(token) {
        for (name, bytes) in &seen {
            assert!(!bytes.windows(form.len()).any(|w| w == form), "the token is in {name}");
        }
    }
    assert!(seen.iter().any(|(name, bytes)| name.contains("audit") && !bytes.is_empty()));
}

fn read(home: &Home, name: &str) -> String {
    std::fs::read_to_string(home.work().join(name)).unwrap()
}

#[test]
fn a_model_changes_a_file_around_a_secret_that_it_never_sees() {
    let edit = json!({"file_path": "settings.txt", "old_string": format!("TOKEN={MARK}\nB=2"),
        "new_string": format!("TOKEN={MARK}\nB=3")});
    let whole = json!({"file_path": "settings.txt",
        "content": format!("A=1\r\nTOKEN={MARK}\nB=3")});
    let linked = json!({"file_path": "link.txt", "old_string": format!("{MARK}\nB=2"),
        "new_string": format!("{MARK}\nB=3")});
    for call in [("Edit", edit), ("Write", whole), ("Edit", linked)] {
        let (home, server, token, run) = written_back(call.clone());
        let expected = format!("A=1\r\nTOKEN={token}\nB=3");
        let last = &server.requests()[2].body;
        assert_eq!(read(&home, "settings.txt"), expected, "{call:?}: {last}");
        is_nowhere(&token, &home, &server, &run);
        let mut audit = Vec::new();
        files(&home.home(), &mut audit);
        let recorded = |(name, bytes): &(String, Vec<u8>)| {
            name.contains("audit") && String::from_utf8_lossy(bytes).contains(MARK)
        };
        assert!(audit.iter().any(recorded), "the record tells what was put back");
    }
}

#[test]
fn a_placeholder_carries_no_secret_to_where_it_was_not() {
    let into_other = json!({"file_path": "other.txt", "old_string": "TOKEN=none",
        "new_string": format!("TOKEN={MARK}")});
    let into_new = json!({"file_path": "new.txt", "content": format!("TOKEN={MARK}\n")});
    let invented = json!({"file_path": "settings.txt", "old_string": "B=2",
        "new_string": "B=[secret:github-token:7]"});
    for call in [("Edit", into_other), ("Write", into_new), ("Edit", invented)] {
        let (home, server, token, run) = written_back(call.clone());
        assert_eq!(read(&home, "other.txt"), "TOKEN=none\n");
        assert_eq!(read(&home, "settings.txt"), format!("A=1\r\nTOKEN={token}\nB=2"));
        assert!(!home.work().join("new.txt").exists());
        let last = &server.requests()[2].body;
        assert!(last.contains("cannot be put back"), "{call:?}: {last}");
        is_nowhere(&token, &home, &server, &run);
    }
    let command = json!({"command": format!("echo '{MARK}' > new.txt; cat new.txt")});
    let (home, server, token, run) = written_back(("Bash", command));
    assert_eq!(read(&home, "new.txt"), format!("{MARK}\n"));
    is_nowhere(&token, &home, &server, &run);
}

#[test]
fn a_link_to_a_file_without_the_value_gets_none() {
    let call = json!({"file_path": "away.txt", "content": format!("TOKEN={MARK}\n")});
    let token = grow("ghp_", 12, 36);
    let server = Loopback::start(vec![
        Reply::sse(anthropic_tool_call(
            "Bash",
            &json!({"command": "cat settings.txt; ln -sf other.txt away.txt"}),
        )),
        Reply::sse(anthropic_tool_call("Write", &call)),
        Reply::sse(anthropic_text("Done.")),
    ]);
    let home = home_with("anthropic", "claude-sonnet-4-6", &server);
    home.write("work/settings.txt", &format!("TOKEN={token}\n"));
    home.write("work/away.txt", &format!("TOKEN={token}\n"));
    home.write("work/other.txt", "nothing\n");
    let run = home.ion(&["prompt", "--profile", "permissive", "go on"]).output().unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(read(&home, "other.txt"), "nothing\n");
    is_nowhere(&token, &home, &server, &run);
}
