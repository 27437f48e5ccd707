//! The algebra of sealing: how two values of one key combine into the stricter one.
//!
//! Laws (property-tested below): S1 idempotent, commutative, associative; S2 the order of
//! sources does not matter; S3 the result is the greatest lower bound; S4 monotone. An absent
//! key is the top and never reaches this file. "Only nothing" stays nothing: that an empty
//! list may mean "no limit" was settled in `check`, so no case here can reopen it.

use super::origin::Located;
use super::schema::Sealing;
use super::value::Value;
use crate::model::{AddressBlock, HostRule};

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
        Sealing::IntersectHosts => match (a, b) {
            (Value::Texts(x), Value::Texts(y)) => Value::Texts(common_hosts(x, y)),
            _ => a.clone(),
        },
        Sealing::IntersectAddresses => match (a, b) {
            (Value::Texts(x), Value::Texts(y)) => Value::Texts(common_addresses(x, y)),
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

/// What both lists of hosts let through. FAIL CLOSED: an entry that cannot be read lets nothing
/// through; `check` has refused it before.
fn common_hosts(x: &[Located<String>], y: &[Located<String>]) -> Vec<Located<String>> {
    let read = |item: &Located<String>| HostRule::parse(&item.value, false).ok();
    let mut kept: Vec<Located<String>> = Vec::new();
    for one in x {
        for other in y {
            let met = read(one).and_then(|a| a.meet(&read(other)?));
            if let Some(met) = met
                && !kept.iter().any(|k| k.value == met.written)
            {
                kept.push(Located::new(met.written, one.source.clone()));
            }
        }
    }
    kept
}

/// Blocks are equal, apart, or one inside the other.
fn common_addresses(x: &[Located<String>], y: &[Located<String>]) -> Vec<Located<String>> {
    let inside = |a: &Located<String>, b: &Located<String>| {
        let blocks = AddressBlock::parse(&a.value).ok().zip(AddressBlock::parse(&b.value).ok());
        blocks.is_some_and(|(a, b)| b.covers(&a))
    };
    let one = x.iter().filter(|a| y.iter().any(|b| inside(a, b)));
    let two = y.iter().filter(|b| x.iter().any(|a| inside(b, a)));
    let mut kept: Vec<Located<String>> = Vec::new();
    for block in one.chain(two) {
        if !kept.iter().any(|k| k.value == block.value) {
            kept.push(block.clone());
        }
    }
    kept
}

#[cfg(test)]
mod laws;
