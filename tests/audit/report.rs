//! The page of a reviewer on more records than it holds.

use ion::audit::Record;
use ion::report::{About, Gathered, MOST_ROWS};
use serde_json::json;

/// A page on so many records, of which one in `denied` is a denial.
fn page(count: u64, denied: u64, command: &str) -> String {
    let mut gathered = Gathered::new();
    for seq in 1..=count {
        let record: Record = serde_json::from_value(json!({
            "seq": seq, "time": format!("2026-11-27T08:{:02}:00.000Z", seq % 60), "kind": "decision",
            "tool": "Bash", "decision": if seq % denied == 0 { "deny" } else { "allow" }, "user": "lena", "prev": "", "hash": "",
            "body": {
                "call": {"input": {"command": command}}, "rule": {"id": format!("rule.{}", seq / denied % 80)},
                "steps": vec![json!({"decision": "deny", "subject": command}); 20]
            }
        }))
        .expect("a record");
        gathered.take(&record, &|_| vec!["told".to_owned()]);
    }
    let verdict = vec!["VERIFIED: all".to_owned()];
    let (file, made, filters) = (String::new(), String::new(), String::new());
    gathered.page(&About { file, made, filters, intact: true, verdict })
}

#[test]
fn a_page_is_bounded_and_says_what_it_leaves_out() {
    let most = MOST_ROWS as u64;
    let page = page(most + 1234, 1, &"<x>".repeat(600));
    assert_eq!(page.matches("<tr id=").count(), MOST_ROWS);
    assert!(
        page.contains(
            "The newest 5000 records; 1234 older ones are counted above and left out here."
        )
    );
    assert!(page.contains("30 more rules are left out."));
    assert!(page.contains("older ones are left out: <code>ion audit list --decision deny"));
    assert!(page.contains("and 8 more") && page.contains("bytes more]"));
    assert!(page.len() < 20_000_000, "{}", page.len());
}

#[test]
fn a_page_of_ten_thousand_everyday_records_stays_small() {
    let page = page(10_000, 10, "cargo test --locked");
    assert!(page.len() < 2_000_000, "{}", page.len());
}
