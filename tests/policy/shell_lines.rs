//! What `policy::shell` finds in a line, and what it refuses to understand.

use super::reader::{bash_facts, workspace};
use ion::policy::Access;
use ion::policy::shell::Script;

fn script(line: &str) -> Script {
    bash_facts(line).command.expect("a script")
}

/// Texts of every command that needs an allow of its own.
fn commands(line: &str) -> Vec<String> {
    script(line).units.into_iter().filter(|unit| !unit.transparent).map(|unit| unit.text).collect()
}

#[test]
fn every_place_that_can_hold_a_command_is_searched() {
    for line in [
        "ls; rm x",
        "ls & rm x",
        "ls && rm x",
        "ls || rm x",
        "ls | rm x",
        "ls |& rm x",
        "ls\nrm x",
        "! rm x",
        "time rm x",
        "coproc rm x",
        "(rm x)",
        "{ rm x; }",
        "if rm x; then ls; fi",
        "if ls; then rm x; fi",
        "if ls; then ls; elif rm x; then ls; fi",
        "if ls; then ls; else rm x; fi",
        "while rm x; do ls; done",
        "until ls; do rm x; done",
        "for i in $(rm x); do ls; done",
        "for i in 1 2; do rm x; done",
        "for ((i=$(rm x); i<1; i++)); do ls; done",
        "case $(rm x) in a) ls;; esac",
        "case a in a) rm x;; esac",
        "f() { rm x; }; f",
        "function f { rm x; }",
        "echo $(rm x)",
        "echo `rm x`",
        "echo $( (rm x) )",
        "( (rm x) )",
        "( (rm x); ls )",
        "(\t( rm x )\n)",
        "((rm x) )",
        "( \\\n(rm x))",
        "bash -c '( (rm x) )'",
        "echo $((rm x) )",
        "echo $((rm x); ls)",
        "echo \"$(rm x)\"",
        "echo \"a $(echo \"$(rm x)\")\"",
        "echo ${y:-$(rm x)}",
        "echo \"${y:-`rm x`}\"",
        "echo $((1 + $(rm x)))",
        "echo $((a[$(rm x)]))",
        "(( $(rm x) ))",
        "[[ -n $(rm x) ]]",
        "A=$(rm x) ls",
        "A=$(rm x)",
        "a=( $(rm x) )",
        "a[$(rm x)]=1",
        "ls > $(rm x)",
        "cat <(rm x)",
        "ls > >(rm x)",
        "cat < <(rm x)",
        "cat <<E\n$(rm x)\nE",
        "cat <<< $(rm x)",
        "cat <<'E' | sh\nls\nE\nrm x",
        "sh <<'E'\nrm x\nE",
        "bash <<< 'rm x'",
        "eval 'rm x'",
        "eval rm x",
        "bash -c 'rm x'",
        "sh -lc \"rm x\"",
        "bash -c \"bash -c 'rm x'\"",
        "trap 'rm x' EXIT",
        "alias y='rm x'",
        "let 'a=b[$(rm x)]'",
        "printf -v 'a[$(rm x)]' y",
        "echo a # $(\nrm x\n# )",
        "\\rm x",
        "r\"\"m x",
        "'rm' x",
        "$'rm' x",
        "$'\\x72m' x",
        "$'\\162m' x",
        "/bin/rm x",
        "{rm,x}",
        "rm${IFS}x",
        "rm$IFS''x",
        "r\\\nm x",
        "c=rm; $c x",
        "d=x; rm $d",
    ] {
        assert!(
            commands(line).iter().any(|command| command == "rm x"),
            "{line:?} gave {:?}",
            script(line)
        );
    }
}

#[test]
fn wrappers_are_unwrapped_with_their_options() {
    for line in [
        "sudo rm x",
        "sudo -u root -- rm x",
        "doas -u root rm x",
        "env rm x",
        "env -i A=1 rm x",
        "env -u A rm x",
        "env -S 'rm x'",
        "timeout 5 rm x",
        "timeout -k 1 -s KILL 5s rm x",
        "nice -n 5 rm x",
        "nohup rm x",
        "setsid rm x",
        "stdbuf -oL rm x",
        "stdbuf -o L rm x",
        "command rm x",
        "command -p rm x",
        "builtin rm x",
        "exec rm x",
        "exec -a y rm x",
        "busybox rm x",
        "xargs -0 -n1 rm x",
        "find . -exec rm x ;",
        "find . -okdir rm x +",
        "flock lock rm x",
        "flock lock -c 'rm x'",
        "script -c 'rm x' out",
        "watch -n 1 rm x",
        "su -c 'rm x'",
        "ssh host rm x",
        "ssh -p 22 host 'rm x'",
        "docker exec web rm x",
        "docker run --rm -it alpine rm x",
        "kubectl exec -it pod/x -- rm x",
        "sudo env A=1 timeout 5 nice bash -c 'rm x'",
        "ionice -c 3 taskset 1 rm x",
        "parallel rm x ::: a",
    ] {
        assert!(
            commands(line).iter().any(|command| command == "rm x"),
            "{line:?} gave {:?}",
            commands(line)
        );
    }
}

#[test]
fn data_is_not_code() {
    for line in [
        "echo 'rm x'",
        "echo \"rm x\"",
        "cat <<'E'\n$(rm x)\nE",
        "cat <<E\nrm x\nE",
        "echo \\$(rm x\\)",
        "grep 'rm x' f",
        "git commit -m 'rm x'",
        "command -v rm",
        "wc -l <<< 'rm x'",
        "echo a # rm x",
    ] {
        assert!(
            !commands(line).iter().any(|command| command == "rm x"),
            "{line:?} gave {:?}",
            commands(line)
        );
    }
}

