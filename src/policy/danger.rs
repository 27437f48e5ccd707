//! Dangerous patterns: shipped ones with conditions over a parsed command, users' as expressions.

mod library;

use super::endpoints;
use super::evaluate::Origin;
use super::expression::{Expression, Lazy};
use super::facts::{Access, PathUse, Region, region};
use super::shell::{Assignment, Script, UNKNOWN_TEXT, Unit};
use crate::config::schema::permissions::Severity;
use crate::model::{AbsPath, Source, Tier};
use crate::shipped::tree::{Data, Entry, Node};
use crate::shipped::{self, Shipped};
use library::Library;
use serde::Serialize;
use std::sync::{Arc, LazyLock};

/// A pattern that a command hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DangerHit {
    /// The pattern's id.
    pub pattern: String,
    /// Its category.
    pub category: String,
    /// What it does.
    pub severity: Severity,
}

/// A dangerous pattern: every condition that is present must hold.
#[derive(Debug, Default)]
pub struct Danger {
    /// Stable id.
    pub id: String,
    /// Free-form category.
    pub category: String,
    /// What a hit does.
    pub severity: Option<Severity>,
    /// Why.
    pub reason: String,
    /// What to do instead.
    pub hint: Option<String>,
    /// Where it is written.
    pub source: Option<Source>,
    /// Commands that must match.
    pub matches: Vec<String>,
    /// Commands that must not match.
    pub rejects: Vec<String>,
    programs: Vec<String>,
    not_programs: Vec<String>,
    flags: Vec<String>,
    not_flags: Vec<String>,
    args: Option<Lazy>,
    not_args: Option<Lazy>,
    text: Option<Lazy>,
    code: Option<Lazy>,
    assigns: Option<Lazy>,
    /// Values of a matched variable that are harmless; the workspace reads `.` in them.
    not_values: Option<Lazy>,
    piped_from: Vec<String>,
    fed_by: Vec<String>,
    deletes: Vec<String>,
    writes: Vec<String>,
    reads: Vec<String>,
    marks: Vec<String>,
    raw: Option<Lazy>,
    /// One of these must stand in the text before an expression is tried.
    contains: Vec<String>,
}

const FETCHERS: &[&str] = &[
    "curl",
    "wget",
    "fetch",
    "aria2c",
    "http",
    "https",
    "xh",
    "nc",
    "ncat",
    "netcat",
    "socat",
    "ftp",
    "lwp-request",
    "lynx",
    "w3m",
    "scp",
    "ssh",
    "dig",
    "nslookup",
    "host",
    "telnet",
    "gh",
    "aws",
    "gsutil",
];
const DECODERS: &[&str] = &[
    "base64", "base32", "basenc", "xxd", "openssl", "uudecode", "gunzip", "zcat", "gzip", "bzcat",
    "xzcat", "bunzip2", "tr", "rev", "od", "gpg", "perl", "python3", "python", "awk", "printf",
    "sed",
];

const FILE: Shipped = shipped::DANGEROUS;

/// The patterns compiled into the binary.
pub fn library() -> &'static Library {
    static ALL: LazyLock<Library> = LazyLock::new(|| {
        let all = each(FILE, "pattern").map(|(mut table, at)| from_table(&mut table, at));
        Library::new(all.collect())
    });
    &ALL
}

/// The patterns compiled into the binary, as a list.
pub fn builtin() -> &'static [Danger] {
    &library().all
}

/// The origin of the finding about a line's characters, whose entry has no conditions.
pub fn invisible_character() -> Origin {
    const ID: &str = "evasion.invisible-character";
    let source = builtin().iter().find(|danger| danger.id == ID).and_then(|d| d.source.clone());
    let source = source.unwrap_or_else(|| Source::new(Tier::Builtin, FILE.name()));
    Origin { id: ID.to_owned(), tier: Tier::Builtin, source }
}

/// The tables of a shipped list, each with the place of its header.
pub(super) fn each(file: Shipped, key: &str) -> impl Iterator<Item = (Vec<Entry>, Source)> {
    file.tables(key).into_iter().filter_map(move |node| match node.data {
        Data::Table(table) => {
            Some((table, Source::new(Tier::Builtin, file.name()).at(node.at.line)))
        }
        _ => None,
    })
}

