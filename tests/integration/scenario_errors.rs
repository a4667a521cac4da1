//! Bad input is refused before anything runs: all faults at once, each with its place and its mend.

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
fn tensor_parallelism_must_divide_the_heads() {
    assert_one(
        &after("parallel = 4", "parallel = 3"),
        "pools.main.tensor_parallel: the 64 query heads of `llama-3.3-70b` cannot be shared by 3",
        "tensor_parallel can be 1, 2, 4 or 8",
    );
}

#[test]
fn a_router_is_known_and_its_settings_make_sense() {
    let with =
        |router: &str| after("precision       =", &format!("router = {router}\nprecision ="));
    assert_one(&with("\"prefix\""), "pools.main.router: unknown router `prefix`", "prefix-aware");
    let match_of = |share: &str| with(&format!("{{ prefix-aware = {{ least_match = {share} }} }}"));
    assert_one(&match_of("\"130 %\""), "`least_match` must be between 0 % and 100 %", "");
    let bound = with("{ prefix-aware = { load_bound = 0.5 } }");
    assert_one(&bound, "`load_bound` must be between 1 and 1000000", "");
}

#[test]
fn scheduling_is_known() {
    let with =
        |name: &str| after("precision       =", &format!("scheduling = {name}\nprecision ="));
    assert_one(&with("\"prio\""), "unknown scheduling `prio`", "fcfs, priority, shortest-first");
    let priority = after("model    = \"main\"", "model = \"main\"\npriority = 300");
    assert_one(&priority, "`priority` must be between 0 and 255", "");
    let deadline = after("model    = \"main\"", "model = \"main\"\ndeadline = \"0 s\"");
    assert_one(&deadline, "`deadline` must be above 0 s", "");
}

#[test]
fn experts_must_find_their_places() {
    let pool = |keys: &str| {
        let text = GOOD.replace("llama-3.3-70b", "deepseek-r1").replace("h100-sxm", "b200-sxm");
        let text = text.replace("tensor_parallel = 4", keys);
        faults(&text.replace("precision       = { weights = \"fp8\", kv = \"fp8\" }", ""))
    };
    let wide = "tensor_parallel = 1\ndata_parallel = 72\n";
    let message = "the 256 experts of `deepseek-r1` cannot be dealt to 72 groups of 72 GPUs";
    assert_one(&pool(&format!("{wide}expert_parallel = 72")), message, "no expert_parallel does");
    let some = "and 8 copies cannot be dealt to 72 groups";
    let keys = format!("{wide}expert_parallel = 72\nredundant_experts = 8");
    assert_one(&pool(&keys), some, "deal out experts and redundant_experts evenly");
    let apart = pool("tensor_parallel = 8\ndata_parallel = 2");
    assert_one(&apart, "to 1 groups of 16 GPUs in 2 attention groups", "can be 2, 4, 8 or 16");
    let dense = after("tensor_parallel = 4", "tensor_parallel = 4\ndata_parallel = 2");
    assert_one(&dense, "no routed experts", "leave data_parallel out");
    let alone = after("tensor_parallel = 4", "tensor_parallel = 4\ntwo_batch_overlap = true");
    assert_one(&alone, "but there is one group", "leave two_batch_overlap out");
}

#[test]
fn quality_is_a_share() {
    let with = |share: &str| after("precision       =", &format!("quality = {share}\nprecision ="));
    for share in ["\"130 %\"", "\"good\"", "\"0 %\"", "[1]"] {
        assert_one(&with(share), "`quality` is a share above 0 %", "\"published\"");
    }
}

