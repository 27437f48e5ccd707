//! More than two hundred attempts to leave the sandbox, under every backend, as root and as
//! `nobody`, beside a bare run of the same program. What an attempt did is also looked at from
//! outside: files, sockets, a process.
//!
//! The attempts themselves are `attempts.py`. An attempt that fails bare as well proves nothing, so
//! most must succeed there.

use super::stage::{CANARY, CONFINING, EVERYBODY, Stage, Who, text};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Child, Stdio};

/// What Landlock alone cannot stop, with the reason. Each must get through for somebody, or the
/// list is stale.
const LANDLOCK_CANNOT: &[(&str, &str)] = &[
    ("write/mode", "Landlock does not see modes"),
    ("write/owner", "nor owners (only root can give files away)"),
    ("write/times", "nor times"),
    ("read/stat", "nor whether a file exists"),
    ("read/access", "nor whether a file exists"),
    ("read/watch", "nor watches for changes"),
    ("process/visible", "there is no process table of its own"),
    ("process/arguments", "there is no process table of its own"),
    ("protected/", "compared and put back after the call, which fails"),
];
/// The same for birdcage, whose view has no mounts below an opening.
const BIRDCAGE_CANNOT: &[(&str, &str)] =
    &[("protected/", "compared and put back after the call, which fails")];

fn cannot(backend: &str) -> &'static [(&'static str, &'static str)] {
    match backend {
        "landlock" => LANDLOCK_CANNOT,
        "birdcage" => BIRDCAGE_CANNOT,
        _ => &[],
    }
}

/// At least this many attempts in all, and of these so many that succeed bare.
const ATTEMPTS: usize = 215;
const BARE: usize = 130;

struct Scene {
    stage: Stage,
    victim: Child,
    tcp: TcpListener,
    udp: UdpSocket,
    doors: Vec<UnixListener>,
}

impl Scene {
    fn new(who: Who, abstract_name: bool) -> Self {
        let stage = Stage::new(who);
        for folder in ["outside/empty", "work-evil", "work/.git/hooks", "work/nested/.git/hooks"] {
            fs::create_dir_all(stage.path(folder)).unwrap();
        }
        for file in ["secret", "gone", "over", "moved"] {
            fs::write(stage.path("outside").join(file), CANARY).unwrap();
        }
        for file in ["work/.git/config", "work/nested/.git/config"] {
            fs::write(stage.path(file), "[core]\n").unwrap();
        }
        fs::write(stage.path("outside/attempts.py"), include_str!("attempts.py")).unwrap();
        assert!(
            stage.shell(&format!("mkfifo {}", text(&stage.path("outside/fifo")))).status.success()
        );
        symlink(stage.path("outside/file"), stage.path("work/shipped")).unwrap();
        let mut doors = vec![
            UnixListener::bind(stage.path("outside/socket")).unwrap(),
            UnixListener::bind(stage.path("work/door")).unwrap(),
        ];
        if abstract_name {
            let name = SocketAddr::from_abstract_name("ion-probe").unwrap();
            doors.extend(UnixListener::bind_addr(&name));
        }
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        doors.iter().for_each(|door| door.set_nonblocking(true).unwrap());
        stage.hand_over();
        let mut victim = stage.bare(&["/bin/sleep", "300"], "");
        victim.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let victim = victim.current_dir(stage.path("outside")).spawn().unwrap();
        Scene { stage, victim, tcp, udp, doors }
    }

