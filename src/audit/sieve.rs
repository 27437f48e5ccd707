//! Tells from the bytes of a line that a filter will not take it, so that most lines of a large
//! log are never parsed.
//!
//! Ion writes each member in one way, so a line without those bytes does not have the member. That
//! holds for lines that were just verified; any other line is parsed, because one that cannot be
//! read must be counted and never be passed over.

use super::query::Filter;
use super::record;
use crate::model::Seq;
use memchr::memmem::Finder;

/// What a line must hold.
pub(in crate::audit) struct Sieve {
    parts: Vec<Finder<'static>>,
    since: Option<String>,
    /// Up to here every line is as it was written.
    verified: Seq,
    /// Whether the filter takes every record.
    pub(in crate::audit) takes_all: bool,
}

impl Sieve {
    pub(in crate::audit) fn of(filter: &Filter) -> Self {
        let mut parts = Vec::new();
        let mut must = |name: &str, value: &str| {
            let text = serde_json::Value::from(value).to_string();
            parts.push(Finder::new(&format!("\"{name}\":{}", record::visible(&text))).into_owned());
        };
        if let Some(decision) = filter.decision {
            must("decision", decision.as_str());
        }
        for (name, value) in
            [("tool", &filter.tool), ("session", &filter.session), ("id", &filter.rule)]
        {
            if let Some(value) = value {
                must(name, value);
            }
        }
        // A number may be a user id, which stands elsewhere.
        let name = filter.user.as_ref().filter(|user| user.parse::<u32>().is_err());
        if let Some(user) = name {
            must("user", user);
        }
        let since = filter.since.map(|since| {
            let ms = since.as_millisecond();
            let floor = jiff::Timestamp::from_millisecond(ms).unwrap_or(since);
            format!("{floor:.3}")
        });
        let takes_all = parts.is_empty() && since.is_none() && filter.user.is_none();
        Sieve { parts, since, verified: filter.verified.unwrap_or(Seq(0)), takes_all }
    }

    /// Whether this line, with or without its `\n`, was verified.
    pub(in crate::audit) fn knows(&self, line: &[u8]) -> bool {
        record::beginning(line).is_some_and(|(seq, _)| seq <= self.verified)
    }

    /// Whether the filter cannot take this line.
    pub(in crate::audit) fn holds_back(&self, line: &[u8]) -> bool {
        let Some((seq, time)) = record::beginning(line) else { return false };
        if seq > self.verified {
            return false;
        }
        let early = |since: &String| time.len() == since.len() && time < since.as_str();
        self.since.as_ref().is_some_and(early)
            || self.parts.iter().any(|part| part.find(line).is_none())
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::query::{self, Filter};
    use crate::audit::tests::{Log, draft};
    use crate::audit::verify::verify;
    use crate::audit::{AuditError, Draft};
    use crate::model::{AbsPath, Decision, SessionId, ToolName};

    /// A filter takes the same records whether or not lines are passed over unread.
    #[test]
    fn nothing_is_passed_over_that_a_filter_takes() {
        let log = Log::with(0);
        let open = log.open();
        let tools =
            ["Bash", "Read", "x\"y\\z", "odd\u{202e}\u{7f}\ntool", "Bash\",\"decision\":\"deny"];
        for n in 0..60 {
            let tool = Some(ToolName::resolve(tools[n % 5]));
            let session = (n % 4 > 0)
                .then(|| SessionId::parse(&format!("177832000000{}-a1b2c3d4e5f6", n % 3)).unwrap());
            open.append(&Draft { tool, session, ..draft(n) }).unwrap();
        }
        let file = AbsPath::new(log.path()).unwrap();
        let last = verify(&file).unwrap().unwrap().last();
        let seen = |filter: &Filter| {
            let mut seqs = Vec::new();
            let skipped = query::each(&file, filter, |record| {
                seqs.push(record.seq.0);
                Ok::<(), AuditError>(())
            });
            (seqs, skipped.unwrap())
        };
        let now = jiff::Timestamp::now();
        let mut filters = vec![Filter::default()];
        for decision in [Decision::Allow, Decision::Deny, Decision::Ask] {
            filters.push(Filter { decision: Some(decision), ..Filter::default() });
        }
        for tool in tools.into_iter().chain(["bash", ""]) {
            filters.push(Filter { tool: Some(tool.to_owned()), ..Filter::default() });
        }
        for text in ["lena", "0", "1000", "egress.raw-fetch", "1778320000001-a1b2c3d4e5f6"] {
            let text = Some(text.to_owned());
            filters.push(Filter { user: text.clone(), ..Filter::default() });
            filters.push(Filter { rule: text.clone(), ..Filter::default() });
            filters.push(Filter { session: text, ..Filter::default() });
        }
        for ms in [-60_000, -30, -5, 0, 1, 60_000] {
            let since = now.checked_add(jiff::SignedDuration::from_millis(ms)).unwrap();
            filters.push(Filter { since: Some(since), ..Filter::default() });
        }
        let limited = filters.iter().map(|f| Filter { limit: Some(7), ..f.clone() });
        for filter in filters.clone().into_iter().chain(limited) {
            let sieved = Filter { verified: Some(last), ..filter.clone() };
            assert_eq!(seen(&sieved), seen(&filter), "{filter:?}");
        }
        assert!(filters.iter().any(|filter| !seen(filter).0.is_empty()));
        // What was not verified is read, and counted when it cannot be.
        let mut text = std::fs::read_to_string(log.path()).unwrap();
        text.push_str("{\"v\":1,\"seq\":61,\"time\":\"2026-01-01T00:00:00.000Z\",\"ki\n");
        std::fs::write(log.path(), text).unwrap();
        let filter = Filter { tool: Some("Read".to_owned()), ..Filter::default() };
        let sieved = Filter { verified: Some(last), ..filter.clone() };
        assert_eq!((seen(&sieved).1.unreadable, seen(&sieved)), (1, seen(&filter)));
    }
}
