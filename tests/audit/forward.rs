//! `ion audit forward` against receivers on this machine that speak the real formats.

use crate::support::loopback::{Loopback, Reply};
use crate::support::{Home, stderr, stdout};
use hmac::{Hmac, Mac};
use ion::audit::{AuditLog, Draft, Kind};
use ion::model::{AbsPath, Decision, SessionId, ToolName};
use ion::redact::Redactor;
use serde_json::{Value, json};
use sha2::Sha256;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A home whose log has sinks.
pub struct Fleet {
    pub home: Home,
    pub file: AbsPath,
}

impl Fleet {
    pub fn new(sinks: &Value) -> Fleet {
        Fleet::with(&json!({"audit": {"sinks": sinks}}))
    }

    pub fn with(config: &Value) -> Fleet {
        let home = Home::new();
        home.write("home/.ion/engine.json", &config.to_string());
        let file = AbsPath::new(home.home().join(".ion/audit/audit.jsonl")).unwrap();
        Fleet { home, file }
    }

    /// Adds so many records.
    pub fn append(&self, count: usize) {
        let log = AuditLog::open(&self.file).unwrap();
        for n in 0..count {
            let body = json!({
                "call": {"tool": "Bash", "input": {"command": format!("echo {n}\necho \"]\\ {n}\"")}},
                "decided_by": "rule", "rule": {"id": "shell.echo", "tier": "user", "source": "u.json:1"},
            });
            let draft = Draft {
                kind: Kind::Decision,
                session: SessionId::parse("s1"),
                call_id: None,
                tool: Some(ToolName::resolve("Bash")),
                decision: Some(if n % 3 == 0 { Decision::Deny } else { Decision::Allow }),
                body: Redactor::new(true, Vec::new()).for_log().json(&body),
            };
            log.append(&draft).unwrap();
        }
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.home.ion(&[&["audit", "forward"], args].concat());
        command.env("SINK_TOKEN", "token-of-the-sink").env("SINK_KEY", "key-of-the-sink");
        command
    }

    /// Runs it to its end: exit code, what it printed.
    pub fn forward(&self, args: &[&str]) -> (i32, String) {
        let output = self.command(args).output().unwrap();
        let text = format!("{}{}", stdout(&output), stderr(&output));
        for secret in ["token-of-the-sink", "key-of-the-sink"] {
            assert!(!text.contains(secret), "{text}");
        }
        (output.status.code().unwrap(), text)
    }

    /// How a sink stands, by the command itself.
    pub fn status(&self, sink: &str) -> Value {
        let output = self.command(&["--status", "--json", "--sink", sink]).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        document["sinks"][0].clone()
    }

    pub fn lines(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }

