//! The absorbing chain of one program, solved part by part: a loop's body first, then what is around
//! it with the loop as a single step.

use super::ExpectationError;
use super::affine::{
    CALLS, INPUT, Powers, REPORT, SILENT, Square, TAKEN, Values, WIDTH, identity, product, times,
};
use super::matrix::{Matrix, solve};
use super::moment::count;
use super::step::{Joined, Local, Way};
use crate::workload::program::{LoopStep, Program, StepIndex, StepKind};

/// A task from its start to its end.
pub(super) struct Walk {
    pub(super) visits: Vec<f64>,
    /// Values at the start where all is 0 at the end.
    pub(super) own: Values,
    /// How they depend on the values at the end.
    pub(super) behind: Square,
}

/// A part of the program: values at its start as a map of those where it is left.
struct Part {
    visits: Vec<f64>,
    own: Values,
    /// Of the values at the step that it goes back to, and at the end of the task.
    back: Square,
    end: Square,
}

/// A loop as a single step.
#[derive(Clone)]
struct Pass {
    /// Of its body, for each time that the loop is entered from outside.
    visits: Vec<f64>,
    own: Values,
    /// Of the values at the step behind it, and at the end of the task.
    next: Square,
    end: Square,
}

/// See the module's page.
pub(super) struct Chain<'p> {
    program: &'p Program,
    locals: &'p [Local],
    /// By step, for loops that are solved.
    passes: Vec<Option<Pass>>,
    /// Loops whose bodies are being solved, outermost first.
    open: Vec<StepIndex>,
}

impl<'p> Chain<'p> {
    /// Refuses a program with a step from which no end is reached.
    pub(super) fn new(program: &'p Program, locals: &'p [Local]) -> Result<Self, ExpectationError> {
        let chain = Self { program, locals, passes: vec![None; locals.len()], open: Vec::new() };
        let mut ends: Vec<bool> = locals.iter().map(|local| local.ways.is_empty()).collect();
        // Each round finds at least one more step with a way out, or none is left to find.
        for _ in 0..locals.len() {
            for (step, local) in locals.iter().enumerate() {
                ends[step] = ends[step] || local.ways.iter().any(|way| ends[way.to as usize]);
            }
        }
        let everywhere = |step: StepIndex| locals[step as usize].ways.iter().map(|way| way.to);
        let endless = |&step: &StepIndex| !ends[step as usize];
        let starts = [program.start, program.restart];
        match starts.into_iter().flat_map(|start| chain.reach(start, everywhere)).find(endless) {
            Some(step) => Err(ExpectationError::NoEnd {
                program: program.name.clone(),
                step: chain.name(step),
            }),
            None => Ok(chain),
        }
    }

    /// A whole task from a step on.
    pub(super) fn walk(&self, start: StepIndex) -> Result<Walk, ExpectationError> {
        let passes = vec![None; self.locals.len()];
        let mut chain = Self { passes, open: Vec::new(), ..*self };
        let Part { visits, own, end, .. } = chain.part(start, None)?;
        Ok(Walk { visits, own, behind: end })
    }

    /// The steps from `start` on until a task ends or comes to `back`.
    fn part(
        &mut self,
        start: StepIndex,
        back: Option<StepIndex>,
    ) -> Result<Part, ExpectationError> {
        let mut visits = vec![0.0; self.locals.len()];
        if back == Some(start) {
            let none = [[0.0; WIDTH]; WIDTH];
            return Ok(Part { visits, own: [0.0; WIDTH], back: identity(), end: none });
        }
        let inside = |to: &StepIndex| Some(*to) != back;
        let steps = self.reach(start, |step| self.exits(step).map(|way| way.to).filter(inside));
        for &step in &steps {
            if let StepKind::Loop(repeat) = &self.program.steps[step as usize].kind {
                self.solve_loop(step, repeat)?;
            }
        }
        let mut row = vec![None; self.locals.len()];
        steps.iter().enumerate().for_each(|(at, &step)| row[step as usize] = Some(at));

        // Columns of the right side: the values at `back`, those at the end, and a constant.
        let size = steps.len();
        let mut left: Matrix = vec![vec![0.0; size * WIDTH]; size * WIDTH];
        let mut right: Matrix = vec![vec![0.0; 2 * WIDTH + 1]; size * WIDTH];
        let mut flow: Matrix = vec![vec![0.0; size]; size];
        for (at, &step) in steps.iter().enumerate() {
            let rows = at * WIDTH..(at + 1) * WIDTH;
            let (own, end) = self.own(step);
            flow[at][at] += 1.0;
            for (value, row) in rows.clone().enumerate() {
                left[row][row] += 1.0;
                right[row][WIDTH..2 * WIDTH].copy_from_slice(&end[value]);
                right[row][2 * WIDTH] = own[value];
            }
            for way in self.exits(step) {
                let onward = self.onward(step, way);
                let to = row[way.to as usize];
                if let Some(to) = to {
                    flow[to][at] -= onward[CALLS][CALLS];
                }
                for (value, row) in rows.clone().enumerate() {
                    let cells = match to {
                        Some(to) => &mut left[row][to * WIDTH..(to + 1) * WIDTH],
                        None => &mut right[row][..WIDTH],
                    };
                    let sign = if to.is_some() { -1.0 } else { 1.0 };
                    for (cell, part) in cells.iter_mut().zip(onward[value]) {
                        *cell += sign * part;
                    }
                }
            }
        }
        let mut entry: Matrix = vec![vec![0.0]; size];
        entry[0][0] = 1.0; // `start` was discovered first
        let endless = || ExpectationError::NoEnd {
            program: self.program.name.clone(),
            step: self.name(start),
        };
        let found = solve(left, right).ok_or_else(endless)?;
        let arrivals = solve(flow, entry).ok_or_else(endless)?;
        for (&step, arrivals) in steps.iter().zip(&arrivals) {
            visits[step as usize] += arrivals[0];
            if let Some(pass) = &self.passes[step as usize] {
                add_times(&mut visits, arrivals[0], &pass.visits);
            }
        }
        let cell = |value: usize, column: usize| found[value][column];
        let square =
            |from: usize| std::array::from_fn(|i| std::array::from_fn(|j| cell(i, from + j)));
        let own = std::array::from_fn(|i| cell(i, 2 * WIDTH));
        Ok(Part { visits, own, back: square(0), end: square(WIDTH) })
    }

