//! Laws that hold for every model of the catalog on common hardware.

mod measured;
mod reference;
mod refusals;

use crate::performance::Wide;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::catalog::{Accelerator, Attention, Catalog, Engine, Model, NumberFormat, Precision};

fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(Catalog::embedded)
}

const HARDWARE: [&str; 8] = [
    "a100-sxm-80gb",
    "h100-sxm",
    "h200-sxm",
    "b200-sxm",
    "gb300-nvl72",
    "mi300x",
    "rtx-4090",
    "rtx-pro-6000",
];

/// Formats to try, the model's own first.
fn precisions(model: &Model) -> [Precision; 5] {
    let [fp8, nvfp4, int4] =
        [NumberFormat::Fp8, NumberFormat::Nvfp4, NumberFormat::Int4].map(Precision::of);
    let own = model.native_precision;
    [own, own.with_kv(NumberFormat::Fp8), fp8, nvfp4.with_kv(NumberFormat::Fp8), int4]
}

/// The smallest replica of up to 8 GPUs on which `model` fits, with 8k of context.
fn smallest<'a>(
    model: &'a Model,
    accelerator: &'a Accelerator,
    engine: &'a Engine,
    precision: Precision,
) -> Option<(Deployment<'a>, MemoryPlan)> {
    let of = |tensor_parallel| Deployment {
        model,
        accelerator,
        engine,
        precision,
        tensor_parallel,
        expert_parallel: 1,
        pipeline_parallel: 1,
        wide: Wide::default(),
    };
    [1, 2, 4, 8].map(of).into_iter().find_map(|deployment| {
        let plan = MemoryPlan::usual(&deployment, 8192).ok()?;
        Some((deployment, plan))
    })
}

/// All models on all of [`HARDWARE`] that they fit on, in all precisions that it has.
fn deployments() -> &'static [(Deployment<'static>, MemoryPlan, StepModel)] {
    static ALL: OnceLock<Vec<(Deployment<'static>, MemoryPlan, StepModel)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = Vec::new();
        for key in HARDWARE {
            let accelerator = catalog().accelerator(key).unwrap();
            for (model, engine) in
                catalog().models().flat_map(|model| catalog().engines().map(move |e| (model, e)))
            {
                for precision in precisions(model) {
                    if let Some((deployment, plan)) =
                        smallest(model, accelerator, engine, precision)
                    {
                        all.push((deployment, plan, StepModel::compile(&deployment).unwrap()));
                    }
                }
            }
        }
        all
    })
}

fn any_deployment() -> impl Strategy<Value = &'static (Deployment<'static>, MemoryPlan, StepModel)>
{
    any::<prop::sample::Index>().prop_map(|index| index.get(deployments()))
}

/// GPU time of a decode step of `batch` requests with `context` tokens each, ps.
fn decode_ps(step: &StepModel, batch: u32, context: u32) -> u64 {
    let windows = step.windows.iter().map(|w| (u64::from(w.window.min(context)), w.cost.ps));
    let read = windows.chain([(u64::from(context), step.context.ps)]);
    let attention: u64 = read.map(|(tokens, ps)| tokens * ps).sum();
    step.tokens(batch).ps + step.head(batch).ps + attention * u64::from(batch)
}

#[test]
fn every_model_and_every_kind_of_attention_compiles() {
    let all = deployments();
    let compiled = |model: &Model| all.iter().any(|(d, ..)| d.model.key == model.key);
    let missing: Vec<&str> =
        catalog().models().filter(|m| !compiled(m)).map(|m| m.key.as_str()).collect();
    assert_eq!(missing, Vec::<&str>::new());
    let kinds = ["mha", "gqa", "window", "sparse", "sparse mla", "mla", "compressed", "linear"];
    for kind in kinds {
        let has = |d: &Deployment<'_>| d.model.layers.iter().any(|g| g.attention.kind() == kind);
        assert!(all.iter().any(|(d, ..)| has(d)), "{kind}");
    }
    assert!(all.len() > 5000, "{}", all.len());
}

