//! What names are given, and what they stand for later in the line.
//!
//! Part of `walk`. A value is only trusted where nothing can have changed it in between.

use super::super::word::Variable;
use super::super::{Assignment, Word, brace};
use super::Walker;
use brush_parser::ast;

impl Walker {
    pub(super) fn assigned(&mut self, assignment: &ast::Assignment) -> Assignment {
        let name = match &assignment.name {
            ast::AssignmentName::VariableName(name) => name.clone(),
            ast::AssignmentName::ArrayElementName(name, index) => {
                self.evaluates(index);
                self.resolve(index);
                name.clone()
            }
        };
        if matches!(name.as_str(), "BASH_CMDS" | "BASH_ALIASES") {
            self.give_up("it changes what the names of programs mean");
        }
        if name == "CDPATH" {
            self.give_up("it changes where `cd` leads");
        }
        let value = match &assignment.value {
            ast::AssignmentValue::Scalar(word) => {
                let mut words = self.resolve(&word.value).words;
                let value = if words.len() == 1 {
                    words.remove(0)
                } else if words.is_empty() {
                    Word::known("")
                } else {
                    // An assignment does not split; the blanks between may have been others.
                    let joined: Vec<&str> = words.iter().map(|w| w.text.as_str()).collect();
                    let joined = joined.join(" ");
                    self.second.text(&joined);
                    Word::unknown(joined)
                };
                // Where a tilde is expanded in a value differs from other words: not known.
                let tilde = word.value.contains("=~") || word.value.contains(":~");
                let value = if tilde { Word::unknown(value.text) } else { value };
                // Nor do braces make a list there. What they hold was looked through above.
                let braces =
                    brace::expand(&word.value).is_none_or(|all| all != [word.value.clone()]);
                let value = if braces { Word::unknown("{…}") } else { value };
                let value = if assignment.append { self.appended(&name, value) } else { value };
                self.second.gives(&name, &word.value, Some(&value));
                if matches!(name.as_str(), "PS0" | "PS1" | "PS2" | "PS4" | "PROMPT_COMMAND") {
                    self.evaluates(&value.text);
                }
                // These take a number, so what they are given is evaluated.
                if matches!(
                    name.as_str(),
                    "RANDOM" | "SRANDOM" | "SECONDS" | "LINENO" | "OPTIND" | "HISTCMD" | "BASHPID"
                ) {
                    self.evaluates(&word.value);
                    self.evaluates(&value.text);
                }
                value
            }
            ast::AssignmentValue::Array(items) => {
                let mut members = Vec::new();
                for (key, value) in items {
                    if let Some(key) = key {
                        self.evaluates(&key.value);
                        self.resolve(&key.value);
                    }
                    let resolved = self.resolve(&value.value);
                    for word in &resolved.words {
                        self.second.gives(&name, &value.value, Some(word));
                    }
                    members.extend(resolved.words);
                }
                if assignment.append {
                    self.state.arrays.remove(&name);
                } else {
                    self.state.arrays.insert(name.clone(), members);
                }
                Word::unknown("(…)")
            }
        };
        Assignment { name, value }
    }

    /// `"${name[@]}"` of an array that the line gave whole: its members, one word each.
    pub(super) fn whole_array(&self, raw: &str) -> Option<Vec<Word>> {
        let plain = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw);
        let inner = plain.strip_prefix("${")?.strip_suffix('}')?;
        let name = inner.strip_suffix("[@]").or_else(|| inner.strip_suffix("[*]"))?;
        let members = self.state.arrays.get(name)?.clone();
        let cost = members.iter().map(|word| word.text.len() + 1).sum::<usize>();
        let left = self.budget.get().checked_sub(cost)?;
        self.budget.set(left);
        let certain = self.conditional == 0 && bare_mentions(&self.whole, name) == 1;
        let doubt = |word: Word| if certain { word } else { Word::unknown(word.text) };
        Some(members.into_iter().map(doubt).collect())
    }

    /// `x+=…`: what the name had and what it gets.
    pub(super) fn appended(&mut self, name: &str, value: Word) -> Word {
        match self.state.variables.get(name).map(|variable| variable.value.clone()) {
            Some(old)
                if old.literal && value.literal && old.text.len() + value.text.len() < 4096 =>
            {
                self.second.text(&(old.text.clone() + &value.text));
                Word::known(old.text + &value.text)
            }
            _ => {
                // Pieces that are put together unseen.
                if !value.literal {
                    self.second.unknown(name);
                }
                Word::unknown(value.text)
            }
        }
    }

    /// Keeps constant assignments for later words.
    pub(super) fn remember(&mut self, assignments: &[Assignment]) {
        for assignment in assignments {
            let (name, value) = (assignment.name.clone(), assignment.value.clone());
            // Named once and nowhere else: nothing can have changed it in between.
            let mentions = match self.mentions.get(&name) {
                Some(mentions) => *mentions,
                None => bare_mentions(&self.whole, &name),
            };
            self.mentions.insert(name.clone(), mentions);
            // A name that had a value may keep it, where the line that says otherwise is hidden.
            let fresh = !self.state.variables.contains_key(&name);
            let certain = self.conditional == 0 && mentions == 1 && fresh;
            let value = if value.literal { value } else { Word::unknown(value.text) };
            let certain = certain && value.literal;
            self.state.variables.insert(name, Variable { value, certain });
        }
    }
}

/// How often `name` stands in `text` other than as `$name` or `${name`.
fn bare_mentions(text: &str, name: &str) -> usize {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(name)
        .filter(|(at, _)| {
            let (before, after) = (&text[..*at], &text[at + name.len()..]);
            // `${name:=x}` gives it a value.
            let gives = after.starts_with('=') || after.starts_with(":=");
            !after.starts_with(in_name)
                && !before.ends_with(in_name)
                && !before.ends_with('$')
                && (gives || !before.ends_with("${"))
        })
        .count()
}
