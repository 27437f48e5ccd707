//! Bytes for a host that answers nothing but the end of the connection: syslog over TCP and TLS.
//!
//! Such a receiver confirms nothing, and what the kernel took may still be lost with the receiver. So a
//! connection carries one delivery: Ion ends its side and waits until the other side has ended too.
//! A receiver that died, or ended with bytes unread, resets the connection instead.

use super::address::{Special, special};
use super::egress::{EgressSettings, admit};
use super::{BaseUrl, EgressError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// For a connection, a write, and the end of the other side.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than a receiver has to say that is not supposed to say anything.
const CHATTER: usize = 64 * 1024;

/// A place that takes bytes.
pub struct Stream {
    host: String,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
}

impl Stream {
    /// Checks the host as [`super::Egress`] does; with `tls` reads the certificates. These are always
    /// checked, whatever `rejectUnauthorized` says: a stranger would get the records otherwise.
    ///
    /// # Errors
    /// The host is refused, or a certificate file cannot be used.
    pub fn new(
        host: &BaseUrl,
        port: u16,
        tls: bool,
        settings: &EgressSettings,
    ) -> Result<Self, EgressError> {
        admit(host, &settings.deny_hosts)?;
        let host = host.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = if tls { Some(trusting(settings)?) } else { None };
        Ok(Stream { host, port, tls })
    }

    /// The addresses of the host.
    ///
    /// # Errors
    /// In a person's words: none is known, or one must not be reached.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        // As the HTTP client: a resolver must not send elsewhere what is meant for this machine.
        if self.host == "localhost" || self.host.ends_with(".localhost") {
            let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            return Ok(both.map(|ip| SocketAddr::new(ip, self.port)).to_vec());
        }
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let found: Vec<SocketAddr> = found.map_err(|e| format!("cannot resolve: {e}"))?.collect();
        for address in &found {
            if let Some(Special::Never(what)) = special(address.ip()) {
                return Err(format!("{} leads to {}, {what}", self.host, address.ip()));
            }
        }
        Ok(found)
    }

    /// Delivers bytes; returns when the receiver has ended the connection properly.
    ///
    /// # Errors
    /// In a person's words. Whether some of it arrived is not known.
    pub fn deliver(&self, bytes: &[u8]) -> Result<(), String> {
        let mut last = "the host has no address".to_owned();
        for address in self.addresses()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => return self.over(stream, bytes).map_err(|e| words(&e)),
                Err(error) => last = words(&error),
            }
        }
        Err(last)
    }

    fn over(&self, mut stream: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let Some(config) = &self.tls else {
            stream.write_all(bytes)?;
            stream.shutdown(Shutdown::Write)?;
            return until_end(&mut stream);
        };
        let name = ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
        let tls = ClientConnection::new(Arc::clone(config), name).map_err(std::io::Error::other)?;
        let mut tls = StreamOwned::new(tls, stream);
        tls.write_all(bytes)?;
        tls.conn.send_close_notify();
        tls.flush()?;
        tls.sock.shutdown(Shutdown::Write)?;
        until_end(&mut tls)
    }
}

fn until_end(stream: &mut impl Read) -> std::io::Result<()> {
    let (mut heard, mut piece) = (0, [0; 1024]);
    while heard < CHATTER {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(n) => heard += n,
            // TLS that ends without its last word: the connection itself was ended properly.
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Err(std::io::Error::other("the receiver talks and does not end the connection"))
}

fn words(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            "the receiver did not end the connection in time, so it may not have the records"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

fn trusting(settings: &EgressSettings) -> Result<Arc<ClientConfig>, EgressError> {
    let failed = |e: rustls::Error| EgressError::Client(e.to_string());
    let extra = super::egress::each_bundle(&settings.ca_files, |pem| {
        CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        rustls_platform_verifier::Verifier::new_with_extra_roots(extra, Arc::clone(&provider))
            .map_err(failed)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}
