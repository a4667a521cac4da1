//! Agreement with measured engines.

use super::reference::Case;
use crate::catalog::Catalog;
use crate::performance::StepModel;

#[derive(serde::Deserialize)]
struct Row {
    #[serde(flatten)]
    case: Case,
    clients: u32,
    tpot_ms: f64,
    id: String,
}

/// Clients in closed loop that all ask for 8,192 tokens keep a batch of as many decodes, each with
/// half of its answer behind it on average. In the time of one answer, every other client's next
/// prompt is computed once, beside the decodes.
fn tpot_ms(step: &StepModel, row: &Row) -> f64 {
    let (prompt, answer) = (922, 7373);
    let decode = super::decode_ps(step, row.clients, prompt + answer / 2);
    let decode = decode + step.host_ps(row.clients);
    let tokens = row.clients - 1 + prompt;
    let gpu = super::decode_ps(step, row.clients, prompt + answer / 2)
        - step.tokens(row.clients).ps
        + step.tokens(tokens).ps
        + step.prefill_attention(prompt, 0).ps;
    let mixed = gpu.max(step.prefill_host_ps(tokens)) + step.host_ps(row.clients);
    let prefills = f64::from(row.clients) / f64::from(answer);
    (decode as f64 + prefills * (mixed as f64 - decode as f64)) * 1e-9
}

#[test]
fn long_answers_take_as_long_as_measured() {
    let catalog = Catalog::embedded();
    let text = include_str!("../../../tests/data/measured_tpot.csv");
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let mut errors = Vec::new();
    for row in reader.deserialize() {
        let row: Row = row.unwrap();
        let step = StepModel::compile(&row.case.deployment(&catalog)).unwrap();
        let ratio = tpot_ms(&step, &row) / row.tpot_ms;
        assert!((0.6..1.6).contains(&ratio), "{}: {ratio}", row.id);
        errors.push((ratio - 1.0).abs());
    }
    errors.sort_unstable_by(f64::total_cmp);
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let median = errors[errors.len() / 2];
    assert!(errors.len() > 100);
    assert!(mean < 0.08 && median < 0.06, "mean {mean}, median {median}");
}
