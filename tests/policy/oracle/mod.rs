//! Bash itself is the oracle: what it runs in a line that policy allows is what policy listed.
//!
//! Lines are made from a grammar, judged under the profile `standard`, and those that are
//! allowed are run by bash in a sandbox where every program only writes down its arguments.
//! `ION_ORACLE_LINES=1000000` judges that many; `ION_ORACLE_SEED` draws others.
//! Read `claim` for what is claimed, `stage` for the sandbox, `grammar` for the lines.

mod claim;
pub mod grammar;
mod seeds;
mod shim;
mod stage;

use super::reader::{bash_facts, standard};
use grammar::{Dice, PROGRAMS};
use ion::model::Decision;
use ion::policy::shell::Script;
use stage::Stage;

/// Lines that are judged unless a variable says otherwise.
const LINES: usize = 20_000;
/// Lines of one sandbox.
const BATCH: usize = 250;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The parsed line, if policy allows it.
fn allowed(line: &str) -> Option<Script> {
    let facts = bash_facts(line);
    let judged = ion::policy::evaluate(standard(), &facts);
    (judged.decision == Decision::Allow).then_some(facts.command?)
}

/// What bash started in an allowed line although nothing listed it.
fn surprise(stage: &Stage, line: &str) -> Option<String> {
    let script = allowed(line)?;
    [0, 1].into_iter().find_map(|mode| {
        let started = stage.run(&[line], mode).pop()?;
        claim::unlisted(&script, &started).map(|found| format!("{:?} ({})", found.argv, found.exe))
    })
}

/// The shortest line found by leaving out words and characters that still surprises.
fn shortest(stage: &Stage, line: &str) -> String {
    let mut best = line.to_owned();
    let mut left = 150;
    for size in [24, 12, 6, 3, 1] {
        let mut at = 0;
        while at < best.chars().count() && left > 0 {
            let shorter: String = best
                .chars()
                .enumerate()
                .filter(|(n, _)| *n < at || *n >= at + size)
                .map(|(_, c)| c)
                .collect();
            left -= 1;
            if allowed(&shorter).is_some() && surprise(stage, &shorter).is_some() {
                best = shorter;
            } else {
                at += size;
            }
        }
    }
    best
}

/// Judges `count` lines and runs the allowed ones. What bash started unseen, and how many ran.
fn explore(stage: &Stage, seed: u64, count: usize) -> (Vec<(String, String)>, usize) {
    let mut dice = Dice::new(seed);
    let (mut surprises, mut ran) = (Vec::new(), 0);
    let mut batch: Vec<(String, Script)> = Vec::new();
    for at in 0..count {
        let line = if at < seeds::LINES.len() {
            seeds::LINES[at].to_owned()
        } else if dice.below(4) == 0 {
            grammar::near(&mut dice, seeds::LINES)
        } else {
            grammar::line(&mut dice)
        };
        if !line.contains('\0')
            && let Some(script) = allowed(&line)
        {
            batch.push((line, script));
        }
        if batch.len() >= BATCH || at + 1 == count {
            let lines: Vec<&str> = batch.iter().map(|(line, _)| line.as_str()).collect();
            for mode in [0, 1] {
                for ((line, script), started) in batch.iter().zip(stage.run(&lines, mode)) {
                    if let Some(found) = claim::unlisted(script, &started) {
                        surprises.push((line.clone(), format!("{:?} ({})", found.argv, found.exe)));
                    }
                }
            }
            ran += batch.len();
            batch.clear();
        }
    }
    surprises.sort();
    surprises.dedup_by(|a, b| a.0 == b.0);
    (surprises, ran)
}

#[test]
fn what_bash_runs_in_an_allowed_line_was_listed() {
    let count = number("ION_ORACLE_LINES").map_or(LINES, |n| n as usize);
    let seed = number("ION_ORACLE_SEED").or(number("PROPTEST_RNG_SEED")).unwrap_or(20_261_126);
    let stage = Stage::new(PROGRAMS);
    let halves = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2u64)
            .map(|half| {
                scope.spawn({
                    let stage = &stage;
                    move || explore(stage, seed ^ (half << 32), count / 2)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a half")).collect::<Vec<_>>()
    });
    let ran: usize = halves.iter().map(|(_, ran)| ran).sum();
    let surprises: Vec<_> = halves.into_iter().flat_map(|(found, _)| found).collect();
    println!("{count} lines judged, {ran} allowed and run twice, seed {seed}");
    let shown: Vec<String> = surprises
        .iter()
        .take(25)
        .map(|(line, what)| {
            format!("{:?}\n    from {line:?}\n    started {what}", shortest(&stage, line))
        })
        .collect();
    assert!(
        surprises.is_empty(),
        "{} of {ran} allowed lines started something unlisted (ION_ORACLE_SEED={seed}):\n{}",
        surprises.len(),
        shown.join("\n")
    );
    assert!(ran * 10 > count, "only {ran} of {count} lines were allowed: the oracle saw little");
}

#[test]
fn the_oracle_sees_what_it_is_there_to_see() {
    let stage = Stage::new(PROGRAMS);
    let started = |line: &str, mode| {
        let of = |s: &stage::Started| s.argv.join(" ");
        stage.run(&[line], mode)[0].iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(started("ls 'a b' \"$HOME\"", 0), ["ls a b /home/dev"]);
    assert_eq!(started("ls && cat f || wc f", 0), ["ls", "cat f"]);
    assert_eq!(started("ls && cat f || wc f", 1), ["ls", "wc f"]);
    assert_eq!(started("x=$(cat f); ((x))", 1), ["cat f", "pwned"]);
    // A job that outlives its line must not write into the next one.
    let late = stage.run(&["(while :; do :; done; pwned) & ls", "cat f", "sleep 1"], 0);
    assert_eq!(late.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    // A command that nobody listed, and one whose arguments are other ones.
    let script = bash_facts("ls a").command.expect("a script");
    for (line, fits) in
        [("ls a", true), ("ls a b", false), ("ls", false), ("./ls a", false), ("cat a", false)]
    {
        let ran = stage.run(&[line], 0).pop().expect("a case");
        assert_eq!(claim::unlisted(&script, &ran).is_none(), fits, "{line}");
    }
}
