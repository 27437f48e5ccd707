//! Compiles and evaluates rules. Pure: no clock, no disk, no async.
pub mod confinement;
pub use confinement::{Confinement, NetworkAccess, ResourceLimits};
