//! Rewrites that keep what bash runs.
//!
//! Those of `WORDS` take a plain command apart; those of `LINE` put any line somewhere else.
//! `None` where a rewrite does not apply.

use super::Draw;

/// One rewrite.
pub struct Rewrite {
    pub name: &'static str,
    /// What runs can no longer be read off the line.
    pub hides: bool,
    pub apply: fn(&str, &mut Draw) -> Option<String>,
}

const fn plain(name: &'static str, apply: fn(&str, &mut Draw) -> Option<String>) -> Rewrite {
    Rewrite { name, hides: false, apply }
}

const fn hiding(name: &'static str, apply: fn(&str, &mut Draw) -> Option<String>) -> Rewrite {
    Rewrite { name, hides: true, apply }
}

/// Program and the rest, with its leading blank.
fn parts(line: &str) -> (&str, &str) {
    line.split_at(line.find(' ').unwrap_or(line.len()))
}

/// Changes the program word alone.
fn program(line: &str, change: impl FnOnce(&str) -> String) -> Option<String> {
    let (program, rest) = parts(line);
    Some(format!("{}{rest}", change(program)))
}

/// Changes every argument for which `change` has an answer.
fn arguments(line: &str, change: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut changed = false;
    let words: Vec<String> = line
        .split(' ')
        .enumerate()
        .map(|(at, word)| match (at, change(word)) {
            (0, _) | (_, None) => word.to_owned(),
            (_, Some(new)) => {
                changed |= new != word;
                new
            }
        })
        .collect();
    changed.then(|| words.join(" "))
}

fn is_plain(word: &str) -> bool {
    !word.contains(['~', '$', '*', '?', '\'', '"', '\\', '{', '`'])
}

fn quoted(line: &str) -> String {
    format!("'{}'", line.replace('\'', r"'\''"))
}

fn double_quoted(line: &str) -> String {
    let escaped = line.replace('\\', r"\\").replace('"', "\\\"").replace('$', "\\$");
    format!("\"{}\"", escaped.replace('`', "\\`"))
}

/// A word that ends a here-document and does not stand in it.
fn delimiter(line: &str) -> &'static str {
    ["ENDE", "SCHLUSS", "FERTIG"].into_iter().find(|end| !line.contains(end)).unwrap_or("AUS")
}

/// Whether something can follow on the same line.
fn open_end(line: &str) -> bool {
    !line.contains('\n') && !line.ends_with('&') && !line.contains(" # ")
}

/// Ends a line so that a closing word can follow.
fn end(line: &str) -> &'static str {
    if open_end(line) { "; " } else { "\n" }
}

fn put(line: &str, before: &str, after: &str) -> Option<String> {
    Some(format!("{before}{line}{}{after}", end(line)))
}

fn wrapped(line: &str, by: &str) -> Option<String> {
    Some(format!("{by} {line}"))
}

fn base64(text: &str) -> String {
    const SET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let at = |n: usize| u32::from(*chunk.get(n).unwrap_or(&0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            if digit > chunk.len() {
                out.push('=');
            } else {
                out.push(char::from(SET[(bits >> (18 - 6 * digit) & 63) as usize]));
            }
        }
    }
    out
}

fn octal(text: &str) -> String {
    text.bytes().map(|byte| format!("\\{byte:03o}")).collect()
}

fn hex(text: &str, mark: &str) -> String {
    text.bytes().map(|byte| format!("{mark}{byte:02x}")).collect()
}

/// The rest of a program's name after its first letter.
fn tail(program: &str) -> &str {
    program.get(1..).unwrap_or_default()
}

fn head(program: &str) -> &str {
    program.get(..1).unwrap_or_default()
}

/// `/opt/app` as `opt/app`, for a line that goes to `/` first.
fn below_root(line: &str) -> Option<String> {
    let (last, others) = line.rsplit_once(' ').map(|(others, last)| (last, others))?;
    let rest = last.strip_prefix('/').filter(|rest| !rest.is_empty())?;
    let relative = others.split(' ').skip(1).any(|word| !word.starts_with(['-', '/']));
    (!relative).then(|| format!("cd / && {others} {rest}"))
}

