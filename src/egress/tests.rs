//! The proxy over real sockets, with a look-up that the test writes itself.

use super::contact::Contacts;
use super::proxy::Proxy;
use super::rules::{Attached, Rules};
use crate::model::HostRule;
use crate::net::Trust;
use crate::redact::Secret;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A server that remembers what it was sent, and answers one thing.
struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    fn start(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let log = Arc::clone(&heard);
        let _serving: JoinHandle<()> = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let log = Arc::clone(&log);
                std::thread::spawn(move || {
                    let mut bytes = Vec::new();
                    let mut chunk = [0; 4096];
                    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                    let at = {
                        let mut log = log.lock().unwrap();
                        log.push(Vec::new());
                        log.len() - 1
                    };
                    while let Ok(n) = stream.read(&mut chunk) {
                        if n == 0 {
                            break;
                        }
                        bytes.extend_from_slice(&chunk[..n]);
                        log.lock().unwrap()[at] = bytes.clone();
                        if bytes.ends_with(b"\r\n\r\n") || !bytes.starts_with(b"G") {
                            let _ = stream.write_all(answer);
                        }
                    }
                });
            }
        });
        Server { address, heard }
    }

    fn port(&self) -> u16 {
        self.address.port()
    }

    fn heard(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";

/// A proxy whose names lead where the test says.
struct Scene {
    proxy: Option<Proxy>,
    address: SocketAddr,
}

fn rules(allow: &[String], deny: &[&str], opened: &[&str]) -> Rules {
    let texts = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    Rules::read(allow, &texts(deny), &texts(opened), Arc::default()).unwrap()
}

impl Scene {
    fn new(rules: Rules, names: &'static [(&'static str, [u8; 4])]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let lookup = move |name: String| -> super::proxy::Looked {
            let found: Vec<IpAddr> = names
                .iter()
                .filter(|(known, _)| *known == name)
                .map(|(_, octets)| Ipv4Addr::from(*octets).into())
                .collect();
            Box::pin(async move {
                if found.is_empty() {
                    return Err(std::io::Error::other("no such name"));
                }
                Ok(found)
            })
        };
        let trust = Arc::new(Trust::default());
        let proxy = Proxy::with(listener.into(), Arc::new(rules), trust, Box::new(lookup));
        Scene { proxy: Some(proxy.unwrap()), address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// An open tunnel to a listed server.
    fn tunnel(&self, server: &Server) -> TcpStream {
        let mut stream = self.connect();
        let place = format!("a.test:{}", server.port());
        write!(stream, "CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n").unwrap();
        let mut head = [0; 64];
        let n = stream.read(&mut head).unwrap();
        let head = String::from_utf8_lossy(&head[..n]).into_owned();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        stream
    }

    /// Sends bytes and reads until the other side ends.
    fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, target: &str, host: &str) -> String {
        let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let mut stream = self.connect();
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn end(mut self) -> Contacts {
        self.proxy.take().unwrap().end()
    }
}

const HOME: &[(&str, [u8; 4])] = &[("a.test", [127, 0, 0, 1]), ("evil.test", [127, 0, 0, 1])];

fn listed(server: &Server) -> Rules {
    rules(&[format!("a.test:{}", server.port())], &[], &["127.0.0.0/8"])
}

#[test]
fn a_plain_request_is_made_anew_and_recorded() {
    let server = Server::start(HELLO);
    let scene = Scene::new(listed(&server), HOME);
    let place = format!("a.test:{}", server.port());
    let head = format!(
        "GET http://{place}/x?q=1 HTTP/1.1\r\nHost: {place}\r\nProxy-Authorization: Basic eDp5\r\n\
         Connection: close, X-Own\r\nX-Own: 1\r\nAccept: */*\r\n\r\n"
    );
    let answer = scene.send(head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    let heard = server.heard().join("");
    assert!(heard.starts_with("GET /x?q=1 HTTP/1.1\r\n"), "{heard}");
    assert!(heard.to_lowercase().contains(&format!("host: {place}")), "{heard}");
    assert!(!heard.contains("eDp5") && !heard.to_lowercase().contains("x-own"), "{heard}");
    let contacts = scene.end();
    let [contact] = &contacts.all[..] else { panic!("{contacts:?}") };
    assert_eq!((contact.protocol, contact.verdict), ("http", "allowed"));
    assert_eq!(contact.request.as_deref(), Some("GET /x"), "the query stays out");
    assert_eq!(contact.address, Some(server.address.to_string()));
    assert_eq!(contact.received, 5);
}

#[test]
fn what_is_not_listed_or_not_what_it_says_is_refused() {
    let server = Server::start(HELLO);
    let port = server.port();
    let scene = Scene::new(listed(&server), HOME);
    for (target, host) in [
        (format!("http://evil.test:{port}/"), format!("evil.test:{port}")),
        // Fronting: the address is listed and the header names another host.
        (format!("http://a.test:{port}/"), format!("evil.test:{port}")),
        (format!("http://a.test:{port}/"), "a.test".to_owned()),
        (format!("http://x.a.test:{port}/"), format!("x.a.test:{port}")),
        (format!("http://127.0.0.1:{port}/"), format!("127.0.0.1:{port}")),
        (format!("http://2130706433:{port}/"), format!("2130706433:{port}")),
        (format!("http://0x7f.1:{port}/"), format!("0x7f.1:{port}")),
        (format!("http://evil.test@a.test:{port}/"), format!("a.test:{port}")),
        (format!("http://a.test:{port}@evil.test:{port}/"), format!("evil.test:{port}")),
        (format!("https://a.test:{port}/"), format!("a.test:{port}")),
        (format!("ftp://a.test:{port}/"), format!("a.test:{port}")),
        ("/".to_owned(), format!("a.test:{port}")),
        ("http://a.test/".to_owned(), "a.test".to_owned()),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), format!("[::ffff:127.0.0.1]:{port}")),
    ] {
        let answer = scene.get(&target, &host);
        assert!(!answer.contains("200 OK"), "{target} {host}: {answer}");
    }
    let two =
        format!("GET http://a.test:{port}/ HTTP/1.1\r\nHost: a.test:{port}\r\nHost: evil\r\n\r\n");
    assert!(!scene.send(two.as_bytes()).contains("200 OK"));
    assert_eq!(server.heard(), Vec::<String>::new());
    assert!(scene.end().all.iter().all(|contact| !contact.is_allowed()));
}