#[test]
fn speculation_must_be_possible() {
    let with = |keys: &str| {
        after("precision       =", &format!("speculation = {{ {keys} }}\nprecision ="))
    };
    let help = "state it: acceptance = \"70 %\"";
    let method = "pools.main.speculation.method: ";
    let unknown = format!("{method}nobody measured how often such a draft is right for `llama-3.3");
    assert_one(&with("method = \"eagle\""), &unknown, help);
    let none = format!("{method}`llama-3.3-70b` has no layers that predict further tokens");
    assert_one(&with("method = \"mtp\""), &none, "eagle");
    let named = "method = \"draft\", acceptance = \"70 %\"";
    assert_one(&with(named), "a drafting model must be named", "draft = ");
    let stranger = format!("{named}, draft = \"qwen3-8b\"");
    assert_one(&with(&stranger), "one cannot draft for the other", "same family");
    let lengthy = "method = \"ngram\", tokens = 3, length = 4.5";
    assert_one(&with(lengthy), "3 drafted tokens cannot yield 4.5 a step", "less than 4");
    let twice = "method = \"ngram\", length = 2, acceptance = 0.5";
    assert_one(&with(twice), "`acceptance` and `length` say the same thing twice", "keep one");
    let large = format!("{named}, draft = \"llama-3.1-405b\"");
    assert_one(&with(&large), "beside the draft there is room for", "more GPUs");
}

#[test]
fn a_precision_without_hardware_is_refused() {
    let text = GOOD.replace("h100-sxm", "a100-sxm-80gb");
    assert_one(&faults(&text), "pools.main.precision: `a100-sxm-80gb` has no fp8 units", "");
    let text = GOOD.replace("\"fp8\", kv", "\"fp9\", kv");
    assert_one(&faults(&text), "pools.main.precision.weights: unknown number format `fp9`", "fp8");
}