/// The batch keeps a heap for each window: few may remain.
#[test]
fn windows_are_merged() {
    for (deployment, _, step) in deployments() {
        assert!(step.windows.len() <= 3, "{deployment:?}");
        assert!(step.windows.is_sorted_by_key(|w| w.window));
        let linear = |attention: &Attention| matches!(attention, Attention::Linear(_));
        let recurrent = deployment.model.layers.iter().any(|group| linear(&group.attention));
        assert_eq!(recurrent, step.windows.first().is_some_and(|w| w.window == 1));
    }
}

/// Half a picosecond per token is lost at most. That is 0.2 % of a slope of 250 ps; where a slope
/// is smaller (latents and compressed histories on fast memory), 0.2 % of the step even if the
/// whole cache were read in it.
#[test]
fn rounding_to_picoseconds_changes_no_step_by_a_five_hundredth() {
    for (deployment, plan, step) in deployments() {
        let tokens = plan.tokens().min(1 << 40);
        let batch = (tokens / 8192).clamp(1, 4096) as u32;
        let context = u32::try_from(tokens / u64::from(batch)).unwrap_or(u32::MAX);
        let per_sequence: u64 = step.windows.iter().map(|w| u64::from(w.window.min(context))).sum();
        let lost = 0.5 * (per_sequence + u64::from(context)) as f64 * f64::from(batch);
        let share = lost / decode_ps(step, batch, context) as f64;
        assert!(share < 0.002, "{deployment:?}: {share}");
    }
}

/// Weights of Llama-3.1-8B: 6,979,321,856 parameters in its layers, 525,336,576 in its head.
#[test]
fn a_step_of_one_is_the_sum_of_its_parts_by_hand() {
    let deployment = Deployment {
        model: catalog().model("llama-3.1-8b").unwrap(),
        accelerator: catalog().accelerator("h100-sxm").unwrap(),
        engine: catalog().engine("vllm").unwrap(),
        precision: Precision::of(NumberFormat::Bf16),
        tensor_parallel: 1,
        expert_parallel: 1,
        pipeline_parallel: 1,
        wide: Wide::default(),
    };
    let c = deployment.engine.step;
    let step = StepModel::compile(&deployment).unwrap();
    let (layers, head) = (6_979_321_856.0, 525_336_576.0);
    assert_eq!(step.prompt_token_flops(), 2 * 6_979_321_856);
    assert_eq!(step.token_flops(), 2 * (6_979_321_856 + 525_336_576));

    // One token: reading the weights is all, arithmetic is a hundredth of it.
    let reading = 2.0 * (layers + head) / (c.memory_efficiency * 3.35e12);
    // 32 layers of 11 kernels: two norms, six for attention, three for the network.
    let launches = 32.0 * 11.0 * c.kernel_launch_s;
    // 24 h per layer for norms, 6 x 14,336 for the network, 8 x (32 + 2 x 8) x 128 for rotation.
    let activations = 32.0 * (24.0 * 4096.0 + 6.0 * 14_336.0 + 8.0 * 48.0 * 128.0);
    let activations = c.activation_traffic * activations / 3.35e12;
    let expected = reading + launches + activations;
    let got = (step.tokens(1).ps + step.head(1).ps) as f64 * 1e-12;
    assert!((got / expected - 1.0).abs() < 1e-6, "{got} {expected}");

    // A large prompt: arithmetic is all.
    let tokens = 8192.0;
    let computing = 2.0 * layers * tokens / (c.compute_efficiency_bf16 * 989.5e12);
    let expected = computing + launches + activations * tokens;
    let got = step.tokens(8192).ps as f64 * 1e-12;
    assert!((got / expected - 1.0).abs() < 1e-6, "{got} {expected}");

    // 131,072 bytes per token of context.
    let context = 131_072.0 / (c.attention_memory_efficiency * 3.35e12);
    assert_eq!(step.context.bytes, 131_072);
    assert_eq!(step.context.ps, libm::round(context * 1e12) as u64);
    assert_eq!(step.context.flops, 32 * 2 * 256 * 32);
    let host = c.step_s + 10.0 * c.sequence_s;
    assert_eq!(step.host_ps(10), libm::round(host * 1e12) as u64);
    let launching = 32.0 * 11.0 * c.prefill_kernel_s;
    assert_eq!(step.prefill_host_ps(8192), libm::round(launching * 1e12) as u64);
    let captured = launching * c.prefill_captured_factor;
    assert_eq!(step.prefill_host_ps(100), libm::round(captured * 1e12) as u64);
}