    /// Runs the attempts; names of those that got through, and how many were made.
    fn play(&self, backend: Option<&str>) -> (BTreeSet<String>, usize) {
        let [tcp, udp] = [self.tcp.local_addr(), self.udp.local_addr()];
        let ports = [tcp, udp].map(|address| address.unwrap().port().to_string());
        let outside = text(&self.stage.path("outside"));
        let victim = self.victim.id().to_string();
        let mut words = vec!["/usr/bin/python3", "-", &outside, &ports[0], &ports[1], &victim];
        let descriptors = format!("9<{outside}/secret 8<{outside}");
        let mut run = match backend {
            None => {
                words.push("--bare");
                self.stage.bare(&words, &descriptors)
            }
            Some(backend) => {
                let head = ["sandbox", "run", "--backend", backend, "--"];
                self.stage.program_with(&[&head[..], &words[..]].concat(), &descriptors)
            }
        };
        let script = fs::File::open(self.stage.path("outside/attempts.py")).unwrap();
        run.current_dir(self.stage.work()).stdin(script);
        run.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = run.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let made: Vec<(&str, &str)> =
            said.lines().filter_map(|line| line.split_once(' ')).collect();
        let made: Vec<_> =
            made.into_iter().filter(|(how, _)| matches!(*how, "OPEN" | "shut")).collect();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("kernel/new-privileges"), "they did not all run: {said}{told}");
        if backend.is_some() {
            assert!(!said.contains(CANARY), "something was read: {said}");
        }
        let through = made.iter().filter(|(how, _)| *how == "OPEN");
        let name = |rest: &str| rest.split(' ').next().unwrap_or_default().to_owned();
        (through.map(|(_, rest)| name(rest)).collect(), made.len())
    }

    /// What of the outside is no longer as it was.
    fn changes(&mut self, modes: bool) -> Vec<String> {
        let mut found = Vec::new();
        for file in ["file", "secret", "gone", "over", "moved"] {
            let path = self.stage.path("outside").join(file);
            if fs::read_to_string(&path).ok().as_deref() != Some(CANARY) {
                found.push(format!("contents of {file}"));
            }
            let about = fs::metadata(&path);
            if modes && !about.is_ok_and(|a| a.mode() & 0o7777 == 0o644 && a.mtime() > 1) {
                found.push(format!("mode or time of {file}"));
            }
        }
        let script = fs::read_to_string(self.stage.path("outside/attempts.py")).unwrap_or_default();
        if script != include_str!("attempts.py") {
            found.push("the file that was standard input".to_owned());
        }
        let mut names: Vec<String> = fs::read_dir(self.stage.path("outside"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let wanted =
            ["attempts.py", "empty", "fifo", "file", "gone", "moved", "over", "secret", "socket"];
        if names != wanted {
            found.push(format!("names outside: {names:?}"));
        }
        if fs::read_dir(self.stage.path("work-evil")).unwrap().count() > 0 {
            found.push("a folder with a similar name".to_owned());
        }
        for file in ["work/.git/config", "work/nested/.git/config"] {
            if fs::read_to_string(self.stage.path(file)).ok().as_deref() != Some("[core]\n") {
                found.push(file.to_owned());
            }
        }
        for name in [".git/hooks/pre-commit", ".vscode", ".claude", ".mcp.json", ".envrc", ".ion"] {
            if self.stage.path("work").join(name).symlink_metadata().is_ok() {
                found.push(format!("protected {name}"));
            }
        }
        if self.tcp.accept().is_ok() {
            found.push("a TCP connection arrived".to_owned());
        }
        if self.udp.recv(&mut [0; 8]).is_ok() {
            found.push("a datagram arrived".to_owned());
        }
        if self.doors.iter().any(|door| door.accept().is_ok()) {
            found.push("a local connection arrived".to_owned());
        }
        if self.victim.try_wait().unwrap().is_some() {
            found.push("a process outside was ended".to_owned());
        }
        found
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
    }
}

#[test]
fn what_gets_out_bare_stays_inside() {
    let mut by_backend: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for who in EVERYBODY {
        let (bare, made) = Scene::new(who, true).play(None);
        println!("{who:?} bare: {} of {made} succeed", bare.len());
        assert!(made >= ATTEMPTS && bare.len() >= BARE, "{} of {made}: {bare:#?}", bare.len());
        for backend in CONFINING {
            let mut scene = Scene::new(who, true);
            let (through, made) = scene.play(Some(backend));
            println!("{who:?} {backend}: {} of {made} succeed: {through:?}", through.len());
            assert!(made >= ATTEMPTS, "{made}");
            let known =
                |name: &&String| cannot(backend).iter().any(|(start, _)| name.starts_with(start));
            let unknown: Vec<_> = through.iter().filter(|name| !known(name)).collect();
            assert!(unknown.is_empty(), "{who:?} {backend}: {unknown:?} got through");
            let changes = scene.changes(backend != "landlock");
            assert!(changes.is_empty(), "{who:?} {backend}: {changes:?}");
            by_backend.entry(backend).or_default().extend(through);
        }
    }
    for (backend, through) in by_backend {
        for (start, reason) in cannot(backend) {
            let holds = through.iter().any(|name| name.starts_with(start));
            assert!(holds, "{backend}: {start} ({reason}) is stopped: take it off the list");
        }
    }
}
