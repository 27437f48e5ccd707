//! Programs of somebody else's that speak over standard input and output, each under its own profile:
//! what a server, an extension, a hook can and cannot do, seen from outside.

use super::stage::{CANARY, EVERYBODY, Stage};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

/// A JSON-RPC server that does what it is asked: one request a line, one answer a line.
const SERVER: &str = r#"
import json, os, socket, subprocess, sys
def read(path): return open(path).read()
def write(path): open(path, "w").write("x"); return "written"
def scratch(_): return write(os.path.join(os.environ["TMPDIR"], "own"))
def connect(port): socket.create_connection(("127.0.0.1", int(port)), 2); return "connected"
def leave(_): subprocess.Popen(["setsid", "sleep", "300"]); return "left"
def environment(_): return json.dumps(dict(os.environ))
for line in sys.stdin:
    asked = json.loads(line)
    try: answer = {"result": globals()[asked["method"]](asked["params"])}
    except Exception as error: answer = {"error": type(error).__name__}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer}), flush=True)
"#;

struct Server {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
    id: u64,
}

impl Server {
    fn start(stage: &Stage, profile: &str, backend: &str) -> Self {
        let words = ["sandbox", "run", "--profile", profile, "--backend", backend];
        let mut ion = stage.program(&[&words[..], &["--", "python3", "-c", SERVER]].concat());
        ion.current_dir(stage.work()).env("API_TOKEN", CANARY);
        let mut child = ion.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Server { child, answers, id: 0 }
    }

    fn ask(&mut self, method: &str, params: &str) -> Value {
        self.id += 1;
        let line = json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params});
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).expect("an answer");
        assert_eq!(answer["id"], self.id);
        answer
    }

    fn works(&mut self, method: &str, params: &str) -> String {
        let answer = self.ask(method, params);
        answer["result"]
            .as_str()
            .unwrap_or_else(|| panic!("{method} {params}: {answer}"))
            .to_owned()
    }

    fn fails(&mut self, method: &str, params: &str) {
        let answer = self.ask(method, params);
        assert!(answer["error"].is_string(), "{method} {params}: {answer}");
    }
}

#[test]
fn a_program_speaks_for_as_long_as_it_is_asked_and_gets_no_further_than_its_profile() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for who in EVERYBODY {
        for (profile, backends, writes) in [
            ("mcp-server", &["bwrap", "userns"][..], false),
            ("extension", &["bwrap", "userns"], false),
            ("hook", &["bwrap", "userns", "landlock"], false),
            ("lsp-server", &["bwrap", "userns", "landlock"], true),
        ] {
            for backend in backends {
                let stage = Stage::new(who);
                std::fs::create_dir_all(stage.path("work/.git/hooks")).unwrap();
                std::fs::write(stage.path("work/source"), "text").unwrap();
                stage.hand_over();
                let at = |path: &str| stage.path(path).display().to_string();
                let mut server = Server::start(&stage, profile, backend);
                assert_eq!(server.works("read", &at("work/source")), "text");
                server.fails("read", &at("home/.ssh/id_rsa"));
                server.fails("read", &at("outside/file"));
                server.fails("connect", &port);
                assert!(!server.works("environment", "").contains(CANARY));
                // Its own place to write is there, and nothing else is.
                server.works("scratch", "");
                server.fails("write", &at("outside/new"));
                // Landlock alone cannot hold a name in a writable folder: it is put back at the end.
                let held = *backend != "landlock" || !writes;
                let hook = server.ask("write", &at("work/.git/hooks/pre-commit"));
                assert_eq!(hook["error"].is_string(), held, "{profile} {backend}: {hook}");
                match writes {
                    true => drop(server.works("write", &at("work/new"))),
                    false => server.fails("write", &at("work/new")),
                }
                assert_eq!(stage.path("work/new").exists(), writes, "{profile} {backend}");
                server.works("leave", "");
                // The end of its input is its end, and that of all it started.
                drop(server.child.stdin.take());
                assert_eq!(server.child.wait().unwrap().success(), held, "{profile} {backend}");
                assert!(super::leftovers::processes(&stage).is_empty(), "{profile} {backend}");
                assert!(!stage.path("work/.git/hooks/pre-commit").exists());
                assert!(!stage.path("outside/new").exists());
            }
        }
    }
}

#[test]
fn as_the_profile_of_a_run_each_denies_every_call() {
    let home = crate::support::Home::new();
    home.write(
        "work/s.toml",
        "[[turn]]\ntext = \"Now.\"\n[[turn.call]]\nname = \"Read\"\ninput = { file_path = \"s.toml\" }\n\
         [[turn]]\ntext = \"The end.\"\n",
    );
    for profile in ["mcp-server", "extension", "hook", "lsp-server"] {
        let args = [
            "prompt",
            "--model",
            "scripted:s.toml",
            "--profile",
            profile,
            "--output",
            "json",
            "go",
        ];
        let output = home.run(&args);
        let end: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(end["permissionDenials"].as_array().unwrap().len(), 1, "{profile}: {end}");
    }
}
