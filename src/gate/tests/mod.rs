//! The gate as a whole: real rules, a made-up log, a made-up machine, made-up hooks and people.

mod basics;
mod children;
mod classifier;
mod hooks;
mod marks;
mod people;
mod preview;
mod table;

use super::approver::{Approver, Reply};
use super::asked::{Asked, Choice};
use super::classifier::{Classifier, Opinion, Question};
use super::clock::{Clock, Now};
use super::hook::{Hook, HookOpinion, HookReply, HookRole, Proposal};
use super::*;
use crate::audit::{AuditError, Draft, Kind};
use crate::config::effective::{AllowList, NetworkReach, SandboxSettings, ToolRestrictions};
use crate::config::origin::Located;
use crate::config::schema::permissions::{DangerSpec, PermissionLayer, RuleSpec, Severity};
use crate::model::{
    AbsPath, CallId, Decision, Effects, Requirement, Seq, Source, Tier, ToolCall, ToolName, Usage,
};
use crate::policy::{Anchors, CallLimits, Confinement, Judgement, Moment, RuleSet, compile};
use crate::redact::{Redacted, Redactor};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A log in memory that can be full.
#[derive(Default)]
pub(super) struct Log {
    pub drafts: Mutex<Vec<Draft>>,
    pub full: bool,
    /// Why nothing may run, where those who must have the records lack them.
    pub behind: Option<String>,
    /// Fails when it is given a record of this kind.
    pub fails_at: Option<Kind>,
}

impl Recorder for Log {
    fn append(&self, draft: &Draft) -> Result<Seq, AuditError> {
        if self.full || self.fails_at == Some(draft.kind) {
            return Err(AuditError { message: "no space left on device".to_owned() });
        }
        let mut drafts = self.drafts.lock().unwrap();
        drafts.push(draft.clone());
        Ok(Seq(drafts.len() as u64))
    }

    fn ready(&self) -> Result<(), String> {
        self.behind.clone().map_or(Ok(()), Err)
    }
}

impl Log {
    pub fn kinds(&self) -> Vec<(Kind, Option<Decision>)> {
        self.drafts.lock().unwrap().iter().map(|draft| (draft.kind, draft.decision)).collect()
    }

    pub fn last(&self) -> Value {
        self.drafts.lock().unwrap().last().expect("a record").body.get().clone()
    }
}

pub(super) struct Machine(pub bool);

impl Confiner for Machine {
    fn can_hold(&self, _: &Confinement) -> Result<String, String> {
        if self.0 { Ok("bwrap".to_owned()) } else { Err("no user namespaces".to_owned()) }
    }
}

/// A clock that tests set.
#[derive(Default)]
pub(super) struct Watch {
    pub steady: AtomicU64,
    pub wall: AtomicI64,
}

impl Clock for Watch {
    fn now(&self) -> Now {
        Now {
            steady: Duration::from_secs(self.steady.load(Ordering::SeqCst)),
            unix_seconds: self.wall.load(Ordering::SeqCst),
        }
    }

    fn moment(&self) -> Option<Moment> {
        None
    }
}

/// What a hook does.
#[derive(Debug, Clone)]
pub(super) enum Does {
    Says(Option<Decision>),
    /// Rewrites the call when it is this command, to that one.
    Rewrites(&'static str, &'static str),
    /// Rewrites whatever it gets, for ever.
    RewritesAll,
    Fails,
    Crashes,
    Hangs,
    Class(&'static str),
    ClassFails,
}

pub(super) struct TestHook {
    pub name: &'static str,
    pub does: Does,
    pub role: HookRole,
    /// The commands that it was shown.
    pub seen: Mutex<Vec<String>>,
}

pub(super) fn hook(name: &'static str, does: Does) -> Arc<TestHook> {
    Arc::new(TestHook { name, does, role: HookRole::Gates, seen: Mutex::default() })
}

pub(super) fn observer(name: &'static str, does: Does) -> Arc<TestHook> {
    Arc::new(TestHook { name, does, role: HookRole::Observes, seen: Mutex::default() })
}

impl Hook for TestHook {
    fn name(&self) -> &str {
        self.name
    }

