//! No fleet gives more than its hardware can: under far too much load it comes close to what its
//! step times allow, and never passes it; nor the arithmetic and bandwidth of the datasheet.

use tokenfleet::catalog::{Catalog, NumberFormat, Precision};
use tokenfleet::foundations::distribution::Law;
use tokenfleet::foundations::{SimTime, Sources};
use tokenfleet::performance::{Deployment, HostProfile, StepModel, Wide};
use tokenfleet::serving::{ReplicaSpec, Scheduling};
use tokenfleet::simulation::plan::{Ending, Stop};
use tokenfleet::simulation::scenario::{NoFiles, ReadOptions, Scenario};
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::Branch;

use crate::fixture::{call, constant, end, plan, pool as server_pool, program, run};

/// Output tokens per second that full batches give, when every prompt of `prompt` tokens is
/// followed by `output` tokens and contexts are as long as they are on the average.
fn most_tokens_per_s(spec: &ReplicaSpec, prompt: u32, output: u32) -> f64 {
    let model = &spec.model;
    let mut best = 0.0_f64;
    for batch in 1..=spec.batch_limit {
        // The cheapest way to serve: all prompts for free but their arithmetic, every step full.
        let context = u64::from(prompt + output / 2) * u64::from(batch) * model.context.ps;
        let step = model.tokens(batch).ps + model.head(batch).ps + context + model.host_ps(batch);
        best = best.max(f64::from(batch) / (step as f64 / 1e12));
    }
    best
}

#[test]
fn an_overloaded_server_reaches_its_capacity_and_no_more() {
    let catalog = Catalog::embedded();
    for (model, accelerator, tensor_parallel, format) in [
        ("llama-3.1-8b", "h100-sxm", 1, NumberFormat::Bf16),
        ("llama-3.3-70b", "h200-sxm", 4, NumberFormat::Fp8),
        ("qwen3-30b-a3b", "b200-sxm", 1, NumberFormat::Fp8),
    ] {
        let deployment = Deployment {
            model: catalog.model(model).unwrap(),
            accelerator: catalog.accelerator(accelerator).unwrap(),
            engine: catalog.engine("vllm").unwrap(),
            precision: Precision::of(format),
            tensor_parallel,
            expert_parallel: 1,
            pipeline_parallel: 1,
            wide: Wide::default(),
        };
        let spec = ReplicaSpec {
            model: StepModel::compile(&deployment).unwrap(),
            token_budget: 8192,
            batch_limit: 64,
            chunked_prefill: true,
            block: 16,
            kv_blocks: 100_000,
            sequence_blocks: 0,
            prefix_cache: false,
            retention: None,
            host: HostProfile::default(),
            speculation: None,
            scheduling: Scheduling::Fcfs,
            longest_leap: u64::MAX,
        };
        let (prompt, output) = (32, 512);
        let steps = vec![
            call(constant(f64::from(prompt)), constant(f64::from(output)), Branch::always(1)),
            end(),
        ];
        let most = most_tokens_per_s(&spec, prompt, output);
        let arrivals = Arrivals::poisson(3.0 * most / f64::from(output)).unwrap();
        let bandwidth = spec.model.bandwidth();
        let peak = spec.model.peak_flops();
        let mut plan = plan(program(steps), server_pool(spec, 1), arrivals, 0);
        plan.stop = Stop { horizon: SimTime::from_s(300.0), tasks: None };
        plan.warm_up = SimTime::from_s(60.0).unwrap();
        plan.ending = Ending::Cut;
        let outcome = run(&plan, 0);
        let usage = &outcome.pools[0].usage;
        let window = outcome.pools[0].replica_ps as f64 / 1e12;
        let rate = usage.output_tokens as f64 / window;
        assert!(rate <= 1.001 * most, "{model}: {rate} tokens/s, {most} are possible");
        assert!(rate >= 0.85 * most, "{model}: {rate} tokens/s of {most} possible");
        assert!(usage.flops as f64 / window <= peak, "{model}: more arithmetic than the chip has");
        let traffic = usage.bytes as f64 / window;
        assert!(traffic <= 1.02 * bandwidth, "{model}: {traffic} B/s of {bandwidth}");
    }
}

