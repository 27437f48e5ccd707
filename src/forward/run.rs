//! Forwarding beside a run: one thread a sink, none of which the run waits for.

use super::pump::{Note, Progress, Pump, Stop, status};
use super::sink::Sink;
use crate::model::AbsPath;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The threads of a run's sinks.
pub struct Forwarder {
    stop: Stop,
    done: Receiver<Progress>,
    sinks: Vec<Sink>,
    log: AbsPath,
}

impl Forwarder {
    /// Starts a thread for each sink.
    pub fn start(sinks: Vec<Sink>, log: &AbsPath, note: &Note) -> Self {
        let (tell, done) = channel();
        let stop = Stop::default();
        for sink in &sinks {
            let name = format!("forward-{}", sink.name);
            let pump = Pump::new(sink.clone(), log, note.clone());
            let (tell, stop) = (tell.clone(), stop.clone());
            let work = move || drop(tell.send(pump.follow(&stop, false, &|_| {})));
            // Without a thread the records wait for the next run.
            let _ = std::thread::Builder::new().name(name).spawn(work);
        }
        Forwarder { stop, done, sinks, log: log.clone() }
    }

    /// Gives the threads this long to send what is left, and says of each sink that lacks records
    /// why. A thread that is not done is left behind: its records are still in the log.
    pub fn finish(self, grace: Duration) -> Vec<String> {
        self.stop.ask();
        let until = Instant::now() + grace;
        let mut ended = Vec::new();
        while ended.len() < self.sinks.len() {
            let left = until.saturating_duration_since(Instant::now());
            match self.done.recv_timeout(left) {
                Ok(progress) => ended.push(progress),
                Err(_) => break,
            }
        }
        let of = |sink: &Sink| {
            let ended = ended.iter().find(|progress| progress.sink == sink.name).cloned();
            ended.unwrap_or_else(|| {
                let now = status(&self.log, sink);
                let error = now.error.or_else(|| Some("it has not answered in time".to_owned()));
                Progress { error, ..now }
            })
        };
        let lacking = self.sinks.iter().map(of).filter(|progress| !progress.is_well());
        lacking.map(|progress| notice(&progress)).collect()
    }
}

fn notice(progress: &Progress) -> String {
    let Progress { sink, parked, error, backlog, .. } = progress;
    let count = backlog.map_or_else(|| "an unknown number of".to_owned(), |n| n.to_string());
    let why = error.as_deref().unwrap_or("there was no time to send them");
    let next = match parked {
        true => "it is sent nothing more until that is mended; next: ion audit forward",
        false => "the next run sends them, or ion audit forward",
    };
    format!("audit sink `{sink}` lacks {count} records: {why}; {next}")
}
