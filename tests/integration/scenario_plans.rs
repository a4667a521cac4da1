//! A scenario means what it says: every section ends up in the plan as it was written.

use std::path::Path;

use tokenfleet::experiment::{METRICS, Metric, Scope};
use tokenfleet::foundations::{SimDuration, SimTime, Sources};
use tokenfleet::serving::RouterPolicy;
use tokenfleet::simulation::World;
use tokenfleet::simulation::plan::{Behaviour, Ending, Plan};
use tokenfleet::simulation::scenario::objectives::TARGETS;
use tokenfleet::simulation::scenario::{Folder, NoFiles, Part, ReadOptions, Scenario, Statistic};
use tokenfleet::workload::program::{Join, ModelChoice, Program, StepKind};

fn read(text: &str) -> Scenario {
    let mut sources = Sources::default();
    let source = sources.add_file("test.toml", text);
    let folder = Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"));
    let scenario = Scenario::read(source, &mut sources, &ReadOptions::new(&folder));
    scenario.unwrap_or_else(|faults| panic!("{faults}"))
}

const POOLS: &str = r#"
[pools.main]
model           = "llama-3.3-70b"
accelerator     = "h100-sxm"
tensor_parallel = 4
replicas        = 3
precision       = { weights = "fp8", kv = "fp8" }
router          = { prefix-aware = { load_bound = 3 } }
price           = "$2 /h"
max_context     = "64k"

[pools.helper]
model       = "llama-3.1-8b"
accelerator = "h100-sxm"
"#;

fn seconds(s: f64) -> SimDuration {
    SimDuration::from_s(s).unwrap()
}

fn step<'p>(program: &'p Program, name: &str) -> &'p StepKind {
    &program.steps.iter().find(|step| step.name == name).unwrap().kind
}

fn program_of<'p>(plan: &'p Plan, agent: &str) -> &'p Program {
    let population = plan.populations.iter().find(|agents| agents.name == agent).unwrap();
    match population.behaviour {
        Behaviour::Program(program) => &plan.programs[usize::from(program)],
        Behaviour::Recorded { .. } => panic!("{agent} walks no program"),
    }
}

/// The example that the documentation opens with.
const CODING_AGENTS: &str = r#"
name = "coding-agents"

[run]
horizon = "2 h"
warm_up = "10 min"
trials  = 100

[agents.coder]
program  = "coding-autonomous"
arrivals = { poisson = "0.4 /s" }
model    = "main"

[pools.main]
model       = "llama-3.3-70b"
accelerator = "h100-sxm"
engine      = "vllm"
tensor_parallel = 4
replicas    = 6
precision   = { weights = "fp8", kv = "fp8" }

[objectives]
task_latency_p95 = "5 min"
ttft_p99         = "3 s"

[variants.rubin]
"pools.main.accelerator" = "vr200"
"pools.main.precision"   = { weights = "nvfp4", kv = "fp8" }
"pools.main.replicas"    = 1
"#;

#[test]
fn hardware_without_a_public_rent_needs_one() {
    let mut sources = Sources::default();
    let source = sources.add_file("coding-agents.toml", CODING_AGENTS);
    let options = ReadOptions::new(&NoFiles);
    let faults = Scenario::read(source, &mut sources, &options).expect_err("no rent of a Rubin");
    let only: Vec<_> = faults.iter().collect();
    assert_eq!(only.len(), 1, "{faults}");
    assert_eq!(only[0].message, "no rent of `vr200-nvl72` is published");
    assert_eq!(only[0].help[1], "bought for $108k, it costs $3.09 /h over four years");

    let rent = ["variants.rubin.pools.main.price=$12 /h".to_owned()];
    let options = ReadOptions { set: &rent, ..options };
    let scenario = Scenario::read(source, &mut sources, &options).expect("sound with a rent");
    let [base, rubin] = &scenario.variants[..] else { panic!("two variants") };
    assert_eq!(base.plan.pools[0].accelerator, "h100-sxm");
    let pool = &rubin.plan.pools[0];
    assert_eq!(
        (pool.accelerator.as_str(), pool.replicas, pool.usd_per_replica_h),
        ("vr200-nvl72", 1, 48.0)
    );
}

