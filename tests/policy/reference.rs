//! A second, plain evaluator of rules: it recomputes the verdict from what a file says, with
//! none of the product's matching. It knows simple commands of known words alone.
//!
//! Read `properties` for the calls and rules that both are asked about.

use ion::config::schema::permissions::{PermissionLayer, RuleSpec};
use ion::model::{Decision, Effects, Tier};

/// A command of known words, and what surrounds it.
#[derive(Debug, Clone)]
pub struct Call {
    pub words: Vec<String>,
    pub interactive: Option<bool>,
    pub now: Option<i64>,
    pub effects: Option<Effects>,
    pub class: Option<String>,
    /// The command reaches a host, and the session has read untrusted content.
    pub carries_out: bool,
}

enum Part<'a> {
    Command,
    /// A path that the command reads; whether it lies outside the workspace.
    Path(&'a str, bool),
}

/// The verdicts of the sealed tier, of the rest, and of both.
pub fn verdict(layers: &[PermissionLayer], call: &Call) -> (Decision, Decision, Decision) {
    let managed = layers.iter().any(|l| binds(l) && said(&l.managed_rules_only) == Some(true));
    let mode = mode(layers);
    let (mut sealed, mut lower) = (Decision::Allow, Decision::Allow);
    let mut of_command = Decision::Allow;
    let mut lifted = false;
    let outside = |word: &str| word.starts_with('/');
    let operands = call
        .words
        .iter()
        .enumerate()
        .filter(|(at, w)| if *at == 0 { w.contains('/') } else { !w.starts_with('-') });
    let mut parts = vec![Part::Command];
    parts.extend(operands.map(|(_, word)| Part::Path(word, outside(word))));
    for part in &parts {
        let needs = match part {
            Part::Command => true,
            Part::Path(_, outside) => *outside,
        };
        let mut decided = false;
        let tools: &[&str] = match part {
            Part::Command => &["Bash"],
            Part::Path(..) => &["Read"],
        };
        for layer in layers {
            let enterprise = layer.tier == Tier::Enterprise;
            let muted = layer.tighten_only || managed && !enterprise;
            let counts =
                |rule: &&RuleSpec| !rule.report && fits(rule, layer.tier, part, tools[0], call);
            let speaking =
                |rule: &&RuleSpec| counts(rule) && !(muted && rule.decision == Decision::Allow);
            let rules = || layer.rules.iter().map(|rule| &rule.value);
            let first = rules().find(speaking).map(|rule| rule.decision);
            let label = layer.tier_rules.iter().find(|t| Some(&t.value.0) == call.class.as_ref());
            let label = label.map(|t| t.value.1).filter(|d| !(muted && *d == Decision::Allow));
            let mut opinions: Vec<Decision> = first.into_iter().chain(label).collect();
            decided |= !opinions.is_empty() && !layer.tighten_only && (!enterprise || managed);
            let exclusive = (enterprise || layer.tighten_only)
                && layer.exclusive_allow.as_ref().is_some_and(|e| e.value);
            let listed =
                rules().any(|rule| counts(&rule)) || label.is_some_and(|d| d != Decision::Deny);
            if exclusive && needs && !listed {
                opinions.push(Decision::Deny);
            }
            for opinion in opinions {
                let side = if enterprise { &mut sealed } else { &mut lower };
                *side = side.strictest(opinion);
                of_command = of_command.strictest(opinion);
            }
            if matches!(part, Part::Command) && first == Some(Decision::Allow) {
                let end = rules().position(|r| counts(&r) && r.decision != Decision::Allow);
                lifted |= rules().take(end.unwrap_or(usize::MAX)).any(|rule| {
                    counts(&rule) && rule.decision == Decision::Allow && !rule.overrides.is_empty()
                });
            }
        }
        if !decided && needs {
            lower = lower.strictest(mode);
            of_command = of_command.strictest(mode);
        }
    }
    if call.carries_out && !lifted {
        lower = lower.strictest(match of_command {
            Decision::Allow => Decision::Ask,
            Decision::Ask => Decision::Deny,
            Decision::Deny => Decision::Allow,
        });
    }
    (sealed, lower, sealed.strictest(lower))
}

fn binds(layer: &PermissionLayer) -> bool {
    layer.tighten_only || layer.tier == Tier::Enterprise
}

fn said<T: Copy>(value: &Option<ion::config::Located<T>>) -> Option<T> {
    value.as_ref().map(|value| value.value)
}

