//! People: who is asked, whose answer counts, how far it reaches.

use super::*;
use futures_util::future::join_all;
use std::num::NonZeroU32;

fn gate(log: &Arc<Log>, people: Vec<Arc<Person>>) -> Gate {
    Gate::new(GateParts { advisers: with(vec![], None, people), ..parts(log) })
}

fn yes(scope: Scope) -> Answers {
    Answers::With(Choice::Allow(scope))
}

#[test]
fn x4_an_ask_never_runs_without_an_answer() {
    let log = Arc::new(Log::default());
    for people in [
        vec![],
        vec![person("a", Answers::Not), person("b", Answers::Not)],
        vec![person("a", Answers::Crashes)],
        vec![person("a", Answers::With(Choice::Deny))],
    ] {
        let refusal = refused(&gate(&log, people), "hrob");
        assert_eq!(refusal.decision, Decision::Deny);
        assert_eq!(log.kinds().last(), Some(&(Kind::Decision, Some(Decision::Deny))));
    }
}

#[test]
fn x5_no_listener_means_no_and_says_two_ways_out() {
    let log = Arc::new(Log::default());
    let mut away = person("client", yes(Scope::Once));
    Arc::get_mut(&mut away).unwrap().there = false;
    let refusal = refused(&gate(&log, vec![away.clone()]), "hrob");
    assert_eq!(refusal.decided_by, DecidedBy::HeadlessAsk);
    let resolved = refusal.ask_resolved.unwrap();
    for part in ["no terminal and no client", "allow rule", "a person can answer"] {
        assert!(resolved.as_str().contains(part), "{part} in {resolved}");
    }
    assert!(away.seen.lock().unwrap().is_empty());
}

#[test]
fn a_question_is_on_record_before_anybody_sees_it_and_its_answer_before_it_counts() {
    let log = Arc::new(Log::default());
    let ada = person("terminal", yes(Scope::Once));
    drop(allowed(&gate(&log, vec![ada.clone()]), "hrob --all"));
    let ask = (Kind::Asked, Some(Decision::Ask));
    assert_eq!(log.kinds(), [ask, (Kind::Answered, None), (Kind::Decision, Some(Decision::Allow))]);
    let asked = ada.seen.lock().unwrap()[0].clone();
    assert_eq!(asked.subject.as_str(), "hrob --all");
    let drafts = log.drafts.lock().unwrap();
    assert_eq!(drafts[0].body.get()["question"], json!(asked.id));
    assert_eq!(drafts[0].body.get()["digest"], drafts[2].body.get()["digest"]);
    assert_eq!(drafts[1].body.get()["outcome"], "allowed");
    let person = &drafts[2].body.get()["person"];
    assert_eq!(person["by"], "ada");
    assert_eq!(person["via"], "terminal");
    assert_eq!(person["granted"], "once");
    assert!(person["waited_ms"].is_u64());
    assert_eq!(drafts[2].body.get()["decided_by"], "person");
}

#[test]
fn a_question_or_an_answer_that_cannot_be_recorded_is_a_no() {
    for (kind, seen) in [(Kind::Asked, 0), (Kind::Answered, 1), (Kind::Decision, 1)] {
        let log = Arc::new(Log { fails_at: Some(kind), ..Log::default() });
        let ada = person("terminal", yes(Scope::Session));
        let gate = gate(&log, vec![ada.clone()]);
        assert_eq!(refused(&gate, "hrob").decided_by, DecidedBy::Audit);
        assert_eq!(ada.seen.lock().unwrap().len(), seen, "{kind:?}");
    }
}

#[test]
fn the_first_answer_wins_and_the_others_are_taken_away() {
    let log = Arc::new(Log::default());
    let slow = person("webhook", Answers::Waits);
    let broken = person("client", Answers::Crashes);
    let ada = person("terminal", yes(Scope::Once));
    let gate = gate(&log, vec![slow.clone(), broken, ada]);
    drop(allowed(&gate, "hrob"));
    assert_eq!(slow.cancelled.load(Ordering::SeqCst), 1);
}

