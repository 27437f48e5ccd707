//! Checks that the protecting mounts show what they are meant to.
//!
//! The attack: another call in the same workspace exchanges a folder for a link between the
//! moment when the parent chose it and the moment when bubblewrap mounts it, so that some other
//! folder of the host appears inside. The kernel's own table tells what was mounted where.

use crate::worker::wire::Setup;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

struct Mounted {
    device: Vec<u8>,
    /// What of the file system is shown.
    root: PathBuf,
    at: PathBuf,
    kind: Vec<u8>,
}

/// Compares the mounts below the workspace with the plan.
///
/// # Errors
/// The first mount that is missing, shows something else, or was not planned.
pub fn verify(setup: &Setup) -> Result<(), String> {
    if setup.pinned.is_empty() && setup.sealed.is_empty() {
        return Ok(());
    }
    let table = table()?;
    let workspace = setup.workspace.to_path();
    let ground = table.iter().rev().find(|mounted| mounted.at == workspace);
    let ground = ground.ok_or("the workspace is not mounted")?;
    for pinned in &setup.pinned {
        let pinned = pinned.to_path();
        let below = pinned
            .strip_prefix(&workspace)
            .map_err(|_| "a protected path outside the workspace".to_owned())?;
        let mounted = table.iter().rev().find(|mounted| mounted.at == pinned);
        let right = mounted.is_some_and(|mounted| {
            mounted.device == ground.device && mounted.root == ground.root.join(below)
        });
        if !right {
            return Err(changed(&pinned));
        }
    }
    for sealed in &setup.sealed {
        let sealed = sealed.to_path();
        let mounted = table.iter().rev().find(|mounted| mounted.at == sealed);
        // A file system that nothing else has: its root is shown, and it is not the workspace's.
        let own = mounted.is_some_and(|mounted| {
            mounted.kind == b"tmpfs"
                && mounted.root == Path::new("/")
                && mounted.device != ground.device
        });
        if !own {
            return Err(changed(&sealed));
        }
    }
    Ok(())
}

/// Compares all mounts with the openings, where another program's code made the view: an own root
/// in memory, and nothing on it that is not at or below an opening.
///
/// # Errors
/// The first mount that is something else.
pub fn verify_openings(setup: &Setup) -> Result<(), String> {
    let table = table()?;
    let worker = std::env::current_exe().map_err(|e| format!("finding the worker: {e}"))?;
    // Mounts stand where the links of an opening lead.
    let listed = setup.read.iter().chain(&setup.write).chain(&setup.devices);
    let real = |path: PathBuf| path.canonicalize().ok();
    let mut openings: Vec<PathBuf> = listed.filter_map(|path| real(path.to_path())).collect();
    openings.extend([PathBuf::from("/proc"), worker]);
    match unplanned(&table, &openings) {
        None => Ok(()),
        Some(at) => Err(format!("birdcage: {} shows what no opening names", at.display())),
    }
}

fn unplanned<'a>(table: &'a [Mounted], openings: &[PathBuf]) -> Option<&'a Path> {
    let planned = |mounted: &&Mounted| match mounted.at == Path::new("/") {
        true => mounted.kind == b"tmpfs",
        false => openings.iter().any(|opening| mounted.at.starts_with(opening)),
    };
    table.iter().find(|mounted| !planned(mounted)).map(|mounted| mounted.at.as_path())
}

fn table() -> Result<Vec<Mounted>, String> {
    let table = std::fs::read("/proc/self/mountinfo")
        .map_err(|e| format!("reading /proc/self/mountinfo: {e}"))?;
    Ok(table.split(|b| *b == b'\n').filter_map(parse).collect())
}

fn changed(at: &Path) -> String {
    format!("the workspace changed while its protection was set up, at {}", at.display())
}

/// `ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS ...`, blanks and such in octal.
fn parse(line: &[u8]) -> Option<Mounted> {
    let mut fields = line.split(|b| *b == b' ').skip(2);
    let device = fields.next()?.to_vec();
    let root = unescape(fields.next()?);
    let at = unescape(fields.next()?);
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?.to_vec();
    Some(Mounted { device, root, at, kind })
}

fn unescape(field: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|_| *first == b'\\');
        let value = digits.and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 8).ok());
        match value {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_line_of_the_table_is_understood_with_its_escapes() {
        let line = br"36 35 98:0 /a\040b /w\134s rw,noatime master:1 - ext3 /dev/root rw";
        let mounted = parse(line).unwrap();
        assert_eq!(mounted.root, Path::new("/a b"));
        assert_eq!(mounted.kind, b"ext3");
        assert_eq!(mounted.at.as_os_str().as_bytes(), br"/w\s");
        assert!(parse(b"").is_none());
    }

    #[test]
    fn a_mount_beside_the_openings_and_the_hosts_own_root_are_noticed() {
        let table = |lines: &[&str]| -> Vec<Mounted> {
            lines.iter().filter_map(|line| parse(line.as_bytes())).collect()
        };
        let openings = [PathBuf::from("/usr"), PathBuf::from("/w")];
        let root = "1 0 0:1 / / rw - tmpfs tmpfs rw";
        let good =
            table(&[root, "2 1 8:0 /usr /usr ro - ext4 d rw", "3 2 8:1 / /w/x rw - ext4 e rw"]);
        assert_eq!(unplanned(&good, &openings), None);
        let beside = table(&[root, "2 1 8:0 / /w-evil rw - ext4 d rw"]);
        assert_eq!(unplanned(&beside, &openings), Some(Path::new("/w-evil")));
        let whole = table(&[root, "2 1 8:0 / / rw - ext4 d rw"]);
        assert_eq!(unplanned(&whole, &[PathBuf::from("/")]), Some(Path::new("/")));
    }
}
