//! Attacks on the shipped patterns and on the seams between rooms, each class as a case.
//!
//! Every line here was allowed once. A benign neighbour stands beside each class, so that a
//! pattern that is merely wide does not pass.

use super::reader::{bash, standard};
use ion::model::Decision;

fn decisions(lines: &[&str]) -> Vec<(String, Decision)> {
    lines.iter().map(|line| ((*line).to_owned(), bash(standard(), line).decision)).collect()
}

#[track_caller]
fn none_is_allowed(lines: &[&str]) {
    let open: Vec<_> =
        decisions(lines).into_iter().filter(|(_, d)| *d == Decision::Allow).map(|d| d.0).collect();
    assert!(open.is_empty(), "allowed:\n{}", open.join("\n"));
}

#[track_caller]
fn all_are_allowed(lines: &[&str]) {
    let shut: Vec<_> = decisions(lines).into_iter().filter(|(_, d)| *d != Decision::Allow).collect();
    assert!(shut.is_empty(), "{shut:#?}");
}

/// A command that names no path reads, or runs, what lies in its folder.
#[test]
fn a_command_without_a_path_is_judged_by_the_folder_that_the_line_went_to() {
    none_is_allowed(&[
        "cd ~/.aws && node -p \"require('fs').readFileSync('credentials','utf8')\"",
        "cd /etc && python3 -c \"print(open('shadow').read())\"",
        "cd /tmp/x && make",
        "cd /tmp/x && pytest",
        "(cd ..; rake)",
        "pushd /tmp/x; tox",
        "env -C /tmp/x make",
        "env --chdir=/tmp/x make",
        "env --chd /tmp/x make",
    ]);
    all_are_allowed(&["cd src && make", "cd ..; pwd", "cd /tmp; cd - ; echo x", "(cd sub && pytest)"]);
}
