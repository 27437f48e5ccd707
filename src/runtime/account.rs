//! The account that Ion runs as, by name: what rules about users and groups test.
//!
//! Read from `/etc/passwd` and `/etc/group` by the ids of the kernel; no variable can lie about
//! it and no program is run. FAIL CLOSED: a name service other than these files is not asked, and
//! where one id has no name the whole answer is unknown, which makes such rules restrict.

use std::path::Path;

/// Largest file that is read.
const LARGEST: u64 = 8 << 20;

/// A login name and the names of all groups; `None` where they are not surely known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login name of the real user id.
    pub user: Option<String>,
    /// Primary and supplementary groups, sorted.
    pub groups: Option<Vec<String>>,
}

impl Account {
    /// The account of this process.
    pub fn here() -> Self {
        let mut ids = vec![rustix::process::getgid().as_raw()];
        let supplementary = rustix::process::getgroups();
        let known = supplementary.is_ok();
        ids.extend(supplementary.unwrap_or_default().into_iter().map(|gid| gid.as_raw()));
        let read = |path: &str| read(Path::new(path));
        let user =
            read("/etc/passwd").and_then(|file| name_of(&file, rustix::process::getuid().as_raw()));
        let groups = read("/etc/group").filter(|_| known).and_then(|file| names_of(&file, &ids));
        Account { user, groups }
    }
}

fn read(path: &Path) -> Option<String> {
    let size = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?.len();
    if size > LARGEST {
        return None;
    }
    String::from_utf8(std::fs::read(path).ok()?).ok()
}

/// `name:password:id:…`, one entry a line; the first one with the id counts.
fn name_of(file: &str, id: u32) -> Option<String> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == id).then(|| name.to_owned())
    };
    file.lines().find_map(entry)
}

fn names_of(file: &str, ids: &[u32]) -> Option<Vec<String>> {
    let mut names = ids.iter().map(|id| name_of(file, *id)).collect::<Option<Vec<String>>>()?;
    names.sort();
    names.dedup();
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "root:x:0:\n\ndev:x:100:ada,bob\nodd\n:x:7:\nstaff:x:50:\ntwin:x:100:\n";

    #[test]
    fn names_are_read_by_id_and_the_first_entry_counts() {
        assert_eq!(name_of(GROUP, 100).as_deref(), Some("dev"));
        assert_eq!(name_of(GROUP, 7), None, "an empty name is none");
        assert_eq!(name_of("ada:x:-1::\nada:x::1\n", 1), None);
    }

    #[test]
    fn one_group_without_a_name_makes_all_of_them_unknown() {
        assert_eq!(names_of(GROUP, &[50, 100, 50]).unwrap(), ["dev", "staff"]);
        assert_eq!(names_of(GROUP, &[50, 4242]), None);
    }
}
