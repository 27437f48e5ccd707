//! A proposed call becomes a permit or a refusal, recorded first.
pub mod permit;
pub mod refusal;
pub use permit::{Permit, Terms};
pub use refusal::{DecidedBy, Refusal, RuleRef};
pub mod confiner;
pub use confiner::Confiner;
