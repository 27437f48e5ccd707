//! What is masked, what stays readable, and that cutting a text changes neither.
//!
//! No example is written out: each is grown from the `shape` of its kind, so that this
//! repository never holds a text that looks like a live secret.

use super::kinds::Kinds;
use super::{Allowed, Options, Pattern, Raw, Redactor, Secret};
use crate::shipped::tree::{Data, Entry, Node, Spot};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;

/// Grows an example from a shape such as `ghp_{b62:36}`.
pub(in crate::redact) fn grow(shape: &str, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move |from: &[u8]| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(from[(state % from.len() as u64) as usize])
    };
    let (upper, lower, digits) =
        ("ABCDEFGHIJKLMNOPQRSTUVWYZ", "abcdefghijklmnopqrstuvwyz", "123456789");
    let mut out = String::new();
    let mut rest = shape;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let close = open + rest[open..].find('}').unwrap();
        let (class, length) = rest[open + 1..close].split_once(':').unwrap();
        let length: usize = length.parse().unwrap();
        let alphabet = match class {
            "b62" => format!("{upper}{lower}{digits}"),
            "b64u" => format!("{upper}{lower}{digits}_"),
            "hex" => "123456789abcdef".to_owned(),
            "an" => format!("{lower}{digits}"),
            "AN" => format!("{upper}{digits}"),
            "A27" => format!("{upper}234567"),
            "letters" => format!("{upper}{lower}"),
            "digits" => digits.to_owned(),
            "jwt" => {
                let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
                out.push_str(&part(r#"{"alg":"HS256","typ":"JWT"}"#));
                out.push('.');
                out.push_str(&part(r#"{"sub":"1234","name":"Lena"}"#));
                out.push('.');
                format!("{upper}{lower}{digits}")
            }
            other => panic!("unknown class {other}"),
        };
        (0..length).for_each(|_| out.push(next(alphabet.as_bytes())));
        rest = &rest[close + 1..];
    }
    out + rest
}

/// Pseudo-random numbers below an argument.
pub(in crate::redact) fn below(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |n| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % n
    }
}

/// Examples of every kind, one a shape: its id, a word of the name that it asks for, the secret.
pub(in crate::redact) fn examples_of(kinds: &Kinds, seed: u64) -> Vec<(String, String, String)> {
    let mut next = below(seed);
    let mut all = Vec::new();
    for kind in &kinds.all {
        for shape in &kind.shapes {
            let mut text = shape.example(&mut next);
            // What is told by its name must look random: letters alone are a word.
            let telling = |text: &str| {
                super::scan::is_varied(text.as_bytes()) && text.bytes().any(|b| b.is_ascii_digit())
            };
            while !kind.names.is_empty() && !telling(&text) {
                text = shape.example(&mut next);
            }
            if kind.id == "jwt" {
                let head = URL_SAFE_NO_PAD.encode("{\"alg\":\"HS256\"}");
                let dot = text.find('.').unwrap();
                text.replace_range(..dot, &head);
            }
            let name = kind.names.first().map_or(String::new(), |name| name.to_uppercase());
            all.push((kind.id.clone(), name, text));
        }
    }
    all
}

/// The same as text, with the name before it.
fn examples(seed: u64) -> Vec<(String, String)> {
    examples_of(&Kinds::shipped().unwrap(), seed)
        .into_iter()
        .map(|(id, name, text)| match name.as_str() {
            "" => (id, text),
            name => {
                let glue = if name.ends_with('_') { "" } else { "_" };
                (id, format!("{name}{glue}VALUE={text}"))
            }
        })
        .collect()
}

fn redactor() -> Redactor {
    Redactor::new(true, Vec::new())
}

#[test]
fn an_exception_lets_its_kind_or_text_through_and_nothing_else() {
    let (token, other) = (grow("ghp_{b62:36}", 3), grow("glpat-{b62:20}", 4));
    let key = grow("acme_{an:20}", 5);
    let pattern = |text: &str| Pattern::parse(text).unwrap();
    let shown = |allowed: &[&str], fixed: bool| {
        let own = pattern("acme-key=acme_[a-z0-9]{20}");
        let options = Options {
            enabled: true,
            patterns: vec![if fixed { own.fixed() } else { own }],
            allowed: allowed.iter().map(|text| Allowed::parse(text).unwrap()).collect(),
            ..Options::default()
        };
        let known = vec![("known".to_owned(), Secret::new("hunter22x".to_owned()))];
        let redactor = Redactor::with(options, known);
        let text = format!("{token} {other} {key} hunter22x");
        let json = json!({"password": "Xy7-plainly"});
        let masked = redactor.for_log().text(&text);
        let left = [&token, &other, &key].map(|one| u8::from(masked.as_str().contains(one)));
        assert!(!masked.as_str().contains("hunter22x"), "known values have no exception");
        (left, redactor.json(&json).get() == &json)
    };
    assert_eq!(shown(&[], false), ([0, 0, 0], false));
    assert_eq!(shown(&["github-token"], false), ([1, 0, 0], false));
    assert_eq!(shown(&["=glpat-.*", "=acme"], false), ([0, 1, 0], false));
    assert_eq!(shown(&["acme-key", "password"], false), ([0, 0, 1], true));
    assert_eq!(shown(&["acme-key", "=.*"], true), ([1, 1, 0], true));
}

fn masked(text: &str) -> String {
    redactor().text(text).as_str().to_owned()
}

fn pem(label: &str) -> String {
    let body = |seed| grow("{b62:64}", seed);
    format!(
        "-----BEGIN {label}-----\n{}\n{}\n{}==\n-----END {label}-----",
        body(1),
        body(2),
        grow("{b62:20}", 3)
    )
}

#[test]
fn every_shipped_kind_masks_what_its_shape_describes() {
    for seed in 1..8 {
        for (id, secret) in examples(seed) {
            for text in [
                secret.clone(),
                format!("see {secret} there"),
                format!("\"{secret}\","),
                format!("x: [{secret}]\n"),
                format!("{secret}\n"),
            ] {
                let shown = masked(&text);
                let value = secret.rsplit("VALUE=").next().unwrap();
                assert!(
                    shown.contains("[secret:") && !shown.contains(value),
                    "{id}: {text} -> {shown}"
                );
                assert_eq!(masked(&shown), shown, "{id} is not idempotent");
            }
        }
    }
}

#[test]
fn the_misses_of_the_older_engine_are_masked() {
    let token = grow("{b62:32}", 7);
    let cases = [
        (
            format!("Authorization: Bearer {token}"),
            "Authorization: Bearer [secret:authorization:1]",
        ),
        (
            format!("postgresql://app:{token}@db/shop"),
            "postgresql://app:[secret:url-password:1]@db/shop",
        ),
        (format!("mongodb+srv://u:{token}@h/d"), "mongodb+srv://u:[secret:url-password:1]@h/d"),
        (format!("amqp://u:{token}@h:5672"), "amqp://u:[secret:url-password:1]@h:5672"),
        (format!("key sk-{}-{token}", "proj"), "key [secret:openai-key:1]"),
        ("PASSWORD=short".to_owned(), "PASSWORD=[secret:password:1]"),
        ("password = hunter2".to_owned(), "password = [secret:password:1]"),
        (format!("KEY={};", grow("AKIA{A27:16}", 3)), "KEY=[secret:aws-access-key-id:1];"),
    ];
    for (text, wanted) in cases {
        assert_eq!(masked(&text), wanted, "{text}");
    }
}

#[test]
fn a_private_key_is_masked_whole_in_every_dress() {
    for label in [
        "RSA PRIVATE KEY",
        "PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ] {
        let key = pem(label);
        let once = "[secret:private-key:1]";
        assert_eq!(masked(&format!("a\n{key}\nb\n")), format!("a\n{once}\nb\n"), "{label}");
        let encrypted = key.replacen(
            "-----\n",
            "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n",
            1,
        );
        assert_eq!(masked(&encrypted), once, "{label} encrypted");
        assert_eq!(masked(&key.replace('\n', "\r\n")), once, "{label} CRLF");
        let diff: String = key.lines().map(|line| format!("+{line}\n")).collect();
        assert_eq!(masked(&diff), format!("+{once}\n"), "{label} in a diff");
        let in_json =
            format!("{{\"private_key\":\"{}\\n\",\"id\":\"x\"}}", key.replace('\n', "\\n"));
        assert_eq!(
            masked(&in_json),
            format!("{{\"private_key\":\"{once}\\n\",\"id\":\"x\"}}"),
            "{label}"
        );
        let cut: String = key.lines().take(3).map(|line| format!("{line}\n")).collect();
        assert_eq!(
            masked(&format!("{cut}and then it stops")),
            format!("{once}\nand then it stops"),
            "{label} cut off"
        );
        let middle = &key[..key.len() / 2];
        assert!(!masked(middle).contains(&key[50..60]), "{label} cut inside a line");
    }
}

#[test]
fn talk_about_private_keys_and_public_halves_stay() {
    let certificate = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        grow("{b62:64}", 5)
    );
    for text in [
        "const HEADER: &str = \"-----BEGIN RSA PRIVATE KEY-----\";\nlet x = 1;\n",
        "look for -----BEGIN PRIVATE KEY----- in the file\nand stop\n",
        "-----BEGIN -----BEGIN -----BEGIN RSA",
        certificate.as_str(),
    ] {
        assert_eq!(masked(text), text);
    }
}

