//! Runs that ask a webhook: what is posted, what is believed, and what is not.

use super::{denied_by, document, home, killed_while_asking, prompt, questions, script};
use crate::support::Home;
use crate::support::loopback::{Loopback, Recorded, Reply};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const SECRET: &str = "a shared secret";

fn sign(secret: &str, stamp: &str, signed: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{stamp}.{signed}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("v1={hex}")
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// What a receiver checks before it believes a request.
fn is_signed(request: &Recorded) -> bool {
    let id = request.header("idempotency-key").unwrap_or_default().to_owned();
    let signed = if request.method == "GET" { id } else { request.body.clone() };
    let stamp = request.header("x-ion-timestamp").unwrap_or_default();
    stamp.parse::<i64>().is_ok_and(|at| (now() - at).abs() < 300)
        && request.header("x-ion-signature") == Some(&sign(SECRET, stamp, &signed))
}

fn signed_reply(secret: &str, at: i64, body: &Value) -> Reply {
    let stamp = at.to_string();
    let signature = sign(secret, &stamp, &body.to_string());
    Reply::json(200, body).header("X-Ion-Timestamp", &stamp).header("X-Ion-Signature", &signature)
}

fn yes(question: &Value) -> Value {
    json!({"question_id": question["id"], "digest": question["digest"], "option_id": "allow",
        "by": "ada@example.org", "reason": "looked at it"})
}

fn asking(server: &Loopback, wait_ms: u64) -> Home {
    let url = format!("{}/approvals", server.url());
    let home = home(&json!({"waitMs": wait_ms, "webhook": {"url": url, "secret": SECRET}}));
    script(&home, &["touch made"]);
    home
}

#[test]
fn a_signed_yes_lets_the_call_run_and_says_who_gave_it() {
    let server = Loopback::answering(|request| {
        assert!(is_signed(request), "{request:?}");
        let body = request.json();
        assert_eq!((&body["type"], &body["version"]), (&json!("ion.approval"), &json!(1)));
        signed_reply(SECRET, now(), &yes(&body["question"]))
    });
    let home = asking(&server, 60_000);
    let output = prompt(&home, &[]).output().unwrap();
    assert_eq!(document(&output)["permissionDenials"], json!([]), "{output:?}");
    assert!(home.work().join("made").exists());
    let requests = server.requests();
    assert_eq!((requests.len(), requests[0].method.as_str()), (1, "POST"));
    let question = &requests[0].json()["question"];
    assert_eq!(question["subject"], "touch made");
    assert_eq!(requests[0].header("idempotency-key"), question["id"].as_str());
    assert!(!requests[0].body.contains(SECRET));
    let records = home.run(&["audit", "list", "--json"]).stdout;
    let records = String::from_utf8_lossy(&records).into_owned();
    assert!(records.contains("ada@example.org") && records.contains("webhook"), "{records}");
    assert!(questions(&home).is_empty());
}

#[test]
fn a_pending_question_is_polled_under_its_id_until_somebody_answers() {
    let (polls, asked) = (AtomicUsize::new(0), Mutex::new(Value::Null));
    let server = Loopback::answering(move |request| {
        assert!(is_signed(request), "{request:?}");
        if request.method == "POST" {
            *asked.lock().unwrap() = request.json()["question"].clone();
            return Reply::json(202, &json!({"poll_after_seconds": 0}));
        }
        let question = asked.lock().unwrap().clone();
        let id = question["id"].as_str().unwrap();
        assert_eq!(request.target, format!("/approvals/{id}"));
        match polls.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::json(202, &json!({})).header("retry-after", "0"),
            1 => Reply::status(503),
            2 => Reply::json(200, &json!({})).cut_at(1),
            _ => signed_reply(SECRET, now(), &yes(&question)),
        }
    });
    let home = asking(&server, 60_000);
    let output = prompt(&home, &[]).output().unwrap();
    assert!(home.work().join("made").exists(), "{output:?}");
}

