//! The `sandbox` block: how much confinement a call needs and what it may touch.

use super::{FALSE_IS_STRICT, Key, Sealing, Shape, Stranger, TRUE_IS_STRICT};

/// Requirements, most permissive first.
pub const MINIMUM: &[&str] = &["open", "rules", "view"];
/// Network access, most permissive first.
pub const NETWORK: &[&str] = &["all", "listed", "none"];

const fn tighten(path: &'static str, shape: Shape, sealing: Sealing, about: &'static str) -> Key {
    Key { path, shape, sealing, stranger: Stranger::Tighten, about }
}

const fn credential(path: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { path, shape, sealing: Sealing::Override, stranger: Stranger::Ignore, about }
}

/// The keys of the section.
pub const KEYS: &[Key] = &[
    tighten("sandbox.enabled", Shape::Flag, TRUE_IS_STRICT, "`false` asks for no confinement"),
    tighten("sandbox.required", Shape::Flag, TRUE_IS_STRICT, "refuse to run tools without one"),
    tighten(
        "sandbox.allowDisable",
        Shape::Flag,
        FALSE_IS_STRICT,
        "`false` keeps `sandbox.enabled` from being switched off",
    ),
    tighten(
        "sandbox.minimum",
        Shape::Word(MINIMUM),
        Sealing::Floor(MINIMUM),
        "the least that must be enforced: open, rules or view",
    ),
    Key {
        path: "sandbox.backend",
        shape: Shape::Text,
        sealing: Sealing::Override,
        stranger: Stranger::Ignore,
        about: "a backend by name; without it the strongest that works",
    },
    tighten(
        "sandbox.network",
        Shape::Word(NETWORK),
        Sealing::Floor(NETWORK),
        "none, listed (only `sandbox.hosts`) or all",
    ),
    Key {
        path: "sandbox.read",
        shape: Shape::Paths,
        sealing: Sealing::IntersectPaths,
        stranger: Stranger::Ignore,
        about: "folders readable besides the system and the workspace",
    },
    Key {
        path: "sandbox.write",
        shape: Shape::Paths,
        sealing: Sealing::IntersectPaths,
        stranger: Stranger::Ignore,
        about: "folders writable besides the workspace",
    },
    Key {
        path: "sandbox.hosts",
        shape: Shape::Hosts { refuses: false },
        sealing: Sealing::IntersectHosts,
        stranger: Stranger::Ignore,
        about: "what `listed` lets through: names, `*.domain`, ports, methods, paths",
    },
    Key {
        path: "sandbox.addresses",
        shape: Shape::Addresses,
        sealing: Sealing::IntersectAddresses,
        stranger: Stranger::Ignore,
        about: "private addresses that a listed name may lead to, as in 10.1.0.0/16",
    },
    credential("sandbox.credentials.*.host", Shape::Text, "where the proxy adds it"),
    credential("sandbox.credentials.*.header", Shape::Text, "the header; without it Authorization"),
    credential("sandbox.credentials.*.scheme", Shape::Text, "stands before it, as Bearer"),
    credential(
        "sandbox.credentials.*.value",
        Shape::Secret,
        "a secret, or the name of a variable that holds it",
    ),
    tighten(
        "sandbox.protect",
        Shape::Names,
        Sealing::Union,
        "names inside the workspace that stay read-only",
    ),
    tighten("sandbox.hide", Shape::Paths, Sealing::Union, "paths that are never visible"),
    tighten("sandbox.additionalDenyPaths", Shape::Paths, Sealing::Union, "as `sandbox.hide`"),
    tighten(
        "sandbox.additionalDangerousPatterns",
        Shape::Dangers,
        Sealing::Layered,
        "as `permissions.dangerousPatterns`",
    ),
    tighten(
        "sandbox.workspaceWritable",
        Shape::Flag,
        FALSE_IS_STRICT,
        "whether the workspace may be written",
    ),
    tighten(
        "sandbox.processes",
        Shape::Whole { least: 0, zero_is_unlimited: true },
        Sealing::Ceiling,
        "most processes of one call",
    ),
    tighten(
        "sandbox.fileSize",
        Shape::Whole { least: 0, zero_is_unlimited: true },
        Sealing::Ceiling,
        "largest file that a call may write, bytes",
    ),
    tighten(
        "sandbox.memory",
        Shape::Whole { least: 0, zero_is_unlimited: true },
        Sealing::Ceiling,
        "most memory of one call, all its processes together, bytes",
    ),
    tighten(
        "sandbox.cpuSeconds",
        Shape::Whole { least: 0, zero_is_unlimited: true },
        Sealing::Ceiling,
        "most processor time of one command, all its processes together, seconds",
    ),
];
