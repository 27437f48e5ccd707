//! The `audit` block: where decisions are recorded, when they are durable, how long they are kept, and
//! who else is sent them. There is no key that switches it off. A repository says nothing here: it
//! could otherwise send the records to itself, or let nobody have them.

use super::{FALSE_IS_STRICT, Key, Sealing, Shape, Stranger, TRUE_IS_STRICT};

const fn key(path: &'static str, shape: Shape, sealing: Sealing, about: &'static str) -> Key {
    Key { path, shape, sealing, stranger: Stranger::Ignore, about }
}

const fn sink(path: &'static str, shape: Shape, about: &'static str) -> Key {
    key(path, shape, Sealing::Override, about)
}

/// When a record is durable, most permissive first.
pub const SYNC: &[&str] = &["checkpoint", "always"];

const fn kept(path: &'static str, about: &'static str) -> Key {
    let shape = Shape::Whole { least: 0, zero_is_unlimited: true };
    Key { path, shape, sealing: Sealing::Override, stranger: Stranger::Ignore, about }
}

/// The keys of the section.
pub const KEYS: &[Key] = &[
    sink(
        "audit.file",
        Shape::Text,
        "the log file; `~` is the home folder, a relative path starts at the data folder",
    ),
    Key {
        path: "audit.sync",
        shape: Shape::Word(SYNC),
        sealing: Sealing::Floor(SYNC),
        stranger: Stranger::Ignore,
        about: "when a record is synced: always (default), or with each signed checkpoint",
    },
    sink(
        "audit.keySecret",
        Shape::Secret,
        "encrypts the signing key at rest: the name of a variable, or file:PATH (32 bytes or more)",
    ),
    kept("audit.rotateBytes", "a new file is begun at this size (default 67108864); 0 means never"),
    kept("audit.rotateHours", "and when its first record is this old (default 24); 0 means never"),
    kept("audit.keepDays", "closed files older than this are removed (default 400); 0 means never"),
    sink(
        "audit.sinks.*.type",
        Shape::Word(&["otlp", "http", "syslog", "journald"]),
        "what the receiver speaks (docs/audit.md, Forwarding)",
    ),
    sink(
        "audit.sinks.*.url",
        Shape::Text,
        "the receiver: https:// for otlp and http; tls://, tcp://, udp:// or unix:// for syslog",
    ),
    sink(
        "audit.sinks.*.format",
        Shape::Word(&["jsonl", "ocsf", "ecs", "cef"]),
        "what a line of an http batch is (default jsonl)",
    ),
    sink(
        "audit.sinks.*.token",
        Shape::Secret,
        "sent with each request: the name of a variable, or file:PATH",
    ),
    sink(
        "audit.sinks.*.tokenHeader",
        Shape::Text,
        "where the token goes: bearer (default) or a header name",
    ),
    sink(
        "audit.sinks.*.signingKey",
        Shape::Secret,
        "signs http batches: the name of a variable, or file:PATH",
    ),
    sink(
        "audit.sinks.*.traces",
        Shape::Flag,
        "whether an otlp sink is sent spans of runs, model calls and tool calls (default false)",
    ),
    sink(
        "audit.sinks.*.metrics",
        Shape::Flag,
        "whether an otlp sink is sent token counts and durations (default false)",
    ),
    key(
        "audit.sinks.*.insecure",
        Shape::Flag,
        FALSE_IS_STRICT,
        "allows http:// and unencrypted syslog to other machines",
    ),
    key(
        "audit.sinks.*.required",
        Shape::Flag,
        TRUE_IS_STRICT,
        "whether `block` counts this sink (default true)",
    ),
    key(
        "audit.backlog.policy",
        Shape::Word(&["spool", "block"]),
        Sealing::Floor(&["spool", "block"]),
        "what a sink that falls behind does: nothing, or refuse tool calls (default spool)",
    ),
    key(
        "audit.backlog.limit",
        Shape::Whole { least: 1, zero_is_unlimited: false },
        Sealing::Ceiling,
        "how many records a required sink may lack before `block` refuses (default 10000)",
    ),
    key(
        "audit.forward.runs",
        Shape::Flag,
        Sealing::Override,
        "whether `ion prompt` forwards while it works; otherwise `ion audit forward` alone (default true)",
    ),
    key(
        "audit.forward.graceMs",
        Shape::Millis { negative_is_unlimited: false },
        Sealing::Override,
        "the longest that a run waits at its end for records to be sent (default 2000)",
    ),
];
