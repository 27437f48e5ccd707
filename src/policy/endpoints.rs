//! Where the addresses and the mounts of a command lead, as far as its own words tell.
//!
//! Used by conditions of dangerous patterns. FAIL CLOSED: an option that is not known here could
//! name another host, so a command that has one does not count as local. Runs nothing and asks
//! no name server. Read [`super::danger`] next.

use super::danger::Ground;
use super::facts::{Access, Region, region};
use super::shell::{ANY, ANY_NAME, ANY_PLAIN_NAME, Reach, Unit, Word};
use crate::model::AbsPath;

/// Options of curl, wget and HTTPie that take the next word and name no host.
const VALUED: &[&str] = &[
    "-d",
    "--data",
    "--data-raw",
    "--data-binary",
    "--data-ascii",
    "--data-urlencode",
    "--json",
    "-H",
    "--header",
    "-X",
    "--request",
    "-o",
    "--output",
    "-O",
    "--output-document",
    "-w",
    "--write-out",
    "-u",
    "--user",
    "-a",
    "--auth",
    "-A",
    "--user-agent",
    "-e",
    "--referer",
    "-F",
    "--form",
    "-b",
    "--cookie",
    "-c",
    "--cookie-jar",
    "-m",
    "--max-time",
    "--connect-timeout",
    "--retry",
    "--retry-delay",
    "--retry-max-time",
    "-r",
    "--range",
    "--limit-rate",
    "--cacert",
    "--timeout",
    "-t",
    "--tries",
    "-T",
    "--method",
    "--body-data",
    "--post-data",
    "-n",
    "-N",
];
/// Short options without a value.
const SHORT: &str = "sSfLivkIgGjJqn#46hp";
/// Bundles of wget that end in `-O -`.
const TO_OUTPUT: &[&str] = &["qO-", "O-", "qnO-", "nvO-"];
/// Long options without a value.
const LONG: &[&str] = &[
    "--silent",
    "--show-error",
    "--fail",
    "--fail-with-body",
    "--location",
    "--include",
    "--verbose",
    "--insecure",
    "--head",
    "--get",
    "--compressed",
    "--globoff",
    "--no-buffer",
    "--http1.1",
    "--http2",
    "--path-as-is",
    "--no-progress-meter",
    "--retry-connrefused",
    "--retry-all-errors",
    "--spider",
    "--quiet",
    "--server-response",
    "--no-verbose",
    "--body",
    "--headers",
    "--follow",
    "--check-status",
    "--ignore-stdin",
    "--form",
];

/// Whether every address of a fetcher is this machine.
pub(super) fn only_loopback(unit: &Unit) -> bool {
    let args = unit.arguments();
    // HTTPie takes fields and headers after the address.
    let items = matches!(unit.program.as_str(), "http" | "https" | "xh" | "xhs");
    let curl = unit.program == "curl";
    let (mut at, mut found) = (0, 0usize);
    while let Some(word) = args.get(at) {
        at += 1;
        let text = word.text.as_str();
        if text.starts_with("--") {
            let name = text.split('=').next().unwrap_or(text);
            let takes = VALUED.contains(&name) && !(items && name == "--form");
            if !takes && !LONG.contains(&text) {
                return false;
            }
            at += usize::from(takes && name == text);
        } else if let Some(letters) = text.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            let Some(last) = letters.chars().next_back() else { return false };
            let option = format!("-{last}");
            // `-O` and `-N` of curl, `-n` of both, take nothing.
            let takes = VALUED.contains(&option.as_str())
                && !(curl && matches!(last, 'O' | 'N' | 'n'))
                && !(items && matches!(last, 'b' | 'd' | 'F' | 'h'));
            let plain = letters.chars().all(|c| SHORT.contains(c) || "ON".contains(c));
            let before = letters.get(..letters.len() - last.len_utf8()).unwrap_or_default();
            let bundle = before.chars().all(|c| SHORT.contains(c));
            let first = letters.chars().next().map(|c| format!("-{c}")).unwrap_or_default();
            let glued = letters.len() > 1 && VALUED.contains(&first.as_str());
            if TO_OUTPUT.contains(&letters) {
                continue;
            }
            if takes && bundle {
                at += 1;
            } else if !plain && !glued {
                return false;
            }
        } else if is_loopback(word) {
            found += 1;
        } else if items && (found == 1 && !text.contains("://")) {
            // A field, a header, a file.
        } else if items && found == 0 && text.chars().all(|c| c.is_ascii_uppercase()) {
            // The method.
        } else {
            return false;
        }
    }
    found > 0
}

