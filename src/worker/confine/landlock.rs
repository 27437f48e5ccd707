//! File, TCP, signal and abstract-socket rules by Landlock, to the best version that the
//! kernel has, with the version reported: the crate's best effort says `Ok` even when nothing
//! is enforced, so the caller must look at what comes back.

use crate::worker::wire::{Network, Setup};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};
use std::path::PathBuf;

/// Restricts this thread and all it starts; the version in force, 0 for none.
///
/// # Errors
/// In a person's words; nothing may run after one.
pub fn apply(setup: &Setup) -> Result<u32, String> {
    restrict(setup).map_err(|e| format!("landlock: {e}"))
}

fn restrict(setup: &Setup) -> Result<u32, landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V9))?
        .scope(Scope::from_all(ABI::V6))?;
    // In a namespace of its own there is nobody to reach but the call itself.
    if setup.network != Network::Host && !setup.backend.has_view() {
        ruleset = ruleset.handle_access(AccessNet::from_all(ABI::V4))?;
    }
    let paths = |list: &[crate::worker::wire::WirePath]| -> Vec<PathBuf> {
        list.iter().map(|path| path.to_path()).collect()
    };
    // Version 5 on purpose: later versions add rights (connecting to socket files) that no
    // root below should carry.
    let reading = AccessFs::from_read(ABI::V5);
    let writing = AccessFs::from_all(ABI::V5) & !device_creation();
    let devices = AccessFs::ReadFile
        | AccessFs::WriteFile
        | AccessFs::ReadDir
        | AccessFs::Truncate
        | AccessFs::IoctlDev;
    // In a view made of mounts all that is there may be read; each rule costs a start some time.
    let read = match setup.backend.has_view() {
        true => vec![PathBuf::from("/")],
        false => paths(&setup.read),
    };
    let status = ruleset
        .create()?
        .add_rules(path_beneath_rules(read, reading))?
        .add_rules(path_beneath_rules(paths(&setup.write), writing))?
        .add_rules(path_beneath_rules(paths(&setup.devices), devices))?
        .restrict_self()?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Ok(0);
    }
    Ok(match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi as u32,
        _ => 0,
    })
}

fn device_creation() -> BitFlags<AccessFs> {
    AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev
}