#[test]
fn of_two_answers_at_the_same_moment_the_no_counts() {
    for turned in [false, true] {
        let log = Arc::new(Log::default());
        let mut people =
            vec![person("a", yes(Scope::Session)), person("b", Answers::With(Choice::Deny))];
        if turned {
            people.reverse();
        }
        assert_eq!(refused(&gate(&log, people), "hrob").decided_by, DecidedBy::Person);
    }
}

#[test]
fn a_question_that_nobody_answers_expires_into_a_no() {
    let log = Arc::new(Log::default());
    let mut advisers = with(vec![], None, vec![person("a", Answers::Waits)]);
    advisers.patience = Duration::from_millis(20);
    let gate = Gate::new(GateParts { advisers, ..parts(&log) });
    let refusal = refused(&gate, "hrob");
    assert_eq!((refusal.decided_by, refusal.retryable), (DecidedBy::Expired, true));
    assert!(refusal.ask_resolved.unwrap().as_str().contains("nobody answered within"));
    assert_eq!(log.drafts.lock().unwrap()[1].body.get()["outcome"], "expired");
}

#[test]
fn an_answer_after_the_end_that_was_shown_is_void() {
    /// A person whose answer comes when the machine has slept for an hour.
    struct Late(Arc<Watch>);
    impl Approver for Late {
        fn name(&self) -> &str {
            "late"
        }
        fn is_there(&self) -> bool {
            true
        }
        fn ask<'a>(&'a self, _: &'a Arc<Asked>, _: CancellationToken) -> BoxFuture<'a, Reply> {
            self.0.wall.store(3600, Ordering::SeqCst);
            let choice = Some(Choice::Allow(Scope::Once));
            Box::pin(async move { Reply { choice, by: "ada".to_owned(), reason: None } })
        }
    }
    let (log, clock) = (Arc::new(Log::default()), Arc::new(Watch::default()));
    let mut advisers = with(vec![], None, vec![]);
    advisers.approvers.push(Arc::new(Late(clock.clone())));
    let gate = Gate::new(GateParts { advisers, clock, ..parts(&log) });
    assert_eq!(refused(&gate, "hrob").decided_by, DecidedBy::Expired);
}

#[test]
fn a_yes_for_the_session_serves_the_same_call_and_no_edited_one() {
    let log = Arc::new(Log::default());
    let ada = person("terminal", yes(Scope::Session));
    let gate = gate(&log, vec![ada.clone()]);
    for (command, questions) in
        [("hrob a", 1), ("hrob a", 1), ("hrob a ", 2), ("hrob b", 3), ("hrob a", 3)]
    {
        drop(allowed(&gate, command));
        assert_eq!(ada.seen.lock().unwrap().len(), questions, "{command:?}");
    }
    let grant = &log.last()["grant"];
    assert_eq!((&grant["by"], &grant["scope"]), (&json!("ada"), &json!("session")));
    let elsewhere = AbsPath::new("/v").unwrap();
    let cancel = CancellationToken::new();
    let inquiry = Inquiry { user_request: &[], cancel: &cancel, notify: &|_| {} };
    drop(wait(gate.decide(bash("hrob a"), &elsewhere, &inquiry)));
    assert_eq!(ada.seen.lock().unwrap().len(), 4, "another folder is another call");
}

