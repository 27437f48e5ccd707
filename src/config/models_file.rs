//! `models.json`: tiers and custom models, as the user wrote them.

use super::check::Findings;
use super::effective::{CustomModel, ModelCatalogue};
use super::problem::Problem;
use super::value::{Layer, Value};

/// Builds the catalogue from the checked file.
pub(super) fn catalogue(layer: &Layer, findings: &mut Findings) -> ModelCatalogue {
    let mut models = ModelCatalogue::default();
    for named in &layer.named {
        if let [_, provider, models_key, name] = named.value.0.as_slice()
            && models_key == "models"
        {
            let entry = CustomModel { provider: provider.clone(), ..CustomModel::default() };
            if let Some(other) = models.custom.insert(name.clone(), entry) {
                let what = format!(
                    "model `{}` stands under two providers, `{}` and `{provider}`",
                    super::json::shown(name),
                    other.provider
                );
                findings.problems.push(Problem::of(layer.file.clone(), what));
            }
        }
    }
    for (path, setting) in &layer.settings {
        match (path.0.as_slice(), &setting.value) {
            ([first, tier], Value::Text(model)) if first == "tiers" => {
                models.tiers.insert(tier.clone(), model.clone());
            }
            ([_, _, _, name, field], value) => {
                let Some(entry) = models.custom.get_mut(name) else { continue };
                let whole = if let Value::Whole(n) = value { u64::try_from(*n).ok() } else { None };
                match field.as_str() {
                    "contextWindow" => entry.context_window = whole,
                    "maxOutputTokens" => entry.max_output_tokens = whole,
                    "costPer1kInput" => entry.cost_per_1k_input = value.number(),
                    "costPer1kOutput" => entry.cost_per_1k_output = value.number(),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    models
}
