//! A table of steps that a formula made gives the formula back.

use super::*;
use crate::catalog::{Catalog, NumberFormat, Precision};
use crate::performance::StepModel;
use crate::performance::{Deployment, Wide};

fn llama() -> StepModel {
    let catalog = Catalog::embedded();
    let deployment = Deployment {
        model: catalog.model("llama-3.1-8b").unwrap(),
        accelerator: catalog.accelerator("rtx-4090").unwrap(),
        engine: catalog.engine("vllm").unwrap(),
        precision: Precision::of(NumberFormat::Bf16),
        tensor_parallel: 1,
        expert_parallel: 1,
        pipeline_parallel: 1,
        wide: Wide::default(),
    };
    StepModel::compile(&deployment).unwrap()
}

fn step_ps(model: &StepModel, row: &MeasuredStep) -> u64 {
    let tokens = row.batch + row.new_tokens;
    let emitting = row.batch + u32::from(row.new_tokens > 0);
    let decode = model.context.ps * u64::from(row.batch) * row.context as u64;
    let prompt = model.prefill_attention(row.new_tokens, row.cached_tokens).ps;
    let gpu = model.tokens(tokens).ps + model.head(emitting).ps + decode + prompt;
    let least = if row.new_tokens > 0 { model.prefill_host_ps(tokens) } else { 0 };
    gpu.max(least) + model.host_ps(row.batch)
}

fn step(batch: u32, context: f64, new_tokens: u32) -> MeasuredStep {
    MeasuredStep { batch, context, new_tokens, cached_tokens: 0, ms: 1.0 }
}

fn table(model: &StepModel) -> Vec<MeasuredStep> {
    let decodes = [1, 2, 4, 8, 16, 32, 64, 128]
        .into_iter()
        .flat_map(|batch| [256.0, 1024.0, 4096.0].map(|context| step(batch, context, 0)));
    let prompts = [16, 64, 256, 512, 1024, 2048].map(|new| step(0, 0.0, new));
    let rows = decodes.chain(prompts);
    rows.map(|row| MeasuredStep { ms: step_ps(model, &row) as f64 * 1e-9, ..row }).collect()
}

#[test]
fn a_table_of_the_formula_is_the_formula() {
    let model = llama();
    let rows = table(&model);
    let measured = model.with_measured_steps(&rows).unwrap();
    let steps = measured.measured.as_ref().unwrap();
    assert!(steps.worst_error() < 1e-3, "{}", steps.worst_error());
    assert_eq!((steps.largest_batch(), steps.most_tokens()), (128, Some(2048)));
    for row in &rows {
        let ratio = step_ps(&measured, row) as f64 * 1e-9 / row.ms;
        assert!((ratio - 1.0).abs() < 2e-3, "{row:?}: {ratio}");
    }
    // Between its points: a batch of 48 and 1,500 new tokens, and mixed steps.
    for row in [step(48, 700.0, 0), step(0, 0.0, 1500), step(32, 512.0, 512), step(5, 3000.0, 100)]
    {
        let ratio = step_ps(&measured, &row) as f64 / step_ps(&model, &row) as f64;
        assert!((ratio - 1.0).abs() < 0.05, "{row:?}: {ratio}");
    }
    // A decode step is still so much for each token of context, in whole picoseconds.
    assert!(measured.context.ps.abs_diff(model.context.ps) <= 1);
    assert_eq!(measured.tokens(8).bytes, model.tokens(8).bytes);
}

#[test]
fn without_prompts_the_formula_serves() {
    let model = llama();
    let rows: Vec<_> = table(&model).into_iter().filter(|row| row.new_tokens == 0).collect();
    let measured = model.with_measured_steps(&rows).unwrap();
    let prompt = step(0, 0.0, 4000);
    let ratio = step_ps(&measured, &prompt) as f64 / step_ps(&model, &prompt) as f64;
    assert!((ratio - 1.0).abs() < 0.02, "{ratio}");
}

#[test]
fn what_cannot_be_read_is_refused() {
    let model = llama();
    let good = table(&model);
    let refused = |change: &dyn Fn(&mut Vec<MeasuredStep>)| {
        let mut rows = good.clone();
        change(&mut rows);
        model.with_measured_steps(&rows).unwrap_err()
    };
    let row = |error| matches!(error, UnusableSteps::Row { row: 3, .. });
    assert!(row(refused(&|rows| rows[2].ms = f64::NAN)));
    assert!(row(refused(&|rows| rows[2].ms = -1.0)));
    assert!(row(refused(&|rows| rows[2].context = f64::INFINITY)));
    let twice = refused(&|rows| rows.push(MeasuredStep { ms: rows[4].ms * 2.0, ..rows[4] }));
    assert!(matches!(twice, UnusableSteps::Contradiction { rows: [5, _], .. }), "{twice}");
    for kept in [0, 1, 3] {
        let few = refused(&|rows| rows.truncate(kept));
        assert!(matches!(few, UnusableSteps::TooFew(_)), "{kept}: {few}");
    }
    let one_context = refused(&|rows| rows.retain(|row| row.context == 256.0));
    assert!(matches!(one_context, UnusableSteps::TooFew(_)), "{one_context}");
    let crooked = refused(&|rows| rows[10].ms *= 4.0);
    assert!(matches!(crooked, UnusableSteps::Crooked { .. }), "{crooked}");
}