/// Time of a step that computes `prompts` whole prompts beside the others' tokens, contexts as long as
/// they are on the average, s.
fn step_s(spec: &ReplicaSpec, prompt: u32, prompts: u32, context: f64) -> f64 {
    let (model, decoding) = (&spec.model, spec.batch_limit - prompts);
    let (width, drafted) = match &spec.speculation {
        Some(some) => (some.width(), some.drafted),
        None => (1, 0),
    };
    let attention = context * f64::from(decoding) * model.context.ps as f64;
    let new = prompts * prompt;
    let passage = model.passage(prompts, new, false);
    let own = f64::from(prompts) * passage.attention(model.prefill_attention(prompt, 0)).ps as f64;
    let gpu =
        model.mixed(decoding * width, new, passage).ps + model.head(decoding * width + prompts).ps;
    let draft = spec.speculation.as_ref().and_then(|some| some.draft.as_ref());
    let drafts = draft.map_or(0, |draft| {
        let pass = draft.tokens(decoding).ps + draft.head(decoding).ps;
        u64::from(drafted) * pass + draft.tokens(new).ps
    });
    let mixed = if prompts > 0 { model.mixed_delay_ps(attention as u64) } else { 0 };
    let host = if prompts > 0 { model.prefill_host_ps(decoding * width + new) } else { 0 };
    let busy = ((gpu + drafts) as f64 + attention + own + mixed as f64).max(host as f64);
    (busy + model.host_ps(decoding) as f64) * 1e-12
}

/// The pool that a scenario with these lines describes, with `places` in its batch and room for all.
fn described(pool: &str, places: u32) -> ReplicaSpec {
    let text = format!(
        "[run]\nhorizon = '1 h'\n[agents.a]\nprogram = 'plain'\nmodel = 'main'\n\
         arrivals = {{ poisson = '1 /s' }}\n[pools.main]\n{pool}"
    );
    let mut sources = Sources::default();
    let source = sources.add_file("pool.toml", text);
    let scenario = Scenario::read(source, &mut sources, &ReadOptions::new(&NoFiles));
    let mut scenario = scenario.unwrap_or_else(|faults| panic!("{faults}"));
    let spec = scenario.variants.swap_remove(0).plan.pools.swap_remove(0).replica;
    ReplicaSpec {
        token_budget: 64_000,
        batch_limit: places,
        kv_blocks: 1_000_000,
        sequence_blocks: 0,
        prefix_cache: false,
        host: HostProfile::default(),
        ..spec
    }
}

