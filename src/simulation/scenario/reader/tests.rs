//! Sections read as values, and their faults at their places.

use super::*;
use crate::foundations::error::{Fault, Faults};
use crate::simulation::scenario::document::parsed;
use crate::simulation::scenario::overlay::set_flag;
use proptest::prelude::*;
use std::cell::RefCell;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Join {
    All,
    Any,
}

static ROOT: Schema = Schema::new(
    "A scenario.",
    &[
        Key::text("name", "what it is called").example("coding-agents"),
        Key::section("run", &RUN),
        Key::sections("pools", &POOL),
        Key::section_list("steps", &STEP).optional(),
        Key::quantities("grid", Dimension::Rate, "rates to try").above(0.0).default("['1 /s']"),
    ],
);

static RUN: Schema = Schema::new(
    "How long and how often.",
    &[
        Key::quantity("horizon", Dimension::Time, "simulated time").above(0.0).example("2 h"),
        Key::quantity("warm_up", Dimension::Time, "cut from its start")
            .at_least(0.0)
            .default("0 s"),
        Key::integer("trials", 1, 1_000_000, "independent trials").default("20"),
        Key::boolean("drain", "whether to finish what is in flight").default("true"),
        Key::quantity("confidence", Dimension::Fraction, "of intervals")
            .between(0.5, 0.999)
            .default("95 %"),
    ],
);

static POOL: Schema = Schema::new(
    "Identical replicas.",
    &[
        Key::name("accelerator", "accelerator", "the GPU").example("h100-sxm"),
        Key::names("regions", "region", "where it may run").default("[]"),
        Key::integer("replicas", 1, 10_000, "how many").default("1"),
        Key::section("precision", &PRECISION).optional(),
        Key::law("start_up", Dimension::Time, "time to start").at_least(0.0).default("3 min"),
    ],
);

static PRECISION: Schema = Schema::new(
    "Formats of numbers.",
    &[Key::choice("weights", &["bf16", "fp8"], "of the weights").default("bf16")],
);

static STEP: Schema = Schema::new(
    "A step of a program.",
    &[
        Key::choice("kind", &["llm", "spawn"], "what happens").example("llm"),
        Key::named_quantities("next", Dimension::Number, "weights of what follows")
            .at_least(0.0)
            .optional()
            .example("{ done = 1 }"),
    ],
)
.by("kind", &[("llm", &LLM), ("spawn", &SPAWN)]);

static LLM: Schema = Schema::new(
    "A call of a model.",
    &[Key::law("output", Dimension::Tokens, "tokens written").at_least(1.0).example("300")],
);

static SPAWN: Schema = Schema::new(
    "Sub-agents in parallel.",
    &[Key::choice("join", &["all", "any"], "whom to wait for").default("all")],
);

/// All that the test document can hold.
#[derive(Debug, PartialEq)]
struct Document {
    name: String,
    horizon_s: f64,
    warm_up_s: f64,
    trials: u32,
    drain: bool,
    confidence: f64,
    grid_per_s: Vec<f64>,
    pools: Vec<Pool>,
    steps: Vec<Step>,
}

/// Name, accelerator, replicas, mean start-up time, bits of the weights, number of regions.
type Pool = (String, Option<String>, u32, f64, Option<usize>, usize);
/// Weights of what follows, mean output of a call, whom a spawn joins.
type Step = (Vec<(String, f64)>, Option<f64>, Option<Join>);

fn read(root: &Node) -> (Document, Faults) {
    let faults = RefCell::default();
    let root = Section::root(root, &ROOT, &faults);
    let run = root.section("run");
    let document = Document {
        name: root.text("name").to_owned(),
        horizon_s: run.quantity("horizon"),
        warm_up_s: run.quantity("warm_up"),
        trials: run.integer("trials"),
        drain: run.boolean("drain"),
        confidence: run.quantity("confidence"),
        grid_per_s: root.quantities("grid"),
        pools: root
            .sections("pools")
            .into_iter()
            .map(|(name, pool)| pool_of(name, &pool))
            .collect(),
        steps: root.section_list("steps").iter().map(step_of).collect(),
    };
    if run.is_sound() && document.warm_up_s >= document.horizon_s {
        run.report(run.fault("warm_up", "the warm-up leaves nothing of the horizon"));
    }
    (document, faults.into_inner())
}

