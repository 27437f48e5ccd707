//! The index against the list: no rule that speaks may be left out.

use super::*;
use crate::config::read_permissions;
use crate::model::AbsPath;
use crate::model::Tier;
use crate::policy::facts::Access;
use crate::policy::shell::{ShellPlace, parse};
use crate::policy::{Anchors, CallFacts, RuleSet, compile};
use proptest::prelude::*;

fn compiled(toml: &str, tier: Tier) -> Option<RuleSet> {
    let home = AbsPath::new("/home/dev").unwrap();
    let anchors = Anchors { workspace: home.join("app").unwrap(), home: Some(home) };
    compile(&[read_permissions(tier, "rules.toml", toml).ok()?], anchors).ok()
}

fn list(of: impl Strategy<Value = &'static str>) -> impl Strategy<Value = String> {
    proptest::collection::vec(of, 0..3).prop_map(|all| format!("{all:?}"))
}

const PATTERNS: &[&str] = &[
    "git *",
    "git push*",
    "*",
    "?it push",
    "git push origin main",
    "^git (push|pull)\\b",
    "push",
    "(?i)DEPLOY",
    "^(?:deploy|rm) ",
    "deploy production",
    "rm.*target",
    "./x *",
    "/tmp/git *",
    "ls|cat",
    "cat .env",
    "a*",
    "GIT push",
    "\\bprod\\w+$",
    "^$",
    "git??push",
];
const PATHS: &[&str] = &[
    "./src/**",
    "src",
    ".env",
    "**/*.pem",
    "*.rs",
    "/etc/**",
    "~/.ssh/**",
    "/",
    "/**",
    "./a//b",
    "./a/./b",
    "./{a,src}/*",
    "src/lib.rs",
    "**/deep/name",
    "/home/dev/app",
    "~",
    "./src*/x",
    "[s]rc",
    "/home/dev/app/src/",
];
const HOSTS: &[&str] = &[
    "example.org",
    "*.example.org",
    "example.org:443",
    "10.0.0.0/8",
    "127.0.0.1",
    "docs.example.org",
];

/// One rule with any of the conditions that are filed.
fn rule() -> impl Strategy<Value = String> {
    let maybe = |key: &'static str, of: &'static [&'static str]| {
        proptest::option::weighted(0.25, list(proptest::sample::select(of)))
            .prop_map(move |list| list.map(|list| format!("{key} = {list}\n")).unwrap_or_default())
    };
    const TOOLS: &[&str] = &[
        "Bash",
        "*",
        "Read",
        "Write",
        "WebFetch",
        "mcp__s__",
        "Bash(git push:*)",
        "Bash(git *)",
        "Read(./src/**)",
        "WebFetch(domain:example.org)",
    ];
    (
        proptest::sample::select(TOOLS).prop_map(str::to_owned),
        proptest::sample::select(&["allow", "ask", "deny"][..]),
        maybe("commandPatterns", PATTERNS),
        maybe("pathPatterns", PATHS),
        maybe("programs", &["git", "/opt/git", "py*", "rm", "cat"]),
        maybe("argv", &["git", "[rm|cat]", "*", "**", "push"]),
        maybe("read", PATHS),
        maybe("write", PATHS),
        maybe("hosts", HOSTS),
        maybe("env", &["A", "PATH*"]),
    )
        .prop_map(|(tool, decision, a, b, c, d, e, f, g, h)| {
            format!("[[permissions.rules]]\ntool = \"{tool}\"\ndecision = \"{decision}\"\n{a}{b}{c}{d}{e}{f}{g}{h}")
        })
}

fn command() -> impl Strategy<Value = String> {
    let word = proptest::sample::select(
        &[
            "git",
            "push",
            "origin",
            "main",
            "rm",
            "-rf",
            "target",
            "cat",
            ".env",
            "src/lib.rs",
            "$x",
            "${x}y",
            "pro$x",
            "*.rs",
            "src/*",
            "../x",
            "/etc/passwd",
            "~/.ssh/id",
            "deploy",
            "production",
            "./x",
            "/tmp/git",
            "curl",
            "https://docs.example.org/a",
            "https://$h/",
            "http://10.1.2.3:80",
            "$(cat src)",
            "python3",
            "A=b",
            "export",
            "xargs",
            "./a//b",
            "/home/dev/app",
            "DEPLOY",
            "\"$p\"",
            "/",
            "deep/name",
            "find",
            "-r",
            "cp",
            "ls",
            "$p/src",
            "|",
            "&&",
            ">",
            ">>",
            "--opt=$x",
            "nc",
            "example.org",
            "443",
            "'",
        ][..],
    );
    proptest::collection::vec(word, 0..7).prop_map(|words| words.join(" "))
}

fn path_text() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(
        &[
            "/home/dev/app/src/lib.rs",
            "/home/dev/app/.env",
            "/etc/passwd",
            "/",
            "/home/dev/app/a/b",
            "/home/dev/app/src",
            "/x/deep/name",
            "/home/dev/.ssh/id",
            "/home/dev/app",
            "/home/dev/app/srcs/x",
        ][..],
    )
}