pub const WORDS: &[Rewrite] = &[
    plain("'rm'", |l, _| program(l, |p| format!("'{p}'"))),
    plain("\"rm\"", |l, _| program(l, |p| format!("\"{p}\""))),
    plain("r\"\"m", |l, _| program(l, |p| format!("{}\"\"{}", head(p), tail(p)))),
    plain("r''m", |l, _| program(l, |p| format!("{}''{}", head(p), tail(p)))),
    plain("\\rm", |l, _| program(l, |p| format!("\\{p}"))),
    plain("'r'm", |l, _| program(l, |p| format!("'{}'{}", head(p), tail(p)))),
    plain("$'\\x72m'", |l, _| program(l, |p| format!("$'{}{}'", hex(head(p), "\\x"), tail(p)))),
    plain("$'\\162m'", |l, _| program(l, |p| format!("$'{}{}'", octal(head(p)), tail(p)))),
    plain("$'all octal'", |l, _| program(l, |p| format!("$'{}'", octal(p)))),
    plain("$'\\u'", |l, _| program(l, |p| format!("$'\\u{:04x}{}'", p.as_bytes()[0], tail(p)))),
    plain("$\"rm\"", |l, _| program(l, |p| format!("$\"{p}\""))),
    plain("continuation in the name", |l, _| program(l, |p| format!("{}\\\n{}", head(p), tail(p)))),
    plain("continuation between words", |l, _| Some(l.replace(' ', " \\\n "))),
    plain("tabs", |l, _| Some(l.replace(' ', "\t  "))),
    plain("leading blanks", |l, _| Some(format!("   {l}  "))),
    plain("$IFS", |l, _| {
        // `$IFSx` would be another variable.
        let apart = |word: &str| !word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        (is_plain(l) && l.split(' ').skip(1).all(apart)).then(|| l.replace(' ', "$IFS"))
    }),
    plain("${IFS}", |l, _| is_plain(l).then(|| l.replace(' ', "${IFS}"))),
    plain("variable", |l, _| {
        let (p, rest) = parts(l);
        Some(format!("c={p}; $c{rest}"))
    }),
    plain("quoted variable", |l, _| {
        let (p, rest) = parts(l);
        Some(format!("c='{p}'; \"${{c}}\"{rest}"))
    }),
    plain("two variables", |l, _| {
        let (p, rest) = parts(l);
        Some(format!("a={}; b={}; $a$b{rest}", head(p), tail(p)))
    }),
    plain("variable of variable", |l, _| {
        let (p, rest) = parts(l);
        Some(format!("a={p}; b=$a; $b{rest}"))
    }),
    plain("argument in a variable", |l, _| {
        let (others, last) = l.rsplit_once(' ')?;
        Some(format!("t={last}; {others} $t"))
    }),
    plain("whole line in a variable", |l, _| is_plain(l).then(|| format!("c='{l}'; $c"))),
    plain("loop over the name", |l, _| {
        let (p, rest) = parts(l);
        Some(format!("for c in {p}; do $c{rest}; done"))
    }),
    hiding("default value", |l, _| {
        let (p, rest) = parts(l);
        Some(format!("${{none:-{p}}}{rest}"))
    }),
    hiding("name from a substitution", |l, _| {
        let (p, rest) = parts(l);
        Some(format!("$(echo {p}){rest}"))
    }),
    hiding("name from printf", |l, _| {
        let (p, rest) = parts(l);
        Some(format!("$(printf '{}'){rest}", octal(p)))
    }),
    hiding("positional parameters", |l, _| Some(format!("set -- {l}; \"$@\""))),
    plain("array", |l, _| Some(format!("a=({l}); \"${{a[@]}}\""))),
    hiding("IFS comma", |l, _| {
        (is_plain(l) && !l.contains(',')).then(|| format!("IFS=,; c={}; $c", l.replace(' ', ",")))
    }),
    plain("braces", |l, _| {
        (is_plain(l) && l.contains(' ') && !l.contains(',') && !l.contains('='))
            .then(|| format!("{{{}}}", l.replace(' ', ",")))
    }),
    plain("/bin/", |l, _| program(l, |p| format!("/bin/{p}"))),
    plain("/usr/bin/", |l, _| program(l, |p| format!("/usr/bin/{p}"))),
    plain("/usr/bin/../bin/", |l, _| program(l, |p| format!("/usr/bin/../bin/{p}"))),
    plain("//bin//", |l, _| program(l, |p| format!("//bin//{p}"))),
    plain("/usr/./bin/", |l, _| program(l, |p| format!("/usr/./bin/{p}"))),
    hiding("glob for a name", |l, _| program(l, |p| format!("/usr/bin/{}?*", head(p)))),
    hiding("bracket for a letter", |l, _| {
        program(l, |p| format!("/usr/bin/[{}]{}", head(p), tail(p)))
    }),
    plain("'arguments'", |l, _| arguments(l, |w| is_plain(w).then(|| format!("'{w}'")))),
    plain("\"arguments\"", |l, _| arguments(l, |w| is_plain(w).then(|| format!("\"{w}\"")))),
    plain("a''rguments", |l, _| {
        arguments(l, |w| is_plain(w).then(|| format!("{}''{}", head(w), tail(w))))
    }),
    plain("\\arguments", |l, _| {
        arguments(l, |w| {
            is_plain(w).then(|| format!("{}\\{}", head(w), tail(w))).filter(|w| !w.ends_with('\\'))
        })
    }),
    plain("$'arguments'", |l, _| arguments(l, |w| is_plain(w).then(|| format!("$'{}'", octal(w))))),
    plain("~ as $HOME", |l, _| {
        arguments(l, |w| w.strip_prefix('~').map(|rest| format!("$HOME{rest}")))
    }),
    plain("~ as ${HOME}", |l, _| {
        arguments(l, |w| w.strip_prefix('~').map(|rest| format!("\"${{HOME}}{rest}\"")))
    }),
    plain("~ in full", |l, _| {
        arguments(l, |w| w.strip_prefix('~').map(|rest| format!("/home/dev{rest}")))
    }),
    plain("~ from the workspace", |l, _| {
        arguments(l, |w| w.strip_prefix("~/").map(|rest| format!("../{rest}")))
    }),
    plain("/./", |l, _| arguments(l, |w| w.strip_prefix('/').map(|rest| format!("/./{rest}")))),
    plain("//", |l, _| arguments(l, |w| w.starts_with('/').then(|| w.replace('/', "//")))),
    plain("/usr/..", |l, _| {
        arguments(l, |w| w.strip_prefix('/').map(|rest| format!("/usr/../{rest}")))
    }),
    plain("up from the workspace", |l, _| {
        arguments(l, |w| w.strip_prefix('/').map(|rest| format!("../../../{rest}")))
    }),
    plain("cd first", |l, _| below_root(l)),
    plain("cd in a group", |l, _| below_root(l).map(|l| format!("{{ {l}; }}"))),
    plain("split bundle", |l, _| l.contains(" -rf ").then(|| l.replace(" -rf ", " -r -f "))),
    plain("turned bundle", |l, _| l.contains(" -rf ").then(|| l.replace(" -rf ", " -fR "))),
    plain("long options", |l, _| {
        l.contains("rm -rf ").then(|| l.replace(" -rf ", " --recursive --force "))
    }),
    plain("abbreviated options", |l, _| {
        l.contains("rm -rf ").then(|| l.replace(" -rf ", " --recurs --forc "))
    }),
    plain("--", |l, _| l.contains("rm -rf ").then(|| l.replace(" -rf ", " -rf -- "))),
    plain("options last", |l, _| {
        let rest = l.strip_prefix("rm -rf ")?;
        Some(format!("rm {rest} -rf"))
    }),
    hiding("link in the same line", |l, _| {
        let (others, last) = l.rsplit_once(' ')?;
        // These act on the link itself.
        let on_link = ["rm ", "mv ", "find ", "shred "].iter().any(|p| l.starts_with(p));
        (last.starts_with(['/', '~']) && !on_link).then(|| format!("ln -s {last} z && {others} z"))
    }),
    plain("busybox", |l, _| l.starts_with("rm ").then(|| format!("busybox {l}"))),
    plain("env", |l, _| wrapped(l, "env")),
    plain("env A=1", |l, _| wrapped(l, "env -u X A=1")),
    plain("env -S", |l, _| is_plain(l).then(|| format!("env -S '{l}'"))),
    plain("command", |l, _| wrapped(l, "command")),
    plain("command -p", |l, _| wrapped(l, "command -p")),
    plain("exec", |l, _| wrapped(l, "exec")),
    plain("nice", |l, _| wrapped(l, "nice -n 5")),
    plain("timeout", |l, _| wrapped(l, "timeout -k 1 -s KILL 5s")),
    plain("nohup", |l, _| wrapped(l, "nohup")),
    plain("setsid", |l, _| wrapped(l, "setsid -w")),
    plain("stdbuf", |l, _| wrapped(l, "stdbuf -oL -e0")),
    plain("ionice", |l, _| wrapped(l, "ionice -c 3")),
    plain("stack of wrappers", |l, _| wrapped(l, "env -i nice timeout 5 nohup")),
    plain("xargs", |l, _| Some(format!(": | xargs {l}"))),
    plain("xargs -I", |l, _| Some(format!("echo x | xargs -I% {l}"))),
    plain("find -exec", |l, _| Some(format!("find . -maxdepth 0 -exec {l} \\;"))),
    plain("variable in front", |l, _| wrapped(l, "CI=1")),
    plain("redirection in front", |l, _| wrapped(l, "2>/dev/null")),
    plain("input in front", |l, _| wrapped(l, "< /dev/null")),
];