/// Two all-reduces in each of 80 layers, of 8192 elements of 2 bytes per token over 4 ranks.
#[test]
fn tensor_parallelism_adds_its_all_reduces() {
    let of = |tensor_parallel| Deployment {
        model: catalog().model("llama-3.3-70b").unwrap(),
        accelerator: catalog().accelerator("h100-sxm").unwrap(),
        engine: catalog().engine("vllm").unwrap(),
        precision: Precision::of(NumberFormat::Fp8),
        tensor_parallel,
        expert_parallel: 1,
        pipeline_parallel: 1,
        wide: Wide::default(),
    };
    let c = of(4).engine.step;
    let step = StepModel::compile(&of(4)).unwrap();
    let latency = 160.0 * c.all_reduce_latency_s;
    assert!((step.communication_s - latency).abs() < 1e-15);
    let token = 160.0 * c.all_reduce_slowdown * 16_384.0 * 1.5 / 900e9;
    assert!((step.communication_token_s / token - 1.0).abs() < 1e-12);
    let alone = StepModel::compile(&of(1)).unwrap();
    assert_eq!((alone.communication_s, alone.communication_token_s), (0.0, 0.0));
}

/// Experts dealt out whole cost what experts cut to pieces do, plus the imbalance between ranks,
/// less the rows that each rank need not gather.
#[test]
fn expert_parallelism_costs_the_imbalance() {
    let of = |expert_parallel| Deployment {
        model: catalog().model("deepseek-r1").unwrap(),
        accelerator: catalog().accelerator("h200-sxm").unwrap(),
        engine: catalog().engine("sglang").unwrap(),
        precision: Precision::of(NumberFormat::Fp8),
        tensor_parallel: 8,
        expert_parallel,
        pipeline_parallel: 1,
        wide: Wide::default(),
    };
    let [cut, dealt] = [1, 8].map(|groups| StepModel::compile(&of(groups)).unwrap());
    let imbalance = 1.0 + of(8).engine.step.expert_parallel_imbalance;
    assert!((dealt.experts[0].memory_s / cut.experts[0].memory_s - imbalance).abs() < 1e-12);
    assert_eq!(dealt.experts[0].bytes, cut.experts[0].bytes);
    assert!(dealt.activation_token_bytes < cut.activation_token_bytes);
    assert_eq!(dealt.token_flops(), cut.token_flops());
}