    /// Makes a loop a single step.
    fn solve_loop(&mut self, step: StepIndex, repeat: &LoopStep) -> Result<(), ExpectationError> {
        if self.open.contains(&step) {
            let inner = self.open.last().copied().unwrap_or(step);
            return Err(ExpectationError::TangledLoops {
                program: self.program.name.clone(),
                outer: self.name(step),
                inner: self.name(inner),
            });
        }
        if self.passes[step as usize].is_some() {
            return Ok(());
        }
        self.open.push(step);
        let body = self.part(repeat.body, Some(step))?;
        self.open.pop();
        let powers = Powers::of(&body.back, &count(&repeat.times, 0));
        let (bodies, returns) = (powers.sum[CALLS][CALLS], body.back[CALLS][CALLS]);
        let mut visits = vec![0.0; self.locals.len()];
        add_times(&mut visits, bodies, &body.visits);
        visits[step as usize] += bodies * returns;
        self.passes[step as usize] = Some(Pass {
            visits,
            own: times(&powers.sum, &body.own),
            end: product(&powers.sum, &body.end),
            next: powers.power,
        });
        Ok(())
    }

    /// The ways out of a step; of a loop, the one behind it.
    fn exits(&self, step: StepIndex) -> impl Iterator<Item = Way> + '_ {
        let is_loop = matches!(self.program.steps[step as usize].kind, StepKind::Loop(_));
        let ways = &self.locals[step as usize].ways;
        ways.iter().copied().take(if is_loop { 1 } else { ways.len() })
    }

    /// What a step adds to the values behind it by itself, and of those at the task's end.
    fn own(&self, step: StepIndex) -> (Values, Square) {
        let local = &self.locals[step as usize];
        if let Some(pass) = &self.passes[step as usize] {
            return (pass.own, pass.end);
        }
        let mut own = [0.0; WIDTH];
        (own[CALLS], own[INPUT]) = (local.reads, local.input_tokens);
        let end = if local.ways.is_empty() { identity() } else { [[0.0; WIDTH]; WIDTH] };
        (own, end)
    }

    /// How the values of a step depend on those behind one of its ways.
    fn onward(&self, step: StepIndex, Way { probability: p, growth, .. }: Way) -> Square {
        if let Some(pass) = &self.passes[step as usize] {
            return pass.next;
        }
        let local = &self.locals[step as usize];
        let mut map = [[0.0; WIDTH]; WIDTH];
        map[CALLS][CALLS] = p;
        map[INPUT][INPUT] = p;
        map[INPUT][CALLS] = growth;
        map[REPORT][REPORT] = p;
        map[SILENT][SILENT] = p;
        match local.joined {
            Joined::Stays => map[TAKEN][TAKEN] = p,
            Joined::Settles => {}
            Joined::Replaced => map[TAKEN][CALLS] = p,
            Joined::Sets(tokens) => {
                map[INPUT][TAKEN] = -p * tokens;
                map[SILENT][SILENT] = 0.0;
                map[REPORT][SILENT] = p * local.output_tokens;
            }
        }
        map
    }

    /// The steps reached from `start`, that first.
    fn reach<I: Iterator<Item = StepIndex>>(
        &self,
        start: StepIndex,
        behind: impl Fn(StepIndex) -> I,
    ) -> Vec<StepIndex> {
        let mut seen = vec![false; self.locals.len()];
        let mut found = Vec::new();
        let mut open = vec![start];
        while let Some(step) = open.pop() {
            if !std::mem::replace(&mut seen[step as usize], true) {
                found.push(step);
                open.extend(behind(step));
            }
        }
        found
    }

    fn name(&self, step: StepIndex) -> String {
        self.program.steps[step as usize].name.clone()
    }
}

fn add_times(to: &mut [f64], factor: f64, other: &[f64]) {
    to.iter_mut().zip(other).for_each(|(value, other)| *value += factor * other);
}
