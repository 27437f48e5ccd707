//! Where files are found, how layers override each other, and what a bad file does.

use super::world::World;
use ion::config::Flags;
use ion::model::{Decision, Requirement, Tier};

#[test]
fn without_any_file_and_without_a_home_the_standard_profile_applies() {
    let mut world = World::new();
    world.variables.clear();
    let loaded = world.loaded();
    assert_eq!(loaded.effective.profile.value, "standard");
    assert!(loaded.effective.places.home.is_none());
    assert!(loaded.effective.audit.file.is_none());
    assert!(loaded.effective.sandbox.requirement.value >= Requirement::Rules);
    assert!(loaded.effective.redaction.enabled.value);
    assert!(!loaded.effective.trusted);
}

#[test]
fn every_built_in_profile_loads_and_says_what_it_is() {
    for name in [
        "standard",
        "strict",
        "read-only",
        "ci",
        "permissive",
        "hook",
        "mcp-server",
        "extension",
        "lsp-server",
    ] {
        let mut world = World::new();
        world.flags.profile = Some(name.to_owned());
        let loaded = world.loaded();
        assert_eq!(loaded.effective.profile.value, name);
        assert_eq!(loaded.effective.profile.source.file, "--profile");
        assert!(loaded.warnings.is_empty(), "{name}: {:?}", loaded.warnings);
        let unused = &loaded.accepted_unused;
        assert!(
            unused.iter().all(|k| matches!(k.value.as_str(), "name" | "description")),
            "{unused:?}"
        );
    }
}

