//! `network`: proxy and certificates of Ion's own requests, and hosts that nobody reaches.

use super::{Key, Sealing, Shape, Stranger, TRUE_IS_STRICT};

const fn sealed(path: &'static str, shape: Shape, sealing: Sealing, about: &'static str) -> Key {
    Key { path, shape, sealing, stranger: Stranger::Ignore, about }
}

/// The keys of the section.
pub const KEYS: &[Key] = &[
    sealed("network.proxy.httpProxy", Shape::Text, Sealing::Override, "proxy for http://"),
    sealed("network.proxy.httpsProxy", Shape::Text, Sealing::Override, "proxy for https://"),
    sealed("network.proxy.noProxy", Shape::Text, Sealing::Override, "hosts reached directly"),
    sealed(
        "network.customCaCerts",
        Shape::Paths,
        Sealing::Override,
        "PEM files trusted besides the system's roots",
    ),
    sealed(
        "network.rejectUnauthorized",
        Shape::Flag,
        TRUE_IS_STRICT,
        "`false` switches certificate checks off",
    ),
    Key {
        path: "network.denyHosts",
        shape: Shape::Hosts { refuses: true },
        sealing: Sealing::Union,
        stranger: Stranger::Tighten,
        about: "what neither `sandbox.hosts` nor Ion's own requests reach",
    },
];