pub const LINE: &[Rewrite] = &[
    plain("sh -c ''", |l, _| Some(format!("sh -c {}", quoted(l)))),
    plain("bash -lc \"\"", |l, _| Some(format!("bash -lc {}", double_quoted(l)))),
    plain("bash -c in sh -c", |l, _| {
        Some(format!("sh -c {}", quoted(&format!("bash -c {}", quoted(l)))))
    }),
    plain("/bin/sh -ec", |l, _| Some(format!("/bin/sh -ec {}", quoted(l)))),
    plain("eval ''", |l, _| Some(format!("eval {}", quoted(l)))),
    plain("eval \"\"", |l, _| Some(format!("eval {}", double_quoted(l)))),
    hiding("base64", |l, _| Some(format!("echo {} | base64 -d | sh", base64(l)))),
    hiding("base64 in eval", |l, _| Some(format!("eval \"$(echo {} | base64 -d)\"", base64(l)))),
    hiding("octal", |l, _| Some(format!("printf '{}' | sh", octal(l)))),
    hiding("hex", |l, _| Some(format!("echo -e '{}' | bash", hex(l, "\\x")))),
    hiding("xxd", |l, _| Some(format!("echo {} | xxd -r -p | bash", hex(l, "")))),
    hiding("rev", |l, _| {
        let turned: String = l.chars().rev().collect();
        (!turned.contains('\n')).then(|| format!("echo {} | rev | sh", quoted(&turned)))
    }),
    plain("here-document", |l, _| {
        let end = delimiter(l);
        Some(format!("sh <<'{end}'\n{l}\n{end}"))
    }),
    plain("here-document to bash -s", |l, _| {
        let end = delimiter(l);
        Some(format!("bash -s <<'{end}'\n{l}\n{end}"))
    }),
    plain("here-string", |l, _| Some(format!("bash <<< {}", quoted(l)))),
    hiding("process substitution", |l, _| Some(format!("bash <(echo {})", quoted(l)))),
    hiding("source from a substitution", |l, _| Some(format!("source <(echo {})", quoted(l)))),
    hiding("echo to sh", |l, _| Some(format!("echo {} | sh", quoted(l)))),
    hiding("script of the same line", |l, _| Some(format!("echo {} > z.sh; sh z.sh", quoted(l)))),
    plain("subshell", |l, _| put(l, "( ", ")")),
    plain("group", |l, _| put(l, "{ ", "}")),
    plain("function", |l, _| put(l, "f() { ", "}; f")),
    plain("function keyword", |l, _| put(l, "function f { ", "}\nf")),
    plain("if", |l, _| put(l, "if true; then ", "fi")),
    plain("if condition", |l, _| put(l, "if ", "then :; fi")),
    plain("else", |l, _| put(l, "if false; then :; else ", "fi")),
    plain("while", |l, _| put(l, "while :; do ", "break; done")),
    plain("until", |l, _| put(l, "until ", "do break; done")),
    plain("for", |l, _| put(l, "for i in 1; do ", "done")),
    plain("C for", |l, _| put(l, "for ((i=0;i<1;i++)); do ", "done")),
    plain("case", |l, _| put(l, "case x in (x) ", ";; esac").map(|l| l.replace("; ;;", ";;"))),
    plain("&&", |l, _| Some(format!("true && {l}"))),
    plain("||", |l, _| Some(format!("false || {l}"))),
    plain(";", |l, _| Some(format!("ls; {l}"))),
    plain("& before", |l, _| Some(format!("ls & {l}"))),
    plain("& after", |l, _| open_end(l).then(|| format!("{l} &"))),
    plain("newline", |l, _| Some(format!("ls\n{l}"))),
    plain("into a pipe", |l, _| open_end(l).then(|| format!("{l} | cat"))),
    plain("out of a pipe", |l, _| put(l, "ls | { ", "}")),
    plain("|&", |l, _| put(l, "ls |& { ", "}")),
    plain("!", |l, _| Some(format!("! {l}"))),
    plain("time", |l, _| Some(format!("time {l}"))),
    // The grammar gives up on some bodies of `coproc`; those ask.
    hiding("coproc", |l, _| put(l, "coproc { ", "}")),
    plain("$( )", |l, _| put(l, "echo $( ", ")")),
    plain("\"$( )\"", |l, _| put(l, "echo \"$( ", ")\"")),
    plain("` `", |l, _| (!l.contains(['`', '\\', '$'])).then(|| format!("echo `{l}`"))),
    plain("assignment", |l, _| put(l, "x=$( ", ")")),
    plain("default of a parameter", |l, _| put(l, "echo ${x:-$( ", ")}")),
    plain("test", |l, _| put(l, "[[ -n $( ", ") ]]")),
    plain("arithmetic", |l, _| put(l, "echo $(( $( ", ") + 1 ))")),
    plain("process input", |l, _| put(l, "cat <( ", ")")),
    plain("process output", |l, _| put(l, "ls > >( ", ")")),
    plain("target of a redirection", |l, _| put(l, "ls > $( ", ")")),
    plain("inside a here-document", |l, _| {
        (!l.contains('\n')).then(|| format!("cat <<AUS\n$( {l} )\nAUS"))
    }),
    plain("trap", |l, _| Some(format!("trap {} EXIT", quoted(l)))),
    plain("trap DEBUG", |l, _| Some(format!("trap {} DEBUG; ls", quoted(l)))),
    plain("alias", |l, _| Some(format!("shopt -s expand_aliases\nalias z={}\nz", quoted(l)))),
    plain("comment after", |l, _| open_end(l).then(|| format!("{l} # all is well"))),
    plain("comment before", |l, _| Some(format!(": # nothing\n{l}"))),
    plain("output away", |l, _| open_end(l).then(|| format!("{l} > /dev/null 2>&1"))),
    plain("among others", |l, draw| {
        const NEAR: &[&str] = &["ls", "git status", "cargo test", "echo done", "cd src"];
        let before = NEAR[draw.below(NEAR.len())];
        let after = NEAR[draw.below(NEAR.len())];
        Some(format!("{before}; {l}{}{after}", end(l)))
    }),
    plain("watch", |l, _| (!l.contains('\n')).then(|| format!("watch -n1 {}", quoted(l)))),
    plain("script", |l, _| Some(format!("script -qc {} /dev/null", quoted(l)))),
    plain("find sh -c", |l, _| Some(format!("find . -maxdepth 0 -exec sh -c {} \\;", quoted(l)))),
    plain("xargs sh -c", |l, _| Some(format!("echo x | xargs sh -c {}", quoted(l)))),
    plain("env sh -c", |l, _| Some(format!("env -i A=1 /bin/bash -c {}", quoted(l)))),
];