#[test]
fn a_key_without_end_is_masked_in_bounded_memory() {
    let redactor = redactor();
    let mut stream = redactor.stream();
    let mut shown = stream.push("-----BEGIN RSA PRIVATE KEY-----\n").as_str().to_owned();
    let line = grow("{b62:1000}", 4);
    for _ in 0..300 {
        shown.push_str(stream.push(&line).as_str());
    }
    shown.push_str(stream.finish().as_str());
    assert_eq!(shown, "[secret:private-key:1]");
}

#[test]
fn what_is_not_a_secret_stays_readable() {
    let sha = grow("{hex:40}", 9);
    let long = grow("{b62:88}", 9);
    let lines = [
        format!("commit {sha}"),
        format!("checksum = \"{}\"", grow("{hex:64}", 2)),
        format!("\"integrity\": \"sha512-{long}==\""),
        format!("image@sha256:{}", grow("{hex:64}", 2)),
        "id 7d1f4a52-91c3-4d0e-8a77-0c9f2b6d1e55".to_owned(),
        "export OPENAI_API_KEY=sk-...".to_owned(),
        "export OPENAI_API_KEY=$MY_KEY".to_owned(),
        "password: ${DB_PASSWORD}".to_owned(),
        "password=<token>".to_owned(),
        "token: xxxxxxxxxxxx".to_owned(),
        "API_KEY=your-api-key".to_owned(),
        format!("AWS_ACCESS_KEY_ID={}EXAMPLE", "AKIAIOSFODNN7"),
        "let secret_key = config.secret_key;".to_owned(),
        "let password: Option<String> = None;".to_owned(),
        "connect(user=user, password=password)".to_owned(),
        "password = getpass()".to_owned(),
        "max_tokens: 4096, input_tokens=123456789".to_owned(),
        "AuthType::Personal, Token::Bearer".to_owned(),
        "PWD=/home/lena/src".to_owned(),
        "the bearer of good news, basic usage: run it".to_owned(),
        "Enter the password: it must be long".to_owned(),
        "https://example.org:8443/a@b?x=1".to_owned(),
        "\"next_page_token\": \"CAUQAA12345678\"".to_owned(),
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9x0 lena@host".to_owned(),
        "password_hash = \"$2b$12$abcdefghijklmnopqrstuv\"".to_owned(),
        "desk-work task-force disk-usage risk-free-and-long-enough-to-look-at".to_owned(),
    ];
    for text in lines {
        assert_eq!(masked(&text), text);
    }
}

