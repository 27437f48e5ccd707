//! Open questions on disk, so that another process can answer and a killed run can be resumed.
//!
//! A question is `ID.json`, locked by the process that asks for as long as it asks; an answer is
//! `ID.answer`, and the first one to get that name counts. Both are sealed with a key that lies
//! beside them, so a file dropped by something else is neither.
//! INVARIANT (once): an answer is renamed away before it is used.
//! FAIL CLOSED: what is expired, changed or unreadable is removed, and answers nothing.

use super::card::Card;
use super::place::Place;
use super::seal::Seal;
use crate::gate::{Asked, Choice, QuestionId, Scope};
use crate::model::AbsPath;
use crate::redact::Secret;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex, Weak};

/// Holds the key that seals the files.
const KEY: &str = ".key";
/// The version of the format.
const VERSION: u32 = 1;
/// Longest remark that is kept with an answer, in characters.
const LONGEST_REASON: usize = 2000;

/// A record and its signature. The bytes of the record are kept as they are.
#[derive(Serialize, Deserialize)]
struct Sealed {
    record: Box<RawValue>,
    mac: String,
}

/// A question as it lies in the folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::approve) struct Written {
    version: u32,
    /// The process that asks, for people.
    pid: u32,
    host: String,
    /// Digest of the rules that ask.
    policy: String,
    /// Whether `ion approvals` may answer.
    folder: bool,
    question: Value,
}

/// An answer as it lies in the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The question.
    pub id: String,
    /// SHA-256 of the call that was shown.
    pub digest: String,
    /// An `optionId`.
    pub option_id: String,
    /// Who answers.
    pub by: String,
    /// What they say about it.
    pub reason: Option<String>,
    /// When (seconds since 1970, UTC).
    pub at: i64,
}

/// The folder together with its key.
pub struct Folder {
    place: Place,
    seal: Seal,
}

impl Folder {
    /// Opens the folder of a data folder, and makes folder and key where they are missing.
    ///
    /// # Errors
    /// It cannot be made, or others could have written there.
    pub fn make(data_dir: &AbsPath) -> Result<Self, String> {
        let place = Place::make(data_dir)?;
        if place.read(KEY)?.is_none() {
            // Whoever is first, all use the key that is there.
            place.put_new(KEY, Seal::random()?.as_bytes())?;
        }
        Folder::with_key(place)?
            .ok_or_else(|| "the key of the approvals folder vanished".to_owned())
    }

    /// Opens the folder; `None` where nobody ever asked.
    ///
    /// # Errors
    /// As [`Folder::make`].
    pub fn look(data_dir: &AbsPath) -> Result<Option<Self>, String> {
        match Place::look(data_dir)? {
            Some(place) => Folder::with_key(place),
            None => Ok(None),
        }
    }

    fn with_key(place: Place) -> Result<Option<Self>, String> {
        let Some(bytes) = place.read(KEY)? else { return Ok(None) };
        let key = String::from_utf8(bytes).ok().filter(|key| key.len() == 64);
        let key = key.ok_or_else(|| {
            format!("{}/{KEY} is damaged; next: remove it when no question is open", place.path())
        })?;
        Ok(Some(Folder { place, seal: Seal::new(Secret::new(key)) }))
    }

    fn sealed<T: Serialize>(&self, kind: &str, record: &T) -> Result<Vec<u8>, String> {
        let broken = |error: serde_json::Error| error.to_string();
        let record = serde_json::value::to_raw_value(record).map_err(broken)?;
        let mac = self.seal.sign(&[kind.as_bytes(), b"\n", record.get().as_bytes()]);
        serde_json::to_vec(&Sealed { record, mac }).map_err(broken)
    }

    /// A sealed record; `None` where there is none.
    fn unsealed<T: for<'a> Deserialize<'a>>(
        &self,
        kind: &str,
        name: &str,
    ) -> Result<Option<T>, String> {
        let Some(bytes) = self.place.read(name)? else { return Ok(None) };
        let not_ours = || format!("{name} was not written by Ion, or was changed");
        let sealed: Sealed = serde_json::from_slice(&bytes).map_err(|_| not_ours())?;
        let parts = [kind.as_bytes(), b"\n", sealed.record.get().as_bytes()];
        if !self.seal.fits(&parts, &sealed.mac) {
            return Err(not_ours());
        }
        serde_json::from_str(sealed.record.get()).map(Some).map_err(|_| not_ours())
    }