fn pool_of(name: &str, pool: &Section<'_>) -> Pool {
    let weights = |precision: Section<'_>| precision.choice("weights", &[("bf16", 16), ("fp8", 8)]);
    (
        name.to_owned(),
        pool.name("accelerator", ["a100-sxm", "h100-sxm"]).map(str::to_owned),
        pool.integer("replicas"),
        pool.law("start_up").mean(),
        pool.optional("precision", Section::section).map(weights),
        pool.names("regions", ["us-east", "eu-west"]).len(),
    )
}

fn step_of(step: &Section<'_>) -> Step {
    let is_llm = step.choice("kind", &[("llm", true), ("spawn", false)]);
    let next = step.optional("next", Section::named_quantities).unwrap_or_default();
    let next = next.into_iter().map(|next| (next.name.to_owned(), next.value)).collect();
    match is_llm {
        true => (next, Some(step.law("output").mean()), None),
        false => (next, None, Some(step.choice("join", &[("all", Join::All), ("any", Join::Any)]))),
    }
}

/// The faults of a text, each as `written: fault (help; help)`.
fn faults(text: &str) -> Vec<String> {
    let (root, sources, _) = parsed(text);
    let show = |fault: &Fault| {
        let place = fault.place.as_ref().unwrap();
        let written = &sources.get(place.source).unwrap().text[place.span.clone()];
        let help = fault.help.join("; ");
        let help = if help.is_empty() { help } else { format!(" ({help})") };
        format!("{written} | {}: {}{help}", place.path, fault.message)
    };
    read(&root).1.iter().map(show).collect()
}

/// The smallest sound document.
const SOUND: &str = "name = 'x'\n[run]\nhorizon = '2 h'\n[pools.main]\naccelerator = 'h100-sxm'\n";

#[test]
fn schemas_are_sound() {
    assert_eq!(problems(&ROOT), [""; 0]);
    static BAD: Schema = Schema::new(
        "",
        &[
            Key::integer("a", 1, 9, "").default("10"),
            Key::quantity("A", Dimension::Time, "x"),
            Key::quantity("a", Dimension::Time, "x").default("5 s"),
            Key::quantity("b", Dimension::Time, "x").default("5 GB"),
        ],
    );
    let messages = problems(&BAD);
    assert_eq!(messages.len(), 6, "{messages:#?}");
}

#[test]
fn values_and_defaults_are_read() {
    let (root, ..) = parsed(&format!(
        "{}{}",
        "grid = ['1 /s', '12 /min']\n",
        "name = 'x'
        [run]
        horizon = '1 h 30 min'
        trials = 1e3
        drain = false
        confidence = 0.9
        [pools.main]
        accelerator = 'h100-sxm'
        regions = ['eu-west']
        start_up = { uniform = ['1 min', '3 min'], plus = '60 s' }
        [pools.'v1.5']
        accelerator = 'a100-sxm'
        replicas = 4
        precision = { weights = 'fp8' }
        [[steps]]
        kind = 'llm'
        output = '2k'
        next = { b = 0.25, a = 3 }
        [[steps]]
        kind = 'spawn'
        join = 'any'"
    ));
    let (document, faults) = read(&root);
    assert!(faults.is_empty(), "{faults}");
    let main = ("main".into(), Some("h100-sxm".into()), 1, 180.0, None, 1);
    let other = ("v1.5".into(), Some("a100-sxm".into()), 4, 180.0, Some(8), 0);
    let next = vec![("b".to_owned(), 0.25), ("a".to_owned(), 3.0)];
    let expected = Document {
        name: "x".into(),
        horizon_s: 5400.0,
        warm_up_s: 0.0,
        trials: 1000,
        drain: false,
        confidence: 0.9,
        grid_per_s: vec![1.0, 0.2],
        pools: vec![main, other],
        steps: vec![(next, Some(2000.0), None), (vec![], None, Some(Join::Any))],
    };
    assert_eq!(document, expected);
}