    pub fn hashes(&self) -> Vec<String> {
        let hash = |line: &str| serde_json::from_str::<Value>(line).unwrap()["hash"].clone();
        self.lines().lines().map(|line| hash(line).as_str().unwrap().to_owned()).collect()
    }
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn ok() -> Reply {
    Reply::status(200)
}

/// The hashes in OTLP requests, in order.
pub fn otlp_hashes(server: &Loopback) -> Vec<String> {
    let mut found = Vec::new();
    for request in server.requests() {
        for resource in request.json()["resourceLogs"].as_array().unwrap() {
            for record in resource["scopeLogs"][0]["logRecords"].as_array().unwrap() {
                let attributes = record["attributes"].as_array().unwrap();
                let hash = attributes.iter().find(|a| a["key"] == "ion.hash").unwrap();
                found.push(hash["value"]["stringValue"].as_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn otlp_gets_every_record_once_in_order_in_batches() {
    let server = Loopback::answering(|_| ok());
    let url = server.url();
    let fleet = Fleet::new(&json!({"siem": {"type": "otlp", "url": url, "token": "SINK_TOKEN"}}));
    fleet.append(250);
    let (code, text) = fleet.forward(&[]);
    assert!(code == 0 && text.contains("sent 250 records, has all, up to record 250"), "{text}");
    let requests = server.requests();
    assert_eq!(requests.len(), 3, "at most 100 records a batch");
    for request in &requests {
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/logs"));
        assert_eq!(request.header("authorization"), Some("Bearer token-of-the-sink"));
        assert_eq!(request.header("content-type"), Some("application/json"));
    }
    let record = &requests[0].json()["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["eventName"], "ion.audit.tool.decision");
    assert!(otlp_hashes(&server) == fleet.hashes());
    fleet.append(1);
    assert!(fleet.forward(&["--once"]).1.contains("sent 1 record, has all, up to record 251"));
    assert_eq!(fleet.forward(&[]).0, 0);
    assert!(otlp_hashes(&server) == fleet.hashes(), "nothing twice");
}

#[test]
fn a_signed_batch_can_be_checked_and_a_repetition_is_recognised() {
    let server = Loopback::start(vec![Reply::status(500), Reply::status(202)]);
    let url = format!("{}/in", server.url());
    let fleet =
        Fleet::new(&json!({"siem": {"type": "http", "url": url, "signingKey": "SINK_KEY"}}));
    fleet.append(3);
    let (code, text) = fleet.forward(&[]);
    assert!(code == 1 && text.contains("3 records not sent") && text.contains("500"), "{text}");
    assert_eq!(fleet.forward(&[]).0, 0);
    let requests = server.requests();
    let [first, again] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((&first.body, &again.body), (&fleet.lines(), &fleet.lines()), "as it is stored");
    assert_eq!(first.header("idempotency-key"), again.header("idempotency-key"));
    assert_eq!(
        (again.target.as_str(), again.header("content-type")),
        ("/in", Some("application/x-ndjson"))
    );
    let stamp = again.header("x-ion-timestamp").unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(now.abs_diff(stamp.parse().unwrap()) < 100);
    let mut mac = Hmac::<Sha256>::new_from_slice(b"key-of-the-sink").unwrap();
    mac.update(format!("{stamp}.{}", again.body).as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(again.header("x-ion-signature"), Some(format!("v1={hex}").as_str()));
}

#[test]
fn a_batch_can_be_in_the_words_of_the_receiver() {
    for (format, begins) in [("ocsf", "{\""), ("ecs", "{\""), ("cef", "CEF:0|")] {
        let server = Loopback::answering(|_| ok());
        let sink = json!({"type": "http", "url": server.url(), "token": "SINK_TOKEN", "format": format, "tokenHeader": "x-key"});
        let fleet = Fleet::new(&json!({"siem": sink}));
        fleet.append(2);
        assert_eq!(fleet.forward(&[]).0, 0);
        let request = &server.requests()[0];
        assert_eq!(request.header("x-key"), Some("token-of-the-sink"));
        assert_eq!(
            request.body.lines().filter(|line| line.starts_with(begins)).count(),
            2,
            "{format}"
        );
    }
}

/// The messages of a stream with their lengths before them.
pub fn unframed(mut bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let blank = bytes.iter().position(|b| *b == b' ').expect("a length");
        let length: usize = std::str::from_utf8(&bytes[..blank]).unwrap().parse().unwrap();
        let message = &bytes[blank + 1..blank + 1 + length];
        found.push(String::from_utf8(message.to_vec()).unwrap());
        bytes = &bytes[blank + 1 + length..];
    }
    found
}

/// Whether these are the messages of the whole log.
fn is_whole(messages: &[String], fleet: &Fleet) -> bool {
    let hashes = fleet.hashes();
    messages.len() == hashes.len()
        && messages.iter().zip(&hashes).enumerate().all(|(n, (message, hash))| {
            let begins = if n % 3 == 0 { "<108>1 20" } else { "<110>1 20" };
            message.starts_with(begins)
                && message.contains(&format!(" seq=\"{}\" hash=\"{hash}\"", n + 1))
                && message.len() <= 2048
                && !message.contains('\n')
        })
}

/// A receiver that reads each connection to its end.
pub fn collector(listener: TcpListener) -> Arc<Mutex<Vec<u8>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut bytes = Vec::new();
            stream.unwrap().read_to_end(&mut bytes).unwrap();
            keep.lock().unwrap().extend(bytes);
        }
    });
    heard
}

#[test]
fn syslog_over_tcp_counts_octets_and_a_dying_receiver_loses_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let fleet = Fleet::new(&json!({"siem": {"type": "syslog", "url": url}}));
    fleet.append(130);
    // It takes the connection and half of the bytes, and dies: the kernel had said yes to all.
    let dying = listener.try_clone().unwrap();
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = dying.accept().unwrap();
        stream.read_exact(&mut [0; 500]).unwrap();
    });
    let (code, text) = fleet.forward(&[]);
    receiver.join().unwrap();
    assert!(code == 1 && text.contains("130 records not sent"), "{text}");
    let heard = collector(listener);
    let (code, text) = fleet.forward(&[]);
    assert!(code == 0, "{text}");
    until("all messages", || is_whole(&unframed(&heard.lock().unwrap()), &fleet));
}

