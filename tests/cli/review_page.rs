//! The examples of `docs/review.md` are run: what the page shows is what `ion` prints.

use crate::support::{Home, stderr, stdout};

/// Every line of `expected` stands in `text`, in order; ` ...` at the end stands for any rest of
/// a line, and `...` alone for any lines.
fn holds(expected: &str, text: &str) -> Result<(), String> {
    let mut lines = text.lines();
    for wanted in expected.lines().filter(|line| *line != "...") {
        let same = |line: &&str| match wanted.strip_suffix(" ...") {
            Some(start) => line.starts_with(start),
            None => **line == *wanted,
        };
        if !lines.by_ref().any(|line| same(&line)) {
            return Err(format!("`{wanted}` is not printed in:\n{text}"));
        }
    }
    Ok(())
}

#[test]
fn every_example_of_the_review_page_is_printed_so() {
    let page = include_str!("../../docs/review.md");
    let home = Home::new();
    let mut ran = 0;
    for block in page.split("```").skip(1).step_by(2) {
        if let Some(text) = block.strip_prefix("toml policy.toml\n") {
            home.write("work/policy.toml", text);
            home.write("home/.ion/config.toml", text);
            let start = text.find("[[permissions.rules]]\nid = \"deploy.any\"").expect("a rule");
            let end = text[start + 1..].find("[[").expect("another") + start + 1;
            home.write("work/stricter.toml", &[&text[..start], &text[end..]].concat());
        } else if let Some(text) = block.strip_prefix("console\n$ ion ") {
            let (command, expected) = text.split_once('\n').expect("output");
            let args = words(command);
            let output = home.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
            let printed = stdout(&output);
            holds(expected, &printed)
                .unwrap_or_else(|e| panic!("{command}: {e}{}", stderr(&output)));
            ran += 1;
        }
    }
    assert_eq!(ran, 4);
    assert!(holds("a\nc", "a\nb").is_err() && holds("b\na", "a\nb").is_err());
}

/// A line of the page as arguments: blanks part them, single quotes hold one together.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    parts
        .flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

#[test]
fn every_kind_of_finding_has_a_page() {
    let home = Home::new();
    for (id, about) in ion::policy::lint::FINDINGS.iter().take(3) {
        assert!(stdout(&home.run(&["help", id])).contains(about), "{id}");
    }
    assert!(
        ion::policy::lint::FINDINGS.iter().all(|(id, _)| ion::policy::lint::describe(id).is_some())
    );
}
