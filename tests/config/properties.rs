//! Properties over the whole loader: foreign bytes never panic, and no combination of lower
//! tiers, flags and variables loosens what is sealed (S3 to S7 of the assurance page).

use super::strangers::HOSTILE;
use super::world::World;
use ion::config::effective::{AllowList, Effective};
use ion::config::schema::permissions::mode_in_force;
use ion::config::{Flags, Loaded, validate_file};
use ion::model::Tier;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn sections() -> impl Strategy<Value = Value> {
    let mode = prop_oneof![Just("allow"), Just("ask"), Just("deny")];
    let minimum = prop_oneof![Just("open"), Just("rules"), Just("view")];
    let network = prop_oneof![Just("all"), Just("none")];
    let names = proptest::sample::subsequence(vec!["a", "b", "c"], 0..=3);
    let permissions = proptest::option::of(mode.prop_map(|m| json!({ "mode": m })));
    let flags = proptest::collection::vec(proptest::option::of(any::<bool>()), 6);
    let numbers = (proptest::option::of(-1i64..9), proptest::option::of(0u32..9), 0i64..4);
    let lists = (proptest::option::of(names.clone()), proptest::option::of(names.clone()), names);
    let words = (proptest::option::of(minimum), proptest::option::of(network));
    (permissions, flags, numbers, lists, words).prop_map(
        |(permissions, flags, numbers, lists, words)| {
            let mut sandbox = Map::new();
            let mut put = |key: &str, value: Option<Value>| {
                if let Some(value) = value {
                    sandbox.insert(key.to_owned(), value);
                }
            };
            put("enabled", flags[0].map(Value::from));
            put("required", flags[1].map(Value::from));
            put("allowDisable", flags[2].map(Value::from));
            put("workspaceWritable", flags[3].map(Value::from));
            put("minimum", words.0.map(Value::from));
            put("network", words.1.map(Value::from));
            put("processes", Some(numbers.2.into()));
            put("hide", Some(lists.2.iter().map(|n| format!("/{n}")).collect()));
            let mut root = Map::new();
            root.insert("sandbox".into(), sandbox.into());
            if let Some(permissions) = permissions {
                root.insert("permissions".into(), permissions);
            }
            if let Some(redact) = flags[4] {
                root.insert("security".into(), json!({"redactSecrets": redact}));
            }
            if let Some(verify) = flags[5] {
                root.insert("network".into(), json!({"rejectUnauthorized": verify}));
            }
            root.insert("limits".into(), json!({"maxTurns": numbers.0, "maxBudgetUsd": numbers.1}));
            if let Some(list) = lists.0 {
                root.insert("allowedModels".into(), list.clone().into());
                root.insert("blockedModels".into(), list.into());
            }
            if let Some(list) = lists.1 {
                root.insert("toolRestrictions".into(), json!({"allow": list, "deny": list}));
            }
            root.into()
        },
    )
}

/// JSON `null` is an error when sealed, so it is left out there.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, v)| !v.is_null());
            Value::Object(kept.map(|(k, v)| (k, without_nulls(v))).collect())
        }
        other => other,
    }
}

fn flags() -> impl Strategy<Value = Flags> {
    (proptest::option::of(-1i64..99), proptest::option::of(0u32..99), any::<bool>(), any::<bool>())
        .prop_map(|(turns, budget, open, permissive)| Flags {
            max_turns: turns,
            max_budget_usd: budget.map(f64::from),
            network: open.then(|| "all".to_owned()),
            profile: permissive.then(|| "permissive".to_owned()),
            processes: open.then_some(999),
            ..Flags::default()
        })
}

fn within(low: &AllowList, high: &AllowList) -> bool {
    match (low, high) {
        (_, AllowList::Any) => true,
        (AllowList::Any, AllowList::Only(_)) => false,
        (AllowList::Only(low), AllowList::Only(high)) => low.is_subset(high),
    }
}

fn at_most<T: PartialOrd>(low: Option<T>, high: Option<T>) -> bool {
    match (low, high) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(low), Some(high)) => low <= high,
    }
}

