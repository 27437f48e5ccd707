//! Listed hosts: from settings and a confinement to what the proxy goes by, and what it says after.

use crate::config::effective::{HostCredential, NetworkSettings};
use crate::egress::contact::Contacts;
use crate::egress::rules::Attached;
use crate::egress::{Proxy, Rules};
use crate::model::HostRule;
use crate::net::Trust;
use crate::policy::{Confinement, Hosts, NetworkAccess};
use rustix::fd::OwnedFd;
use std::sync::Arc;

/// What the proxy of a call goes by.
#[derive(Debug)]
pub struct WayOut {
    /// The rules.
    pub rules: Arc<Rules>,
    /// Whom its encrypted requests trust.
    pub trust: Arc<Trust>,
}

/// Credentials that the proxy adds. They travel encrypted, wherever the setting says they go.
///
/// # Errors
/// One of them names no place, or its variable is not set.
pub fn attached(credentials: &[HostCredential]) -> Result<Arc<Vec<Attached>>, String> {
    let mut all = Vec::new();
    for credential in credentials {
        let key = format!("sandbox.credentials.{}", credential.name);
        let wrong = |what: String| format!("{key} ({}): {what}", credential.host.source);
        let written = &credential.host.value;
        // Whatever else stands there, it is a place for requests that nobody else reads.
        let written = match written.split_once("://") {
            Some(_) => written.clone(),
            None => match written.rsplit_once(' ') {
                Some((methods, rest)) => format!("{methods} https://{rest}"),
                None => format!("https://{written}"),
            },
        };
        let place = HostRule::parse(&written, false).map_err(|e| wrong(format!("host: {e}")))?;
        let value = credential.value.as_ref().ok_or_else(|| wrong("has no value".to_owned()))?;
        all.push(Attached {
            place,
            header: credential.header.clone(),
            value: value.value.after(&credential.scheme),
        });
    }
    Ok(Arc::new(all))
}

/// Whom encrypted requests of the proxy trust.
pub fn trust(network: &NetworkSettings) -> Arc<Trust> {
    Arc::new(Trust { ca_files: network.custom_ca_certs.clone() })
}

/// What a call with listed hosts may reach; `None` for every other.
///
/// # Errors
/// An entry has no reading.
pub fn way_out(
    confinement: &Confinement,
    attached: &Arc<Vec<Attached>>,
    trust: &Arc<Trust>,
) -> Result<Option<WayOut>, String> {
    if confinement.network != NetworkAccess::Listed {
        return Ok(None);
    }
    let Hosts { allow, deny, addresses } = &confinement.hosts;
    let rules = Rules::read(allow, deny, addresses, Arc::clone(attached))?;
    Ok(Some(WayOut { rules: Arc::new(rules), trust: Arc::clone(trust) }))
}

/// Starts the proxy of a call. FAIL CLOSED: a call that may reach listed hosts does not run without it,
/// and one that may reach none is given no listener.
///
/// # Errors
/// In a person's words.
pub fn open(listener: Option<OwnedFd>, way_out: Option<WayOut>) -> Result<Option<Proxy>, String> {
    let missing =
        |words: &str| format!("the proxy for listed hosts: {words}; the tool did not run");
    match (listener, way_out) {
        (None, None) => Ok(None),
        (Some(listener), Some(WayOut { rules, trust })) => {
            let proxy = Proxy::start(listener, rules, trust);
            proxy.map(Some).map_err(|e| missing(&e.to_string()))
        }
        (None, Some(_)) => Err(missing("the worker handed no listener over")),
        (Some(_), None) => Err(missing("nobody said what may be reached")),
    }
}

/// What was refused on the network, in words, each once.
pub fn refusals(contacts: &Contacts) -> Vec<String> {
    const MOST: usize = 8;
    let mut said: Vec<String> = Vec::new();
    let mut more = 0;
    for contact in contacts.all.iter().filter(|contact| contact.verdict == "refused") {
        let words = match contact.reason.starts_with(&contact.host) {
            true => format!("refused: {}", contact.reason),
            false => format!("refused: {}: {}", contact.host, contact.reason),
        };
        if said.contains(&words) {
            continue;
        }
        if said.len() < MOST { said.push(words) } else { more += 1 }
    }
    if more > 0 {
        said.push(format!("{more} more connections were refused"));
    }
    said
}
