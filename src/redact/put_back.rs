//! What a placeholder stands for, given back to one call that changes a file which holds it.
//!
//! No value is remembered for this: it is found in the file again. So a placeholder can never
//! carry a secret to where it was not, and one that was invented stands for nothing. Whoever
//! asks does so after the decision, and hands the result to the confined worker alone.

use super::Redactor;
use super::placeholder;
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// Whether a text holds what has the form of a numbered placeholder.
pub fn has_numbered(text: &str) -> bool {
    placeholder::numbered(text).next().is_some()
}

/// The values of a file that the conversation has placeholders for.
pub struct Held<'a> {
    redactor: &'a Redactor,
    file: &'a str,
    values: BTreeMap<String, BTreeSet<&'a str>>,
    used: BTreeMap<String, &'a str>,
}

impl<'a> Held<'a> {
    /// Looks through the text of the file.
    pub fn of(redactor: &'a Redactor, file: &'a str) -> Self {
        let mut values: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for (written, place) in redactor.placeholders_of(file) {
            values.entry(written).or_default().extend(file.get(place));
        }
        Held { redactor, file, values, used: BTreeMap::new() }
    }

    /// A text with values in the place of its placeholders. What the file holds literally, as
    /// documentation of placeholders does, stays as it is. `stored` says that the text will
    /// stand in the file: then each value must be one that is masked there again.
    ///
    /// # Errors
    /// Which placeholder cannot be put back, why, and what to do; without any value.
    pub fn put_back(&mut self, text: &str, stored: bool) -> Result<Zeroizing<String>, String> {
        let values = BTreeSet::new();
        let mut filled = Zeroizing::new(String::with_capacity(text.len() + self.file.len()));
        let (mut from, mut places) = (0, Vec::new());
        for (range, _) in placeholder::numbered(text) {
            let written = text.get(range.clone()).unwrap_or_default();
            let values = self.values.get(written).unwrap_or(&values);
            let value = match (values.first(), values.len(), self.file.contains(written)) {
                (None, _, true) => continue,
                (None, _, false) => {
                    return Err(format!(
                        "{written} cannot be put back: this file holds no value that was shown as \
                         it in this conversation. A placeholder counts only in a file that already \
                         holds its value; it cannot be copied to another. Read the file again, or \
                         leave the value to the user."
                    ));
                }
                (Some(value), 1, false) => *value,
                (Some(_), ..) => {
                    return Err(format!(
                        "{written} cannot be put back: in this file it stands for more than one \
                         text. Change a smaller piece that does not contain it."
                    ));
                }
            };
            filled.push_str(text.get(from..range.start).unwrap_or_default());
            places.push((written, filled.len() as u64, (filled.len() + value.len()) as u64));
            filled.push_str(value);
            from = range.end;
            self.used.insert(written.to_owned(), value);
        }
        filled.push_str(text.get(from..).unwrap_or_default());
        if stored && !places.is_empty() {
            let masked = self.redactor.scan(&filled);
            let hides = |start, end| masked.iter().any(|m| m.start <= start && end <= m.end);
            // A name makes some values known as secrets: without it the next read would show them.
            if let Some((written, ..)) = places.iter().find(|(_, start, end)| !hides(*start, *end))
            {
                return Err(format!(
                    "{written} cannot be put back: at its new place it would no longer be known as \
                     a secret. Keep the whole line around it, with its name."
                ));
            }
        }
        Ok(filled)
    }

    /// The placeholders that were put back, each with its value.
    pub fn used(&self) -> impl Iterator<Item = (&str, &str)> {
        self.used.iter().map(|(written, value)| (written.as_str(), *value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "A=1\nDB_PASSWORD=Yq7-zhTk29x\n";

    fn shown(redactor: &Redactor) -> String {
        redactor.text(FILE).as_str().to_owned()
    }

    #[test]
    fn what_was_shown_comes_back_byte_for_byte() {
        let redactor = Redactor::new(true, Vec::new());
        let text = shown(&redactor);
        assert!(has_numbered(&text), "{text}");
        let mut held = Held::of(&redactor, FILE);
        assert_eq!(held.put_back(&text, true).unwrap().as_str(), FILE);
        assert_eq!(held.used().count(), 1);
    }

    #[test]
    fn nothing_is_put_back_that_this_conversation_did_not_show_of_this_file() {
        let redactor = Redactor::new(true, Vec::new());
        let before = Held::of(&redactor, FILE).put_back("DB_PASSWORD=[secret:password:1]", true);
        assert!(before.is_err(), "a number was guessed before it was given");
        let text = shown(&redactor);
        assert!(Held::of(&redactor, "A=1\n").put_back(&text, true).is_err());
        assert!(Held::of(&redactor, "").put_back(&text, true).is_err());
        let another = Redactor::new(true, Vec::new());
        assert!(Held::of(&another, FILE).put_back(&text, true).is_err());
        for invented in ["[secret:password:2]", "[secret:password:01]", "[secret:no-kind:1]"] {
            assert!(Held::of(&redactor, FILE).put_back(invented, false).is_err(), "{invented}");
        }
    }

    #[test]
    fn a_value_is_not_put_where_it_would_be_shown() {
        let redactor = Redactor::new(true, Vec::new());
        let text = shown(&redactor).replace("DB_PASSWORD=", "remember ");
        let error = Held::of(&redactor, FILE).put_back(&text, true).unwrap_err();
        assert!(error.contains("no longer be known") && !error.contains("Yq7"), "{error}");
        assert!(Held::of(&redactor, FILE).put_back(&text, false).is_ok());
    }

    #[test]
    fn a_literal_placeholder_stays_one_and_is_never_both() {
        let redactor = Redactor::new(true, Vec::new());
        let text = shown(&redactor);
        let note = "as in `[secret:password:7]`";
        assert_eq!(Held::of(&redactor, note).put_back(note, true).unwrap().as_str(), note);
        let both = format!("{FILE}{text}");
        assert!(Held::of(&redactor, &both).put_back(&text, true).is_err());
    }

    #[test]
    fn the_numbers_of_an_earlier_run_are_not_given_again() {
        let redactor = Redactor::new(true, Vec::new());
        redactor.pass_over("[secret:password:4] and [secret:jwt:999999999]");
        let text = shown(&redactor);
        assert!(text.contains(":5]"), "{text}");
    }

    #[test]
    fn a_private_key_of_many_lines_comes_back() {
        let line = "MIIBVwIBADANBgkqhkiG9w0BAQEFAASCAUEwggE9AgEAAkEAq7BFUpkGp3LQmlQ";
        let marks = ["-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"];
        let file = format!("a: 1\n{}\n{line}\n{line}\n{}\nb: 2\n", marks[0], marks[1]);
        let numbered: String =
            file.lines().enumerate().map(|(n, line)| format!("{:6}\t{line}\n", n + 1)).collect();
        let redactor = Redactor::new(true, Vec::new());
        let seen = redactor.text(&numbered).as_str().to_owned();
        let at = seen.find("[secret:").unwrap_or_else(|| panic!("{seen}"));
        let mark = &seen[at..=at + seen[at..].find(']').unwrap()];
        let mut held = Held::of(&redactor, &file);
        let text = format!("a: 2\n{mark}\nb: 2\n");
        assert_eq!(held.put_back(&text, true).unwrap().as_str(), file.replace("a: 1", "a: 2"));
    }
}
