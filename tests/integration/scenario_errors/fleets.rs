//! Servers, endpoints and maps that cannot be.

use tokenfleet::foundations::Fault;

use super::{GOOD, after, assert_one, faults, only, read};

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
