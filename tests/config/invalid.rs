//! Files that must be refused, in every tier. The name of the file is the mistake.

use super::world::World;
use std::path::{Path, PathBuf};

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/invalid");
    let mut samples: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    samples.sort();
    assert!(samples.len() > 50, "the corpus is gone");
    samples
}

#[test]
fn each_invalid_sample_stops_ion_in_each_tier_with_file_line_and_column() {
    for sample in samples() {
        let text = std::fs::read_to_string(&sample).unwrap();
        let toml = sample.extension().is_some_and(|e| e == "toml");
        let name = if toml { "config.toml" } else { "engine.json" };
        let sealed_name = if toml { "config.toml" } else { "config.json" };
        for tier in ["user", "project", "sealed"] {
            let world = World::new();
            let world = match tier {
                "user" => {
                    world.home.write(&format!("home/.ion/{name}"), &text);
                    world
                }
                "project" => {
                    world.home.write(&format!("work/.ion/{name}"), &text);
                    world
                }
                _ => world.sealed_file(sealed_name, &text),
            };
            let Err(errors) = world.load() else { panic!("{sample:?} was accepted as {tier}") };
            for problem in &errors.problems {
                assert!(
                    problem.at.is_some_and(|at| at.line > 0 && at.column > 0),
                    "{sample:?}: {problem:?}"
                );
            }
            let report = errors.render();
            assert!(report.lines().all(|line| line.chars().count() < 400), "{sample:?}: {report}");
        }
    }
}

#[test]
fn the_sealed_tier_refuses_what_others_are_warned_about() {
    for text in [
        r#"{"limits": {"max_turns": 3}}"#,
        r#"{"customField": 1}"#,
        r#"{"limits": {"maxTurns": null}}"#,
        r#"{"permissions": null}"#,
        r#"{"providers": {"openai": {"apikey": "x"}}}"#,
    ] {
        assert!(World::new().user(text).load().is_ok(), "{text}");
        assert!(World::new().sealed(text).load().is_err(), "{text}");
        assert!(World::new().sealed_file("config.d/1.json", text).load().is_err(), "{text}");
    }
}
