//! `ion policy diff`: what changes in effect between two policies.
//!
//! Text tells which rules changed; calls tell what that means. The calls are the examples of
//! both policies, the shipped patterns' own, a corpus, and, with `--replay`, every recorded one.

use super::check::{Bad, Judged, judge_in, next_line, parse_line, tier_name};
use super::files::{Asked, TierArg};
use super::log::{Chain, Past};
use super::{CheckContext, written};
use crate::cli::count::{plural, thousands};
use crate::cli::{CommandError, Exit, Output};
use crate::config::effective::AllowList;
use crate::config::review::PolicyFile;
use crate::config::schema::permissions::{PermissionLayer, RuleSpec};
use crate::model::visible;
use crate::model::{AbsPath, CallId, ToolCall, ToolName};
use crate::policy::{Circumstances, danger};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::BufRead;
use std::path::PathBuf;

/// Records that are listed for one kind of change; the rest is counted.
const MOST_LISTED: usize = 50;

/// `ion policy diff`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DiffArgs {
    /// The policy as it is: a file, or a folder with policy files.
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The policy as it would be.
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// Judge every recorded call under both; without a path, the calls of your own log.
    #[arg(long, value_name = "AUDIT", num_args = 0..=1)]
    pub replay: Option<Option<PathBuf>>,
    /// Further calls, one JSON object a line, as `ion policy check --batch` reads them.
    #[arg(long, value_name = "FILE")]
    pub corpus: Option<PathBuf>,
    /// The tier that both are judged as; else by where they lie, else `user`.
    #[arg(long, value_enum, value_name = "TIER")]
    pub tier: Option<TierArg>,
    /// One JSON document.
    #[arg(long)]
    pub json: bool,
    /// Exit with 1 if a call gets a milder answer.
    #[arg(long)]
    pub exit_code: bool,
    /// The profile below both.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The folder in which the calls would run.
    #[arg(long, short = 'C', value_name = "PATH")]
    pub dir: Option<PathBuf>,
}

/// One of the two policies.
pub struct Side {
    /// Its files.
    pub files: Vec<PolicyFile>,
    /// Its rules, in the same place as the other's.
    pub asked: Asked,
}

/// A call that is judged under both.
struct Probe {
    call: ToolCall,
    cwd: AbsPath,
    from: String,
    circumstances: Circumstances,
    record: Option<u64>,
    masked: bool,
}

/// A call whose answer is another one.
struct Change {
    probe: Probe,
    old: Judged,
    new: Judged,
}

/// Compares and prints.
///
/// # Errors
/// A corpus that cannot be read, or stdout is gone.
pub fn run(
    args: &DiffArgs,
    old: &Side,
    new: &Side,
    past: Option<(Chain, Vec<Past>)>,
    corpus: Option<&mut dyn BufRead>,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let edits = edits(old, new);
    let mut examples = examples(old, &old.asked.context);
    examples.extend(self::examples(new, &old.asked.context));
    examples.extend(shipped(&old.asked.context));
    if let Some(corpus) = corpus {
        examples.extend(read_corpus(corpus, &old.asked.context)?);
    }
    let mut known = std::collections::BTreeSet::new();
    examples.retain(|probe| {
        known.insert(format!(
            "{} {} {}",
            probe.call.name,
            Value::Object(probe.call.input.clone()),
            probe.cwd
        ))
    });
    let probed = examples.len();
    let changed = changes(examples, old, new);
    let replayed = past.map(|(chain, past)| {
        let total = past.len();
        let masked = past.iter().filter(|past| past.masked).count();
        (chain, total, masked, changes(past.into_iter().map(probe_of).collect(), old, new))
    });
    let all = || changed.iter().chain(replayed.iter().flat_map(|(_, _, _, changes)| changes));
    let looser = all().any(|change| change.new.policy() < change.old.policy());
    if args.json {
        let replay = replayed.as_ref().map(|(chain, total, masked, changes)| {
            json!({
                "chain": chain.to_json(), "calls": total, "masked": masked,
                "changed": changes.len(), "kinds": kinds(changes),
                "changes": changes.iter().map(change_json).collect::<Vec<_>>(),
            })
        });
        let document = json!({
            "schemaVersion": 1, "loosens": looser, "edits": edits,
            "probed": probed, "changed": changed.len(), "kinds": kinds(&changed),
            "changes": changed.iter().map(change_json).collect::<Vec<_>>(), "replay": replay,
        });
        out.line(&document.to_string())?;
    } else {
        out.data(&edits_text(&edits))?;
        let label = format!("{} of {probed} examples change", changed.len());
        out.data(&changes_text(&label, &changed))?;
        if let Some((chain, total, masked, changes)) = &replayed {
            let label = format!("{} of {} recorded calls change", changes.len(), thousands(*total));
            out.data(&changes_text(&label, changes))?;
            let note = match masked {
                0 => String::new(),
                n => format!(" · masked, so not judged exactly: {}", plural(*n, "call")),
            };
            out.line(&format!("{}{note}", chain.said))?;
        }
    }
    Ok(if args.exit_code && looser { Exit::Failed } else { Exit::Done })
}

