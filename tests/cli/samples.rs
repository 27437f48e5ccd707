//! The sample policies of `enterprise/` and the shipped profiles, looked at as an administrator
//! looks at them before a rollout.

use crate::support::{Home, stderr, stdout};
use serde_json::Value;

fn folder(name: &str) -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
        .map(|path| path.display().to_string())
        .collect();
    files.sort();
    files
}

fn json(home: &Home, args: &[&str]) -> Value {
    let output = home.run(args);
    serde_json::from_str(&stdout(&output)).unwrap_or_else(|e| panic!("{e}: {}", stderr(&output)))
}

#[test]
fn every_sample_is_valid_lints_clean_and_passes_its_own_cases() {
    let home = Home::new();
    let samples = folder("enterprise");
    assert!(samples.len() >= 3, "{samples:?}");
    for file in &samples {
        let valid = home.run(&["config", "validate", "--sealed", file]);
        assert!(valid.status.success(), "{}", stderr(&valid));
        let linted = json(&home, &["policy", "lint", "--json", "--tier", "enterprise", file]);
        assert_eq!((&linted["errors"], &linted["warnings"]), (&0.into(), &0.into()), "{linted}");
        let tested = json(&home, &["policy", "test", "--json", "--tier", "enterprise", file]);
        assert_eq!(tested["ok"], true, "{tested}");
        assert!(tested["count"].as_u64().unwrap() >= 3, "{file} has too few cases");
    }
}

#[test]
fn the_samples_show_every_switch_of_the_sealed_tier() {
    let all: String =
        folder("enterprise").iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let set: Vec<&str> = all.lines().filter(|line| !line.starts_with('#')).collect();
    for key in [
        "allowManagedRulesOnly = ",
        "exclusiveAllow = ",
        "disableBypassModes = ",
        "allowHooks = ",
        "allowClassifier = ",
        "untrustedContent = ",
        "[approvals]",
        "waitMs = ",
        "terminal = ",
        "folder = ",
        "[approvals.webhook]",
        "allowHosts = ",
        "[classifier]",
    ] {
        assert!(set.iter().any(|line| line.starts_with(key)), "no sample sets `{key}`");
    }
}

#[test]
fn a_shipped_profile_lints_with_nothing_but_the_wide_allows_that_the_review_page_explains() {
    let home = Home::new();
    let wide = |file: &str| -> usize {
        let linted = json(&home, &["policy", "lint", "--json", file]);
        assert_eq!(linted["errors"], 0, "{linted}");
        let findings = linted["findings"].as_array().unwrap();
        let loud = findings.iter().filter(|finding| finding["severity"] != "note");
        let loud: Vec<&Value> = loud.collect();
        for finding in &loud {
            assert_eq!(finding["id"], "lint.wide-allow", "{finding}");
        }
        loud.len()
    };
    let profiles = folder("profiles");
    assert_eq!(profiles.len(), 9);
    let found: Vec<(String, usize)> = profiles
        .iter()
        .map(|file| (file.rsplit('/').next().unwrap().to_owned(), wide(file)))
        .filter(|(_, count)| *count > 0)
        .collect();
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["ci.toml", "read-only.toml", "standard.toml"]);
}