#[test]
fn a_run_and_its_pools_are_what_is_written() {
    let scenario = read(&format!(
        "name = 'x'\ndescription = 'y'\n\
         [run]\nhorizon = '2 h'\ntasks = 1e6\nwarm_up = '10 min'\ntrials = 7\nseed = 9\n\
         ending = 'cut'\nconfidence = '90 %'\ntask_rows = 5\nbin = '1 min'\n\
         [agents.a]\nprogram = 'plain'\nmodel = 'main'\narrivals = {{ constant = '0.5 /s' }}\n\
         [agents.b]\nprogram = 'chat'\nmodel = 'helper'\narrivals = {{ poisson = '2 /min' }}\n{POOLS}"
    ));
    assert_eq!((scenario.name.as_str(), scenario.description.as_str()), ("x", "y"));
    assert_eq!((scenario.run.trials, scenario.run.seed, scenario.run.confidence), (7, 9, 0.9));
    let plan = &scenario.variants[0].plan;
    assert_eq!(plan.stop.horizon, SimTime::from_s(7200.0));
    assert_eq!((plan.stop.tasks, plan.warm_up), (Some(1_000_000), SimTime::from_s(600.0).unwrap()));
    assert_eq!((plan.ending, plan.task_rows, plan.bin), (Ending::Cut, 5, seconds(60.0)));
    assert_eq!(plan.populations[0].arrivals.mean_rate(), Some(0.5));

    let [main, helper] = &plan.pools[..] else { panic!("two pools") };
    assert_eq!((main.replicas, main.gpus, main.max_context), (3, 4, 64_000));
    assert_eq!(
        main.router,
        RouterPolicy::PrefixAware { least_match: 0.3, load_bound: 3.0, slack: 4.0 }
    );
    // The rent is that of a GPU, a replica has four of them.
    assert_eq!(main.usd_per_replica_h, 8.0);
    // The H100's on-demand rent in the catalog.
    assert_eq!(helper.usd_per_replica_h, 2.77);
    assert_eq!(helper.max_context, 131_072);
    assert_eq!(helper.replica.block, 16);
    // 8.03 billion parameters in bf16 leave some 50 GB of 79 GiB to contexts of 131,072 B a token.
    let tokens = helper.replica.kv_blocks * 16;
    assert!((350_000..500_000).contains(&tokens), "{tokens}");

    let provenance = &scenario.variants[0].provenance;
    let names = |what: &str, figure: &str| {
        provenance.iter().filter(|row| row.what == what && row.figure == figure).count()
    };
    assert_eq!(names("h100-sxm", "memory_bandwidth"), 1);
    assert_eq!(names("h100-sxm", "on_demand"), 1);
    assert_eq!(names("h100-sxm", "tdp"), 1);
    assert_eq!(names("h100-sxm", "purchase"), 0);
    assert_eq!(names("chat", "session.tasks"), 1);
}

