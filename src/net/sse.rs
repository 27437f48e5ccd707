//! Server-sent events, parsed as the bytes arrive.
//!
//! The same events come out however the bytes are cut. Any bytes are survived: bad UTF-8 is
//! replaced, unknown fields are skipped, and a server that never ends a line, an event or the
//! stream meets a limit. Knows nothing of JSON. Read `provider::dialect` next.

/// Sizes in bytes at which a stream is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One line.
    pub line: usize,
    /// The data of one event.
    pub event: usize,
    /// Everything received.
    pub total: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { line: 4 << 20, event: 4 << 20, total: 64 << 20 }
    }
}

/// One event with at least one `data` line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SseEvent {
    /// The `event` field, empty when absent.
    pub name: String,
    /// The `data` lines, joined by line feeds.
    pub data: String,
}

/// A limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream has {what} of more than {limit} bytes")]
pub struct TooLarge {
    what: &'static str,
    limit: usize,
}

/// The parser's state between two pieces.
#[derive(Debug)]
pub struct SseParser {
    limits: Limits,
    received: usize,
    line: Vec<u8>,
    first_line: bool,
    after_cr: bool,
    event: SseEvent,
    has_data: bool,
}

impl SseParser {
    /// A parser at the beginning of a stream.
    pub fn new(limits: Limits) -> Self {
        SseParser {
            limits,
            received: 0,
            line: Vec::new(),
            first_line: true,
            after_cr: false,
            event: SseEvent::default(),
            has_data: false,
        }
    }

    /// Takes a piece and appends the events that it completes.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<SseEvent>) -> Result<(), TooLarge> {
        self.received = self.received.saturating_add(piece.len());
        within(self.received, self.limits.total, "a body")?;
        let mut rest = piece;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr) && rest.first() == Some(&b'\n') {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let end = rest.iter().position(|b| matches!(b, b'\n' | b'\r'));
            let (head, tail) = rest.split_at(end.unwrap_or(rest.len()));
            within(self.line.len().saturating_add(head.len()), self.limits.line, "a line")?;
            self.line.extend_from_slice(head);
            if let Some((&ending, tail)) = tail.split_first() {
                self.after_cr = ending == b'\r';
                rest = tail;
                self.end_line(out)?;
            } else {
                rest = tail;
            }
        }
        Ok(())
    }

    /// Ends the stream: an event without its blank line is delivered all the same, and the
    /// caller must expect it to be cut short.
    pub fn finish(&mut self, out: &mut Vec<SseEvent>) -> Result<(), TooLarge> {
        if !self.line.is_empty() {
            self.end_line(out)?;
        }
        self.dispatch(out);
        Ok(())
    }

    fn end_line(&mut self, out: &mut Vec<SseEvent>) -> Result<(), TooLarge> {
        let mut line = self.line.as_slice();
        if std::mem::take(&mut self.first_line) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            self.line.clear();
            self.dispatch(out);
            return Ok(());
        }
        let colon = line.iter().position(|&b| b == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                let text = String::from_utf8_lossy(value);
                let size = self.event.data.len().saturating_add(text.len());
                within(size, self.limits.event, "an event")?;
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(&text);
                self.has_data = true;
            }
            b"event" => self.event.name = String::from_utf8_lossy(value).into_owned(),
            _ => {}
        }
        self.line.clear();
        Ok(())
    }

    fn dispatch(&mut self, out: &mut Vec<SseEvent>) {
        let event = std::mem::take(&mut self.event);
        if std::mem::take(&mut self.has_data) {
            out.push(event);
        }
    }
}