#[test]
fn what_is_only_known_at_run_time_is_opaque() {
    for line in [
        "$c x",
        "$(which rm) x",
        "/bin/?m x",
        "eval \"$x\"",
        "bash -c \"$x\"",
        "c=rm; c=ls; \"$y\" x",
        "echo \"${x@P}\"",
        "f() { while :; do $1; shift; done; }; f rm",
        "f() { $2; }; f rm",
        "a=(rm x); a[0]=$y; \"${a[@]}\"",
    ] {
        let script = script(line);
        assert!(
            script.opaque.is_some() || script.units.iter().any(|unit| unit.opaque.is_some()),
            "{line:?} gave {script:?}"
        );
    }
    for broken in ["if", "ls (", "echo $(", "'", "case x in", "ls <", "\"", "ls )", "do"] {
        let script = script(broken);
        assert!(script.opaque.is_some(), "{broken:?} gave {script:?}");
    }
}

#[test]
fn a_variable_that_may_have_changed_is_not_trusted() {
    for line in [
        "d=build; d=/etc; rm $d",
        "false && d=build; rm $d",
        "(d=build); rm $d/",
        "d=a; read d; rm $d",
        "for d in a b; do :; done; rm $d",
    ] {
        assert!(
            script(line).units.iter().any(|unit| unit.program == "rm" && unit.dynamic),
            "{line:?} gave {:?}",
            script(line)
        );
    }
    assert!(script("d=build; rm $d").units.iter().all(|unit| !unit.dynamic));
}

#[test]
fn paths_are_found_in_words_and_redirections() {
    let found = |line: &str| -> Vec<(String, Access)> {
        script(line).paths().map(|path| (path.lexical.to_string(), path.access)).collect()
    };
    let home = |rest: &str| format!("/home/dev/{rest}");
    let app = |rest: &str| workspace().join(rest).unwrap().to_string();
    assert_eq!(found("cat ~/.ssh/id_rsa"), [(home(".ssh/id_rsa"), Access::Read)]);
    assert_eq!(found("cat $HOME/.netrc"), [(home(".netrc"), Access::Read)]);
    assert_eq!(
        found("cat \"~/.netrc\""),
        [(home(".netrc"), Access::Read)],
        "quoted tildes count too"
    );
    assert_eq!(
        found("ls > out 2>/dev/null < in"),
        [(app("out"), Access::Write), (app("in"), Access::Read), (app(""), Access::Read)]
    );
    assert_eq!(found("cp a ../b"), [(app("a"), Access::Read), (home("b"), Access::Write)]);
    assert_eq!(found("rm -rf /etc/../opt"), [("/opt".to_owned(), Access::Delete)]);
    assert_eq!(found("cd /etc && cat hosts"), [("/etc/hosts".to_owned(), Access::Read)]);
    assert!(found("cd x; rm y").contains(&(app("y"), Access::Delete)), "the `cd` may have failed");
    assert_eq!(
        found("dd if=a of=/dev/sda"),
        [(app("a"), Access::Read), ("/dev/sda".to_owned(), Access::Write)]
    );
    assert_eq!(found("(cd /etc); cat hosts"), [(app("hosts"), Access::Read)]);
    assert_eq!(found("echo /etc/passwd"), []);
    assert!(script("exec 3<>/dev/tcp/h/1").units.iter().any(|unit| unit.sockets == ["h:1"]));
}

#[test]
fn deep_or_large_lines_are_opaque_and_do_not_overflow() {
    for line in [
        "(".repeat(100_000),
        "$(".repeat(100_000),
        "`".repeat(100_000),
        "${".repeat(30_000),
        "if ".repeat(20_000),
        "! ".repeat(30_000),
        "while ".repeat(10_000),
        "((".repeat(30_000),
        "\"$(".repeat(20_000),
        "{ ".repeat(30_000),
        "x".repeat(70_000),
        "sudo ".repeat(5_000) + "rm x",
        "eval ".repeat(5_000) + "rm x",
        "a;".repeat(30_000),
        "a|".repeat(30_000) + "a",
        "a && ".repeat(10_000) + "a",
        "[[ ".to_owned() + &"( ".repeat(20_000),
        "function f { ".repeat(3_000),
    ] {
        let script = script(&line);
        assert!(script.opaque.is_some(), "{:.20}… gave {} units", line, script.units.len());
    }
}

#[test]
fn brackets_up_to_the_limit_are_parsed_in_bounded_time() {
    // Whatever depth passes the guard must not make the grammar backtrack for ever.
    for (open, close) in [
        ("(", ")"),
        ("$(", ")"),
        ("$((", "))"),
        ("{ ", "; }"),
        ("((", "))"),
        ("${x:-", "}"),
        ("\"$(", ")\""),
    ] {
        for depth in [4, 8, 11, 12, 13] {
            script(&format!("echo {}ls{}", open.repeat(depth), close.repeat(depth)));
            script(&format!("{}ls{}", open.repeat(depth), close.repeat(depth)));
            script(&open.repeat(depth));
        }
    }
}

#[test]
fn nested_loops_do_not_multiply_without_end() {
    let open = "for i in 1 2 3 4 5 6 7 8; do ".repeat(10);
    let line = format!("{open} [[ -n x ]]; {}", "done; ".repeat(10));
    assert!(script(&line).opaque.is_some());
}

#[test]
fn invisible_characters_are_named() {
    for line in ["ls \u{202E}x", "ls\u{200B}", "ls \u{7}", "l\0s"] {
        assert!(script(line).deceptive.is_some(), "{line:?}");
    }
    assert!(script("echo héllo\tx\n").deceptive.is_none());
}
