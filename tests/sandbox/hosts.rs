//! Listed hosts: what gets out of a call through the proxy, seen by servers on this machine.
//!
//! The servers are this machine's, whose name is `localhost`, so the tests open its addresses.

use super::stage::{EVERYBODY, Stage};
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// With a network of their own.
const VIEWS: [&str; 2] = ["bwrap", "userns"];

/// A server that keeps the first line of each request.
struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let log = Arc::clone(&log);
                std::thread::spawn(move || {
                    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
                    while !bytes.ends_with(b"\r\n\r\n") {
                        match stream.read(&mut chunk) {
                            Ok(n) if n > 0 => bytes.extend_from_slice(&chunk[..n]),
                            _ => break,
                        }
                    }
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    log.lock().unwrap().push(text.lines().next().unwrap_or_default().to_owned());
                    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\n";
                    let _ = stream.write_all(format!("{head}hello").as_bytes());
                });
            }
        });
        Server { port, heard }
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

/// On every stage, under every backend that can.
fn in_every_view(test: impl Fn(&Stage, &str)) {
    for who in EVERYBODY {
        let stage = Stage::new(who);
        let open = "[sandbox]\naddresses = [\"127.0.0.0/8\"]\n";
        std::fs::write(stage.path("home/.ion/config.toml"), open).unwrap();
        stage.hand_over();
        for backend in VIEWS {
            test(&stage, backend);
        }
    }
}

