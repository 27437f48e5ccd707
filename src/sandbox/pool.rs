//! Workers that have answered a file tool's call and wait for the next one, so that it needs no
//! process of its own.
//!
//! INVARIANT (never wider): a worker is given a call only when the call's own plan, made anew, is
//! the one that it was started for, to the last byte and to the same files at all its places (see
//! [`Plan::is_same_as`]). It has answered well before, has said nothing since, and was never told a
//! secret. Its protection stays up as long as it lives; it ends with Ion, because its input does.

use super::plan::Plan;
use super::spawn::Worker;
use crate::model::AbsPath;
use crate::policy::Confinement;
use std::sync::Mutex;

/// Most that wait: a reader and a writer, and one more of each for an agent that is held closer.
const MOST: usize = 4;
/// Calls after which a worker is replaced, so that nothing that a hostile file did to one (memory
/// that grew, a bug that was hit) lasts.
pub(super) const CALLS: u32 = 200;

/// What a worker is asked for by, before there is a plan.
#[derive(PartialEq, Eq)]
pub(super) struct Wanted {
    pub confinement: Confinement,
    pub cwd: AbsPath,
    pub writes: bool,
}

struct Waiting {
    wanted: Wanted,
    worker: Worker,
}

/// The workers that wait, newest last.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Waiting>>);

impl Pool {
    /// Whether one waits that was started for the like. Whether it fits is for [`take`](Self::take)
    /// to tell.
    pub fn has(&self, wanted: &Wanted) -> bool {
        let alike = |waiting: &Waiting| waiting.wanted == *wanted && waiting.worker.is_there();
        self.0.lock().is_ok_and(|all| all.iter().any(alike))
    }

    /// The newest that fits a plan. What was started for the like and does not fit any more ends.
    pub fn take(&self, wanted: &Wanted, plan: Option<&Plan>) -> Option<Worker> {
        let mut all = self.0.lock().ok()?;
        let fits = |plan| all.iter().rposition(|waiting: &Waiting| waiting.worker.fits(plan));
        let at = plan.and_then(fits);
        let found = at.map(|at| all.remove(at));
        if found.is_none() {
            all.retain(|waiting| waiting.wanted != *wanted);
        }
        found.map(|waiting| waiting.worker)
    }

    /// Has one wait. The oldest ends where there are too many.
    pub fn put(&self, wanted: Wanted, worker: Worker) {
        if let Ok(mut all) = self.0.lock() {
            all.retain(|waiting| waiting.worker.is_there());
            if all.len() >= MOST {
                all.remove(0);
            }
            all.push(Waiting { wanted, worker });
        }
    }

    /// Ends all and waits for that, so that nothing of Ion's is left when Ion has ended.
    pub fn end(&self) {
        let Ok(mut all) = self.0.lock() else { return };
        let mut ending: Vec<Worker> = all.drain(..).map(|waiting| waiting.worker).collect();
        ending.iter_mut().for_each(Worker::dismiss);
        ending.iter_mut().for_each(Worker::wait_for_end);
    }
}
