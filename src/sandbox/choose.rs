//! Which backend holds a confinement: the one that was named, or the strongest that works.

use super::cause::Missing;
use crate::model::Requirement;
use crate::policy::{Confinement, NetworkAccess};
use crate::worker::backend::Backend;

/// The backend for a confinement. Below the requirement there is none. `works` tries one out.
///
/// # Errors
/// In a person's words: what is missing, for each backend that would have done.
pub fn backend(
    confinement: &Confinement,
    mut works: impl FnMut(Backend) -> Result<(), Missing>,
) -> Result<Backend, String> {
    // FAIL CLOSED: without a network of its own a call would reach the listed hosts past the proxy,
    // and all others as well.
    let listed = confinement.network == NetworkAccess::Listed;
    let requirement = match listed {
        true => confinement.requirement.max(Requirement::View),
        false => confinement.requirement,
    };
    match confinement.backend.as_deref() {
        None | Some("auto") => {}
        Some("seatbelt") => return Err(of_another_system()),
        Some(name) => {
            let backend = Backend::named(name).ok_or_else(|| unknown(name))?;
            // Before anything else that is wrong with it: no setting will help here.
            if !backend.is_built_in() {
                return Err(Missing::not_built_in(backend).to_string());
            }
            if listed && !backend.has_view() {
                return Err(no_own_network(backend));
            }
            if backend.strength() < requirement {
                return Err(too_weak(backend, requirement));
            }
            return works(backend).map(|()| backend).map_err(|missing| missing.to_string());
        }
    }
    let mut refused = Vec::new();
    for backend in candidates(requirement, rustix::process::geteuid().is_root()) {
        match works(*backend) {
            Ok(()) => return Ok(*backend),
            Err(missing) => refused.push(missing.to_string()),
        }
    }
    Err(refused.join("\n"))
}

/// What is tried, strongest first. To root the devices in `/dev` belong, and bubblewrap shows them
/// so that a call of root's could change the host's own: then Ion's own view is the stronger one.
pub fn candidates(requirement: Requirement, root: bool) -> &'static [Backend] {
    match (requirement, root) {
        (Requirement::View, false) => &[Backend::Bwrap, Backend::Userns],
        (Requirement::View, true) => &[Backend::Userns, Backend::Bwrap],
        (Requirement::Rules, false) => &[Backend::Bwrap, Backend::Userns, Backend::Landlock],
        (Requirement::Rules, true) => &[Backend::Userns, Backend::Bwrap, Backend::Landlock],
        // A choice that somebody made and that is on record, not a fallback.
        (Requirement::Open, _) => &[Backend::None],
    }
}

fn of_another_system() -> String {
    "the backend `seatbelt` is macOS's, and this is not; the tool did not run\n  \
     known     bwrap, userns, landlock, none; or leave it out for the strongest that works\n  \
     next      ion sandbox explain --backend seatbelt prints the profile that macOS would be given"
        .to_owned()
}

fn unknown(name: &str) -> String {
    let birdcage = if Backend::Birdcage.is_built_in() { "birdcage, " } else { "" };
    format!(
        "`sandbox.backend` names `{}`, which this build does not have; the tool did not run\n  \
         known     bwrap, userns, {birdcage}landlock, none; or leave it out for the strongest that \
         works",
        name.escape_debug()
    )
}

/// Why Ion's proxy has no place in a call's network.
pub fn network_of(backend: Backend) -> &'static str {
    match backend {
        Backend::Bwrap | Backend::Userns => "has a network of its own",
        Backend::Birdcage => "makes a network in which nobody can listen, or shares the host's",
        Backend::Landlock | Backend::None => "shares the host's network",
    }
}

fn no_own_network(backend: Backend) -> String {
    format!(
        "the backend `{}` {}; the tool did not run\n  \
         needs     a network of its own, so that only listed hosts are reached\n  \
         fix       choose the backend `bwrap` or `userns`, or no network",
        backend.as_str(),
        network_of(backend)
    )
}

fn too_weak(backend: Backend, requirement: Requirement) -> String {
    let needs = match requirement {
        Requirement::View => "an own view of the system (`view`)",
        Requirement::Rules => "kernel rules (`rules`)",
        Requirement::Open => "nothing",
    };
    format!(
        "the backend `{}` is weaker than policy requires; the tool did not run\n  \
         needs     {needs}\n  \
         fix       choose a stronger backend, or ask the owner of the policy to lower \
         `sandbox.minimum`",
        backend.as_str()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn birdcage_is_had_by_its_name_alone() {
        for requirement in [Requirement::View, Requirement::Rules, Requirement::Open] {
            for root in [false, true] {
                let tried = candidates(requirement, root);
                assert!(!tried.contains(&Backend::Birdcage), "{requirement:?}");
            }
        }
    }
}
