//! A program drawn: where each step leads, as text and as a Mermaid flowchart.
//!
//! ```text
//! flowchart TD
//!   s0["think<br/>call"] --> s1
//!   s1[/"act<br/>tool"/] -->|90 %| s0
//!   s1 -->|10 %| s2
//!   s2(["end<br/>success"])
//! ```

use std::fmt::Write;

use super::program::{Branch, LoopStep, Program, StepIndex, StepKind};
use super::tool::Tool;
use crate::foundations::units::{format_number, format_percent};

/// A way out of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// Where it leads.
    pub to: StepIndex,
    /// When it is taken; empty where it always is.
    pub when: String,
}

/// The ways out of a step that can be taken.
pub fn ways(kind: &StepKind, tools: &[Tool]) -> Vec<Way> {
    let (next, other) = match kind {
        StepKind::Llm(step) => (&step.next, None),
        StepKind::Check(step) => (&step.call.next, Some((step.on_fail, 1.0 - step.pass, "failed"))),
        StepKind::Tool(step) => {
            let failing = tools.get(usize::from(step.tool)).map_or(0.0, |tool| tool.failure);
            (&step.next, step.on_error.map(|to| (to, failing, "error")))
        }
        StepKind::Spawn(step) => (&step.next, None),
        StepKind::Wait(step) => {
            let rejected = |to| (to, 1.0 - step.accept, "rejected");
            (&step.next, step.on_reject.map(rejected))
        }
        StepKind::Loop(LoopStep { times, body, next, .. }) => {
            let times = format!("{} times", format_number(times.mean()));
            let way = |to: &StepIndex, when: &str| Way { to: *to, when: when.to_owned() };
            return vec![way(body, &times), way(next, "then")];
        }
        StepKind::End { .. } => return Vec::new(),
    };
    let mut ways = branch(next);
    if let Some((to, probability, why)) = other.filter(|&(_, probability, _)| probability > 0.0) {
        // A tool step with several calls fails more often than one call does.
        let share = if why == "error" { String::new() } else { format_percent(probability) };
        ways.push(Way { to, when: format!("{share} {why}").trim().to_owned() });
    }
    ways
}

fn branch(branch: &Branch) -> Vec<Way> {
    let possible: Vec<_> = branch.ways().filter(|&(probability, _)| probability > 0.0).collect();
    let certain = possible.len() == 1;
    let when = |share| if certain { String::new() } else { format_percent(share) };
    possible.into_iter().map(|(share, to)| Way { to, when: when(share) }).collect()
}

/// What happens in a step, in a word.
pub fn kind_of(kind: &StepKind) -> &'static str {
    match kind {
        StepKind::Llm(_) => "call",
        StepKind::Check(_) => "check",
        StepKind::Tool(_) => "tool",
        StepKind::Spawn(_) => "sub-agents",
        StepKind::Wait(_) => "wait",
        StepKind::Loop(_) => "loop",
        StepKind::End { success: true } => "success",
        StepKind::End { success: false } => "failure",
    }
}

/// The steps that a task can come to, in their order.
pub fn reached(program: &Program, tools: &[Tool]) -> Vec<StepIndex> {
    let mut seen = vec![false; program.steps.len()];
    let mut open = vec![program.start, program.restart];
    while let Some(step) = open.pop() {
        let Some(first) = seen.get_mut(usize::from(step)) else { continue };
        if !std::mem::replace(first, true) {
            let ways = ways(&program.steps[usize::from(step)].kind, tools);
            open.extend(ways.into_iter().map(|way| way.to));
        }
    }
    (0..).zip(seen).filter_map(|(step, seen)| seen.then_some(step)).collect()
}

/// A Mermaid flowchart of the steps that a task can come to.
pub fn mermaid(program: &Program, tools: &[Tool]) -> String {
    let mut chart = String::from("flowchart TD\n");
    for index in reached(program, tools) {
        let step = &program.steps[usize::from(index)];
        let (open, close) = match step.kind {
            StepKind::Llm(_) => ("[", "]"),
            StepKind::Check(_) => ("{{", "}}"),
            StepKind::Tool(_) => ("[/", "/]"),
            StepKind::Spawn(_) => ("[[", "]]"),
            StepKind::Wait(_) => ("(", ")"),
            StepKind::Loop(_) => ("{", "}"),
            StepKind::End { .. } => ("([", "])"),
        };
        let name = step.name.replace('"', "#quot;");
        let kind = kind_of(&step.kind);
        // Writing to a string cannot fail.
        let _ = writeln!(chart, "  s{index}{open}\"{name}<br/>{kind}\"{close}");
        for Way { to, when } in ways(&step.kind, tools) {
            let label = if when.is_empty() { String::new() } else { format!("|{when}|") };
            let _ = writeln!(chart, "  s{index} -->{label} s{to}");
        }
    }
    if program.restart != program.start {
        let _ = writeln!(chart, "  later([\"later tasks\"]) --> s{}", program.restart);
    }
    chart
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundations::Law;
    use crate::workload::program::{Limits, Session, Step, WaitStep};

    #[test]
    fn a_chart_shows_what_can_be_reached_and_when() {
        let step = |name: &str, kind| Step { name: name.to_owned(), kind };
        let constant = |value| Law::constant(value).unwrap();
        let next = Branch { cumulative: vec![(0.25, 1), (0.25, 3), (1.0, 2)] };
        let wait =
            StepKind::Wait(WaitStep { time_s: constant(1.0), accept: 1.0, on_reject: None, next });
        let again = LoopStep { times: constant(3.0), body: 0, next: 2, counter: 0 };
        let program = Program {
            name: "p".into(),
            steps: vec![
                step("ask \"him\"", wait),
                step("again", StepKind::Loop(again)),
                step("end", StepKind::End { success: true }),
                step("never", StepKind::End { success: false }),
            ],
            start: 0,
            restart: 1,
            loops: 1,
            shared: vec![],
            opening_tokens: constant(0.0),
            session: Session::default(),
            pruning: None,
            compaction: None,
            limits: Limits { calls: None, tokens: None, usd: None, deadline: None },
            retry: crate::workload::retry::RetryPolicy::default(),
        };
        assert_eq!(
            mermaid(&program, &[]),
            "flowchart TD\n\
             \x20 s0(\"ask #quot;him#quot;<br/>wait\")\n\
             \x20 s0 -->|25 %| s1\n\
             \x20 s0 -->|75 %| s2\n\
             \x20 s1{\"again<br/>loop\"}\n\
             \x20 s1 -->|3 times| s0\n\
             \x20 s1 -->|then| s2\n\
             \x20 s2([\"end<br/>success\"])\n\
             \x20 later([\"later tasks\"]) --> s1\n"
        );
    }
}
