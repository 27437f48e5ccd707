//! One compiled rule: which calls it is about, and what it says.
//!
//! All conditions must hold. INVARIANT (all or any): an allow needs every path and host of the
//! part to fit, and to fit for sure; a deny or an ask needs one, and a possible one is enough.
//! Cheap conditions are asked first: tool, kind of part, program, words, and globs at the end.

use super::facts::{Access, PathUse};
use super::match_args::CommandPattern;
use super::match_around::{Around, Surroundings};
use super::match_flags::Flags;
use super::match_host::{Fit, HostPattern};
use super::match_path::PathPattern;
use super::match_words::{Sense, Token, argv_fits, env_in, program_in};
use super::parse::ToolMatch;
use super::shell::{ANY, ANY_NAME, ANY_PLAIN_NAME, Reach, Unit};
use super::spelling::Spelling;
use crate::model::{Decision, Source, Tier, ToolName};

/// A compiled rule.
#[derive(Debug)]
pub struct Rule {
    /// Stable id.
    pub id: String,
    /// Which tools.
    pub tool: ToolMatch,
    /// What it says.
    pub decision: Decision,
    /// Why.
    pub reason: Option<String>,
    /// What to do instead.
    pub hint: Option<String>,
    /// Where to read more.
    pub url: Option<String>,
    /// Dangerous patterns that it lifts.
    pub overrides: Vec<String>,
    /// Its tier.
    pub tier: Tier,
    /// Where it is written.
    pub source: Source,
    /// It is recorded and decides nothing.
    pub report: bool,
    pub(super) commands: Option<Vec<CommandPattern>>,
    pub(super) paths: Option<Vec<PathPattern>>,
    pub(super) programs: Option<Vec<String>>,
    pub(super) argv: Option<Vec<Token>>,
    pub(super) flags: Option<Flags>,
    pub(super) env: Option<Vec<String>>,
    pub(super) read: Option<Vec<PathPattern>>,
    pub(super) write: Option<Vec<PathPattern>>,
    pub(super) hosts: Option<Vec<HostPattern>>,
    pub(super) around: Option<Surroundings>,
}

/// What a rule is asked about: one part of a call.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// One simple command.
    Unit(&'a Spelling<'a>),
    /// One path that an argument names.
    Path(&'a PathUse),
    /// A call without command and path.
    Whole,
}

impl Rule {
    /// Whether the rule has an opinion on this part of a call by `tool`.
    pub fn covers(&self, tool: &ToolName, subject: Subject<'_>, around: &Around<'_>) -> bool {
        if !self.tool.covers(tool) {
            return false;
        }
        let part = match subject {
            Subject::Unit(spelling) => self.covers_unit(spelling),
            Subject::Path(path) => !self.wants_command() && self.covers_path(path),
            Subject::Whole => !self.wants_command() && !self.wants_path(),
        };
        part && self.fits_around(around)
    }

    /// Whether a restricting rule of `tool` could be about a path that is not known in full.
    pub fn could_reach(&self, tool: &ToolName, reach: &Reach, around: &Around<'_>) -> bool {
        self.tool.covers(tool)
            && !self.wants_command()
            && self.could_reach_path(reach)
            && self.fits_around(around)
    }

    /// The base names of programs that the rule can only be about, where they are written out:
    /// a command with another, known program need not be shown to it. `None` says nothing.
    pub fn first_words(&self) -> Option<Vec<&str>> {
        let base = |name: &'_ str| name.rsplit('/').next().map(str::len).unwrap_or(0);
        let literal = |names: &'_ [String]| names.iter().all(|name| !name.contains('*'));
        let names = match (&self.programs, self.argv.as_deref()) {
            (Some(names), _) if literal(names) => names,
            (_, Some([Token::Text(names), ..])) if literal(names) => names,
            _ => return None,
        };
        Some(names.iter().map(|name| &name[name.len() - base(name)..]).collect())
    }

    /// The first second at which the rule no longer holds.
    pub fn expires(&self) -> Option<i64> {
        self.around.as_ref().and_then(Surroundings::expires)
    }

