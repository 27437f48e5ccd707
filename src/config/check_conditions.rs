//! The conditions of a rule that are more than a list of texts: options, annotations,
//! surroundings, dates, examples.
//!
//! FAIL CLOSED: a condition that cannot be read is an error of the whole file. A dropped one
//! would widen an allow, and a dropped word would narrow a deny.

use super::check::{Checker, LONGEST, describe};
use super::problem::quoted;
use super::schema::rule::{
    ANNOTATIONS, AnnotationsSpec, DAYS, EXAMPLE, Example, ExampleCall, FLAGS, FlagsSpec, WHEN,
    WhenSpec,
};
use super::tree::{Data, Entry, Node};

const ACCESS: &[&str] = &["read", "write"];

impl Checker<'_> {
    /// `flags`, under either spelling of its two lists.
    pub(super) fn flags(&mut self, entries: &[Entry], key: &str) -> Option<FlagsSpec> {
        let (inner, key) = self.inner(entries, "flags", key, FLAGS)?;
        let any = self.one_name(inner, ["anyOf", "any_of"], &key);
        let none = self.one_name(inner, ["noneOf", "none_of"], &key);
        let any_of = any.and_then(|name| self.patterns(inner, name, &key));
        let none_of = none.and_then(|name| self.patterns(inner, name, &key)).unwrap_or_default();
        for flag in any_of.iter().flatten().chain(&none_of) {
            if !flag.starts_with('-') || flag.chars().all(|c| c == '-') || flag.contains(' ') {
                let what = format!("found {}, expected an option such as `-r`", quoted(flag));
                self.problem(self.spot(entries, "flags"), key.clone(), what, None);
            }
        }
        if any_of.is_none() && none_of.is_empty() {
            let what = "names neither `anyOf` nor `noneOf`".to_owned();
            self.problem(self.spot(entries, "flags"), key, what, None);
        }
        Some(FlagsSpec { any_of, none_of })
    }

    /// `annotations`.
    pub(super) fn annotations(&mut self, entries: &[Entry], key: &str) -> AnnotationsSpec {
        let Some((inner, key)) = self.inner(entries, "annotations", key, ANNOTATIONS) else {
            return AnnotationsSpec::default();
        };
        AnnotationsSpec {
            read_only: self.flag(inner, "readOnly", &key),
            destructive: self.flag(inner, "destructive", &key),
            idempotent: self.flag(inner, "idempotent", &key),
            open_world: self.flag(inner, "openWorld", &key),
        }
    }

    /// `when`.
    pub(super) fn when(&mut self, entries: &[Entry], key: &str) -> WhenSpec {
        let Some((inner, key)) = self.inner(entries, "when", key, WHEN) else {
            return WhenSpec::default();
        };
        let interactive = self.flag(inner, "interactive", &key);
        let headless = self.flag(inner, "headless", &key).map(|headless| !headless);
        if interactive.zip(headless).is_some_and(|(one, other)| one != other) {
            let what = "`interactive` and `headless` contradict each other".to_owned();
            self.problem(self.spot(entries, "when"), key.clone(), what, None);
        }
        WhenSpec {
            interactive: interactive.or(headless),
            agent: self.text(inner, "agent", &key),
            min_depth: self.depth(inner, "minDepth", &key),
            max_depth: self.depth(inner, "maxDepth", &key),
            hours: self.hours(inner, &key),
            days: self.days(inner, &key),
            users: self.patterns(inner, "users", &key),
            groups: self.patterns(inner, "groups", &key),
            untrusted: self.flag(inner, "untrusted", &key),
            cwd: self.text(inner, "cwd", &key),
        }
    }

    /// `expires`: an RFC 3339 date, which counts in full, or a date with time and zone.
    pub(super) fn expires(&mut self, entries: &[Entry], key: &str) -> Option<i64> {
        let entry = entries.iter().find(|e| e.key == "expires")?;
        let found = match &entry.value.data {
            Data::Text(text) | Data::Date(text) => moment(text),
            _ => None,
        };
        if found.is_none() {
            let what = format!(
                "found {}, expected a date such as 2027-01-31 or 2027-01-31T18:00:00Z",
                describe(&entry.value, false)
            );
            self.problem(entry.value.at, format!("{key}.expires"), what, None);
        }
        found
    }

    /// Examples under either of two spellings.
    pub(super) fn examples(
        &mut self,
        entries: &[Entry],
        names: [&'static str; 2],
        key: &str,
    ) -> Vec<Example> {
        let Some(name) = self.one_name(entries, names, key) else { return Vec::new() };
        let Some(entry) = entries.iter().find(|e| e.key == name) else { return Vec::new() };
        let key = format!("{key}.{name}");
        let nodes = match &entry.value.data {
            Data::List(nodes) if nodes.len() <= LONGEST => nodes,
            Data::List(_) => {
                self.too_long(&entry.value, &key, LONGEST);
                return Vec::new();
            }
            _ => {
                let what = format!("found {}, expected a list", describe(&entry.value, false));
                self.problem(entry.value.at, key, what, None);
                return Vec::new();
            }
        };
        let one = |(at, node)| self.example(node, &format!("{key}[{at}]"));
        nodes.iter().enumerate().filter_map(one).collect()
    }

    fn example(&mut self, node: &Node, key: &str) -> Option<Example> {
        let entries = match &node.data {
            Data::Text(text) if !text.trim().is_empty() && !text.contains('\0') => {
                return Some(Example::Text(text.clone()));
            }
            Data::Table(entries) => entries,
            _ => {
                let found = describe(node, false);
                let what = format!("found {found}, expected a command, a path or an object");
                self.problem(node.at, key.to_owned(), what, None);
                return None;
            }
        };
        self.only(entries, EXAMPLE, key);
        let host = self.text(entries, "host", key);
        let url = self.text(entries, "url", key);
        let call = ExampleCall {
            tool: self.text(entries, "tool", key),
            command: self.text(entries, "command", key),
            path: self.text(entries, "path", key),
            reads: self.word(entries, "access", key, ACCESS) == Some("read"),
            host: host.or(url),
        };
        Some(Example::Call(call))
    }

    /// The words of a list that takes these alone.
    pub(super) fn words(
        &mut self,
        entries: &[Entry],
        name: &str,
        key: &str,
        known: &'static [&'static str],
    ) -> Option<Vec<String>> {
        let words = self.patterns(entries, name, key)?;
        for word in words.iter().filter(|word| !known.contains(&word.as_str())) {
            let near = super::problem::nearest(word, known.iter().copied());
            let what = format!("found {}, expected {}", quoted(word), super::check::one_of(known));
            let help = near.map(|near| format!("did you mean `{near}`?"));
            self.problem(self.spot(entries, name), format!("{key}.{name}"), what, help);
        }
        Some(words)
    }

    fn days(&mut self, entries: &[Entry], key: &str) -> Option<Vec<u8>> {
        let days = self.words(entries, "days", key, DAYS)?;
        let number = |day: &String| DAYS.iter().zip(0u8..).find(|(name, _)| *name == day);
        Some(days.iter().filter_map(number).map(|(_, at)| at).collect())
    }

    fn hours(&mut self, entries: &[Entry], key: &str) -> Option<(u16, u16)> {
        let written = self.text(entries, "hours", key)?;
        let hours = written.split_once('-').and_then(|(from, to)| {
            Some((clock(from)?, clock(to)?)).filter(|(from, to)| from != to)
        });
        if hours.is_none() {
            let what = format!("found {}, expected hours such as 08:00-18:00", quoted(&written));
            self.problem(self.spot(entries, "hours"), format!("{key}.hours"), what, None);
        }
        hours
    }

    fn depth(&mut self, entries: &[Entry], name: &str, key: &str) -> Option<u32> {
        let entry = entries.iter().find(|e| e.key == name)?;
        let found = match entry.value.data {
            Data::Whole(whole) => u32::try_from(whole).ok(),
            _ => None,
        };
        if found.is_none() {
            let found = describe(&entry.value, false);
            let what = format!("found {found}, expected a whole number, 0 or more");
            self.problem(entry.value.at, format!("{key}.{name}"), what, None);
        }
        found
    }

    pub(super) fn flag(&mut self, entries: &[Entry], name: &str, key: &str) -> Option<bool> {
        let entry = entries.iter().find(|e| e.key == name)?;
        if let Data::Flag(flag) = entry.value.data {
            return Some(flag);
        }
        let what = format!("found {}, expected true or false", describe(&entry.value, false));
        self.problem(entry.value.at, format!("{key}.{name}"), what, None);
        None
    }

    /// An object inside a rule, its keys checked.
    fn inner<'n>(
        &mut self,
        entries: &'n [Entry],
        name: &str,
        key: &str,
        known: &[&'static str],
    ) -> Option<(&'n [Entry], String)> {
        let entry = entries.iter().find(|e| e.key == name)?;
        let key = format!("{key}.{name}");
        let inner = self.object(&entry.value, &key)?;
        self.only(inner, known, &key);
        Some((inner, key))
    }

    /// Which of two spellings is used; both at once is an error.
    fn one_name(
        &mut self,
        entries: &[Entry],
        names: [&'static str; 2],
        key: &str,
    ) -> Option<&'static str> {
        let mut found = names.into_iter().filter(|name| entries.iter().any(|e| e.key == *name));
        let first = found.next()?;
        if let Some(second) = found.next() {
            let what = format!("is another spelling of `{first}`; keep one of the two");
            self.problem(self.spot(entries, second), format!("{key}.{second}"), what, None);
        }
        Some(first)
    }

    fn spot(&self, entries: &[Entry], name: &str) -> super::tree::Spot {
        entries.iter().find(|e| e.key == name).map(|e| e.value.at).unwrap_or_default()
    }
}

