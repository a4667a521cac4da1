//! Experts that many GPUs share: what each of them holds, reads and sends, against plain arithmetic.

use tokenfleet::catalog::{Catalog, NumberFormat, Precision};
use tokenfleet::performance::{AllToAll, Deployment, MemoryPlan, StepModel, Wide, coverage};

fn deepseek(accelerator: &str, wide: Wide, expert_parallel: u32) -> Deployment<'static> {
    let catalog = Box::leak(Box::new(Catalog::embedded()));
    Deployment {
        model: catalog.model("deepseek-r1").unwrap(),
        accelerator: catalog.accelerator(accelerator).unwrap(),
        engine: catalog.engine("sglang").unwrap(),
        precision: Precision::of(NumberFormat::Fp8),
        tensor_parallel: 1,
        expert_parallel,
        pipeline_parallel: 1,
        wide,
    }
}

/// 58 layers of 256 experts with three matrices of 7,168 x 2,048 in a byte each.
const EXPERTS: f64 = 58.0 * 256.0 * 3.0 * 7168.0 * 2048.0;

fn wide(data_parallel: u32, redundant_experts: u32) -> Wide {
    Wide { data_parallel, expert_skew: Some(0.0), redundant_experts, ..Wide::default() }
}

#[test]
fn each_gpu_holds_its_part_of_the_experts() {
    let weights = |groups, copies| {
        let deployment = deepseek("gb200-nvl72", wide(groups, copies), groups);
        MemoryPlan::usual(&deployment, 32_768).unwrap().weights as f64
    };
    let (eight, many) = (weights(8, 0), weights(64, 0));
    let expected = EXPERTS / 8.0 - EXPERTS / 64.0;
    assert!(((eight - many) / expected - 1.0).abs() < 1e-3, "{eight} {many}");
    let copied = weights(72, 32) - many;
    let expected = EXPERTS * (288.0 / 256.0 / 72.0 - 1.0 / 64.0);
    assert!((copied - expected).abs() < 1e-3 * many, "{copied} {expected}");
}

#[test]
fn each_gpu_reads_its_part_of_what_all_visit() {
    let groups = 64;
    let model = StepModel::compile(&deepseek("gb200-nvl72", wide(groups, 0), groups)).unwrap();
    let bytes = |tokens: u32| model.tokens(tokens).bytes as f64;
    // From 1 to 32 tokens on each GPU: the experts that 64 times as many visit, a 64th each.
    let visited = |tokens: u32| {
        let all = f64::from(tokens * groups) * model.experts[0].spread;
        coverage(256.0, 8.0, all) / 256.0 / f64::from(groups)
    };
    let expected = (visited(32) - visited(1)) * EXPERTS + 31.0 * model.activation_token_bytes;
    assert!(((bytes(32) - bytes(1)) / expected - 1.0).abs() < 1e-6);
}

/// Each of the 58 mixtures sends every token's 8 copies of 7,168 elements there in one byte and back in
/// two.
#[test]
fn tokens_travel_by_links_inside_a_rack_and_by_network_between_boxes() {
    let per_token = |accelerator: &str, link: f64, domain: u32, network: f64| {
        let model = StepModel::compile(&deepseek(accelerator, wide(64, 0), 64)).unwrap();
        let exchange = AllToAll::new(64, domain, link, network);
        let expected = 58.0 * 8.0 * 7168.0 * 3.0 * exchange.byte_s;
        assert!((model.communication_token_s / expected - 1.0).abs() < 1e-9, "{accelerator}");
        assert!((model.communication_s - 58.0 * exchange.latency_s).abs() < 1e-12);
        model.communication_token_s
    };
    let rack = per_token("gb200-nvl72", 900e9, 72, 50e9);
    let boxes = per_token("b200-sxm", 900e9, 8, 50e9);
    // 7 of 8 copies leave a box by a card of 50 GB/s, 63 of 64 stay inside the rack at 900 GB/s.
    let expected = (56.0 / 64.0 / 50e9) / (63.0 / 64.0 / 900e9);
    assert!((boxes / rack / expected - 1.0).abs() < 1e-9, "{boxes} {rack}");
}

#[test]
fn a_hot_expert_costs_what_its_copies_do_not_take() {
    let step = |skew: f64, copies: u32, groups: u32| {
        let wide = Wide { expert_skew: Some(skew), ..wide(groups, copies) };
        let model = StepModel::compile(&deepseek("gb200-nvl72", wide, groups)).unwrap();
        model.tokens(256).ps as f64
    };
    assert!(step(0.6, 0, 64) > 1.5 * step(0.0, 0, 64));
    assert!(step(0.6, 32, 72) < 1.15 * step(0.0, 32, 72));
}

/// Where the network is slow a step lasts as long as both halves' exchanges, where it is quick as long as
/// their kernels; a small batch pays for reading the weights twice.
#[test]
fn halves_hide_the_shorter_of_kernels_and_exchange() {
    let model = |accelerator: &str, overlap: bool| {
        let wide = Wide { two_batch_overlap: overlap, ..wide(64, 0) };
        StepModel::compile(&deepseek(accelerator, wide, 64)).unwrap()
    };
    let seconds = |model: &StepModel, tokens| model.tokens(tokens).ps as f64 * 1e-12;
    let travel = |model: &StepModel, tokens| {
        2.0 * model.communication_s + model.communication_token_s * f64::from(tokens)
    };
    let (boxes, rack) = (model("h100-sxm", true), model("gb200-nvl72", true));
    assert!((seconds(&boxes, 1024) / travel(&boxes, 1024) - 1.0).abs() < 1e-9);
    assert!(seconds(&rack, 1024) > travel(&rack, 1024));
    for accelerator in ["h100-sxm", "gb200-nvl72"] {
        let (plain, halves) = (model(accelerator, false), model(accelerator, true));
        assert!(seconds(&halves, 1024) < seconds(&plain, 1024), "{accelerator}");
        assert!(seconds(&halves, 4) > seconds(&plain, 4), "{accelerator}");
    }
}
