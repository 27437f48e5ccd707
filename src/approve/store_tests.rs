//! What counts as an answer in the approvals folder, and what survives a killed run.

use super::store::{Folder, Pending, State, Store, Void, now};
use super::testing::asked;
use crate::gate::{Asked, Choice, Offers, Scope};
use crate::model::{AbsPath, SessionId};
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

const YES: Choice = Choice::Allow(Scope::Once);

struct Data(tempfile::TempDir);

impl Data {
    fn new() -> Self {
        Data(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> Folder {
        Folder::make(&AbsPath::new(self.0.path()).unwrap()).unwrap()
    }

    fn store(&self, policy: &str) -> Arc<Store> {
        Arc::new(Store::new(self.folder(), policy.to_owned(), true).unwrap().0)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join("approvals").join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path().join("approvals")).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".key");
        names.sort();
        names
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.file(name), bytes).unwrap();
        std::fs::set_permissions(self.file(name), PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// Leaves a question as a killed process does: the file stays, its lock is free.
    fn orphan(&self, asked: &Arc<Asked>, policy: &str) {
        let store = self.store(policy);
        let pending = store.open(asked).unwrap();
        let name = format!("{}.json", asked.id);
        let bytes = std::fs::read(self.file(&name)).unwrap();
        drop(pending);
        self.put(&name, &bytes);
    }

    fn answer(&self, asked: &Asked, choice: Choice) -> Result<bool, Void> {
        let given = self.folder().answer(&asked.id, choice, "ada".to_owned(), None, now())?;
        Ok(given.orphaned)
    }
}

fn taken(pending: &Pending) -> Option<String> {
    pending.take_answer().map(|answer| answer.option_id)
}

#[test]
fn the_first_answer_counts_and_counts_once() {
    let data = Data::new();
    let asked = Arc::new(asked("ls"));
    let pending = data.store("p").open(&asked).unwrap();
    assert_eq!(taken(&pending), None);
    assert_eq!(data.folder().list(now()).unwrap()[0].state, State::Open);
    assert!(!data.answer(&asked, YES).unwrap());
    assert_eq!(data.folder().list(now()).unwrap()[0].state, State::Answered);
    let late = data.answer(&asked, Choice::Deny).unwrap_err();
    assert_eq!(late, Void::Late { by: Some("ada".to_owned()) });
    assert_eq!(taken(&pending).as_deref(), Some("allow"));
    assert_eq!(taken(&pending), None);
    drop(pending);
    assert!(data.names().is_empty(), "{:?}", data.names());
    assert_eq!(data.answer(&asked, YES), Err(Void::NotOpen));
}

#[test]
fn a_file_that_something_else_dropped_is_not_an_answer() {
    let data = Data::new();
    let (one, two) = (Arc::new(asked("one")), Arc::new(asked("two")));
    let store = data.store("p");
    let (pending, other) = (store.open(&one).unwrap(), store.open(&two).unwrap());
    data.answer(&two, YES).unwrap();
    let true_answer = std::fs::read(data.file(&format!("{}.answer", two.id))).unwrap();
    let text = String::from_utf8(true_answer.clone()).unwrap();
    let renamed = text.replace(two.id.as_str(), one.id.as_str());
    let bare = format!(
        r#"{{"id":"{}","digest":"{}","option_id":"allow","by":"x","reason":null,"at":0}}"#,
        one.id, one.digest
    );
    let name = format!("{}.answer", one.id);
    for forged in [true_answer.as_slice(), renamed.as_bytes(), bare.as_bytes(), b"allow", b""] {
        data.put(&name, forged);
        assert_eq!(taken(&pending), None, "{}", String::from_utf8_lossy(forged));
        assert!(!data.file(&name).exists(), "what is no answer is removed");
    }
    assert_eq!(taken(&other).as_deref(), Some("allow"), "the true one still counts");
}

#[test]
fn an_answer_to_an_orphan_is_used_once_by_the_same_call_of_the_same_conversation() {
    let data = Data::new();
    let first = Arc::new(asked("git push"));
    data.orphan(&first, "p");
    assert_eq!(data.folder().list(now()).unwrap()[0].state, State::Orphaned);
    assert!(data.answer(&first, YES).unwrap(), "it says that nobody waits");
    let again = Arc::new(Asked { id: asked("x").id, ..(*first).clone() });
    let (store, rival) = (data.store("p"), data.store("p"));
    let pending = store.open(&again).unwrap();
    assert!(pending.adopted);
    assert_eq!(pending.asked.id, first.id, "others know it by its first id");
    let second = rival.open(&again).unwrap();
    assert!(!second.adopted, "another process cannot adopt it too");
    assert_eq!(taken(&second), None);
    assert_eq!(taken(&pending).as_deref(), Some("allow"));
    drop(pending);
    let third = store.open(&Arc::new(Asked { id: asked("x").id, ..(*first).clone() })).unwrap();
    assert_eq!((third.adopted, taken(&third)), (false, None));
}

#[test]
fn another_call_conversation_agent_rule_or_policy_is_another_question() {
    let data = Data::new();
    let first = Arc::new(asked("git push"));
    data.orphan(&first, "p");
    data.answer(&first, YES).unwrap();
    let new = || Asked { id: asked("x").id, ..(*first).clone() };
    let others = [
        ("p", Asked { digest: "e".repeat(64), ..new() }),
        ("p", Asked { session: SessionId::parse("1778320000000-ffffffffffff"), ..new() }),
        ("p", Asked { session: None, ..new() }),
        ("p", Asked { agent: "main/child".to_owned(), ..new() }),
        ("p", Asked { rule: None, ..new() }),
        ("p", Asked { offers: Offers::OnlyOnce, ..new() }),
        ("q", new()),
    ];
    for (policy, other) in others {
        let pending = data.store(policy).open(&Arc::new(other)).unwrap();
        assert!(!pending.adopted, "{:?}", pending.asked);
        assert_eq!(taken(&pending), None);
    }
}

#[test]
fn an_expired_or_changed_orphan_is_removed_with_its_answer() {
    let data = Data::new();
    let over = Asked { expires_at: now() - 1, digest: "e".repeat(64), ..asked("ls") };
    let over = Arc::new(over);
    let changed = Arc::new(asked("ls"));
    data.orphan(&changed, "p");
    data.orphan(&over, "p");
    assert_eq!(data.answer(&over, YES), Err(Void::Expired));
    let name = format!("{}.json", changed.id);
    let text = std::fs::read_to_string(data.file(&name)).unwrap();
    data.put(&name, text.replace("\"subject\":\"ls\"", "\"subject\":\"id\"").as_bytes());
    assert!(matches!(data.answer(&changed, YES), Err(Void::Broken(_))));
    let stray = format!("{}.answer", asked("x").id);
    data.put(&stray, b"{}");
    let states: Vec<State> =
        data.folder().list(now()).unwrap().iter().map(|listed| listed.state).collect();
    assert!(states.contains(&State::Damaged) && states.contains(&State::Expired), "{states:?}");
    let (_, expired) = Store::new(data.folder(), "p".to_owned(), true).unwrap();
    assert!(expired.iter().any(|gone| gone.id == over.id && gone.session.is_some()));
    assert!(data.names().is_empty(), "{:?}", data.names());
}

#[test]
fn a_question_that_somebody_asks_is_not_removed_by_others() {
    let data = Data::new();
    let over = Arc::new(Asked { expires_at: now() - 1, ..asked("ls") });
    let pending = data.store("p").open(&over).unwrap();
    data.store("p");
    assert_eq!(data.names(), [format!("{}.json", over.id)]);
    drop(pending);
}

#[test]
fn a_question_that_asks_every_time_takes_no_wide_answer() {
    let data = Data::new();
    let once = Arc::new(Asked { offers: Offers::OnlyOnce, ..asked("ls") });
    let pending = data.store("p").open(&once).unwrap();
    let three = Scope::Times(NonZeroU32::new(3).unwrap());
    for wide in [Scope::Session, Scope::Until(now() + 60), three] {
        assert_eq!(data.answer(&once, Choice::Allow(wide)), Err(Void::OnlyOnce));
    }
    assert!(data.answer(&once, YES).is_ok());
    assert_eq!(taken(&pending).as_deref(), Some("allow"));
}

#[test]
fn a_run_that_takes_no_answers_from_the_folder_says_so() {
    let data = Data::new();
    let asked = Arc::new(asked("ls"));
    let (store, _) = Store::new(data.folder(), "p".to_owned(), false).unwrap();
    let store = Arc::new(store);
    let pending = store.open(&asked).unwrap();
    assert_eq!(data.answer(&asked, YES), Err(Void::Elsewhere));
    assert_eq!(taken(&pending), None);
}

#[test]
fn approvers_that_ask_the_same_question_share_its_file() {
    let data = Data::new();
    let asked = Arc::new(asked("ls"));
    let store = data.store("p");
    let (one, two) = (store.open(&asked).unwrap(), store.open(&asked).unwrap());
    assert!(Arc::ptr_eq(&one, &two));
    drop(one);
    assert_eq!(data.names().len(), 1);
    drop(two);
    assert!(data.names().is_empty());
}