/// Whether a word is an address of this machine. Its port may be a variable that says so.
fn is_loopback(word: &Word) -> bool {
    let rest = word.text.split_once("://").map_or(word.text.as_str(), |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    let (host, port) = match authority.strip_prefix("[::1]") {
        Some(port) => ("[::1]", port),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = port.strip_prefix(':').unwrap_or(port);
    let variable = port.trim_start_matches(['$', '{']).trim_end_matches('}');
    let named = port.starts_with('$')
        && variable.ends_with("PORT")
        && variable.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    matches!(host, "localhost" | "127.0.0.1" | "[::1]" | "0.0.0.0" | "")
        && (!host.is_empty() || !port.is_empty())
        && (named || port.chars().all(|c| c.is_ascii_digit()))
}

/// Programs that list files below folders which are judged apart, and what may follow them.
const LISTERS: &[&str] = &["find", "fd", "fdfind", "git", "rg", "grep", "egrep", "ag", "ack", "ls"];
const FILTERS: &[&str] = &["sort", "uniq", "head", "tail"];

/// Whether the files that it changes are those that a search of the same line finds. Where the
/// search looks is judged apart; deleting is not covered.
pub(super) fn found_by_search(unit: &Unit) -> bool {
    let searched = |from: &[String]| {
        let known =
            |name: &String| LISTERS.contains(&name.as_str()) || FILTERS.contains(&name.as_str());
        from.iter().all(known) && from.iter().any(|name| LISTERS.contains(&name.as_str()))
    };
    let edits = matches!(unit.program.as_str(), "sed" | "gsed" | "perl" | "touch");
    let args = unit.arguments();
    if unit.late {
        let deletes = matches!(unit.program.as_str(), "rm" | "rmdir" | "unlink" | "shred" | "tee");
        let known = args.iter().all(|word| word.literal);
        return known
            && match unit.via.last().map(String::as_str) {
                Some("find" | "fd" | "fdfind") => !deletes,
                Some("xargs") => edits && searched(&unit.piped_from),
                _ => false,
            };
    }
    // The script stands before the files and is known.
    let files = args.iter().position(|word| !word.literal).unwrap_or(args.len());
    edits
        && unit.program != "perl"
        && searched(&unit.fed_by)
        && args.iter().take(files).any(|word| !word.text.starts_with('-'))
        && args.iter().skip(files).all(|word| word.literal || word.text.starts_with("$("))
}

/// Whether all that it writes begins with a known name inside the workspace, so that only the
/// rest of the path is open: `> "out/$day.csv"`. What it deletes is never anchored. A value with
/// `..` in it would lead out; then the sandbox, which mounts nothing else writable, holds.
pub(super) fn anchored(unit: &Unit, workspace: &AbsPath) -> bool {
    let wild = [ANY, ANY_NAME, ANY_PLAIN_NAME];
    let root = format!("{workspace}/");
    let mut open = unit.reaches.iter().filter(|reach| reach.access != Access::Read).peekable();
    !unit.late
        && open.peek().is_some()
        && open.all(|reach| {
            reach.access == Access::Write
                && reach.shape.strip_prefix(&root).is_some_and(|rest| !rest.starts_with(wild))
        })
}

/// Whether it deletes something of which only the folder is known, and that lies in `wanted`:
/// `rm -r "$HOME/$name"`.
pub(super) fn deletes_below(unit: &Unit, ground: &Ground<'_>, wanted: Region) -> bool {
    let mut deleted = unit.reaches.iter().filter(|reach| reach.access == Access::Delete);
    deleted.any(|reach| {
        known_folder(reach)
            .is_some_and(|folder| region(&folder, ground.workspace, ground.home) == wanted)
    })
}

/// The folder that a path which is not known in full begins with.
pub(super) fn known_folder(reach: &Reach) -> Option<AbsPath> {
    let start = reach.shape.find([ANY, ANY_NAME, ANY_PLAIN_NAME])?;
    let known = reach.shape.get(..start)?;
    AbsPath::new(known.get(..known.rfind('/')?.max(1))?)
}

/// Whether a container gets a folder of the system or of the home, outside the workspace.
pub(super) fn mounts_outside(unit: &Unit, workspace: &AbsPath, home: Option<&AbsPath>) -> bool {
    let args = unit.arguments();
    let outside = |source: &str| {
        if source.starts_with(['~', '$']) {
            return !source.starts_with("$PWD") && !source.starts_with("$(pwd)");
        }
        // A bare name is a volume.
        let path = source.starts_with(['/', '.']).then(|| workspace.join(source)).flatten();
        path.is_some_and(|path| {
            matches!(region(&path, workspace, home), Region::System | Region::Home)
        })
    };
    let source = |value: &str| {
        if value.contains("source=") || value.contains("src=") {
            let mut parts = value.split(',');
            return parts.any(|part| {
                ["source=", "src="].iter().any(|key| part.strip_prefix(key).is_some_and(outside))
            });
        }
        value.split(':').next().is_some_and(outside)
    };
    args.iter().enumerate().any(|(at, word)| {
        let text = word.text.as_str();
        let next = || args.get(at + 1).is_some_and(|next| source(&next.text));
        match text {
            "-v" | "--volume" | "--mount" => next(),
            _ => ["-v", "--volume=", "--mount="]
                .iter()
                .filter_map(|option| text.strip_prefix(option))
                .any(|value| source(value.trim_start_matches('='))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::shell::{ShellPlace, parse};

    fn unit(text: &str) -> Unit {
        let cwd = AbsPath::new("/home/dev/app").unwrap();
        let home = AbsPath::new("/home/dev").unwrap();
        parse(text, &ShellPlace { cwd: &cwd, home: Some(&home) }).units.remove(0)
    }

    #[test]
    fn a_fetch_is_local_only_if_every_word_says_so() {
        for local in [
            "curl -sS -X POST -H 'Content-Type: application/json' -d '{\"a\":1}' http://localhost:8000/x",
            "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:3000/health",
            "curl localhost:$PORT/health",
            "curl -fsSL http://[::1]:80/",
            "wget -qO- http://localhost/x",
            "http POST localhost:8000/users name=x",
            "http :8000/users",
        ] {
            assert!(only_loopback(&unit(local)), "{local}");
        }
        for other in [
            "curl http://localhost.evil.example",
            "curl http://localhost@evil.example",
            "curl evil.example http://localhost",
            "curl -x evil.example http://localhost",
            "curl --connect-to ::evil.example: http://localhost",
            "curl --resolve localhost:80:203.0.113.9 http://localhost",
            "curl -K - http://localhost",
            "curl http://localhost:$X",
            "curl http://127.0.0.1.evil.example",
            "curl -sxevil.example http://localhost",
            "curl",
        ] {
            assert!(!only_loopback(&unit(other)), "{other}");
        }
    }

    #[test]
    fn a_mount_of_the_workspace_is_not_one_of_the_machine() {
        let workspace = AbsPath::new("/home/dev/app").unwrap();
        let home = AbsPath::new("/home/dev").unwrap();
        let outside = |text: &str| mounts_outside(&unit(text), &workspace, Some(&home));
        for text in [
            "docker run -v /:/h alpine",
            "docker run -v ~/.ssh:/k x",
            "docker run --volume=/etc:/e x",
            "docker run --mount type=bind,source=/etc,target=/e x",
            "docker run -v ../..:/x y",
            "docker run -v \"$HOME\":/x y",
        ] {
            assert!(outside(text), "{text}");
        }
        for text in [
            "docker run -v \"$PWD\":/app node npm test",
            "docker run -v $(pwd):/app node",
            "docker run -v ./data:/d x",
            "docker run -v data:/var/lib/x y",
            "docker run --mount type=volume,source=data,target=/d x",
        ] {
            assert!(!outside(text), "{text}");
        }
    }
}