    fn role(&self) -> HookRole {
        self.role
    }

    fn time_limit(&self) -> Duration {
        Duration::from_millis(if matches!(self.does, Does::Hangs) { 20 } else { 10_000 })
    }

    fn classifies(&self) -> bool {
        matches!(self.does, Does::Class(_) | Does::ClassFails)
    }

    fn classify<'a>(
        &'a self,
        _: &'a Proposal<'a>,
    ) -> BoxFuture<'a, Result<Option<String>, String>> {
        Box::pin(async {
            match self.does {
                Does::Class(class) => Ok(Some(class.to_owned())),
                _ => Err("the pipe broke".to_owned()),
            }
        })
    }

    fn consult<'a>(
        &'a self,
        proposal: &'a Proposal<'a>,
        _: &'a Judgement,
    ) -> BoxFuture<'a, HookReply> {
        Box::pin(async move {
            let command = proposal.call.text("command").unwrap_or_default().to_owned();
            self.seen.lock().unwrap().push(command.clone());
            let rewrite = |to: &str| ToolCall { id: CallId::new("forged"), ..bash(to) };
            let opinion = match &self.does {
                Does::Says(decision) => HookOpinion {
                    decision: *decision,
                    reason: Some("the hook's reason".to_owned()),
                    rewrite: None,
                },
                Does::Rewrites(from, to) => HookOpinion {
                    rewrite: (command == *from).then(|| rewrite(to)),
                    ..HookOpinion::default()
                },
                Does::RewritesAll => HookOpinion {
                    rewrite: Some(rewrite(&format!("{command}x"))),
                    ..HookOpinion::default()
                },
                Does::Fails => return HookReply::Failed("exit status 2".to_owned()),
                Does::Crashes => panic!("a hook of the tests crashes"),
                Does::Hangs => std::future::pending().await,
                Does::Class(_) | Does::ClassFails => HookOpinion::default(),
            };
            HookReply::Opinion(opinion)
        })
    }
}

/// A classifier that says one thing and remembers what it was shown.
pub(super) struct TestClassifier {
    pub says: Says,
    pub seen: Mutex<Vec<Value>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Says {
    This(Decision),
    /// An error that claims to be an allow.
    Error,
    Crashes,
    Hangs,
}

pub(super) fn classifier(says: Says) -> Arc<TestClassifier> {
    Arc::new(TestClassifier { says, seen: Mutex::default() })
}

pub(super) fn opinion(decision: Decision) -> Opinion {
    Opinion {
        decision,
        category: Some("exfil".to_owned()),
        reason: "the classifier's reason".to_owned(),
        model: Some("scripted".to_owned()),
        stage: 2,
        tokens: Usage { input_tokens: 7, ..Usage::default() },
        cost_usd: 0.25,
        latency: Duration::from_millis(5),
        cached: false,
        error: None,
    }
}

impl Classifier for TestClassifier {
    fn time_limit(&self) -> Duration {
        Duration::from_millis(if matches!(self.says, Says::Hangs) { 20 } else { 10_000 })
    }

    fn opine<'a>(&'a self, question: &'a Question<'a>) -> BoxFuture<'a, Opinion> {
        let shown: Vec<&str> = question.user_request.iter().map(Redacted::as_str).collect();
        self.seen.lock().unwrap().push(json!({
            "user": shown, "tool": question.tool, "input": question.input,
            "policy": question.policy, "digest": question.digest,
        }));
        Box::pin(async {
            match self.says {
                Says::This(decision) => opinion(decision),
                Says::Error => {
                    Opinion { error: Some("429".to_owned()), ..opinion(Decision::Allow) }
                }
                Says::Crashes => panic!("a classifier of the tests crashes"),
                Says::Hangs => std::future::pending().await,
            }
        })
    }
}

