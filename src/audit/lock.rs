//! The lock of a log: writers take turns, and a reader can see a state between two appends.

use super::AuditError;
use rustix::fs::FlockOperation;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long to wait for other writers. Each holds the lock for one sync.
const PATIENCE: Duration = Duration::from_secs(10);

/// The right to append, given up when dropped.
pub(in crate::audit) struct Lock(File);

impl Lock {
    /// Waits for the lock; `shared` is enough to see a state between two appends.
    pub(in crate::audit) fn take(
        path: &Path,
        file: &File,
        shared: bool,
    ) -> Result<Self, AuditError> {
        // The copy shares the lock; it is only there so that the state stays free to change.
        let file = file.try_clone().map_err(|e| AuditError::io("lock it", path, e))?;
        let wanted = match shared {
            true => FlockOperation::NonBlockingLockShared,
            false => FlockOperation::NonBlockingLockExclusive,
        };
        let begun = Instant::now();
        let mut pause = Duration::from_micros(100);
        loop {
            match rustix::fs::flock(&file, wanted) {
                Ok(()) => return Ok(Lock(file)),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(AuditError::io("lock it", path, error)),
            }
            if begun.elapsed() > PATIENCE {
                return Err(AuditError::io(
                    "lock it",
                    path,
                    "another process has held it for ten seconds",
                ));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}
