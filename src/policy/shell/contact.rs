//! Which hosts a command contacts, as far as its words say.
//!
//! INVARIANT (never none): a network program whose host cannot be read contacts an unknown host.
//! Naming a host too many is harmless, missing one is not. Where a server redirects to, what a
//! name server answers and what a program's own settings say is not seen here.

use super::host::{normal, of_url};
use super::network::{
    BLIND_OPTIONS, COPIERS, DATABASES, DIALLERS, FETCH_VERBS, FETCHERS, HOST_OPTIONS, MANAGERS,
    QUIET, REMOTE_SHELLS, SERVICES, VALUED,
};
use super::{ANY, Word};

/// What a command contacts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Contacts {
    /// Hosts in their one spelling.
    pub hosts: Vec<String>,
    /// A host that is only known when it runs.
    pub unknown: bool,
}

impl Contacts {
    fn add(&mut self, found: Option<String>) {
        match found {
            Some(host) if !self.hosts.contains(&host) => self.hosts.push(host),
            Some(_) => {}
            None => self.unknown = true,
        }
    }
}

/// The hosts of one command.
pub fn contacts(program: &str, args: &[Word], late: bool) -> Contacts {
    let mut found = Contacts::default();
    if QUIET.contains(&program) {
        return found;
    }
    let stem = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let network = match program {
        "git" => git(args, &mut found),
        "docker" | "podman" | "nerdctl" | "docker-compose" | "podman-compose" | "skopeo"
        | "crane" | "buildah" => container(args, &mut found),
        "openssl" => {
            let speaks = args
                .first()
                .is_some_and(|w| matches!(w.text.as_str(), "s_client" | "s_time" | "ocsp"));
            found.unknown |= speaks && !args.iter().any(|w| w.text == "-connect");
            speaks
        }
        "socat" => {
            args.iter().filter(|w| !w.text.starts_with('-')).for_each(|w| socat(w, &mut found));
            true
        }
        "svn" | "hg" | "bzr" | "fossil" | "cvs" => {
            let speaks = [
                "clone", "checkout", "co", "update", "up", "pull", "push", "commit", "ci",
                "incoming", "outgoing", "export", "ls", "log",
            ];
            let speaks = args.iter().any(|w| speaks.contains(&w.text.as_str()));
            found.unknown |= speaks && !args.iter().any(|w| w.text.contains("://"));
            speaks
        }
        _ if FETCHERS.contains(&program) => {
            operands(args, VALUED).into_iter().for_each(|w| found.add(of_url(w.shape())));
            found.unknown |= program.starts_with("wget")
                && args.iter().any(|w| w.text.starts_with("-i") || w.text == "-e");
            true
        }
        _ if DIALLERS.contains(&program) => {
            let dialled =
                operands(args, &["-p", "-w", "-c", "-i", "-s", "-t", "-q", "-X", "-W", "-I"]);
            let listens = matches!(program, "nc" | "ncat" | "netcat")
                && args.iter().any(|w| {
                    let bundle = w.text.strip_prefix('-').unwrap_or_default();
                    bundle.starts_with("-listen")
                        || !bundle.starts_with('-') && bundle.contains('l')
                });
            if listens {
                found.unknown = true;
                return found;
            }
            let mut any = false;
            for word in dialled {
                let text = word.shape().trim_start_matches('@');
                let number = !any && text.bytes().all(|b| b.is_ascii_digit());
                let kind = text.bytes().all(|b| b.is_ascii_uppercase()) && program != "ftp";
                if text.starts_with('+')
                    || kind
                    || any && text.bytes().all(|b| b.is_ascii_digit() || b == b'-') && !number
                {
                    continue;
                }
                any = true;
                found.add(of_url(text));
            }
            // Listening, a name on standard input, a file of names.
            found.unknown |= !any || args.iter().any(|w| matches!(w.text.as_str(), "-f" | "-iL"));
            true
        }
        _ if REMOTE_SHELLS.contains(&program) => {
            remote_shell(args, &mut found);
            true
        }
        _ if COPIERS.contains(&program) => {
            for word in operands(
                args,
                &[
                    "-P",
                    "-i",
                    "-F",
                    "-S",
                    "-c",
                    "-l",
                    "-e",
                    "-o",
                    "-J",
                    "-f",
                    "--exclude",
                    "--include",
                ],
            ) {
                place(word, program == "sftp", &mut found);
            }
            options_of_ssh(args, &mut found);
            found.unknown |= program == "rclone"
                || args
                    .iter()
                    .any(|w| w.text.starts_with("--rsh") || w.text == "-e" || w.text == "-S");
            found.unknown || !found.hosts.is_empty()
        }
        _ if DATABASES.contains(&program) => {
            for (at, word) in args.iter().enumerate() {
                let glued = word
                    .shape()
                    .strip_prefix("-h")
                    .filter(|rest| !rest.is_empty() && !word.text.starts_with("--"));
                if let Some(host) = glued {
                    found.add(normal(host));
                } else if matches!(word.text.as_str(), "-h" | "-H") {
                    found.add(args.get(at + 1).and_then(|w| normal(w.shape())));
                }
                let named = word
                    .shape()
                    .split_once("host=")
                    .map(|(_, rest)| rest.split_whitespace().next().unwrap_or_default());
                if let Some(host) = named.filter(|_| !word.text.starts_with("--")) {
                    found.add(normal(host));
                }
                found.unknown |= !word.literal && word.shape().starts_with(ANY);
            }
            found.unknown || !found.hosts.is_empty()
        }
        _ if SERVICES.contains(&program) => {
            let local = args.is_empty()
                || args.iter().all(|w| {
                    matches!(
                        w.text.as_str(),
                        "--version" | "--help" | "-h" | "help" | "version" | "--client"
                    )
                });
            found.unknown |= !local;
            !local
        }
        _ if MANAGERS.contains(&program) || MANAGERS.contains(&stem) => {
            let verb = args.iter().find(|w| !w.text.starts_with(['-', '+']));
            let fetches = verb
                .is_some_and(|w| FETCH_VERBS.contains(&w.text.as_str()) || !w.literal)
                || matches!(program, "npx" | "bunx" | "pnpx" | "uvx" | "yarn");
            let offline = args
                .iter()
                .any(|w| matches!(w.text.as_str(), "--offline" | "--no-install" | "--no-index"));
            let builds = matches!(
                program,
                "cargo"
                    | "go"
                    | "npm"
                    | "pnpm"
                    | "bun"
                    | "dotnet"
                    | "mix"
                    | "deno"
                    | "uv"
                    | "stack"
            ) && verb
                .is_some_and(|w| matches!(w.text.as_str(), "run" | "build" | "test"));
            found.unknown |= fetches && !offline && !builds;
            fetches
        }
        _ => false,
    };
    for (at, word) in args.iter().enumerate() {
        named(word, args.get(at + 1), network, &mut found);
    }
    found.unknown |= network && late;
    found
}

