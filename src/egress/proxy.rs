//! The proxy of one call: a thread that serves whoever connects to the call's listener.
//!
//! INVARIANT (nothing stays): when the handle is dropped no connection is left, in whatever state
//! it was, and each has been written down.

use super::contact::{Contact, Contacts, Log, short};
use super::rules::Rules;
use super::{http, socks};
use crate::net::Trust;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections at one time.
const MOST: usize = 256;
/// How long a client may say nothing at the beginning.
const SILENCE: Duration = Duration::from_secs(30);

/// Looks a name up. A trait object, so that tests need no name server.
pub type Lookup = dyn Fn(String) -> Looked + Send + Sync;
/// A look-up under way.
pub type Looked = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    log: Arc<Log>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// What every connection needs.
pub(super) struct Shared {
    pub(super) rules: Arc<Rules>,
    pub(super) trust: Arc<Trust>,
    pub(super) lookup: Box<Lookup>,
    log: Arc<Log>,
}

impl Proxy {
    /// Serves a listener until it is dropped. Names are looked up by this system.
    ///
    /// # Errors
    /// From the system; then nothing is served.
    pub fn start(listener: OwnedFd, rules: Arc<Rules>, trust: Arc<Trust>) -> io::Result<Self> {
        Self::with(listener, rules, trust, Box::new(system))
    }

    /// As [`start`](Self::start), with another look-up.
    ///
    /// # Errors
    /// As `start`.
    pub fn with(
        listener: OwnedFd,
        rules: Arc<Rules>,
        trust: Arc<Trust>,
        lookup: Box<Lookup>,
    ) -> io::Result<Self> {
        let listener = std::net::TcpListener::from(listener);
        listener.set_nonblocking(true)?;
        let log = Arc::new(Log::default());
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared { rules, trust, lookup, log: Arc::clone(&log) });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let until = stop.clone();
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = until.cancelled() => {}
                    () = accept(listener, &shared) => {}
                }
            });
            // A look-up may hang for a minute; nobody waits for it.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("egress".to_owned()).spawn(serve)?;
        Ok(Proxy { log, stop, thread: Some(thread) })
    }

    /// Ends it and says what was reached and refused.
    pub fn end(mut self) -> Contacts {
        self.finish();
        self.log.take()
    }

    fn finish(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.finish();
    }
}

fn system(name: String) -> Looked {
    Box::pin(async move {
        let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
        Ok(found.map(|address: SocketAddr| address.ip()).collect())
    })
}

async fn accept(listener: std::net::TcpListener, shared: &Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(shared);
                drop(tokio::spawn(async move {
                    serve(stream, shared).await;
                    drop(place);
                }));
            }
            // Out of descriptors, or the client has left again: neither ends the proxy.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut first = [0_u8; 1];
    match tokio::time::timeout(SILENCE, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first == [5] => socks::serve(stream, shared).await,
        Ok(Ok(1)) => http::serve(stream, shared, None).await,
        _ => {}
    }
}

impl Shared {
    /// Opens an entry of the record.
    pub(super) fn open(&self, contact: Contact) -> Open {
        Open {
            log: Arc::clone(&self.log),
            contact: Mutex::new(contact),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        }
    }
}

/// A connection that goes on. It is written down when this is dropped.
pub(super) struct Open {
    log: Arc<Log>,
    contact: Mutex<Contact>,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Open {
    /// Notes something about it.
    pub(super) fn note(&self, change: impl FnOnce(&mut Contact)) {
        if let Ok(mut contact) = self.contact.lock() {
            change(&mut contact);
        }
    }

    /// Notes why it was refused, and gives the words on.
    pub(super) fn refuse(&self, why: impl Into<String>) -> String {
        let why = why.into();
        self.note(|contact| {
            contact.verdict = "refused";
            contact.reason = short(&why);
        });
        why
    }

    /// Notes what let it through.
    pub(super) fn grant(&self, entry: &str, address: Option<SocketAddr>) {
        self.note(|contact| {
            contact.verdict = "allowed";
            contact.reason = entry.to_owned();
            contact.address = address.map(|address| address.to_string());
        });
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let (sent, received) = (*self.sent.get_mut(), *self.received.get_mut());
        if let Ok(contact) = self.contact.get_mut() {
            let mut contact = contact.clone();
            (contact.sent, contact.received) = (sent, received);
            self.log.add(contact);
        }
    }
}