    fn question(&self, id: &QuestionId) -> Result<Option<(Written, Card)>, String> {
        let Some(written) = self.unsealed::<Written>("question", &question_file(id))? else {
            return Ok(None);
        };
        let card = Card::read(&written.question)?;
        if written.version != VERSION || card.id != id.as_str() {
            return Err(format!("{} was renamed, or is of another version", question_file(id)));
        }
        Ok(Some((written, card)))
    }

    fn answer_to(&self, id: &QuestionId) -> Result<Option<Answer>, String> {
        self.unsealed("answer", &answer_file(id))
    }

    fn ids(&self) -> Result<Vec<QuestionId>, String> {
        let names = self.place.names()?;
        let ids = names.iter().filter_map(|name| QuestionId::parse(name.strip_suffix(".json")?));
        Ok(ids.collect())
    }

    fn forget(&self, id: &QuestionId) {
        for name in [question_file(id), answer_file(id), used_file(id)] {
            self.place.remove(&name);
        }
    }

    /// Takes hold of a question whose process is gone; `None` while somebody asks it.
    fn claim(&self, id: &QuestionId) -> Option<File> {
        let (file, stat) = self.place.file(&question_file(id)).ok()??;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        // Somebody may have resumed it between the two steps.
        self.place.is_still(&question_file(id), &stat).then_some(file)
    }

    /// Removes what nobody asks any more and nobody may use: expired and damaged questions, and
    /// answers without a question. Gives the expired ones.
    fn sweep(&self, now: i64) -> Result<Vec<Expired>, String> {
        let mut expired = Vec::new();
        let ids = self.ids()?;
        for id in &ids {
            let session = match self.question(id) {
                Ok(Some((_, card))) if card.expires_at < now => card.session,
                Ok(_) => continue,
                Err(_) => None,
            };
            if let Some(_claimed) = self.claim(id) {
                self.forget(id);
                expired.push(Expired { id: id.clone(), session });
            }
        }
        for name in self.place.names()? {
            let stem = name.strip_suffix(".answer").or(name.strip_suffix(".used"));
            let Some(id) = stem.and_then(QuestionId::parse) else { continue };
            if !ids.contains(&id) && !self.exists(&id) {
                self.place.remove(&name);
            }
        }
        Ok(expired)
    }

    fn exists(&self, id: &QuestionId) -> bool {
        matches!(self.place.file(&question_file(id)), Ok(Some(_)))
    }

    /// Every question, oldest name first.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self, now: i64) -> Result<Vec<Listed>, String> {
        let mut all = Vec::new();
        for id in self.ids()? {
            let question = match self.question(&id) {
                Ok(Some(found)) => Ok(found),
                Ok(None) => continue,
                Err(why) => Err(why),
            };
            let state = match &question {
                Err(_) => State::Damaged,
                Ok((_, card)) if card.expires_at < now => State::Expired,
                Ok(_) if matches!(self.answer_to(&id), Ok(Some(_))) => State::Answered,
                Ok(_) if self.claim(&id).is_some() => State::Orphaned,
                Ok(_) => State::Open,
            };
            let found = question.ok();
            all.push(Listed {
                id,
                state,
                pid: found.as_ref().map(|(written, _)| written.pid),
                question: found.as_ref().map(|(written, _)| written.question.clone()),
                card: found.map(|(_, card)| card),
            });
        }
        Ok(all)
    }

    /// Answers a question for good: the first answer counts.
    ///
    /// # Errors
    /// [`Void`]: it does not count, and why.
    pub fn answer(
        &self,
        id: &QuestionId,
        choice: Choice,
        by: String,
        reason: Option<String>,
        now: i64,
    ) -> Result<Given, Void> {
        let (written, card) = self.question(id).map_err(Void::Broken)?.ok_or(Void::NotOpen)?;
        if card.expires_at < now {
            return Err(Void::Expired);
        }
        if !written.folder {
            return Err(Void::Elsewhere);
        }
        let wide = matches!(choice, Choice::Allow(scope) if scope != Scope::Once);
        if wide && !card.may_be_remembered() {
            return Err(Void::OnlyOnce);
        }
        if !card.offers(choice) {
            return Err(Void::NotOffered);
        }
        let answer = Answer {
            id: id.to_string(),
            digest: card.digest.clone(),
            option_id: choice.id(),
            by,
            reason: reason.map(|text| text.chars().take(LONGEST_REASON).collect()),
            at: now,
        };
        let bytes = self.sealed("answer", &answer).map_err(Void::Broken)?;
        if !self.place.put_new(&answer_file(id), &bytes).map_err(Void::Broken)? {
            let first = self.answer_to(id).ok().flatten();
            return Err(Void::Late { by: first.map(|answer| answer.by) });
        }
        // T8: the question may have ended while the answer was written. Then nobody reads it.
        if !self.exists(id) {
            self.place.remove(&answer_file(id));
            return Err(Void::Ended);
        }
        // An orphan is asked by nobody, so its lock is free.
        let orphaned = self.claim(id).is_some();
        Ok(Given { answer, session: card.session, orphaned })
    }
}

