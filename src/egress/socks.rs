//! SOCKS version 5 (RFC 1928): `CONNECT` without a password.

use super::contact::Contact;
use super::http::{self, ONE_BY_ONE};
use super::proxy::{Open, Shared};
use super::target::{PLAIN, Target};
use super::tunnel::{self, Failure};
use crate::model::Host;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest time for the opening.
const OPENING: Duration = Duration::from_secs(30);

const DONE: u8 = 0;
const NOT_ALLOWED: u8 = 2;
const UNREACHABLE: u8 = 4;
const NO_SUCH_COMMAND: u8 = 7;

/// What a client wants.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    command: u8,
    host: Vec<u8>,
    address: Option<IpAddr>,
    port: u16,
}

/// Serves one client.
pub(super) async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let request = match tokio::time::timeout(OPENING, opening(&mut stream)).await {
        Ok(Some(request)) => request,
        _ => return,
    };
    let written = match request.address {
        Some(address) => Host::Address(address).to_string(),
        None => String::from_utf8_lossy(&request.host).into_owned(),
    };
    let open = shared.open(Contact::new("socks5", &format!("{written}:{}", request.port)));
    let target = target(&request);
    let answer = match (request.command, &target) {
        (1, Ok(target)) => reach(&shared, target, &open).await,
        (1, Err(why)) => Err((NOT_ALLOWED, (*why).to_owned())),
        _ => Err((NO_SUCH_COMMAND, "only connections outwards are possible".to_owned())),
    };
    let (code, server) = match answer {
        Ok(server) => (DONE, server),
        Err((code, why)) => {
            open.refuse(why);
            (code, None)
        }
    };
    let reply = [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
    if stream.write_all(&reply).await.is_err() || code != DONE {
        return;
    }
    let Ok(target) = target else { return };
    match server {
        Some(server) => tunnel::relay(stream, server, &target, &open).await,
        None => {
            // Each request is written down by itself.
            http::serve(stream, shared, Some(target)).await;
        }
    }
}

/// A connection to the target; none where requests are looked into one by one.
async fn reach(
    shared: &Shared,
    target: &Target,
    open: &Open,
) -> Result<Option<TcpStream>, (u8, String)> {
    if target.port == PLAIN {
        shared.rules.named(target).map_err(|why| (NOT_ALLOWED, why))?;
        open.note(|contact| contact.verdict = "opened");
        open.note(|contact| contact.reason = ONE_BY_ONE.to_owned());
        return Ok(None);
    }
    match tunnel::connect(shared, target, open).await {
        Ok(server) => Ok(Some(server)),
        Err(Failure::Refused(why)) => Err((NOT_ALLOWED, why)),
        Err(Failure::Broken(why)) => Err((UNREACHABLE, why)),
    }
}

fn target(request: &Request) -> Result<Target, &'static str> {
    if request.port == 0 {
        return Err("the port is missing or is no port");
    }
    let host = match request.address {
        // A mapped address is a second spelling.
        Some(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_some() => {
            return Err("the host is an address in an unusual spelling");
        }
        Some(address) => Host::Address(address),
        None => {
            let text = std::str::from_utf8(&request.host).map_err(|_| "the host is no name")?;
            Host::parse(text)?
        }
    };
    Ok(Target { host, port: request.port })
}

async fn opening(stream: &mut TcpStream) -> Option<Request> {
    let mut head = [0_u8; 2];
    stream.read_exact(&mut head).await.ok()?;
    let [5, count] = head else { return None };
    let mut methods = vec![0_u8; usize::from(count)];
    stream.read_exact(&mut methods).await.ok()?;
    if !methods.contains(&0) {
        // ATTACK: none is needed; a client that insists on a password would tell it to us.
        let _ = stream.write_all(&[5, 0xff]).await;
        return None;
    }
    stream.write_all(&[5, 0]).await.ok()?;
    request(stream).await
}

async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut head = [0_u8; 4];
    stream.read_exact(&mut head).await.ok()?;
    let [5, command, 0, kind] = head else { return None };
    let (mut host, mut address) = (Vec::new(), None);
    match kind {
        1 => {
            let mut octets = [0_u8; 4];
            stream.read_exact(&mut octets).await.ok()?;
            address = Some(Ipv4Addr::from(octets).into());
        }
        3 => {
            let length = stream.read_u8().await.ok()?;
            host = vec![0; usize::from(length)];
            stream.read_exact(&mut host).await.ok()?;
        }
        4 => {
            let mut octets = [0_u8; 16];
            stream.read_exact(&mut octets).await.ok()?;
            address = Some(Ipv6Addr::from(octets).into());
        }
        _ => return None,
    }
    let port = stream.read_u16().await.ok()?;
    Some(Request { command, host, address, port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Option<Request> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(request(&mut &bytes[..]))
    }

    #[test]
    fn a_request_is_read_in_its_three_forms() {
        let name = read(b"\x05\x01\x00\x03\x06a.test\x01\xbb").unwrap();
        assert_eq!(target(&name).unwrap().to_string(), "a.test:443");
        let v4 = read(&[5, 1, 0, 1, 192, 0, 2, 1, 0, 80]).unwrap();
        assert_eq!(target(&v4).unwrap().to_string(), "192.0.2.1:80");
        let mut v6 = vec![5, 1, 0, 4];
        v6.extend(Ipv4Addr::new(127, 0, 0, 1).to_ipv6_mapped().octets());
        v6.extend([0, 80]);
        assert!(target(&read(&v6).unwrap()).is_err());
        assert!(target(&read(b"\x05\x01\x00\x03\x04a\0.b\x01\xbb").unwrap()).is_err());
        assert!(target(&read(b"\x05\x01\x00\x03\x01a\x00\x00").unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let request = read(&[&[5, 1, 0], &bytes[..]].concat());
            let _ = request.map(|request| target(&request).is_ok());
        }
    }
}