/// A person at some device.
pub(super) struct Person {
    pub name: &'static str,
    pub there: bool,
    pub does: Answers,
    /// The questions that they were shown.
    pub seen: Mutex<Vec<Arc<Asked>>>,
    /// How often a question was taken away from them.
    pub cancelled: AtomicU64,
}

#[derive(Clone)]
pub(super) enum Answers {
    With(Choice),
    /// One after the other, then silence.
    InTurn(Arc<Mutex<Vec<Choice>>>),
    Not,
    /// Looks at the question until it is taken away.
    Waits,
    Crashes,
}

pub(super) fn person(name: &'static str, does: Answers) -> Arc<Person> {
    Arc::new(Person {
        name,
        there: true,
        does,
        seen: Mutex::default(),
        cancelled: AtomicU64::new(0),
    })
}

impl Approver for Person {
    fn name(&self) -> &str {
        self.name
    }

    fn is_there(&self) -> bool {
        self.there
    }

    fn ask<'a>(&'a self, asked: &'a Arc<Asked>, cancel: CancellationToken) -> BoxFuture<'a, Reply> {
        /// Counts also when the future is dropped.
        struct TakenAway<'p>(&'p Person);
        impl Drop for TakenAway<'_> {
            fn drop(&mut self) {
                self.0.cancelled.fetch_add(1, Ordering::SeqCst);
            }
        }
        Box::pin(async move {
            self.seen.lock().unwrap().push(Arc::clone(asked));
            match &self.does {
                Answers::With(choice) => {
                    let reason = Some("my reason".to_owned());
                    Reply { choice: Some(*choice), by: "ada".to_owned(), reason }
                }
                Answers::InTurn(choices) => {
                    let mut left = choices.lock().unwrap();
                    match left.is_empty() {
                        true => Reply::silence("no more words"),
                        false => Reply {
                            choice: Some(left.remove(0)),
                            by: "ada".to_owned(),
                            reason: None,
                        },
                    }
                }
                Answers::Not => Reply::silence("the terminal is gone"),
                Answers::Waits => {
                    let _gone = TakenAway(self);
                    cancel.cancelled().await;
                    std::future::pending().await
                }
                Answers::Crashes => panic!("an approver of the tests crashes"),
            }
        })
    }
}

pub(super) fn source() -> Source {
    Source::new(Tier::User, "u.toml").at(3)
}

pub(super) fn rule(command: &str, decision: Decision) -> Located<RuleSpec> {
    let spec = RuleSpec {
        id: Some(format!("test.{command}")),
        tool: "Bash".to_owned(),
        decision,
        command_patterns: Some(vec![format!("{command}*")]),
        reason: Some("because".to_owned()),
        hint: Some("do something else".to_owned()),
        ..RuleSpec::default()
    };
    Located::new(spec, source())
}

pub(super) fn layer(tier: Tier, rules: Vec<Located<RuleSpec>>) -> PermissionLayer {
    PermissionLayer {
        mode: (tier != Tier::Enterprise).then(|| Located::new(Decision::Ask, source())),
        rules,
        ..PermissionLayer::of(tier)
    }
}

pub(super) fn danger(command: &str, severity: Severity) -> Located<DangerSpec> {
    let spec = DangerSpec {
        id: Some(format!("danger.{command}")),
        pattern: format!("^{command}"),
        category: None,
        severity,
        reason: None,
        matches: vec![],
        rejects: vec![],
    };
    Located::new(spec, source())
}

pub(super) fn rules(layers: &[PermissionLayer]) -> Arc<RuleSet> {
    Arc::new(compile(layers, Anchors { workspace: w(), home: None }).unwrap())
}

/// `frob` is allowed, `grob` denied, everything else asks.
pub(super) fn some_rules() -> Arc<RuleSet> {
    static ONCE: OnceLock<Arc<RuleSet>> = OnceLock::new();
    let listed = || vec![rule("frob", Decision::Allow), rule("grob", Decision::Deny)];
    ONCE.get_or_init(|| rules(&[layer(Tier::User, listed())])).clone()
}

