//! The gate as a whole: a made-up log, a made-up machine, real rules.

use super::*;
use crate::audit::AuditError;
use crate::config::effective::AllowList;
use crate::config::origin::Located;
use crate::config::schema::permissions::{PermissionLayer, RuleSpec};
use crate::gate::refusal_text;
use crate::model::{CallId, Source, Tier};
use crate::policy::{Anchors, compile};
use std::sync::Mutex;

#[derive(Default)]
struct Log {
    drafts: Mutex<Vec<Draft>>,
    full: bool,
}

impl Recorder for Log {
    fn append(&self, draft: &Draft) -> Result<Seq, AuditError> {
        if self.full {
            return Err(AuditError { message: "no space left on device".to_owned() });
        }
        let mut drafts = self.drafts.lock().unwrap();
        drafts.push(draft.clone());
        Ok(Seq(drafts.len() as u64))
    }
}

struct Machine(bool);

impl Confiner for Machine {
    fn can_hold(&self, _: &Confinement) -> Result<String, String> {
        if self.0 { Ok("bwrap".to_owned()) } else { Err("no user namespaces".to_owned()) }
    }
}

fn source() -> Source {
    Source::new(Tier::User, "u.toml").at(3)
}

fn rule(command: &str, decision: Decision) -> Located<RuleSpec> {
    let spec = RuleSpec {
        id: Some(format!("test.{command}")),
        tool: "Bash".to_owned(),
        decision,
        command_patterns: Some(vec![format!("{command}*")]),
        path_patterns: None,
        reason: Some("because".to_owned()),
        hint: Some("do something else".to_owned()),
        overrides: vec![],
        matches: vec![],
        rejects: vec![],
    };
    Located::new(spec, source())
}

fn gate(log: Arc<Log>, confines: bool, deny_tools: &[&str]) -> Gate {
    let workspace = AbsPath::new("/w").unwrap();
    let layer = PermissionLayer {
        tier: Tier::User,
        tighten_only: false,
        mode: Some(Located::new(Decision::Ask, source())),
        rules: vec![rule("frob", Decision::Allow), rule("grob", Decision::Deny)],
        dangerous_patterns: vec![],
        read_only_paths: vec![],
    };
    let anchors = Anchors { workspace: workspace.clone(), home: None };
    Gate::new(GateParts {
        rules: Arc::new(compile(&[layer], anchors).unwrap()),
        sandbox: SandboxSettings {
            requirement: Located::new(Requirement::Rules, source()),
            backend: None,
            network: Located::new(false, source()),
            read: vec![],
            write: vec![],
            workspace_writable: true,
            protect: vec![],
            hide: vec![],
            processes: None,
            file_size: None,
        },
        limits: CallLimits::default(),
        audit: log,
        redactor: Arc::new(Redactor::new(true, vec![])),
        confiner: Arc::new(Machine(confines)),
        session: None,
        agent: "main".to_owned(),
        policy_digest: "d".to_owned(),
        restrictions: ToolRestrictions {
            allow: Located::new(AllowList::Any, source()),
            deny: deny_tools
                .iter()
                .map(|tool| Located::new((*tool).to_owned(), source()))
                .collect(),
        },
        effects: BTreeMap::from([(ToolName::resolve("Bash"), Effects::EXECUTES)]),
        workspace,
        home: None,
        circumstances: Default::default(),
        advisers: Advisers::default(),
    })
}

fn bash(command: &str) -> ToolCall {
    let Value::Object(input) = json!({ "command": command }) else { unreachable!() };
    ToolCall { id: CallId::new("toolu_1"), name: ToolName::resolve("Bash"), input }
}

fn judge(gate: &Gate, command: &str) -> Verdict {
    gate.judge(bash(command), &AbsPath::new("/w").unwrap())
}

#[test]
fn an_allowed_call_is_on_record_before_its_permit_exists() {
    let log = Arc::new(Log::default());
    let gate = gate(log.clone(), true, &[]);
    let Verdict::Allow(permit) = judge(&gate, "frob x") else { panic!("not allowed") };
    let drafts = log.drafts.lock().unwrap();
    assert_eq!((drafts.len(), drafts[0].decision), (1, Some(Decision::Allow)));
    assert_eq!(permit.seq(), Seq(1));
    let terms = permit.redeem().unwrap();
    assert_eq!(drafts[0].body.get()["digest"], json!(terms.digest));
    assert_eq!(drafts[0].body.get()["rule"]["source"], "u.toml:3");
    assert_eq!(terms.confinement.requirement, Requirement::Rules);
}

#[test]
fn when_the_audit_disk_is_full_the_tool_does_not_run() {
    let gate = gate(Arc::new(Log { full: true, ..Log::default() }), true, &[]);
    for command in ["frob x", "grob x"] {
        let Verdict::Deny(refusal) = judge(&gate, command) else { panic!("not denied") };
        assert_eq!((refusal.decided_by, refusal.audit_seq), (DecidedBy::Audit, None));
    }
}

#[test]
fn a_machine_that_cannot_confine_refuses() {
    let log = Arc::new(Log::default());
    let Verdict::Deny(refusal) = judge(&gate(log.clone(), false, &[]), "frob x") else {
        panic!("not denied")
    };
    assert_eq!(refusal.decided_by, DecidedBy::Sandbox);
    assert_eq!(log.drafts.lock().unwrap()[0].decision, Some(Decision::Deny));
}

#[test]
fn a_question_that_nobody_answers_is_a_recorded_denial() {
    let log = Arc::new(Log::default());
    let gate = gate(log.clone(), true, &[]);
    let Verdict::Ask(question) = judge(&gate, "hrob x") else { panic!("not asked") };
    assert!(log.drafts.lock().unwrap().is_empty());
    let refusal = question.unanswered(&gate);
    assert_eq!((refusal.decision, refusal.decided_by), (Decision::Deny, DecidedBy::HeadlessAsk));
    assert!(refusal.ask_resolved.is_some());
    assert_eq!(log.drafts.lock().unwrap()[0].decision, Some(Decision::Deny));
}

#[test]
fn a_refusal_answers_what_which_whose_why_and_what_next() {
    let gate = gate(Arc::new(Log::default()), true, &[]);
    let Verdict::Deny(refusal) = judge(&gate, "frob; grob \u{1b}[2J") else { panic!("not denied") };
    let text = refusal_text(&refusal);
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
fn a_withdrawn_tool_and_a_wrong_type_are_refused() {
    let withdrawn = gate(Arc::new(Log::default()), true, &["exec_command"]);
    let Verdict::Deny(refusal) = judge(&withdrawn, "frob x") else { panic!("not denied") };
    assert_eq!(refusal.decided_by, DecidedBy::Tool);
    let gate = gate(Arc::new(Log::default()), true, &[]);
    let mut call = bash("frob");
    call.input.insert("command".to_owned(), json!(["frob"]));
    let Verdict::Deny(refusal) = gate.judge(call, &AbsPath::new("/w").unwrap()) else {
        panic!("not denied")
    };
    assert_eq!(refusal.decided_by, DecidedBy::Malformed);
}
