//! An archetype in full: what it takes in closed form, its steps, where its figures come from.

use super::sheet::{Column, Page, Sheet, number, rounded, text};
use crate::catalog::{Agent, Catalog};
use crate::foundations::Law;
use crate::simulation::scenario::Archetype;
use crate::workload::diagram::{Way, kind_of, mermaid, reached, ways};
use crate::workload::expectation::{Caveat, Expectation, ExpectationError, expect};
use crate::workload::program::{LlmStep, Program, StepKind};
use crate::workload::tool::Tool;

/// Figures of a task, as a list names them; the page has longer names.
pub(super) const COLUMNS: [Column; 6] = [
    number("llm_calls_per_task", "CALLS"),
    number("tool_calls_per_task", "TOOL CALLS"),
    number("input_tokens_per_task", "INPUT"),
    number("output_tokens_per_task", "OUTPUT"),
    number("prompt_to_output_ratio", "IN:OUT"),
    number("tasks_per_session", "TASKS/SESSION"),
];

/// Texts under [`COLUMNS`]; without input where contexts are cut, which a closed form leaves out.
pub(super) fn figures(agent: &Agent, catalog: &Catalog) -> [String; 6] {
    let expected = Archetype::read(&agent.key, catalog).ok().and_then(|read| expected(&read).ok());
    let Some(task) = expected else { return Default::default() };
    let input = (!task.caveats.contains(&Caveat::Compaction)).then_some(task.input_tokens);
    [
        rounded(Some(task.llm_calls), 2),
        rounded(Some(task.tool_calls), 2),
        rounded(input, 0),
        rounded(Some(task.output_tokens), 0),
        rounded(input.map(|input| input / task.output_tokens), 1),
        rounded(Some(task.session_tasks), 2),
    ]
}

fn expected(read: &Archetype) -> Result<Expectation, ExpectationError> {
    expect(&read.programs, read.program, &read.tools)
}

/// The page of an archetype.
pub(super) fn page(agent: &Agent, catalog: &Catalog) -> Page {
    let mut page = Page { title: format!("{} ({})", agent.name, agent.key), ..Page::default() };
    page.fact(text("key", "key"), &agent.key);
    page.fact(text("description", "does"), &agent.description);
    page.fact(text("aliases", "also"), agent.aliases.join(", "));
    if let Ok(read) = Archetype::read(&agent.key, catalog) {
        let program = read.program();
        if program.restart != program.start {
            let step = &program.steps[usize::from(program.restart)].name;
            page.fact(text("restart", "later tasks start"), format!("at {step}"));
        }
        if program.session.new_contexts {
            page.fact(text("contexts", "contexts"), "new for each task of a session");
        }
        let task = expected(&read);
        match &task {
            Ok(task) => facts(&mut page, task),
            Err(error) => page.fact(text("expected", "expected"), error.to_string()),
        }
        let visits = task.as_ref().map(|task| task.visits.as_slice()).unwrap_or_default();
        page.section("steps", "Steps, with means of one visit", steps(program, &read, visits));
        page.section("context", "Context", context(program));
        page.text = format!("As a Mermaid flowchart\n\n{}", mermaid(program, &read.tools));
    }
    page.section("figures", "Sources", sources(agent));
    page
}

/// What a task takes on average, in closed form.
fn facts(page: &mut Page, task: &Expectation) {
    let mut fact = |key, heading, value: f64, places| {
        if value > 0.0 {
            page.fact(number(key, heading), rounded(Some(value), places));
        }
    };
    fact("tasks_per_session", "tasks per session", task.session_tasks, 2);
    fact("llm_calls_per_task", "calls per task", task.llm_calls, 2);
    fact("tool_calls_per_task", "tool calls", task.tool_calls, 2);
    fact("sub_agents_per_task", "sub-agents", task.sub_agents, 2);
    fact("input_tokens_per_task", "input tokens", task.input_tokens, 0);
    fact("output_tokens_per_task", "output tokens", task.output_tokens, 0);
    fact("reasoning_tokens_per_task", "of it reasoning", task.reasoning_tokens, 0);
    let ratio = task.input_tokens / task.output_tokens;
    fact("prompt_to_output_ratio", "input : output", ratio, 1);
    fact("opening_tokens", "context at first", task.opening_tokens, 0);
    fact("growth_tokens", "grows per task by", task.growth_tokens, 0);
    fact("waiting_s", "tools and waits, s", task.waiting_s, 1);
    fact("success", "success", task.success, 3);
    let caveats: Vec<String> = task.caveats.iter().map(ToString::to_string).collect();
    page.fact(text("caveats", "beware"), caveats.join("; "));
}