/// Hosts in options and in words that are URLs.
fn named(word: &Word, next: Option<&Word>, network: bool, found: &mut Contacts) {
    let text = word.shape();
    let (name, value) = match text.split_once('=') {
        Some((name, value)) if text.starts_with('-') => (name, Some(value)),
        _ => (text, None),
    };
    let glued = text.strip_prefix("-x").filter(|rest| !rest.is_empty() && !text.starts_with("--"));
    let value_of = || value.map(str::to_owned).or_else(|| next.map(|next| next.shape().to_owned()));
    if network {
        if HOST_OPTIONS.contains(&name)
            && !(name == "-i" && value.is_none() && next.is_none_or(|w| !w.text.contains("://")))
        {
            found.add(value_of().and_then(|value| of_url(&value)));
        } else if let Some(proxy) = glued {
            found.add(of_url(proxy));
        }
        if name == "--resolve" {
            // HOST:PORT:ADDRESS[,ADDRESS]
            let value = value_of().unwrap_or_default();
            let mut fields = value.trim_start_matches(['+', '-']).splitn(3, ':');
            found.add(fields.next().and_then(normal));
            for address in fields.nth(1).unwrap_or("?").split(',') {
                found.add(normal(address));
            }
        }
        if name == "--connect-to" {
            // HOST:PORT:OTHER:PORT
            let value = value_of().unwrap_or_default();
            found.add(match value.split(':').collect::<Vec<_>>()[..] {
                [_, _, "", _] => return,
                [_, _, other, port] => normal(&format!("{other}:{port}")),
                _ => None,
            });
        }
        found.unknown |= BLIND_OPTIONS.contains(&name) || text.starts_with("-K");
    }
    let urls = text.match_indices("://").count();
    if urls == 0 || text.starts_with("file://") {
        return;
    }
    // The whole word, or the value of an option; a URL inside a URL is part of its path.
    let url = value.filter(|value| value.contains("://")).unwrap_or(text);
    let scheme = url.split("://").next().unwrap_or_default();
    let plain =
        scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | b':'));
    if plain && scheme != "file" {
        found.add(of_url(url));
    } else if network && !scheme.contains(char::is_whitespace) {
        // With a blank in it, it is the text of a header or a message.
        found.unknown = true;
    }
}