#[test]
fn a_listed_name_that_leads_inside_is_refused() {
    let names: &[(&str, [u8; 4])] =
        &[("a.test", [169, 254, 169, 254]), ("b.test", [127, 0, 0, 1]), ("b.test", [1, 1, 1, 1])];
    let list = ["a.test".to_owned(), "b.test:81".to_owned()];
    let scene = Scene::new(rules(&list, &[], &[]), names);
    let metadata = scene.get("http://a.test/latest/meta-data", "a.test");
    assert!(metadata.contains("403") && metadata.contains("metadata"), "{metadata}");
    let mixed = scene.get("http://b.test:81/", "b.test:81");
    assert!(mixed.contains("403") && mixed.contains("this machine"), "{mixed}");
    let tunnel = scene.send(b"CONNECT b.test:81 HTTP/1.1\r\nHost: b.test:81\r\n\r\n");
    assert!(tunnel.contains("403"), "{tunnel}");
}

#[test]
fn a_tunnel_carries_bytes_both_ways_and_counts_them() {
    let server = Server::start(b"pong");
    let scene = Scene::new(listed(&server), HOME);
    let mut stream = scene.tunnel(&server);
    stream.write_all(b"ping").unwrap();
    let mut pong = [0; 4];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"pong");
    drop(stream);
    let contacts = scene.end();
    let [contact] = &contacts.all[..] else { panic!("{contacts:?}") };
    assert_eq!((contact.protocol, contact.verdict), ("connect", "allowed"));
    assert_eq!((contact.sent, contact.received), (4, 4));
}

