//! The two stages, with their limits: time, tokens, money, and a run of flagged calls.

use super::cache::Cache;
use super::prompt::{self, CAREFUL, QUICK};
use super::verdict::{careful, quick};
use crate::conversation::{Block, Message, Role};
use crate::gate::classifier::{Classifier, Opinion, Question};
use crate::model::{Decision, Usage, hex};
use crate::provider::{ModelEvent, ModelInfo, ModelRequest, Provider, StopReason, cost};
use crate::redact::{Redacted, Redactor};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Tokens of the quick look: one word.
const QUICK_TOKENS: u64 = 16;
/// Tokens of the careful look.
const CAREFUL_TOKENS: u64 = 1024;
/// Longest answer in bytes that is read.
const MAX_ANSWER: usize = 64 * 1024;
/// Flagged calls one after another, after which only a person answers.
const FLAGGED_IN_A_ROW: u32 = 3;
/// Flagged calls of a session, after which only a person answers.
const FLAGGED_IN_ALL: u32 = 20;

/// What a call that both stages find unsafe comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flagged {
    /// A person decides, and is shown the opinion.
    Ask,
    /// It is refused.
    Deny,
}

/// How the classifier works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether its `safe` may answer an ask.
    pub may_allow: bool,
    /// What its `unsafe` does.
    pub flagged: Flagged,
    /// For both stages together.
    pub time_limit: Duration,
    /// US dollars for the whole session; calls stay open once they are spent.
    pub max_budget_usd: Option<f64>,
}

/// A classifier that asks a model.
pub struct ModelClassifier {
    provider: Box<dyn Provider>,
    model: String,
    info: ModelInfo,
    redactor: Arc<Redactor>,
    settings: Settings,
    state: Mutex<State>,
}

/// What is remembered between calls.
struct State {
    cache: Cache<Finding>,
    in_a_row: u32,
    in_all: u32,
    spent_usd: f64,
}

/// What the stages came to.
#[derive(Debug, Clone, PartialEq)]
struct Finding {
    safe: bool,
    stage: u8,
    category: Option<String>,
    reason: String,
}

/// Tokens and money of one question, counted also when it fails.
#[derive(Debug, Clone, Copy, Default)]
struct Bill {
    tokens: Usage,
    usd: f64,
    stage: u8,
}

