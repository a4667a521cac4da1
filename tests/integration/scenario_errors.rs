//! Bad input is refused before anything runs: all faults at once, each with its place and its mend.

mod agents;
mod fleets;

use std::path::Path;

use proptest::prelude::*;
use tokenfleet::foundations::{Fault, Faults, Sources};
use tokenfleet::simulation::scenario::reader::problems;
use tokenfleet::simulation::scenario::{Folder, NoFiles, ReadOptions, SCENARIO, Scenario};

const GOOD: &str = r#"
name = "good"

[run]
horizon = "10 min"

[agents.reader]
program  = "ask"
model    = "main"
arrivals = { poisson = "2 /s" }

[programs.ask.steps.answer]
kind   = "llm"
input  = 1000
output = 200

[pools.main]
model           = "llama-3.3-70b"
accelerator     = "h100-sxm"
tensor_parallel = 4
precision       = { weights = "fp8", kv = "fp8" }
"#;

fn read_with(text: &str, set: &[&str]) -> (Result<Scenario, Faults>, Sources) {
    let mut sources = Sources::default();
    let source = sources.add_file("test.toml", text);
    let set: Vec<String> = set.iter().map(|&flag| flag.to_owned()).collect();
    let options = ReadOptions { set: &set, ..ReadOptions::new(&NoFiles) };
    let scenario = Scenario::read(source, &mut sources, &options);
    (scenario, sources)
}

fn read(text: &str) -> Result<Scenario, Faults> {
    read_with(text, &[]).0
}

fn faults(text: &str) -> Vec<Fault> {
    read(text).map(|_| ()).expect_err("a fault").into_iter().collect()
}

/// The faults of the good scenario with one piece of text replaced.
fn after(from: &str, to: &str) -> Vec<Fault> {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    faults(&GOOD.replace(from, to))
}

/// The one fault, as `path: message`, and its help.
fn only(faults: &[Fault]) -> (String, String) {
    assert_eq!(faults.len(), 1, "{faults:#?}");
    let path = faults[0].place.as_ref().map_or("", |place| place.path.as_str());
    (format!("{path}: {}", faults[0].message), faults[0].help.join("; "))
}

fn assert_one(faults: &[Fault], message: &str, help: &str) {
    let (found, mend) = only(faults);
    assert!(found.contains(message), "{found}\nlacks: {message}");
    assert!(mend.contains(help), "{mend}\nlacks: {help}");
}

#[test]
fn the_good_one_is_good() {
    let scenario = read(GOOD).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(scenario.warnings.is_empty(), "{}", scenario.warnings);
    assert_eq!(scenario.variants.len(), 1);
}

#[test]
fn every_key_says_what_it_is() {
    assert_eq!(problems(&SCENARIO), Vec::<String>::new());
}

#[test]
fn an_unknown_key_is_refused_with_the_one_meant() {
    assert_one(
        &after("accelerator ", "acelerator "),
        "pools.main.acelerator: unknown key `acelerator`",
        "did you mean `accelerator`?",
    );
    assert_one(
        &after("horizon", "horizont"),
        "run.horizont: unknown key",
        "did you mean `horizon`?",
    );
}

#[test]
fn an_unknown_name_lists_the_valid_ones() {
    assert_one(
        &after("h100-sxm", "h100-smx"),
        "pools.main.accelerator: unknown accelerator `h100-smx`",
        "did you mean `h100-sxm`?; choose from: ",
    );
    assert_one(
        &after("\"main\"", "\"mian\""),
        "agents.reader.model: unknown pool `mian`",
        "did you mean `main`?; choose from: main",
    );
    assert_one(
        &after("\"ask\"", "\"aks\""),
        "agents.reader.program: unknown program `aks`",
        "did you mean `ask`?",
    );
    assert_one(&after("llama-3.3-70b", "lama-3.3-70b"), "unknown model", "did you mean");
    assert_one(
        &after("tensor_parallel = 4", "tensor_parallel = 4\nengine = 'vlm'"),
        "unknown engine",
        "`vllm`",
    );
}