/// What a run makes of one reply to everything.
fn outcome(reply: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> (usize, Value, bool) {
    let server = Loopback::answering(reply);
    let home = asking(&server, 1500);
    let document = document(&prompt(&home, &[]).output().unwrap());
    (server.requests().len(), document, home.work().join("made").exists())
}

#[test]
fn what_is_not_a_signed_answer_to_this_question_is_no_answer() {
    let question = |request: &Recorded| request.json()["question"].clone();
    let changed = move |request: &Recorded, key: &str, value: Value| {
        let mut body = yes(&question(request));
        body[key] = value;
        body
    };
    type Case = Box<dyn Fn(&Recorded) -> Reply + Send + Sync>;
    let cases: Vec<(&str, Case)> = vec![
        ("unsigned", Box::new(move |r| Reply::json(200, &yes(&question(r))))),
        ("another key", Box::new(move |r| signed_reply("guess", now(), &yes(&question(r))))),
        ("stale", Box::new(move |r| signed_reply(SECRET, now() - 400, &yes(&question(r))))),
        (
            "another call",
            Box::new(move |r| {
                signed_reply(SECRET, now(), &changed(r, "digest", json!("0".repeat(64))))
            }),
        ),
        (
            "another question",
            Box::new(move |r| {
                let other = json!("q-000000000000000000000000");
                signed_reply(SECRET, now(), &changed(r, "question_id", other))
            }),
        ),
        (
            "no choice",
            Box::new(move |r| signed_reply(SECRET, now(), &changed(r, "option_id", json!("yes")))),
        ),
        ("nobody", Box::new(move |r| signed_reply(SECRET, now(), &changed(r, "by", json!(""))))),
        (
            "too large",
            Box::new(move |r| {
                let long = json!("x".repeat(100_000));
                signed_reply(SECRET, now(), &changed(r, "reason", long))
            }),
        ),
        (
            "an echo",
            Box::new(|r| {
                let header = |name: &str| r.header(name).unwrap_or_default().to_owned();
                Reply::json(200, &r.json())
                    .header("X-Ion-Timestamp", &header("x-ion-timestamp"))
                    .header("X-Ion-Signature", &header("x-ion-signature"))
            }),
        ),
        ("forbidden", Box::new(|_| Reply::status(403))),
        ("a page", Box::new(|_| Reply::html(200, "<h1>sign in</h1>"))),
    ];
    for (name, case) in cases {
        let (requests, document, ran) = outcome(case);
        assert!(!ran, "{name}");
        assert_eq!(requests, 1, "{name}: asked again");
        assert_eq!(denied_by(&document, "expired"), 1, "{name}: {document}");
        assert!(document.to_string().contains("webhook: "), "{name}: {document}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere =
        Loopback::answering(|r| signed_reply(SECRET, now(), &yes(&r.json()["question"])));
    let to = elsewhere.url();
    let (_, document, ran) = outcome(move |_| Reply::redirect(&to));
    assert!(!ran && document.to_string().contains("redirects"), "{document}");
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn a_receiver_that_fails_is_asked_again_until_time_is_up() {
    let (requests, document, ran) = outcome(|_| Reply::status(500));
    assert!(!ran && requests > 1, "{requests}");
    assert_eq!(denied_by(&document, "expired"), 1, "{document}");
}

#[test]
fn a_resumed_run_polls_the_same_question_instead_of_posting_it_anew() {
    let (asked, ready) = (Mutex::new(Value::Null), Arc::new(AtomicBool::new(false)));
    let open = Arc::clone(&ready);
    let server = Loopback::answering(move |request| {
        if request.method == "POST" {
            let mut asked = asked.lock().unwrap();
            assert!(asked.is_null(), "posted anew");
            *asked = request.json()["question"].clone();
            return Reply::json(202, &json!({}));
        }
        match open.load(Ordering::SeqCst) {
            true => signed_reply(SECRET, now(), &yes(&asked.lock().unwrap())),
            false => Reply::json(202, &json!({"poll_after_seconds": 0})),
        }
    });
    let home = asking(&server, 60_000);
    let id = killed_while_asking(&home);
    ready.store(true, Ordering::SeqCst);
    let output = prompt(&home, &["--resume", "latest"]).output().unwrap();
    assert!(home.work().join("made").exists(), "{output:?}");
    let targets: Vec<String> = server.requests().into_iter().map(|r| r.target).collect();
    assert_eq!(targets.iter().filter(|target| *target == "/approvals").count(), 1, "{targets:?}");
    assert_eq!(targets.last().unwrap(), &format!("/approvals/{id}"));
}
