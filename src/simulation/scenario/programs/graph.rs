//! Whether a program's graph makes sense: every step can be reached, every walk can end, loops come
//! back, and nothing goes round without a call or any time.

use crate::foundations::Fault;
use crate::simulation::scenario::reader::Section;
use crate::workload::program::{Branch, Program, StepIndex, StepKind};
use crate::workload::tool::Tool;

/// Messages name no more steps than this.
const MOST_NAMED: usize = 6;

/// Reports what is wrong with the graph of a program. `written` are its steps as they are written,
/// which come first among [`Program::steps`].
pub(super) fn check(
    program: &Program,
    tools: &[Tool],
    section: &Section,
    written: &[(&str, Section)],
) {
    let graph = Graph::of(program);
    let later = graph.reach(program.restart, None);
    let first = graph.reach(program.start, None).into_iter();
    let reached: Vec<bool> = first.zip(later).map(|(first, later)| first || later).collect();
    let report = |step: usize, fault: Fault| {
        let section = written.get(step).map_or(section, |(_, step)| step);
        section.report(fault.at(section.origin().place(section.path())));
    };
    let name = |step: usize| &program.steps[step].name;

    // What is inherited may well be left out.
    for step in (0..written.len()).filter(|&step| !section.has("base") && !reached[step]) {
        let message = format!("no way leads to step `{}`", name(step));
        report(
            step,
            Fault::new(message).help("name it in the `next` of another step, or remove it"),
        );
    }
    let lost: Vec<usize> = graph.cannot_end(program).filter(|&step| reached[step]).collect();
    if let Some(&first) = lost.first() {
        let names: Vec<_> =
            lost.iter().take(MOST_NAMED).map(|&s| format!("`{}`", name(s))).collect();
        let message = match lost.len() {
            1 => format!("step {} never leads to an end", names[0]),
            some if some > MOST_NAMED => {
                format!("{some} steps never lead to an end: {}, ...", names.join(", "))
            }
            _ => format!("steps {} never lead to an end", names.join(", ")),
        };
        let help = "give one of them a way out: `next = \"end\"`, or a step of kind \"end\"";
        report(first, Fault::new(message).help(help));
        return;
    }
    let timeless = |step: usize| reached[step] && is_timeless(&program.steps[step].kind, tools);
    if let Some(ring) = graph.ring(timeless) {
        let names: Vec<_> = ring.iter().map(|&step| name(step).as_str()).collect();
        let message = format!(
            "steps go round without a call or any time: {} -> {}",
            names.join(" -> "),
            names[0]
        );
        report(ring[0], Fault::new(message).help("put a call, a tool or a wait between them"));
    }
    check_loops(program, &graph, &reached, report);
}

/// Every body comes back to its loop, and loops lie apart or one inside the other.
fn check_loops(program: &Program, graph: &Graph, reached: &[bool], report: impl Fn(usize, Fault)) {
    let loops = program.steps.iter().enumerate().filter_map(|(index, step)| match &step.kind {
        StepKind::Loop(repeat) if reached[index] => Some((index, repeat.body)),
        _ => None,
    });
    let bodies: Vec<(usize, Vec<bool>)> =
        loops.map(|(index, body)| (index, graph.reach(body, Some(index)))).collect();
    let name = |step: usize| &program.steps[step].name;
    for (place, (index, body)) in bodies.iter().enumerate() {
        if !body[*index] {
            let message = format!("the body of loop `{}` never comes back to it", name(*index));
            let help = format!("let its last step lead back: `next = \"{}\"`", name(*index));
            report(*index, Fault::new(message).help(help));
        }
        for (other, other_body) in &bodies[..place] {
            if body[*other] && other_body[*index] {
                let (one, other) = (name(*other), name(*index));
                let message = format!(
                    "loop `{other}` is left from inside for loop `{one}`, and entered again"
                );
                let help = "leave a loop through its own `next`, or let the task end";
                report(*index, Fault::new(message).help(help));
            }
        }
    }
}

