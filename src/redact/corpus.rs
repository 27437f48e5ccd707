//! Recall over every shipped kind in many carriers, and known values in every encoding.
//!
//! Everything is grown from a seed at test time: nothing that looks like a live secret is stored.
//! The bars are those of the project: 99 % of secrets, every known value, in every carrier.

use super::kinds::Kinds;
use super::tests::{below, examples_of, grow};
use super::{Redactor, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A text around a secret, and what of the secret must not be left in it.
type Carrier = (&'static str, fn(&str, &str) -> (String, Vec<String>));

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn pieces(text: &str, width: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(width).map(|piece| piece.iter().collect()).collect()
}

/// The characters of base64 that a value alone decides, when `before` bytes stand before it.
fn core(encoded: &str, before: usize, value: usize) -> Vec<String> {
    let (start, end) = ((before * 8).div_ceil(6), (before + value) * 8 / 6);
    vec![encoded[start..end].to_owned()]
}

fn plain(text: String, value: &str) -> (String, Vec<String>) {
    (text, vec![value.to_owned()])
}

/// `n` is a name, `v` the secret.
const CARRIERS: &[Carrier] = &[
    ("env", |n, v| plain(format!("PORT=8080\n{n}={v}\nDEBUG=false\n"), v)),
    ("export", |n, v| plain(format!("export {n}=\"{v}\"\n"), v)),
    ("shell trace", |n, v| plain(format!("+ {n}={v}\n+ run\n"), v)),
    ("json", |n, v| plain(format!("{{\"id\":7,{}:{}}}", json(n), json(v)), v)),
    ("pretty json", |n, v| plain(format!("{{\n  \"id\": 7,\n  {}: {}\n}}\n", json(n), json(v)), v)),
    ("json in json", |n, v| {
        let inner = format!("{{{}:{}}}", json(n), json(v));
        plain(format!("{{\"body\":{}}}", json(&inner)), v)
    }),
    ("json in json in json", |n, v| {
        let inner = format!("{{{}:{}}}", json(n), json(v));
        let middle = format!("{{\"body\":{}}}", json(&inner));
        plain(format!("{{\"log\":{}}}", json(&middle)), v)
    }),
    ("yaml", |n, v| plain(format!("spec:\n  {n}: {v}\n  replicas: 2\n"), v)),
    ("quoted yaml", |n, v| plain(format!("spec:\n  {n}: '{v}'\n"), v)),
    ("toml", |n, v| plain(format!("[auth]\n{n} = \"{v}\"\n"), v)),
    ("log line", |n, v| {
        plain(format!("2026-01-02T03:04:05Z INFO http id=ab12 {n}={v} status=200\n"), v)
    }),
    ("http dump", |n, v| {
        plain(format!("GET /x HTTP/1.1\r\nHost: a.example.org\r\nX-{n}: {v}\r\n\r\n"), v)
    }),
    ("diff", |n, v| plain(format!("@@ -1 +1 @@\n-{n}=old\n+{n}={v}\n context\n"), v)),
    ("stack trace", |n, v| {
        plain(
            format!("  File \"x.py\", line 3, in f\n    connect({n}=\"{v}\")\nValueError: no\n"),
            v,
        )
    }),
    ("code", |n, v| plain(format!("const {n} = \"{v}\";\n"), v)),
    ("minified", |n, v| plain(format!("!function(){{var a=1,b={{{n}:\"{v}\",c:2}};f(b)}}();"), v)),
    ("markdown table", |n, v| plain(format!("| name | value |\n|---|---|\n| {n} | `{v}` |\n"), v)),
    ("xml", |n, v| plain(format!("<cfg><{n}>{v}</{n}></cfg>"), v)),
    ("html attribute", |n, v| plain(format!("<input name=\"{n}\" value=\"{v}\">"), v)),
    ("escaped html", |n, v| plain(html(&format!("{{{}: {}}}", json(n), json(v))), &html(v))),
    ("base64", |n, v| {
        let encoded = STANDARD.encode(format!("{n}={v}\n"));
        let core = core(&encoded, n.len() + 1, v.len());
        (encoded, core)
    }),
    ("url base64", |n, v| {
        let encoded = URL_SAFE.encode(format!("{n}={v}\n"));
        let core = core(&encoded, n.len() + 1, v.len());
        (encoded, core)
    }),
    ("wrapped base64", |n, v| {
        let encoded = STANDARD.encode(format!("PORT=80\n{n}={v}\nA=b\n"));
        let core = core(&encoded, n.len() + 9, v.len());
        let kept = core[0].as_str();
        let pieces: Vec<String> = pieces(&encoded, 64);
        let inner = pieces.iter().filter(|piece| kept.contains(piece.as_str())).cloned().collect();
        (pieces.join("\n") + "\n", inner)
    }),
    ("hex", |n, v| (hex(&format!("{n}={v}")), vec![hex(v)])),
    ("percent", |n, v| (format!("q={}", percent(&format!("{n}={v}"))), vec![percent(v)])),
    ("form", |n, v| (format!("a=1&{}={}&b=2", percent(n), percent(v)), vec![percent(v)])),
    ("unicode escapes", |n, v| {
        let escape = |text: String| text.replace('=', "\\u003d").replace('_', "\\u005f");
        (escape(format!("{{{}:{}}}", json(n), json(v))), vec![escape(v.to_owned())])
    }),
    ("colours", |n, v| {
        let (head, tail) = v.split_at(v.len() / 2);
        let text =
            format!("\u{1b}[32m{n}\u{1b}[0m=\u{1b}[1m{head}\u{1b}[0m\u{1b}[1m{tail}\u{1b}[0m\n");
        (text, vec![head.to_owned(), tail.to_owned()])
    }),
    ("no width", |n, v| {
        let (head, tail) = v.split_at(6);
        (format!("{n}={head}\u{200b}{tail}\n"), vec![tail.to_owned()])
    }),
    ("wrapped", |n, v| {
        let width = (n.len() + 1 + 14).max(30);
        let pieces = pieces(&format!("{n}={v}"), width);
        let inner = pieces.iter().skip(1).filter(|piece| piece.len() >= 8).cloned().collect();
        (pieces.join("\n") + "\n", inner)
    }),
];

/// Whether more than a little of a needle is left.
fn leaks(shown: &str, needle: &str) -> bool {
    let window = (needle.len() * 6 / 10).max(8).min(needle.len());
    (0..=needle.len() - window)
        .any(|at| needle.get(at..at + window).is_some_and(|part| shown.contains(part)))
}

#[test]
fn nearly_every_secret_is_masked_in_every_carrier() {
    let kinds = Kinds::shipped().unwrap();
    assert!(kinds.all.len() >= 200, "{} kinds", kinds.all.len());
    let redactor = Redactor::new(true, Vec::new());
    let (mut missed, mut all) = (BTreeMap::<&str, Vec<String>>::new(), 0);
    for (id, name, value) in examples_of(&kinds, 11) {
        let name = if name.is_empty() {
            "X_VALUE".to_owned()
        } else {
            format!("{}_KEY", name.trim_end_matches('_'))
        };
        for (carrier, dress) in CARRIERS {
            let (text, needles) = dress(&name, &value);
            let shown = redactor.text(&text).as_str().to_owned();
            all += 1;
            if needles.iter().any(|needle| leaks(&shown, needle)) {
                missed.entry(*carrier).or_default().push(format!("{id}: {text:?} -> {shown:?}"));
            }
        }
    }
    let count: usize = missed.values().map(Vec::len).sum();
    let recall = 1.0 - count as f64 / f64::from(all);
    let worst: Vec<_> = missed.values().flat_map(|texts| texts.iter().take(3)).collect();
    assert!(recall >= 0.99, "{:.2} % of {all}: {worst:#?}", recall * 100.0);
    assert!(CARRIERS.len() >= 20);
}

/// Every form in which a registered value may appear.
fn forms(value: &str) -> Vec<String> {
    let once = json(value);
    let inner = once[1..once.len() - 1].to_owned();
    let twice = json(&inner);
    let mut all = vec![
        value.to_owned(),
        twice[1..twice.len() - 1].to_owned(),
        inner,
        percent(value),
        percent(value).to_lowercase().replace("%20", "+"),
        hex(value),
        hex(value).to_uppercase(),
        html(value),
        value.replace('\'', "'\\''"),
    ];
    for pad in ["", "x", "xy"] {
        all.push(STANDARD.encode(format!("{pad}{value}rest")));
        all.push(URL_SAFE.encode(format!("{pad}{value}")));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_known_value_survives_in_any_encoding(
        value in "[A-Za-z0-9!#$%&'\"+,./:;<=>?@^_~ -]{8,40}",
        before in "[a-z ]{0,9}",
        after in "[a-z ]{0,9}",
        enabled in any::<bool>(),
    ) {
        let value = value.trim().to_owned();
        prop_assume!(value.len() >= 8 && value.to_lowercase() != "password");
        let known = vec![("known".to_owned(), Secret::new(value.clone()))];
        let redactor = Redactor::new(enabled, known);
        for form in forms(&value) {
            // Letters that were lowered with the digits of an escape are another value.
            if percent(&value).to_lowercase().replace("%20", "+") == form && value != value.to_lowercase() {
                continue;
            }
            let shown = redactor.text(&format!("{before} {form} {after}")).as_str().to_owned();
            prop_assert!(shown.contains("[secret:"), "{form} -> {shown}");
            prop_assert!(!shown.contains(&form), "{form} -> {shown}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_pass_unharmed_however_they_are_cut(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        cuts in prop::collection::vec(0usize..400, 0..8),
        seed in 1..20u64,
    ) {
        let mut source = bytes;
        source.extend_from_slice(format!("\n{} x\n", grow("ghp_{b62:36}", seed)).as_bytes());
        source.extend_from_slice(&[0xff, 0xfe, 0x00]);
        let redactor = Redactor::new(true, Vec::new());
        let mut whole = redactor.bytes();
        let mut at_once = whole.push(&source).unwrap().get().clone();
        at_once.extend_from_slice(whole.finish().unwrap().get());
        let mut stream = redactor.bytes();
        let (mut shown, mut rest) = (Vec::new(), source.as_slice());
        for cut in cuts {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            shown.extend_from_slice(stream.push(head).unwrap().get());
            rest = tail;
        }
        shown.extend_from_slice(stream.push(rest).unwrap().get());
        shown.extend_from_slice(stream.finish().unwrap().get());
        prop_assert_eq!(&shown, &at_once);
        prop_assert!(shown.ends_with(&[0xff, 0xfe, 0x00]));
        let placeholder = b"[secret:github-token:1]".as_slice();
        prop_assert!(shown.windows(placeholder.len()).any(|window| window == placeholder));
    }
}

#[test]
fn long_lines_are_cut_where_the_source_says_and_nowhere_else() {
    let token = |seed| grow("ghp_{b62:36}", seed);
    let mut line = String::new();
    let mut next = below(7);
    for seed in 1..400 {
        line.push_str(&"abc, ".repeat(next(120)));
        line.push_str(&format!(
            "\"k\":\"{}\",password=\"{}\";",
            token(seed),
            grow("{b62:20}", seed)
        ));
    }
    let redactor = Redactor::new(true, Vec::new());
    let whole = redactor.text(&line).as_str().to_owned();
    assert_eq!(whole.matches("[secret:github-token:").count(), 399);
    assert_eq!(whole.matches("[secret:password:").count(), 399);
    for width in [997, 4096, 33_000] {
        let mut stream = redactor.stream();
        let mut shown = String::new();
        for piece in line.as_bytes().chunks(width) {
            shown.push_str(stream.push(std::str::from_utf8(piece).unwrap()).as_str());
        }
        shown.push_str(stream.finish().as_str());
        assert_eq!(shown, whole, "cut every {width} bytes");
    }
}

#[test]
fn what_is_easily_taken_for_a_secret_stays_readable() {
    let redactor = Redactor::new(true, Vec::new());
    let (mut next, mut wrong, mut seen) = (below(29), Vec::new(), 0);
    for kind in &Kinds::shipped().unwrap().all {
        for shape in kind.not.iter().flat_map(|shape| [shape; 8]) {
            let text = shape.example(&mut next);
            seen += 1;
            for carrier in ["$\n", "see $ and more\n", "x = \"$\"\n", "[\"a\",\"$\"]", "f($)"] {
                let text = carrier.replace('$', &text);
                let shown = redactor.text(&text);
                if shown.as_str() != text {
                    wrong.push(format!("{}: {text:?} became {shown:?}", kind.id));
                }
            }
        }
    }
    assert!(seen > 400, "{seen}");
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn ordinary_text_stays_as_it_is() {
    // The sources of Ion are benign text that is at hand everywhere.
    let redactor = Redactor::new(true, Vec::new());
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let (mut bytes, mut spans) = (0, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                // Tests hold what is meant to look like a secret.
                let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                if path.to_string_lossy().contains("test") || path.ends_with("corpus.rs") {
                    continue;
                }
                bytes += text.len();
                let found = redactor.scan(&text);
                spans.extend(found.into_iter().map(|found| {
                    (
                        path.clone(),
                        text[found.start as usize..found.end as usize].to_owned(),
                        found.rule,
                    )
                }));
            }
        }
    }
    assert!(bytes > 1_000_000);
    assert!(spans.is_empty(), "{spans:#?}");
}
