//! Datagrams: the syslog socket and journald of this machine, and syslog over UDP.
//!
//! A local socket takes a datagram or says that it does not. UDP says nothing: what it loses is lost.

use super::wire::{Batch, Trouble};
use crate::audit::export::datagram;
use crate::net::Stream;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a full socket is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the refusal of a datagram takes to come back from a host nearby.
const ECHO: Duration = Duration::from_millis(20);

/// A syslog socket such as `/dev/log`.
pub(in crate::forward) struct Datagrams(pub(in crate::forward) PathBuf);

/// The socket of journald.
pub(in crate::forward) struct Journald(pub(in crate::forward) PathBuf);

impl Datagrams {
    pub(in crate::forward) fn send(&self, batch: &Batch) -> Result<(), Trouble> {
        local(&self.0, &batch.messages())
    }
}

impl Journald {
    pub(in crate::forward) fn send(&self, batch: &Batch) -> Result<(), Trouble> {
        let all: Vec<_> =
            batch.records.iter().map(|(record, line)| datagram(record, line)).collect();
        local(&self.0, &all)
    }
}

fn local(path: &Path, datagrams: &[Vec<u8>]) -> Result<(), Trouble> {
    let failed = |e: std::io::Error| Trouble::later(format!("{}: {e}", path.display()));
    let socket = UnixDatagram::unbound().map_err(failed)?;
    socket.connect(path).map_err(failed)?;
    socket.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    datagrams.iter().try_for_each(|datagram| socket.send(datagram).map(drop)).map_err(failed)
}

/// Syslog over UDP (RFC 5426), one message a datagram.
pub(in crate::forward) fn udp(host: &Stream, batch: &Batch) -> Result<(), Trouble> {
    let addresses = host.addresses().map_err(Trouble::later)?;
    let Some(address) = addresses.first() else {
        return Err(Trouble::later("the host has no address".to_owned()));
    };
    let any: IpAddr = match address.is_ipv4() {
        true => Ipv4Addr::UNSPECIFIED.into(),
        false => Ipv6Addr::UNSPECIFIED.into(),
    };
    let failed = |e: std::io::Error| Trouble::later(e.to_string());
    let socket = UdpSocket::bind((any, 0)).map_err(failed)?;
    socket.connect(address).map_err(failed)?;
    for message in batch.messages() {
        socket.send(&message).map_err(failed)?;
    }
    std::thread::sleep(ECHO);
    socket.take_error().and_then(|error| error.map_or(Ok(()), Err)).map_err(failed)
}