fn changes(probes: Vec<Probe>, old: &Side, new: &Side) -> Vec<Change> {
    let judged = |side: &Side, probe: &Probe| {
        let (rules, context) = (&side.asked.rules, &side.asked.context);
        judge_in(&probe.call, &probe.cwd, rules, context, &probe.circumstances)
    };
    let mut found: Vec<Change> = probes
        .into_iter()
        .filter_map(|probe| {
            let (old, new) = (judged(old, &probe), judged(new, &probe));
            (old.policy() != new.policy()).then_some(Change { probe, old, new })
        })
        .collect();
    // What becomes milder first: that is what a reviewer looks for.
    found.sort_by_key(|change| {
        let (old, new) = (change.old.policy(), change.new.policy());
        (new > old, new, std::cmp::Reverse(old), change.probe.record)
    });
    found
}

/// `2 allow->ask, 1 ask->deny`.
fn kinds(changes: &[Change]) -> BTreeMap<String, usize> {
    changes.iter().fold(BTreeMap::new(), |mut kinds, change| {
        *kinds.entry(kind(change)).or_default() += 1;
        kinds
    })
}

fn kind(change: &Change) -> String {
    format!("{}->{}", change.old.policy(), change.new.policy())
}

fn decider(judged: &Judged) -> String {
    match &judged.judgement.rule {
        Some(rule) => format!("{} ({} {})", rule.id, tier_name(rule.tier), rule.source),
        None => serde_json::to_value(judged.judgement.decided_by)
            .ok()
            .and_then(|basis| basis.as_str().map(str::to_owned))
            .unwrap_or_default(),
    }
}

fn change_json(change: &Change) -> Value {
    let side = |judged: &Judged| json!({"decision": judged.policy(), "by": decider(judged), "reason": judged.judgement.reason});
    json!({
        "kind": kind(change), "tool": change.probe.call.name, "input": change.probe.call.input,
        "cwd": change.probe.cwd, "from": change.probe.from, "record": change.probe.record,
        "masked": change.probe.masked, "old": side(&change.old), "new": side(&change.new),
    })
}

fn changes_text(label: &str, changes: &[Change]) -> String {
    let counts: Vec<String> =
        kinds(changes).iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
    let mut text = format!("{label}{counts}\n");
    let mut groups: Vec<(String, Vec<&Change>)> = Vec::new();
    for change in changes {
        let key =
            format!("{}   {} -> {}", kind(change), decider(&change.old), decider(&change.new));
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, list)) => list.push(change),
            None => groups.push((key, vec![change])),
        }
    }
    for (key, list) in groups {
        let _ = writeln!(text, "  {}", visible(&key));
        for change in list.iter().take(MOST_LISTED) {
            let probe = &change.probe;
            let from = match probe.record {
                Some(record) => format!("record {record}"),
                None => probe.from.clone(),
            };
            let masked = if probe.masked { "   (masked: not exact)" } else { "" };
            let _ = writeln!(
                text,
                "    {}   [{}]{masked}",
                visible(&what(&probe.call)),
                visible(&from)
            );
        }
        if let Some(more @ 1..) = list.len().checked_sub(MOST_LISTED) {
            let _ = writeln!(text, "    and {more} more (all with --json)");
        }
    }
    text
}

/// A call in one line.
pub(in crate::cli::policy) fn what(call: &ToolCall) -> String {
    for key in ["command", "file_path", "path", "pattern", "url"] {
        if let Some(text) = call.text(key) {
            return if key == "command" {
                text.to_owned()
            } else {
                format!("{} {text}", call.name)
            };
        }
    }
    format!("{} {}", call.name, Value::Object(call.input.clone()))
}