    /// Whether the rule can only be about commands.
    pub fn wants_command(&self) -> bool {
        self.commands.is_some()
            || self.programs.is_some()
            || self.argv.is_some()
            || self.flags.is_some()
            || self.env.is_some()
    }

    /// Whether the rule can only be about paths, or commands that touch some.
    pub fn wants_path(&self) -> bool {
        self.paths.is_some() || self.read.is_some() || self.write.is_some()
    }

    /// Whether nothing but tool and paths decides whether the rule holds.
    pub(super) fn always(&self) -> bool {
        self.around.is_none() && self.hosts.is_none() && !self.report
    }

    fn sense(&self) -> Sense {
        let allow = self.decision == Decision::Allow;
        // What ships is written with what is unknown in mind; others' words mean all of it.
        Sense { allow, unknown: !allow && self.tier != Tier::Builtin }
    }

    fn fits_around(&self, around: &Around<'_>) -> bool {
        let allow = self.decision == Decision::Allow;
        // A restriction of the sealed tier outlives its date: forgetting it must not open.
        let keeps = !allow && self.tier == Tier::Enterprise;
        self.around.as_ref().is_none_or(|conditions| conditions.hold(around, allow, keeps))
            && self.hosts.as_ref().is_none_or(|wanted| self.covers_hosts(wanted, around))
    }

    fn covers_hosts(&self, wanted: &[HostPattern], around: &Around<'_>) -> bool {
        let fit = |host: &str| wanted.iter().map(|one| one.fits(host)).max().unwrap_or(Fit::No);
        let mut hosts = around.all_hosts().peekable();
        if self.decision == Decision::Allow {
            hosts.peek().is_some()
                && !around.unknown_host()
                && hosts.all(|host| fit(host) == Fit::Yes)
        } else {
            // A shipped denial of one host must not deny `curl $URL`, which asks anyway.
            let heard = self.tier != Tier::Builtin || self.decision == Decision::Ask;
            heard && around.unknown_host() || hosts.any(|host| fit(host) != Fit::No)
        }
    }

    fn covers_path(&self, path: &PathUse) -> bool {
        self.paths.as_ref().is_none_or(|patterns| self.any_path(patterns, path))
            && (self.read.is_none() && self.write.is_none() || self.listed(path))
    }

    /// Whether `read` or `write`, whichever is about this use, names the path.
    fn listed(&self, path: &PathUse) -> bool {
        let list = if path.access == Access::Read { &self.read } else { &self.write };
        list.as_ref().is_some_and(|patterns| self.any_path(patterns, path))
    }

    fn any_path(&self, patterns: &[PathPattern], path: &PathUse) -> bool {
        patterns.iter().any(|pattern| match self.decision {
            Decision::Allow => pattern.permits(path),
            Decision::Ask | Decision::Deny => pattern.restricts(path),
        })
    }

    fn could_reach_path(&self, reach: &Reach) -> bool {
        // What ships must not stop `cat $FILE`: it hears of globs alone.
        let heard = self.tier != Tier::Builtin || !reach.tree && !reach.shape.contains(ANY);
        let use_list = if reach.access == Access::Read { &self.read } else { &self.write };
        let could = |list: &Option<Vec<PathPattern>>| {
            list.as_ref().is_some_and(|all| all.iter().any(|pattern| pattern.could_reach(reach)))
        };
        self.decision != Decision::Allow
            && heard
            && match (self.paths.is_some(), self.read.is_some() || self.write.is_some()) {
                (false, false) => false,
                (true, false) => could(&self.paths),
                (false, true) => could(use_list),
                (true, true) => could(&self.paths) && could(use_list),
            }
    }

    fn covers_unit(&self, spelling: &Spelling<'_>) -> bool {
        let unit = spelling.unit;
        let sense = self.sense();
        // FAIL CLOSED: what was not understood never matches an allow rule.
        if sense.allow && unit.opaque.is_some() {
            return false;
        }
        self.programs.as_ref().is_none_or(|names| program_in(names, unit, sense))
            && self.argv.as_ref().is_none_or(|pattern| argv_fits(pattern, unit, sense))
            && self.flags.as_ref().is_none_or(|flags| flags.fit(unit, sense))
            && self.env.as_ref().is_none_or(|names| env_in(names, unit, sense))
            && self.commands.as_ref().is_none_or(|patterns| self.covers_text(patterns, spelling))
            && self.covers_paths_of(unit)
    }

