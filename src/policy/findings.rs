//! The kinds of findings of `lint`, as people and programs know them. Finds nothing itself.

/// Every kind of finding, with one line for people.
pub const FINDINGS: &[(&str, &str)] = &[
    ("lint.unreadable", "the file cannot be read as configuration"),
    ("lint.unknown-key", "no such key exists"),
    ("lint.unusable-rule", "the rule or pattern refuses the whole set"),
    ("lint.hidden", "an earlier rule of the same list always speaks first"),
    ("lint.outranked", "a deny rule beats this allow rule for every call"),
    ("lint.never-matches", "no call can match the pattern"),
    ("lint.splits", "the pattern spells several commands, and each is judged by itself"),
    ("lint.wide-allow", "the allow rule permits running anything"),
    ("lint.ambiguous-pattern", "the pattern can be read in two ways"),
    ("lint.unknown-tool", "no tool has this name"),
    ("lint.unknown-override", "`overrides` names a pattern that does not exist"),
    ("lint.idle-override", "`overrides` lifts nothing here"),
    ("lint.duplicate-id", "the id stands twice"),
    ("lint.no-id", "the rule has no id"),
    ("lint.no-reason", "the rule has no reason"),
    ("lint.untested", "no example and no test case is about the rule"),
    ("lint.expired", "the date of the rule has passed"),
    ("lint.no-tests", "the file has rules and no test cases"),
    ("lint.unused-key", "the key is accepted and does nothing"),
    ("lint.warning", "reading the file gave a warning"),
];

/// The page of a kind of finding, for `ion help ID`.
pub fn describe(id: &str) -> Option<String> {
    let (id, about) = FINDINGS.iter().find(|(known, _)| *known == id)?;
    Some(format!("{id}   finding of `ion policy lint`\n  {about}\n  more      docs/review.md\n"))
}