#[test]
fn syslog_over_udp_and_the_local_socket_is_one_message_a_datagram() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let local = UnixDatagram::bind(&path).unwrap();
    let fleet = Fleet::new(&json!({
        "far": {"type": "syslog", "url": format!("udp://{}", udp.local_addr().unwrap())},
        "near": {"type": "syslog", "url": format!("unix://{}", path.display())},
    }));
    fleet.append(7);
    udp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (code, text) = fleet.forward(&[]);
    assert!(code == 0, "{text}");
    let mut space = [0; 4096];
    let mut read = |receive: &dyn Fn(&mut [u8]) -> std::io::Result<usize>| -> Vec<String> {
        let one = |space: &mut [u8; 4096]| {
            let length = receive(space).unwrap();
            String::from_utf8(space[..length].to_vec()).unwrap()
        };
        (0..7).map(|_| one(&mut space)).collect()
    };
    assert!(is_whole(&read(&|space| udp.recv(space)), &fleet));
    assert!(is_whole(&read(&|space| local.recv(space)), &fleet));
}

/// The fields of a datagram of journald's protocol.
fn fields(mut bytes: &[u8]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|b| matches!(b, b'=' | b'\n')).expect("a name");
        let name = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let (from, length) = if bytes[end] == b'=' {
            (end + 1, bytes[end..].iter().position(|b| *b == b'\n').unwrap() - 1)
        } else {
            let length = u64::from_le_bytes(bytes[end + 1..end + 9].try_into().unwrap());
            (end + 9, length as usize)
        };
        let value = String::from_utf8(bytes[from..from + length].to_vec()).unwrap();
        assert_eq!(bytes[from + length], b'\n');
        found.push((name, value));
        bytes = &bytes[from + length + 1..];
    }
    found
}

#[test]
fn journald_gets_fields_and_a_command_of_two_lines_adds_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    let url = format!("unix://{}", path.display());
    let fleet = Fleet::new(&json!({"journal": {"type": "journald", "url": url}}));
    fleet.append(4);
    assert_eq!(fleet.forward(&[]).0, 0);
    for (n, line) in fleet.lines().lines().enumerate() {
        let mut space = vec![0; 300_000];
        let length = socket.recv(&mut space).unwrap();
        let fields = fields(&space[..length]);
        let get = |name: &str| {
            let found: Vec<&str> =
                fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
            assert_eq!(found.len(), 1, "{name} in {fields:?}");
            found[0].to_owned()
        };
        assert_eq!((get("ION_SEQ"), get("ION_RECORD")), ((n + 1).to_string(), line.to_owned()));
        assert!(get("MESSAGE").contains(&format!("echo {n}\necho ")), "{}", get("MESSAGE"));
        assert_eq!((get("SYSLOG_IDENTIFIER").as_str(), get("MESSAGE_ID").len()), ("ion", 32));
        assert_eq!(get("PRIORITY"), if n % 3 == 0 { "4" } else { "6" });
        assert!(fields.iter().all(|(name, _)| !name.starts_with('_')));
    }
}