#[test]
fn a_program_is_the_graph_that_is_written() {
    let scenario = read(&format!(
        r#"
        [run]
        tasks = 100
        [agents.worker]
        program  = "work"
        model    = "main"
        models   = {{ small = "helper" }}
        arrivals = {{ poisson = "1 /s" }}
        limits   = {{ calls = 30 }}

        [tools.shell]
        latency = "2 s"
        result  = 300
        slots   = 4

        [programs.work]
        start          = "plan"
        shared         = [{{ name = "system", tokens = 2000, variants = {{ count = 5, exponent = 1 }} }}]
        opening_tokens = 50
        session        = {{ tasks = 2, think_time = "30 s" }}
        compaction     = {{ above = "50k", to = "10k", summary = 800 }}
        limits         = {{ tokens = "2M", usd = "$3", deadline = "1 h" }}
        retry          = {{ error = "3 %", timeout = "2 min", breaker = {{ failures = 5, cool_down = "10 s" }} }}
        tools.search   = {{ latency = "1 s", failure = "5 %" }}

        [programs.work.steps]
        look  = {{ kind = "tool", tool = "search", parallel = 3, next = "turns", on_error = "plan" }}
        plan  = {{ kind = "llm", output = 100, reasoning = {{ share = 0.5 }}, next = {{ look = 0.25, turns = "75 %" }} }}
        turns = {{ kind = "loop", times = 4, body = "think", next = "crew" }}
        think = {{ kind = "llm", input = 10, output = 80, passages = {{ count = 2, tokens = 200, popularity = {{ zipf = {{ n = 50, exponent = 1 }} }} }}, next = "run" }}
        run   = {{ kind = "tool", tool = "shell", next = "turns" }}
        crew  = {{ kind = "spawn", program = "helper", count = 3, join = 2, context = "fork", report = 40, next = "rest" }}
        rest  = {{ kind = "wait", time = "5 s", next = "judge" }}
        judge = {{ kind = "check", model = "small", output = 20, pass = "80 %", on_fail = "turns", next = "done", on_error = "fail" }}
        done  = {{ kind = "end" }}

        [programs.helper.steps.answer]
        kind   = "llm"
        output = 60
        {POOLS}"#
    ));
    assert!(scenario.warnings.is_empty(), "{}", scenario.warnings);
    let plan = &scenario.variants[0].plan;
    let work = program_of(plan, "worker");
    let index = |name: &str| work.steps.iter().position(|step| step.name == name).unwrap() as u16;
    assert_eq!((work.start, work.loops), (index("plan"), 1));
    // The agent's limit joins those of the program.
    let limits = work.limits;
    assert_eq!((limits.calls, limits.tokens, limits.usd), (Some(30), Some(2_000_000), Some(3.0)));
    assert_eq!(limits.deadline, Some(seconds(3600.0)));
    assert_eq!((work.retry.transport_error, work.retry.attempts), (0.03, 4));
    assert_eq!(work.retry.breaker.map(|breaker| breaker.failures), Some(5));
    assert_eq!(work.session.tasks.is_constant(), Some(2.0));
    assert_eq!(work.compaction.as_ref().map(|cut| cut.above_tokens), Some(50_000));
    assert_eq!(work.shared[0].variant.maximum(), 5.0);

    let StepKind::Llm(plan_step) = step(work, "plan") else { panic!("a call") };
    let ways: Vec<_> = plan_step.next.ways().collect();
    assert_eq!(ways, [(0.25, index("look")), (0.75, index("turns"))]);
    assert_eq!((plan_step.model, plan_step.keep_reasoning), (ModelChoice::Own, false));
    let StepKind::Tool(look) = step(work, "look") else { panic!("a tool") };
    assert_eq!(plan.tools[usize::from(look.tool)].name, "search");
    assert_eq!(look.on_error, Some(index("plan")));
    let StepKind::Tool(run) = step(work, "run") else { panic!("a tool") };
    assert_eq!(plan.tools[usize::from(run.tool)].slots, Some(4));
    let StepKind::Spawn(crew) = step(work, "crew") else { panic!("sub-agents") };
    assert_eq!((crew.join, crew.fork_context), (Join::First(2), true));
    assert_eq!(plan.programs[usize::from(crew.program)].name, "helper");
    let StepKind::Check(judge) = step(work, "judge") else { panic!("a check") };
    assert_eq!((judge.pass, judge.on_fail), (0.8, index("turns")));
    assert_eq!(judge.call.model, ModelChoice::Pool(1));
    assert_eq!(judge.call.on_error, Some(index("fail")));
    assert_eq!(step(work, "fail"), &StepKind::End { success: false });

    let outcome = World::new(plan).run(1, 0, |_, _| true).unwrap();
    assert_eq!(outcome.agents[0].started, 100);
    assert!(outcome.agents[0].sub_agents > 0 && outcome.agents[0].compactions == 0);
}

#[test]
fn a_program_may_build_on_an_archetype() {
    let scenario = read(&format!(
        r#"
        [run]
        horizon = "1 min"
        [agents.long]
        program  = "long-chat"
        model    = "main"
        arrivals = {{ poisson = "1 /s" }}
        [agents.short]
        program  = "chat"
        model    = "main"
        arrivals = {{ poisson = "1 /s" }}
        session  = {{ tasks = 1 }}
        [agents.twice]
        program  = "longer"
        model    = "main"
        arrivals = {{ poisson = "1 /s" }}
        [programs.long-chat]
        base = "chat"
        session.tasks = 9
        steps.answer.output = 700
        [programs.longer]
        base = "long-chat"
        steps.answer.input = 33
        {POOLS}"#
    ));
    let plan = &scenario.variants[0].plan;
    let [long, short, twice] = ["long", "short", "twice"].map(|agent| program_of(plan, agent));
    assert_eq!(long.session.tasks.is_constant(), Some(9.0));
    // What is not said is the base's.
    assert_eq!(long.session.think_time_s, short.session.think_time_s);
    assert_eq!(long.shared, short.shared);
    assert_eq!(short.session.tasks.is_constant(), Some(1.0));
    let call = |program| match step(program, "answer") {
        StepKind::Llm(call) => (call.input_tokens.clone(), call.output_tokens.clone()),
        other => panic!("{other:?}"),
    };
    assert_eq!(call(long).1.is_constant(), Some(700.0));
    assert_eq!(call(long).0, call(short).0);
    assert_eq!(call(twice).0.is_constant(), Some(33.0));
    assert_eq!(
        (call(twice).1.is_constant(), &twice.session.tasks),
        (Some(700.0), &long.session.tasks)
    );
}

