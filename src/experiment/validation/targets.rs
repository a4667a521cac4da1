//! How exact the simulator means to be, and whether it is.

use super::calibrated;
use super::comparison::{Comparison, FileFindings};
use super::errors::Errors;
use super::folder;

/// A bound on an error, and what was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What is bounded.
    pub what: &'static str,
    /// The bound, as a share.
    pub bound: f64,
    /// What was found; `None` where nothing was there to compare with.
    pub found: Option<f64>,
    /// Comparisons behind it.
    pub rows: usize,
    /// Why it is out of reach, as far as is known; for those that are.
    pub reason: &'static str,
}

impl Target {
    /// Whether it is reached; `None` where nothing was there to compare with.
    #[must_use]
    pub fn is_reached(&self) -> Option<bool> {
        self.found.map(|found| found <= self.bound)
    }
}

/// Which figure of the errors is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Mean,
    Median,
    Worst,
}

/// All targets, held against findings.
#[must_use]
pub fn targets(findings: &[FileFindings]) -> Vec<Target> {
    let one = |what, bound, of, file, metric, filter: &dyn Fn(&Comparison) -> bool, reason| {
        let found: Vec<&Comparison> = findings
            .iter()
            .filter(|found| found.file == file)
            .flat_map(|found| &found.comparisons)
            .filter(|it| it.metric == metric && it.suspect.is_none() && filter(it))
            .collect();
        let rows = found.len();
        let worst = found.iter().map(|it| it.error().abs()).fold(0.0, f64::max);
        let errors = Errors::of(found);
        let found = errors.map(|errors| match of {
            Of::Mean => errors.mape,
            Of::Median => errors.median_ape,
            Of::Worst => worst,
        });
        Target { what, bound, found, rows, reason }
    };
    let any = |_: &Comparison| true;
    let engine = |key: &'static str| move |it: &Comparison| it.class.engine == key;
    let seventy = |it: &Comparison| {
        let class = &it.class;
        (class.engine.as_str(), class.accelerator.as_str(), class.model.as_str())
            == ("vllm", "h100-sxm", "llama-3.1-70b")
            && it.what.ends_with("1024 in, 1024 out")
    };
    let saturated = |it: &Comparison| it.what.ends_with(" 200 /s") || it.what.ends_with(" 100 /s");
    let dense = |it: &Comparison| {
        it.class.source.starts_with("TRT-LLM perf") && is_dense_llama(&it.class.model)
    };
    let (tpot, sweep) = (folder::ENGINE_TPOT, folder::LOAD_SWEEP);
    let (runs, recorded) = (folder::VLLM_RUNS, folder::RECORDED_RUNS);
    let mut all = vec![
        one("engine TPOT, mean error", 0.10, Of::Mean, tpot, "tpot_ms", &any, ""),
        one("engine TPOT, median", 0.07, Of::Median, tpot, "tpot_ms", &any, ""),
        one(
            "engine TPOT after three points, mean error",
            0.06,
            Of::Mean,
            calibrated::NAME,
            "tpot_ms",
            &any,
            "",
        ),
        one(
            "TTFT of vLLM, median",
            0.12,
            Of::Median,
            tpot,
            "ttft_ms",
            &engine("vllm"),
            "gpt-oss on B200 starts sooner than tokenising takes elsewhere, MiniMax later; versions \
             of one engine differ by half at one configuration",
        ),
        one(
            "TTFT of TensorRT-LLM, median",
            0.18,
            Of::Median,
            tpot,
            "ttft_ms",
            &engine("tensorrt-llm"),
            "DeepSeek answers 25 to 45 % later than modelled",
        ),
        one(
            "TTFT of SGLang, median",
            0.25,
            Of::Median,
            tpot,
            "ttft_ms",
            &engine("sglang"),
            "DeepSeek in 4 bits takes 7 to 8 s at any load from 32 clients on: kernels that are \
             compiled in the first burst, which nothing in the rows tells",
        ),
        one("Llama 70B on H100, TPOT, mean", 0.04, Of::Mean, tpot, "tpot_ms", &seventy, ""),
        one("Llama 70B on H100, TTFT, mean", 0.15, Of::Mean, tpot, "ttft_ms", &seventy, ""),
        one("vLLM runs, E2E p50, median", 0.05, Of::Median, runs, "e2e_p50_s", &any, ""),
        one("vLLM runs, TTFT p50, median", 0.12, Of::Median, runs, "ttft_p50_s", &any, ""),
        one(
            "overloaded vLLM runs, answered, worst",
            0.10,
            Of::Worst,
            runs,
            "completed",
            &any,
            "their steps took half as long again as those of the same models below saturation",
        ),
        one(
            "rate sweeps, saturated throughput, mean",
            0.07,
            Of::Mean,
            sweep,
            "output_tokens_per_s",
            &saturated,
            "",
        ),
        one(
            "rate sweeps, dollars per token, median",
            0.08,
            Of::Median,
            sweep,
            "usd_per_mtoken_output",
            &any,
            "",
        ),
        one("rate sweeps, TPOT p50, median", 0.08, Of::Median, sweep, "tpot_p50_ms", &any, ""),
        one("rate sweeps, TTFT p50, median", 0.20, Of::Median, sweep, "ttft_p50_ms", &any, ""),
        one(
            "rate sweeps, E2E p50, median",
            0.06,
            Of::Median,
            sweep,
            "e2e_p50_ms",
            &any,
            "just below saturation one path of random arrivals decides, and each was measured once",
        ),
        one("rate sweeps, power, mean", 0.12, Of::Mean, sweep, "gpu_power_w", &any, ""),
        one(
            "recorded runs, mean TPOT, worst",
            0.03,
            Of::Worst,
            recorded,
            "tpot_mean_ms",
            &any,
            "the card's attention in steps that mix prompts and answers is known from few layer times",
        ),
        one("recorded runs, mean TTFT, worst", 0.10, Of::Worst, recorded, "ttft_mean_ms", &any, ""),
        one(
            "TensorRT-LLM maximum throughput, dense, mean",
            0.13,
            Of::Mean,
            folder::END_TO_END,
            "max_output_tokens_per_s",
            &dense,
            "",
        ),
        one(
            "disaggregated, throughput per GPU, median",
            0.20,
            Of::Median,
            folder::END_TO_END,
            "output_tokens_per_s_per_gpu",
            &any,
            "",
        ),
    ];
    all.push(order(findings));
    all
}

