//! What fits, against closed forms and a recorded run.

use super::*;
use crate::catalog::{Accelerator, Catalog, Precision};
use crate::performance::{DoesNotFit, Mend, Wide};

const CONTEXT: u64 = 8192;

fn deployment<'a>(
    catalog: &'a Catalog,
    model: &str,
    accelerator: &'a Accelerator,
    precision: Precision,
    tensor_parallel: u32,
) -> Deployment<'a> {
    Deployment {
        model: catalog.model(model).unwrap(),
        accelerator,
        engine: catalog.engine("vllm").unwrap(),
        precision,
        tensor_parallel,
        expert_parallel: 1,
        pipeline_parallel: 1,
        wide: Wide::default(),
    }
}

fn fault(result: Result<MemoryPlan, PerformanceError>) -> DoesNotFit {
    match result {
        Err(PerformanceError::DoesNotFit(fault)) => *fault,
        other => panic!("{other:?}"),
    }
}

/// vLLM 0.19 on an RTX 4090 whose driver reports 25,250,627,584 bytes, 2,048 tokens at once for
/// 256 sequences at most, wrote `num_gpu_blocks: 2588` (casys-kaist/LLMServingSim@5daddb2).
#[test]
fn reproduces_the_blocks_of_a_recorded_run() {
    let mut catalog = Catalog::embedded();
    let memory = toml::toml! { memory = "25250627584 B" };
    catalog.add_accelerator("this-4090", Some("rtx-4090"), &memory, "recorded run").unwrap();
    let card = catalog.accelerator("this-4090").unwrap();
    let bf16 = Precision::of(NumberFormat::Bf16);
    let deployment = deployment(&catalog, "llama-3.1-8b", card, bf16, 1);
    let reserve = usual_reserve(&deployment, 2048, 256);
    let plan = MemoryPlan::fit(&deployment, 32_768, 0.9, reserve, 16).unwrap();
    assert!(plan.blocks.abs_diff(2588) <= 2, "{plan:?}");
}

#[test]
fn weights_are_cut_and_what_has_no_heads_is_repeated() {
    let catalog = Catalog::embedded();
    let h200 = catalog.accelerator("h200-sxm").unwrap();
    let fp8 = Precision::of(NumberFormat::Fp8);
    let weights = |model: &str, ranks| {
        Demand::of(&deployment(&catalog, model, h200, fp8, ranks)).weights as f64
    };
    // Llama: 80 layers of 2 x 8192^2 + 2 x 8192 x 1024 + 3 x 8192 x 28672 bytes, embedding and
    // output of 128256 x 8192 in 16 bits, 161 norms of 8192.
    let layers = 80.0 * (2.0 * 8192.0 * 8192.0 + 2.0 * 8192.0 * 1024.0 + 3.0 * 8192.0 * 28672.0);
    let ends = 2.0 * 2.0 * 128_256.0 * 8192.0;
    let norms = 2.0 * 161.0 * 8192.0;
    for ranks in [1, 4] {
        let expected = (layers + ends) / f64::from(ranks) + norms;
        assert_eq!(weights("llama-3.3-70b", ranks), expected);
    }
    // DeepSeek: routers (58 x 256 x 7168 in 16 bits) and bottlenecks (61 x 7168 x (1536 + 576))
    // lie on every rank whole.
    let whole = 2.0 * 58.0 * 256.0 * 7168.0 + 61.0 * 7168.0 * 2112.0 + 2.0 * 123.0 * 7168.0;
    let [one, eight] = [1, 8].map(|ranks| weights("deepseek-r1", ranks));
    assert!((eight - ((one - whole) / 8.0 + whole)).abs() < 2.0);
}

#[test]
fn the_cache_is_cut_by_heads_down_to_one_and_a_latent_is_not() {
    let catalog = Catalog::embedded();
    let h100 = catalog.accelerator("h100-sxm").unwrap();
    let bf16 = Precision::of(NumberFormat::Bf16);
    let token =
        |model: &str, ranks| Demand::of(&deployment(&catalog, model, h100, bf16, ranks)).token;
    // Qwen3-30B: 48 layers, 4 key-value heads of 128: 98,304 bytes.
    assert_eq!(
        [1, 2, 4, 8].map(|ranks| token("qwen3-30b-a3b", ranks)),
        [98_304.0, 49_152.0, 24_576.0, 24_576.0]
    );
    // DeepSeek: 576 elements in 61 layers on every rank; 3.2 adds 132 bytes of index.
    assert_eq!(token("deepseek-r1", 8), 61.0 * 1152.0);
    assert_eq!(token("deepseek-v3.2", 8), 61.0 * (1152.0 + 132.0));
}

