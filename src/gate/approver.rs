//! Whoever can put a question to a person. The room `approve` implements the trait: terminal,
//! approvals folder, webhook; a daemon adds its clients.
//!
//! All approvers that are there are asked at once. The first answer wins, the others are
//! cancelled, and what they say later is void (T8). Silence is never consent.

use super::asked::{Asked, Choice};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What the person chose; `None` when nobody answered here. A choice wider than the
    /// question offers counts as a yes to this call alone.
    pub choice: Option<Choice>,
    /// Who answered, as well as it is known: a login name, a client, a key's name. It is
    /// redacted by the gate.
    pub by: String,
    /// What they said about it.
    pub reason: Option<String>,
}

impl Reply {
    /// Nobody answered. `why` goes into the record.
    pub fn silence(why: impl Into<String>) -> Self {
        Reply { choice: None, by: String::new(), reason: Some(why.into()) }
    }
}

/// A way to reach a person.
pub trait Approver: Send + Sync {
    /// Its name, for the record: `terminal`, `approvals`, `webhook`.
    fn name(&self) -> &str;

    /// Whether somebody could answer through it now. Where no approver says so the run is
    /// headless, and an ask is a denial at once.
    fn is_there(&self) -> bool;

    /// Puts the question and waits. The future ends soon after `cancel`, and is dropped if it
    /// does not; it may be dropped at any time, and must then take the question off the screen.
    fn ask<'a>(&'a self, asked: &'a Arc<Asked>, cancel: CancellationToken) -> BoxFuture<'a, Reply>;
}