#[test]
fn assignments_headers_flags_and_tags_are_masked() {
    let token = grow("{b62:24}", 11);
    for text in [
        format!("{{\"api_key\":\"{token}\",\"n\":1}}"),
        format!("{{\\\"password\\\":\\\"{token}\\\"}}"),
        format!("db.password = '{token}'"),
        format!("export GITHUB_TOKEN={token}"),
        format!("curl --token {token} x"),
        format!("curl --password={token} x"),
        format!("curl -H \"X-Api-Key: {token}\" x"),
        format!("curl -H 'Authorization: Bearer {token}' x"),
        format!("Cookie: sid={token}; theme=dark"),
        format!("<password>{token}</password>"),
        format!("machine h login u password {token}"),
        format!("https://h/x?access_token={token}&page=2"),
        format!("Server=db;Password={token};Database=x"),
        format!("Authorization: Basic {}", STANDARD.encode(format!("lena:{token}"))),
        format!("DB_PASSWORD=a,b;{token}"),
        format!("password: {token}"),
        format!("PASSWORD=\"correct horse {token}\""),
    ] {
        let shown = masked(&text);
        assert!(!shown.contains(&token) && shown.contains("[secret:"), "{text} -> {shown}");
        assert_eq!(masked(&shown), shown, "not idempotent");
    }
    assert!(masked(&format!("https://h/x?access_token={token}&page=2")).ends_with("&page=2"));
}