#[test]
fn impossible_numbers_are_refused() {
    for rate in ["0 /s", "-2 /s"] {
        assert_one(
            &after("2 /s", rate),
            &format!("agents.reader.arrivals.poisson: `poisson` must be above 0 /s, found {rate}"),
            "",
        );
    }
    assert_one(&after("10 min", "-10 min"), "run.horizon: `horizon` must be above 0 s", "");
    assert_one(&after("10 min", "300 d"), "longest time that can be simulated", "");
    assert_one(&after("= 1000", "= -5"), "programs.ask.steps.answer.input: `input` must be", "");
    assert_one(&after("parallel = 4", "parallel = 0"), "must be between 1 and", "");
    assert_one(&after("parallel = 4", "parallel = 4\nreplicas = 0"), "`replicas` must be", "");
    assert_one(
        &after("10 min\"", "10 min\"\nwarm_up = '10 min'"),
        "run.warm_up: a warm-up of",
        "shorten",
    );
    assert_one(
        &after("parallel = 4", "parallel = 4\nmax_batched_tokens = 16"),
        "pools.main.max_batched_tokens: a step has room for 16 tokens, but",
        "raise `max_batched_tokens`",
    );
    assert_one(&after("10 min", "10 GB"), "which is a size", "");
}

#[test]
fn what_does_not_fit_says_by_how_much_and_what_would() {
    let (message, help) = only(&after("tensor_parallel = 4\n", "tensor_parallel = 1\n"));
    assert!(message.contains("`llama-3.3-70b` does not fit on 1 x `h100-sxm`"), "{message}");
    assert!(message.contains("are missing"), "{message}");
    assert!(help.contains("it fits with tensor_parallel = 2"), "{help}");
}

#[test]
fn a_run_needs_an_end() {
    assert_one(
        &after("horizon = \"10 min\"", "trials = 3"),
        "run.horizon: nothing ends this run",
        "give `horizon = \"2 h\"`",
    );
}

#[test]
fn agents_and_pools_need_each_other() {
    assert_one(
        &after("model    = \"main\"", ""),
        "agents.reader.model: missing key `model`",
        "pool",
    );
    let unused = GOOD.to_owned() + "[pools.spare]\nmodel = 'llama-3.1-8b'\naccelerator = 'h100'\n";
    let warnings = read(&unused).expect("no fault").warnings;
    assert!(warnings.to_string().contains("pool `spare` serves nobody"), "{warnings}");
    let empty = faults("[run]\nhorizon = '1 h'\n");
    assert_eq!(empty.len(), 2, "{empty:#?}");
    assert!(empty[0].message.contains("missing section [agents]"), "{empty:#?}");
}

#[test]
fn all_faults_come_at_once() {
    let text = GOOD
        .replace("h100-sxm", "h100-smx")
        .replace("2 /s", "0 /s")
        .replace("10 min", "10 m")
        .replace("output = 200", "outptu = 200");
    let found = faults(&text);
    assert_eq!(found.len(), 4, "{found:#?}");
    let places: Vec<_> =
        found.iter().map(|fault| fault.place.as_ref().unwrap().span.start).collect();
    assert!(places.is_sorted());
}

#[test]
fn a_fault_hides_no_other() {
    let text = GOOD
        .replace("parallel = 4", "parallel = 3\nmax_running = 0")
        .replace("\"ask\"", "\"aks\"\nretry = { attempts = 0 }")
        .replace("{ poisson =", "{ poison =");
    let found = faults(&text);
    let messages: Vec<_> = found.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "unknown program `aks`",
            "`attempts` must be between 1 and 1000, found 0",
            "unknown key `poison`",
            "the 64 query heads of `llama-3.3-70b` cannot be shared by 3 GPUs",
            "`max_running` must be between 1 and 1000000, found 0",
        ]
    );
}

#[test]
fn a_truncated_file_is_a_fault_of_syntax() {
    let cut = &GOOD[..GOOD.len() - 20];
    let found = faults(cut);
    assert!(!found.is_empty());
    assert!(found.iter().all(|fault| fault.place.is_some()), "{found:#?}");
}

#[test]
fn a_fault_in_a_variant_says_so_and_one_in_all_is_told_once() {
    let text = GOOD.to_owned() + "[variants.a]\n\"pools.main.replicas\" = 0\n[variants.b]\n";
    let (message, help) = only(&faults(&text));
    assert!(message.contains("must be between 1 and 100000, found 0"), "{message}");
    assert!(help.contains("in variant a"), "{help}");
    let text = text.replace("= 0\n", "= 2\n").replace("2 /s", "0 /s");
    only(&faults(&text));
    let text = GOOD.to_owned() + "[variants.a.run]\nseed = 7\n";
    assert_one(&faults(&text), "run.seed: a variant can't change `run.seed`", "trial by trial");
}