fn operands<'a>(args: &'a [Word], valued: &[&str]) -> Vec<&'a Word> {
    let mut found = Vec::new();
    let (mut at, mut only) = (0, false);
    while let Some(word) = args.get(at) {
        at += 1;
        if !only && word.text == "--" {
            only = true;
        } else if only || !word.text.starts_with('-') {
            found.push(word);
        } else if valued.contains(&word.text.as_str())
            || HOST_OPTIONS.contains(&word.text.as_str())
            || matches!(word.text.as_str(), "--resolve" | "--connect-to")
        {
            at += 1;
        }
    }
    found
}

/// `[user@]host:path`, `host::module`, a URL, or a path of this machine.
fn place(word: &Word, bare: bool, found: &mut Contacts) {
    let text = word.shape();
    if text.contains("://") {
        return;
    }
    let (before, remote) = match text.split_once(':') {
        Some((before, _)) => (before, !before.contains('/')),
        None => (text, bare),
    };
    if text.starts_with('[') {
        let inside = text.split(']').next().unwrap_or_default();
        return found.add(normal(&format!("{inside}]")));
    }
    if remote {
        found.add(normal(before.rsplit('@').next().unwrap_or(before)));
    } else if !word.literal && !before.contains('/') {
        found.unknown = true;
    }
}

fn options_of_ssh(args: &[Word], found: &mut Contacts) {
    for (at, word) in args.iter().enumerate() {
        let text = word.shape();
        let value = |letters: &str| {
            let rest = text.strip_prefix(letters)?;
            Some(if rest.is_empty() {
                args.get(at + 1).map(Word::shape).unwrap_or_default()
            } else {
                rest
            })
        };
        if let Some(jumps) = value("-J") {
            jumps.split(',').for_each(|jump| found.add(of_url(jump)));
        } else if let Some(target) = value("-W") {
            found.add(normal(target));
        } else if let Some(setting) = value("-o") {
            let setting = setting.to_ascii_lowercase();
            found.unknown |= ["proxy", "hostname", "include", "match", "\u{1}"]
                .iter()
                .any(|part| setting.contains(part));
        }
        found.unknown |= text.starts_with("-F");
    }
}

fn remote_shell(args: &[Word], found: &mut Contacts) {
    let valued = [
        "-p", "-i", "-l", "-o", "-F", "-J", "-L", "-R", "-D", "-b", "-c", "-E", "-e", "-m", "-S",
        "-W", "-w", "-Q", "-I", "-B", "-O",
    ];
    options_of_ssh(args, found);
    match operands(args, &valued).first() {
        Some(word) => {
            let text = word.shape();
            found.add(of_url(text.trim_start_matches("ssh://")));
        }
        None => found.unknown = true,
    }
}

