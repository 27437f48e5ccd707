//! The parts of the page, in the order in which a reviewer needs them.

use super::{About, ByRule, Gathered, Look, MOST_ROWS, MOST_TRACES, escaped};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("filter.js");
/// Rules on the page, at most: those with the most calls.
const MOST_RULES: usize = 50;

pub(super) fn page(gathered: Gathered, about: &About) -> String {
    let mut out = head();
    verdict(&mut out, &gathered, about);
    looks(&mut out, &gathered);
    let Gathered { timeline, rules, rows, records, .. } = gathered;
    out.push_str("<h2>Timeline</h2>");
    out.push_str(&timeline.draw());
    let mut rules: Vec<(String, ByRule)> = rules.into_iter().collect();
    rules.sort_by_key(|(_, rule)| std::cmp::Reverse(rule.counts.iter().sum::<u64>()));
    top_rules(&mut out, &rules);
    rules.retain(|(_, rule)| rule.counts[2] > 0);
    rules.sort_by_key(|(_, rule)| std::cmp::Reverse(rule.counts[2]));
    denials(&mut out, &rules);
    out.push_str("<h2>Records</h2>");
    let left_out = records.saturating_sub(rows.len() as u64);
    if left_out > 0 {
        let _ = write!(
            out,
            "<p>The newest {MOST_ROWS} records; {left_out} older ones are counted above and left out here.</p>"
        );
    }
    out.push_str(
        "<form id=\"filter\" hidden><label>Decision <select name=\"decision\"><option value=\"\">any</select></label>\
         <label>Tool <select name=\"tool\"><option value=\"\">any</select></label>\
         <label>Text <input name=\"text\" type=\"search\"></label><output name=\"shown\"></output></form>\
         <table id=\"records\"><thead><tr><th>N<th>Time<th>Kind<th>Decision<th>Tool<th>Rule<th>Who<th>What\
         </thead><tbody>\n",
    );
    rows.iter().for_each(|row| out.push_str(row));
    let _ = writeln!(
        out,
        "</tbody></table><h2>Limits of this page</h2>\
         <p>A long command is shortened here; <code>ion audit show N</code> prints all that is stored. Calls outside Ion are not in its log. \
         The page itself is not signed: make it again from the log, or check the log with <code>ion audit verify</code>, \
         with <code>--key</code> and a key that was noted elsewhere; docs/audit.md has programs that do it without Ion.</p>\
         <script>{SCRIPT}</script></body></html>"
    );
    out
}

/// Nothing loads, and nothing runs but what has exactly these bytes.
fn head() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; \
         script-src 'sha256-{}'; base-uri 'none'; form-action 'none'\">\
         <meta name=\"referrer\" content=\"no-referrer\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>Ion audit report</title><style>{STYLE}</style></head><body><h1>Ion audit report</h1>",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn verdict(out: &mut String, gathered: &Gathered, about: &About) {
    let class = if about.intact { "good" } else { "bad" };
    for (n, line) in about.verdict.iter().enumerate() {
        let class = if n == 0 { format!(" class=\"verdict {class}\"") } else { String::new() };
        let _ = write!(out, "<p{class}>{}</p>", escaped(line));
    }
    let [allow, ask, deny] = gathered.counts;
    let _ = write!(
        out,
        "<table><tr><th>Log<td><code>{}</code><tr><th>Period<td>{} to {}<tr><th>Page made<td>{}\
         <tr><th>Records<td>{}<tr><th>Calls judged<td>{}\
         <tr><th>Decisions<td><span class=\"allow\">{allow} allowed</span> · <span class=\"ask\">{ask} asked</span> · \
         <span class=\"deny\">{deny} denied</span>",
        escaped(&about.file),
        escaped(&gathered.from),
        escaped(&gathered.to),
        escaped(&about.made),
        gathered.records,
        allow + ask + deny,
    );
    if !about.filters.is_empty() {
        let only = escaped(&about.filters);
        let _ =
            write!(out, "<tr><th>Only<td><code>{only}</code> (other records are not on this page)");
    }
    out.push_str("</table>");
}

fn looks(out: &mut String, gathered: &Gathered) {
    let looks = [
        (&gathered.critical, "calls refused that match a critical pattern"),
        (&gathered.unanswered, "calls refused because nobody could answer a question"),
        (&gathered.unconfined, "calls allowed without confinement"),
        (&gathered.unfinished, "calls that ran out of time or whose worker failed"),
        (&gathered.untimed, "calls with a time that cannot be read; they are not in the timeline"),
    ];
    out.push_str("<h2>What needs a look</h2><ul>");
    let mut none = true;
    for (Look { count, newest }, what) in looks {
        if let Some(seq) = newest {
            none = false;
            let _ = write!(
                out,
                "<li>{count} × {what}; the newest is <a href=\"#r{seq}\">record {seq}</a>"
            );
        }
    }
    out.push_str(if none { "<li>nothing</ul>" } else { "</ul>" });
}

fn top_rules(out: &mut String, rules: &[(String, ByRule)]) {
    out.push_str(
        "<h2>Top rules</h2><table><thead><tr><th>Rule<th>Tier<th class=\"n\">Allowed<th class=\"n\">Asked\
         <th class=\"n\">Denied</thead><tbody>",
    );
    for (name, rule) in rules.iter().take(MOST_RULES) {
        let (name, tier) = (super::shortened(name, 80), super::shortened(&rule.tier, 80));
        let _ = write!(out, "<tr><td>{name}<td>{}", if tier.is_empty() { "-" } else { &tier });
        for (count, class) in rule.counts.iter().zip(["allow", "ask", "deny"]) {
            let class = if *count > 0 { class } else { "" };
            let _ = write!(out, "<td class=\"n {class}\">{count}");
        }
    }
    out.push_str("</tbody></table>");
    more(out, rules.len());
}

fn denials(out: &mut String, rules: &[(String, ByRule)]) {
    out.push_str("<h2>Denials by rule</h2>");
    if rules.is_empty() {
        out.push_str("<p>No call was denied.</p>");
    }
    for (name, rule) in rules.iter().take(MOST_RULES) {
        let count = rule.counts[2];
        let _ = write!(
            out,
            "<details><summary><span class=\"deny\">{count} denied</span> by <code>{}</code>, first {}, last {}</summary>",
            super::shortened(name, 80),
            super::shortened(&rule.first, 40),
            super::shortened(&rule.last, 40)
        );
        rule.traces.iter().for_each(|trace| out.push_str(trace));
        let left_out = count.saturating_sub(rule.traces.len() as u64);
        if left_out > 0 {
            let _ = write!(
                out,
                "<p>The newest {MOST_TRACES}; {left_out} older ones are left out: \
                 <code>ion audit list --decision deny</code></p>"
            );
        }
        out.push_str("</details>\n");
    }
    more(out, rules.len());
}

fn more(out: &mut String, rules: usize) {
    if rules > MOST_RULES {
        let _ = write!(out, "<p>{} more rules are left out.</p>", rules - MOST_RULES);
    }
}