/// Whether `a` permits no more than `b` at each sealable key.
fn no_looser(a: &Effective, b: &Effective) -> Result<(), String> {
    let mode = |e: &Effective| mode_in_force(&e.permissions).map(|mode| mode.value);
    let value = |n: &Option<ion::config::Located<u32>>| n.as_ref().map(|n| n.value);
    let budget = |e: &Effective| e.limits.max_budget_usd.as_ref().map(|n| n.value);
    let set = |items: &[ion::config::Located<String>]| {
        items.iter().map(|i| i.value.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    // Paths below the throw-away home differ from world to world.
    let hidden = |e: &Effective| {
        let paths = e.sandbox.hide.iter().map(ToString::to_string);
        paths.filter(|path| path.len() == 2).collect::<std::collections::BTreeSet<_>>()
    };
    let checks = [
        ("mode", mode(a) >= mode(b)),
        ("requirement", a.sandbox.requirement.value >= b.sandbox.requirement.value),
        ("network", a.sandbox.network.value <= b.sandbox.network.value),
        ("writable", !a.sandbox.workspace_writable || b.sandbox.workspace_writable),
        ("processes", at_most(a.sandbox.processes, b.sandbox.processes)),
        ("hide", hidden(b).is_subset(&hidden(a))),
        ("redaction", a.redaction.enabled.value || !b.redaction.enabled.value),
        ("tls", a.network.reject_unauthorized.value || !b.network.reject_unauthorized.value),
        ("turns", at_most(value(&a.limits.max_turns), value(&b.limits.max_turns))),
        ("budget", at_most(budget(a), budget(b))),
        ("models", within(&a.admitted.models.value, &b.admitted.models.value)),
        ("tools", within(&a.tools.allow.value, &b.tools.allow.value)),
        ("denied tools", set(&a.tools.deny).is_superset(&set(&b.tools.deny))),
        ("blocked", set(&a.admitted.blocked_models).is_superset(&set(&b.admitted.blocked_models))),
    ];
    match checks.iter().find(|(_, holds)| !holds) {
        Some((name, _)) => Err(format!("{name} is looser")),
        None => Ok(()),
    }
}

/// The weakest configuration below a seal: nothing but the seal limits it.
fn seal_alone(sealed: &Value) -> Loaded {
    let weakest = r#"{"profile": "permissive", "permissions": {"mode": "allow"}, "security": {"redactSecrets": false},
        "network": {"rejectUnauthorized": false}, "sandbox": {"enabled": false, "network": "all", "workspaceWritable": true}}"#;
    World::new().user(weakest).sealed(&sealed.to_string()).loaded()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_below_loosens_the_seal(
        sealed in sections(), user in sections(), project in sections(), flags in flags(),
        trusted in any::<bool>(), data_dir in any::<bool>(),
    ) {
        let sealed = without_nulls(sealed);
        let mut world =
            World::new().user(&user.to_string()).project(&project.to_string()).sealed(&sealed.to_string());
        if trusted {
            world.trust();
        }
        if data_dir {
            world = world.variable("ION_DATA_DIR", "/nonexistent");
        }
        world.flags = flags;
        let loaded = world.loaded();
        prop_assert_eq!(no_looser(&loaded.effective, &seal_alone(&sealed).effective), Ok(()));
        // S6: whatever did not get through has a sealed place and a lower one.
        for enforced in &loaded.enforcements {
            prop_assert_eq!(enforced.won.tier, Tier::Enterprise);
            prop_assert!(enforced.lost.tier < Tier::Enterprise);
        }
    }

    #[test]
    fn an_untrusted_project_only_tightens(user in sections(), project in sections()) {
        let without = World::new().user(&user.to_string()).loaded();
        let with = World::new().user(&user.to_string()).project(&project.to_string()).loaded();
        prop_assert_eq!(no_looser(&with.effective, &without.effective), Ok(()));
    }

    #[test]
    fn a_further_source_only_tightens(sealed in sections(), further in sections(), user in sections()) {
        let (sealed, further) = (without_nulls(sealed).to_string(), without_nulls(further).to_string());
        let without = World::new().user(&user.to_string()).sealed(&sealed);
        let with = World::new().user(&user.to_string()).sealed(&sealed);
        let path = with.home.write("more.json", &further);
        let with = with.variable("ION_ENTERPRISE_CONFIG", path.to_str().unwrap());
        prop_assert_eq!(no_looser(&with.loaded().effective, &without.loaded().effective), Ok(()));
    }

    #[test]
    fn the_order_of_drop_ins_does_not_matter(a in sections(), b in sections(), c in sections()) {
        let texts = [a, b, c].map(|v| without_nulls(v).to_string());
        let load = |order: [usize; 3]| {
            let name = |i: usize| format!("config.d/{i}.json");
            order.iter().enumerate().fold(World::new(), |world, (place, which)| {
                world.sealed_file(&name(place), &texts[*which])
            }).loaded().effective
        };
        let (one, two) = (load([0, 1, 2]), load([2, 0, 1]));
        prop_assert_eq!(no_looser(&one, &two), Ok(()));
        prop_assert_eq!(no_looser(&two, &one), Ok(()));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let dir = tempfile::tempdir().unwrap();
        for name in ["x.json", "x.toml", "models.json"] {
            let path = dir.path().join(name);
            std::fs::write(&path, &bytes).unwrap();
            for sealed in [false, true] {
                if let Err(errors) = validate_file(&path, sealed) {
                    prop_assert!(!errors.render().is_empty());
                }
            }
        }
    }

    #[test]
    fn a_damaged_hostile_file_never_panics(at in 0usize..HOSTILE.len(), with in any::<char>(), cut in any::<bool>()) {
        let mut text: String = HOSTILE.chars().take(at).collect();
        text.push(with);
        if !cut {
            text.extend(HOSTILE.chars().skip(at + 1));
        }
        let world = World::new().project(&text);
        if let Err(errors) = world.load() {
            prop_assert!(!errors.render().is_empty());
        }
    }
}