#[test]
fn windows_and_states_are_paid_per_sequence() {
    let catalog = Catalog::embedded();
    let h100 = catalog.accelerator("h100-sxm").unwrap();
    let bf16 = Precision::of(NumberFormat::Bf16);
    // gpt-oss-120b: 18 of 36 layers keep 128 tokens, 8 heads of 64 elements: as many bytes as the
    // other 18 take for 128 tokens.
    let oss = deployment(&catalog, "gpt-oss-120b", h100, oss_precision(), 1);
    assert_eq!(MemoryPlan::fit(&oss, CONTEXT, 0.95, 1 << 30, 16).unwrap().sequence_blocks, 8);
    // Qwen3-Next: 36 states of 32 x 128 x 128 in single precision and 3 x 8192 in 16 bits.
    let next = Demand::of(&deployment(&catalog, "qwen3-next-80b-a3b", h100, bf16, 4));
    assert_eq!(next.sequence, 36.0 * (32.0 * 128.0 * 128.0 * 4.0 + 3.0 * 8192.0 * 2.0) / 4.0);
    assert_eq!(next.token, 12.0 * 2.0 * 256.0 * 2.0);
}

fn oss_precision() -> Precision {
    Precision { experts: NumberFormat::Mxfp4, ..Precision::of(NumberFormat::Bf16) }
}

#[test]
fn the_three_rules_of_dividing_memory() {
    let rule = |of| Rule { memory: 100, utilisation: 0.5, of, reserve: 10, block_size: 16 };
    assert_eq!(rule(UtilizationOf::Total).cache(20), 20);
    assert_eq!(rule(UtilizationOf::WeightsAndCache).cache(20), 30);
    assert_eq!(rule(UtilizationOf::Free).cache(20), 35);
    assert_eq!(rule(UtilizationOf::Free).cache(95), -5);
    assert_eq!(rule(UtilizationOf::Total).cache(45), -5);
}

#[test]
fn what_does_not_fit_says_by_how_much_and_what_would() {
    let catalog = Catalog::embedded();
    let h100 = catalog.accelerator("h100-sxm").unwrap();
    let bf16 = Precision::of(NumberFormat::Bf16);
    let reserve = 3_000_000_000;
    let of = |precision, ranks| deployment(&catalog, "llama-3.3-70b", h100, precision, ranks);
    let fit = |deployment: &Deployment<'_>, context| {
        MemoryPlan::fit(deployment, context, 0.9, reserve, 16)
    };
    let found = fault(fit(&of(bf16, 1), CONTEXT));
    // 141.1 GB of weights, 3 GB of reserve and 8192 x 320 KiB, of 0.9 x 79.19 GiB.
    let needed = 141_107_412_992.0 + 3e9 + 8192.0 * 327_680.0;
    let missing = needed - 0.9 * 79.19 * f64::from(1 << 30);
    assert!((found.missing as f64 - missing).abs() < 16.0, "{found:?}");
    let two = Mend { tensor_parallel: Some(2), ..Mend::default() };
    assert_eq!(found.mends, [two, Mend { weights: Some(NumberFormat::Int4), ..Mend::default() }]);
    assert_eq!(
        found.to_string(),
        "`llama-3.3-70b` does not fit on 1 x `h100-sxm`: 70.3 GB are missing on each; weights take \
         141 GB, activations and graphs 3 GB, one context of 8192 tokens 2.68 GB, of 85 GB at a \
         utilisation of 0.9"
    );
    assert_eq!(found.help()[0], "it fits with tensor_parallel = 2");

    // On two GPUs only the cache is too large: a shorter context or a narrower cache would do.
    let long = 20_000;
    let found = fault(fit(&of(bf16, 2), long));
    let context = found.mends.iter().find_map(|mend| mend.max_context).unwrap();
    assert!(context.is_multiple_of(16) && context < long);
    assert!(fit(&of(bf16, 2), context).is_ok());
    assert!(fit(&of(bf16, 2), context + 16).is_err());
}

/// Every mend that is offered does, and the next smaller change of its kind does not.
#[test]
fn mends_mend_and_are_the_smallest() {
    let catalog = Catalog::embedded();
    let mut offered = 0;
    for key in ["a100-sxm-80gb", "h100-sxm", "b200-sxm", "rtx-4090"] {
        let card = catalog.accelerator(key).unwrap();
        for model in catalog.models() {
            let small = deployment(&catalog, &model.key, card, model.native_precision, 1);
            let context = model.max_context.min(131_072);
            let fit = |deployment: &Deployment<'_>, context| {
                MemoryPlan::fit(deployment, context, 0.9, 2_000_000_000, 16)
            };
            let Err(PerformanceError::DoesNotFit(found)) = fit(&small, context) else { continue };
            for mend in &found.mends {
                let changed = search::changed(&small, mend);
                let context = mend.max_context.unwrap_or(context);
                assert!(fit(&changed, context).is_ok(), "{model:?} {mend}");
                offered += 1;
                if let (Some(ranks), None) = (mend.tensor_parallel, mend.weights) {
                    let smaller = small.valid_tensor_parallel();
                    for ranks in smaller.into_iter().filter(|&smaller| smaller < ranks) {
                        let fewer = Deployment { tensor_parallel: ranks, ..small };
                        assert!(fit(&fewer, context).is_err());
                    }
                }
                if mend.max_context.is_some() {
                    assert!(fit(&small, context + 16).is_err());
                }
            }
        }
    }
    assert!(offered > 100, "{offered}");
}
