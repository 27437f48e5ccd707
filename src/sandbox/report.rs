//! Judges a worker's report: what must be in force for each backend, and what to tell others.

use super::cause::Cause;
use crate::worker::backend::Backend;
use crate::worker::wire::{Network, Report};

/// Namespaces that an own view consists of.
pub const NAMESPACES: &[&str] = &["user", "mnt", "pid", "ipc", "uts", "cgroup", "net"];
/// Those of birdcage.
const OF_BIRDCAGE: &[&str] = &["user", "mnt", "pid", "ipc", "net"];
/// Below it, Landlock does not see truncation.
const OLDEST_ALONE: u32 = 3;
/// Below it, signals and abstract sockets are not held.
const WITH_SCOPES: u32 = 6;

/// Whether the report is all that the backend promises.
///
/// # Errors
/// The first thing that is missing. FAIL CLOSED: the call is then never sent.
pub fn accept(backend: Backend, network: Network, report: &Report) -> Result<(), Cause> {
    let absent = |what: &str| Err(Cause::NotInForce(what.to_owned()));
    if !backend.confines() {
        return Ok(());
    }
    if !report.no_new_privs {
        return absent("no_new_privs");
    }
    if !report.no_capabilities {
        return absent("the loss of capabilities");
    }
    if !report.seccomp {
        return Err(Cause::Seccomp);
    }
    let oldest = if backend.only_grants() { OLDEST_ALONE } else { 1 };
    if report.landlock < oldest {
        return Err(Cause::Landlock(report.landlock));
    }
    if backend.has_view() && !report.first_process {
        return absent("an own process table");
    }
    let promised = match backend {
        Backend::Bwrap | Backend::Userns => NAMESPACES,
        Backend::Birdcage => OF_BIRDCAGE,
        Backend::Landlock | Backend::None => &[],
    };
    for name in promised.iter().filter(|name| !(network == Network::Host && **name == "net")) {
        if !report.namespaces.iter().any(|own| own == name) {
            return absent(&format!("the namespace `{name}`"));
        }
    }
    Ok(())
}

/// The layers in force, for the record.
pub fn layers(backend: Backend, report: &Report) -> Vec<String> {
    let mut layers = vec!["worker".to_owned(), "environment".to_owned(), "limits".to_owned()];
    if backend.has_view() {
        layers.push("namespaces".to_owned());
    }
    if backend == Backend::Birdcage {
        // By name: these are fewer than those of a view.
        let own = OF_BIRDCAGE.iter().filter(|name| report.namespaces.iter().any(|n| n == *name));
        layers.extend(own.map(|name| format!("namespace-{name}")));
    }
    if report.landlock > 0 {
        layers.push(format!("landlock-abi-{}", report.landlock));
    }
    if report.seccomp {
        layers.push("seccomp".to_owned());
    }
    if report.no_new_privs {
        layers.push("no-new-privs".to_owned());
    }
    layers
}

/// What the backend cannot hold by its nature, for the record.
pub fn missing(backend: Backend, report: &Report) -> Vec<String> {
    let mut missing: Vec<&str> = Vec::new();
    match backend {
        Backend::Bwrap | Backend::Userns => {}
        Backend::Birdcage => {
            missing.push("the names of the host and of its control groups are visible");
            missing.push("protected names are compared and put back, not held");
        }
        Backend::Landlock => {
            missing.push("other processes are visible in /proc");
            missing.push("modes and times of the user's files outside can be changed");
            missing.push("protected names are compared and put back, not held");
        }
        Backend::None => missing.push("no confinement: files, network and processes are open"),
    }
    if backend == Backend::Landlock && report.landlock < WITH_SCOPES {
        missing.push("signals to the user's other processes (Landlock before version 6)");
    }
    missing.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Report {
        Report {
            failed: None,
            namespaces: NAMESPACES.iter().map(|name| (*name).to_owned()).collect(),
            first_process: true,
            no_new_privs: true,
            seccomp: true,
            no_capabilities: true,
            landlock: 7,
        }
    }

    #[test]
    fn a_report_that_lacks_any_layer_is_refused() {
        assert!(accept(Backend::Bwrap, Network::None, &full()).is_ok());
        let broken: [fn(&mut Report); 6] = [
            |r| r.first_process = false,
            |r| r.no_new_privs = false,
            |r| r.seccomp = false,
            |r| r.no_capabilities = false,
            |r| r.landlock = 0,
            |r| r.namespaces.retain(|name| name != "net"),
        ];
        for (index, breaks) in broken.iter().enumerate() {
            let mut report = full();
            breaks(&mut report);
            assert!(accept(Backend::Bwrap, Network::None, &report).is_err(), "layer {index}");
        }
    }

    #[test]
    fn birdcage_must_add_its_namespaces_to_all_that_landlock_alone_holds() {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let report =
            Report { first_process: false, namespaces: own(OF_BIRDCAGE), landlock: 3, ..full() };
        assert!(accept(Backend::Birdcage, Network::None, &report).is_ok());
        let old = Report { landlock: 2, ..report.clone() };
        assert_eq!(accept(Backend::Birdcage, Network::None, &old), Err(Cause::Landlock(2)));
        for name in OF_BIRDCAGE {
            let mut report = report.clone();
            report.namespaces.retain(|own| own != name);
            assert!(accept(Backend::Birdcage, Network::None, &report).is_err(), "{name}");
            let shared = accept(Backend::Birdcage, Network::Host, &report);
            assert_eq!(shared.is_ok(), *name == "net", "{name}");
        }
        let layers = layers(Backend::Birdcage, &report);
        assert!(
            !layers.contains(&"namespaces".to_owned()),
            "never told as a whole view: {layers:?}"
        );
        assert!(!missing(Backend::Birdcage, &report).is_empty());
    }

    #[test]
    fn landlock_alone_must_see_truncation() {
        let report = Report { landlock: 2, ..full() };
        assert_eq!(accept(Backend::Landlock, Network::None, &report), Err(Cause::Landlock(2)));
        assert!(accept(Backend::Bwrap, Network::None, &report).is_ok());
    }
}
