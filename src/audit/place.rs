//! Opening the log's files so that nobody else can have prepared them.
//!
//! Checks are made on the descriptor, not on the name, so that nothing can be swapped
//! between the check and the use. Must never change a file's content.

use super::AuditError;
use crate::model::AbsPath;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The file beside the log with another ending: `audit.jsonl.head`.
pub(in crate::audit) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Makes the folder of the log (0700) and checks that no one else can write to it.
pub(in crate::audit) fn folder(file: &AbsPath) -> Result<(), AuditError> {
    let path = file.as_path();
    let folder = path.parent().ok_or_else(|| AuditError::new("the audit log needs a file name"))?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|e| AuditError::io(&format!("make its folder {}", folder.display()), path, e))?;
    let stat =
        rustix::fs::stat(folder).map_err(|e| AuditError::io("look at its folder", path, e))?;
    let shown = folder.display();
    if !is_ours(&stat) {
        return Err(AuditError::new(format!(
            "audit log {}: its folder {shown} belongs to another user; next: choose a folder of your own",
            path.display()
        )));
    }
    if is_open_to_others(&stat) {
        return Err(AuditError::new(format!(
            "audit log {}: its folder {shown} can be written by others; next: chmod go-w {shown}",
            path.display()
        )));
    }
    Ok(())
}

/// Opens a file of the log for reading; `None` when it is not there. A link could lead to a
/// log that somebody else prepared, and a pipe would be waited for: neither is followed.
pub(in crate::audit) fn read(path: &Path) -> Result<Option<File>, AuditError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(AuditError::io("read it", path, error)),
    };
    let meta = file.metadata().map_err(|e| AuditError::io("look at it", path, e))?;
    if !meta.is_file() {
        return Err(AuditError::io("read it", path, "it is not a regular file"));
    }
    Ok(Some(file))
}

/// Opens a file of the log for appending or, with `OFlags::RDWR` alone, for overwriting.
/// Creates it with mode 0600 whatever the umask is; tells whether it did.
pub(in crate::audit) fn open(path: &Path, flags: OFlags) -> Result<(File, bool), AuditError> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mode = Mode::RUSR | Mode::WUSR;
    let existing = rustix::fs::open(path, flags, Mode::empty());
    let (fd, created) = match existing {
        Ok(fd) => (fd, false),
        Err(rustix::io::Errno::NOENT) => {
            match rustix::fs::open(path, flags | OFlags::CREATE | OFlags::EXCL, mode) {
                Ok(fd) => {
                    rustix::fs::fchmod(&fd, mode)
                        .map_err(|e| AuditError::io("set its mode", path, e))?;
                    (fd, true)
                }
                // Another process was faster; its file is as good.
                Err(rustix::io::Errno::EXIST) => {
                    let fd = rustix::fs::open(path, flags, Mode::empty());
                    (fd.map_err(|e| AuditError::io("open it", path, e))?, false)
                }
                Err(error) => return Err(AuditError::io("create it", path, error)),
            }
        }
        Err(rustix::io::Errno::LOOP) => {
            return Err(AuditError::new(format!(
                "audit log {}: it is a symbolic link, which could lead anywhere; next: remove the link",
                path.display()
            )));
        }
        Err(error) => return Err(AuditError::io("open it", path, error)),
    };
    let stat = rustix::fs::fstat(&fd).map_err(|e| AuditError::io("look at it", path, e))?;
    check(path, &stat)?;
    if created {
        sync_folder(path)?;
    }
    Ok((File::from(fd), created))
}

/// The name of a file must be as durable as what is written under it.
pub(in crate::audit) fn sync_folder(path: &Path) -> Result<(), AuditError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|e| AuditError::io("sync its folder", path, e))
}

fn check(path: &Path, stat: &Stat) -> Result<(), AuditError> {
    let shown = path.display();
    let refuse = |what: &str, next: &str| {
        Err(AuditError::new(format!("audit log {shown}: {what}; next: {next}")))
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return refuse("it is not a plain file", "move it away");
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return refuse("it belongs to another user", "move it away, or run as its owner");
    }
    if is_open_to_others(stat) {
        return refuse(
            "it can be written by others",
            &format!("chmod 600 {shown}, then ion audit verify"),
        );
    }
    if stat.st_nlink > 1 {
        return refuse("it has a second name (hard link)", "remove the other name");
    }
    Ok(())
}

fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw() || stat.st_uid == 0
}

fn is_open_to_others(stat: &Stat) -> bool {
    // A sticky folder (/tmp) lets others add names but not replace ours.
    let sticky =
        stat.st_mode & 0o1000 != 0 && FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    stat.st_mode & 0o022 != 0 && !sticky
}