fn probe_of(past: Past) -> Probe {
    Probe {
        call: past.recorded.call,
        cwd: past.recorded.cwd,
        from: "audit log".to_owned(),
        circumstances: past.recorded.circumstances,
        record: Some(past.recorded.seq.0),
        masked: past.masked,
    }
}

fn probe(tool: &str, input: Map<String, Value>, from: &str, context: &CheckContext) -> Probe {
    let call = ToolCall { id: CallId::new("example"), name: ToolName::resolve(tool), input };
    Probe {
        call,
        cwd: context.cwd.clone(),
        from: from.to_owned(),
        circumstances: Circumstances::default(),
        record: None,
        masked: false,
    }
}

fn command(text: &str, from: &str, context: &CheckContext) -> Probe {
    probe("Bash", Map::from_iter([("command".to_owned(), text.into())]), from, context)
}

/// The calls that a policy names itself: `matches`, `rejects` and the test cases.
fn examples(side: &Side, context: &CheckContext) -> Vec<Probe> {
    let mut found = Vec::new();
    for file in &side.files {
        for located in file.block.iter().flat_map(|block| &block.rules) {
            let (spec, from) = (&located.value, located.source.to_string());
            let tool = spec.tool.split('(').next().unwrap_or_default().trim();
            let texts = spec.matches.iter().chain(&spec.rejects).map(ToString::to_string);
            found.extend(texts.map(|text| example(tool, spec, &text, &from, context)));
        }
        for danger in file.block.iter().flat_map(|block| &block.dangerous_patterns) {
            let (spec, from) = (&danger.value, danger.source.to_string());
            let texts = spec.matches.iter().chain(&spec.rejects);
            found.extend(texts.map(|text| command(&text.to_string(), &from, context)));
        }
        for case in &file.cases {
            let described = super::check::Described {
                tool: case.value.tool.as_deref(),
                command: case.value.command.as_deref(),
                path: case.value.path.as_deref(),
                input: case.value.input.clone(),
            };
            if let Some(call) = described.call() {
                let mut probe = probe("Bash", Map::new(), &case.source.to_string(), context);
                probe.call = call;
                found.push(probe);
            }
        }
    }
    found
}

/// An example is a command for rules about commands, else a path.
fn example(tool: &str, spec: &RuleSpec, text: &str, from: &str, context: &CheckContext) -> Probe {
    let name = ToolName::resolve(tool);
    if matches!(name.as_str(), "Bash" | "*") && spec.path_patterns.is_none() {
        return command(text, from, context);
    }
    let tool = if name.as_str() == "*" { "Write" } else { tool };
    let described =
        super::check::Described { tool: Some(tool), path: Some(text), ..Default::default() };
    let mut probe = probe(tool, Map::new(), from, context);
    probe.call = described.call().unwrap_or(probe.call);
    probe
}

fn shipped(context: &CheckContext) -> Vec<Probe> {
    let examples = danger::builtin().iter().flat_map(|danger| {
        danger.matches.iter().chain(&danger.rejects).map(|text| (text.as_str(), danger.id.as_str()))
    });
    examples.map(|(text, id)| command(text, id, context)).collect()
}

fn read_corpus(
    corpus: &mut dyn BufRead,
    context: &CheckContext,
) -> Result<Vec<Probe>, CommandError> {
    let mut found = Vec::new();
    let mut number = 0u64;
    while let Some(line) = next_line(corpus)? {
        number += 1;
        if line.as_ref().is_ok_and(|bytes| bytes.iter().all(u8::is_ascii_whitespace)) {
            continue;
        }
        match line.and_then(|bytes| parse_line(&bytes, context)) {
            Ok((_, call, cwd)) => {
                let from = format!("corpus line {number}");
                found.push(Probe { call, cwd, ..probe("Bash", Map::new(), &from, context) });
            }
            Err(Bad { reason, .. }) => {
                let what = format!("line {number} of the corpus: {reason}");
                return Err(CommandError::new(Exit::Usage, "input", what)
                    .detail("each line: {\"tool\": \"Bash\", \"input\": {\"command\": \"ls\"}}"));
            }
        }
    }
    Ok(found)
}

/// The entries of one kind that a file has, by id.
type Entries = fn(&PolicyFile) -> Vec<(String, Value)>;