/// Under far too much load a place in the batch that is left is taken at once, so places are renewed
/// independently of each other: after N steps each, drawn with the answer's length n from 1 to 2 m, and k
/// of B of them begin in a step with binomial probability of 1 / E(N). Without drafts N = n. With them
/// one step is the prompt's, and the others are a first passage with a mean of
/// `(n - 1 + (E Y^2 / E Y - 1) / 2) / E Y` for steps that yield Y (`performance::speculation`); a context
/// grows evenly over them, so it is p + 1 + E((n - 1) (N - 1)) / 2 E(N) in the mean. That is all that
/// throughput depends on.
#[test]
#[expect(clippy::print_stderr, reason = "the figures are the answer")]
fn saturated_throughput_is_what_renewal_theory_says() {
    let dense = "model = 'llama-3.3-70b'\naccelerator = 'h200-sxm'\n";
    let experts = "model = 'deepseek-r1'\naccelerator = 'h200-sxm'\n";
    for (what, pool, prompt, mean) in [
        ("8B", "model = 'llama-3.1-8b'\naccelerator = 'h100-sxm'".to_owned(), 200, 300.0),
        ("tensors", format!("{dense}precision = 'fp8'\ntensor_parallel = 4"), 1000, 400.0),
        ("experts", "model = 'qwen3-30b-a3b'\naccelerator = 'b200-sxm'".to_owned(), 50, 200.0),
        ("4 bits", format!("{dense}precision = 'int4'\ntensor_parallel = 2"), 500, 300.0),
        ("stages", format!("{dense}precision = 'fp8'\npipeline_parallel = 4"), 500, 300.0),
        ("dealt experts", format!("{experts}tensor_parallel = 8\nexpert_parallel = 8"), 500, 300.0),
        (
            "shared experts",
            format!("{experts}data_parallel = 16\nexpert_parallel = 16\nexpert_skew = 0.3"),
            200,
            300.0,
        ),
        (
            "n-grams",
            format!(
                "{dense}precision = 'fp8'\ntensor_parallel = 4\n\
                 speculation = {{ method = 'ngram', tokens = 4, acceptance = 0.6 }}"
            ),
            500,
            300.0,
        ),
        (
            "draft",
            format!(
                "{dense}precision = 'fp8'\ntensor_parallel = 4\nspeculation = {{ method = 'draft', \
                 draft = 'llama-3.1-8b', tokens = 3, acceptance = 0.8 }}"
            ),
            500,
            300.0,
        ),
    ] {
        let places = 64;
        let spec = described(&pool, places);
        let n = 2.0 * mean;
        let output = Law::uniform(0.5, n + 0.5).unwrap().rounded();
        let (first, second) = ((n + 1.0) / 2.0, (n + 1.0) * (2.0 * n + 1.0) / 6.0);
        // Means of what is left behind the first token, of its square, and of the steps for it.
        let (left, square) = (first - 1.0, second - 2.0 * first + 1.0);
        let (yielded, excess) = match &spec.speculation {
            None => (1.0, 0.0),
            Some(some) => {
                let (k, a) = (f64::from(some.drafted), some.acceptance);
                let chance = |y: f64| libm::pow(a, y);
                let mean: f64 = (0..=some.drafted).map(|y| chance(f64::from(y))).sum();
                let squares: f64 =
                    (0..=some.drafted).map(|y| (2.0 * f64::from(y) + 1.0) * chance(y.into())).sum();
                assert!((mean - (1.0 - chance(k + 1.0)) / (1.0 - a)).abs() < 1e-9);
                (mean, 0.5 * (squares / mean - 1.0))
            }
        };
        let steps = 1.0 + (left + excess) / yielded;
        let grown = (square + excess * left) / yielded;
        let context = f64::from(prompt) + 1.0 + 0.5 * grown / steps;
        let begins = 1.0 / steps;
        let (mut expected_s, mut chance) = (0.0, (1.0 - begins).powi(places as i32));
        for k in 0..=12 {
            expected_s += chance * step_s(&spec, prompt, k, context);
            chance *= f64::from(places - k) / f64::from(k + 1) * begins / (1.0 - begins);
        }
        let capacity = f64::from(places) * first / steps / expected_s;
        let program_steps =
            vec![call(constant(f64::from(prompt)), output, Branch::always(1)), end()];
        let arrivals = Arrivals::poisson(3.0 * capacity / first).unwrap();
        let mut plan = plan(program(program_steps), server_pool(spec, 1), arrivals, 0);
        plan.stop = Stop { horizon: SimTime::from_s(1000.0), tasks: None };
        plan.warm_up = SimTime::from_s(200.0).unwrap();
        plan.ending = Ending::Cut;
        let outcome = run(&plan, 0);
        let rate = outcome.pools[0].usage.output_tokens as f64 / 800.0;
        eprintln!("{what}: {rate:.1} tokens/s, {capacity:.1} in closed form");
        assert!((rate / capacity - 1.0).abs() < 0.01, "{what}: {rate}, {capacity} tokens/s");
    }
}