/// Takes a text out of a table.
pub(super) fn text_of(table: &mut [Entry], key: &str) -> Option<String> {
    match &mut table.iter_mut().find(|entry| entry.key == key)?.value.data {
        Data::Text(text) => Some(std::mem::take(text)),
        _ => None,
    }
}

/// Takes a list of texts out of a table.
pub(super) fn list_of(table: &mut [Entry], key: &str) -> Vec<String> {
    let found = table.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value.data);
    let Some(Data::List(nodes)) = found else { return Vec::new() };
    let text = |node: Node| match node.data {
        Data::Text(text) => Some(text),
        _ => None,
    };
    std::mem::take(nodes).into_iter().filter_map(text).collect()
}

fn lazy(table: &mut [Entry], key: &str) -> Option<Lazy> {
    text_of(table, key).map(Lazy::new)
}

fn from_table(table: &mut [Entry], source: Source) -> Danger {
    Danger {
        id: text_of(table, "id").unwrap_or_default(),
        category: text_of(table, "category").unwrap_or_default(),
        severity: severity(table),
        reason: text_of(table, "reason").unwrap_or_default(),
        hint: text_of(table, "hint"),
        source: Some(source),
        matches: list_of(table, "matches"),
        rejects: list_of(table, "rejects"),
        programs: list_of(table, "programs"),
        not_programs: list_of(table, "not_programs"),
        flags: list_of(table, "flags"),
        not_flags: list_of(table, "not_flags"),
        args: lazy(table, "args"),
        not_args: lazy(table, "not_args"),
        text: lazy(table, "text"),
        code: lazy(table, "code"),
        assigns: lazy(table, "assigns"),
        not_values: lazy(table, "not_values"),
        piped_from: list_of(table, "piped_from"),
        fed_by: list_of(table, "fed_by"),
        deletes: list_of(table, "deletes"),
        writes: list_of(table, "writes"),
        reads: list_of(table, "reads"),
        marks: list_of(table, "marks"),
        raw: lazy(table, "raw"),
        contains: list_of(table, "contains"),
    }
}

pub(super) fn severity(table: &mut [Entry]) -> Option<Severity> {
    match text_of(table, "severity")?.as_str() {
        "notice" => Some(Severity::Notice),
        "high" => Some(Severity::High),
        // FAIL CLOSED: a misspelt severity denies.
        _ => Some(Severity::Critical),
    }
}

/// Where a call runs: what `deletes = ["home"]` is measured against.
pub struct Ground<'a> {
    /// The working folder.
    pub workspace: &'a AbsPath,
    /// The user's home.
    pub home: Option<&'a AbsPath>,
}

impl Danger {
    /// A user's expression over one command or the whole line.
    ///
    /// # Errors
    /// The expression's own error.
    pub fn expression(
        pattern: &str,
        id: String,
        category: String,
        severity: Severity,
        reason: String,
        source: Source,
    ) -> Result<Self, String> {
        Expression::new(pattern)?;
        let lazy = || Some(Lazy::new(pattern));
        Ok(Danger {
            id,
            category,
            severity: Some(severity),
            reason,
            source: Some(source),
            text: lazy(),
            raw: lazy(),
            ..Danger::default()
        })
    }

    /// Whether the whole line hits.
    pub fn hits_line(&self, script: &Script) -> bool {
        self.programs.is_empty()
            && self.mentions(&script.raw)
            && self.raw.as_ref().is_some_and(|raw| hits(raw, &script.raw))
    }

    /// Whether it is about where a secret goes in the line, which no single command shows.
    pub fn about_flow(&self) -> bool {
        self.marks.iter().any(|mark| mark == "leaves")
    }

    /// Whether one command hits.
    pub fn hits(&self, unit: &Unit, ground: &Ground<'_>) -> bool {
        // The cheap questions first: expressions are compiled when they are reached.
        self.has_condition()
            && self.program_fits(unit)
            && self.surroundings_fit(unit, ground)
            && self.paths_fit(unit, ground)
            && self.mentions(&unit.text)
            && self.words_fit(unit, ground)
    }

    /// Whether single commands are looked at, and not only whole lines.
    fn has_condition(&self) -> bool {
        self.text.is_some() || self.raw.is_none()
    }

    fn mentions(&self, text: &str) -> bool {
        self.contains.is_empty() || self.contains.iter().any(|part| text.contains(part.as_str()))
    }

