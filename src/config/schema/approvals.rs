//! `approvals`: how a person is reached when a call needs one. A repository says nothing here:
//! it could otherwise send questions, or the right to answer them, to itself.

use super::{Empty, FALSE_IS_STRICT, Key, Sealing, Shape, Stranger};

const fn key(path: &'static str, shape: Shape, sealing: Sealing, about: &'static str) -> Key {
    Key { path, shape, sealing, stranger: Stranger::Ignore, about }
}

/// The keys of the section.
pub const KEYS: &[Key] = &[
    key(
        "approvals.waitMs",
        Shape::Millis { negative_is_unlimited: false },
        Sealing::Ceiling,
        "how long a question stays open before it is denied (default 300000)",
    ),
    key(
        "approvals.terminal",
        Shape::Flag,
        FALSE_IS_STRICT,
        "whether a person at the terminal of the run is asked (default true)",
    ),
    key(
        "approvals.host",
        Shape::Flag,
        FALSE_IS_STRICT,
        "whether a host program may answer on standard input, `--answers` (default true)",
    ),
    key(
        "approvals.folder",
        Shape::Flag,
        FALSE_IS_STRICT,
        "whether `ion approvals` of another terminal may answer (default false)",
    ),
    key(
        "approvals.preview",
        Shape::Flag,
        FALSE_IS_STRICT,
        "whether whoever is asked may first see what a command does on a copy (default true)",
    ),
    key(
        "approvals.webhook.url",
        Shape::Text,
        Sealing::Override,
        "where questions are posted; https, or this machine",
    ),
    key(
        "approvals.webhook.secret",
        Shape::Secret,
        Sealing::Override,
        "signs both ways: a secret, or the name of a variable that holds it",
    ),
    key(
        "approvals.webhook.allowHosts",
        Shape::Texts,
        Sealing::Intersect(Empty::Nothing),
        "hosts that `approvals.webhook.url` may name; `[]` means none",
    ),
];