#[test]
fn flags_are_read_like_the_file_and_point_at_themselves() {
    let (scenario, _) = read_with(GOOD, &["pools.main.replicas=4", "run.trials=3"]);
    let scenario = scenario.expect("no fault");
    assert_eq!((scenario.variants[0].plan.pools[0].replicas, scenario.run.trials), (4, 3));
    let (refused, sources) = read_with(GOOD, &["pools.main.replicas=none"]);
    let fault = refused.expect_err("a fault").into_iter().next().unwrap();
    let place = fault.place.unwrap();
    let source = sources.get(place.source).unwrap();
    assert_eq!(&source.text[place.span], "none");
}

#[test]
fn objectives_name_figures_that_exist() {
    let with = |line: &str| faults(&format!("{GOOD}[objectives]\n{line}\n"));
    assert_one(&with("ttfp_p99 = '3 s'"), "unknown figure `ttfp`", "did you mean `ttft`?");
    assert_one(&with("ttft_p98 = '3 s'"), "`p98` is not a statistic of `ttft`", "p95, p99");
    assert_one(&with("task_success_rate_p95 = '90 %'"), "has no percentiles", "");
    assert_one(&with("ttft_p99 = '3 GB'"), "which is a size", "");
    assert_one(&with("tool_time_p95 = '3 s'"), "cannot be measured: no agent calls a tool", "");
    assert_one(&with("agents.readr.ttft_p99 = '3 s'"), "unknown agent `readr`", "`reader`");
    assert_one(&with("pools.main.ttft_p99 = '3 s'"), "is not a figure of a pool", "fleet");
    assert_one(&with("throttled_share = '1 %'"), "not a figure of the fleet", "endpoints.NAME");
    assert_one(&with("endpoints.ap.usd_spent = '$1'"), "unknown endpoint `ap`", "");
}

#[test]
fn a_missing_price_is_refused() {
    let text = GOOD.to_owned() + "[accelerators.mine]\nbase = 'h100-sxm'\n";
    read(&text).unwrap_or_else(|faults| panic!("{faults}"));
    let bare = GOOD.replace("h100-sxm", "mine")
        + "[accelerators.mine]\nmemory = '80 GiB'\nmemory_bandwidth = '3 TB/s'\nfp8 = '2 PFLOPS'\n\
           bf16 = '1 PFLOPS'\nlink_bandwidth = '450 GB/s'\nlink_domain = 8\n";
    assert_one(&faults(&bare), "pools.main.price: no rent of `mine` is published", "price = ");
    let wrong = bare.replace("memory = '80", "memroy = '80");
    let found = faults(&wrong);
    assert!(found.iter().any(|fault| fault.message == "unknown key `memroy`"), "{found:#?}");
}

/// Warnings that a shipped scenario is there to earn: its file, and a part of what is said.
const MEANT: [(&str, &str); 2] = [
    ("kernel-patch-week.toml", "all replicas are rebooted at once"),
    ("features/autoscaling.toml", "no room for more than 1 of these replicas"),
];

#[test]
fn shipped_scenarios_are_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut count = 0;
    for folder in [folder.clone(), folder.join("bench"), folder.join("features")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            count += 1;
            let mut sources = Sources::default();
            let text = std::fs::read_to_string(&path).unwrap();
            let source = sources.add_file(path.display().to_string(), text);
            let files = Folder::of(&path);
            let read = Scenario::read(source, &mut sources, &ReadOptions::new(&files));
            let scenario = read.unwrap_or_else(|faults| panic!("{}: {faults}", path.display()));
            let said = scenario.warnings.to_string();
            let meant =
                MEANT.iter().any(|(file, part)| path.ends_with(file) && said.contains(part));
            assert!(meant || scenario.warnings.is_empty(), "{}: {said}", path.display());
        }
    }
    assert!(count >= 3, "{count}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in r"(\[[a-z.]{1,12}\]\n|[a-z_]{1,8} = [^\n]{0,12}\n){0,9}") {
        let _ = read(&text);
    }

    /// The good scenario with a stretch of it replaced by something else from it.
    #[test]
    fn any_mutilation_is_read_or_refused(
        from in 0..GOOD.len(), length in 0usize..60, other in 0..GOOD.len(), copied in 0usize..60,
    ) {
        let end = (from + length).min(GOOD.len());
        let piece = &GOOD[other..(other + copied).min(GOOD.len())];
        let _ = read(&format!("{}{piece}{}", &GOOD[..from], &GOOD[end..]));
    }

    #[test]
    fn any_flag_is_read_or_refused(flag in r"[a-z.]{0,24}=?[ -~]{0,12}") {
        let _ = read_with(GOOD, &[&flag]).0;
    }
}
