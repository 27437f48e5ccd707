//! The sealed tier from the attacker's side: who owns it, what is in it, what tries to leave it.

use super::world::{World, chmod};
use ion::config::SealedSources;
use ion::config::effective::AllowList;
use ion::config::effective::NetworkReach;
use ion::config::schema::permissions::mode_in_force;
use ion::model::{Decision, Requirement, Tier};
use std::time::{Duration, Instant};

#[test]
fn a_sealed_value_wins_over_user_project_and_flag_and_each_is_reported() {
    let mut world = World::new()
        .user(
            "{\n\"limits\": {\"maxBudgetUsd\": 50}, \"network\": {\"rejectUnauthorized\": false}}",
        )
        .sealed(
            r#"{"limits": {"maxBudgetUsd": 5, "maxTurns": 10},
                "network": {"rejectUnauthorized": true}, "sandbox": {"network": "none"}}"#,
        );
    world.flags.max_turns = Some(0);
    world.flags.network = Some("all".into());
    let loaded = world.loaded();
    let effective = &loaded.effective;
    assert_eq!(effective.limits.max_budget_usd.as_ref().unwrap().value, 5.0);
    assert_eq!(effective.limits.max_turns.as_ref().unwrap().value, 10);
    assert!(effective.network.reject_unauthorized.value);
    assert_eq!(effective.sandbox.network.value, NetworkReach::Nothing);
    let enforced: Vec<(&str, &str, Tier)> = loaded
        .enforcements
        .iter()
        .map(|e| (e.key.as_str(), e.rejected.as_str(), e.lost.tier))
        .collect();
    assert_eq!(
        enforced,
        [
            ("limits.maxBudgetUsd", "50.00", Tier::User),
            ("limits.maxTurns", "unlimited", Tier::Flag),
            ("network.rejectUnauthorized", "false", Tier::User),
            ("sandbox.network", "\"all\"", Tier::Flag),
        ]
    );
    assert!(
        loaded.enforcements.iter().all(|e| e.won.tier == Tier::Enterprise && e.won.line.is_some())
    );
}