fn run(stage: &Stage, backend: &str, net: &str, script: &str) -> (String, String, Option<i32>) {
    let words =
        ["sandbox", "run", "--backend", backend, "--net", net, "--", "/bin/bash", "-c", script];
    let output = stage.program(&words).current_dir(stage.work()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

/// Plain requests and tunnels by a client that knows nothing of variables.
const CLIENT: &str = r#"
import socket, sys
def ask(text):
    s = socket.create_connection(("127.0.0.1", 3128), 5); s.settimeout(8)
    s.sendall(text.encode()); out = b""
    try:
        while True:
            part = s.recv(4096)
            if not part: break
            out += part
    except Exception: pass
    return out.split(b"\r\n")[0].decode() if out else "nothing"
def get(host, port, line=None):
    return ask(f"GET http://{line or host}:{port}/x HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n")
"#;

#[test]
fn a_listed_host_is_reached_and_no_other() {
    in_every_view(|stage, backend| {
        let (listed, other) = (Server::start(), Server::start());
        let script = format!(
            "python3 - <<'E'\n{CLIENT}\nprint(get('localhost', {0}))\nprint(get('localhost', {1}))\n\
             print(ask('CONNECT localhost:{1} HTTP/1.1\\r\\nHost: localhost:{1}\\r\\n\\r\\n'))\n\
             print(get('127.0.0.1', {0}))\nprint(get('localhost', {0}, '127.0.0.1'))\nE",
            listed.port, other.port
        );
        let (out, err, code) = run(stage, backend, &format!("localhost:{}", listed.port), &script);
        assert_eq!(code, Some(0), "{err}");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[0], "HTTP/1.1 200 OK", "{backend}: {out} {err}");
        for line in &lines[1..] {
            assert_eq!(*line, "HTTP/1.1 403 Forbidden", "{backend}: {out}");
        }
        assert_eq!(listed.heard(), ["GET /x HTTP/1.1"]);
        assert_eq!(other.heard(), Vec::<String>::new());
        let told = format!("refused: localhost:{} is not in sandbox.hosts", other.port);
        assert!(err.contains(&told), "{err}");
    });
}

#[test]
fn there_is_no_route_past_the_proxy() {
    in_every_view(|stage, backend| {
        let server = Server::start();
        let names = UdpSocket::bind("127.0.0.1:0").unwrap();
        names.set_nonblocking(true).unwrap();
        let udp = names.local_addr().unwrap().port();
        let script = format!(
            r#"python3 - <<'E'
import socket
def connects(family, kind, place):
    try:
        s = socket.socket(family, kind); s.settimeout(2); s.connect(place); s.send(b"x"); return True
    except OSError: return False
print(connects(2, 1, ("127.0.0.1", {tcp})), connects(10, 1, ("::ffff:127.0.0.1", {tcp})),
      connects(2, 1, ("1.1.1.1", 443)), connects(10, 1, ("2606:4700::1111", 443)))
try: socket.socket(2, 2).sendto(b"x", ("127.0.0.1", {udp}))
except OSError: pass
try: print(socket.getaddrinfo("example.com", 80))
except OSError: print("no names")
try: socket.socket(1, 1); print("local socket")
except OSError: print("no local socket")
import os
for n in range(3, 64):
    try: os.fstat(n); print("descriptor", n)
    except OSError: pass
E"#,
            tcp = server.port
        );
        let (out, err, _) = run(stage, backend, &format!("localhost:{}", server.port), &script);
        let expected = "False False False False\nno names\nno local socket\n";
        assert_eq!(out, expected, "{backend}: {err}");
        assert_eq!(server.heard(), Vec::<String>::new());
        assert!(names.recv(&mut [0; 8]).is_err());
        // And nobody outside gets in: the listener stands in another network.
        let script = format!("sleep 1; echo > {}", stage.work().join("done").display());
        let child = std::thread::scope(|scope| {
            let handle = scope.spawn(|| run(stage, backend, "localhost:1", &script));
            std::thread::sleep(Duration::from_millis(500));
            let reached = std::net::TcpStream::connect("127.0.0.1:3128").is_ok();
            drop(handle.join());
            reached
        });
        assert!(!child, "{backend}: the listener is on this machine's own network");
    });
}

#[test]
fn methods_and_paths_hold_and_what_is_denied_wins() {
    in_every_view(|stage, backend| {
        let server = Server::start();
        let deny = "[sandbox]\naddresses = [\"127.0.0.0/8\"]\n[network]\ndenyHosts = [\"localhost:PORT/v1/admin\"]\n";
        let deny = deny.replace("PORT", &server.port.to_string());
        std::fs::write(stage.path("home/.ion/config.toml"), deny).unwrap();
        let script = format!(
            "python3 - <<'E'\n{CLIENT}\nfor m, p in [('GET','/v1/a'),('POST','/v1/a'),('GET','/v2'),\
             ('GET','/v1/../v2'),('GET','/v1/%2e%2e/v2'),('GET','/v1/admin'),('GET','/v1/x/../admin')]:\n \
             print(ask(f'{{m}} http://localhost:{0}{{p}} HTTP/1.1\\r\\nHost: localhost:{0}\\r\\n\
             Connection: close\\r\\n\\r\\n'))\n\
             print(ask('CONNECT localhost:{0} HTTP/1.1\\r\\nHost: localhost:{0}\\r\\n\\r\\n'))\nE",
            server.port
        );
        let net = format!("GET,HEAD localhost:{}/v1", server.port);
        let (out, err, _) = run(stage, backend, &net, &script);
        let mut lines = out.lines();
        assert_eq!(lines.next(), Some("HTTP/1.1 200 OK"), "{backend}: {out} {err}");
        let rest: Vec<&str> = lines.collect();
        assert_eq!(rest, ["HTTP/1.1 403 Forbidden"; 7], "{backend}: {err}");
        assert_eq!(server.heard(), ["GET /v1/a HTTP/1.1"]);
    });
}

#[test]
fn without_its_range_a_private_address_is_refused() {
    in_every_view(|stage, backend| {
        std::fs::remove_file(stage.path("home/.ion/config.toml")).unwrap();
        let server = Server::start();
        let script =
            format!("python3 - <<'E'\n{CLIENT}\nprint(get('localhost', {}))\nE", server.port);
        let (out, err, _) = run(stage, backend, &format!("localhost:{}", server.port), &script);
        assert_eq!(out, "HTTP/1.1 403 Forbidden\n", "{backend}: {err}");
        assert!(err.contains("this machine") && err.contains("sandbox.addresses"), "{err}");
        assert_eq!(server.heard(), Vec::<String>::new());
        let open = "[sandbox]\naddresses = [\"127.0.0.0/8\"]\n";
        std::fs::write(stage.path("home/.ion/config.toml"), open).unwrap();
    });
}

#[test]
fn a_credential_reaches_its_host_and_never_the_call() {
    in_every_view(|stage, backend| {
        let made = stage.shell(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout tls.key -out tls.pem -days 2 \
             -subj /CN=ion-hosts-test -addext subjectAltName=DNS:localhost \
             -addext basicConstraints=critical,CA:FALSE 2>&1",
        );
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let home = stage.path("home");
        let serve = r#"
import http.server, ssl, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        right = self.headers.get("authorization") == "Bearer real-value"
        body = b"known" if right else b"unknown"
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
s = http.server.HTTPServer(("127.0.0.1", 0), H)
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain("tls.pem", "tls.key")
s.socket = c.wrap_socket(s.socket, server_side=True)
print(s.server_port, flush=True); s.serve_forever()
"#;
        let mut server =
            stage.bare(&["python3", "-c", serve], "").current_dir(&home).spawn().unwrap();
        let mut port = [0; 6];
        let n = server.stdout.take().unwrap().read(&mut port).unwrap();
        let port = String::from_utf8_lossy(&port[..n]).trim().to_owned();
        let settings = format!(
            "[network]\ncustomCaCerts = [\"{}/tls.pem\"]\n[sandbox]\naddresses = [\"127.0.0.0/8\"]\n\
             [sandbox.credentials.api]\nhost = \"localhost:{port}\"\nscheme = \"Bearer\"\n\
             value = \"real-value\"\n",
            home.display()
        );
        std::fs::write(stage.path("home/.ion/config.toml"), settings).unwrap();
        let script = format!(
            "env; cat {1}/.ion/config.toml; unset no_proxy NO_PROXY; python3 - <<'E'\n{CLIENT}\nimport urllib.request\n\
             h = urllib.request.ProxyHandler({{'http': 'http://127.0.0.1:3128'}})\n\
             r = urllib.request.Request('http://localhost:{0}/', headers={{'Authorization': 'placeholder'}})\n\
             \ntry: print('answer', urllib.request.build_opener(h).open(r, timeout=9).read().decode())\n\
             except Exception as e: print(e, e.read())\nE",
            port,
            home.display()
        );
        let (out, err, _) = run(stage, backend, &format!("localhost:{port}"), &script);
        let _ = server.kill();
        let _ = server.wait();
        assert!(out.contains("answer known"), "{backend}: {out} {err}");
        assert!(!out.contains("real-value") && !err.contains("real-value"), "{out} {err}");
        let open = "[sandbox]\naddresses = [\"127.0.0.0/8\"]\n";
        std::fs::write(stage.path("home/.ion/config.toml"), open).unwrap();
    });
}

#[test]
fn a_backend_without_a_network_for_the_proxy_refuses_and_nothing_runs() {
    for who in EVERYBODY {
        let stage = Stage::new(who);
        for backend in
            super::stage::CONFINING.into_iter().filter(|name| !super::stage::has_view(name))
        {
            let (_, err, code) = run(&stage, backend, "localhost:1", "echo > ran");
            assert_eq!(code, Some(2), "{err}");
            assert!(err.contains("the host's") && err.contains("userns"), "{err}");
            assert!(!stage.work().join("ran").exists());
        }
        let (_, err, code) = run(&stage, "bwrap", "a.test,0x7f.1", "echo > ran");
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("--net") && err.contains("0x7f.1"), "{err}");
    }
}

#[test]
fn a_tool_call_tells_what_it_reached_and_what_was_refused() {
    in_every_view(|stage, backend| {
        let server = Server::start();
        let command = format!(
            "python3 - <<'E'\n{CLIENT}\nprint(get('localhost', {0}))\nprint(get('evil.test', {0}))\nE",
            server.port
        );
        let played = stage
            .bash(backend, &command)
            .with("hosts", vec![format!("localhost:{}", server.port)])
            .with("addresses", vec!["127.0.0.0/8"])
            .play();
        let text = played.0.to_string();
        assert!(text.contains("200 OK"), "{backend}: {text}");
        assert!(text.contains("[ion sandbox] connect to evil.test:"), "{text}");
        let contacts = played.0["enforced"]["contacts"].as_array().cloned().unwrap_or_default();
        let seen: Vec<_> = contacts.iter().map(|c| (&c["verdict"], &c["request"])).collect();
        let expected = serde_json::json!([["allowed", "GET /x"], ["refused", "GET /x"]]);
        assert_eq!(serde_json::json!(seen), expected, "{text}");
        assert_eq!(server.heard(), ["GET /x HTTP/1.1"]);
    });
}
