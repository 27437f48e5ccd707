//! The two stages against the scripted model.

use super::*;
use crate::model::{AbsPath, ToolName};
use crate::provider::scripted::{Script, Scripted};
use serde_json::json;

const UNSAFE: &str =
    r#"{"reasoning":"r","verdict":"unsafe","category":"destroy","reason":"It deletes."}"#;
const SAFE: &str = r#"{"reasoning":"r","verdict":"safe","category":"none","reason":"It lists."}"#;

fn settings() -> Settings {
    Settings {
        may_allow: true,
        flagged: Flagged::Ask,
        time_limit: Duration::from_secs(5),
        max_budget_usd: None,
    }
}

/// A model that gives these answers in this order and then fails.
fn model(answers: &[&str], settings: Settings) -> ModelClassifier {
    let turn = |answer: &&str| {
        format!(
            "[[turn]]\ntext = {}\nusage = {{ input_tokens = 1000, output_tokens = 10 }}\n",
            serde_json::Value::String((*answer).to_owned())
        )
    };
    let prices = "[prices]\ninput_per_1k = 0.001\noutput_per_1k = 0.0\n";
    scripted(&format!("{prices}{}", answers.iter().map(turn).collect::<String>()), settings)
}

fn scripted(text: &str, settings: Settings) -> ModelClassifier {
    let script = Script::parse("test", text).expect("a script");
    let info = script.info();
    let redactor = Arc::new(Redactor::new(true, vec![]));
    ModelClassifier::new(Box::new(Scripted::new(script)), "m".into(), info, redactor, settings)
}

fn ask(classifier: &ModelClassifier, command: &str, request: &str) -> Opinion {
    let redactor = Redactor::new(true, vec![]);
    let request = [redactor.text(request)];
    let question = Question {
        user_request: &request,
        tool: &ToolName::resolve("Bash"),
        input: &redactor.json(&json!({"command": command})),
        cwd: &AbsPath::new("/w").unwrap(),
        policy: &redactor.text("ask: no rule"),
        digest: command,
        policy_digest: "p",
    };
    let executor =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    executor.block_on(classifier.opine(&question))
}

#[test]
fn a_quick_safe_allows_and_costs_one_request() {
    let classifier = model(&["safe"], settings());
    let opinion = ask(&classifier, "frob", "frobnicate");
    assert_eq!((opinion.decision, opinion.stage), (Decision::Allow, 1));
    assert_eq!((opinion.tokens.input_tokens, opinion.cost_usd), (1000, 0.001));
    assert_eq!(opinion.model.as_deref(), Some("scripted/m"));
}

#[test]
fn only_a_flagged_call_is_looked_at_twice() {
    let classifier = model(&["unsafe", SAFE, "unsafe", UNSAFE], settings());
    let first = ask(&classifier, "a", "x");
    assert_eq!((first.decision, first.stage), (Decision::Allow, 2));
    let second = ask(&classifier, "b", "x");
    assert_eq!((second.decision, second.category.as_deref()), (Decision::Ask, Some("destroy")));
    assert_eq!(second.tokens.input_tokens, 2000);
}

#[test]
fn unsafe_denies_where_the_settings_say_so() {
    let denying = Settings { flagged: Flagged::Deny, ..settings() };
    assert_eq!(ask(&model(&["unsafe", UNSAFE], denying), "a", "x").decision, Decision::Deny);
}

#[test]
fn safe_does_not_allow_where_policy_does_not_let_it() {
    let classifier = model(&["safe"], Settings { may_allow: false, ..settings() });
    assert_eq!(ask(&classifier, "a", "x").decision, Decision::Ask);
}

#[test]
fn x8_nonsense_an_error_and_silence_are_an_ask_and_are_not_kept() {
    let nonsense = model(&["Sure, SAFE!", "SAFE it is", "safe"], settings());
    let first = ask(&nonsense, "a", "x");
    assert_eq!(first.decision, Decision::Ask);
    assert!(first.error.is_some_and(|why| why.contains("agreed form")));
    // The failure was not kept: the same call is put again, and now there is an answer.
    assert_eq!(ask(&nonsense, "a", "x").decision, Decision::Allow);
    let failing = ask(&nonsense, "b", "x");
    assert_eq!((failing.decision, failing.error.is_some()), (Decision::Ask, true));
}

#[test]
fn an_answer_that_was_cut_off_or_calls_a_tool_is_no_answer() {
    for end in ["stop = \"max_tokens\"", "stop = \"filtered\""] {
        let script = format!("[[turn]]\ntext = \"safe\"\n{end}\n");
        let opinion = ask(&scripted(&script, settings()), "a", "x");
        assert_eq!((opinion.decision, opinion.stage), (Decision::Ask, 2), "{end}");
    }
    let calling =
        "[[turn]]\ntext = \"safe\"\n[[turn.call]]\nname = \"Bash\"\ninput = { command = \"x\" }\n";
    assert_eq!(ask(&scripted(calling, settings()), "a", "x").decision, Decision::Ask);
}

#[test]
fn a_model_that_never_ends_is_an_ask() {
    let slow = "[[turn]]\ntext = \"safe\"\ndelay_ms = 600000\n";
    let hasty = Settings { time_limit: Duration::from_millis(50), ..settings() };
    let opinion = ask(&scripted(slow, hasty), "a", "x");
    assert_eq!(opinion.decision, Decision::Ask);
    assert!(opinion.error.is_some_and(|why| why.contains("too long")));
}

#[test]
fn the_same_call_for_the_same_request_is_asked_once() {
    let classifier = model(&["safe", "unsafe", UNSAFE], settings());
    assert!(!ask(&classifier, "a", "clean up").cached);
    let again = ask(&classifier, "a", "clean up");
    assert_eq!((again.decision, again.cached, again.cost_usd), (Decision::Allow, true, 0.0));
    // Another request makes it another question.
    assert_eq!(ask(&classifier, "a", "only look").decision, Decision::Ask);
}

#[test]
fn after_three_flagged_calls_only_a_person_goes_on() {
    let flagged = ["unsafe", UNSAFE].repeat(3);
    let classifier = model(&[&flagged[..], &["safe", "safe"]].concat(), settings());
    for command in ["a", "b", "c"] {
        assert_eq!(ask(&classifier, command, "x").category.as_deref(), Some("destroy"));
    }
    let next = ask(&classifier, "harmless", "x");
    assert_eq!(next.decision, Decision::Ask);
    assert!(next.reason.contains("only a person"), "{}", next.reason);
}

#[test]
fn when_its_budget_is_spent_calls_stay_open() {
    let poor = Settings { max_budget_usd: Some(0.0005), ..settings() };
    let classifier = model(&["safe", "safe"], poor);
    assert_eq!(ask(&classifier, "a", "x").decision, Decision::Allow);
    let second = ask(&classifier, "b", "x");
    assert_eq!(second.decision, Decision::Ask);
    assert!(second.error.is_some_and(|why| why.contains("budget")));
}