/// Minutes since midnight; `24:00` is the end of the day.
fn clock(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let minutes = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && minutes <= 24 * 60).then_some(minutes)
}

/// The first second that lies behind the moment: the day after a date, or the time itself.
fn moment(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(date) = text.parse::<jiff::civil::Date>()
        && text.len() == "2027-01-31".len()
    {
        let next = date.tomorrow().ok()?;
        return next.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|day| day.timestamp().as_second());
    }
    // A time without a zone means another moment on every machine.
    let zoned = text.ends_with(['Z', 'z']) || text.get(19..)?.contains(['+', '-']);
    let stamp = text.replacen(' ', "T", 1).parse::<jiff::Timestamp>().ok();
    stamp.filter(|_| zoned).map(|stamp| stamp.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_date_counts_in_full_and_a_time_needs_its_zone() {
        assert_eq!(moment("1970-01-01"), Some(86_400));
        assert_eq!(moment("1970-01-01T00:01:00Z"), Some(60));
        assert_eq!(moment("1970-01-01T02:01:00+02:00"), Some(60));
        for wrong in ["2027-02-30", "2027-01-01T10:00:00", "tomorrow", "", "2027-1-1", "20270101"] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hours_are_two_digits_and_lie_in_a_day() {
        assert_eq!(clock("08:00"), Some(480));
        assert_eq!(clock("24:00"), Some(1440));
        for wrong in ["8:00", "24:01", "12:60", "+1:00", "", "12"] {
            assert_eq!(clock(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_makes_reading_a_moment_panic(text in "\\PC{0,32}", digits in "[0-9TZ:+ -]{0,30}") {
            let _ = (moment(&text), clock(&text), moment(&digits), clock(&digits));
        }
    }
}