#[test]
fn an_unknown_profile_is_refused_with_all_names() {
    let mut world = World::new();
    world.flags.profile = Some("permisive".to_owned());
    let report = world.refused();
    assert!(report.contains("did you mean `permissive`?"), "{report}");
    assert!(report.contains("standard, strict, read-only, ci, permissive, hook"), "{report}");
    let report = World::new().user(r#"{"profile": "stric"}"#).refused();
    assert!(report.contains("did you mean `strict`?"), "{report}");
}

#[test]
fn a_flag_beats_a_trusted_project_which_beats_the_user() {
    let user =
        "{\n  \"defaultModel\": \"u\",\n  \"limits\": {\"maxTurns\": 9, \"maxBudgetUsd\": 2}\n}";
    let project = r#"{"defaultModel": "p", "limits": {"maxTurns": 20}}"#;
    let mut world = World::new().user(user).project(project);
    world.trust();
    let effective = world.loaded().effective;
    assert!(effective.trusted);
    assert_eq!(effective.model.as_ref().unwrap().value, "p");
    assert_eq!(effective.limits.max_turns.as_ref().unwrap().value, 20);
    let budget = effective.limits.max_budget_usd.as_ref().unwrap();
    assert_eq!((budget.value, budget.source.to_string().as_str()), (2.0, "~/.ion/engine.json:3"));
    world.flags = Flags { model: Some("f".into()), max_turns: Some(0), ..Flags::default() };
    let loaded = world.loaded();
    assert_eq!(loaded.effective.model.as_ref().unwrap().source.tier, Tier::Flag);
    assert!(loaded.effective.limits.max_turns.is_none(), "0 is unlimited");
    let row = loaded.table().into_iter().find(|row| row.key == "defaultModel").unwrap();
    let others: Vec<&str> = row.overridden.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(others, ["p", "u"]);
}

#[test]
fn json_and_toml_say_the_same_and_a_local_file_beats_the_shared_one() {
    let world = World::new();
    world.home.write("home/.ion/config.toml", "[limits]\nmaxTurns = 4\n");
    world.home.write(
        "work/.ion/config.toml",
        "[limits]\nmaxBudgetUsd = 1\n[permissions]\nmode = \"deny\"\n",
    );
    world.home.write(
        "work/.ion/config.local.toml",
        "[limits]\nmaxBudgetUsd = 2\n[permissions]\nmode = \"allow\"\n",
    );
    world.trust();
    let effective = world.loaded().effective;
    assert_eq!(
        effective.limits.max_turns.as_ref().unwrap().source.to_string(),
        "~/.ion/config.toml:2"
    );
    assert_eq!(effective.limits.max_budget_usd.as_ref().unwrap().value, 2.0);
    let named =
        |tier| effective.permissions.iter().filter(|l| l.tier == tier && l.mode.is_some()).count();
    assert_eq!((named(Tier::Builtin), named(Tier::Project)), (1, 1), "one mode a tier");
    let mode = ion::config::schema::permissions::mode_in_force(&effective.permissions).unwrap();
    assert_eq!((mode.value, mode.source.line), (Decision::Allow, Some(4)));
}

#[test]
fn the_same_key_in_two_files_of_one_tier_is_refused_and_names_both() {
    let world = World::new().user("{\n\"limits\": {\"maxTurns\": 3}}");
    world.home.write("home/.config/ion/config.toml", "[limits]\n\nmaxTurns = 4\n");
    let report = world.refused();
    assert!(report.contains("~/.config/ion/config.toml:3:1"), "{report}");
    assert!(report.contains("~/.ion/engine.json:2"), "{report}");
}

#[test]
fn the_problems_of_all_files_are_reported_at_once() {
    let world = World::new()
        .user("{\"limits\": {\"maxBudgetUsd\": -1},}")
        .project("{\n  \"permissions\": {\n    \"rules\": [\n      {\"tool\": \"Bash\", \"decison\": \"deny\"}]}}")
        .sealed(r#"{"sandbox": {"net": "none"}}"#);
    let report = world.refused();
    assert!(
        report.starts_with("error: 4 problems in 3 configuration files; ion did not start\n"),
        "{report}"
    );
    assert!(report.contains(".ion/engine.json:4:24"), "{report}");
    assert!(report.contains("permissions.rules[0].decison   unknown key"), "{report}");
    assert!(report.contains("^^^^^^^^^ did you mean `decision`?"), "{report}");
    assert!(report.contains("trailing comma"), "{report}");
    assert!(report.contains("sandbox.net   unknown key"), "{report}");
    assert!(report.contains("next: fix the lines"), "{report}");
}

#[test]
fn an_unknown_key_outside_the_guarded_blocks_is_one_warning_with_its_place() {
    let loaded = World::new().user("{\n  \"limits\": {\"max_turns\": 3}\n}").loaded();
    assert_eq!(loaded.warnings.len(), 1);
    let warning = loaded.warnings[0].to_string();
    assert!(warning.starts_with("~/.ion/engine.json:2:14 limits.max_turns"), "{warning}");
    assert!(warning.contains("did you mean `maxTurns`?"), "{warning}");
}

#[test]
fn a_misspelt_block_of_rules_is_an_error_and_not_a_warning() {
    let report = World::new().user(r#"{"permisions": {"mode": "deny"}}"#).refused();
    assert!(report.contains("did you mean `permissions`?"), "{report}");
}

#[test]
fn keys_of_the_older_engine_load_silently_and_are_listed() {
    let world = World::new().user(
        r#"{"backend": "api", "telemetry": {"enabled": true}, "mcpServers": {"x": {"command": "y"}},
            "limits": {"suppressSystemMessages": true}, "timeouts": {"toolStallMs": 1}}"#,
    );
    let loaded = world.loaded();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.accepted_unused.len(), 5);
}

#[test]
fn an_enterprise_block_in_a_user_file_is_ignored_with_a_warning() {
    let loaded =
        World::new().user(r#"{"enterprise": {"permissions": {"mode": "allow"}}}"#).loaded();
    assert!(loaded.warnings[0].to_string().contains("enterprise: ignored"));
}

#[test]
fn switching_the_sandbox_off_is_explicit_and_keeps_its_place() {
    let loaded = World::new().user("{\n\"sandbox\": {\"enabled\": false}}").loaded();
    let requirement = loaded.effective.sandbox.requirement.clone();
    assert_eq!(requirement.value, Requirement::Open);
    assert_eq!(requirement.source.to_string(), "~/.ion/engine.json:2");
}

#[test]
fn paths_of_the_sandbox_become_absolute() {
    let world = World::new().user(
        r#"{"sandbox": {"read": ["~/data", "sub/../lib"], "additionalDenyPaths": ["~/.aws"]}}"#,
    );
    let sandbox = world.loaded().effective.sandbox.clone();
    let work = std::fs::canonicalize(world.home.work()).unwrap();
    assert!(sandbox.read.iter().any(|p| p.as_path() == world.home.home().join("data")));
    assert!(sandbox.read.iter().any(|p| p.as_path() == work.join("lib")));
    assert!(sandbox.hide.iter().any(|p| p.as_path() == world.home.home().join(".aws")));
}

#[test]
fn keys_are_resolved_per_provider_and_never_shown() {
    let world = World::new()
        .user(r#"{"providers": {"Groq": {"apiKey": "MY_GROQ"}, "mistral": {"apiKey": "sk-literal"}, "ollama": {}, "corp": {"apiKey": "UNSET_NAME"}}}"#)
        .variable("MY_GROQ", "groq-secret")
        .variable("OPENAI_API_KEY", "openai-secret");
    let loaded = world.loaded();
    let key = |id: &str| {
        let provider = &loaded.effective.providers[id];
        provider.api_key.as_ref().map(|key| key.value.expose().to_owned())
    };
    assert_eq!(key("groq").as_deref(), Some("groq-secret"));
    assert_eq!(key("mistral").as_deref(), Some("sk-literal"));
    assert_eq!(key("openai").as_deref(), Some("openai-secret"));
    assert_eq!(key("ollama"), None);
    assert_eq!(key("corp"), None);
    let shown = format!("{loaded:?}");
    for secret in ["groq-secret", "sk-literal", "openai-secret"] {
        assert!(!shown.contains(secret), "{secret} is shown");
    }
}

#[test]
fn an_error_about_a_key_never_shows_the_key() {
    let secret = "sk-ant-api03-Abcdef0123456789";
    for text in [
        format!(r#"{{"providers": {{"anthropic": {{"apiKey": ["{secret}"]}}}}}}"#),
        format!("{{\"providers\": {{\"anthropic\": {{\"apiKey\":\n \"{secret}\" oops}}}}}}"),
        format!("{{\"permissions\": {{\"mode\": 1}}, \"x\": \"{secret}\"}}"),
    ] {
        let report = World::new().user(&text).refused();
        assert!(!report.contains("Abcdef"), "{report}");
    }
}

#[test]
fn models_json_gives_tiers_and_custom_models() {
    let world = World::new();
    world.home.write(
        "home/.ion/models.json",
        r#"{"tiers": {"Fast": "qwen", "safe": {"model": "gpt-4o", "fallbacks": ["x"]}},
            "providers": {"ollama": {"models": {"team/q:latest": {"contextWindow": 32768}, "bare": {}}}}}"#,
    );
    let models = world.loaded().effective.models.clone();
    assert_eq!(models.tiers["fast"], "qwen");
    assert_eq!(models.tiers["safe"], "gpt-4o");
    assert_eq!(models.custom["team/q:latest"].context_window, Some(32768));
    assert_eq!(models.custom["bare"].provider, "ollama");
}

#[test]
fn compact_rules_keep_their_spelling_and_the_strict_ones_come_first() {
    let world = World::new().user(
        r#"{"permissions": {"allow": ["Bash(ls:*)"], "deny": ["Read(./.env)"], "ask": ["WebFetch"],
            "rules": [{"tool": "Bash", "decision": "allow", "id": "dev.all"}],
            "dangerousPatterns": ["rm\\s+-rf", {"pattern": "x", "severity": "high"}]}}"#,
    );
    let layers = world.loaded().effective.permissions.clone();
    let user = layers.iter().find(|layer| layer.tier == Tier::User).unwrap();
    let rules: Vec<(&str, Decision)> =
        user.rules.iter().map(|r| (r.value.tool.as_str(), r.value.decision)).collect();
    assert_eq!(
        rules,
        [
            ("Read(./.env)", Decision::Deny),
            ("WebFetch", Decision::Ask),
            ("Bash", Decision::Allow),
            ("Bash(ls:*)", Decision::Allow),
        ]
    );
    assert_eq!(user.dangerous_patterns.len(), 2);
}

#[test]
fn state_moves_with_ion_data_dir_and_configuration_does_not() {
    let world =
        World::new().user(r#"{"limits": {"maxTurns": 3}}"#).variable("ION_DATA_DIR", "/srv/state");
    let effective = world.loaded().effective;
    assert_eq!(effective.places.data_dir.as_ref().unwrap().to_string(), "/srv/state");
    assert_eq!(effective.limits.max_turns.as_ref().unwrap().value, 3);
}

#[test]
fn in_the_home_folder_the_own_file_is_not_a_project() {
    let world = World::new().user(r#"{"defaultModel": "mine"}"#);
    let environment = world.environment();
    let loaded = ion::config::load(&ion::config::LoadRequest {
        environment: &environment,
        workspace: world.home.home(),
        flags: Flags::default(),
        sealed: world.sources(),
    })
    .unwrap();
    assert_eq!(loaded.effective.model.as_ref().unwrap().value, "mine");
    assert!(loaded.files.iter().all(|file| file.tier != Tier::Project));
}

#[test]
fn a_relative_home_is_no_home() {
    let mut world = World::new();
    world.variables = vec![("HOME".to_owned(), ".".to_owned())];
    assert!(world.loaded().effective.places.home.is_none());
}

#[test]
fn state_never_moves_into_the_repository() {
    let report = World::new().variable("ION_DATA_DIR", "state").refused();
    assert!(report.contains("ION_DATA_DIR") && report.contains("absolute"), "{report}");
    let audit = World::new()
        .user(r#"{"audit": {"file": "x/log.jsonl"}}"#)
        .loaded()
        .effective
        .audit
        .file
        .clone();
    assert!(audit.unwrap().to_string().ends_with("home/.ion/x/log.jsonl"));
}

#[test]
fn a_file_full_of_noise_is_answered_shortly() {
    let keys: Vec<String> = (0..9000).map(|n| format!("\"key{n}\": {{}}")).collect();
    let noise = World::new().project(&format!("{{{}}}", keys.join(",")));
    let loaded = noise.loaded();
    assert!(loaded.warnings.len() < 30, "{}", loaded.warnings.len());
    assert!(loaded.warnings.iter().any(|w| w.message.contains("more warnings")));
    let wrong = World::new().project(&format!("{{\"sandbox\": {{{}}}}}", keys.join(",")));
    let report = wrong.refused();
    assert!(report.starts_with("error: 9000 problems in .ion/engine.json"), "{report}");
    assert!(report.lines().count() < 200);
    let long: Vec<String> = (0..5000).map(|n| format!("\"/{n}\"")).collect();
    let long = format!(r#"{{"sandbox": {{"hide": [{}]}}}}"#, long.join(","));
    assert!(World::new().project(&long).refused().contains("more than 4096 entries"));
    let rules = vec![r#"{"tool": "Bash", "decision": "deny"}"#; 16_385].join(",");
    let long = format!(r#"{{"permissions": {{"rules": [{rules}]}}}}"#);
    assert!(World::new().project(&long).refused().contains("more than 16384 entries"));
}

#[test]
fn bad_flags_are_refused() {
    for (flags, word) in [
        (Flags { max_budget_usd: Some(f64::NAN), ..Flags::default() }, "--max-budget"),
        (Flags { max_budget_usd: Some(-1.0), ..Flags::default() }, "--max-budget"),
        (Flags { network: Some("127.1".into()), ..Flags::default() }, "--net"),
        (Flags { network: Some("".into()), ..Flags::default() }, "--net"),
    ] {
        let mut world = World::new();
        world.flags = flags;
        assert!(world.refused().contains(word));
    }
}

#[test]
fn the_digest_changes_with_every_file_that_is_read() {
    let plain = World::new().loaded().effective.digest.clone();
    let user = World::new().user("{}").loaded().effective.digest.clone();
    let sealed = World::new().sealed("{}").loaded().effective.digest.clone();
    assert_eq!(plain.len(), 64);
    assert!(plain != user && user != sealed && plain != sealed);
}