#[test]
fn every_fault_is_found_at_its_place() {
    let text = "name = 7
trials = 3
horizn = 1
grid = ['1 /s', 3, '0 /s']
pools = { main = { acelerator = 'x' }, b = 1 }
[run]
horizon = '2 GB'
warm_up = '-1 s'
trials = 0
drain = 'yes'
confidence = '99.99 %'
";
    assert_eq!(
        faults(text),
        [
            "7 | name: expected text in quotes, found 7",
            "trials | trials: unknown key `trials` (`trials` belongs in [run])",
            "horizn | horizn: unknown key `horizn` (choose from: name, run, pools, steps, grid)",
            "3 | grid[1]: expected a rate such as \"0.4 /s\" or \"12 /min\", found 3 without a unit",
            "'0 /s' | grid[2]: `grid` must be above 0 /s, found 0 /s",
            "acelerator | pools.main.acelerator: unknown key `acelerator` (did you mean \
             `accelerator`?; choose from: accelerator, regions, replicas, precision, start_up)",
            "1 | pools.b: expected a table, found 1",
            "'2 GB' | run.horizon: expected a time such as \"2 h\" or \"300 ms\", found \"2 GB\", which \
             is a size",
            "'-1 s' | run.warm_up: `warm_up` must be at least 0 s, found -1 s",
            "0 | run.trials: `trials` must be between 1 and 1000000, found 0",
            "'yes' | run.drain: expected true or false, found text \"yes\"",
            "'99.99 %' | run.confidence: `confidence` must be between 50 % and 99.9 %, found 99.99 %",
        ]
    );
}

#[test]
fn missing_sections_and_keys_are_told_once() {
    assert_eq!(
        faults("name = 'x'\n[pools]\n"),
        [
            " | run.horizon: missing key `horizon` in `run` (simulated time, for example `horizon = \"2 h\"`)"
        ]
    );
    let told = faults("[run]\n");
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].starts_with(" | name: missing key `name`"));
    assert!(told[1].starts_with(" | pools: missing section [pools]"));
    assert!(told[2].starts_with("[run] | run.horizon: missing key `horizon` in `run`"));
}

#[test]
fn names_and_words_are_suggested() {
    let text = SOUND.replace("h100-sxm", "h100");
    assert_eq!(
        faults(&format!("{text}regions = ['eu-west', 'useast']\nprecision.weights = 'fp4'\n")),
        [
            "'h100' | pools.main.accelerator: unknown accelerator `h100` (did you mean `h100-sxm`?; \
             choose from: a100-sxm, h100-sxm)",
            "'useast' | pools.main.regions[1]: unknown region `useast` (did you mean `us-east`?; \
             choose from: us-east, eu-west)",
            "'fp4' | pools.main.precision.weights: `weights` can't be `fp4` (did you mean `fp8`?; choose \
             from: bf16, fp8)",
        ]
    );
}