#[test]
fn prompts_must_fit_the_context() {
    assert_one(
        &after("= 1000", "= 200_000"),
        "agents.reader.program: the first prompt has at least 200000 tokens, but pool `main` takes",
        "shorten it",
    );
    assert_one(
        &after("parallel = 4", "parallel = 4\nmax_context = '1M'"),
        "pools.main.max_context: `llama-3.3-70b` takes at most 131072 tokens",
        "lower `max_context`",
    );
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

/// A program of these steps in the good scenario.
fn program(steps: &str) -> String {
    let start = GOOD.find("[programs").unwrap();
    let end = GOOD.find("[pools").unwrap();
    format!("{}[programs.ask.steps]\n{steps}\n{}", &GOOD[..start], &GOOD[end..])
}

#[test]
fn graphs_that_make_no_sense_are_refused() {
    let llm = "kind = 'llm', output = 9";
    for (steps, message, help) in [
        (format!("a = {{ {llm}, next = 'bb' }}\nb = {{ {llm} }}"), "unknown step `bb`", "`b`"),
        (format!("a = {{ {llm} }}\nb = {{ {llm} }}"), "no way leads to step `b`", "remove it"),
        (
            format!("a = {{ {llm}, next = 'b' }}\nb = {{ {llm}, next = 'a' }}"),
            "steps `a`, `b` never lead to an end",
            "way out",
        ),
        (
            format!("a = {{ {llm}, next = {{ end = 0.5, a = 0.4 }} }}"),
            "the probabilities add up to 0.900000, not to 1",
            "",
        ),
        (format!("a = {{ {llm}, next = {{ end = 1.5, a = -0.5 }} }}"), "must be between", ""),
        (
            format!("l = {{ kind = 'loop', times = 3, body = 'a' }}\na = {{ {llm} }}"),
            "the body of loop `l` never comes back",
            "`next = \"l\"`",
        ),
        (
            "w = { kind = 'wait', time = '0 s', next = { w = 0.5, end = 0.5 } }".to_owned(),
            "steps go round without a call or any time: w -> w",
            "",
        ),
        (
            "s = { kind = 'spawn', program = 'ask' }".to_owned(),
            "agents would spawn each other for ever: ask -> ask",
            "a program of its own",
        ),
        (format!("a = {{ {llm}, latency = '1 s' }}"), "unknown key `latency`", "kind = \"tool\""),
        ("a = { kind = 'tool' }".to_owned(), "one of the keys `tool`, `latency` is needed", ""),
        ("a = { kind = 'tool', tool = 'x' }".to_owned(), "unknown tool `x`", "none is defined"),
        (
            "a = { kind = 'tool', latency = '1 s', slots = 2, streamed = true }".to_owned(),
            "a tool with `slots` can't be `streamed`",
            "leave one of the two out",
        ),
    ] {
        let text = program(&steps);
        let found = read(&text).map(|_| ()).expect_err(&steps);
        let (message_found, mend) = {
            let faults: Vec<Fault> = found.into_iter().collect();
            let fault = faults.iter().find(|fault| fault.message.contains(message));
            let fault = fault.unwrap_or_else(|| panic!("{steps}: {faults:#?}"));
            (fault.message.clone(), fault.help.join("; "))
        };
        assert!(mend.contains(help), "{message_found}: {mend}");
    }
}

#[test]
fn a_program_with_a_second_model_needs_its_pool() {
    let steps = "a = { kind = 'llm', output = 9, model = 'small' }";
    assert_one(&faults(&program(steps)), "unknown pool `small`", "choose from: main");
    let mapped = program(steps)
        .replace("model    = \"main\"", "model    = \"main\"\nmodels = { small = 'main' }");
    read(&mapped).unwrap_or_else(|faults| panic!("{faults}"));
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

#[test]
fn recorded_agents_need_their_file() {
    let text = GOOD
        .replace("program  = \"ask\"", "replay = { trace = 'nowhere.jsonl', format = 'mooncake' }");
    let text = text.replace("arrivals = { poisson = \"2 /s\" }", "");
    let found = faults(&text);
    assert!(found[0].message.contains("cannot read `nowhere.jsonl`"), "{found:#?}");
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

const HOSTED: &str = r#"
[endpoints.api]
model = "gpt-4o-mini"
ttft  = "600 ms"
tpot  = "12 ms"
"#;

#[test]
fn hosted_endpoints_that_cannot_be_are_refused() {
    let hosted = format!("{GOOD}{HOSTED}");
    let good = hosted.replace("\"main\"", "\"api\"");
    assert!(
        read(&good)
            .is_ok_and(|read| read.warnings.iter().any(|w| w.message.contains("serves nobody")))
    );
    let after = |from: &str, to: &str| {
        assert_eq!(good.matches(from).count(), 1, "{from}");
        faults(&good.replace(from, to))
    };
    assert_one(&after("gpt-4o-mini", "gpt-4o-mino"), "unknown priced model", "`gpt-4o-mini`");
    assert_one(
        &after("tpot  =", "date = '2020-01-01'\ntpot  ="),
        "no price of `gpt-4o-mini` is known on 2020-01-01",
        "or state its prices",
    );
    assert_one(&after("tpot  =", "date = 'May'\ntpot  ="), "`May` is not a date", "");
    assert_one(
        &after("tpot  =", "bucket = '10 s'\ntpot  ="),
        "`bucket` has no limit to say something about",
        "tokens_per_minute",
    );
    assert_one(
        &after(
            "tpot  =",
            "outages = [{ at = '1 min', for = '2 min' }, { at = '2 min', for = '1 s' }]\ntpot  =",
        ),
        "endpoints.api.outages[1].at: this outage overlaps the one from 60 s to 3 min",
        "make one of the two",
    );
    assert_one(
        &after(
            "\"gpt-4o-mini\"",
            "'own'\nbatch = true\nprice = { input = '$1 /Mtok', output = '$2 /Mtok' }",
        ),
        "no batch price of `own` is known",
        "batch_discount",
    );
    assert_one(
        &faults(&hosted.replace("[endpoints.api]", "[endpoints.main]")),
        "`main` is a pool already",
        "rename",
    );
    let burst = |keys: &str| {
        let line = "tensor_parallel = 4";
        faults(&hosted.replace(line, &format!("{line}\n{keys}")))
    };
    assert_one(&burst("burst = { to = 'ap', queue = 8 }"), "unknown endpoint `ap`", "`api`");
    assert_one(
        &burst("burst = { to = 'api' }"),
        "nothing says when there are too many",
        "queue = 8",
    );
    assert_one(
        &burst("burst = { to = 'api', queue = 8 }\nshed = { queue = 9 }"),
        "`burst` and `shed` both take",
        "keep one",
    );
}

#[test]
fn fleets_that_cannot_be_are_refused() {
    let with = |keys: &str| {
        let line = "tensor_parallel = 4";
        faults(&GOOD.replace(line, &format!("{line}\n{keys}")))
    };
    let scaled = |keys: &str| with(&format!("autoscale = {{ {keys} }}"));
    assert_one(
        &scaled("min = 9, max = 4, target = 8"),
        "pools.main.autoscale.min: `min` of 9 is more than `max` of 4",
        "lower `min` or raise `max`",
    );
    assert_one(
        &scaled("max = 4, target = 8, start = '20 min'"),
        "a replica takes 20 min to start, the run only 10 min: none that it rents ever serves",
        "lengthen the horizon",
    );
    assert_one(
        &scaled("max = 4, target = 8, link = '10 MB/s'"),
        "pools.main.autoscale.link: a replica takes",
        "speed up `link`",
    );
    assert_one(
        &scaled("max = 4, on = 'utilization', target = 80"),
        "never busy for more than all of the time",
        "such as 0.7",
    );
    assert_one(
        &with("replicas = 6\nautoscale = { max = 4, target = 8 }"),
        "pools.main.replicas: it starts with 6 replicas, outside of 1 to 4",
        "starts with `min`",
    );
    assert_one(
        &with("replicas = 4\nmaintenance = { start = '1 min', every = '5 min', reboot = '2 min' }"),
        "a round of 4 takes 8 min without draining, longer than the 5 min to the next",
        "reboot more `at_once`",
    );
    assert_one(&with("failures = {}"), "nothing fails", "gpu");
    assert_one(
        &with("lost_calls = 'restart'"),
        "nothing happens to this pool's servers",
        "give `failures`",
    );
    assert_one(
        &with("failures = { gpu = { mtbf = '0 s', repair = '1 h' } }"),
        "`mtbf` must be above 0 s",
        "",
    );
    let endless = GOOD.replace("horizon = \"10 min\"", "tasks = 100");
    let line = "tensor_parallel = 4";
    assert_one(
        &faults(
            &endless.replace(line, &format!("{line}\noutages = [{{ at = '1 min', for = '1 s' }}]")),
        ),
        "`outages` goes on for ever: the run needs an end",
        "horizon",
    );
}

#[test]
fn response_caches_that_cannot_be_are_refused() {
    let with = |keys: &str| {
        let line = "program  = \"ask\"";
        faults(&GOOD.replace(line, &format!("{line}\nresponse_cache = {{ {keys} }}")))
    };
    assert_one(&with(""), "one of the keys `hit`, `questions` is needed", "hit");
    assert_one(&with("hit = 1.5"), "`hit` must be between 0 % and 100 %", "");
    assert_one(&with("hit = 0.5, ttl = '1 h'"), "`ttl` has no meaning where `hit`", "questions");
    assert_one(
        &with("questions = { zipf = { n = 100, exponent = 1 } }"),
        "no answer is ever forgotten",
        "capacity",
    );
}

#[test]
fn maps_that_cannot_be_are_refused() {
    let read = |agent: &str, pool: &str, more: &str| {
        let text = GOOD
            .replace("program  = \"ask\"", &format!("program  = \"ask\"\n{agent}"))
            .replace("tensor_parallel = 4", &format!("tensor_parallel = 4\n{pool}"));
        faults(&format!("{text}\n{more}"))
    };
    assert_one(
        &read("region = 'germany'", "region = 'us-virginia'", ""),
        "nobody says how far [pools.main] is from these users",
        "\"germany us-virginia\" = \"90 ms\"",
    );
    assert_one(
        &read("residency = ['germany', 'france']", "region = 'us-virginia'", ""),
        "[pools.main] stands in us-virginia, where these agents' calls may not go",
        "region",
    );
    assert_one(&read("region = 'germani'", "", ""), "unknown region `germani`", "`germany`");
    assert_one(
        &read("", "", "[network.round_trip]\n\"germany mars\" = '3 min'"),
        "unknown region `mars`",
        "germany",
    );
    let route = "[routes.any]\nbackends = ['mian']";
    assert_one(&read("", "", route), "unknown pool or endpoint `mian`", "`main`");
    let route = "[routes.main]\nbackends = ['main']";
    assert_one(&read("", "", route), "`main` is a pool or an endpoint already", "rename");
}

#[test]
fn pipelines_that_cannot_be_are_refused() {
    let with = |line: &str| faults(&format!("{GOOD}{line}\n"));
    assert_one(
        &with("pipeline_parallel = 3"),
        "the 80 layers of `llama-3.3-70b` cannot be dealt to 3 stages",
        "pipeline_parallel can be 1, 2, 4, 5, 8, 10, 16, 20 or 40",
    );
    assert_one(&with("micro_batches = 4"), "there are no stages", "pipeline_parallel");
    assert_one(
        &with("pipeline_parallel = 2\nspeculation = { method = 'ngram', acceptance = '50 %' }"),
        "`speculation` is not known for pipelines",
        "leave it out",
    );
}

/// GPUs that nothing joins, links that nobody published, parts that exclude each other.
#[test]
fn topologies_that_cannot_be_are_refused() {
    let with = |pairs: &[(&str, &str)]| {
        let text = pairs.iter().fold(GOOD.to_owned(), |text, (from, to)| {
            assert_eq!(text.matches(from).count(), 1, "{from}");
            text.replace(from, to)
        });
        faults(&text)
    };
    assert_one(
        &with(&[("parallel = 4", "parallel = 16")]),
        "tensor_parallel = 16 goes beyond the 8 `h100-sxm` that NVLink4 joins",
        "tensor_parallel can be 1, 2, 4 or 8",
    );
    let consumer = ("h100-sxm", "rtx-4090");
    assert_one(
        &with(&[consumer, ("parallel = 4", "parallel = 2\npipeline_parallel = 8")]),
        "no scale_out_bandwidth is published for `rtx-4090`",
        "",
    );
    let experts = ("llama-3.3-70b", "qwen3-30b-a3b");
    assert_one(
        &with(&[experts, ("parallel = 4", "parallel = 4\nexpert_parallel = 8")]),
        "the 128 experts of `qwen3-30b-a3b` cannot be dealt to 8 groups of 4 GPUs",
        "expert_parallel can be 1, 2 or 4",
    );
    let keys = "parallel = 1\ndata_parallel = 8\nexpert_parallel = 8\npipeline_parallel = 2";
    assert_one(
        &with(&[experts, ("parallel = 4", keys)]),
        "the 48 layers of `qwen3-30b-a3b` cannot be dealt to 2 stages",
        "leave pipeline_parallel at 1: experts are dealt over data_parallel",
    );
    assert_one(
        &with(&[("parallel = 4", "parallel = 4\nburst = { to = 'api', queue = 8 }")]),
        "unknown endpoint `api`",
        "",
    );
}

/// A fleet that has no power for its least replicas is none.
#[test]
fn autoscalers_that_can_never_meet_their_minimum_are_refused() {
    let with = |least: u32| {
        let scaled = format!("autoscale = {{ min = {least}, max = 8, target = 32 }}\n");
        read(&format!("{GOOD}{scaled}[site]\npower_limit = '20 kW'\n"))
    };
    assert!(with(2).is_ok());
    let refused: Vec<Fault> = with(4).map(|_| ()).expect_err("too many").into_iter().collect();
    assert_one(
        &refused,
        "the fleet draws 30.4 kW at full load, its site has 20 kW",
        "2 replicas of `main` would fit",
    );
}

#[test]
fn a_fleet_that_cannot_be_built_draws_nothing_that_could_be_judged() {
    let misspelt = GOOD.replace("tensor_parallel = 4", "tensor_paralel = 4");
    let found = faults(&format!("{misspelt}[site]\npower_limit = '20 kW'\n"));
    assert_one(&found, "unknown key `tensor_paralel`", "did you mean `tensor_parallel`");
}

#[test]
fn autoscalers_that_can_never_hold_their_limit_are_refused() {
    let with = |keys: &str| faults(&format!("{GOOD}autoscale = {{ max = 4, {keys} }}\n"));
    assert_one(
        &with("on = 'ttft_p95', limit = '1 ms'"),
        "`ttft_p95` is never below",
        "raise `limit`",
    );
    assert_one(
        &with("on = 'tpot_p95', limit = '5 ms'"),
        "`tpot_p95` is never below",
        "raise `limit`",
    );
    assert_one(&with("on = 'ttft_p95', target = 3"), "`target` has no meaning", "limit");
    assert_one(&with("on = 'ttft_p95'"), "missing key `limit`", "2 s");
    assert_one(
        &with("on = 'queue', target = 4, limit = '2 s'"),
        "`limit` has no meaning",
        "ttft_p95",
    );
    assert_one(&with("on = 'queue'"), "missing key `target`", "target = 32");
}

/// A pool's tiers that cannot be, each with its reason.
#[test]
fn tiers_that_cannot_be_are_refused() {
    let with = |tiers: &str| only(&faults(&format!("{GOOD}\n[pools.main.kv_tiers]\n{tiers}\n")));
    for (tiers, message, mend) in [
        ("host = {}", "pools.main.kv_tiers.host.capacity: missing key `capacity`", "1 TB"),
        ("host = { capacity = \"0 GB\" }", "`capacity` must be above 0", ""),
        ("host = { capacity = \"1 kB\" }", "1 kB hold no block of context", "raise `capacity`"),
        ("storage = { capacity = \"1 TB\" }", "missing key `bandwidth`", "20 GB/s"),
        ("host = { capacity = \"1 TB\", ttl = \"0 s\" }", "`ttl` must be above 0", ""),
        ("tape = { capacity = \"1 TB\" }", "unknown key `tape`", "host"),
        ("tool_gap = \"offload\"", "there is no tier to take what is offloaded", "host"),
        ("tool_gap = \"sometimes\"", "sometimes", "pin"),
        ("tool_gap = { pin = \"1 h\" }\nttl = \"5 min\"", "longer than the `ttl`", "lengthen"),
        ("prefetch = false", "there is no tier to fetch from", "host"),
    ] {
        let (found, help) = with(tiers);
        assert!(found.contains(message) && help.contains(mend), "{tiers}\n{found}\n{help}");
    }
    let no_cache = GOOD.replace("tensor_parallel = 4", "tensor_parallel = 4\nprefix_cache = false");
    let tiers = "[pools.main.kv_tiers]\nhost = { capacity = \"1 TB\" }";
    let (found, help) = only(&faults(&format!("{no_cache}\n{tiers}\n")));
    assert!(found.contains("without a prefix cache no context is kept"), "{found}");
    assert!(help.contains("prefix_cache = true"), "{help}");
}

#[test]
fn a_hedge_that_never_comes_and_half_a_review_are_refused() {
    let retry = |table: &str| after("\"ask\"", &format!("\"ask\"\nretry = {table}"));
    assert_one(
        &retry("{ hedge = \"2 s\", timeout = \"2 s\" }"),
        "calls time out before they are hedged",
        "`hedge` must be less than `timeout`",
    );
    assert_one(
        &retry("{ hedge = \"2 s\", attempts = 1 }"),
        "a hedge is an attempt, and there is only one",
        "raise `attempts`",
    );
    let review = "[programs.ask.steps.review]\nkind = \"wait\"\ntime = \"1 min\"\naccept = 0.5\n";
    assert_one(
        &after("[pools.main]", &format!("{review}[pools.main]")),
        "`accept` needs `on_reject` beside it",
        "on_reject = \"work\"",
    );
}
