//! What travels between Ion and the receiver of a webhook, and when a message is believed.
//!
//! Both sides sign `TIMESTAMP.BODY` with the shared secret; a request without a body signs the
//! question's id in its place. An answer is believed when its signature fits, its clock is near
//! ours, and it names this question and the call that was shown. See `docs/approvals.md`.

use super::seal::Seal;
use crate::gate::{Asked, Choice, Reply};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;

/// Seconds since 1970 at which the sender signed.
pub(in crate::approve) const TIMESTAMP: &str = "x-ion-timestamp";
/// `v1=` and the signature in hexadecimal.
pub(in crate::approve) const SIGNATURE: &str = "x-ion-signature";
/// The question's id: the same question posted twice is one question.
const IDEMPOTENCY: &str = "idempotency-key";
/// How far two clocks may differ, in seconds.
const SKEW: i64 = 300;
/// Longest name of a person that is kept, in characters.
const LONGEST_NAME: usize = 200;
/// Longest remark, in characters.
const LONGEST_REASON: usize = 2000;
/// The version of the format.
const VERSION: u32 = 1;

/// An answer as a receiver writes it.
#[derive(Deserialize)]
struct Answer {
    question_id: String,
    digest: String,
    option_id: String,
    by: String,
    reason: Option<String>,
}

/// The body of a question.
pub(in crate::approve) fn body(asked: &Asked) -> Vec<u8> {
    json!({"type": "ion.approval", "version": VERSION, "question": asked}).to_string().into_bytes()
}

/// The headers of a request that is sent now; `signed` is its body, or the id.
pub(in crate::approve) fn headers(
    seal: &Seal,
    asked: &Asked,
    signed: &[u8],
    now: i64,
) -> HeaderMap {
    let now = now.to_string();
    let signature = format!("v1={}", seal.sign(&[now.as_bytes(), b".", signed]));
    let mut map = HeaderMap::new();
    map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in
        [(TIMESTAMP, now.as_str()), (SIGNATURE, &signature), (IDEMPOTENCY, asked.id.as_str())]
    {
        // Digits and hexadecimal always fit into a header.
        if let Ok(value) = HeaderValue::from_str(value) {
            map.insert(HeaderName::from_static(name), value);
        }
    }
    map
}

/// Reads an answer. The error says why it is none.
pub(in crate::approve) fn answer(
    seal: &Seal,
    asked: &Asked,
    headers: &HeaderMap,
    body: &[u8],
    now: i64,
) -> Result<Reply, &'static str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let stamp = text(TIMESTAMP).ok_or("the answer has no X-Ion-Timestamp")?;
    let signature = text(SIGNATURE).ok_or("the answer has no X-Ion-Signature")?;
    let signature = signature.strip_prefix("v1=").ok_or("its signature is not of version 1")?;
    if !seal.fits(&[stamp.as_bytes(), b".", body], signature) {
        return Err("its signature is wrong");
    }
    let at: i64 = stamp.parse().map_err(|_| "its timestamp is not a number of seconds")?;
    if at.abs_diff(now) > SKEW.unsigned_abs() {
        return Err("its timestamp is more than five minutes away");
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|_| "its body is not an answer")?;
    if answer.question_id != asked.id.as_str() {
        return Err("it answers another question");
    }
    if answer.digest != asked.digest {
        return Err("it answers another call");
    }
    let choice = Choice::parse(&answer.option_id).ok_or("its option_id is none of the choices")?;
    let short = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    if answer.by.trim().is_empty() {
        return Err("it does not say who answered");
    }
    Ok(Reply {
        choice: Some(choice),
        by: short(&answer.by, LONGEST_NAME),
        reason: answer.reason.map(|reason| short(&reason, LONGEST_REASON)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::asked;
    use super::*;
    use crate::gate::Scope;
    use crate::redact::Secret;
    use proptest::prelude::*;
    use serde_json::Value;

    const NOW: i64 = 1_800_000_000;

    fn seal() -> Seal {
        Seal::new(Secret::new("s3cret".to_owned()))
    }

    fn yes(asked: &Asked) -> Value {
        json!({"question_id": asked.id, "digest": asked.digest, "option_id": "allow", "by": "ada"})
    }

    fn signed(body: &[u8], at: i64, seal: &Seal) -> HeaderMap {
        let at = at.to_string();
        let signature = format!("v1={}", seal.sign(&[at.as_bytes(), b".", body]));
        let mut map = HeaderMap::new();
        map.insert(TIMESTAMP, HeaderValue::from_str(&at).unwrap());
        map.insert(SIGNATURE, HeaderValue::from_str(&signature).unwrap());
        map
    }

    fn heard(body: &Value, asked: &Asked) -> Result<Reply, &'static str> {
        let body = body.to_string().into_bytes();
        answer(&seal(), asked, &signed(&body, NOW, &seal()), &body, NOW)
    }

    #[test]
    fn a_signed_answer_to_this_question_counts() {
        let asked = asked("ls");
        let reply = heard(&yes(&asked), &asked).unwrap();
        assert_eq!((reply.choice, reply.by.as_str()), (Some(Choice::Allow(Scope::Once)), "ada"));
    }

    #[test]
    fn an_answer_without_a_fitting_signature_or_with_a_stale_clock_is_none() {
        let asked = asked("ls");
        let body = yes(&asked).to_string().into_bytes();
        let other = Seal::new(Secret::new("guess".to_owned()));
        let mut no_version = signed(&body, NOW, &seal());
        let bare = no_version[SIGNATURE].to_str().unwrap().replace("v1=", "");
        no_version.insert(SIGNATURE, HeaderValue::from_str(&bare).unwrap());
        let mut moved = signed(&body, NOW - 400, &seal());
        moved.insert(TIMESTAMP, HeaderValue::from_str(&NOW.to_string()).unwrap());
        for headers in [
            HeaderMap::new(),
            signed(&body, NOW, &other),
            signed(b"{}", NOW, &seal()),
            signed(&body, NOW - 301, &seal()),
            signed(&body, NOW + 301, &seal()),
            signed(&body, i64::MIN, &seal()),
            no_version,
            moved,
        ] {
            assert!(answer(&seal(), &asked, &headers, &body, NOW).is_err(), "{headers:?}");
        }
    }

    #[test]
    fn an_answer_to_another_question_call_or_choice_is_none() {
        let asked = asked("ls");
        for (key, value) in [
            ("question_id", json!("q-000000000000000000000000")),
            ("digest", json!("0".repeat(64))),
            ("option_id", json!("yes")),
            ("option_id", json!(true)),
            ("by", json!("")),
        ] {
            let mut body = yes(&asked);
            body[key] = value;
            assert!(heard(&body, &asked).is_err(), "{body}");
        }
        // Our own request, sent back to us.
        let own = body(&asked);
        assert!(answer(&seal(), &asked, &headers(&seal(), &asked, &own, NOW), &own, NOW).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_bytes_are_an_answer_unless_they_are_one(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let headers = signed(&body, NOW, &seal());
            prop_assert!(answer(&seal(), &asked("ls"), &headers, &body, NOW).is_err());
        }
    }
}
