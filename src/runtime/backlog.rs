//! What a run has to do with forwarding: the threads beside it, and `audit.backlog.policy` `block`.
//!
//! FAIL CLOSED: under `block` a call runs only while every required sink is known to be near enough; a
//! cursor that cannot be read is not known to be.

use crate::audit::cursor;
use crate::audit::{AuditError, AuditLog, Draft, Kind};
use crate::config::{Effective, Environment};
use crate::forward::pump::Note;
use crate::gate::Recorder;
use crate::model::{AbsPath, Seq, SessionId};
use crate::redact::Redactor;
use serde_json::json;
use std::sync::Arc;

/// The log, and how far its sinks may fall behind.
struct Bounded {
    log: Arc<AuditLog>,
    sinks: Vec<String>,
    limit: u64,
    set_by: String,
}

/// The log as the gate writes to it.
pub(in crate::runtime) fn recorder(effective: &Effective, log: Arc<AuditLog>) -> Arc<dyn Recorder> {
    let audit = &effective.audit;
    let Some(source) = &audit.block else { return log };
    let required = audit.sinks.iter().filter(|sink| sink.required);
    let sinks = required.map(|sink| sink.name.clone()).collect();
    Arc::new(Bounded { log, sinks, limit: audit.limit, set_by: source.to_string() })
}

impl Recorder for Bounded {
    fn append(&self, draft: &Draft) -> Result<Seq, AuditError> {
        self.log.append(draft)
    }

    fn ready(&self) -> Result<(), String> {
        for sink in &self.sinks {
            let lacks = cursor::backlog(self.log.file(), sink).map_err(|e| e.message)?;
            if lacks > self.limit {
                return Err(format!(
                    "audit sink `{sink}` lacks {lacks} records and may lack {} (audit.backlog, {}); next: \
                     ion audit forward",
                    self.limit, self.set_by
                ));
            }
        }
        Ok(())
    }
}

/// Records that a sink was parked. The log is opened when there is something to say.
pub fn note(
    file: &AbsPath,
    effective: &Effective,
    environment: &Environment,
    redactor: Arc<Redactor>,
    session: Option<SessionId>,
) -> Note {
    let (file, (origin, settings)) = (file.clone(), super::log::terms(effective, environment));
    Arc::new(move |sink, why| {
        let body = json!({"sink": sink, "status": "parked", "reason": why});
        let draft = Draft {
            kind: Kind::Forwarding,
            session: session.clone(),
            call_id: None,
            tool: None,
            decision: None,
            body: redactor.for_log().json(&body),
        };
        // A log that takes no record says so to every call; the cursor keeps the reason as well.
        let log = AuditLog::open_as(&file, origin.clone(), settings.clone());
        let _ = log.and_then(|log| log.append(&draft));
    })
}
