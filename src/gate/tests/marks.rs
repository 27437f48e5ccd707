//! Untrusted content: which calls mark the conversation, and that the marks reach policy.

use super::*;

fn call(tool: &str, input: Value) -> ToolCall {
    let Value::Object(input) = input else { unreachable!() };
    ToolCall { id: CallId::new("c"), name: ToolName::resolve(tool), input }
}

fn marks(tool: &str, input: Value) -> Vec<String> {
    let home = Some(AbsPath::new("/home/dev").unwrap());
    let trusted = BTreeSet::from(["docs".to_owned()]);
    let parts = GateParts { home, trusted_servers: trusted, ..parts(&Arc::new(Log::default())) };
    let gate = Gate::new(parts);
    gate.recall([call(tool, input)], &w());
    gate.untrusted()
}

#[test]
fn what_comes_from_outside_the_users_hands_is_marked_with_its_source() {
    for (tool, input, source) in [
        ("WebFetch", json!({"url": "https://Example.org/x"}), "web example.org"),
        ("WebSearch", json!({"query": "x"}), "web (WebSearch)"),
        ("mcp__tickets__read", json!({}), "mcp tickets"),
        ("Read", json!({"file_path": "/home/other/notes"}), "file /home/other/notes"),
        ("Read", json!({"file_path": "../sibling/README"}), "file /sibling/README"),
        ("Grep", json!({"pattern": "x", "path": "/tmp/drop"}), "file /tmp/drop"),
        ("Glob", json!({"pattern": "/srv/share/*"}), "file /srv/share"),
        ("Bash", json!({"command": "cd src && cat /tmp/x | wc -l"}), "file /tmp/x"),
        ("Bash", json!({"command": "cat < ~/mail/inbox"}), "file /home/dev/mail/inbox"),
        ("Bash", json!({"command": "bash -c 'cat /var/spool/q'"}), "file /var/spool/q"),
        ("Bash", json!({"command": "cat /dev/shm/x"}), "file /dev/shm/x"),
        ("Bash", json!({"command": "cat /tmp/*.log"}), "file /tmp/…"),
    ] {
        let found = marks(tool, input.clone());
        assert!(found.iter().any(|mark| mark == source), "{tool} {input}: {found:?}");
    }
}

#[test]
fn a_command_that_contacts_a_host_marks_it() {
    let gate = Gate::new(parts(&Arc::new(Log::default())));
    let mut proposed = gate.understand(bash("fetch it"), &w());
    let unit = &mut proposed.facts.command.as_mut().unwrap().units[0];
    unit.hosts = vec!["example.org:443".to_owned()];
    unit.unknown_host = true;
    unit.sockets = vec!["10.0.0.1:80".to_owned()];
    let found = untrusted::sources_of(&proposed, &BTreeSet::new());
    let unknown = "web (host of `fetch` known when it runs)";
    assert_eq!(found, ["web example.org:443", "web 10.0.0.1:80", unknown]);
}

#[test]
fn the_workspace_the_system_and_a_trusted_server_are_not_marked() {
    for (tool, input) in [
        ("Read", json!({"file_path": "src/main.rs"})),
        ("Read", json!({"file_path": "/usr/share/doc/x"})),
        ("Read", json!({"file_path": "/etc/hosts"})),
        ("Write", json!({"file_path": "/tmp/out", "content": ""})),
        ("mcp__docs__read", json!({})),
        ("Bash", json!({"command": "cargo test 2>/dev/null | tail -5"})),
        ("Bash", json!({"command": "cat *.rs; grep -r x src; /usr/bin/env ls"})),
        ("Bash", json!({"command": "echo hi > /tmp/out"})),
    ] {
        let found = marks(tool, input.clone());
        assert!(found.is_empty(), "{tool} {input}: {found:?}");
    }
}

#[test]
fn a_permitted_call_marks_and_a_refused_one_does_not() {
    let log = Arc::new(Log::default());
    let gate = Gate::new(parts(&log));
    refused(&gate, "grob < /tmp/x");
    assert!(gate.untrusted().is_empty());
    let mut open = layer(Tier::User, vec![]);
    open.mode = Some(Located::new(Decision::Allow, source()));
    let gate = Gate::new(GateParts { rules: rules(&[open]), ..parts(&log) });
    drop(allowed(&gate, "cat /tmp/x"));
    assert_eq!(gate.untrusted(), ["file /tmp/x"]);
    let before = log.last();
    assert_eq!(before["untrusted"], json!([]), "the call itself was judged without it");
    drop(allowed(&gate, "frob"));
    assert_eq!(log.last()["untrusted"], json!(["file /tmp/x"]));
    let child = gate.child("a", some_rules(), None);
    assert_eq!(child.untrusted(), gate.untrusted(), "what one agent reads reaches the others");
}

#[test]
fn marks_are_bounded_and_say_that_there_were_more() {
    let gate = Gate::new(parts(&Arc::new(Log::default())));
    for n in 0..200 {
        gate.recall([call("Read", json!({"file_path": format!("/tmp/{n}")}))], &w());
    }
    let marks = gate.untrusted();
    assert_eq!((marks.len(), marks.last().unwrap().as_str()), (65, "and more"));
}
