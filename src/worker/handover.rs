//! The listener by which a call reaches Ion's proxy: made inside, handed over, served outside.
//!
//! It stands on the loopback device of the call's own network, so whoever connects to it is inside.
//! It is made before the worker confines itself: afterwards there is no way to pass a descriptor.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener};

/// The port inside. Nothing else is there when it is taken.
pub const PORT: u16 = 3128;
/// What stands in the message that carries the descriptor.
const WORD: &[u8] = b"\x01";

/// Makes the listener and sends it to the parent.
///
/// # Errors
/// In a person's words; nothing may run after one.
pub fn give(parent: BorrowedFd<'_>) -> Result<(), String> {
    let say = |e: io::Error| format!("handing the proxy's listener over: {e}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).map_err(say)?;
    pass(parent, listener.as_fd()).map_err(say)
}

/// Sends a descriptor on.
///
/// # Errors
/// From the system.
pub fn pass(to: BorrowedFd<'_>, listener: BorrowedFd<'_>) -> io::Result<()> {
    let listeners = [listener];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&listeners)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    sendmsg(to, &[IoSlice::new(WORD)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives the descriptor. Blocks until something is there or the other end is gone.
///
/// # Errors
/// From the system, or something else was sent.
pub fn take(from: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut word = [0_u8; 1];
    let got = loop {
        let mut parts = [IoSliceMut::new(&mut word)];
        match recvmsg(from, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    if got.bytes != 1 || word != *WORD {
        return Err(wrong("the worker handed no listener over"));
    }
    let mut found = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            found = descriptors.last().or(found);
        }
    }
    let listener = found.ok_or_else(|| wrong("the worker handed no listener over"))?;
    // A descriptor of another kind would be served as one.
    let at = rustix::net::getsockname(&listener)?;
    let here = std::net::SocketAddr::try_from(at).ok();
    let expected = std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let listens = rustix::net::sockopt::socket_acceptconn(&listener)?;
    if here != Some(expected) || !listens {
        return Err(wrong("the worker handed something else over"));
    }
    Ok(listener)
}