#[test]
fn an_authorization_header_hides_letters_and_short_pairs_too() {
    for secret in [grow("{letters:20}", 5), STANDARD.encode("user:pass"), grow("{hex:40}", 1)] {
        for text in
            [format!("Authorization: Bearer {secret}"), format!("authorization: Basic {secret}\n")]
        {
            assert!(!masked(&text).contains(&secret), "{text}");
        }
    }
    let prose = "Authorization: Bearer <token>, or authorization: required";
    assert_eq!(masked(prose), prose);
}

#[test]
fn a_known_value_is_masked_in_every_form_and_even_when_redaction_is_off() {
    let value = format!("p\"ss w/ord&{}", grow("{b62:9}", 3));
    let known = || vec![("db password".to_owned(), Secret::new(value.clone()))];
    let hex: String = value.bytes().map(|b| format!("{b:02x}")).collect();
    let percent: String = value.bytes().map(|b| format!("%{b:02X}")).collect();
    for enabled in [true, false] {
        let redactor = Redactor::new(enabled, known());
        for form in [value.clone(), json!(value).to_string(), hex.clone()] {
            let shown = redactor.text(&format!("a {form} b")).as_str().to_owned();
            assert!(shown.contains("[secret:db-password:1]"), "{form} -> {shown}");
            assert!(shown.starts_with("a ") && shown.ends_with(" b"), "{shown}");
        }
        for offset in 0..3 {
            let encoded = STANDARD.encode(format!("{}{value}tail", "x".repeat(offset)));
            assert!(redactor.text(&encoded).as_str().contains("[secret:db-password:1]"));
        }
        let shown = redactor.json(&json!({"k": [value], value.clone(): 1}));
        assert_eq!(
            shown.get().to_string(),
            r#"{"k":["[secret:db-password:1]"],"[secret:db-password:1]":1}"#
        );
    }
    // Fully percent-encoded letters are not what encoders write, reserved characters are.
    assert!(!percent.is_empty());
    let query =
        value.replace('"', "%22").replace(' ', "%20").replace('/', "%2F").replace('&', "%26");
    assert!(Redactor::new(false, known()).text(&query).as_str().contains("[secret:"));
    let digits = Redactor::new(true, vec![("pin".to_owned(), Secret::new("12345678".to_owned()))]);
    assert_eq!(digits.json(&json!({"n": 12345678})).get(), &json!({"n": "[secret:pin:1]"}));
}

#[test]
fn json_keeps_its_shape_and_masks_by_key() {
    let value = json!({
        "command": "echo hi", "password": "abc", "authorization": "Bearer abcdef", "n": 3,
        "client_secret": ["one two", null, true], "token": "$TOKEN", "max_tokens": 9
    });
    let redactor = redactor();
    let shown = redactor.json(&value);
    assert_eq!(
        shown.get(),
        &json!({
            "command": "echo hi", "password": "[secret:password:1]", "authorization": "Bearer [secret:authorization:2]",
            "n": 3, "client_secret": ["[secret:secret:3]", null, true], "token": "$TOKEN", "max_tokens": 9
        })
    );
    assert_eq!(redactor.json(shown.get()), shown);
    let log = redactor.for_log().json(&json!({"password": "hunter2"}));
    assert_eq!(log.get(), &json!({"password": "[secret:password]"}));
}