/// Under tensor parallelism the peak of a model in one format is that format's peak; experts in
/// 4 bits beside attention in 16 lie between.
#[test]
fn the_peak_is_that_of_the_formats_in_use() {
    let of = |precision| {
        let deployment = Deployment {
            model: catalog().model("qwen3-235b-a22b").unwrap(),
            accelerator: catalog().accelerator("b200-sxm").unwrap(),
            engine: catalog().engine("vllm").unwrap(),
            precision,
            tensor_parallel: 4,
            expert_parallel: 1,
            pipeline_parallel: 1,
            wide: Wide::default(),
        };
        StepModel::compile(&deployment).unwrap().peak_flops()
    };
    let bf16 = Precision::of(NumberFormat::Bf16);
    assert!((of(bf16) / 2250e12 - 1.0).abs() < 1e-12);
    let mixed = Precision {
        experts: NumberFormat::Nvfp4,
        activations: NumberFormat::Nvfp4,
        ..Precision::of(NumberFormat::Bf16)
    };
    assert!(of(mixed) > 2250e12 && of(mixed) < 9000e12);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn more_tokens_are_never_faster(d in any_deployment(), tokens in 1u32..20_000) {
        let step = &d.2;
        let (less, more) = (step.tokens(tokens), step.tokens(tokens + 1));
        prop_assert!(more.ps >= less.ps && more.bytes >= less.bytes);
        prop_assert!(step.head(tokens + 1).ps >= step.head(tokens).ps);
        prop_assert!(step.host_ps(tokens + 1) >= step.host_ps(tokens));
        prop_assert!(step.prefill_host_ps(tokens + 1) >= step.prefill_host_ps(tokens));
    }

    #[test]
    fn longer_prompts_are_never_faster(
        d in any_deployment(),
        new in 1u32..20_000,
        cached in 0u32..200_000,
    ) {
        let at = |new, cached| d.2.prefill_attention(new, cached);
        for more in [at(new + 1, cached), at(new, cached + 1)] {
            prop_assert!(more.ps >= at(new, cached).ps && more.flops >= at(new, cached).flops);
        }
        prop_assert_eq!(at(0, cached), PrefillCost::default());
    }

    /// No part of a step beats the datasheet by more than the tenth that a card may run above it.
    #[test]
    fn the_roofline_is_never_beaten(
        d in any_deployment(),
        tokens in 1u32..20_000,
        cached in 0u32..200_000,
    ) {
        let step = &d.2;
        let within = |ps: u64, bytes: f64, flops: f64| {
            let own = d.0.engine.step_on(d.0.accelerator);
            let (memory, compute) =
                (step.bandwidth() * own.memory_factor, step.peak_flops() * own.compute_factor);
            (ps + 1) as f64 * 1e-12 * 1.1 >= f64::max(bytes / memory, flops / compute)
        };
        let (body, head) = (step.tokens(tokens), step.head(tokens));
        let flops = f64::from(tokens) * step.token_flops() as f64;
        prop_assert!(within(body.ps + head.ps, (body.bytes + head.bytes) as f64, flops));
        // Indices are multiplied in 8 bits, whatever the layers use.
        let indexed = d.0.model.index_bytes_per_token() > 0.0;
        let attended = |flops: u64| flops as f64 / if indexed { 2.0 } else { 1.0 };
        let prompt = step.prefill_attention(tokens, cached);
        prop_assert!(within(prompt.ps, 0.0, attended(prompt.flops)));
        for ContextCost { ps, bytes, flops } in
            step.windows.iter().map(|w| w.cost).chain([step.context])
        {
            prop_assert!(within(ps, bytes as f64, attended(flops)));
        }
    }

    /// Twice the GPUs: each keeps and reads no more, and the replica holds no fewer tokens.
    #[test]
    fn more_gpus_never_need_more_memory_each(d in any_deployment(), tokens in 1u32..5000) {
        let (deployment, plan, step) = d;
        let twice = Deployment { tensor_parallel: deployment.tensor_parallel * 2, ..*deployment };
        prop_assume!(twice.check().is_ok());
        let more = MemoryPlan::usual(&twice, 8192).unwrap();
        prop_assert!(more.weights <= plan.weights);
        prop_assert!(more.block_bytes <= plan.block_bytes);
        prop_assert!(more.blocks >= plan.blocks);
        let faster = StepModel::compile(&twice).unwrap();
        prop_assert!(faster.tokens(tokens).bytes <= step.tokens(tokens).bytes);
        prop_assert!(faster.context.bytes <= step.context.bytes);
    }

    #[test]
    fn a_narrower_cache_is_never_larger(d in any_deployment()) {
        let (deployment, plan, _) = d;
        let narrow = deployment.precision.with_kv(NumberFormat::Nvfp4);
        let narrow = Deployment { precision: narrow, ..*deployment };
        prop_assert!(MemoryPlan::usual(&narrow, 8192).unwrap().block_bytes <= plan.block_bytes);
    }
}
