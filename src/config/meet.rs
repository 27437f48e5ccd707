//! The algebra of sealing: how two values of one key combine into the stricter one.
//!
//! Laws (property-tested below): S1 idempotent, commutative, associative; S2 the order of
//! sources does not matter; S3 the result is the greatest lower bound; S4 monotone. An absent
//! key is the top and never reaches this file. "Only nothing" stays nothing: that an empty
//! list may mean "no limit" was settled in `check`, so no case here can reopen it.

use super::origin::Located;
use super::schema::Sealing;
use super::value::Value;

/// The meet of two values of one key: permits what both permit. For `Override`, `Pass` and
/// `Layered`, which have no order, it is the first value.
#[must_use]
pub fn meet(sealing: Sealing, a: &Value, b: &Value) -> Value {
    match sealing {
        Sealing::Floor(words) => {
            // FAIL CLOSED: a value that is not in the table ranks as the strictest.
            let rank = |v: &Value| words.iter().position(|w| *w == word(v)).unwrap_or(words.len());
            if rank(b) > rank(a) { b.clone() } else { a.clone() }
        }
        Sealing::Ceiling => match (a.number(), b.number()) {
            (Some(x), Some(y)) if y < x => b.clone(),
            (None, Some(_)) => b.clone(),
            _ => a.clone(),
        },
        Sealing::Union => match (a, b) {
            (Value::Texts(x), Value::Texts(y)) => {
                let known = a.set();
                let mut all = x.clone();
                all.extend(y.iter().filter(|item| !known.contains(item.value.as_str())).cloned());
                Value::Texts(all)
            }
            _ => a.clone(),
        },
        Sealing::Intersect(_) => match (a, b) {
            (Value::Unlimited, other) | (other, Value::Unlimited) => other.clone(),
            (Value::Texts(x), Value::Texts(_)) => {
                let others = b.set();
                Value::Texts(
                    x.iter().filter(|i| others.contains(i.value.as_str())).cloned().collect(),
                )
            }
            _ => a.clone(),
        },
        Sealing::IntersectPaths => match (a, b) {
            (Value::Unlimited, other) | (other, Value::Unlimited) => other.clone(),
            (Value::Texts(x), Value::Texts(y)) => Value::Texts(common_folders(x, y)),
            _ => a.clone(),
        },
        Sealing::Override | Sealing::Pass | Sealing::Layered => a.clone(),
    }
}

fn word(value: &Value) -> &str {
    match value {
        Value::Flag(true) => "true",
        Value::Flag(false) => "false",
        Value::Text(text) => text,
        _ => "",
    }
}

/// Of each comparable pair the deeper folder: exactly the places that both lists admit.
fn common_folders(x: &[Located<String>], y: &[Located<String>]) -> Vec<Located<String>> {
    let inside = |a: &str, b: &str| std::path::Path::new(a).starts_with(b);
    let mut kept: Vec<Located<String>> = Vec::new();
    let one = x.iter().filter(|a| y.iter().any(|b| inside(&a.value, &b.value)));
    let two = y.iter().filter(|b| x.iter().any(|a| inside(&b.value, &a.value)));
    for folder in one.chain(two) {
        if !kept.iter().any(|k| k.value == folder.value) {
            kept.push(folder.clone());
        }
    }
    // A folder below another one of the list adds nothing.
    let all = kept.clone();
    kept.retain(|k| !all.iter().any(|o| o.value != k.value && inside(&k.value, &o.value)));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::{Empty, FALSE_IS_STRICT, TRUE_IS_STRICT};
    use crate::model::{Source, Tier};
    use proptest::prelude::*;

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
            _ => unreachable!("no order"),
        }
    }

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
        ];
        proptest::sample::select(kinds.to_vec())
            .prop_flat_map(|kind| (Just(kind), values(kind), values(kind), values(kind)))
    }

    fn equal(sealing: Sealing, a: &Value, b: &Value) -> bool {
        (0..24).all(|probe| admits(sealing, a, probe) == admits(sealing, b, probe))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        // S3, S5: the meet lets through exactly what both let through.
        #[test]
        fn the_meet_admits_exactly_what_both_values_admit((kind, a, b, _) in case()) {
            let met = meet(kind, &a, &b);
            for probe in 0..24 {
                let both = admits(kind, &a, probe) && admits(kind, &b, probe);
                prop_assert_eq!(admits(kind, &met, probe), both, "{:?} probe {}", met, probe);
            }
        }

        // S1, S2: idempotent, commutative, associative, so no order of files matters.
        #[test]
        fn the_order_and_number_of_sources_do_not_matter((kind, a, b, c) in case()) {
            prop_assert!(equal(kind, &meet(kind, &a, &a), &a));
            prop_assert!(equal(kind, &meet(kind, &a, &b), &meet(kind, &b, &a)));
            let left = meet(kind, &meet(kind, &a, &b), &c);
            let right = meet(kind, &a, &meet(kind, &b, &c));
            prop_assert!(equal(kind, &left, &right), "{:?} {:?}", left, right);
        }

        // S4: a stricter lower value never gives a looser result.
        #[test]
        fn the_meet_is_monotone((kind, sealed, lower, extra) in case()) {
            let stricter = meet(kind, &lower, &extra);
            let (from, to) = (meet(kind, &sealed, &stricter), meet(kind, &sealed, &lower));
            for probe in 0..24 {
                prop_assert!(!admits(kind, &from, probe) || admits(kind, &to, probe));
            }
        }
    }

    #[test]
    fn an_empty_intersection_admits_nothing_and_is_not_read_as_no_limit() {
        let met = meet(ALLOW_LIST, &list(["a"]), &list(["b"]));
        let again = meet(ALLOW_LIST, &met, &list(["a", "b"]));
        assert!(again.same(&list([])), "{again:?}");
    }
}
