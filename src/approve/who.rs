//! Who answers on this machine: the login name that the system's user table has for a user id.
//!
//! The variable `USER` is not asked, because whoever runs the command can set it.

use std::io::Read;

/// Largest user table that is read.
const LARGEST: u64 = 4 << 20;

/// `ada (uid 1000)`, for the user of this process.
pub fn me() -> String {
    let uid = rustix::process::getuid().as_raw();
    match name_of(uid) {
        Some(name) => format!("{name} (uid {uid})"),
        None => format!("uid {uid}"),
    }
}

fn name_of(uid: u32) -> Option<String> {
    let mut table = String::new();
    let file = std::fs::File::open("/etc/passwd").ok()?;
    file.take(LARGEST).read_to_string(&mut table).ok()?;
    named(&table, uid)
}

fn named(table: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    let line = table.lines().find(|line| line.split(':').nth(2) == Some(uid.as_str()))?;
    line.split(':').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_the_table_alone() {
        let table = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(named(table, 1000).as_deref(), Some("ada"));
        assert_eq!(named(table, 100), None);
        assert!(me().contains("uid "));
    }
}
