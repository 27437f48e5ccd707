//! Records, permits, refusals: what holds for every call, whoever is there.

use super::*;

#[test]
fn an_allowed_call_is_on_record_before_its_permit_exists() {
    let log = Arc::new(Log::default());
    let permit = allowed(&Gate::new(parts(&log)), "frob x");
    assert_eq!(log.kinds(), [(Kind::Decision, Some(Decision::Allow))]);
    assert_eq!(permit.seq(), Seq(1));
    let terms = permit.redeem().unwrap();
    assert_eq!(log.last()["digest"], json!(terms.digest));
    assert_eq!(log.last()["rule"]["source"], "u.toml:3");
    assert_eq!(terms.confinement.requirement, Requirement::Rules);
}

#[test]
fn when_the_audit_disk_is_full_the_tool_does_not_run() {
    let log = Arc::new(Log { full: true, ..Log::default() });
    let gate = Gate::new(parts(&log));
    for command in ["frob x", "grob x"] {
        let refusal = refused(&gate, command);
        assert_eq!((refusal.decided_by, refusal.audit_seq), (DecidedBy::Audit, None));
    }
}

#[test]
fn while_a_required_sink_lacks_records_nothing_runs_and_nobody_is_asked() {
    let behind = Some("audit sink `siem` lacks 12 records".to_owned());
    let log = Arc::new(Log { behind, ..Log::default() });
    let ada = person("terminal", Answers::With(Choice::Allow(Scope::Once)));
    let advisers = with(vec![], None, vec![ada.clone()]);
    let gate = Gate::new(GateParts { advisers, ..parts(&log) });
    for command in ["frob x", "hrob x"] {
        let refusal = refused(&gate, command);
        assert_eq!(refusal.decided_by, DecidedBy::Audit);
        assert!(refusal.reason.as_str().contains("`siem` lacks 12"), "{:?}", refusal.reason);
        assert!(refusal.audit_seq.is_some(), "the refusal is a record");
        assert!(refusal_text(&refusal).contains("could not be forwarded"));
        let word = gate.guard(&foreign(command.split(' ').next().unwrap()));
        assert_eq!(word.decision, Decision::Deny, "nor does another agent's call");
    }
    assert!(ada.seen.lock().unwrap().is_empty());
    // What policy refuses stays refused by policy.
    assert_eq!(refused(&gate, "grob x").decided_by, DecidedBy::Rule);
}

#[test]
fn a_machine_that_cannot_confine_refuses_and_asks_nobody() {
    let log = Arc::new(Log::default());
    let ada = person("terminal", Answers::With(Choice::Allow(Scope::Once)));
    let advisers = with(vec![], None, vec![ada.clone()]);
    let gate = Gate::new(GateParts { confiner: Arc::new(Machine(false)), advisers, ..parts(&log) });
    for command in ["frob x", "hrob x"] {
        assert_eq!(refused(&gate, command).decided_by, DecidedBy::Sandbox);
        assert_eq!(log.kinds().last(), Some(&(Kind::Decision, Some(Decision::Deny))));
    }
    assert!(ada.seen.lock().unwrap().is_empty());
}

#[test]
fn a_refusal_answers_what_which_whose_why_and_what_next() {
    let gate = Gate::new(parts(&Arc::new(Log::default())));
    let text = refusal_text(&refused(&gate, "frob; grob \u{1b}[2J"));
    // The escape character makes the line deceptive, which denies as well.
    assert!(
        text.starts_with("Permission denied: `grob` is refused by rule `test.grob`\n"),
        "{text}"
    );
    for part in [
        "because   because",
        "user policy (u.toml:3)",
        "instead   do something else",
        "ion policy explain --record 1",
        "part      2",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn a_withdrawn_tool_an_unknown_one_and_a_wrong_type_are_refused() {
    let log = Arc::new(Log::default());
    let mut withdrawn = parts(&log);
    withdrawn.restrictions.deny = vec![Located::new("exec_command".to_owned(), source())];
    assert_eq!(refused(&Gate::new(withdrawn), "frob x").decided_by, DecidedBy::Tool);
    let unknown = GateParts { effects: BTreeMap::new(), ..parts(&log) };
    assert_eq!(refused(&Gate::new(unknown), "frob x").decided_by, DecidedBy::Tool);
    let gate = Gate::new(parts(&log));
    let mut call = bash("frob");
    call.input.insert("command".to_owned(), json!(["frob"]));
    let cancel = CancellationToken::new();
    let inquiry = Inquiry { user_request: &[], cancel: &cancel, notify: &|_| {} };
    let Verdict::Deny(refusal) = wait(gate.decide(call, &w(), &inquiry)) else { panic!("allowed") };
    assert_eq!(refusal.decided_by, DecidedBy::Malformed);
    let refusal = gate.spoilt(CallId::new("c"), ToolName::resolve("Bash"), "cut off", &w());
    assert_eq!((refusal.decided_by, refusal.retryable), (DecidedBy::Malformed, true));
}

#[test]
fn a_word_for_another_agent_is_recorded_and_permits_nothing() {
    let log = Arc::new(Log::default());
    let ada = person("terminal", Answers::With(Choice::Allow(Scope::Once)));
    let advisers = with(vec![], None, vec![ada.clone()]);
    let gate = Gate::new(GateParts { advisers, ..parts(&log) });
    for (command, decision) in
        [("frob", Decision::Allow), ("hrob", Decision::Ask), ("grob", Decision::Deny)]
    {
        assert_eq!(gate.guard(&foreign(command)).decision, decision, "{command}");
        assert_eq!(log.kinds().last(), Some(&(Kind::Decision, Some(decision))));
        assert_eq!(log.last()["confinement"], "guarded");
    }
    assert!(ada.seen.lock().unwrap().is_empty(), "the other agent asks its own user");
    let full = Arc::new(Log { full: true, ..Log::default() });
    let word = Gate::new(parts(&full)).guard(&foreign("frob"));
    assert_eq!((word.decision, word.seq), (Decision::Deny, None));
}