#[test]
fn a_stricter_lower_value_is_kept_and_nothing_is_reported() {
    let loaded = World::new()
        .user(r#"{"permissions": {"mode": "deny"}, "limits": {"maxTurns": 2}}"#)
        .sealed(r#"{"permissions": {"mode": "ask"}, "limits": {"maxTurns": 10}}"#)
        .loaded();
    assert_eq!(mode_in_force(&loaded.effective.permissions).unwrap().value, Decision::Deny);
    assert_eq!(loaded.effective.limits.max_turns.as_ref().unwrap().value, 2);
    assert!(loaded.enforcements.is_empty(), "{:?}", loaded.enforcements);
}

#[test]
fn allow_disable_false_keeps_the_sandbox_on() {
    for lower in [
        r#"{"sandbox": {"enabled": false}}"#,
        r#"{"sandbox": {"enabled": false, "minimum": "open"}}"#,
        r#"{"sandbox": {"minimum": "open"}}"#,
        r#"{"profile": "permissive"}"#,
    ] {
        for seal in [
            r#"{"sandbox": {"allowDisable": false}}"#,
            r#"{"sandbox": {"required": true}}"#,
            r#"{"sandbox": {"enabled": true}}"#,
            r#"{"sandbox": {"minimum": "rules"}}"#,
        ] {
            let loaded = World::new().user(lower).sealed(seal).loaded();
            let requirement = loaded.effective.sandbox.requirement.clone();
            assert!(requirement.value >= Requirement::Rules, "{lower} under {seal}");
        }
    }
}

#[test]
fn a_sealed_false_does_not_switch_the_sandbox_off() {
    let loaded =
        World::new().sealed(r#"{"sandbox": {"enabled": false, "minimum": "open"}}"#).loaded();
    assert!(loaded.effective.sandbox.requirement.value >= Requirement::Rules);
}

#[test]
fn drop_ins_meet_in_any_order() {
    let a = r#"{"allowedModels": ["m1", "m2"], "toolRestrictions": {"deny": ["WebSearch"]}, "limits": {"maxTurns": 9}}"#;
    let b = r#"{"allowedModels": ["m2", "m3"], "toolRestrictions": {"deny": ["shell"]}, "limits": {"maxTurns": 4}}"#;
    for (first, second) in [(a, b), (b, a)] {
        let world = World::new()
            .sealed_file("config.d/10-x.json", first)
            .sealed_file("config.d/20-y.json", second);
        let effective = world.loaded().effective;
        assert_eq!(effective.admitted.models.value, AllowList::Only(["m2".to_owned()].into()));
        let mut denied: Vec<String> =
            effective.tools.deny.iter().map(|t| t.value.clone()).collect();
        denied.sort();
        assert_eq!(denied, ["Bash", "WebSearch"]);
        assert_eq!(effective.limits.max_turns.as_ref().unwrap().value, 4);
    }
}

#[test]
fn two_disjoint_allow_lists_admit_nothing_and_an_empty_model_list_is_no_limit() {
    let world = World::new()
        .sealed_file("config.d/1.json", r#"{"allowedModels": ["a"]}"#)
        .sealed_file("config.d/2.toml", "allowedModels = [\"b\"]");
    assert_eq!(world.loaded().effective.admitted.models.value, AllowList::Only([].into()));
    let world = World::new().sealed(r#"{"allowedModels": [], "allowedProviders": []}"#);
    let effective = world.loaded().effective;
    assert_eq!(effective.admitted.models.value, AllowList::Any);
    assert_eq!(effective.admitted.providers.value, AllowList::Only([].into()));
}

#[test]
fn providers_that_are_not_allowed_lose_their_keys() {
    let loaded = World::new()
        .user(r#"{"providers": {"openai": {"apiKey": "sk-1"}, "AWS": {}}}"#)
        .variable("GROQ_API_KEY", "g")
        .variable("ANTHROPIC_API_KEY", "a")
        .sealed(r#"{"allowedProviders": ["anthropic", "aws"], "providers": {"anthropic": {"baseURL": "https://proxy"}}}"#)
        .loaded();
    let ids: Vec<&str> = loaded.effective.providers.keys().map(String::as_str).collect();
    assert_eq!(ids, ["anthropic", "bedrock"]);
    let url = loaded.effective.providers["anthropic"].base_url.as_ref().unwrap();
    assert_eq!((url.value.as_str(), url.source.tier), ("https://proxy", Tier::Enterprise));
    let keys: Vec<&str> = loaded.enforcements.iter().map(|e| e.key.as_str()).collect();
    assert_eq!(keys, ["providers.groq", "providers.openai"]);
}

#[test]
fn a_sealed_proxy_has_no_lower_exceptions() {
    let loaded = World::new()
        .user(r#"{"network": {"proxy": {"noProxy": "*"}}}"#)
        .variable("NO_PROXY", "*")
        .variable("HTTP_PROXY", "http://evil")
        .sealed(r#"{"network": {"proxy": {"httpsProxy": "http://corp:8080"}}}"#)
        .loaded();
    let network = loaded.effective.network.clone();
    assert_eq!(network.https_proxy.unwrap().value, "http://corp:8080");
    assert!(network.no_proxy.is_none() && network.http_proxy.is_none());
    assert_eq!(loaded.enforcements[0].key, "network.proxy.noProxy");
}

#[test]
fn a_sealed_sink_is_whole_and_stays_and_a_user_can_add_another() {
    let loaded = World::new()
        .user(
            r#"{"audit": {"backlog": {"policy": "spool", "limit": 5000}, "sinks": {
                "corp": {"url": "https://mine.example", "insecure": true, "required": false, "token": "MY_TOKEN"},
                "mine": {"type": "syslog", "url": "udp://127.0.0.1:514"}}}}"#,
        )
        .variable("MY_TOKEN", "a-token-of-the-user")
        .sealed(
            r#"{"audit": {"backlog": {"policy": "block", "limit": 100}, "sinks": {
                "corp": {"type": "otlp", "url": "https://corp.example"}}}}"#,
        )
        .loaded();
    let audit = &loaded.effective.audit;
    let [corp, mine] = audit.sinks.as_slice() else { panic!("{:?}", audit.sinks) };
    assert_eq!((corp.kind.as_str(), corp.required, corp.insecure), ("otlp", true, false));
    assert_eq!(corp.url.as_ref().unwrap().value, "https://corp.example");
    assert!(corp.token.is_none(), "a user's header does not travel to a sealed sink");
    assert_eq!((mine.name.as_str(), mine.kind.as_str()), ("mine", "syslog"));
    assert!(audit.block.is_some() && audit.limit == 100);
    let lost: Vec<&str> = loaded.enforcements.iter().map(|e| e.key.as_str()).collect();
    for key in ["url", "insecure", "required", "token"] {
        assert!(lost.contains(&format!("audit.sinks.corp.{key}").as_str()), "{key}: {lost:?}");
    }
}

#[test]
fn the_secret_of_a_sink_comes_from_a_variable_or_a_file_and_is_hidden_from_tools() {
    let world = World::new();
    let file = world.home.write("home/keys/siem", "from-a-file\n");
    let sink = |key: &str| {
        format!(r#""{key}": {{"type": "http", "url": "https://x.example", "signingKey": "KEY"}}"#)
    };
    let text = ["a", "b", "c", "d"].map(sink).join(",");
    let text = text.replacen("KEY", "SIEM_KEY", 1).replacen("\"KEY", "\"file:~/keys/siem", 1);
    let text = text.replacen("\"KEY", "\"s3cret-in-the-file", 1).replacen("\"KEY", "\"NOT_SET", 1);
    let world = world
        .user(&format!(r#"{{"audit": {{"sinks": {{{text}}}}}}}"#))
        .variable("SIEM_KEY", "from-env");
    let loaded = world.loaded();
    let keys: Vec<_> =
        loaded.effective.audit.sinks.iter().map(|s| s.signing_key.clone().unwrap()).collect();
    assert!(keys[0].value.is_ok() && keys[1].value.is_ok());
    assert!(loaded.effective.sandbox.hide.iter().any(|path| path.as_path() == file));
    let errors: Vec<String> = keys[2..].iter().map(|key| key.value.clone().unwrap_err()).collect();
    assert!(
        errors[0].contains("does not belong here") && !errors[0].contains("s3cret"),
        "{errors:?}"
    );
    assert!(errors[1].contains("not set"), "{errors:?}");
    assert!(!format!("{:?}", loaded.effective.audit).contains("from-"));
}

#[test]
fn sealed_grants_only_filter_what_was_asked_for() {
    let world = World::new()
        .user(r#"{"sandbox": {"read": ["/opt/a", "/var"], "write": ["/opt"]}}"#)
        .sealed(r#"{"sandbox": {"read": ["/opt", "/srv"], "write": []}}"#);
    let sandbox = world.loaded().effective.sandbox.clone();
    assert_eq!(sandbox.read.iter().map(ToString::to_string).collect::<Vec<_>>(), ["/opt/a"]);
    assert!(sandbox.write.is_empty());
    let nobody_asked = World::new().sealed(r#"{"sandbox": {"read": ["/opt"]}}"#);
    assert!(nobody_asked.loaded().effective.sandbox.read.iter().all(|p| p.to_string() != "/opt"));
}

#[test]
fn hiding_survives_another_home() {
    let real = std::fs::read_to_string("/etc/passwd").unwrap();
    let uid = rustix::process::getuid().as_raw().to_string();
    let line = real.lines().find(|l| l.split(':').nth(2) == Some(&uid)).expect("a user");
    let real = line.split(':').nth(5).unwrap();
    let world = World::new().sealed(r#"{"sandbox": {"hide": ["~/.ssh"]}}"#);
    let hide = world.loaded().effective.sandbox.hide.clone();
    assert!(hide.iter().any(|p| p.to_string() == format!("{real}/.ssh")), "{hide:?}");
}

#[test]
fn only_allowed_profiles_can_be_chosen() {
    let seal = r#"{"allowedProfiles": ["strict", "ci"]}"#;
    assert_eq!(World::new().sealed(seal).loaded().effective.profile.value, "strict");
    let mut world = World::new().sealed(seal);
    world.flags.profile = Some("permissive".to_owned());
    let report = world.refused();
    assert!(report.contains("config.json:1 admits [strict, ci]"), "{report}");
    let mut world = World::new().sealed(r#"{"profile": "strict"}"#);
    world.flags.profile = Some("permissive".to_owned());
    let loaded = world.loaded();
    assert_eq!(loaded.effective.profile.value, "strict");
    assert_eq!(loaded.enforcements[0].rejected, "\"permissive\"");
}

#[test]
fn a_further_source_named_by_a_variable_only_tightens() {
    let world = World::new().sealed(r#"{"limits": {"maxTurns": 5}, "profile": "strict"}"#);
    let further = world.home.write(
        "home/more.json",
        r#"{"limits": {"maxTurns": 50, "maxBudgetUsd": 1}, "profile": "permissive",
            "providers": {"openai": {"baseURL": "http://evil"}},
            "permissions": {"mode": "allow", "rules": [
              {"tool": "*", "decision": "allow", "overrides": ["net.pipe-to-shell"]},
              {"tool": "Bash", "decision": "deny"}]}}"#,
    );
    let world = world.variable("ION_ENTERPRISE_CONFIG", further.to_str().unwrap());
    let loaded = world.loaded();
    let effective = loaded.effective;
    assert_eq!(effective.limits.max_turns.as_ref().unwrap().value, 5);
    assert_eq!(effective.limits.max_budget_usd.as_ref().unwrap().value, 1.0);
    assert_eq!(effective.profile.value, "strict");
    assert!(effective.providers.is_empty());
    let last = effective.permissions.last().unwrap();
    assert!(last.tighten_only && last.tier == Tier::Enterprise);
    assert_eq!(last.rules.len(), 1);
    assert_eq!(last.rules[0].value.decision, Decision::Deny);
    assert_ne!(mode_in_force(&effective.permissions).unwrap().value, Decision::Allow);
    let ignored = loaded.warnings.iter().filter(|w| w.message.contains("can only tighten"));
    assert_eq!(ignored.count(), 2);
}

#[test]
fn a_further_source_that_is_missing_or_no_file_stops_ion() {
    for path in ["/nonexistent/x.json", "/dev/null", "/etc"] {
        let report = World::new().variable("ION_ENTERPRISE_CONFIG", path).refused();
        assert!(report.contains(path), "{report}");
    }
}

#[test]
fn keys_may_stand_under_one_enterprise_wrapper_but_not_beside_it() {
    let world = World::new().sealed(r#"{"enterprise": {"limits": {"maxTurns": 5}}}"#);
    let loaded = world.loaded();
    assert_eq!(loaded.effective.limits.max_turns.as_ref().unwrap().value, 5);
    assert_eq!(loaded.warnings.len(), 1);
    let world =
        World::new().sealed(r#"{"enterprise": {"limits": {"maxTurns": 5}}, "profile": "strict"}"#);
    assert!(world.refused().contains("enterprise   unknown key"));
}

#[test]
fn every_sealed_file_keeps_its_own_rules() {
    let rule = |id: &str| {
        format!(
            r#"{{"permissions": {{"rules": [{{"id": "{id}", "tool": "Bash", "decision": "deny"}}]}}}}"#
        )
    };
    let world = World::new().sealed(&rule("a.a")).sealed_file("config.d/5.json", &rule("b.b"));
    let layers = world.loaded().effective.permissions.clone();
    let sealed: Vec<_> = layers.iter().filter(|l| l.tier == Tier::Enterprise).collect();
    assert_eq!(sealed.len(), 2);
    assert!(sealed.iter().all(|l| l.rules.len() == 1 && !l.tighten_only));
}

#[test]
fn the_same_key_in_both_main_files_is_refused() {
    let world = World::new()
        .sealed(r#"{"limits": {"maxTurns": 5}}"#)
        .sealed_file("config.toml", "[limits]\nmaxTurns = 6");
    let report = world.refused();
    assert!(report.contains("config.toml:2") && report.contains("config.json:1"), "{report}");
}

#[test]
fn an_absent_folder_is_no_policy_and_nothing_else_is() {
    assert!(World::new().load().is_ok());
    let world = World::new().sealed("{}");
    assert!(world.load().is_ok());
    let path = world.etc("config.json");

    chmod(&path, 0o664);
    assert!(world.refused().contains("writable by group or others"));
    chmod(&path, 0o646);
    assert!(world.refused().contains("writable by group or others"));
    chmod(&path, 0o644);
    for folder in ["root/etc/ion", "root/etc", "root"] {
        let folder = world.home.work().join("..").join(folder);
        chmod(&folder, 0o777);
        assert!(world.refused().contains("this folder is writable"), "{folder:?}");
        chmod(&folder, 0o755);
    }
    let other = SealedSources::rooted_at(world.root(), rustix::process::getuid().as_raw() + 1);
    let report = world.load_from(other).unwrap_err().render();
    assert!(report.contains("not to root"), "{report}");
    assert!(world.load().is_ok());
}

#[test]
fn links_fifos_folders_and_sockets_in_place_of_a_policy_stop_ion_and_never_hang() {
    let start = Instant::now();
    let fresh = || {
        let world = World::new().sealed("{}");
        std::fs::remove_file(world.etc("config.json")).unwrap();
        world
    };
    let world = fresh();
    let real = world.home.write("home/real.json", "{}");
    std::os::unix::fs::symlink(&real, world.etc("config.json")).unwrap();
    assert!(world.refused().contains("symbolic link"));

    let world = fresh();
    std::os::unix::fs::symlink("/nonexistent", world.etc("config.json")).unwrap();
    assert!(world.refused().contains("symbolic link"), "a dangling link is not an absent file");

    let world = fresh();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        world.etc("config.json"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    assert!(world.refused().contains("a FIFO"));

    let world = fresh();
    std::fs::create_dir(world.etc("config.json")).unwrap();
    assert!(world.refused().contains("a folder"));

    let world = fresh();
    let _socket = std::os::unix::net::UnixListener::bind(world.etc("config.json")).unwrap();
    assert!(world.refused().contains("a socket"));
    // Not a measure of speed: an open that waits for a FIFO's writer would never return.
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_linked_policy_folder_stops_ion() {
    let world = World::new().sealed("{}");
    let etc = world.root().join("etc");
    std::fs::rename(etc.join("ion"), etc.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(etc.join("elsewhere"), etc.join("ion")).unwrap();
    assert!(world.refused().contains("symbolic link"));
    std::fs::remove_file(etc.join("ion")).unwrap();
    std::fs::write(etc.join("ion"), "").unwrap();
    assert!(world.refused().contains("not a folder"));
}

#[test]
fn a_linked_drop_in_stops_ion_and_a_stray_file_is_named() {
    let world =
        World::new().sealed_file("config.d/10.json", "{}").sealed_file("config.d/20.conf", "x");
    assert!(world.loaded().warnings[0].to_string().contains("20.conf"));
    std::os::unix::fs::symlink("10.json", world.etc("config.d/30.json")).unwrap();
    assert!(world.refused().contains("30.json"));
}

#[test]
fn an_oversized_or_unreadable_text_stops_ion() {
    let big = format!("{{\"customFields\": \"{}\"}}", "x".repeat(1024 * 1024));
    assert!(World::new().sealed(&big).refused().contains("larger than 1 MiB"));
    let exact = |size: usize| format!("{{}}{}", " ".repeat(size - 2));
    assert!(World::new().sealed(&exact(1024 * 1024)).load().is_ok());
    assert!(World::new().sealed(&exact(1024 * 1024 + 1)).load().is_err());
    let world = World::new().sealed("{}");
    std::fs::write(world.etc("config.json"), b"{\"a\": \"\xff\"}").unwrap();
    assert!(world.refused().contains("not UTF-8"));
    assert!(World::new().sealed("{}\0").refused().contains("NUL"));
    assert!(World::new().sealed("").load().is_err(), "an empty file is not an absent one");
    assert!(World::new().sealed("null").load().is_err());
}

#[test]
fn what_a_chosen_profile_wanted_is_reported_like_any_other_wish() {
    let seal = r#"{"sandbox": {"allowDisable": false, "network": "none"}}"#;
    let mut world = World::new().sealed(seal);
    assert!(world.loaded().enforcements.is_empty(), "nobody wished for anything");
    world.flags.profile = Some("permissive".to_owned());
    let loaded = world.loaded();
    let keys: Vec<&str> = loaded.enforcements.iter().map(|e| e.key.as_str()).collect();
    assert!(keys.contains(&"sandbox.network") && keys.contains(&"sandbox.enabled"), "{keys:?}");
    assert!(loaded.effective.sandbox.requirement.value >= Requirement::Rules);
}

/// What of one text stays readable: a token, a text of a kind of one's own, a mail address.
fn readable(user: &str, sealed: &str) -> String {
    let mut world = World::new().user(user);
    if !sealed.is_empty() {
        world = world.sealed(sealed);
    }
    let nothing = ion::config::Environment::from_pairs([("HOME", "/h")]);
    let redactor = ion::runtime::start::redactor(&world.loaded().effective, &nothing);
    let token = format!("ghp_{}", "aB3dE5gH7jK9mN2pQ4rS6tU8vWxYz1Ca2Bd4");
    let text = format!("{token} acme_ab12cd34 lena@example.org");
    let shown = redactor.text(&text);
    text.split(' ').filter(|word| shown.as_str().contains(word)).map(|word| &word[..4]).collect()
}

#[test]
fn exceptions_from_masking_never_reach_what_the_sealed_tier_demands() {
    let user = r#"{"security": {"redactPatterns": ["acme-key=acme_[a-z0-9]{8}"], "redactPii": true,
        "redactAllow": ["github-token", "=acme_.*", "email"]}}"#;
    assert_eq!(readable(user, ""), "ghp_acmelena");
    let security = |settings: &str| readable(user, &format!(r#"{{"security": {settings}}}"#));
    assert_eq!(security(r#"{"redactSecrets": true}"#), "");
    assert_eq!(security(r#"{"redactPii": true}"#), "");
    assert_eq!(security(r#"{"redactAllow": []}"#), "");
    assert_eq!(security(r#"{"redactAllow": ["email", "jwt"]}"#), "lena");
    assert_eq!(security(r#"{"redactSecrets": true, "redactAllow": ["email"]}"#), "lena");
    // A copy of a sealed kind is the sealed kind.
    assert_eq!(security(r#"{"redactPatterns": ["acme-key=acme_[a-z0-9]{8}"]}"#), "ghp_lena");
    assert_eq!(security(r#"{"redactPatterns": ["acme-two=acme_[a-z0-9]{8}"]}"#), "ghp_lena");
}