    fn covers_text(&self, patterns: &[CommandPattern], spelling: &Spelling<'_>) -> bool {
        let Sense { allow, unknown } = self.sense();
        let text = if allow { spelling.permitted() } else { spelling.unit.text.as_str() };
        let shapes = if unknown { spelling.shapes() } else { &[] };
        patterns.iter().any(|pattern| {
            shapes.iter().any(|shape| pattern.could_match(shape))
                || pattern.matches(text, !allow)
                || (!allow && spelling.written().is_some_and(|text| pattern.matches(text, true)))
        })
    }

    fn covers_paths_of(&self, unit: &Unit) -> bool {
        if !self.wants_path() {
            return true;
        }
        if self.decision != Decision::Allow {
            let hit = |path: &PathUse| self.covers_path(path);
            return unit.paths.iter().any(hit)
                || unit.reaches.iter().any(|reach| self.could_reach_path(reach));
        }
        // FAIL CLOSED: a path that is only known when it runs, or lies elsewhere, fits nothing.
        let unknown = unit.late || unit.dynamic || unit.remote;
        if unknown || unit.paths.is_empty() || !unit.reaches.iter().all(|r| self.permits_tree(r)) {
            return false;
        }
        let in_paths = self
            .paths
            .as_ref()
            .is_none_or(|all| unit.paths.iter().all(|path| self.any_path(all, path)));
        let of = |access: Access| {
            unit.paths
                .iter()
                .filter(move |path| (path.access == Access::Read) == (access == Access::Read))
        };
        let reads = match &self.read {
            // Who may write there may read on the way; other rules judge each path besides.
            None => true,
            Some(all) => of(Access::Read).all(|path| self.any_path(all, path)),
        };
        let writes = match (&self.write, &self.read) {
            (Some(all), _) => of(Access::Write).all(|path| self.any_path(all, path)),
            // An allow to read is none to write.
            (None, Some(_)) => of(Access::Write).next().is_none(),
            (None, None) => true,
        };
        let named = self.read.is_none() && self.write.is_none()
            || self.read.is_some() && of(Access::Read).next().is_some()
            || self.write.is_some() && of(Access::Write).next().is_some();
        in_paths && reads && writes && named
    }

    /// Whether an allow covers a whole tree: its root and whatever lies below.
    fn permits_tree(&self, reach: &Reach) -> bool {
        if reach.shape.contains([ANY, ANY_NAME, ANY_PLAIN_NAME]) {
            return false;
        }
        let within = |list: &Option<Vec<PathPattern>>| {
            list.as_ref()
                .is_none_or(|all| all.iter().any(|pattern| pattern.covers_tree(&reach.shape)))
        };
        within(&self.paths)
            && if reach.access == Access::Read { within(&self.read) } else { within(&self.write) }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::read_permissions;
    use crate::model::{AbsPath, Tier};
    use crate::policy::{Anchors, compile};

    fn first_words(conditions: &str) -> Option<String> {
        let toml =
            format!("[[permissions.rules]]\ntool = \"Bash\"\ndecision = \"deny\"\n{conditions}\n");
        let layer = read_permissions(Tier::User, "u.toml", &toml).unwrap();
        let anchors = Anchors { workspace: AbsPath::new("/w").unwrap(), home: None };
        let rules = compile(&[layer], anchors).unwrap();
        rules.layers()[0].rules[0].first_words().map(|names| names.join(" "))
    }

    #[test]
    fn the_first_words_of_a_rule_are_those_that_it_can_only_be_about() {
        assert_eq!(first_words("programs = [\"git\", \"/opt/x/hg\"]").as_deref(), Some("git hg"));
        assert_eq!(first_words("argv = [\"[a|b]\", \"**\"]").as_deref(), Some("a b"));
        assert_eq!(first_words("programs = [\"python*\"]"), None);
        assert_eq!(first_words("argv = [\"*\", \"x\"]"), None);
        assert_eq!(first_words("commandPatterns = [\"git *\"]"), None);
        assert_eq!(first_words("read = [\"a\"]"), None);
    }
}
