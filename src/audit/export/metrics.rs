//! OTLP/JSON: a request of metrics, made of the records of one batch. Names, units and bounds:
//! OpenTelemetry semantic conventions for generative AI, 1.41.
//!
//! Histograms of differences: each batch tells what is new in it and nothing else, so that any number of
//! processes can send theirs. A batch that was taken and is sent again all the same (its answer was
//! lost) counts twice; the records and the spans do not.

use super::facts::Facts;
use super::otlp::{attribute, by_writer};
use super::spans::{CONVENTIONS, input_tokens, operation};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Upper bounds of `gen_ai.client.token.usage`: powers of four.
const TOKENS: [f64; 14] = [
    1.,
    4.,
    16.,
    64.,
    256.,
    1024.,
    4096.,
    16384.,
    65536.,
    262_144.,
    1_048_576.,
    4_194_304.,
    16_777_216.,
    67_108_864.,
];
/// Upper bounds of `gen_ai.client.operation.duration`, seconds.
const SECONDS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

/// What a value is about, as attributes.
type About = Vec<(&'static str, String)>;

/// Values of one metric with the same attributes.
struct Points {
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum: f64,
    least: f64,
    most: f64,
}

impl Points {
    fn new(bounds: &'static [f64]) -> Self {
        let counts = vec![0; bounds.len() + 1];
        Points { bounds, counts, sum: 0., least: f64::INFINITY, most: 0. }
    }

    fn add(&mut self, value: f64) {
        // A bound belongs to the bucket below it.
        let at = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.sum += value;
        self.least = self.least.min(value);
        self.most = self.most.max(value);
    }

    fn told(&self, about: &About, from: &str, to: &str) -> Value {
        let attributes: Vec<Value> =
            about.iter().map(|(key, value)| attribute(key, json!(value))).collect();
        let counts: Vec<String> = self.counts.iter().map(u64::to_string).collect();
        json!({
            "attributes": attributes, "startTimeUnixNano": from, "timeUnixNano": to,
            "count": self.counts.iter().sum::<u64>().to_string(), "sum": self.sum,
            "min": self.least, "max": self.most,
            "bucketCounts": counts, "explicitBounds": self.bounds,
        })
    }
}

/// One `ExportMetricsServiceRequest`; `None` where there is nothing to tell.
pub(super) fn request(batch: &[Facts]) -> Option<Value> {
    let resources = by_writer(batch, |group| {
        let metrics = metrics(group);
        let scope = json!({"name": "ion", "version": env!("CARGO_PKG_VERSION")});
        (!metrics.is_empty()).then(|| {
            let scoped = json!([{"scope": scope, "metrics": metrics, "schemaUrl": CONVENTIONS}]);
            ("scopeMetrics", scoped)
        })
    });
    (!resources.is_empty()).then(|| json!({"resourceMetrics": resources}))
}

fn metrics(group: &[Facts]) -> Vec<Value> {
    let mut tokens: BTreeMap<About, Points> = BTreeMap::new();
    let mut seconds: BTreeMap<About, Points> = BTreeMap::new();
    let (mut from, mut to) = (u128::MAX, 0_u128);
    for facts in group {
        let Some(operation) = operation(facts) else { continue };
        let end: u128 = facts.text("/ns").parse().unwrap_or(0);
        from = from.min(end.saturating_sub(u128::from(operation.ms) * 1_000_000));
        to = to.max(end);
        let mut about: About = vec![("gen_ai.operation.name", operation.name.to_owned())];
        for (key, pointer) in [
            ("gen_ai.provider.name", "/body/provider"),
            ("gen_ai.request.model", "/body/model"),
            ("gen_ai.tool.name", "/tool"),
            ("server.address", "/body/host"),
        ] {
            let value = facts.text(pointer);
            about.extend((!value.is_empty()).then_some((key, value)));
        }
        if operation.name == "chat" {
            let output = facts.get("/body/usage/output_tokens").as_u64();
            for (kind, count) in [("input", input_tokens(facts)), ("output", output)] {
                let Some(count) = count else { continue };
                let typed = [("gen_ai.token.type", kind.to_owned())];
                let about = about.iter().cloned().chain(typed).collect();
                tokens.entry(about).or_insert_with(|| Points::new(&TOKENS)).add(count as f64);
            }
        }
        about.extend(operation.error.map(|error| ("error.type", error)));
        let points = seconds.entry(about).or_insert_with(|| Points::new(&SECONDS));
        points.add(operation.ms as f64 / 1000.);
    }
    let (from, to) = (from.min(to).to_string(), to.to_string());
    [
        ("gen_ai.client.token.usage", "{token}", tokens),
        ("gen_ai.client.operation.duration", "s", seconds),
    ]
    .into_iter()
    .filter(|(_, _, points)| !points.is_empty())
    .map(|(name, unit, points)| {
        let points: Vec<Value> =
            points.iter().map(|(about, points)| points.told(about, &from, &to)).collect();
        // 1: each batch tells what is new in it.
        let histogram = json!({"aggregationTemporality": 1, "dataPoints": points});
        json!({"name": name, "unit": unit, "histogram": histogram})
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_in_the_bucket_whose_bound_it_does_not_pass() {
        let mut points = Points::new(&TOKENS);
        for value in [0., 1., 2., 4., 5., 1e12] {
            points.add(value);
        }
        let told = points.told(&vec![("a", "b".to_owned())], "1", "2");
        assert_eq!(told["count"], "6");
        let counts = &told["bucketCounts"];
        assert_eq!((&counts[0], &counts[1], &counts[2]), (&json!("2"), &json!("2"), &json!("1")));
        assert_eq!(counts[14], "1", "beyond the last bound");
        assert_eq!(counts.as_array().unwrap().len(), TOKENS.len() + 1);
        assert_eq!((&told["min"], &told["max"]), (&json!(0.), &json!(1e12)));
    }
}
