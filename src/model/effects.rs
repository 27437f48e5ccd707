//! What a tool can do to the world, stated by its specification and read by policy.

use serde::Serialize;

/// The kinds of effect a tool can have. A tool that states none is not allowed to exist:
/// the registry refuses it, because policy could not tell it from a harmless one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// Reads files.
    pub reads: bool,
    /// Changes files.
    pub writes: bool,
    /// Starts programs chosen by the model.
    pub executes: bool,
    /// Reaches another host.
    pub network: bool,
}

impl Effects {
    /// Reads files and nothing else.
    pub const READS: Effects =
        Effects { reads: true, writes: false, executes: false, network: false };
    /// Reads and changes files.
    pub const WRITES: Effects =
        Effects { reads: true, writes: true, executes: false, network: false };
    /// Runs programs, which may do anything that their confinement lets them.
    pub const EXECUTES: Effects =
        Effects { reads: true, writes: true, executes: true, network: true };
}