fn socat(word: &Word, found: &mut Contacts) {
    let text = word.shape().to_ascii_lowercase();
    let (kind, rest) = text.split_once(':').unwrap_or((&text, ""));
    let nets = ["tcp", "udp", "openssl", "ssl", "sctp", "socks", "proxy", "dtls", "ip"];
    if text.starts_with(ANY) {
        found.unknown = true;
    } else if nets.iter().any(|net| kind.starts_with(net)) {
        let target = rest.split([',', '!']).next().unwrap_or_default();
        let listens = kind.contains("listen") || kind.contains("-l") || kind.contains("recv");
        found.add(if listens { None } else { normal(target) });
    }
}

/// Whether the git command speaks to another host.
fn git(args: &[Word], found: &mut Contacts) -> bool {
    let global = ["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"];
    let words = operands(args, &global);
    let Some(verb) = words.first() else { return false };
    let rest = words.get(1..).unwrap_or_default();
    let second = rest.first().map(|w| w.text.as_str()).unwrap_or_default();
    let speaks = match verb.text.as_str() {
        "clone" | "fetch" | "pull" | "push" | "ls-remote" | "lfs" | "send-email" | "svn"
        | "fetch-pack" | "send-pack" | "http-fetch" | "request-pull" | "p4" | "credential" => true,
        "remote" => matches!(second, "add" | "set-url" | "update" | "show" | "prune"),
        "submodule" => {
            !matches!(second, "status" | "summary" | "foreach" | "deinit" | "" | "absorbgitdirs")
        }
        "archive" => args.iter().any(|w| w.text.starts_with("--remote")),
        _ => !verb.literal,
    };
    if !speaks {
        return false;
    }
    let mut any = false;
    for word in rest {
        let text = word.shape();
        if text.contains("::") || text.starts_with(ANY) {
            found.unknown = true;
        } else if text.contains("://") {
            any = true;
        } else if text.starts_with(['/', '.', '~']) && !text.contains(ANY) {
            any |= verb.text == "clone";
        } else if text
            .split_once(':')
            .is_some_and(|(host, _)| !host.contains('/') && host.contains(['@', '.']))
            || verb.text == "clone" && text.contains(':')
        {
            place(word, false, found);
            any = true;
        }
    }
    // A remote that the repository's own settings name.
    found.unknown |=
        !any || args.iter().any(|w| matches!(w.text.as_str(), "-c" | "--config" | "--config-env"));
    true
}

/// Whether the container command speaks to a registry.
fn container(args: &[Word], found: &mut Contacts) -> bool {
    let global =
        ["-H", "--host", "-c", "--context", "--config", "-f", "--file", "-l", "--log-level", "-p"];
    if args.iter().any(|w| {
        matches!(w.text.split('=').next(), Some("-H" | "--host" | "-c" | "--context" | "--config"))
    }) {
        found.unknown = true;
    }
    let words = operands(args, &global);
    let Some(verb) = words.first() else { return found.unknown };
    match verb.text.as_str() {
        "pull" | "push" | "login" | "logout" | "search" | "copy" | "inspect"
            if words.len() > 1 || verb.text != "inspect" =>
        {
            let local = verb.text == "inspect";
            for image in words.iter().skip(1).take(1).filter(|_| !local) {
                let text = image.shape();
                let first = text.split('/').next().unwrap_or_default();
                let registry = text.contains('/')
                    && (first.contains(['.', ':']) || first == "localhost")
                    || verb.text.starts_with("log");
                found.add(if text.contains("://") {
                    of_url(text)
                } else if registry {
                    normal(first)
                } else if first.contains(ANY) {
                    None
                } else {
                    Some("docker.io".to_owned())
                });
            }
            found.unknown |= words.len() < 2 && !local;
            !local
        }
        "run" | "create" | "build" | "buildx" | "compose" | "up" | "manifest" | "plugin"
        | "stack" | "swarm" | "service" => {
            found.unknown = true;
            true
        }
        _ => found.unknown || !verb.literal,
    }
}