    fn program_fits(&self, unit: &Unit) -> bool {
        (self.programs.is_empty() || listed(&self.programs, &unit.program))
            && !listed(&self.not_programs, &unit.program)
    }

    fn words_fit(&self, unit: &Unit, ground: &Ground<'_>) -> bool {
        let args = || unit.text.split_once(' ').map_or("", |(_, rest)| rest);
        self.flags.iter().all(|flag| has_flag(unit, flag))
            && !self.not_flags.iter().any(|flag| has_flag(unit, flag))
            && self.args.as_ref().is_none_or(|regex| hits(regex, args()))
            && !self.not_args.as_ref().is_some_and(|regex| hits(regex, args()))
            && self.text.as_ref().is_none_or(|regex| hits(regex, &unit.text))
            && self
                .code
                .as_ref()
                .is_none_or(|regex| unit.code.as_deref().is_some_and(|code| hits(regex, code)))
            && self.assigns.as_ref().is_none_or(|regex| {
                unit.assignments
                    .iter()
                    .any(|a| hits(regex, &a.name) && !self.harmless_value(a, ground))
            })
    }

    fn harmless_value(&self, assignment: &Assignment, ground: &Ground<'_>) -> bool {
        self.not_values.as_ref().is_some_and(|regex| {
            let workspace = ground.workspace.to_string();
            hits(regex, &assignment.value.text.replace(&workspace, "."))
        })
    }

    fn surroundings_fit(&self, unit: &Unit, ground: &Ground<'_>) -> bool {
        let from = |wanted: &[String], have: &[String]| {
            wanted.is_empty() || have.iter().any(|program| listed(wanted, program))
        };
        from(&self.piped_from, &unit.piped_from)
            && from(&self.fed_by, &unit.fed_by)
            && self.marks.iter().all(|mark| match mark.as_str() {
                "dynamic" => unit.dynamic,
                "self-call" => unit.self_call,
                "new-file" => unit.runs_new_file,
                "socket" => !unit.sockets.is_empty(),
                "remote" => unit.remote,
                "unknown-text" => unit.opaque.as_deref() == Some(UNKNOWN_TEXT),
                "substituted" => !unit.fed_by.is_empty(),
                "adrift" => {
                    unit.dynamic
                        && !endpoints::anchored(unit, ground.workspace)
                        && !endpoints::found_by_search(unit)
                }
                "elsewhere" => !endpoints::only_loopback(unit),
                "mounts-outside" => endpoints::mounts_outside(unit, ground.workspace, ground.home),
                // Seen from the whole line only: `about_flow`.
                "leaves" => false,
                "no-script" => !unit.arguments().iter().any(|w| !w.text.starts_with('-')),
                _ => true,
            })
    }

    fn paths_fit(&self, unit: &Unit, ground: &Ground<'_>) -> bool {
        let fits = |wanted: &[String], test: fn(&PathUse) -> bool| {
            wanted.is_empty()
                || unit.paths.iter().filter(|path| test(path)).any(|path| {
                    [&path.lexical, &path.canonical].into_iter().any(|path| {
                        let name = match region(path, ground.workspace, ground.home) {
                            Region::Workspace => "workspace",
                            Region::Temporary => "temporary",
                            Region::Home => "home",
                            Region::System => "system",
                            Region::Other => "other",
                        };
                        wanted.iter().any(|wanted| wanted == name)
                    })
                })
        };
        let prefix = || {
            self.deletes.iter().any(|wanted| match wanted.as_str() {
                "home" => endpoints::deletes_below(unit, ground, Region::Home),
                "system" => endpoints::deletes_below(unit, ground, Region::System),
                "other" => endpoints::deletes_below(unit, ground, Region::Other),
                _ => false,
            })
        };
        (fits(&self.deletes, |path| path.access == Access::Delete) || prefix())
            && fits(&self.writes, |path| path.access != Access::Read)
            && fits(&self.reads, |path| path.access == Access::Read)
    }
}

/// FAIL CLOSED: an expression that does not compile hits everything that the other conditions let
/// through (tests compile every shipped one).
fn hits(regex: &Lazy, text: &str) -> bool {
    regex.is_match(text, true)
}

