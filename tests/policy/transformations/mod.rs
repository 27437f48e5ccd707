//! Rewrites commands that are known to be dangerous, and holds that the verdict never loosens.
//!
//! Each rewrite keeps what bash would run. Seeds come from every category of danger. A rewrite
//! that leaves the command readable must give a verdict at least as strict as the plain form; one
//! that *hides* it (an encoding, a glob for a program) is never allowed.
//! `ION_TRANSFORMATIONS=N` draws N compositions instead of the sample.

use super::reader::{bash, standard};
use ion::model::Decision;
use std::collections::BTreeMap;

mod rewrites;
mod seeds;

use rewrites::{LINE, Rewrite, WORDS};
use seeds::SEEDS;

/// A small generator with a fixed start, so that a red run can be repeated.
pub struct Draw(u64);

impl Draw {
    pub fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(count).unwrap()).unwrap()
    }
}

/// What a rewritten line must at least get.
fn floor(plain: Decision, hides: bool) -> Decision {
    if hides { plain.min(Decision::Ask) } else { plain }
}

#[derive(Default)]
struct Tally {
    lines: usize,
    loosened: BTreeMap<String, Vec<String>>,
}

impl Tally {
    fn judge(&mut self, name: &str, line: &str, floor: Decision) {
        self.lines += 1;
        let got = bash(standard(), line).decision;
        if got < floor {
            self.loosened.entry(name.to_owned()).or_default().push(format!("{got} {line:?}"));
        }
    }

    fn close(self, least: usize) {
        assert!(self.lines >= least, "only {} lines", self.lines);
        let shown: Vec<String> = self
            .loosened
            .iter()
            .map(|(name, lines)| format!("{name}: {}\n    {}", lines.len(), lines[0]))
            .collect();
        assert!(shown.is_empty(), "of {} lines loosened:\n{}", self.lines, shown.join("\n"));
        println!("{} lines, none loosened", self.lines);
    }
}

#[test]
fn the_seeds_are_dangerous_and_of_every_category() {
    let mut categories = BTreeMap::new();
    for (category, command) in SEEDS {
        let judged = bash(standard(), command);
        assert!(judged.decision > Decision::Allow, "{command}");
        *categories.entry(*category).or_insert(0usize) += 1;
    }
    assert!(categories.len() >= 12, "{categories:?}");
    assert!(WORDS.len() + LINE.len() >= 25);
}

#[test]
fn no_single_rewrite_loosens_a_verdict() {
    let mut tally = Tally::default();
    let mut draw = Draw(1);
    for (_, command) in SEEDS {
        let plain = bash(standard(), command).decision;
        for rewrite in WORDS.iter().chain(LINE) {
            let Some(line) = (rewrite.apply)(command, &mut draw) else { continue };
            tally.judge(rewrite.name, &line, floor(plain, rewrite.hides));
        }
    }
    tally.close(3000);
}

#[test]
fn no_composition_of_two_rewrites_loosens_a_verdict() {
    let wanted = std::env::var("ION_TRANSFORMATIONS").ok();
    let count: usize = wanted.map_or(2500, |text| text.parse().expect("a number"));
    let mut tally = Tally::default();
    let mut draw = Draw(20_261_126);
    let plain: Vec<Decision> =
        SEEDS.iter().map(|(_, command)| bash(standard(), command).decision).collect();
    while tally.lines < count {
        let seed = draw.below(SEEDS.len());
        let first: &Rewrite = match draw.below(3) {
            0 => &LINE[draw.below(LINE.len())],
            _ => &WORDS[draw.below(WORDS.len())],
        };
        let second = &LINE[draw.below(LINE.len())];
        let Some(once) = (first.apply)(SEEDS[seed].1, &mut draw) else { continue };
        let Some(twice) = (second.apply)(&once, &mut draw) else { continue };
        let name = format!("{} + {}", first.name, second.name);
        tally.judge(&name, &twice, floor(plain[seed], first.hides || second.hides));
    }
    tally.close(count);
}