#[test]
fn arrivals_have_the_rate_that_is_written() {
    for (arrivals, rate) in [
        ("{ poisson = '30 /min' }", Some(0.5)),
        ("{ constant = '0.25 /s' }", Some(0.25)),
        ("{ gamma = { rate = '2 /s', cv = 3 } }", Some(2.0)),
        ("{ weibull = { rate = '2 /s', cv = 0.5 } }", Some(2.0)),
        (
            "{ bursts = { states = [{ rate = '10 /s', mean_time = '5 s' }, \
             { rate = '0 /s', mean_time = '15 s' }] } }",
            Some(2.5),
        ),
        ("{ clients = { count = 20, rate = '3 /s', exponent = 1.1, cv = 2 } }", Some(3.0)),
        ("{ closed = { users = 8, think_time = { exponential = { mean = '9 s' } } } }", None),
        (
            "{ poisson = '2 /s', profile = { hours = [1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, \
             2, 2, 1, 1, 1, 1, 1, 1, 1], week = [1, 1, 1, 1, 1, 0.5, 0.5], start = '9 h' } }",
            Some(2.0),
        ),
    ] {
        let scenario = read(&format!(
            "[run]\nhorizon = '1 min'\n[agents.a]\nprogram = 'plain'\nmodel = 'main'\n\
             arrivals = {arrivals}\n{POOLS}[variants.x]\n"
        ));
        let population = &scenario.variants[0].plan.populations[0];
        let found = population.arrivals.mean_rate();
        let close = match (found, rate) {
            (Some(found), Some(rate)) => (found / rate - 1.0).abs() < 1e-9,
            (found, rate) => found == rate,
        };
        assert!(close, "{arrivals}: {found:?}");
        assert_eq!(population.think_time_s.is_some(), rate.is_none(), "{arrivals}");
    }
}

#[test]
fn recorded_sessions_are_replayed_on_the_pools_that_are_named() {
    let scenario = read(&format!(
        r#"
        [agents.requests]
        replay = {{ trace = "traces/mooncake-conversation-1000.jsonl", format = "mooncake", speed = 2 }}
        model  = "main"
        [agents.sessions]
        replay   = {{ trace = "traces/claude-code", format = "claude-code", longest_gap = "1 min", models = {{ "*haiku*" = "helper" }} }}
        model    = "main"
        arrivals = {{ poisson = "1 /min" }}
        [run]
        tasks = 40
        {POOLS}
        max_running = 64"#
    ));
    let plan = &scenario.variants[0].plan;
    assert_eq!(plan.traces[0].roots.len(), 1000);
    let [requests, sessions] = &plan.populations[..] else { panic!("two populations") };
    assert!(requests.arrivals.ends() && !sessions.arrivals.ends());
    let Behaviour::Recorded { trace, longest_gap, pools } = &sessions.behaviour else {
        panic!("recorded")
    };
    assert_eq!((*trace, *longest_gap), (1, seconds(60.0)));
    let models = &plan.traces[1].models;
    for (model, pool) in models.iter().zip(pools) {
        assert_eq!(*pool, u16::from(model.contains("haiku")), "{model}");
    }
    let outcome = World::new(plan).run(1, 0, |_, _| true).unwrap();
    assert_eq!(outcome.agents.iter().map(|agents| agents.started).sum::<u64>(), 40);
}

#[test]
fn a_replay_ends_by_itself() {
    let text = "[agents.a]\nmodel = 'main'\nreplay.format = 'mooncake'\n\
                replay.trace = 'traces/mooncake-conversation-1000.jsonl'\n";
    let main = POOLS.split("[pools.helper]").next().unwrap();
    let scenario = read(&format!("{text}{main}"));
    let plan = &scenario.variants[0].plan;
    assert_eq!((plan.stop.horizon, plan.stop.tasks), (None, None));
    let outcome = World::new(plan).run(1, 0, |_, _| true).unwrap();
    assert_eq!(outcome.agents[0].started, 1000);
}

