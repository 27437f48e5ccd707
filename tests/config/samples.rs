//! The sample policies in `enterprise/` load, are valid as sealed policy, and do what they say.

use super::world::World;
use ion::config::effective::AllowList;
use ion::config::effective::NetworkReach;
use ion::config::schema::permissions::mode_in_force;
use ion::config::{Loaded, validate_file};
use ion::model::{Decision, Requirement};
use std::path::Path;

fn sample(name: &str) -> (std::path::PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("enterprise").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

fn sealed(name: &str) -> Loaded {
    let (path, text) = sample(name);
    let valid = validate_file(&path, true).unwrap_or_else(|errors| panic!("{}", errors.render()));
    assert!(valid.warnings.is_empty(), "{:?}", valid.warnings);
    World::new()
        .user(r#"{"sandbox": {"enabled": false}, "approvals": {"folder": true}, "security": {"redactSecrets": false}}"#)
        .sealed_file("config.toml", &text)
        .loaded()
}

#[test]
fn every_sample_refuses_to_start_under_a_mode_that_allows_everything() {
    for name in ["regulated-team.toml", "ci-fleet.toml", "allow-list.toml"] {
        let errors = World::new()
            .user(r#"{"permissions": {"mode": "allow"}}"#)
            .sealed_file("config.toml", &sample(name).1)
            .load()
            .expect_err(name);
        let said = errors.render();
        assert!(said.contains("disableBypassModes") && said.contains("config.toml:"), "{said}");
    }
}

#[test]
fn the_regulated_team_sample_holds_its_promises() {
    let loaded = sealed("regulated-team.toml");
    let effective = loaded.effective;
    assert_eq!(effective.sandbox.requirement.value, Requirement::View);
    assert!(
        effective.redaction.enabled.value
            && effective.sandbox.network.value == NetworkReach::Nothing
    );
    assert!(mode_in_force(&effective.permissions).unwrap().value >= Decision::Ask);
    assert!(matches!(effective.admitted.providers.value, AllowList::Only(_)));
    assert!(loaded.enforcements.len() >= 3, "{:?}", loaded.enforcements);
}

#[test]
fn the_ci_fleet_sample_holds_its_promises() {
    let effective = sealed("ci-fleet.toml").effective;
    assert_eq!(effective.profile.value, "ci");
    assert!(effective.sandbox.requirement.value >= Requirement::Rules);
    assert_eq!(mode_in_force(&effective.permissions).unwrap().value, Decision::Deny);
    assert!(effective.limits.max_budget_usd.is_some() && effective.limits.max_turns.is_some());
}
