//! Agreement with measured engines.

use super::reference::Case;
use crate::catalog::Catalog;
use crate::performance::{ClosedLoop, HostProfile, StepModel};

#[derive(serde::Deserialize)]
struct Row {
    #[serde(flatten)]
    case: Case,
    clients: u32,
    tpot_ms: f64,
    id: String,
}

/// Clients in closed loop that all ask for 8,192 tokens, of lengths drawn from 0.8 to 1.0 of nominal.
fn tpot_ms(step: &StepModel, host: &HostProfile, row: &Row) -> f64 {
    let clients = f64::from(row.clients);
    let load = ClosedLoop { clients, prompt: 922.0, answer: 7373.0, token_budget: 8192 };
    load.latencies(step, host).tpot_s * 1e3
}

#[test]
fn long_answers_take_as_long_as_measured() {
    let catalog = Catalog::embedded();
    let text = include_str!("../../../tests/data/measured_tpot.csv");
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let mut errors = Vec::new();
    for row in reader.deserialize() {
        let row: Row = row.unwrap();
        let deployment = row.case.deployment(&catalog);
        let step = StepModel::compile(&deployment).unwrap();
        let host = HostProfile::of(deployment.engine, deployment.accelerator);
        let ratio = tpot_ms(&step, &host, &row) / row.tpot_ms;
        assert!((0.6..1.6).contains(&ratio), "{}: {ratio}", row.id);
        errors.push((ratio - 1.0).abs());
    }
    errors.sort_unstable_by(f64::total_cmp);
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let median = errors[errors.len() / 2];
    assert!(errors.len() > 100);
    assert!(mean < 0.08 && median < 0.06, "mean {mean}, median {median}");
}