#[test]
fn no_yes_is_remembered_where_the_sealed_tier_asks() {
    let log = Arc::new(Log::default());
    let ada = person("terminal", yes(Scope::Session));
    let rules = rules(&[
        layer(Tier::User, vec![]),
        layer(Tier::Enterprise, vec![rule("hrob", Decision::Ask)]),
    ]);
    let advisers = with(vec![], None, vec![ada.clone()]);
    let gate = Gate::new(GateParts { rules, advisers, ..parts(&log) });
    for questions in [1, 2] {
        drop(allowed(&gate, "hrob"));
        let seen = ada.seen.lock().unwrap();
        assert_eq!(seen.len(), questions);
        assert_eq!(seen[0].offers, Offers::OnlyOnce);
        assert!(seen[0].choices().iter().all(|(choice, _)| {
            !matches!(choice, Choice::Allow(scope) if *scope != Scope::Once)
        }));
    }
    assert_eq!(log.last()["person"]["choice"], "allow_always");
    assert_eq!(log.last()["person"]["granted"], "once");
}

#[test]
fn a_no_for_the_session_is_not_asked_again() {
    let log = Arc::new(Log::default());
    let ada = person("terminal", Answers::With(Choice::Never));
    let gate = gate(&log, vec![ada.clone()]);
    for _ in 0..2 {
        assert_eq!(refused(&gate, "hrob").decided_by, DecidedBy::Person);
    }
    assert_eq!(ada.seen.lock().unwrap().len(), 1);
    assert!(log.last()["reason"].as_str().unwrap().starts_with("ada refused exactly this call"));
}

#[test]
fn calls_side_by_side_use_a_counted_yes_as_often_as_it_says() {
    let log = Arc::new(Log::default());
    let ada = person("terminal", yes(Scope::Times(NonZeroU32::new(3).unwrap())));
    let gate = gate(&log, vec![ada.clone()]);
    let verdicts = wait(join_all((0..7).map(|_| decided(&gate, "hrob"))));
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Allow(_))));
    // 7 calls by threes: three questions.
    assert_eq!(ada.seen.lock().unwrap().len(), 3);
}

#[test]
fn questions_are_put_one_at_a_time_and_other_calls_go_on() {
    /// Answers when the test says so, and counts how many questions are open at once.
    struct Slow {
        open: AtomicU64,
        most: AtomicU64,
        go: tokio::sync::Semaphore,
    }
    impl Approver for Slow {
        fn name(&self) -> &str {
            "slow"
        }
        fn is_there(&self) -> bool {
            true
        }
        fn ask<'a>(&'a self, _: &'a Arc<Asked>, _: CancellationToken) -> BoxFuture<'a, Reply> {
            Box::pin(async {
                let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
                self.most.fetch_max(open, Ordering::SeqCst);
                self.go.acquire().await.unwrap().forget();
                self.open.fetch_sub(1, Ordering::SeqCst);
                let choice = Some(Choice::Allow(Scope::Once));
                Reply { choice, by: "ada".to_owned(), reason: None }
            })
        }
    }
    let log = Arc::new(Log::default());
    let slow = Arc::new(Slow {
        open: AtomicU64::new(0),
        most: AtomicU64::new(0),
        go: tokio::sync::Semaphore::new(0),
    });
    let mut advisers = with(vec![], None, vec![]);
    advisers.approvers.push(slow.clone());
    let gate = Gate::new(GateParts { advisers, ..parts(&log) });
    wait(async {
        let asking = join_all(["hrob 1", "hrob 2", "hrob 3"].map(|call| decided(&gate, call)));
        let other = async {
            while slow.open.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            let verdict = decided(&gate, "frob").await;
            assert!(matches!(verdict, Verdict::Allow(_)), "it goes on while a question is open");
            slow.go.add_permits(3);
        };
        let (verdicts, ()) = futures_util::future::join(asking, other).await;
        assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Allow(_))));
    });
    assert_eq!(slow.most.load(Ordering::SeqCst), 1);
}

