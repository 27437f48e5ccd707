//! What a turn cost. Read [`super::catalogue`] for where prices come from.

use super::route::ModelInfo;
use crate::model::Usage;

/// US dollars of one turn or of a sum of turns, cache reads and writes included. `None` when
/// the model has no known price: that is not the same as free, and a budget must not treat it so.
pub fn cost(usage: &Usage, info: &ModelInfo) -> Option<f64> {
    let prices = info.prices?;
    let part = |tokens: u64, per_1k: f64| tokens as f64 / 1000.0 * per_1k;
    Some(
        part(usage.input_tokens, prices.input)
            + part(usage.output_tokens, prices.output)
            + part(usage.cache_creation_input_tokens, prices.cache_write)
            + part(usage.cache_read_input_tokens, prices.cache_read),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Prices;

    #[test]
    fn cache_reads_and_writes_are_paid_for_and_no_price_is_not_free() {
        let usage = Usage {
            input_tokens: 1000,
            output_tokens: 2000,
            cache_read_input_tokens: 10_000,
            cache_creation_input_tokens: 4000,
        };
        let mut info =
            ModelInfo { prices: Some(Prices::per_1k(1.0, 10.0)), ..ModelInfo::default() };
        assert_eq!(cost(&usage, &info), Some(1.0 + 20.0 + 5.0 + 1.0));
        info.prices = None;
        assert_eq!(cost(&usage, &info), None);
    }
}
