//! Agreement with an independent implementation of the same formulas.

use crate::catalog::{Catalog, Precision};
use crate::performance::{Deployment, StepModel, Wide};

/// A deployment as fixtures name it.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Case {
    model: String,
    accelerator: String,
    engine: String,
    weights: String,
    experts: String,
    activations: String,
    kv: String,
    tensor_parallel: u32,
    expert_parallel: u32,
}

impl Case {
    pub(super) fn deployment<'a>(&self, catalog: &'a Catalog) -> Deployment<'a> {
        Deployment {
            model: catalog.model(&self.model).unwrap(),
            accelerator: catalog.accelerator(&self.accelerator).unwrap(),
            engine: catalog.engine(&self.engine).unwrap(),
            precision: Precision {
                weights: self.weights.parse().unwrap(),
                experts: self.experts.parse().unwrap(),
                activations: self.activations.parse().unwrap(),
                kv: self.kv.parse().unwrap(),
            },
            tensor_parallel: self.tensor_parallel,
            expert_parallel: self.expert_parallel,
            pipeline_parallel: 1,
            wide: Wide::default(),
        }
    }
}

#[derive(Debug, serde::Deserialize)]
struct Row {
    #[serde(flatten)]
    case: Case,
    decodes: u32,
    context: u32,
    new: u32,
    cached: u32,
    ends: u32,
    step_ms: f64,
}

fn catalog() -> Catalog {
    let mut catalog = Catalog::embedded();
    let text = include_str!("../../../tests/data/step_time_reference.toml");
    let pinned: toml::Table = text.parse().unwrap();
    for (engine, coefficients) in &pinned {
        let coefficients = coefficients.as_table().unwrap();
        catalog.add_engine(engine, Some(engine), coefficients, "reference").unwrap();
    }
    catalog
}

fn step_ps(step: &StepModel, row: &Row) -> u64 {
    let tokens = row.decodes + row.new;
    let windows = step.windows.iter().map(|w| (u64::from(w.window.min(row.context)), w.cost.ps));
    let contexts = windows.chain([(u64::from(row.context), step.context.ps)]);
    let decode: u64 = contexts.map(|(read, ps)| read * ps).sum::<u64>() * u64::from(row.decodes);
    let prompt = step.prefill_attention(row.new, row.cached).ps;
    let gpu = step.tokens(tokens).ps + step.head(row.decodes + row.ends).ps + decode + prompt;
    let gpu = if row.new > 0 { gpu.max(step.prefill_host_ps(tokens)) } else { gpu };
    gpu + step.host_ps(row.decodes)
}

#[test]
fn agrees_with_an_independent_implementation() {
    let catalog = catalog();
    let text = include_str!("../../../tests/data/step_time_reference.csv");
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let mut rows = 0;
    for row in reader.deserialize() {
        let row: Row = row.unwrap();
        let step = StepModel::compile(&row.case.deployment(&catalog)).unwrap();
        let ratio = step_ps(&step, &row) as f64 * 1e-9 / row.step_ms;
        // GLM 5's bottlenecks count as DeepSeek's there, a 2,000th of a step.
        assert!((ratio - 1.0).abs() < 5e-4, "{ratio}: {row:?}");
        rows += 1;
    }
    assert_eq!(rows, 68);
}