#[test]
fn keys_depend_on_the_kind() {
    let step = |keys: &str| faults(&format!("{SOUND}[[steps]]\n{keys}"));
    assert_eq!(
        step("kind = 'spawn'\noutput = 3\n"),
        [
            "output | steps[0].output: unknown key `output` (`output` is a key where `kind = \"llm\"`)",
        ]
    );
    assert_eq!(
        step("kind = 'lm'\njoin = 'al'\nwhat = 1\n"),
        [
            "'lm' | steps[0].kind: `kind` can't be `lm` (did you mean `llm`?; choose from: llm, spawn)"
        ]
    );
    assert_eq!(
        step("output = 3\n"),
        [
            "[[steps]] | steps[0].kind: missing key `kind` in `steps[0]` (what happens, for example `kind = \"llm\"`)",
        ]
    );
    assert_eq!(
        step("kind = 'llm'\noutput = 0\nnext = { a = -1, b = 'x' }\n"),
        [
            "0 | steps[0].output: `output` must be at least 1, found 0",
            "-1 | steps[0].next.a: `a` must be at least 0, found -1",
            "'x' | steps[0].next.b: expected a number such as \"4\" or \"1.5\", found \"x\"",
        ]
    );
}

#[test]
fn a_section_with_a_kind_may_be_left_out() {
    static OUTER: Schema = Schema::new("Outer.", &[Key::section("step", &STEP)]);
    let (root, ..) = parsed("");
    let faults = RefCell::default();
    let step = Section::root(&root, &OUTER, &faults).section("step");
    assert_eq!(step_of(&step), (vec![], Some(300.0), None));
    let faults = faults.into_inner().to_string();
    assert!(faults.starts_with("step.kind: missing key `kind` in `step`"), "{faults}");
}

#[test]
fn one_of_several_keys_is_needed() {
    static ARRIVALS: Schema = Schema::new(
        "When tasks arrive.",
        &[
            Key::quantity("poisson", Dimension::Rate, "at random").optional().example("0.4 /s"),
            Key::quantity("constant", Dimension::Rate, "evenly").optional().example("0.4 /s"),
        ],
    );
    let one = |text: &str| {
        let (root, ..) = parsed(text);
        let faults = RefCell::default();
        let which = Section::root(&root, &ARRIVALS, &faults).one_of(&["poisson", "constant"]);
        (which, faults.into_inner().to_string())
    };
    assert_eq!(one("constant = '1 /s'"), (Some("constant"), String::new()));
    let needed =
        "one of the keys `poisson`, `constant` is needed (for example `poisson = \"0.4 /s\"`)";
    assert_eq!(one(""), (None, needed.into()));
    let both = "constant: `constant` can't stand beside `poisson` (keep one of them)";
    assert_eq!(one("poisson = '1 /s'\nconstant = '1 /s'"), (Some("poisson"), both.into()));
}

#[test]
fn a_cross_check_sees_sound_values_only() {
    let text = SOUND.replace("horizon", "warm_up = '3 h'\nhorizon");
    let told = faults(&text);
    assert_eq!(told, ["'3 h' | run.warm_up: the warm-up leaves nothing of the horizon"]);
    assert_eq!(faults(&text.replace("2 h", "2 GB")).len(), 1);
}

#[test]
fn a_fault_in_a_flag_points_at_the_flag() {
    let (mut root, mut sources, _) = parsed(SOUND);
    set_flag(&mut root, "run.trials=many", &mut sources).unwrap();
    let faults = read(&root).1;
    let place = faults.iter().next().unwrap().place.clone().unwrap();
    let source = sources.get(place.source).unwrap();
    assert_eq!((&*source.name, &source.text[place.span]), ("the command line", "many"));
}

proptest! {
    #[test]
    fn any_document_is_read_or_refused(
        key in r#"(name|run|pools|steps|grid|trials|horizon|main|kind)"#,
        value in r#"(1|-3|1e300|nan|true|'2 h'|'x'|\[\]|\{\}|\[\{\}\]|\{ main = \{\} \}|\{ kind = 'llm' \}|\[1, \{ a = 2 \}\])"#,
        section in r#"(|\[run\]|\[pools\]|\[pools\.main\]|\[\[steps\]\])"#,
    ) {
        let text = format!("{section}\n{key} = {value}\n");
        let (root, ..) = parsed(&text);
        read(&root);
    }
}
