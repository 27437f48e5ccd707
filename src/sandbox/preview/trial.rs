//! A call that runs on a copy of the workspace for a person who was asked about it, and the applying
//! of exactly what was shown.
//!
//! INVARIANT (shown is applied): what the call wrote is kept from the showing to the answer in a
//! folder of Ion's, under the question's id and the digest of the set; a permit names both.

use super::{ChangeSet, Scratch, apply, diff, scan};
use crate::gate::{Applies, QuestionId, Seen, Terms, Trial};
use crate::redact::Raw;
use crate::sandbox::changes::FileChanges;
use crate::sandbox::denied::Denied;
use crate::sandbox::plan::{Order, Plan};
use crate::sandbox::spawn::{Prepared, Worker};
use crate::sandbox::{Enforced, RunError, Sandbox, Talked, call_of};
use crate::worker::backend::Backend;
use crate::worker::wire::Reply;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What a call did on a copy. Dropped, the copy is removed.
pub(in crate::sandbox) struct Kept {
    question: QuestionId,
    digest: String,
    set: ChangeSet,
    workspace: PathBuf,
    protect: Vec<String>,
    data: PathBuf,
    reply: Reply,
    enforced: Enforced,
    _scratch: Scratch,
}

impl Sandbox {
    /// Runs the call of a trial on a copy, keeps what it did, and tells it.
    ///
    /// # Errors
    /// Why it could not run to its end. Nothing is kept then.
    pub(in crate::sandbox) async fn try_on_a_copy(
        &self,
        trial: Trial,
        cancel: &CancellationToken,
    ) -> Result<Seen, String> {
        let (terms, question) = trial.redeem().map_err(|expired| expired.to_string())?;
        // At most one is kept: nobody is asked two questions at once.
        self.keep(None);
        let (scratch, data) = self.place_for(&terms)?;
        let host = self.host.as_ref().map_err(Clone::clone)?;
        let order = Order { preview: Some(&scratch), ..Order::of(&terms) };
        let plan = Arc::new(Plan::with(&order, Backend::Userns, host, None)?);
        let prepared = Prepared::start(Arc::clone(&plan)).map_err(|missing| missing.to_string())?;
        let worker = Worker::of(prepared).map_err(|error| error.to_string())?;
        let call = call_of(&terms);
        let about = Talked { plan, backend: Backend::Userns };
        let ran = self.converse(worker, about, &terms, &call, cancel).await;
        let (reply, enforced) = ran.map_err(|error| error.to_string())?;
        let workspace = terms.confinement.workspace.as_path().to_path_buf();
        let set = scan(&workspace, &scratch.upper())
            .map_err(|e| format!("what the command wrote cannot be read: {e}"))?;
        let protect = terms.confinement.protect;
        let unfit = match apply::check(&set, &workspace, &protect) {
            _ if set.changes.is_empty() => Some("it changes nothing in the workspace".to_owned()),
            Ok(()) => None,
            Err(refused) => Some(refused.to_string()),
        };
        let seen = Seen {
            digest: digest(&set)?,
            exit_code: reply.exit_code,
            counts: set.counts(),
            changes: Raw::new(diff::show(&set, &workspace)),
            output: Raw::new(reply.content.clone()),
            refused: enforced.denied.iter().map(Denied::what).collect(),
            unfit,
        };
        let digest = seen.digest.clone();
        let _scratch = scratch;
        self.keep(Some(Kept {
            question,
            digest,
            set,
            workspace,
            protect,
            data,
            reply,
            enforced,
            _scratch,
        }));
        Ok(seen)
    }

    /// Where the copy keeps what is written.
    fn place_for(&self, terms: &Terms) -> Result<(Scratch, PathBuf), String> {
        let host = self.host.as_ref().map_err(Clone::clone)?;
        let data = host.data.as_ref().ok_or("no data folder (HOME is not set)")?;
        let data = data.as_path().to_path_buf();
        apply::recover(terms.confinement.workspace.as_path(), &data)
            .map_err(|e| format!("undoing what a crash left: {e}"))?;
        let scratch = Scratch::new(&data).map_err(|e| e.to_string())?;
        Ok((scratch, data))
    }

    fn keep(&self, kept: Option<Kept>) {
        if let Ok(mut place) = self.kept.lock() {
            *place = kept;
        }
    }

    /// Throws away what was kept for a question.
    pub(in crate::sandbox) fn let_go(&self, question: &QuestionId) {
        if let Ok(mut place) = self.kept.lock()
            && place.as_ref().is_some_and(|kept| kept.question == *question)
        {
            *place = None;
        }
    }

    /// Applies what was kept for a question, in the place of a run.
    pub(in crate::sandbox) fn apply_kept(
        &self,
        applies: &Applies,
    ) -> Result<(Reply, Enforced, FileChanges), RunError> {
        let kept = self.kept.lock().ok().and_then(|mut place| place.take());
        let fits = |kept: &Kept| kept.question == applies.question && kept.digest == applies.digest;
        let Some(kept) = kept.filter(fits) else {
            let why = "what the call did on a copy is not kept any more; nothing was applied";
            return Err(RunError::Unavailable(why.to_owned()));
        };
        // What was written may not be what was shown: nobody but Ion can reach the folder, and
        // yet it is cheap to look.
        let now = scan(&kept.workspace, &kept.set.upper);
        let same = now.is_ok_and(|now| digest(&now).is_ok_and(|now| now == kept.digest));
        let applied = match same {
            true => apply(&kept.set, &kept.workspace, &kept.protect, &kept.data)
                .map_err(|refused| refused.to_string()),
            false => Err("the workspace is not what it was when the call was tried".to_owned()),
        };
        let mut reply = kept.reply;
        let note = match &applied {
            Ok(()) => {
                let (added, changed, removed) = kept.set.counts();
                format!(
                    "[ion sandbox] it ran on a copy of the workspace, without network; exactly \
                     these changes were approved and applied: {added} added, {changed} changed, \
                     {removed} removed"
                )
            }
            Err(why) => {
                reply.is_error = true;
                format!("[ion sandbox] nothing was applied: {why}")
            }
        };
        reply.content.push('\n');
        reply.content.push_str(&note);
        let changes = match &applied {
            Ok(()) => FileChanges::of_set(&kept.set, &kept.workspace),
            Err(_) => FileChanges::default(),
        };
        Ok((reply, kept.enforced, changes))
    }
}

/// SHA-256 over the set. Paths that are not UTF-8 have none, and cannot be approved.
fn digest(set: &ChangeSet) -> Result<String, String> {
    let bytes = serde_json::to_vec(set).map_err(|e| format!("the changes cannot be shown: {e}"))?;
    Ok(crate::model::hex(&Sha256::digest(&bytes)))
}