/// What was edited, by key: what the text says, before what it means.
fn edits(old: &Side, new: &Side) -> Vec<Value> {
    let mut found = Vec::new();
    let mut edit = |what: &str, id: String, before: Option<Value>, after: Option<Value>| {
        if before != after {
            let change = match (&before, &after) {
                (None, _) => "added",
                (_, None) => "removed",
                _ => "changed",
            };
            let keys = keys(before.as_ref(), after.as_ref());
            found.push(json!({
                "what": what, "change": change, "id": id, "keys": keys, "old": before, "new": after,
            }));
        }
    };
    let mode = |side: &Side| Some(json!(side.asked.rules.mode().value));
    edit("mode", "permissions.mode".to_owned(), mode(old), mode(new));
    // Inside one list the first match wins, so the order of what both have decides too.
    let order = |side: &Side, other: &Side| {
        let names = |side: &Side| -> Vec<String> {
            side.files.iter().flat_map(|f| rules(f.block.as_ref())).map(|(id, _)| id).collect()
        };
        let theirs = names(other);
        let shared: Vec<String> =
            names(side).into_iter().filter(|id| theirs.contains(id)).collect();
        Some(json!(shared))
    };
    edit("order", "permissions.rules".to_owned(), order(old, new), order(new, old));
    let tables: [(&str, Entries); 4] = [
        ("rule", |file| rules(file.block.as_ref())),
        ("read-only path", |file| {
            let block = file.block.iter().flat_map(|block| &block.read_only_paths);
            block.map(|path| (path.value.clone(), json!(path.value))).collect()
        }),
        ("dangerous pattern", |file| {
            let block = file.block.iter().flat_map(|block| &block.dangerous_patterns);
            let id = |spec: &crate::config::schema::permissions::DangerSpec| {
                spec.id.clone().unwrap_or_else(|| spec.pattern.clone())
            };
            block.map(|danger| (id(&danger.value), written(json!(danger.value)))).collect()
        }),
        ("tool restriction", |file| {
            let denied = file
                .restrictions
                .deny
                .iter()
                .map(|d| (format!("deny {}", d.value), json!(d.value)));
            let allow = match &file.restrictions.allow.value {
                AllowList::Any => None,
                AllowList::Only(names) => Some(("allow".to_owned(), json!(names))),
            };
            denied.chain(allow).collect()
        }),
    ];
    for (what, entries) in tables {
        let of = |side: &Side| -> BTreeMap<String, Value> {
            side.files.iter().flat_map(entries).collect()
        };
        let (before, after) = (of(old), of(new));
        let mut ids: Vec<&String> = before.keys().chain(after.keys()).collect();
        ids.sort();
        ids.dedup();
        for id in ids {
            edit(what, id.clone(), before.get(id).cloned(), after.get(id).cloned());
        }
    }
    found
}

/// The keys in which two forms of one entry differ.
fn keys(before: Option<&Value>, after: Option<&Value>) -> Vec<String> {
    let (Some(Value::Object(before)), Some(Value::Object(after))) = (before, after) else {
        return Vec::new();
    };
    let all: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    all.into_iter().filter(|key| before.get(*key) != after.get(*key)).cloned().collect()
}

/// Each rule by its id.
fn rules(block: Option<&PermissionLayer>) -> Vec<(String, Value)> {
    let rules = block.iter().flat_map(|block| &block.rules);
    rules
        .map(|rule| {
            let spec = &rule.value;
            let id = spec.id.clone().unwrap_or_else(|| format!("{} {}", spec.decision, spec.tool));
            (id, written(json!(spec)))
        })
        .collect()
}

fn edits_text(edits: &[Value]) -> String {
    let text_of = |edit: &Value, key: &str| edit[key].as_str().unwrap_or_default().to_owned();
    let mut text = format!("{}\n", plural(edits.len(), "edit"));
    for edit in edits {
        let (what, change) = (text_of(edit, "what"), text_of(edit, "change"));
        let id = visible(&text_of(edit, "id"));
        let keys: Vec<&str> =
            edit["keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let keys = if keys.is_empty() { String::new() } else { format!(": {}", keys.join(", ")) };
        let _ = match what.as_str() {
            "mode" => writeln!(
                text,
                "  {change} mode: {} -> {}",
                text_of(edit, "old"),
                text_of(edit, "new")
            ),
            _ => writeln!(text, "  {change} {what} {id}{keys}"),
        };
    }
    text
}