fn is_dense_llama(model: &str) -> bool {
    ["llama-3.1-8b", "llama-3.1-70b", "llama-3.3-70b", "llama-3.1-405b"].contains(&model)
}

/// Share of pairs of accelerators whose maximum throughput is more than 20 % apart and that are
/// predicted in the other order.
fn order(findings: &[FileFindings]) -> Target {
    const APART: f64 = 1.2;
    let found: Vec<&Comparison> = findings
        .iter()
        .flat_map(|found| &found.comparisons)
        .filter(|it| it.metric == "max_output_tokens_per_s")
        .collect();
    // Formats stand before the first blank of what a row is about; they may differ.
    let load = |it: &Comparison| it.what.split_once(' ').map(|(_, load)| load.to_owned());
    let (mut pairs, mut wrong) = (0, 0);
    for (index, one) in found.iter().enumerate() {
        for two in &found[index + 1..] {
            let alike = one.class.model == two.class.model && load(one) == load(two);
            if !alike || one.class.accelerator == two.class.accelerator {
                continue;
            }
            let measured = one.measured / two.measured;
            if (APART.recip()..=APART).contains(&measured) {
                continue;
            }
            pairs += 1;
            wrong += usize::from((measured > 1.0) != (one.predicted > two.predicted));
        }
    }
    Target {
        what: "order of accelerators by maximum throughput, wrong pairs",
        bound: 0.0,
        found: (pairs > 0).then(|| wrong as f64 / pairs as f64),
        rows: pairs,
        reason: "the table has B200 ahead of GB200, whose GPU is the faster, by up to 1.65 with \
                 mixtures of experts: its Arm host is the slower, which nothing here knows",
    }
}