fn steps(program: &Program, archetype: &Archetype, visits: &[f64]) -> Sheet {
    let mut sheet = Sheet::new([
        text("step", "STEP"),
        text("kind", "KIND"),
        number("visits", "VISITS"),
        number("input_tokens", "ADDS"),
        number("output_tokens", "OUTPUT"),
        number("seconds", "SECONDS"),
        text("next", "NEXT"),
    ]);
    for index in reached(program, &archetype.tools) {
        let step = &program.steps[usize::from(index)];
        let [input, output, seconds] = means(&step.kind, &archetype.tools);
        sheet.push([
            step.name.clone(),
            kind(&step.kind, &archetype.programs),
            rounded(visits.get(usize::from(index)).copied(), 2),
            rounded(input, 0),
            rounded(output, 0),
            rounded(seconds, 2),
            next(program, &ways(&step.kind, &archetype.tools)),
        ]);
    }
    sheet
}

/// What happens in a step, with the program of sub-agents.
fn kind(kind: &StepKind, programs: &[Program]) -> String {
    match kind {
        StepKind::Spawn(step) => {
            let child = programs.get(usize::from(step.program)).map_or("", |child| &child.name);
            format!("{} x {child}", rounded(Some(step.count.mean()), 1))
        }
        other => kind_of(other).to_owned(),
    }
}

/// Mean tokens that a step adds to the context by itself, tokens that it produces, and seconds.
fn means(kind: &StepKind, tools: &[Tool]) -> [Option<f64>; 3] {
    let call = |step: &LlmStep| {
        let passages = step.passages.as_ref();
        let retrieved = passages.map_or(0.0, |some| some.count.mean() * some.tokens.mean());
        [Some(step.input_tokens.mean() + retrieved), Some(step.output_tokens.mean()), None]
    };
    match kind {
        StepKind::Llm(step) => call(step),
        StepKind::Check(step) => call(&step.call),
        StepKind::Tool(step) => tools.get(usize::from(step.tool)).map_or([None; 3], |tool| {
            let result = tool.result_tokens.mean() * step.parallel.mean();
            [Some(result), None, Some(tool.latency_s.mean())]
        }),
        StepKind::Wait(step) => [None, None, Some(step.time_s.mean())],
        StepKind::Spawn(step) => [step.report_tokens.as_ref().map(Law::mean), None, None],
        StepKind::Loop(_) | StepKind::End { .. } => [None; 3],
    }
}

fn next(program: &Program, ways: &[Way]) -> String {
    let way = |way: &Way| {
        let name = &program.steps[usize::from(way.to)].name;
        if way.when.is_empty() { name.clone() } else { format!("{name} ({})", way.when) }
    };
    ways.iter().map(way).collect::<Vec<_>>().join(", ")
}

fn context(program: &Program) -> Sheet {
    let mut sheet = Sheet::new([text("part", "PART"), text("tokens", "TOKENS")]);
    let mut push = |part: &str, law: &Law| sheet.push([part.to_owned(), law.to_string()]);
    for (position, segment) in program.shared.iter().enumerate() {
        let texts = segment.variant.maximum();
        let part = match texts > 1.0 {
            true => format!("shared segment {}, one of {texts} texts", position + 1),
            false => format!("shared segment {}", position + 1),
        };
        push(&part, &segment.tokens);
    }
    if program.opening_tokens.maximum() > 0.0 {
        push("own, at the start of a session", &program.opening_tokens);
    }
    if let Some(cut) = &program.compaction {
        push(&format!("after a cut above {}", cut.above_tokens), &cut.to_tokens);
    }
    sheet
}

fn sources(agent: &Agent) -> Sheet {
    let mut sheet = Sheet::new([
        text("figure", "FIGURE"),
        text("basis", "BASIS"),
        text("confidence", "TRUST"),
        text("source", "SOURCE"),
        text("date", "DATE"),
        text("note", "NOTE"),
        text("value", "VALUE"),
    ]);
    for row in agent.evidence() {
        sheet.push([
            row.figure.clone(),
            row.basis.to_string(),
            row.confidence.to_string(),
            row.source.clone(),
            row.date.clone(),
            row.note.clone(),
            row.value.clone(),
        ]);
    }
    sheet
}
