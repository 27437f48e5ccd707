//! The ways to reach a person: the terminal of the run, the host program, the approvals folder, a
//! webhook.
//!
//! Each puts the question that the gate made, whole, and brings back what a person said. None
//! judges, remembers or allows anything: the gate takes the first answer, and silence is a no.
//! Read [`terminal`], [`host`], [`folder`] and [`webhook`] for the four, [`card`] for what is shown,
//! [`store`] for what survives a restart.

pub mod card;
mod folder;
mod host;
mod place;
mod seal;
pub mod store;
mod terminal;
mod tty;
mod webhook;
pub mod who;
mod wire;

#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod terminal_tests;
#[cfg(test)]
mod testing;

pub use card::Card;
pub use store::{Expired, Folder, Given, Listed, State, Void};

use crate::config::Environment;
use crate::config::effective::{AllowList, Effective, WebhookSettings};
use crate::gate::Approver;
use crate::net::{BaseUrl, Egress, EgressSettings};
use seal::Seal;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tty::Device;

/// Longest silence of a receiver within one answer.
const SILENCE: Duration = Duration::from_secs(30);

/// What decides who can be asked.
pub struct Reach<'a> {
    /// The configuration in force.
    pub effective: &'a Effective,
    /// For the proxies of the webhook.
    pub environment: &'a Environment,
    /// Digest of the rules in force: an answer of an earlier run counts under the same alone.
    pub policy: String,
    /// Whether this run may use its terminal: not while standard output carries JSON.
    pub terminal: bool,
    /// Whether a host program answers on standard input.
    pub host: bool,
}

/// Who can be asked.
pub struct Reached {
    /// The ways, each of which says for itself whether somebody is there now.
    pub approvers: Vec<Arc<dyn Approver>>,
    /// How long a question stays open.
    pub patience: Duration,
    /// What a person should know, such as a folder that cannot be used.
    pub warnings: Vec<String>,
    /// Questions of dead runs that are over, to be recorded.
    pub expired: Vec<Expired>,
}

/// A way to a person is configured and cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} ({source_text}): {problem}")]
pub struct ReachError {
    /// The key.
    pub key: &'static str,
    /// Where it is set.
    pub source_text: String,
    /// What is wrong.
    pub problem: String,
}

/// Finds the ways to a person that the configuration names.
///
/// # Errors
/// [`ReachError`]: a webhook that cannot work. A run that counts on it must not start and be
/// denied everything.
pub fn approvers(reach: Reach<'_>) -> Result<Reached, ReachError> {
    let settings = &reach.effective.approvals;
    let mut approvers = Vec::<Arc<dyn Approver>>::new();
    let (mut warnings, mut expired) = (Vec::new(), Vec::new());
    if reach.terminal && settings.terminal.value {
        approvers.push(Arc::new(terminal::Terminal::new(Device::Controlling)));
    }
    if reach.host && settings.host.value {
        match host::Host::listening(std::io::stdin()) {
            Ok(host) => approvers.push(Arc::new(host)),
            Err(why) => warnings.push(format!("the host program cannot be asked: {why}")),
        }
    } else if reach.host {
        let by = &settings.host.source;
        warnings.push(format!("`--answers` does nothing: approvals.host is false ({by})"));
    }
    let webhook = settings.webhook.as_ref().map(|w| receiver(w, &reach)).transpose()?;
    let answerable = settings.folder.value;
    if answerable || webhook.is_some() {
        match questions(&reach, answerable) {
            Ok((store, over)) => {
                let store = Arc::new(store);
                expired = over;
                if answerable {
                    approvers.push(Arc::new(folder::FolderApprover::new(Arc::clone(&store))));
                }
                if let Some((egress, seal)) = webhook {
                    let pace = webhook::Pace::default();
                    approvers.push(Arc::new(webhook::Webhook::new(egress, seal, store, pace)));
                }
            }
            // FAIL CLOSED: nobody is asked there, so what needs a person is denied.
            Err(why) => warnings.push(format!("nobody can be asked from afar: {why}")),
        }
    }
    Ok(Reached { approvers, patience: settings.wait, warnings, expired })
}

fn questions(reach: &Reach<'_>, answerable: bool) -> Result<(Store, Vec<Expired>), String> {
    let data_dir = reach.effective.places.data_dir.as_ref();
    let folder = Folder::make(data_dir.ok_or("there is no data folder")?)?;
    Store::new(folder, reach.policy.clone(), answerable)
}

fn receiver(settings: &WebhookSettings, reach: &Reach<'_>) -> Result<(Egress, Seal), ReachError> {
    let url = &settings.url;
    let wrong = |problem: String| ReachError {
        key: "approvals.webhook.url",
        source_text: url.source.to_string(),
        problem,
    };
    let base = BaseUrl::parse(&url.value).map_err(&wrong)?;
    // A question holds commands and paths, and its answer is permission.
    if !base.is_https() && !base.is_loopback() {
        return Err(wrong("it must be https, or this machine".to_owned()));
    }
    if let AllowList::Only(hosts) = &settings.allow_hosts.value
        && !hosts.contains(base.host())
    {
        let by = &settings.allow_hosts.source;
        let host = base.host();
        return Err(wrong(format!("`{host}` is not in approvals.webhook.allowHosts ({by})")));
    }
    let secret = settings.secret.as_ref().ok_or_else(|| {
        wrong("it needs `approvals.webhook.secret`, or the variable named there is not set".into())
    })?;
    let network = EgressSettings::of(&reach.effective.network, reach.environment, SILENCE);
    let egress = Egress::new(base, None, &network).map_err(|error| wrong(error.to_string()))?;
    Ok((egress, Seal::new(secret.value.clone())))
}
