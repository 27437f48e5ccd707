//! The laws of the meet, and mutants of it that each law-abiding test must catch.
//!
//! The laws are functions over any candidate, so that the same code that vouches for `meet`
//! is seen to reject wrong ones: a law that nothing can break would vouch for nothing.

use super::*;
use crate::config::schema::{Empty, FALSE_IS_STRICT, TRUE_IS_STRICT};
use crate::model::{Source, Tier};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

const MODES: Sealing = Sealing::Floor(&["allow", "ask", "deny"]);
const ALLOW_LIST: Sealing = Sealing::Intersect(Empty::Nothing);
const FOLDERS: &[&str] = &["/", "/a", "/a/b", "/a/b/c", "/ab", "/d"];

/// What a value lets through, said a second time and without `meet`: the order of the key.
fn admits(sealing: Sealing, value: &Value, probe: usize) -> bool {
    let name = ["a", "b", "c", "d"][probe % 4];
    match (sealing, value) {
        (Sealing::Floor(words), v) => {
            words.iter().position(|w| *w == word(v)).is_some_and(|rank| probe % 3 >= rank)
        }
        (Sealing::Ceiling | Sealing::Intersect(_), Value::Unlimited) => true,
        (Sealing::Ceiling, v) => v.number().is_some_and(|n| probe as f64 <= n),
        (Sealing::Union, v) => !v.set().contains(name),
        (Sealing::Intersect(_), v) => v.set().contains(name),
        (Sealing::IntersectPaths, v) => {
            let folder = std::path::Path::new(FOLDERS[probe % FOLDERS.len()]);
            v.set().iter().any(|root| folder.starts_with(root))
        }
        (Sealing::IntersectHosts, v) => {
            let host = ["a.test", "x.a.test", "y.x.a.test"][probe % 3];
            let (port, method) = ([443, 80][probe / 3 % 2], ["GET", "POST"][probe / 6 % 2]);
            let (host, path) = (crate::model::Host::parse(host).unwrap(), ["/", "/v1"][probe / 12]);
            v.set().iter().any(|text| {
                let rule = HostRule::parse(text, false).unwrap();
                rule.names(&host, port) && rule.fits(method, path)
            })
        }
        (Sealing::IntersectAddresses, v) => {
            let address = ["10.0.0.1", "10.1.0.1", "10.1.1.1", "fd00::1"][probe % 4];
            let holds =
                |text: &&str| AddressBlock::parse(text).unwrap().holds(address.parse().unwrap());
            v.set().iter().any(holds)
        }
        _ => unreachable!("no order"),
    }
}

const HOSTS: &[&str] = &[
    "a.test",
    "*.a.test",
    "*.x.a.test",
    "x.a.test:443",
    "GET a.test",
    "GET,POST *.a.test/v1",
    "POST x.a.test:80",
    "a.test/v1",
];
const BLOCKS: &[&str] = &["10.0.0.0/8", "10.1.0.0/16", "10.1.1.1", "fd00::/8"];

fn list(items: impl IntoIterator<Item = &'static str>) -> Value {
    let source = || Source::new(Tier::User, "f");
    Value::Texts(items.into_iter().map(|i| Located::new(i.to_owned(), source())).collect())
}

fn subset(of: &'static [&'static str]) -> impl Strategy<Value = Value> {
    proptest::sample::subsequence(of, 0..=of.len()).prop_map(list)
}

fn values(sealing: Sealing) -> BoxedStrategy<Value> {
    match sealing {
        MODES => prop_oneof![Just("allow"), Just("ask"), Just("deny")]
            .prop_map(|w| Value::Text(w.to_owned()))
            .boxed(),
        Sealing::Floor(_) => any::<bool>().prop_map(Value::Flag).boxed(),
        Sealing::Ceiling => prop_oneof![
            Just(Value::Unlimited),
            (0i64..8).prop_map(Value::Whole),
            (0u8..16).prop_map(|n| Value::Amount(f64::from(n) / 2.0)),
        ]
        .boxed(),
        Sealing::Union => subset(&["a", "b", "c", "d"]).boxed(),
        Sealing::Intersect(_) => {
            prop_oneof![1 => Just(Value::Unlimited), 5 => subset(&["a", "b", "c", "d"])].boxed()
        }
        Sealing::IntersectPaths => subset(FOLDERS).boxed(),
        Sealing::IntersectHosts => subset(HOSTS).boxed(),
        Sealing::IntersectAddresses => subset(BLOCKS).boxed(),
        _ => unreachable!("no order"),
    }
}