fn mode(layers: &[PermissionLayer]) -> Decision {
    let free = layers.iter().filter(|l| !binds(l) && l.mode.is_some());
    let last = free.max_by_key(|layer| layer.tier).and_then(|l| said(&l.mode));
    let floors = layers.iter().filter(|l| binds(l)).filter_map(|l| said(&l.mode));
    floors.fold(last.unwrap_or(Decision::Deny), Decision::strictest)
}

fn fits(rule: &RuleSpec, tier: Tier, part: &Part<'_>, tool: &str, call: &Call) -> bool {
    let allow = rule.decision == Decision::Allow;
    let base = |word: &str| word.rsplit('/').next().unwrap().to_owned();
    let of_command = rule.programs.is_some() || rule.argv.is_some() || rule.flags.is_some();
    if rule.tool != "*" && rule.tool != tool {
        return false;
    }
    let known = |answer: Option<bool>| answer.unwrap_or(!allow);
    let headless = rule.when.interactive.is_none_or(|w| known(call.interactive.map(|i| i == w)));
    let sealed_restriction = tier == Tier::Enterprise && !allow;
    let in_time =
        rule.expires.is_none_or(|end| sealed_restriction || known(call.now.map(|now| now < end)));
    let effects = rule.effects.as_ref().is_none_or(|listed| match call.effects {
        None => !allow,
        Some(own) => {
            let has = |word: &str| listed.iter().any(|l| l == word);
            let of = [
                ("reads", own.reads),
                ("writes", own.writes),
                ("executes", own.executes),
                ("network", own.network),
            ];
            if allow {
                of.iter().all(|(w, is)| !is || has(w))
            } else {
                of.iter().any(|(w, is)| *is && has(w))
            }
        }
    });
    if !(headless && in_time && effects) {
        return false;
    }
    let named = |path: &str, lists: &[String]| {
        lists.iter().any(|glob| {
            if glob == "src/**" { path.starts_with("src/") } else { !path.starts_with('/') }
        })
    };
    if let Part::Path(path, _) = part {
        return !of_command && rule.read.as_ref().is_none_or(|list| named(path, list));
    }
    let program = |name: &String| {
        let written = &call.words[0];
        if name.contains('/') {
            name == written || !allow && base(name) == base(written)
        } else {
            *name == base(written) && (!allow || !written.contains('/'))
        }
    };
    let paths: Vec<&String> =
        call.words[1..].iter().filter(|word| !word.starts_with('-')).collect();
    let own = call.words.iter().take(1).filter(|word| word.contains('/'));
    let paths: Vec<&String> = own.chain(paths).collect();
    let flag = |flag: &String| -> u8 {
        let of = |word: &String| match (word.as_str(), flag.as_str()) {
            (w, f) if w == f => 2,
            ("-rf", "-r") => 2,
            ("-rf", "-f") | ("--forc", "--force") => 1,
            _ => 0,
        };
        call.words[1..].iter().map(of).max().unwrap_or(0)
    };
    rule.programs.as_ref().is_none_or(|names| names.iter().any(program))
        && rule.argv.as_ref().is_none_or(|argv| {
            let first =
                argv[0].trim_matches(['[', ']']).split('|').any(|name| program(&name.to_owned()));
            first && argv_fits(&argv[1..], &call.words[1..])
        })
        && rule.flags.as_ref().is_none_or(|flags| {
            let any = flags.any_of.as_ref().is_none_or(|any| {
                let best = any.iter().map(flag).max().unwrap_or(0);
                if allow { best == 2 } else { best > 0 }
            });
            any && flags.none_of.iter().all(|f| if allow { flag(f) == 0 } else { flag(f) < 2 })
        })
        && rule.read.as_ref().is_none_or(|list| {
            let mut hits = paths.iter().map(|path| named(path, list));
            if allow { !paths.is_empty() && hits.all(|hit| hit) } else { hits.any(|hit| hit) }
        })
}

fn argv_fits(pattern: &[String], words: &[String]) -> bool {
    let Some((token, rest)) = pattern.split_first() else { return words.is_empty() };
    if token == "**" {
        return (0..=words.len()).any(|skipped| argv_fits(rest, &words[skipped..]));
    }
    let Some((word, after)) = words.split_first() else { return false };
    (token == "*" || token == word) && argv_fits(rest, after)
}