/// One for all tests: to make one is slow without optimisation.
fn redactor() -> Arc<Redactor> {
    static ONCE: OnceLock<Arc<Redactor>> = OnceLock::new();
    ONCE.get_or_init(|| Arc::new(Redactor::new(true, vec![]))).clone()
}

pub(super) fn w() -> AbsPath {
    AbsPath::new("/w").unwrap()
}

/// Parts of a gate where everything works and nobody is there.
pub(super) fn parts(log: &Arc<Log>) -> GateParts {
    GateParts {
        rules: some_rules(),
        sandbox: SandboxSettings {
            requirement: Located::new(Requirement::Rules, source()),
            backend: None,
            network: Located::new(NetworkReach::Nothing, source()),
            hosts: vec![],
            deny_hosts: vec![],
            addresses: vec![],
            credentials: vec![],
            read: vec![],
            write: vec![],
            workspace_writable: true,
            protect: vec![],
            hide: vec![],
            processes: None,
            file_size: None,
            memory: None,
            cpu_seconds: None,
        },
        limits: CallLimits::default(),
        audit: log.clone(),
        redactor: redactor(),
        confiner: Arc::new(Machine(true)),
        session: None,
        agent: "main".to_owned(),
        policy_digest: "d".to_owned(),
        restrictions: ToolRestrictions {
            allow: Located::new(AllowList::Any, source()),
            deny: vec![],
        },
        effects: BTreeMap::from([
            (ToolName::resolve("Bash"), Effects::EXECUTES),
            (ToolName::resolve("Read"), Effects::READS),
        ]),
        workspace: w(),
        home: None,
        circumstances: Default::default(),
        advisers: Advisers::default(),
        lift: Lift { hook: true, classifier: true },
        clock: Arc::new(Watch::default()),
        trusted_servers: BTreeSet::new(),
    }
}

pub(super) fn with(
    hooks: Vec<Arc<TestHook>>,
    classifier: Option<Arc<TestClassifier>>,
    people: Vec<Arc<Person>>,
) -> Advisers {
    Advisers {
        hooks: hooks.into_iter().map(|hook| hook as Arc<dyn Hook>).collect(),
        classifier: classifier.map(|classifier| classifier as Arc<dyn Classifier>),
        approvers: people.into_iter().map(|person| person as Arc<dyn Approver>).collect(),
        patience: Duration::from_secs(300),
        preview: true,
    }
}

pub(super) fn bash(command: &str) -> ToolCall {
    let Value::Object(input) = json!({ "command": command }) else { unreachable!() };
    ToolCall { id: CallId::new("toolu_1"), name: ToolName::resolve("Bash"), input }
}

pub(super) fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

/// Decides one command in `/w`, with nobody listening.
pub(super) async fn decided(gate: &Gate, command: &str) -> Verdict {
    let cancel = CancellationToken::new();
    let inquiry = Inquiry { user_request: &[], cancel: &cancel, notify: &|_| {} };
    gate.decide(bash(command), &w(), &inquiry).await
}

pub(super) fn decide(gate: &Gate, command: &str) -> Verdict {
    wait(decided(gate, command))
}

pub(super) fn refused(gate: &Gate, command: &str) -> Refusal {
    match decide(gate, command) {
        Verdict::Deny(refusal) => refusal,
        Verdict::Allow(_) => panic!("`{command}` was allowed"),
    }
}

pub(super) fn allowed(gate: &Gate, command: &str) -> Permit {
    match decide(gate, command) {
        Verdict::Allow(permit) => permit,
        Verdict::Deny(refusal) => panic!("`{command}` was refused: {refusal:?}"),
    }
}

/// A shell call of another agent whose person is there.
pub(super) fn foreign(command: &str) -> crate::gate::ForeignCall {
    let ToolCall { id, name, input } = bash(command);
    let part = crate::gate::ForeignPart { tool: name, input: input.clone(), cwd: w() };
    let (parts, person) = (Ok(vec![part]), Ok(()));
    let tool = "Bash".to_owned();
    crate::gate::ForeignCall { id, tool, input, parts, cwd: w(), person, about: Value::Null }
}