/// An answer that was left in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The answer.
    pub answer: Answer,
    /// The conversation.
    pub session: Option<String>,
    /// Nobody waits for it: it counts when the conversation is resumed in time.
    pub orphaned: bool,
}

/// Why an answer does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Void {
    /// There is no such question now.
    #[error("no such question is open: it was answered, cancelled or has expired")]
    NotOpen,
    /// It ended while the answer was written; it may be this answer that ended it.
    #[error("the question ended at the same moment; `ion audit list` tells what counted")]
    Ended,
    /// It is over.
    #[error("it has expired, so the call was denied")]
    Expired,
    /// Somebody was faster.
    #[error("it was answered before{}", by.as_deref().map_or(String::new(), |by| format!(", by {by}")))]
    Late {
        /// Who.
        by: Option<String>,
    },
    /// The run takes no answer from the folder.
    #[error("this run does not take answers from the approvals folder (`approvals.folder`)")]
    Elsewhere,
    /// The rule asks every time.
    #[error("this question offers `allow` and `deny` alone: its rule asks every time")]
    OnlyOnce,
    /// It asks for a preview, or for what one showed, where there is none.
    #[error("this question does not offer that; `ion approvals show` tells what it offers")]
    NotOffered,
    /// The folder or a file is not as Ion left it.
    #[error("{0}")]
    Broken(String),
}

/// How a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A process waits for the answer.
    Open,
    /// An answer is there and was not taken yet.
    Answered,
    /// The process that asked is gone; an answer counts when the conversation is resumed.
    Orphaned,
    /// It is over.
    Expired,
    /// The file is not as Ion left it.
    Damaged,
}

/// One line of `ion approvals list`.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The question.
    pub id: QuestionId,
    /// How it stands.
    pub state: State,
    /// The process that asks.
    pub pid: Option<u32>,
    /// What is asked.
    pub card: Option<Card>,
    /// The same as JSON.
    pub question: Option<Value>,
}

/// A question of a dead run that was removed: denied, as nobody answered it in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// The question.
    pub id: QuestionId,
    /// The conversation; `None` where the file was not as Ion left it.
    pub session: Option<String>,
}

/// The questions of one run.
pub(in crate::approve) struct Store {
    folder: Folder,
    policy: String,
    /// Whether `ion approvals` may answer.
    answerable: bool,
    open: Mutex<BTreeMap<QuestionId, Weak<Pending>>>,
}

/// A question that this process asks. Dropping it takes it out of the folder.
pub(in crate::approve) struct Pending {
    /// The question under the id by which others know it.
    pub asked: Arc<Asked>,
    /// Whether an earlier run asked it first, under this id.
    pub adopted: bool,
    store: Arc<Store>,
    /// Holds the lock.
    _file: File,
}

impl Store {
    /// The questions of a run under these rules. What is over is removed, and given back.
    pub fn new(
        folder: Folder,
        policy: String,
        answerable: bool,
    ) -> Result<(Self, Vec<Expired>), String> {
        let expired = folder.sweep(now())?;
        Ok((Store { folder, policy, answerable, open: Mutex::new(BTreeMap::new()) }, expired))
    }

