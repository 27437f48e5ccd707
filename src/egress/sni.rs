//! The server name in the first message of a TLS connection (RFC 8446 4.1.2, RFC 6066 3).
//!
//! ATTACK: domain fronting. A client asks for a tunnel to a listed host and then names another one
//! to the server behind it. So the name inside must be the one that was asked for. Names that the
//! client encrypts are not seen; they reach what the listed host itself serves.

/// What was found in the first bytes of a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Not enough bytes to tell.
    More,
    /// It is not TLS.
    NotTls,
    /// TLS, with this name.
    Name(String),
    /// TLS that names no server, as clients do that connect to an address.
    Nameless,
    /// TLS with something that has no reading.
    Wrong(&'static str),
}

/// Most bytes that are looked at. A first message is a few hundred to some thousand.
pub const MOST: usize = 32 << 10;

/// Looks at the first bytes that a client sent.
pub fn find(bytes: &[u8]) -> Found {
    match bytes {
        [] => Found::More,
        [0x16] => Found::More,
        [0x16, 3, ..] => match message(bytes) {
            Ok(Some(hello)) => name(&hello),
            Ok(None) if bytes.len() >= MOST => Found::Wrong("the first message is too long"),
            Ok(None) => Found::More,
            Err(what) => Found::Wrong(what),
        },
        _ => Found::NotTls,
    }
}

/// The body of the first message, put together from its records; `None` while it is incomplete.
fn message(bytes: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let mut body = Vec::new();
    let mut rest = bytes;
    loop {
        if let [kind, a, b, c, ..] = body[..] {
            if kind != 1 {
                return Err("the first message is not a greeting");
            }
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            if length > MOST {
                return Err("the first message is too long");
            }
            if body.len() >= 4 + length {
                return Ok(Some(body[4..4 + length].to_vec()));
            }
        }
        let [kind, major, _, high, low, after @ ..] = rest else { return Ok(None) };
        if *kind != 0x16 || *major != 3 {
            return Err("the first message is broken up by another");
        }
        let length = usize::from(*high) << 8 | usize::from(*low);
        if length == 0 || length > (1 << 14) + 256 {
            return Err("a record has an impossible length");
        }
        let Some(record) = after.get(..length) else { return Ok(None) };
        body.extend_from_slice(record);
        rest = &after[length..];
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }

    fn vector(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let length = self.number(bytes)?;
        self.take(length)
    }
}

fn name(hello: &[u8]) -> Found {
    const BROKEN: Found = Found::Wrong("the greeting is malformed");
    let mut reader = Reader(hello);
    let head = reader.take(34).and_then(|_| reader.vector(1));
    let rest = head.and_then(|_| reader.vector(2)).and_then(|_| reader.vector(1));
    if rest.is_none() {
        return BROKEN;
    }
    let Some(extensions) = reader.vector(2) else {
        return Found::Nameless;
    };
    if !reader.0.is_empty() {
        return BROKEN;
    }
    let mut reader = Reader(extensions);
    let mut found = None;
    while !reader.0.is_empty() {
        let (Some(kind), Some(body)) = (reader.number(2), reader.vector(2)) else { return BROKEN };
        if kind != 0 {
            continue;
        }
        // Two of them would be read one way here and another way there.
        if found.is_some() {
            return Found::Wrong("the greeting names two servers");
        }
        let mut list = Reader(body);
        let Some(mut names) = list.vector(2).map(Reader) else { return BROKEN };
        let (Some(0), Some(name)) = (names.number(1), names.vector(2)) else { return BROKEN };
        if !names.0.is_empty() || !list.0.is_empty() {
            return Found::Wrong("the greeting names two servers");
        }
        match std::str::from_utf8(name) {
            Ok(name) if !name.is_empty() => found = Some(name.to_owned()),
            _ => return BROKEN,
        }
    }
    found.map_or(Found::Nameless, Found::Name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn greeting(name: &str) -> Vec<u8> {
        let roots = rustls::RootCertStore::empty();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = name.to_owned().try_into().unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    /// The same message in records of `size` bytes.
    fn broken_up(bytes: &[u8], size: usize) -> Vec<u8> {
        bytes[5..]
            .chunks(size)
            .flat_map(|part| {
                let length = u16::try_from(part.len()).unwrap().to_be_bytes();
                [&[0x16, 3, 1], &length[..], part].concat()
            })
            .collect()
    }

    #[test]
    fn the_name_of_a_real_greeting_is_found_however_it_is_cut() {
        let bytes = greeting("listed.example");
        assert_eq!(find(&bytes), Found::Name("listed.example".to_owned()));
        for cut in 0..bytes.len() {
            assert_eq!(find(&bytes[..cut]), Found::More, "{cut}");
        }
        for size in [1, 2, 7, 100] {
            let found = find(&broken_up(&bytes, size));
            assert_eq!(found, Found::Name("listed.example".to_owned()), "{size}");
        }
    }

    #[test]
    fn a_greeting_without_a_name_is_told_apart_and_http_is_not_tls() {
        assert_eq!(find(&greeting("192.0.2.1")), Found::Nameless);
        assert_eq!(find(b"GET / HTTP/1.1\r\n"), Found::NotTls);
        assert_eq!(find(b"SSH-2.0-x\r\n"), Found::NotTls);
        assert_eq!(find(&[0x16, 2]), Found::NotTls);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes: Vec<u8>, at in 0usize..300, byte: u8) {
            let _ = find(&bytes);
            bytes.splice(0..0, [0x16, 3, 1]);
            let _ = find(&bytes);
            let mut changed = greeting("listed.example");
            let end = changed.len() - 1;
            changed[at.min(end)] = byte;
            let _ = find(&changed);
        }
    }
}