fn case() -> impl Strategy<Value = (Sealing, Value, Value, Value)> {
    let kinds = [
        MODES,
        TRUE_IS_STRICT,
        FALSE_IS_STRICT,
        Sealing::Ceiling,
        Sealing::Union,
        ALLOW_LIST,
        Sealing::IntersectPaths,
        Sealing::IntersectHosts,
        Sealing::IntersectAddresses,
    ];
    proptest::sample::select(kinds.to_vec())
        .prop_flat_map(|kind| (Just(kind), values(kind), values(kind), values(kind)))
}

fn equal(sealing: Sealing, a: &Value, b: &Value) -> bool {
    (0..24).all(|probe| admits(sealing, a, probe) == admits(sealing, b, probe))
}

/// A candidate for [`meet`].
type Meet = fn(Sealing, &Value, &Value) -> Value;

/// S3, S5: it lets through exactly what both values let through.
fn exact(candidate: Meet, kind: Sealing, a: &Value, b: &Value) -> bool {
    let met = candidate(kind, a, b);
    (0..24).all(|probe| {
        admits(kind, &met, probe) == (admits(kind, a, probe) && admits(kind, b, probe))
    })
}

/// S1, S2: idempotent, commutative, associative, so no order of files matters.
fn order_free(candidate: Meet, kind: Sealing, a: &Value, b: &Value, c: &Value) -> bool {
    let left = candidate(kind, &candidate(kind, a, b), c);
    let right = candidate(kind, a, &candidate(kind, b, c));
    equal(kind, &candidate(kind, a, a), a)
        && equal(kind, &candidate(kind, a, b), &candidate(kind, b, a))
        && equal(kind, &left, &right)
}

/// S4: a stricter lower value never gives a looser result.
fn monotone(candidate: Meet, kind: Sealing, sealed: &Value, lower: &Value, extra: &Value) -> bool {
    // What is stricter is said by the specification, not by the candidate.
    let stricter = meet(kind, lower, extra);
    let (from, to) = (candidate(kind, sealed, &stricter), candidate(kind, sealed, lower));
    (0..24).all(|probe| !admits(kind, &from, probe) || admits(kind, &to, probe))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn the_meet_admits_exactly_what_both_values_admit((kind, a, b, _) in case()) {
        prop_assert!(exact(meet, kind, &a, &b));
    }

    #[test]
    fn the_order_and_number_of_sources_do_not_matter((kind, a, b, c) in case()) {
        prop_assert!(order_free(meet, kind, &a, &b, &c));
    }

    #[test]
    fn the_meet_is_monotone((kind, sealed, lower, extra) in case()) {
        prop_assert!(monotone(meet, kind, &sealed, &lower, &extra));
    }
}

fn is_empty_list(value: &Value) -> bool {
    matches!(value, Value::Texts(items) if items.is_empty())
}

fn joined(a: &Value, b: &Value) -> Value {
    meet(Sealing::Union, a, b)
}

