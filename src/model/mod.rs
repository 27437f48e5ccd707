//! Nouns that every room shares: ids, tiers, decisions, paths, calls, usage.
//!
//! Nothing here does I/O, reads a clock or knows policy. A type belongs here only if
//! at least two higher ranks need it. Read [`call`] next, then [`crate::redact`].

pub mod address_block;
pub mod call;
pub mod decision;
pub mod effects;
pub mod hex;
pub mod host;
pub mod host_rule;
pub mod ids;
pub mod path;
pub mod requirement;
pub mod tier;
pub mod usage;
pub mod visible;

pub use address_block::AddressBlock;
pub use call::{ToolCall, ToolName};
pub use decision::Decision;
pub use effects::Effects;
pub use hex::{bytes_of_hex, hex};
pub use host::Host;
pub use host_rule::HostRule;
pub use ids::{CallId, Seq, SessionId};
pub use path::AbsPath;
pub use requirement::Requirement;
pub use tier::{Source, Tier};
pub use usage::Usage;
pub use visible::visible;