#[test]
fn after_a_cancel_open_questions_end_as_denied_and_nothing_starts() {
    let log = Arc::new(Log::default());
    let ada = person("terminal", Answers::Waits);
    let gate = gate(&log, vec![ada.clone()]);
    let cancel = CancellationToken::new();
    let inquiry = Inquiry { user_request: &[], cancel: &cancel, notify: &|_| {} };
    let (verdicts, ()) = wait(futures_util::future::join(
        join_all(
            ["hrob 1", "hrob 2"]
                .map(|call| gate.decide(bash(call), &gate.parts.workspace, &inquiry)),
        ),
        async {
            while ada.seen.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            cancel.cancel();
        },
    ));
    for verdict in verdicts {
        let Verdict::Deny(refusal) = verdict else { panic!("allowed after the cancel") };
        assert_eq!(refusal.decided_by, DecidedBy::Cancelled);
    }
    let late = wait(gate.decide(bash("frob"), &w(), &inquiry));
    assert!(matches!(late, Verdict::Deny(_)), "T6");
    assert!(!log.kinds().contains(&(Kind::Decision, Some(Decision::Allow))));
    assert_eq!(ada.cancelled.load(Ordering::SeqCst), 1);
}

#[test]
fn listeners_hear_of_a_question_when_it_is_put_and_when_it_ends() {
    let log = Arc::new(Log::default());
    let gate = gate(&log, vec![person("terminal", Answers::With(Choice::Deny))]);
    let heard = Mutex::new(Vec::new());
    let cancel = CancellationToken::new();
    let notify = |notice: Notice| {
        heard.lock().unwrap().push(match notice {
            Notice::Asked(asked) => (asked.id.clone(), None),
            Notice::Resolved(resolved) => (resolved.question_id, Some(resolved.outcome)),
        });
    };
    let inquiry = Inquiry { user_request: &[], cancel: &cancel, notify: &notify };
    drop(wait(gate.decide(bash("hrob"), &w(), &inquiry)));
    let heard = heard.into_inner().unwrap();
    assert_eq!(heard.len(), 2);
    assert_eq!(heard[0].0, heard[1].0);
    assert_eq!(heard[1].1, Some(Ending::Denied));
}

#[test]
fn what_a_person_is_shown_is_redacted_and_whole() {
    let log = Arc::new(Log::default());
    let ada = person("terminal", Answers::With(Choice::Deny));
    let key = "ghp_0123456789abcdefABCDEF0123456789abcd";
    let long = "x".repeat(3000);
    let command = format!("hrob {key} {long} > out.txt; cat < /srv/x");
    let refusal = refused(&gate(&log, vec![ada.clone()]), &command);
    assert_eq!(refusal.decided_by, DecidedBy::Person);
    let asked = ada.seen.lock().unwrap()[0].clone();
    let shown = serde_json::to_string(&*asked).unwrap();
    assert!(!shown.contains(key), "{shown}");
    assert!(asked.subject.as_str().contains(&long), "it is never cut");
    let would: Vec<&str> = asked.would.iter().map(Redacted::as_str).collect();
    assert_eq!(would, ["writes out.txt", "reads /srv/x"]);
}

#[test]
fn a_cancel_while_the_sandbox_gets_ready_stops_the_call_before_its_record() {
    struct Cancels(CancellationToken);
    impl Confiner for Cancels {
        fn can_hold(&self, _: &Confinement) -> Result<String, String> {
            self.0.cancel();
            Ok("bwrap".to_owned())
        }
    }
    let (log, cancel) = (Arc::new(Log::default()), CancellationToken::new());
    let confiner = Arc::new(Cancels(cancel.clone()));
    let gate = Gate::new(GateParts { confiner, ..parts(&log) });
    let inquiry = Inquiry { user_request: &[], cancel: &cancel, notify: &|_| {} };
    let verdict = wait(gate.decide(bash("frob"), &w(), &inquiry));
    assert!(
        matches!(verdict, Verdict::Deny(refusal) if refusal.decided_by == DecidedBy::Cancelled)
    );
    assert_eq!(log.kinds(), [(Kind::Decision, Some(Decision::Deny))]);
}
