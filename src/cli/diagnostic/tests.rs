//! Faults as they are shown.

use super::*;
use crate::foundations::{Dimension, SourceId};
use crate::simulation::scenario::document;
use crate::simulation::scenario::overlay::set_flag;
use crate::simulation::scenario::reader::{Key, Schema, Section};
use proptest::prelude::*;
use std::cell::RefCell;

static SCENARIO: Schema = Schema::new(
    "A scenario.",
    &[
        Key::text("name", "what it is called").example("coding-agents"),
        Key::section("run", &RUN),
        Key::sections("pools", &POOL),
    ],
);

static RUN: Schema = Schema::new(
    "How long and how often.",
    &[
        Key::quantity("horizon", Dimension::Time, "simulated time").above(0.0).example("2 h"),
        Key::integer("trials", 1, 1_000_000, "independent trials").default("20"),
    ],
);

static POOL: Schema = Schema::new(
    "Identical replicas.",
    &[
        Key::name("accelerator", "accelerator", "the GPU of its replicas").example("h100-sxm"),
        Key::integer("replicas", 1, 10_000, "how many").default("1"),
        Key::section("precision", &PRECISION).optional(),
    ],
);

static PRECISION: Schema = Schema::new(
    "Formats of numbers.",
    &[Key::choice("weights", &["bf16", "fp8", "nvfp4"], "of the weights").default("bf16")],
);

/// The faults of a scenario, as they are shown.
fn shown(text: &str, flags: &[&str]) -> String {
    let mut sources = Sources::default();
    let faults = RefCell::new(Faults::default());
    let source = sources.add_file("scenarios/x.toml", text);
    let root = document::parse(source, &sources, &mut faults.borrow_mut());
    if let Some(mut root) = root {
        for flag in flags {
            faults
                .borrow_mut()
                .extend(set_flag(&mut root, flag, &mut sources).err().into_iter().flatten());
        }
        let scenario = Section::root(&root, &SCENARIO, &faults);
        scenario.text("name");
        let run = scenario.section("run");
        run.quantity("horizon");
        run.integer::<u32>("trials");
        for (_, pool) in scenario.sections("pools") {
            pool.name("accelerator", ["a100-sxm", "b200-sxm", "h100-sxm"]);
            pool.integer::<u32>("replicas");
            if let Some(precision) = pool.optional("precision", Section::section) {
                precision.choice("weights", &[("bf16", 2.0), ("fp8", 1.0), ("nvfp4", 0.5)]);
            }
        }
    }
    render(&faults.borrow(), &sources, Style::PLAIN)
}