    /// Whether `ion approvals` may answer.
    pub fn is_answerable(&self) -> bool {
        self.answerable
    }

    /// Puts a question into the folder, or takes up the same one of a run that was killed.
    /// Several approvers that ask the same question share it.
    pub fn open(self: &Arc<Self>, asked: &Arc<Asked>) -> Result<Arc<Pending>, String> {
        let mut open = self.open.lock().map_err(|_| "an earlier question crashed".to_owned())?;
        if let Some(pending) = open.get(&asked.id).and_then(Weak::upgrade) {
            return Ok(pending);
        }
        open.retain(|_, pending| pending.strong_count() > 0);
        let pending = Arc::new(self.put(asked)?);
        open.insert(asked.id.clone(), Arc::downgrade(&pending));
        Ok(pending)
    }

    fn put(self: &Arc<Self>, asked: &Arc<Asked>) -> Result<Pending, String> {
        // The old file stays locked until the new one stands in its place.
        let (asked, claimed) = match self.same_question(asked)? {
            Some((id, claimed)) => (Arc::new(Asked { id, ..(**asked).clone() }), Some(claimed)),
            None => (Arc::clone(asked), None),
        };
        let written = Written {
            version: VERSION,
            pid: std::process::id(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            policy: self.policy.clone(),
            folder: self.answerable,
            question: serde_json::to_value(&*asked).map_err(|error| error.to_string())?,
        };
        let bytes = self.folder.sealed("question", &written)?;
        let file = self.folder.place.replace(&question_file(&asked.id), &bytes, |file| {
            rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)
                .map_err(|error| format!("the question cannot be locked: {error}"))
        })?;
        Ok(Pending { asked, adopted: claimed.is_some(), store: Arc::clone(self), _file: file })
    }

    /// The same question of a process that is gone: the same conversation, agent, call, rules
    /// and rule. Anything else is another question.
    fn same_question(&self, asked: &Asked) -> Result<Option<(QuestionId, File)>, String> {
        let wanted = Card::of(asked)?;
        if wanted.session.is_none() {
            return Ok(None);
        }
        for id in self.folder.ids()? {
            let Ok(Some((written, card))) = self.folder.question(&id) else { continue };
            let same = written.policy == self.policy
                && card.session == wanted.session
                && card.agent == wanted.agent
                && card.digest == wanted.digest
                && card.rule == wanted.rule
                && card.offers == wanted.offers
                && card.expires_at >= now();
            if same && let Some(claimed) = self.folder.claim(&id) {
                return Ok(Some((id, claimed)));
            }
        }
        Ok(None)
    }
}

impl Pending {
    /// The answer that lies in the folder, taken: it is used up. What is not a true answer to
    /// this very question is removed.
    pub fn take_answer(&self) -> Option<Answer> {
        let (folder, id) = (&self.store.folder, &self.asked.id);
        if !self.store.answerable {
            return None;
        }
        let answer = match folder.answer_to(id) {
            Ok(None) => return None,
            Ok(Some(answer)) if self.is_answered_by(&answer) => answer,
            Ok(Some(_)) | Err(_) => {
                folder.place.remove(&answer_file(id));
                return None;
            }
        };
        // INVARIANT (once): only one process can rename it.
        let taken = folder.place.rename(&answer_file(id), &used_file(id));
        matches!(taken, Ok(true)).then_some(answer)
    }

    fn is_answered_by(&self, answer: &Answer) -> bool {
        answer.id == self.asked.id.as_str()
            && answer.digest == self.asked.digest
            && answer.at <= self.asked.expires_at
            // What a run showed that was killed is gone, so no answer can apply it.
            && Choice::parse(&answer.option_id)
                .is_some_and(|choice| choice != Choice::Apply || self.asked.may_be_applied())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.store.folder.forget(&self.asked.id);
    }
}

fn question_file(id: &QuestionId) -> String {
    format!("{id}.json")
}

fn answer_file(id: &QuestionId) -> String {
    format!("{id}.answer")
}

fn used_file(id: &QuestionId) -> String {
    format!("{id}.used")
}

/// Seconds since 1970, UTC.
pub(in crate::approve) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