/// The first record of a greeting for `name`.
fn greeting(name: &'static str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = name.try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_greeting_for_another_server_never_arrives() {
    for (name, arrives) in [("a.test", true), ("evil.test", false), ("10.0.0.1", false)] {
        let server = Server::start(b"");
        let scene = Scene::new(listed(&server), HOME);
        let mut stream = scene.tunnel(&server);
        // One byte at a time: nothing may leave before the name is known.
        for byte in greeting(name) {
            if stream.write_all(&[byte]).is_err() {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Write);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        let heard: usize = server.heard().iter().map(String::len).sum();
        assert_eq!(heard > 0, arrives, "{name}");
        let contacts = scene.end();
        assert_eq!(contacts.all[0].is_allowed(), arrives, "{name}: {contacts:?}");
    }
}

#[test]
fn socks_goes_by_the_same_rules() {
    let server = Server::start(b"pong");
    let scene = Scene::new(listed(&server), HOME);
    let ask = |name: &[u8], port: u16| -> (u8, TcpStream) {
        let mut stream = scene.connect();
        stream.write_all(&[5, 1, 0]).unwrap();
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).unwrap();
        assert_eq!(chosen, [5, 0]);
        let length = u8::try_from(name.len()).unwrap();
        let request = [&[5, 1, 0, 3, length], name, &port.to_be_bytes()].concat();
        stream.write_all(&request).unwrap();
        let mut reply = [0; 10];
        stream.read_exact(&mut reply).unwrap();
        (reply[1], stream)
    };
    let (code, mut stream) = ask(b"a.test", server.port());
    assert_eq!(code, 0);
    stream.write_all(b"ping").unwrap();
    let mut pong = [0; 4];
    stream.read_exact(&mut pong).unwrap();
    for name in [&b"evil.test"[..], b"127.0.0.1", b"127.1", b"a.test\0.evil.test", b"\xff"] {
        assert_eq!(ask(name, server.port()).0, 2, "{name:?}");
    }
    assert_eq!(ask(b"a.test", 22).0, 2);
    // BIND, and a password that nobody asked for.
    let mut stream = scene.connect();
    stream.write_all(&[5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 80]).unwrap();
    let mut reply = [0; 12];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[3], 7);
    assert_eq!(scene.send(&[5, 1, 2]).as_bytes().first(), Some(&5));
    assert!(scene.send(&[4, 1, 0, 80, 127, 0, 0, 1, 0]).is_empty() || server.heard().len() == 1);
}

#[test]
fn a_credential_is_added_for_its_place_and_in_no_other_request() {
    let server = Server::start(HELLO);
    let port = server.port();
    let list = [format!("a.test:{port}"), format!("evil.test:{port}")];
    let mut all = rules(&list, &[], &["127.0.0.0/8"]);
    all.attached = Arc::new(vec![Attached {
        place: HostRule::parse(&format!("a.test:{port}"), false).unwrap(),
        header: "authorization".to_owned(),
        value: Secret::new("Bearer real-one".to_owned()),
    }]);
    let scene = Scene::new(all, HOME);
    let own = format!(
        "GET http://a.test:{port}/ HTTP/1.1\r\nHost: a.test:{port}\r\n\
         Authorization: Bearer placeholder\r\nConnection: close\r\n\r\n"
    );
    assert!(scene.send(own.as_bytes()).contains("200 OK"));
    let other = scene.get(&format!("http://evil.test:{port}/"), &format!("evil.test:{port}"));
    assert!(other.contains("200 OK"), "{other}");
    let heard = server.heard();
    assert!(heard[0].contains("Bearer real-one") && !heard[0].contains("placeholder"), "{heard:?}");
    assert!(!heard[1].contains("real-one"), "{heard:?}");
    assert!(!format!("{:?}", scene.end()).contains("real-one"));
}

#[test]
fn no_header_and_no_other_port_gets_past_an_entry() {
    let server = Server::start(HELLO);
    let port = server.port();
    let list = [format!("GET,POST a.test:{port}/v1"), "https://a.test".to_owned()];
    let scene = Scene::new(rules(&list, &["a.test:443"], &["127.0.0.0/8"]), HOME);
    let head = format!(
        "GET http://a.test:{port}/v1/x HTTP/1.1\r\nHost: a.test:{port}\r\nX-HTTP-Method-Override: DELETE\r\n\
         X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nConnection: close\r\n\r\n"
    );
    assert!(scene.send(head.as_bytes()).contains("200 OK"));
    let heard = server.heard().join("").to_lowercase();
    assert!(!heard.contains("override") && !heard.contains("admin"), "{heard}");
    // Port 80 would be carried to port 443, which is refused.
    let carried = scene.get("http://a.test/", "a.test");
    assert!(carried.contains("403") && carried.contains("network.denyHosts"), "{carried}");
    let unlisted = scene.send(b"CONNECT evil.test:80 HTTP/1.1\r\nHost: evil.test:80\r\n\r\n");
    assert!(unlisted.contains("403"), "{unlisted}");
    let contacts = scene.end();
    assert_eq!(contacts.all.iter().filter(|c| c.is_allowed()).count(), 1, "{contacts:?}");
}

#[test]
fn ending_the_proxy_ends_what_goes_on() {
    let server = Server::start(b"");
    let scene = Scene::new(listed(&server), HOME);
    let mut stream = scene.tunnel(&server);
    let contacts = scene.end();
    assert_eq!(contacts.all.len(), 1, "it is written down although it had not ended");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty());
}