#[test]
fn the_same_value_has_the_same_number() {
    let (one, two) = (grow("ghp_{b62:36}", 1), grow("ghp_{b62:36}", 2));
    let redactor = redactor();
    assert_eq!(
        redactor.text(&format!("{one} {two} {one}")).as_str(),
        "[secret:github-token:1] [secret:github-token:2] [secret:github-token:1]"
    );
    assert_eq!(redactor.raw(Raw::new(two)).as_str(), "[secret:github-token:2]");
}

#[test]
fn a_forged_placeholder_hides_nothing() {
    let known = vec![("k".to_owned(), Secret::new("hunter22x".to_owned()))];
    let shown = Redactor::new(true, known).text("[secret:hunter22x]").as_str().to_owned();
    assert_eq!(shown, "[secret:[secret:k:1]]");
}

#[test]
fn a_secret_split_across_pieces_is_masked_and_prose_is_not_delayed() {
    let redactor = redactor();
    let mut stream = redactor.stream();
    assert_eq!(stream.push("Hello wor").as_str(), "Hello ");
    assert_eq!(stream.push("ld, the password = ").as_str(), "world, the password = ");
    assert_eq!(stream.push("hun").as_str(), "");
    assert_eq!(stream.push("ter2").as_str(), "");
    assert_eq!(stream.push("\nnext").as_str(), "[secret:password:1]\n");
    assert_eq!(stream.counts().get("password"), Some(&1));
    assert_eq!(stream.finish().as_str(), "next");
}

/// A file of kinds that is read here and now.
fn kinds_of(pattern: &str, check: &str) -> Result<Kinds, String> {
    let at = Spot::default();
    let text = |text: &str| Node { at, data: Data::Text(text.to_owned()) };
    let list = |item: &str| Node { at, data: Data::List(vec![text(item)]) };
    let entry = |key: &str, value: Node| Entry { key: key.to_owned(), at, value };
    let mut table = vec![
        entry("id", text("x")),
        entry("keywords", list("abc")),
        entry("pattern", text(pattern)),
    ];
    table.extend((!check.is_empty()).then(|| entry("checks", list(check))));
    Kinds::of(&[Node { at, data: Data::Table(table) }])
}

#[test]
fn a_rule_that_fails_or_panics_withholds_the_whole_text() {
    fn broken() -> Result<Kinds, String> {
        kinds_of("abc(", "")
    }
    fn panicking() -> Result<Kinds, String> {
        kinds_of("abc[0-9]+", "panic")
    }
    fn unreadable() -> Result<Kinds, String> {
        Err("gone".to_owned())
    }
    for kinds in [broken, panicking, unreadable] {
        let redactor = Redactor::with_kinds(
            Options { enabled: true, ..Options::default() },
            Vec::new(),
            kinds,
        );
        let notice = "[text withheld: the redactor failed on it]";
        assert_eq!(redactor.text("fine words, then abc123456789").as_str(), notice);
        assert_eq!(redactor.scan("abc123456789")[0].rule, "withheld");
        let mut stream = redactor.stream();
        let _ = stream.push("abc123456789 ");
        assert_eq!(stream.push("more").as_str(), "");
    }
}

#[test]
fn a_long_line_passes_unchanged_and_a_long_token_is_masked_whole() {
    let lump = format!("data:font/woff2;base64,{}", "Qk1GQUFB".repeat(250_000));
    assert_eq!(masked(&lump), lump);
    let token = format!("ya29.{}", grow("{b62:100000}", 3));
    assert_eq!(masked(&format!("x {token} y")), "x [secret:google-oauth-token:1] y");
    let value = grow("{b62:9000}", 4);
    assert_eq!(masked(&format!("a PASSWORD={value} y\n")), "a PASSWORD=[secret:password:1] y\n");
    assert_eq!(masked(&format!("PASSWORD={value}\n")), "PASSWORD=[secret:password:1]\n");
}