#[test]
fn variants_change_what_they_name_and_nothing_else() {
    let scenario = read(&format!(
        "[run]\nhorizon = '1 min'\n[agents.a]\nprogram = 'plain'\nmodel = 'main'\n\
         arrivals = {{ poisson = '1 /s' }}\n{POOLS}\
         [variants.more]\n\"pools.main.replicas\" = 6\n\"agents.a.arrivals\" = {{ constant = '2 /s' }}\n\
         [variants.cheap.pools.main]\nprice = '$1 /h'\n"
    ));
    let plans: Vec<_> = scenario.variants.iter().map(|variant| &variant.plan).collect();
    let names: Vec<_> = plans.iter().map(|plan| plan.name.as_str()).collect();
    assert_eq!(names, ["base", "more", "cheap"]);
    assert_eq!(plans.iter().map(|plan| plan.pools[0].replicas).collect::<Vec<_>>(), [3, 6, 3]);
    let rents: Vec<_> = plans.iter().map(|plan| plan.pools[0].usd_per_replica_h).collect();
    assert_eq!(rents, [8.0, 8.0, 4.0]);
    assert_eq!(plans[1].populations[0].arrivals.mean_rate(), Some(2.0));
}

#[test]
fn entries_change_the_catalog_for_this_scenario() {
    let scenario = read(&format!(
        "[run]\nhorizon = '1 min'\n[agents.a]\nprogram = 'plain'\nmodel = 'main'\n\
         arrivals = {{ poisson = '1 /s' }}\n{POOLS}\
         [accelerators.h100-sxm]\non_demand = '$1 /h'\n\
         [engines.vllm]\nmax_running = 17\n"
    ));
    let pool = &scenario.variants[0].plan.pools[1];
    assert_eq!((pool.usd_per_replica_h, pool.replica.batch_limit), (1.0, 17));
    let row = scenario.variants[0].provenance.iter().find(|row| row.figure == "on_demand").unwrap();
    assert_eq!(row.source, "scenario");
}

#[test]
fn objectives_are_read_with_their_statistic() {
    let scenario = read(&format!(
        "[run]\nhorizon = '1 min'\n[agents.a]\nprogram = 'plain'\nmodel = 'main'\n\
         arrivals = {{ poisson = '1 /s' }}\n{POOLS}\
         [objectives]\nttft_p99 = '3 s'\nusd_per_task = '$0.50'\ntask_success_rate = '90 %'\n\
         agents.a.task_latency_mean = '1 min'\npools.main.utilization = '80 %'\n"
    ));
    let found: Vec<_> = scenario
        .objectives
        .iter()
        .map(|o| (o.name.as_str(), o.metric, o.statistic, o.limit, o.at_least, o.of.clone()))
        .collect();
    let (fleet, agent) = (Part::Fleet, Part::Agent("a".to_owned()));
    assert_eq!(
        found,
        [
            ("ttft_p99", "ttft_s", Statistic::Quantile(0.99), 3.0, false, fleet.clone()),
            ("usd_per_task", "usd_per_task", Statistic::Mean, 0.5, false, fleet.clone()),
            ("task_success_rate", "task_success_rate", Statistic::Mean, 0.9, true, fleet),
            ("task_latency_mean", "task_latency_s", Statistic::Mean, 60.0, false, agent),
            (
                "utilization",
                "utilization",
                Statistic::Mean,
                0.8,
                false,
                Part::Pool("main".to_owned())
            ),
        ]
    );
}

#[test]
fn what_may_be_demanded_is_what_results_state() {
    for target in TARGETS {
        let metric = Metric::find(target.metric).unwrap_or_else(|| panic!("{}", target.metric));
        assert_eq!(metric.unit.dimension(), target.dimension, "{}", target.name);
        assert_eq!(metric.applies_to(Scope::Agent), target.agents, "{}", target.name);
        assert_eq!(metric.applies_to(Scope::Pool), target.pools, "{}", target.name);
        assert_eq!(metric.applies_to(Scope::Endpoint), target.endpoints, "{}", target.name);
        assert_eq!(metric.applies_to(Scope::Fleet), target.fleet, "{}", target.name);
        assert_eq!(metric.is_observed(), target.observed, "{}", target.name);
        assert_eq!(metric.more_is_better(), target.at_least, "{}", target.name);
    }
    assert!(METRICS.len() >= TARGETS.len());
}