fn within(size: usize, limit: usize, what: &'static str) -> Result<(), TooLarge> {
    if size > limit { Err(TooLarge { what, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(pieces: &[&[u8]]) -> Vec<SseEvent> {
        let mut parser = SseParser::new(Limits::default());
        let mut out = Vec::new();
        for piece in pieces {
            parser.push(piece, &mut out).unwrap();
        }
        parser.finish(&mut out).unwrap();
        out
    }

    fn data(stream: &str) -> Vec<String> {
        parse(&[stream.as_bytes()]).into_iter().map(|event| event.data).collect()
    }

    #[test]
    fn all_three_line_endings_end_a_line() {
        for stream in ["data: a\n\ndata: b\n\n", "data: a\r\rdata: b\r\r"] {
            assert_eq!(data(stream), ["a", "b"], "{stream:?}");
        }
        assert_eq!(data("data: a\r\n\r\ndata: b\r\n\r\n"), ["a", "b"]);
        assert_eq!(data("data: a\r\ndata: b\r\n\r\n"), ["a\nb"]);
        let split: [&[u8]; 3] = [b"data: a\r", b"\ndata: b\r", b"\n\r\n"];
        assert_eq!(parse(&split).len(), 1);
        assert_eq!(parse(&[b"data: a\r", b"\n\r", b"\ndata: b\r\n\r\n"]).len(), 2);
    }

    #[test]
    fn the_blank_after_the_colon_is_optional_and_only_one_is_taken() {
        assert_eq!(data("data:x\n\ndata:  y\n\ndata\n\n"), ["x", " y", ""]);
    }

    #[test]
    fn comments_unknown_fields_and_events_without_data_are_skipped() {
        assert_eq!(data(": ping\n\nid: 1\nretry: 5\n\nevent: x\n\ndata: a\n\n"), ["a"]);
    }

    #[test]
    fn several_data_lines_are_joined_and_the_name_is_kept() {
        let events = parse(&[b"event: note\ndata: a\ndata: b\n\n"]);
        assert_eq!(events, [SseEvent { name: "note".into(), data: "a\nb".into() }]);
    }

    #[test]
    fn the_last_event_needs_no_blank_line_and_done_passes_through() {
        assert_eq!(data("data: a\n\ndata: [DONE]"), ["a", "[DONE]"]);
        assert_eq!(data("\u{feff}data: a"), ["a"]);
    }

    #[test]
    fn a_character_split_over_two_pieces_stays_whole() {
        let text = "data: é✓\n\n".as_bytes();
        for cut in 0..text.len() {
            let (a, b) = text.split_at(cut);
            assert_eq!(parse(&[a, b])[0].data, "é✓", "cut at {cut}");
        }
    }

    #[test]
    fn each_limit_stops_the_stream_and_memory_stays_below_it() {
        let limits = Limits { line: 100, event: 150, total: 10_000 };
        let endless = |piece: &[u8]| {
            let mut parser = SseParser::new(limits);
            let mut out = Vec::new();
            for _ in 0..10_000 {
                if let Err(error) = parser.push(piece, &mut out) {
                    assert!(parser.line.len() <= limits.line);
                    assert!(parser.event.data.len() <= limits.event);
                    return error.what;
                }
                out.clear();
            }
            "no limit"
        };
        assert_eq!(endless(b"xxxxxxxx"), "a line");
        assert_eq!(endless(b"data: xxxxxxxx\n"), "an event");
        assert_eq!(endless(b"data: xxxxxxxx\n\n"), "a body");
        assert_eq!(endless(b": ping\n\n"), "a body");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_cutting_gives_the_same_events(
            lines in prop::collection::vec("(data: ?|event:|:|id:|)[a-zé✓ :]{0,8}(\n|\r|\r\n)", 0..20),
            cuts in prop::collection::vec(0usize..400, 0..12),
        ) {
            let stream = lines.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &stream[w[0]..w[1]]).collect();
            let whole = parse(&[&stream]);
            prop_assert_eq!(&parse(&pieces), &whole);
            let single: Vec<&[u8]> = stream.chunks(1).collect();
            prop_assert_eq!(&parse(&single), &whole);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            parse(&[&bytes]);
        }
    }
}