#[test]
fn nested_assignments_do_not_take_time_without_end() {
    let text = "a_token=$b_token=".repeat(4000);
    let _ = masked(&text);
    let _ = masked(&"-----BEGIN ".repeat(20_000));
    let _ = masked(&"password=\\\"".repeat(20_000));
    // Lines of base64 that hold text were read again for each of them.
    let encoded =
        STANDARD.encode("INFO request served from cache in 12 ms by worker 7\n".repeat(4000));
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(76).map(|c| std::str::from_utf8(c).unwrap()).collect();
    let text = lines.join("\n") + "\n";
    assert_eq!(masked(&text), text);
    let tokens: String = (1..4000).map(|seed| grow("ghp_{b62:36}\n", seed)).collect();
    assert_eq!(masked(&tokens).matches("[secret:").count(), 3999);
    let refused = format!("ghp_{}", "-ghp_xxxxxxxx".repeat(4000));
    let _ = masked(&refused);
}

#[test]
fn fillers_dots_and_the_word_example_make_no_example_of_a_secret() {
    let token = grow("ghp_{b62:36}", 5);
    for text in [
        format!("ghp_xxxxxx-{token}"),
        format!("{token}-xxxxxxx"),
        format!("ghp_{}-{token}", "x".repeat(80)),
        format!("{token}... and so on"),
        format!("{token}EXAMPLE"),
        format!("TOKEN=your-{token}"),
        format!("PASSWORD=changeme{}", grow("{b62:16}", 3)),
    ] {
        let shown = masked(&text);
        assert!(!shown.contains(&token[8..]) && shown.contains("[secret:"), "{text} -> {shown}");
    }
}

#[test]
fn nothing_between_lines_that_are_read_together_is_left_out() {
    let known = vec![("k".to_owned(), Secret::new("plainvalue99".to_owned()))];
    let redactor = Redactor::new(true, known);
    let token = grow("ghp_{b62:36}", 6);
    let text = format!(
        "words of a file that is long enough to be wrapped over lines\nmore plainvalue99 words in it\nTOKEN={token}\nthe end of it\n"
    );
    let encoded = STANDARD.encode(text);
    let mut lines: Vec<&str> =
        encoded.as_bytes().chunks(76).map(|c| std::str::from_utf8(c).unwrap()).collect();
    let shown = redactor.text(&lines.join("\n")).as_str().to_owned();
    assert!(shown.contains("[secret:k:") && shown.contains("[secret:github-token:"), "{shown}");
    // A line of another kind between them: what stands before and behind it is still found.
    let other = grow("glpat-{b62:24}", 7);
    lines.insert(1, &other);
    let shown = redactor.text(&lines.join("\n")).as_str().to_owned();
    assert!(shown.contains("[secret:k:") && shown.contains("[secret:gitlab-token:"), "{shown}");
}

#[test]
fn a_quoted_value_that_is_longer_than_a_window_is_masked_to_its_end() {
    let value = format!("{} {}", grow("{b62:30}", 8), "word1 ".repeat(4000));
    let line = format!("{}\"password\":\"{value}\",\"x\":1", "a,".repeat(20_000));
    let shown = masked(&line);
    assert!(
        !shown.contains("word1") && shown.ends_with("\",\"x\":1"),
        "{}",
        &shown[shown.len() - 80..]
    );
}

#[test]
fn kinds_of_ones_own_and_personal_data_are_masked_when_asked_for() {
    let patterns = vec![Pattern::parse("acme-key=acme_(?P<secret>[a-z0-9]{8,})").unwrap()];
    let redactor = Redactor::with(
        Options { enabled: true, personal: true, patterns, ..Options::default() },
        Vec::new(),
    );
    let text =
        "use acme_ab12cd34 or write to lena@example.org, +49 30 1234567, 4111-1111-1111-1111\n";
    let wanted = "use acme_[secret:acme-key:1] or write to [secret:email:2], [secret:phone-number:3], [secret:payment-card:4]\n";
    assert_eq!(redactor.text(text).as_str(), wanted);
    assert_eq!(redactor.text(wanted).as_str(), wanted);
    assert_eq!(masked(text), text);
    let mut stream = redactor.stream();
    let mut shown = String::new();
    text.chars().for_each(|c| shown.push_str(stream.push(c.encode_utf8(&mut [0; 4])).as_str()));
    shown.push_str(stream.finish().as_str());
    assert_eq!(shown, wanted);
}

