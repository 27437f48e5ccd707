//! Bytes between a client and a host that nobody looks into, but for the name at the beginning.

use super::proxy::{Open, Shared};
use super::rules::Wanted;
use super::sni::{self, Found};
use super::target::{TLS, Target};
use crate::model::Host;
use crate::net::address::admitted;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest look-up.
const LOOKUP: Duration = Duration::from_secs(10);
/// Longest wait for one address.
const CONNECT: Duration = Duration::from_secs(15);
/// How long a client may take for its greeting where there must be one.
const GREETING: Duration = Duration::from_secs(30);
/// `unrecognized_name`, fatal (RFC 8446 6.2).
const ALERT: &[u8] = &[0x15, 3, 3, 0, 2, 2, 112];

/// Why there is no connection.
pub(super) enum Failure {
    /// The rules.
    Refused(String),
    /// The network.
    Broken(String),
}

/// Where a target leads, looked up once and judged.
pub(super) async fn resolve(shared: &Shared, target: &Target) -> Result<Vec<SocketAddr>, Failure> {
    let found: Vec<IpAddr> = match &target.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => {
            let looked = tokio::time::timeout(LOOKUP, (shared.lookup)(name.clone())).await;
            let broken = |why: String| Failure::Broken(format!("looking up {name}: {why}"));
            match looked {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => return Err(broken(error.to_string())),
                Err(_) => return Err(broken("no answer in time".to_owned())),
            }
        }
    };
    let kept = admitted(&target.host, &found, &shared.rules.opened).map_err(Failure::Refused)?;
    Ok(kept.into_iter().map(|address| SocketAddr::new(address, target.port)).collect())
}

/// Judges a target for a tunnel and connects to it.
pub(super) async fn connect(
    shared: &Shared,
    target: &Target,
    open: &Open,
) -> Result<TcpStream, Failure> {
    let granted = shared.rules.judge(target, Wanted::Tunnel);
    let entry = granted.map_err(Failure::Refused)?.entry.written.clone();
    let addresses = resolve(shared, target).await?;
    let mut last = String::new();
    for address in addresses {
        match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                open.grant(&entry, Some(address));
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = format!("{address}: {error}"),
            Err(_) => last = format!("{address}: no answer in time"),
        }
    }
    Err(Failure::Broken(last))
}

/// Passes bytes on until both sides have ended, or the client names another server than it asked
/// for.
pub(super) async fn relay<C: AsyncRead + AsyncWrite>(
    client: C,
    server: TcpStream,
    target: &Target,
    open: &Open,
) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = server.into_split();
    let refused = {
        let up = async {
            match greeting(&mut from_client, target).await {
                Ok(first) => {
                    open.sent(first.len());
                    if to_server.write_all(&first).await.is_ok() {
                        pass(&mut from_client, &mut to_server, |n| open.sent(n)).await;
                    }
                    false
                }
                Err(why) => {
                    open.refuse(why);
                    true
                }
            }
        };
        let down = pass(&mut from_server, &mut to_client, |n| open.received(n));
        tokio::pin!(up, down);
        // One direction may go on after the other has ended.
        tokio::select! {
            biased;
            refused = &mut up => {
                if !refused {
                    down.await;
                }
                refused
            }
            () = &mut down => up.await,
        }
    };
    if refused {
        // Whoever reads it sees more than a connection that broke.
        let _ = to_client.write_all(ALERT).await;
        let _ = to_client.shutdown().await;
    }
}

/// The client's first bytes, once it is known that they name the right server.
async fn greeting(
    client: &mut (impl AsyncRead + Unpin),
    target: &Target,
) -> Result<Vec<u8>, String> {
    let mut first = Vec::new();
    let mut chunk = [0_u8; 4096];
    let deadline = tokio::time::Instant::now() + GREETING;
    loop {
        let read = client.read(&mut chunk);
        // Elsewhere the host may be the one to speak first.
        let read = match target.port {
            TLS => tokio::time::timeout_at(deadline, read)
                .await
                .map_err(|_| format!("{target}: no greeting in time"))?,
            _ => read.await,
        };
        let n = read.unwrap_or(0);
        first.extend_from_slice(chunk.get(..n).unwrap_or_default());
        let shown = |what: &str| format!("{target}: {what}; only its own name may stand there");
        match sni::find(&first) {
            Found::Name(name) if Host::parse(&name).as_ref() == Ok(&target.host) => {
                return Ok(first);
            }
            Found::Name(name) => {
                return Err(shown(&format!("the greeting is for `{}`", name.escape_debug())));
            }
            Found::Nameless if matches!(target.host, Host::Address(_)) => return Ok(first),
            Found::Nameless => return Err(shown("the greeting names no server")),
            Found::Wrong(what) => return Err(shown(what)),
            Found::NotTls if target.port == TLS => return Err(shown("this is not TLS")),
            Found::NotTls => return Ok(first),
            Found::More if n == 0 && target.port == TLS && !first.is_empty() => {
                return Err(shown("the greeting breaks off"));
            }
            Found::More if n == 0 => return Ok(first),
            Found::More => {}
        }
    }
}

async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut count: impl FnMut(usize),
) {
    let mut chunk = vec![0_u8; 16 << 10];
    loop {
        match from.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(n) => {
                count(n);
                if to.write_all(chunk.get(..n).unwrap_or_default()).await.is_err() {
                    break;
                }
            }
        }
    }
    let _ = to.shutdown().await;
}
