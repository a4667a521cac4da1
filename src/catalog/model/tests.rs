//! The importer against published figures, over every model of the catalog.

use super::*;
use crate::catalog::Catalog;

/// Largest differences between our counts and the published ones, which are rounded, often taken
/// from a model's name, and count input embeddings where ours of active parameters do not.
const TOTAL: f64 = 0.036;
const ACTIVE: f64 = 0.12;

#[test]
fn parameters_agree_with_the_published_ones() {
    let catalog = Catalog::embedded();
    let mut wrong = Vec::new();
    for model in catalog.models() {
        let parameters = model.parameters();
        let off = |ours: u64, published: &Option<Figure<f64>>| {
            published.as_ref().map_or(0.0, |figure| ours as f64 / figure.value - 1.0)
        };
        let total = off(parameters.total(), &model.published_total);
        let active = off(parameters.active(), &model.published_active);
        let (total_limit, active_limit) = match model.key.as_str() {
            // The published count holds the vision tower.
            "gemma-3-4b" => (0.1, ACTIVE),
            // The published count is a rounded 3 B.
            "qwen3-next-80b-a3b" => (TOTAL, 0.2),
            _ => (TOTAL, ACTIVE),
        };
        if total.abs() > total_limit || active.abs() > active_limit {
            wrong.push(format!(
                "{}: {:.2} B total ({:+.1} %), {:.2} B active ({:+.1} %)",
                model.key,
                parameters.total() as f64 / 1e9,
                total * 100.0,
                parameters.active() as f64 / 1e9,
                active * 100.0
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
