//! A denial that cannot be evaluated denies: unknown words, globs and trees against rules.

use super::reader::{self, bash, compiled, layer, standard};
use ion::model::{Decision, Tier};
use ion::policy::RuleSet;

const DENIALS: &str = "[permissions]\nmode = \"allow\"\n[[permissions.rules]]\ntool = \"Bash\"\ndecision = \"deny\"\ncommandPatterns = [\"deploy production*\"]\n[[permissions.rules]]\ntool = \"*\"\ndecision = \"deny\"\npathPatterns = [\"secret/**\"]\n";

fn denials() -> RuleSet {
    compiled(&[
        layer(reader::STANDARD, Tier::Builtin, "standard"),
        layer(DENIALS, Tier::Enterprise, "e.toml"),
        layer("[permissions]\nmode = \"allow\"\n", Tier::User, "u.toml"),
    ])
}

#[test]
fn an_argument_that_nobody_knows_counts_as_what_is_denied() {
    let rules = denials();
    for line in [
        "./deploy ${zz:-production}",
        "./deploy pro${zz}duction",
        "touch production; ./deploy prod*",
        "./deploy $(echo production)",
        "printf -v x production; ./deploy $x",
        "./deploy $x",
        "./deploy \"$1\"",
        "./deploy p?oduction",
        "xargs ./deploy <<< production",
        "echo production | xargs deploy",
        "echo production | xargs -I{} deploy {}",
        "echo production | xargs -I % deploy %",
        "find . -exec deploy {} \\;",
        "for x in $(cat f); do deploy $x; done",
        "x=stag; x=production; deploy $x",
    ] {
        assert_eq!(bash(&rules, line).decision, Decision::Deny, "{line}");
    }
    for line in ["deploy staging", "deploy staging $x", "deploy stag*", "deployx $x", "echo $x"] {
        let judged = bash(&rules, line);
        assert_eq!(judged.decision, Decision::Allow, "{line}: {}", judged.reason);
    }
}

#[test]
fn a_denied_expression_also_counts_what_is_unknown() {
    let rules = compiled(&[layer(
        "[permissions]\nmode = \"allow\"\n[[permissions.rules]]\ntool = \"Bash\"\ndecision = \"ask\"\ncommandPatterns = [\"^terraform\\\\s+apply\"]\n",
        Tier::User,
        "u",
    )]);
    assert_eq!(bash(&rules, "terraform $x").decision, Decision::Ask);
    assert_eq!(bash(&rules, "terraform a*").decision, Decision::Ask);
    assert_eq!(bash(&rules, "terraform plan $x").decision, Decision::Allow);
}

#[test]
fn a_glob_or_an_unknown_path_reaches_what_it_could_name() {
    let rules = denials();
    for line in [
        "cat secre?/x",
        "cat s*/x",
        "cat */x",
        "cd s?cret && cat x",
        "cd \"$(echo secret)\"; cat x",
        "cd \"$(echo secret)\" && cat < x",
        "echo secret/x | xargs cat",
        "ls secret | xargs -I{} cat secret/{}",
        "ln -s \"$PWD/secre\"? s2",
        "cat \"$f\"",
        "cat src/../s?cret/x",
        "grep -r . .",
        "grep -rn pattern ..",
        "rg pattern",
        "tar czf x.tgz .",
        "cp -r . /tmp/copy",
        "rsync -a ./ /tmp/copy",
        "find . -type f -exec cat {} +",
        "find . -name x | xargs cat",
        "rm -rf *",
        "echo x > s*/y",
    ] {
        assert_eq!(bash(&rules, line).decision, Decision::Deny, "{line}");
    }
    for line in [
        "cat src/*.rs",
        "ls *.toml",
        "grep -r x src",
        "rg x src",
        "cat README.md",
        "cargo test $ARGS",
    ] {
        let judged = bash(&rules, line);
        assert_eq!(judged.decision, Decision::Allow, "{line}: {}", judged.reason);
    }
}

#[test]
fn a_glob_reaches_a_sensitive_path_in_every_mode() {
    let rules = compiled(&[layer("[permissions]\nmode = \"allow\"\n", Tier::User, "u")]);
    for line in [
        "cat /etc/s?adow",
        "cat /etc/shado*",
        "cat /e?c/shadow",
        "cd ~/.ss?; cat id_*",
        "cat ~/.ss?/id_rsa",
        "cat ~/.ss?/*",
        "cat ~/.s*/id_rsa",
        "cat /proc/s*lf/environ",
        "tar czf b.tgz ~",
        "grep -r x ~",
        "cp -r ~/.aw? x",
    ] {
        assert_eq!(bash(&rules, line).decision, Decision::Deny, "{line}");
    }
    for line in ["cat .e*", "cat *.pem", "cat k/*.pem", "cat ./.en?"] {
        assert_eq!(bash(&rules, line).decision, Decision::Ask, "{line}");
    }
}

#[test]
fn ordinary_globs_and_variables_stay_allowed() {
    for line in [
        "ls *.rs",
        "ls *",
        "ls src/*",
        "cat $FILE",
        "cat \"$1\"",
        "grep -r foo src",
        "grep -rn foo .",
        "rg foo",
        "cargo test $ARGS",
        "head -5 src/*.rs tests/*/*.rs",
        "wc -l **/*.rs",
        "find . -name '*.rs' | xargs wc -l",
        "find . -name '*.rs' -exec grep -l x {} +",
        "cd \"$(git rev-parse --show-toplevel)\" && cat src/main.rs",
        "cat /etc/*-release",
        "ls /etc/*.conf",
        "cp src/*.rs build/",
        "tar czf out.tgz src",
        "git add *.rs",
        "for f in *.md; do cat \"$f\"; done",
        "ls -d */",
    ] {
        let judged = bash(standard(), line);
        assert_eq!(judged.decision, Decision::Allow, "{line}: {}", judged.reason);
    }
}