/// Whether a step certainly takes no time and calls nothing.
fn is_timeless(kind: &StepKind, tools: &[Tool]) -> bool {
    match kind {
        StepKind::Llm(_) | StepKind::Check(_) | StepKind::End { .. } => false,
        StepKind::Tool(step) => {
            let instant = |tool: &Tool| tool.latency_s.maximum() <= 0.0;
            step.parallel.maximum() < 0.5 || tools.get(usize::from(step.tool)).is_none_or(instant)
        }
        StepKind::Spawn(step) => step.count.maximum() < 0.5,
        StepKind::Wait(step) => step.time_s.maximum() <= 0.0,
        StepKind::Loop(_) => true,
    }
}

/// Where each step leads.
struct Graph(Vec<Vec<StepIndex>>);

impl Graph {
    fn of(program: &Program) -> Self {
        let branch = |branch: &Branch| branch.cumulative.iter().map(|&(_, step)| step).collect();
        let ways = |kind: &StepKind| -> Vec<StepIndex> {
            let (next, other) = match kind {
                StepKind::Llm(step) => (branch(&step.next), step.on_error),
                StepKind::Check(step) => {
                    let mut ways: Vec<StepIndex> = match step.pass > 0.0 {
                        true => branch(&step.call.next),
                        false => Vec::new(),
                    };
                    ways.extend((step.pass < 1.0).then_some(step.on_fail));
                    (ways, step.call.on_error)
                }
                StepKind::Tool(step) => (branch(&step.next), step.on_error),
                StepKind::Spawn(step) => (branch(&step.next), None),
                StepKind::Wait(step) => (branch(&step.next), step.on_reject),
                StepKind::Loop(step) => (vec![step.body, step.next], None),
                StepKind::End { .. } => (Vec::new(), None),
            };
            next.into_iter().chain(other).collect()
        };
        Self(program.steps.iter().map(|step| ways(&step.kind)).collect())
    }

    /// Which steps a walk from `start` can come to, itself included, if it stops at `stop`.
    fn reach(&self, start: StepIndex, stop: Option<usize>) -> Vec<bool> {
        let mut reached = vec![false; self.0.len()];
        let mut open = vec![usize::from(start)];
        while let Some(step) = open.pop() {
            if std::mem::replace(&mut reached[step], true) || stop == Some(step) {
                continue;
            }
            open.extend(self.0[step].iter().map(|&next| usize::from(next)));
        }
        reached
    }

    /// Steps from which no end can be reached.
    fn cannot_end(&self, program: &Program) -> impl Iterator<Item = usize> + use<> {
        let mut before = vec![Vec::new(); self.0.len()];
        for (step, ways) in self.0.iter().enumerate() {
            ways.iter().for_each(|&next| before[usize::from(next)].push(step));
        }
        let ends = program.steps.iter().enumerate();
        let ends = ends.filter(|(_, step)| matches!(step.kind, StepKind::End { .. }));
        let mut open: Vec<usize> = ends.map(|(index, _)| index).collect();
        let mut ending = vec![false; self.0.len()];
        while let Some(step) = open.pop() {
            if !std::mem::replace(&mut ending[step], true) {
                open.extend(&before[step]);
            }
        }
        (0..ending.len()).filter(move |&step| !ending[step])
    }

    /// Steps that lead round in a ring, all of them `allowed`.
    fn ring(&self, allowed: impl Fn(usize) -> bool) -> Option<Vec<usize>> {
        // Takes away what leads out of the allowed steps until only rings and their approaches are
        // left: then following any way for long enough is a ring.
        let mut left: Vec<bool> = (0..self.0.len()).map(&allowed).collect();
        let onward = |left: &[bool], step: usize| {
            self.0[step].iter().map(|&next| usize::from(next)).find(|&next| left[next])
        };
        loop {
            let gone = (0..left.len()).filter(|&step| left[step] && onward(&left, step).is_none());
            let gone: Vec<usize> = gone.collect();
            if gone.is_empty() {
                break;
            }
            gone.into_iter().for_each(|step| left[step] = false);
        }
        let mut walk = vec![left.iter().position(|&left| left)?];
        loop {
            let next = onward(&left, *walk.last()?)?;
            if let Some(first) = walk.iter().position(|&step| step == next) {
                return Some(walk.split_off(first));
            }
            walk.push(next);
        }
    }
}