/// Runs openssl in a folder.
fn openssl(folder: &Path, line: &str) {
    let args: Vec<&str> = line.split_whitespace().collect();
    let output = Command::new("openssl").args(&args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{line}: {}", stderr(&output));
}

/// A server for `localhost` under an own authority: its address, and the file of the authority.
/// It reads to the end of each connection; with `http` it answers the first request.
fn tls_server(folder: &Path, http: bool) -> (u16, PathBuf, Arc<Mutex<Vec<u8>>>) {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let days = "-days 2 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1";
    openssl(folder, &format!("req -x509 {days} -keyout ca.key -out ca.pem -subj /CN=authority"));
    openssl(
        folder,
        &format!("req -new {days} -keyout s.key -out s.csr -subj /CN=localhost")
            .replace("-days 2 ", ""),
    );
    std::fs::write(folder.join("ext"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(
        folder,
        "x509 -req -days 2 -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -out s.pem",
    );
    let certificate = CertificateDer::from_pem_file(folder.join("s.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("s.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&heard);
    let serve = move |stream: TcpStream| -> std::io::Result<()> {
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut tls = rustls::StreamOwned::new(connection, stream);
        let (mut bytes, mut space) = (Vec::new(), [0; 4096]);
        loop {
            let length = tls.read(&mut space)?;
            bytes.extend(&space[..length]);
            if length == 0 || (http && bytes.ends_with(b"\"}\n")) {
                break;
            }
        }
        if http {
            tls.write_all(b"HTTP/1.1 204 Done\r\nconnection: close\r\n\r\n")?;
        }
        tls.conn.send_close_notify();
        tls.flush()?;
        keep.lock().unwrap().extend(bytes);
        Ok(())
    };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that distrusts the certificate hangs up.
            let _ = serve(stream.unwrap());
        }
    });
    (port, folder.join("ca.pem"), heard)
}

#[test]
fn a_certificate_of_an_unknown_issuer_gets_nothing_and_a_known_one_gets_all() {
    let folder = tempfile::tempdir().unwrap();
    for http in [false, true] {
        let (port, authority, heard) = tls_server(folder.path(), http);
        let sink = match http {
            false => json!({"type": "syslog", "url": format!("tls://localhost:{port}")}),
            true => {
                json!({"type": "http", "url": format!("https://localhost:{port}"), "token": "SINK_TOKEN"})
            }
        };
        // That providers may be anybody must not open the log to anybody.
        let network = json!({"rejectUnauthorized": false});
        let fleet = Fleet::with(&json!({"audit": {"sinks": {"siem": sink}}, "network": network}));
        fleet.append(5);
        let (code, text) = fleet.forward(&[]);
        assert!(code == 1 && text.contains("UnknownIssuer"), "{text}");
        assert!(heard.lock().unwrap().is_empty());
        let network = json!({"customCaCerts": [authority.to_str().unwrap()]});
        let config = json!({"audit": {"sinks": {"siem": sink}}, "network": network});
        fleet.home.write("home/.ion/engine.json", &config.to_string());
        let (code, text) = fleet.forward(&[]);
        assert_eq!(code, 0, "{text}");
        let heard = heard.lock().unwrap().clone();
        match http {
            false => assert!(is_whole(&unframed(&heard), &fleet)),
            true => assert!(String::from_utf8(heard).unwrap().ends_with(&fleet.lines())),
        }
    }
}

#[test]
fn what_cannot_be_meant_is_an_error_before_anything_runs() {
    for (sink, wanted) in [
        (json!({"url": "https://x.example"}), "needs a `type`"),
        (json!({"type": "otlp"}), "needs a `url`"),
        (json!({"type": "otlp", "url": "http://x.example"}), "unencrypted to another machine"),
        (json!({"type": "http", "url": "https://x.example"}), "a `signingKey` or a `token`"),
        (json!({"type": "syslog", "url": "tcp://x.example"}), "unencrypted to another machine"),
        (json!({"type": "syslog", "url": "udp://10.0.0.1:514"}), "unencrypted to another machine"),
        (json!({"type": "syslog", "url": "ftp://x.example"}), "starts with none of"),
        (json!({"type": "syslog", "url": "unix://relative"}), "whole path"),
        (json!({"type": "syslog", "url": "tls://x.example/path"}), "nothing else"),
        (json!({"type": "otlp", "url": "https://me:secret@x.example"}), "user name or password"),
    ] {
        let fleet = Fleet::new(&json!({"siem": sink}));
        let (code, text) = fleet.forward(&[]);
        assert!(code == 2 && text.contains(wanted) && !text.contains("secret@"), "{sink}: {text}");
        assert!(text.contains("audit.sinks.siem"), "{text}");
        let output = fleet.home.run(&["prompt", "--model", "scripted:s.toml", "go"]);
        assert!(output.status.code() == Some(2) || stderr(&output).contains("s.toml"), "{sink}");
    }
    assert_eq!(
        Fleet::new(&json!({"A/B": {"type": "otlp", "url": "https://x.example"}})).forward(&[]).0,
        2
    );
    let (code, text) = Fleet::new(&json!({})).forward(&[]);
    assert!(code == 2 && text.contains("no sink is configured"), "{text}");
    let insecure = json!({"type": "syslog", "url": "udp://10.255.255.1:514", "insecure": true});
    assert_eq!(Fleet::new(&json!({"siem": insecure})).forward(&["--status"]).0, 0);
}

#[test]
fn a_secret_that_is_not_there_sends_nothing_and_is_named() {
    let server = Loopback::answering(|_| ok());
    let sink = json!({"type": "otlp", "url": server.url(), "token": "NOT_SET"});
    let fleet = Fleet::new(&json!({"siem": sink}));
    fleet.append(1);
    let (code, text) = fleet.forward(&[]);
    assert!(code == 1 && text.contains("`token` names a variable that is not set"), "{text}");
    assert!(server.requests().is_empty());
}

#[test]
fn following_sends_what_comes_and_says_it() {
    let server = Loopback::answering(|_| ok());
    let fleet = Fleet::new(&json!({"siem": {"type": "otlp", "url": server.url()}}));
    let mut child = fleet.command(&["--follow", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    fleet.append(2);
    until("the first two", || otlp_hashes(&server) == fleet.hashes());
    fleet.append(120);
    until("the others", || otlp_hashes(&server) == fleet.hashes());
    child.kill().unwrap();
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((&first["sink"], &first["seq"]), (&json!("siem"), &json!(2)));
}

/// The spans or metrics in the requests to one address.
fn told(server: &Loopback, target: &str, path: [&str; 3]) -> Vec<Value> {
    let mut found = Vec::new();
    for request in server.requests().iter().filter(|request| request.target == target) {
        for resource in request.json()[path[0]].as_array().unwrap() {
            let scope = &resource[path[1]][0];
            assert_eq!(scope["schemaUrl"], "https://opentelemetry.io/schemas/1.41.0");
            found.extend(scope[path[2]].as_array().unwrap().iter().cloned());
        }
    }
    found
}

fn spans(server: &Loopback) -> Vec<Value> {
    told(server, "/v1/traces", ["resourceSpans", "scopeSpans", "spans"])
}

fn attribute(of: &Value, key: &str) -> Value {
    let all = of["attributes"].as_array().unwrap();
    let value = all.iter().find(|a| a["key"] == key).map(|a| &a["value"]);
    let value = value.and_then(Value::as_object).and_then(|value| value.values().next());
    value.cloned().unwrap_or_default()
}

/// A run whose model is asked three times, with one call that runs and one that is refused.
fn ran(sink: &Value) -> Fleet {
    let fleet = Fleet::with(&json!({
        "permissions": {"deny": ["Bash(touch:*)"]},
        "audit": {"sinks": {"apm": sink}, "forward": {"runs": false}},
    }));
    fleet.home.write("work/a", "secret words of a file\n");
    let call = |name: &str, input: &str| {
        format!(
            "[[turn]]\ntext = \"words of the model\"\n[[turn.call]]\nname = \"{name}\"\ninput = {{ {input} }}\n"
        )
    };
    let script = [
        call("Read", "file_path = \"a\""),
        call("Bash", "command = \"touch x\""),
        "[[turn]]\ntext = \"The end.\"\n".to_owned(),
    ];
    fleet.home.write("work/s.toml", &script.concat());
    let prompt = ["prompt", "--model", "scripted:s.toml", "words of the user"];
    let output = fleet.home.run(&prompt);
    assert!(output.status.success(), "{}", stderr(&output));
    fleet
}

#[test]
fn a_run_is_one_trace_of_model_calls_and_tool_calls_without_their_words() {
    let server = Loopback::answering(|_| ok());
    let url = server.url();
    let fleet = ran(&json!({"type": "otlp", "url": url, "traces": true, "metrics": true}));
    let (code, text) = fleet.forward(&[]);
    assert_eq!(code, 0, "{text}");
    let spans = spans(&server);
    let mut names: Vec<_> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    let model = "chat scripted:s.toml";
    let expected = ["execute_tool Bash", "execute_tool Read", "invoke_agent main"];
    assert_eq!(names, [&[model; 3], &expected[..]].concat());
    let agent = spans.iter().find(|span| span["name"] == "invoke_agent main").unwrap();
    assert!(agent.get("parentSpanId").is_none());
    let mut ids = std::collections::BTreeSet::new();
    for span in &spans {
        assert_eq!(span["traceId"], agent["traceId"]);
        assert_eq!(span["traceId"].as_str().unwrap().len(), 32);
        assert_eq!(span["spanId"].as_str().unwrap().len(), 16);
        assert!(ids.insert(span["spanId"].to_string()), "ids are its own: {span}");
        if span != agent {
            assert_eq!(span["parentSpanId"], agent["spanId"]);
        }
        let at = |key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
        assert!(at("startTimeUnixNano") <= at("endTimeUnixNano"));
        assert!(at("startTimeUnixNano") > 1_700_000_000_000_000_000);
        assert_eq!(
            attribute(span, "gen_ai.conversation.id"),
            attribute(agent, "gen_ai.conversation.id")
        );
        let kind = if span["name"] == model { 3 } else { 1 };
        assert_eq!(span["kind"], kind);
    }
    let named = |name: &str| spans.iter().find(|span| span["name"] == name).unwrap();
    assert_eq!(attribute(named(model), "gen_ai.operation.name"), "chat");
    assert_eq!(attribute(named(model), "gen_ai.provider.name"), "scripted");
    assert_ne!(attribute(named(model), "gen_ai.usage.output_tokens"), Value::Null);
    let refused = named("execute_tool Bash");
    assert_eq!(attribute(refused, "error.type"), "permission_denied");
    assert_eq!(refused["status"]["code"], 2);
    assert_ne!(attribute(refused, "ion.rule.id"), Value::Null);
    assert!(named("execute_tool Read").get("status").is_none());
    assert_eq!(attribute(named("execute_tool Read"), "gen_ai.tool.name"), "Read");

    let metrics = told(&server, "/v1/metrics", ["resourceMetrics", "scopeMetrics", "metrics"]);
    let metric = |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap();
    let duration = metric("gen_ai.client.operation.duration");
    assert_eq!(
        (&duration["unit"], &duration["histogram"]["aggregationTemporality"]),
        (&json!("s"), &json!(1))
    );
    let points = duration["histogram"]["dataPoints"].as_array().unwrap();
    let chats: Vec<_> =
        points.iter().filter(|p| attribute(p, "gen_ai.operation.name") == "chat").collect();
    assert_eq!((chats.len(), &chats[0]["count"]), (1, &json!("3")));
    let tokens = metric("gen_ai.client.token.usage")["histogram"]["dataPoints"].as_array().unwrap();
    let types: Vec<_> = tokens.iter().map(|p| attribute(p, "gen_ai.token.type")).collect();
    assert_eq!(types, ["input", "output"]);

    for request in server.requests().iter().filter(|request| request.target != "/v1/logs") {
        let body = &request.body;
        for words in ["words of", "touch x", "The end"] {
            assert!(!body.contains(words), "{words} in {body}");
        }
    }
    // Sent again from the start, they are the same spans.
    let export = fleet.home.run(&["audit", "export", "--format", "otlp-traces"]);
    let exported: Value = serde_json::from_slice(&export.stdout).unwrap();
    let same = exported["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    assert_eq!(*same, spans);
}

#[test]
fn spans_and_metrics_are_off_unless_they_are_asked_for() {
    let server = Loopback::answering(|_| ok());
    let fleet = ran(&json!({"type": "otlp", "url": server.url()}));
    assert_eq!(fleet.forward(&[]).0, 0);
    assert!(server.requests().iter().all(|request| request.target == "/v1/logs"));
}

#[test]
fn a_batch_whose_spans_were_not_taken_comes_again_whole() {
    let refusing = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let answer = Arc::clone(&refusing);
    let server = Loopback::answering(move |request| {
        let refused = answer.load(std::sync::atomic::Ordering::SeqCst);
        if refused && request.target == "/v1/traces" { Reply::status(503) } else { ok() }
    });
    let fleet = ran(&json!({"type": "otlp", "url": server.url(), "traces": true}));
    assert_ne!(fleet.forward(&[]).0, 0);
    assert_ne!(fleet.status("apm")["backlog"], 0);
    refusing.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(fleet.forward(&[]).0, 0);
    assert_eq!(fleet.status("apm")["backlog"], 0);
    let (spans, ids): (Vec<_>, std::collections::BTreeSet<_>) = {
        let all = spans(&server);
        (all.clone(), all.iter().map(|span| span["spanId"].to_string()).collect())
    };
    assert_eq!((spans.len(), ids.len()), (12, 6), "each twice, under the same id");
}