#[test]
fn several_at_once() {
    insta::assert_snapshot!(shown(
        "nmae = \"coding-agents\"\ntrials = 100\n\n[run]\nhorizon = \"2 GB\"\n\n[pools.main]\n\
         accelerator = \"h100\"\nreplicas = 0\nprecision = { weights = \"fp4\", kv = \"fp8\" }\n\n[pools.spare]\n",
        &[],
    ), @r#"
    error: unknown key `nmae`
     --> scenarios/x.toml:1:1
      |
    1 | nmae = "coding-agents"
      | ^^^^
      |
      = help: did you mean `name`?
      = help: choose from: name, run, pools

    error: unknown key `trials`
     --> scenarios/x.toml:2:1
      |
    2 | trials = 100
      | ^^^^^^
      |
      = help: `trials` belongs in [run]

    error: expected a time such as "2 h" or "300 ms", found "2 GB", which is a size
     --> scenarios/x.toml:5:11
      |
    5 | horizon = "2 GB"
      |           ^^^^^^

    error: unknown accelerator `h100`
     --> scenarios/x.toml:8:15
      |
    8 | accelerator = "h100"
      |               ^^^^^^
      |
      = help: did you mean `h100-sxm`?
      = help: choose from: a100-sxm, b200-sxm, h100-sxm

    error: `replicas` must be between 1 and 10000, found 0
     --> scenarios/x.toml:9:12
      |
    9 | replicas = 0
      |            ^

    error: `weights` can't be `fp4`
      --> scenarios/x.toml:10:25
       |
    10 | precision = { weights = "fp4", kv = "fp8" }
       |                         ^^^^^
       |
       = help: did you mean `fp8`?
       = help: choose from: bf16, fp8, nvfp4

    error: unknown key `kv`
      --> scenarios/x.toml:10:32
       |
    10 | precision = { weights = "fp4", kv = "fp8" }
       |                                ^^
       |
       = help: choose from: weights

    error: missing key `accelerator` in `pools.spare`
      --> scenarios/x.toml:12:1
       |
    12 | [pools.spare]
       | ^^^^^^^^^^^^^
       |
       = help: the GPU of its replicas, for example `accelerator = "h100-sxm"`

    error: 8 faults in scenarios/x.toml; nothing was run
    "#);
}

#[test]
fn nothing_wrong_says_nothing() {
    let text = "name = 'x'\n[run]\nhorizon = '2 h'\n[pools.main]\naccelerator = 'h100-sxm'\n";
    assert_eq!(shown(text, &["pools.main.precision.weights=fp8"]), "");
}

#[test]
fn unicode_and_tabs_keep_the_caret_in_place() {
    insta::assert_snapshot!(shown("name = \"東京\"\n[run]\n\thorizon = \"2 häuser\"\t# 時間\n[pools]\n", &[]), @r#"
    error: expected a time such as "2 h" or "300 ms", found the unknown unit "häuser"
     --> scenarios/x.toml:3:12
      |
    3 |     horizon = "2 häuser"    # 時間
      |               ^^^^^^^^^^

    error: 1 fault in scenarios/x.toml; nothing was run
    "#);
}

#[test]
fn a_long_line_is_cut_around_the_fault() {
    let pools: Vec<_> = (0..200)
        .map(|n| {
            format!("p{n} = {{ accelerator = \"{}\" }}", if n == 123 { "x100" } else { "h100-sxm" })
        })
        .collect();
    let text = format!("name = 'x'\nrun.horizon = '1 h'\npools = {{ {} }}\n", pools.join(", "));
    insta::assert_snapshot!(shown(&text, &[]), @r#"
    error: unknown accelerator `x100`
     --> scenarios/x.toml:3:4475
      |
    3 | ...or = "h100-sxm" }, p123 = { accelerator = "x100" }, p124 = { accelerator = "h100-sxm" }, p...
      |                                              ^^^^^^
      |
      = help: choose from: a100-sxm, b200-sxm, h100-sxm

    error: 1 fault in scenarios/x.toml; nothing was run
    "#);
}

#[test]
fn carriage_returns_are_no_part_of_a_line() {
    insta::assert_snapshot!(shown("name = coding\r\n[run]\r\nhorizon = \"1 h\r\n[pools]\r\n", &[]), @r#"
    error: text must be in quotes
     --> scenarios/x.toml:1:8
      |
    1 | name = coding
      |        ^^^^^^
      |
      = help: write `"coding"`

    error: this text is never closed, expected `"`
     --> scenarios/x.toml:3:11
      |
    3 | horizon = "1 h
      |           ^

    error: 2 faults in scenarios/x.toml; nothing was run
    "#);
}

#[test]
fn flags_show_themselves() {
    insta::assert_snapshot!(shown(
        "name = \"x\"\n[run]\nhorizon = \"0 s\"\n[pools]\n",
        &["pools.main.acelerator=b200-sxm", "run.trials=many", "run.horizon.x=3"],
    ), @r#"
    error: `horizon` must be above 0 s, found 0 s
     --> scenarios/x.toml:3:11
      |
    3 | horizon = "0 s"
      |           ^^^^^

    error: unknown key `acelerator`
     |
     | --set pools.main.acelerator=b200-sxm
     |                  ^^^^^^^^^^
     |
     = help: did you mean `accelerator`?
     = help: choose from: accelerator, replicas, precision

    error: expected a whole number, found text "many"
     |
     | --set run.trials=many
     |                  ^^^^

    error: `run.horizon` is text "0 s", it has no `x`
     |
     | --set run.horizon.x=3
     |                   ^

    error: 4 faults in scenarios/x.toml and the command line; nothing was run
    "#);
}

#[test]
fn a_truncated_file_is_told_where_it_opens() {
    insta::assert_snapshot!(shown(
        "name = \"x\"\n[run]\nhorizon = \"2 h\"\n[pools.main]\nprecision = {\n    weights = \"fp8\",\n    kv = \"fp",
        &[],
    ), @r#"
    error: this text is never closed, expected `"`
     --> scenarios/x.toml:7:10
      |
    7 |     kv = "fp
      |          ^

    error: 1 fault in scenarios/x.toml; nothing was run
    "#);
}

#[test]
fn not_a_scenario_at_all() {
    insta::assert_snapshot!(shown("{\n  \"name\": \"x\"\n}\n", &[]), @r#"
    error: this looks like JSON, but TOML is expected
     --> scenarios/x.toml:1:1
      |
    1 | {
      | ^
      |
      = help: for example `name = "x"` instead of `{ "name": "x" }`

    error: 1 fault in scenarios/x.toml; nothing was run
    "#);
    insta::assert_snapshot!(shown("", &[]), @r#"
    error: missing key `name`
    --> scenarios/x.toml
     = help: what it is called, for example `name = "coding-agents"`

    error: missing section [pools]
    --> scenarios/x.toml
     = help: Identical replicas, for example `[pools.main]`

    error: missing key `horizon` in `run`
    --> scenarios/x.toml
     = help: simulated time, for example `horizon = "2 h"`

    error: 3 faults in scenarios/x.toml; nothing was run
    "#);
}

#[test]
fn a_value_over_several_lines_is_shown_by_its_first() {
    insta::assert_snapshot!(shown(
        "name = \"\"\"a\nb\"\"\"\n[run]\nhorizon = [\n  1,\n  2,\n]\n[pools]\n",
        &[],
    ), @r#"
    error: expected a time such as "2 h" or "300 ms", found a list
     --> scenarios/x.toml:4:11
      |
    4 | horizon = [
      |           ^

    error: 1 fault in scenarios/x.toml; nothing was run
    "#);
}

#[test]
fn what_is_not_shown_is_counted() {
    let keys: String = (0..40).map(|n| format!("key{n} = 1\n")).collect();
    let text = shown(&format!("name = 'x'\nrun.horizon = '1 h'\npools = {{}}\n{keys}"), &[]);
    assert_eq!(text.matches("error: unknown key").count(), SHOWN);
    let last = "\nerror: 40 faults in scenarios/x.toml, 15 of them not shown; nothing was run\n";
    assert!(text.ends_with(last), "{text}");
}

#[test]
fn a_fault_without_a_place_is_shown_without_one() {
    let faults = Faults::from(Fault::new("no trial was finished").help("give it more time"));
    insta::assert_snapshot!(render(&faults, &Sources::default(), Style::PLAIN), @r#"
    error: no trial was finished
     |
     = help: give it more time

    error: 1 fault; nothing was run
    "#);
}

#[test]
fn colour_comes_only_when_asked_for() {
    let (sources, faults) = (Sources::default(), Faults::from(Fault::new("x")));
    assert!(!render(&faults, &sources, Style::PLAIN).contains('\x1b'));
    assert!(render(&faults, &sources, Style { colour: true, width: 80 }).contains('\x1b'));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_place_in_any_text_is_shown(
        text in "([ab=\\[\"東\u{301}\t\r\n\u{0}\u{200b}🙂]|\\PC){0,60}",
        start in 0usize..80, length in 0usize..40, width in 0usize..200, colour: bool, file: bool,
    ) {
        let mut sources = Sources::default();
        let source: SourceId = match file {
            true => sources.add_file("x.toml", text),
            false => sources.add_flag(text),
        };
        let origin = document::Origin { source, start, end: start + length };
        let faults = Faults::from(Fault::new("a\nb\t\u{1b}[31m").at(origin.place("x")).help("c"));
        let text = render(&faults, &sources, Style { colour, width });
        prop_assert!(!text.is_empty());
    }

    #[test]
    fn any_document_is_shown(text in r#"[ab.="'{}\[\]\n\r\t ,#:1e東_-]{0,60}"#) {
        shown(&text, &[]);
    }
}