#[test]
fn the_redactor_is_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Redactor>();
}

/// Pieces that secrets, names and marks are made of, in any order.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[a-z]{1,8}",
        2 => Just(" ".to_owned()),
        1 => "[ \t\r\n\"'=:,;\\[\\]<>{}&/@\\\\-]{1,3}",
        1 => prop::sample::select(vec![
            "password", "token=", "Authorization: ", "Bearer ", "--api-key ", "PASSWORD=", "Cookie: ",
            "-----BEGIN ", "RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "\n", "[secret:",
            "[secret:jwt:3]", "://u:", "@host", "\\n", "\u{1b}[31m", "é", "hunter22x", "hunter",
            "<password>", "\"secret\": \"", "=\\\"",
        ]).prop_map(str::to_owned),
        1 => (0..230usize, 1..50u64).prop_map(|(kind, seed)| examples(seed)[kind].1.clone()),
        1 => (1..50u64).prop_map(|seed| grow("{b62:24}", seed)),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn with_known() -> Redactor {
    let known = |label: &str, value: &str| (label.to_owned(), Secret::new(value.to_owned()));
    Redactor::new(
        true,
        vec![
            known("one", "hunter22x"),
            known("two", "a known value"),
            known("three", "hunter22xyz"),
        ],
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_cutting_of_a_text_shows_the_same(text in text(), cuts in prop::collection::vec(0usize..200, 0..12)) {
        let redactor = with_known();
        let whole = redactor.text(&text);
        let mut stream = redactor.stream();
        let mut shown = String::new();
        let mut rest = text.as_str();
        for cut in cuts {
            let mut at = cut.min(rest.len());
            while !rest.is_char_boundary(at) { at -= 1; }
            shown.push_str(stream.push(&rest[..at]).as_str());
            rest = &rest[at..];
        }
        shown.push_str(stream.push(rest).as_str());
        shown.push_str(stream.finish().as_str());
        prop_assert_eq!(&shown, whole.as_str());
        let mut stream = redactor.stream();
        let mut single: String = text.chars().map(|c| stream.push(c.encode_utf8(&mut [0; 4])).as_str().to_owned()).collect();
        single.push_str(stream.finish().as_str());
        prop_assert_eq!(&single, whole.as_str());
    }

    #[test]
    fn masking_twice_changes_nothing_and_no_known_value_survives(text in text()) {
        let redactor = with_known();
        let once = redactor.text(&text);
        let twice = redactor.text(once.as_str());
        prop_assert_eq!(once.as_str(), twice.as_str());
        for known in ["hunter22x", "a known value"] {
            prop_assert!(!once.as_str().contains(known));
        }
    }

    #[test]
    fn nothing_outside_the_findings_changes(text in text()) {
        let redactor = with_known();
        let findings = redactor.scan(&text);
        let shown = redactor.text(&text);
        let mut rest = shown.as_str();
        let mut from = 0;
        for finding in &findings {
            prop_assert!(finding.start as usize >= from && finding.end > finding.start, "{findings:?}");
            let between = &text[from..finding.start as usize];
            prop_assert!(rest.starts_with(between), "{findings:?} {text:?} {shown:?}");
            rest = &rest[between.len()..];
            let open = format!("[secret:{}:", finding.rule);
            prop_assert!(rest.starts_with(&open), "{findings:?} {text:?} {shown:?}");
            rest = &rest[rest.find(']').unwrap() + 1..];
            from = finding.end as usize;
        }
        prop_assert_eq!(rest, &text[from..]);
    }

    #[test]
    fn any_text_and_any_json_is_taken(text in any::<String>()) {
        let redactor = with_known();
        let _ = redactor.text(&text);
        let _ = redactor.json(&json!({ text.clone(): [text] }));
    }
}
