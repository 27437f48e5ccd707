//! Waits for an answer that `ion approvals` of another terminal leaves in the approvals folder.

use super::store::Store;
use crate::gate::{Approver, Asked, Choice, Reply};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the folder is looked at.
const GLANCE: Duration = Duration::from_millis(150);

/// The approvals folder as a way to reach a person.
pub(in crate::approve) struct FolderApprover {
    store: Arc<Store>,
}

impl FolderApprover {
    pub fn new(store: Arc<Store>) -> Self {
        FolderApprover { store }
    }
}

impl Approver for FolderApprover {
    fn name(&self) -> &str {
        "approvals"
    }

    fn is_there(&self) -> bool {
        self.store.is_answerable()
    }

    fn ask<'a>(&'a self, asked: &'a Arc<Asked>, cancel: CancellationToken) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            let pending = match self.store.open(asked) {
                Ok(pending) => pending,
                Err(why) => return Reply::silence(why),
            };
            let mut before = pending.adopted;
            loop {
                if let Some(answer) = pending.take_answer() {
                    let away = before.then(|| {
                        format!("answered as {} while this conversation was stopped", answer.id)
                    });
                    let reason = [answer.reason, away].into_iter().flatten().collect::<Vec<_>>();
                    return Reply {
                        choice: Choice::parse(&answer.option_id),
                        by: answer.by,
                        reason: (!reason.is_empty()).then(|| reason.join("; ")),
                    };
                }
                before = false;
                tokio::select! {
                    () = cancel.cancelled() => return Reply::silence("the question was closed"),
                    () = tokio::time::sleep(GLANCE) => {}
                }
            }
        })
    }
}
