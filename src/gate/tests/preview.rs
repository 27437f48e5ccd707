//! Seeing first what a call does: what runs, what is shown, what an answer is good for.

use super::*;
use crate::policy::NetworkAccess;
use crate::redact::Raw;

/// A machine that runs trials, and remembers under what and what it was told to forget.
#[derive(Default)]
struct Copies {
    tried: Mutex<Vec<(Terms, QuestionId)>>,
    forgotten: Mutex<Vec<QuestionId>>,
    fails: bool,
    unfit: Option<String>,
}

impl Confiner for Copies {
    fn can_hold(&self, _: &Confinement) -> Result<String, String> {
        Ok("bwrap".to_owned())
    }

    fn can_try(&self, _: &Confinement) -> Result<String, String> {
        Ok("userns".to_owned())
    }

    fn try_out<'a>(
        &'a self,
        trial: Trial,
        _: CancellationToken,
    ) -> BoxFuture<'a, Result<Seen, String>> {
        self.tried.lock().unwrap().push(trial.redeem().unwrap());
        Box::pin(async {
            if self.fails {
                return Err("no overlay here".to_owned());
            }
            Ok(Seen {
                digest: "c0ffee".to_owned(),
                exit_code: Some(0),
                counts: (1, 2, 3),
                changes: Raw::new("A x".to_owned()),
                output: Raw::new("done".to_owned()),
                refused: vec!["connect to example.org".to_owned()],
                unfit: self.unfit.clone(),
            })
        })
    }

    fn forget(&self, question: &QuestionId) {
        self.forgotten.lock().unwrap().push(question.clone());
    }
}

struct Stage {
    log: Arc<Log>,
    machine: Arc<Copies>,
    ada: Arc<Person>,
    gate: Gate,
}

fn stage(machine: Copies, answers: &[Choice], preview: bool) -> Stage {
    let (log, machine) = (Arc::new(Log::default()), Arc::new(machine));
    let ada = person("terminal", Answers::InTurn(Arc::new(Mutex::new(answers.to_vec()))));
    let advisers = Advisers { preview, ..with(vec![], None, vec![ada.clone()]) };
    let confiner = Arc::clone(&machine) as Arc<dyn Confiner>;
    let gate = Gate::new(GateParts { advisers, confiner, ..parts(&log) });
    Stage { log, machine, ada, gate }
}

const ONCE: Choice = Choice::Allow(Scope::Once);

#[test]
fn what_is_approved_after_a_preview_is_exactly_what_it_showed() {
    let stage = stage(Copies::default(), &[Choice::Preview, Choice::Apply], true);
    let terms = allowed(&stage.gate, "hrob --all").redeem().unwrap();
    let seen = stage.ada.seen.lock().unwrap();
    let tried = stage.machine.tried.lock().unwrap();
    let (held, question) = &tried[0];
    // Held on a copy: nothing of the host is written, nothing outside is reached.
    assert_eq!(held.confinement.network, NetworkAccess::None);
    assert_eq!(held.confinement.backend.as_deref(), Some("userns"));
    assert!(held.confinement.write.is_empty() && held.applies.is_none());
    assert_eq!(held.call.text("command"), Some("hrob --all"));
    assert_eq!(terms.confinement, held.confinement);
    let applies = terms.applies.expect("changes");
    assert_eq!((&applies.question, applies.digest.as_str()), (question, "c0ffee"));
    // Asked twice: first without, then with what it did.
    assert_eq!(seen.len(), 2);
    assert!(seen[0].can_preview && seen[0].preview.is_none() && !seen[0].may_be_applied());
    assert!(!seen[1].can_preview && seen[1].may_be_applied());
    assert_ne!(seen[0].id, seen[1].id);
    assert_eq!(seen[1].preview.as_ref().unwrap().removed, 3);
    // Kept for the sandbox.
    assert!(stage.machine.forgotten.lock().unwrap().is_empty());
    let kinds: Vec<Kind> = stage.log.kinds().iter().map(|(kind, _)| *kind).collect();
    let (asked, answered) = (Kind::Asked, Kind::Answered);
    assert_eq!(kinds, [asked, answered, Kind::Preview, asked, answered, Kind::Decision]);
    let drafts = stage.log.drafts.lock().unwrap();
    assert_eq!(drafts[1].body.get()["outcome"], "previewed");
    assert_eq!(drafts[1].body.get()["granted"], json!(null));
    assert_eq!(drafts[2].body.get()["question"], json!(question));
    assert_eq!(drafts[3].body.get()["preview"]["digest"], "c0ffee");
    assert_eq!(drafts[5].body.get()["confinement"]["applies"], "c0ffee");
    assert_eq!(drafts[5].body.get()["person"]["choice"], "apply");
}