/// Whether `program` is named by a list of names, `name*` stems and `@groups`.
fn listed(names: &[String], program: &str) -> bool {
    names.iter().any(|name| match name.as_str() {
        "@any" => true,
        "@fetch" => FETCHERS.contains(&program),
        "@decode" => DECODERS.contains(&program),
        name => match name.strip_suffix('*') {
            Some(stem) => program.strip_prefix(stem).is_some_and(|rest| {
                rest.chars().all(|c| c.is_ascii_digit() || c == '.' || stem.ends_with('.'))
            }),
            None => name == program,
        },
    })
}

/// Whether an option is given in any of its spellings: bundles, `--x=v`, abbreviations.
fn has_flag(unit: &Unit, alternatives: &str) -> bool {
    let given =
        || unit.arguments().iter().map(|word| word.text.as_str()).take_while(|text| *text != "--");
    alternatives.split('|').any(|flag| {
        given().any(|text| {
            if let Some(long) = flag.strip_prefix("--") {
                let name = text.split('=').next().unwrap_or(text);
                name.strip_prefix("--")
                    .is_some_and(|name| name == long || (name.len() >= 3 && long.starts_with(name)))
            } else if flag.len() == 2 && flag.starts_with('-') {
                let letter = flag.as_bytes().get(1).copied().unwrap_or_default();
                text.len() > 1 && text.starts_with('-') && !text.starts_with("--") && {
                    // `-rf`, but not the value glued to an option: letters only.
                    let letters = text.bytes().skip(1).take_while(u8::is_ascii_alphanumeric);
                    letters.into_iter().any(|b| b == letter)
                }
            } else {
                text == flag || text.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='))
            }
        })
    })
}

/// A compiled list with the tier that each pattern belongs to.
pub type DangerList = Vec<Arc<Danger>>;

#[cfg(test)]
mod tests {
    use super::*;

    /// A misspelt key would drop a condition without a word.
    #[test]
    fn the_library_holds_no_key_that_nobody_reads() {
        const KNOWN: &[&str] = &[
            "id",
            "category",
            "severity",
            "reason",
            "hint",
            "matches",
            "rejects",
            "programs",
            "not_programs",
            "flags",
            "not_flags",
            "args",
            "not_args",
            "not_values",
            "text",
            "code",
            "assigns",
            "piped_from",
            "fed_by",
            "deletes",
            "writes",
            "reads",
            "marks",
            "raw",
            "contains",
        ];
        for (table, at) in each(FILE, "pattern") {
            for entry in table {
                assert!(KNOWN.contains(&entry.key.as_str()), "{at}: `{}`", entry.key);
            }
        }
    }

    #[test]
    fn a_pattern_is_named_by_the_line_of_its_header() {
        let lines: Vec<&str> = FILE.text().lines().collect();
        assert!(builtin().len() > 100);
        for danger in builtin() {
            let line = danger.source.as_ref().and_then(|source| source.line).unwrap() as usize;
            assert_eq!(lines[line - 1], "[[pattern]]", "{}", danger.id);
            assert_eq!(lines[line], format!("id = \"{}\"", danger.id));
        }
    }

    #[test]
    fn the_index_by_program_leaves_out_no_pattern_that_hits() {
        use crate::policy::shell::{self, ShellPlace};
        let (workspace, home) = (AbsPath::new("/w").unwrap(), AbsPath::new("/home/dev").unwrap());
        let ground = Ground { workspace: &workspace, home: Some(&home) };
        let place = ShellPlace { cwd: &workspace, home: Some(&home) };
        for text in builtin().iter().flat_map(|danger| danger.matches.iter().chain(&danger.rejects))
        {
            let script = shell::parse(text, &place);
            for unit in &script.units {
                let ids = |d: &Danger| d.hits(unit, &ground).then(|| d.id.clone());
                let found: Vec<String> = library().about(unit).filter_map(ids).collect();
                let wanted: Vec<String> = builtin().iter().filter_map(ids).collect();
                assert_eq!(found, wanted, "{text}");
            }
            let ids = |d: &Danger| d.hits_line(&script).then(|| d.id.clone());
            let wanted: Vec<String> = builtin().iter().filter_map(ids).collect();
            assert_eq!(
                library().lines(&script.raw).filter_map(ids).collect::<Vec<_>>(),
                wanted,
                "{text}"
            );
        }
    }
}