/// Wrong ways to combine two values. The first five loosen, the others are too strict or
/// depend on an order: "admits implies both admit" alone would let those through.
const MUTANTS: &[(&str, Meet)] = &[
    ("an empty intersection means no limit", |kind, a, b| match meet(kind, a, b) {
        met if matches!(kind, Sealing::Intersect(_)) && is_empty_list(&met) => Value::Unlimited,
        met => met,
    }),
    ("allow-lists are joined", |kind, a, b| match kind {
        Sealing::Intersect(_) | Sealing::IntersectPaths
            if !matches!((a, b), (Value::Unlimited, _) | (_, Value::Unlimited)) =>
        {
            joined(a, b)
        }
        _ => meet(kind, a, b),
    }),
    ("no limit wins over a list", |kind, a, b| match (kind, a, b) {
        (Sealing::Intersect(_), Value::Unlimited, _)
        | (Sealing::Intersect(_), _, Value::Unlimited) => Value::Unlimited,
        _ => meet(kind, a, b),
    }),
    ("the larger ceiling wins", |kind, a, b| match kind {
        Sealing::Ceiling => match (a.number(), b.number()) {
            (Some(x), Some(y)) => {
                if x > y {
                    a.clone()
                } else {
                    b.clone()
                }
            }
            _ => Value::Unlimited,
        },
        _ => meet(kind, a, b),
    }),
    ("the looser word wins", |kind, a, b| match kind {
        Sealing::Floor(_) => {
            let met = meet(kind, a, b);
            if equal(kind, &met, a) { b.clone() } else { a.clone() }
        }
        _ => meet(kind, a, b),
    }),
    ("the first value wins", |_, a, _| a.clone()),
    ("the second value wins", |_, _, b| b.clone()),
    ("deny-lists are intersected", |kind, a, b| match kind {
        Sealing::Union => meet(ALLOW_LIST, a, b),
        _ => meet(kind, a, b),
    }),
    ("folders are compared as text", |kind, a, b| match (kind, a, b) {
        (Sealing::IntersectPaths, Value::Texts(x), Value::Texts(y)) => {
            let inside = |a: &str, b: &str| a.starts_with(b);
            let one = x.iter().filter(|p| y.iter().any(|q| inside(&p.value, &q.value)));
            let two = y.iter().filter(|p| x.iter().any(|q| inside(&p.value, &q.value)));
            Value::Texts(one.chain(two).cloned().collect())
        }
        _ => meet(kind, a, b),
    }),
    ("folders must be equal", |kind, a, b| match kind {
        Sealing::IntersectPaths => meet(ALLOW_LIST, a, b),
        _ => meet(kind, a, b),
    }),
    ("the shallower folder is kept", |kind, a, b| match (kind, a, b) {
        (Sealing::IntersectPaths, Value::Texts(x), Value::Texts(y)) => {
            let inside = |a: &str, b: &str| std::path::Path::new(a).starts_with(b);
            let one = x.iter().filter(|p| y.iter().any(|q| inside(&q.value, &p.value)));
            let two = y.iter().filter(|p| x.iter().any(|q| inside(&q.value, &p.value)));
            Value::Texts(one.chain(two).cloned().collect())
        }
        _ => meet(kind, a, b),
    }),
    ("lists admit nothing at all", |kind, a, b| match kind {
        Sealing::Intersect(_) | Sealing::IntersectPaths => list([]),
        _ => meet(kind, a, b),
    }),
    ("ceilings are always zero", |kind, a, b| match kind {
        Sealing::Ceiling => Value::Whole(0),
        _ => meet(kind, a, b),
    }),
    ("words are always the strictest", |kind, a, b| match kind {
        MODES => Value::Text("deny".to_owned()),
        _ => meet(kind, a, b),
    }),
];

#[test]
fn every_mutant_of_the_meet_breaks_a_law() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let cases: Vec<_> =
        (0..4096).map(|_| case().new_tree(&mut runner).expect("a case").current()).collect();
    let caught = |candidate: Meet| {
        cases.iter().any(|(kind, a, b, c)| {
            !exact(candidate, *kind, a, b)
                || !order_free(candidate, *kind, a, b, c)
                || !monotone(candidate, *kind, a, b, c)
        })
    };
    assert!(!caught(meet), "the cases reject the real one");
    let survivors: Vec<&str> =
        MUTANTS.iter().filter(|(_, mutant)| !caught(*mutant)).map(|(name, _)| *name).collect();
    assert!(survivors.is_empty(), "no law notices: {survivors:?}");
}

#[test]
fn an_empty_intersection_admits_nothing_and_is_not_read_as_no_limit() {
    let met = meet(ALLOW_LIST, &list(["a"]), &list(["b"]));
    let again = meet(ALLOW_LIST, &met, &list(["a", "b"]));
    assert!(again.same(&list([])), "{again:?}");
}