#[test]
fn every_other_end_throws_away_what_it_did() {
    for (last, runs) in [(ONCE, true), (Choice::Deny, false), (Choice::Never, false)] {
        let stage = stage(Copies::default(), &[Choice::Preview, last], true);
        if runs {
            let terms = allowed(&stage.gate, "hrob").redeem().unwrap();
            assert!(terms.applies.is_none(), "it runs for good");
            assert_ne!(terms.confinement.backend.as_deref(), Some("userns"));
        } else {
            assert_eq!(refused(&stage.gate, "hrob").decided_by, DecidedBy::Person);
        }
        let question = stage.machine.tried.lock().unwrap()[0].1.clone();
        assert_eq!(*stage.machine.forgotten.lock().unwrap(), [question], "{last:?}");
    }
    // Silence after it.
    let stage = stage(Copies::default(), &[Choice::Preview], true);
    assert_eq!(refused(&stage.gate, "hrob").decided_by, DecidedBy::Expired);
    assert_eq!(stage.machine.forgotten.lock().unwrap().len(), 1);
}

#[test]
fn an_answer_that_was_not_offered_is_a_no_and_nothing_is_tried() {
    let unfit =
        || Copies { unfit: Some("it would change .git/hooks".to_owned()), ..Copies::default() };
    let fails = || Copies { fails: true, ..Copies::default() };
    for (machine, answers, preview, tried) in [
        (Copies::default(), vec![Choice::Apply], true, 0),
        (Copies::default(), vec![Choice::Preview], false, 0),
        (Copies::default(), vec![Choice::Preview, Choice::Preview, ONCE], true, 1),
        (unfit(), vec![Choice::Preview, Choice::Apply], true, 1),
        (fails(), vec![Choice::Preview, Choice::Apply], true, 1),
    ] {
        let stage = stage(machine, &answers, preview);
        let refusal = refused(&stage.gate, "hrob");
        assert_eq!(refusal.decided_by, DecidedBy::Person, "{answers:?}");
        assert!(refusal.reason.as_str().contains("does not offer"), "{}", refusal.reason);
        assert_eq!(stage.machine.tried.lock().unwrap().len(), tried, "{answers:?}");
        let drafts = stage.log.drafts.lock().unwrap();
        let last = drafts.iter().rev().find(|draft| draft.kind == Kind::Answered).unwrap();
        assert_eq!(last.body.get()["outcome"], "denied", "{answers:?}");
    }
}

#[test]
fn nothing_is_tried_that_is_not_on_record_first() {
    let log = Arc::new(Log { fails_at: Some(Kind::Preview), ..Log::default() });
    let machine = Arc::new(Copies::default());
    let answers = Answers::InTurn(Arc::new(Mutex::new(vec![Choice::Preview, Choice::Deny])));
    let ada = person("terminal", answers);
    let confiner = Arc::clone(&machine) as Arc<dyn Confiner>;
    let advisers = with(vec![], None, vec![ada.clone()]);
    let gate = Gate::new(GateParts { advisers, confiner, ..parts(&log) });
    let _ = refused(&gate, "hrob");
    assert!(machine.tried.lock().unwrap().is_empty());
    let seen = ada.seen.lock().unwrap();
    let unfit = seen[1].preview.as_ref().unwrap().unfit.as_ref().unwrap();
    assert!(unfit.as_str().contains("audit log"), "{unfit}");
}

#[test]
fn a_file_tool_has_no_preview() {
    let stage = stage(Copies::default(), &[Choice::Preview], true);
    let Value::Object(input) = json!({"file_path": "/x/y", "content": "z"}) else { unreachable!() };
    let call = ToolCall { id: CallId::new("t"), name: ToolName::resolve("Write"), input };
    let cancel = CancellationToken::new();
    let cwd = parts(&stage.log).workspace;
    let inquiry = Inquiry { user_request: &[], cancel: &cancel, notify: &|_| {} };
    let _ = wait(stage.gate.decide(call, &cwd, &inquiry));
    assert!(stage.ada.seen.lock().unwrap().iter().all(|asked| !asked.can_preview));
    assert!(stage.machine.tried.lock().unwrap().is_empty());
}