/// Every rule that speaks, asked one by one, must be a candidate.
fn complete(rules: &RuleSet, tool: &str, facts: &CallFacts) -> Result<(), TestCaseError> {
    let tool = ToolName::resolve(tool);
    let list = &rules.layers()[0].rules;
    let index = Index::new(list);
    let speaks = |subject: Subject<'_>, around: &Around<'_>| -> Vec<u32> {
        (0..)
            .zip(list)
            .filter(|(_, r)| r.covers(&tool, subject, around))
            .map(|(at, _)| at)
            .collect()
    };
    let check = |wanted: Vec<u32>, found: Vec<u32>, about: &str| {
        prop_assert!(found.is_sorted(), "out of order: {found:?}");
        let missed = wanted.iter().filter(|at| !found.contains(at)).map(|at| &list[*at as usize]);
        let missed: Vec<_> = missed.collect();
        prop_assert!(missed.is_empty(), "{about}: {missed:?}");
        Ok(())
    };
    let around = Around::of(facts);
    check(
        speaks(Subject::Whole, &around),
        index.about(&tool, Subject::Whole, &around),
        "the call",
    )?;
    let one_path = |path: &PathUse, around: &Around<'_>| {
        let subject = Subject::Path(path);
        check(
            speaks(subject, around),
            index.about(&tool, subject, around),
            &path.lexical.to_string(),
        )
    };
    for path in &facts.paths {
        one_path(path, &around)?;
    }
    for unit in facts.command.iter().flat_map(|script| &script.units) {
        let (around, spelling) = (around.within(unit), Spelling::of(unit));
        let subject = Subject::Unit(&spelling);
        check(speaks(subject, &around), index.about(&tool, subject, &around), &unit.text)?;
        for path in &unit.paths {
            one_path(path, &around)?;
        }
        for reach in &unit.reaches {
            let named = AbsPath::new(&reach.shape).map(|path| PathUse::lexical(path, reach.access));
            let reaches = (0..).zip(list).filter(|(_, rule)| {
                rule.could_reach(&tool, reach, &around)
                    || named.as_ref().is_some_and(|p| rule.covers(&tool, Subject::Path(p), &around))
            });
            let found = index.within_reach(&tool, reach, named.as_ref(), &around);
            check(reaches.map(|(at, _)| at).collect(), found, &reach.shape)?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_rule_that_speaks_is_left_out(
        written in proptest::collection::vec(rule(), 1..24),
        tier in proptest::sample::select(&[Tier::Builtin, Tier::User, Tier::Enterprise][..]),
        tool in proptest::sample::select(&["Bash", "Read", "Write", "WebFetch", "mcp__s__t", "other"][..]),
        lines in proptest::collection::vec(command(), 4),
        (lexical, canonical) in (path_text(), path_text()),
        host in proptest::option::of(proptest::sample::select(
            &["example.org", "docs.example.org", "EXAMPLE.org:443", "10.1.1.1", "0x7f.1", ""][..])),
        access in proptest::sample::select(&[Access::Read, Access::Write][..]),
    ) {
        // A rule that is refused on its own is left out.
        let kept: String = written.into_iter().filter(|one| compiled(one, tier).is_some()).collect();
        let Some(rules) = compiled(&kept, tier) else { return Ok(()) };
        let home = AbsPath::new("/home/dev").unwrap();
        let cwd = home.join("app").unwrap();
        let plain = CallFacts::of(ToolName::resolve(tool), &cwd, Some(&home));
        let (lexical, canonical) = (AbsPath::new(lexical).unwrap(), AbsPath::new(canonical).unwrap());
        let facts = CallFacts {
            paths: vec![PathUse { lexical, canonical, access }],
            hosts: host.map(str::to_owned).into_iter().collect(),
            ..plain.clone()
        };
        complete(&rules, tool, &facts)?;
        for line in lines {
            let script = parse(&line, &ShellPlace { cwd: &cwd, home: Some(&home) });
            complete(&rules, tool, &CallFacts { command: Some(script), ..plain.clone() })?;
            // The file tools judge the paths of commands.
            let script = parse(&line, &ShellPlace { cwd: &cwd, home: Some(&home) });
            complete(&rules, "Read", &CallFacts { command: Some(script), ..plain.clone() })?;
        }
    }
}

/// Long lists go through the index, short ones do not: the verdict must not tell them apart.
#[test]
fn a_long_list_says_what_a_short_one_says() {
    use crate::policy::evaluate;
    let rule = |tool: &str, decision: &str, condition: &str| {
        format!(
            "[[permissions.rules]]\ntool = \"{tool}\"\ndecision = \"{decision}\"\n{condition}\n"
        )
    };
    let own: String = [
        rule("Bash", "deny", "commandPatterns = [\"git push origin main\"]"),
        rule("Bash", "allow", "commandPatterns = [\"git push *\"]"),
        rule("Bash", "deny", "commandPatterns = [\"deploy production\"]"),
        rule("Write", "deny", "pathPatterns = [\"./generated/secret/**\"]"),
        rule("Bash", "allow", "programs = [\"make\"]"),
    ]
    .concat();
    let padding = |from: usize| -> String {
        (from..from + 200)
            .map(|at| rule("Bash", "allow", &format!("commandPatterns = [\"tool{at} *\"]")))
            .collect()
    };
    let short = compiled(&own, Tier::User).unwrap();
    let long = compiled(&format!("{}{own}{}", padding(0), padding(200)), Tier::User).unwrap();
    let home = AbsPath::new("/home/dev").unwrap();
    let cwd = home.join("app").unwrap();
    let mut said = Vec::new();
    for line in [
        "git push origin main",
        "git push origin x",
        "deploy $x",
        "deploy production",
        "make all",
        "rm -rf generated",
        "touch generated/secret/x",
        "$x y",
        "echo a | xargs deploy",
        "ls",
    ] {
        let script = parse(line, &ShellPlace { cwd: &cwd, home: Some(&home) });
        let plain = CallFacts::of(ToolName::resolve("Bash"), &cwd, Some(&home));
        let facts = CallFacts { command: Some(script), ..plain };
        let (one, other) = (evaluate(&short, &facts), evaluate(&long, &facts));
        assert_eq!((one.decision, one.decided_by), (other.decision, other.decided_by), "{line}");
        said.push(one.decision.as_str());
    }
    assert!(said.contains(&"allow") && said.contains(&"deny"), "{said:?}");
}