impl ModelClassifier {
    /// Asks `model` of `provider`.
    pub fn new(
        provider: Box<dyn Provider>,
        model: String,
        info: ModelInfo,
        redactor: Arc<Redactor>,
        settings: Settings,
    ) -> Self {
        let state = State { cache: Cache::new(), in_a_row: 0, in_all: 0, spent_usd: 0.0 };
        ModelClassifier { provider, model, info, redactor, settings, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that an answer depends on. The user's words are part of it: what was safe
    /// for one request may go beyond another.
    fn key(&self, question: &Question<'_>) -> String {
        let mut hash = Sha256::new();
        let parts = [question.digest, question.policy_digest, self.provider.id(), &self.model];
        let request = question.user_request.iter().map(Redacted::as_str);
        for part in parts.into_iter().chain(request) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(prompt::VERSION.to_be_bytes());
        hex(&hash.finalize())
    }

    async fn look(&self, question: &Question<'_>, bill: &mut Bill) -> Result<Finding, String> {
        let Some(document) = prompt::document(question, &self.redactor) else {
            return Err(format!("the call is longer than {} bytes", prompt::MAX_CALL));
        };
        bill.stage = 1;
        let word = self.ask(QUICK, &document, QUICK_TOKENS, bill).await?;
        if word.as_deref().and_then(quick) == Some(true) {
            let reason = "a quick look found nothing".to_owned();
            return Ok(Finding { safe: true, stage: 1, category: None, reason });
        }
        // Flagged, or not an answer: the careful look decides, with its own strict form.
        bill.stage = 2;
        let answer = self.ask(CAREFUL, &document, CAREFUL_TOKENS, bill).await?;
        let Some(found) = answer.as_deref().and_then(careful) else {
            return Err("the model's answer is not of the agreed form".to_owned());
        };
        let (category, reason) = (found.category, found.reason);
        Ok(Finding { safe: found.safe, stage: 2, category, reason })
    }

    /// One request; `None` when the model said something that is no whole answer.
    async fn ask(
        &self,
        system: &'static str,
        document: &Redacted<String>,
        max_tokens: u64,
        bill: &mut Bill,
    ) -> Result<Option<String>, String> {
        if let Some(limit) = self.settings.max_budget_usd {
            let spent = self.state().spent_usd;
            if spent >= limit {
                return Err(format!("its budget of ${limit} is spent"));
            }
        }
        let content = vec![Block::Text { text: document.clone() }];
        let request = ModelRequest {
            model: self.model.clone(),
            system: Some(Redacted::literal(system)),
            messages: Arc::new([Message { role: Role::User, content }]),
            tools: Arc::new([]),
            max_tokens,
        };
        let answer = self.read(request).await;
        let (usage, heard) = match answer {
            Ok((usage, heard)) => (usage, Ok(heard)),
            Err((usage, why)) => (usage, Err(why)),
        };
        let usd = cost(&usage, &self.info).unwrap_or(0.0);
        bill.tokens += usage;
        bill.usd += usd;
        self.state().spent_usd += usd;
        heard
    }

    async fn read(
        &self,
        request: ModelRequest,
    ) -> Result<(Usage, Option<String>), (Usage, String)> {
        let mut usage = Usage::default();
        let mut stream =
            self.provider.stream(request).await.map_err(|error| (usage, error.to_string()))?;
        let mut text = String::new();
        let mut whole = true;
        while let Some(event) = stream.next().await {
            match event.map_err(|error| (usage, error.to_string()))? {
                ModelEvent::Text(piece) => {
                    whole &= text.len() + piece.len() <= MAX_ANSWER;
                    if whole {
                        text.push_str(&piece);
                    }
                }
                ModelEvent::Usage(counted) => usage = counted,
                ModelEvent::Reset => text.clear(),
                ModelEvent::ToolStarted { .. } => whole = false,
                ModelEvent::Stopped(stop) => {
                    whole &= stop == StopReason::EndTurn;
                    return Ok((usage, whole.then_some(text)));
                }
                ModelEvent::Started { .. }
                | ModelEvent::Thinking(_)
                | ModelEvent::ToolInput { .. }
                | ModelEvent::ToolReady { .. }
                | ModelEvent::Retrying { .. } => {}
            }
        }
        Err((usage, "the stream ended before the answer did".to_owned()))
    }

    /// What a finding does to the call, and the count of flagged ones.
    fn weigh(&self, finding: &Finding) -> (Decision, String) {
        let mut state = self.state();
        if !finding.safe {
            state.in_a_row += 1;
            state.in_all += 1;
            let decision = match self.settings.flagged {
                Flagged::Ask => Decision::Ask,
                Flagged::Deny => Decision::Deny,
            };
            return (decision, finding.reason.clone());
        }
        // An agent that keeps proposing harm has been turned: its next call needs a person,
        // however harmless it looks.
        if state.in_a_row >= FLAGGED_IN_A_ROW || state.in_all >= FLAGGED_IN_ALL {
            let reason = format!(
                "{} calls of this session were flagged; only a person can go on",
                state.in_all
            );
            return (Decision::Ask, reason);
        }
        state.in_a_row = 0;
        let decision = if self.settings.may_allow { Decision::Allow } else { Decision::Ask };
        (decision, finding.reason.clone())
    }

    async fn opinion(&self, question: &Question<'_>) -> Opinion {
        let begun = Instant::now();
        let key = self.key(question);
        let earlier = self.state().cache.get(&key, begun);
        let mut bill = Bill::default();
        let (finding, cached) = match earlier {
            Some(finding) => (Ok(finding), true),
            None => {
                let looked = self.look(question, &mut bill);
                let looked = tokio::time::timeout(self.settings.time_limit, looked).await;
                (looked.unwrap_or_else(|_| Err("it took too long".to_owned())), false)
            }
        };
        let mut opinion = match finding {
            Ok(finding) => {
                let (decision, reason) = self.weigh(&finding);
                if !cached {
                    self.state().cache.put(key, finding.clone(), Instant::now());
                }
                Opinion {
                    decision,
                    category: finding.category,
                    reason,
                    stage: finding.stage,
                    cached,
                    error: None,
                    ..Opinion::failed("", Duration::ZERO)
                }
            }
            Err(why) => Opinion { stage: bill.stage, ..Opinion::failed(why, Duration::ZERO) },
        };
        opinion.model = Some(format!("{}/{}", self.provider.id(), self.model));
        opinion.tokens = bill.tokens;
        opinion.cost_usd = bill.usd;
        opinion.latency = begun.elapsed();
        opinion
    }
}

impl Classifier for ModelClassifier {
    fn time_limit(&self) -> Duration {
        // The gate's own limit stands behind this one.
        self.settings.time_limit + Duration::from_secs(1)
    }

    fn opine<'a>(&'a self, question: &'a Question<'a>) -> BoxFuture<'a, Opinion> {
        Box::pin(self.opinion(question))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
