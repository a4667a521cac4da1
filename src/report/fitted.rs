//! An agent program of laws fitted to a recording: as a scenario, as a page, and as a table.
//!
//! Laws are fitted to the sessions of one half and judged on the other (see
//! [`fitting`](crate::foundations::fitting)). The program is a loop: a person's message, an answer,
//! and as often as was recorded a tool and a further answer. A session's first request has a loop of
//! its own where there are more: it opens the context, and mostly takes more calls than the others.
//! Where the first results of tools are unlike later ones, a loop of so many steps comes before, which
//! may end the task.

mod page;
mod program;

use crate::foundations::fitting::{Fitted, Grid, distance_of_samples};
use crate::foundations::statistics::order_statistic;
use crate::workload::trace::habits::{EARLY, Habits, Half};

/// A quantity with its law.
#[derive(Clone, Debug)]
pub struct FittedLaw {
    /// What it is, for people.
    pub title: &'static str,
    /// Where it stands in the program.
    pub place: &'static str,
    /// Counts or times.
    pub grid: Grid,
    /// Its least value.
    least: f64,
    /// The law.
    pub fitted: Fitted,
}

/// A program fitted to a recording.
#[derive(Clone, Debug)]
pub struct FittedProgram {
    /// Its laws.
    pub laws: Vec<FittedLaw>,
    /// Tokens that open every prompt.
    shared: u32,
    /// Where contexts are cut, and to what, tokens.
    cut: Option<(f64, f64)>,
    /// When sessions begin, as a scenario writes it; where nobody recorded that, none.
    arrivals: Option<String>,
    /// Whether each task begins with a new context.
    new_contexts: bool,
    /// The first results of tools, where they differ from later ones.
    reading: Option<Reading>,
    /// Sub-agents, which the program does not have.
    sub_agents: u64,
}

/// A loop for the first results of tools.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// Probability that a task comes to it.
    begins: f64,
    /// Probability that a task goes on behind each step of it.
    goes_on: f64,
}

impl Reading {
    /// Of the first half, if its first results of tools are unlike later ones, and the other half can
    /// judge what comes behind them.
    fn of([half, judge]: &[Half; 2]) -> Option<Self> {
        let sorted = |values: &[f64]| {
            let mut values = values.to_vec();
            values.sort_by(f64::total_cmp);
            Some(values).filter(|values| values.len() >= ENOUGH)
        };
        let (early, later) = (sorted(&half.early_growth)?, sorted(&half.growth)?);
        let longer = |half: &Half, than: u32| {
            let calls = &half.first_task_calls;
            let longer = calls.iter().filter(|&&calls| calls > 1.0 + f64::from(than)).count();
            longer as f64 / calls.len() as f64
        };
        let (begins, through) = (longer(half, 0), longer(half, EARLY));
        let judged = longer(judge, EARLY) > 0.0 && !judge.early_growth.is_empty();
        (distance_of_samples(&early, &later) > UNLIKE && through > 0.0 && judged)
            .then(|| Self { begins, goes_on: libm::pow(through / begins, 1.0 / f64::from(EARLY)) })
    }
}

/// First results of tools have a loop of their own where they are so far (Kolmogorov-Smirnov) from
/// later ones.
const UNLIKE: f64 = 0.1;
/// And where there are so many of both.
const ENOUGH: usize = 50;
/// Contexts are cut in the program where the recording shows so many cuts.
const CUTS: usize = 5;

impl FittedProgram {
    /// Fits all laws; `None` where there are too few sessions to halve.
    pub fn new(habits: &Habits) -> Option<Self> {
        let shared = habits.shared_tokens();
        let new_contexts = begins_anew(habits);
        let opening = move |half: &Half| {
            let later = if new_contexts { &half.later_input[..] } else { &[] };
            let rest = |input: &f64| (input - f64::from(shared)).max(0.0);
            half.first_input.iter().chain(later).map(rest).collect()
        };
        let reading = Reading::of(&habits.halves);
        let further = |calls: &[f64]| calls.iter().map(|calls| calls - 1.0).collect();
        let first = |half: &Half| match (reading, new_contexts) {
            (Some(_), _) => {
                let left = half.first_task_calls.iter().map(|calls| calls - 1.0 - f64::from(EARLY));
                left.filter(|&left| left > 0.0).collect()
            }
            // All tasks are first ones.
            (None, true) => further(&[&half.first_task_calls[..], &half.later_task_calls].concat()),
            (None, false) => further(&half.first_task_calls),
        };
        let later = |half: &Half| match new_contexts {
            true => Vec::new(),
            false => further(&half.later_task_calls),
        };
        let early = |half: &Half| match reading {
            Some(_) => half.early_growth.clone(),
            None => Vec::new(),
        };
        let growth = |half: &Half| match reading {
            Some(_) => half.growth.clone(),
            None => [&half.early_growth[..], &half.growth].concat(),
        };
        let message = |half: &Half| match new_contexts {
            true => Vec::new(),
            false => half.message.clone(),
        };
        let sessions =
            !new_contexts && habits.halves.iter().any(|half| !half.later_task_calls.is_empty());
        let more = match (reading, sessions) {
            (Some(_), _) => "calls beyond those of the first tools",
            (None, true) => "further calls of the first task",
            (None, false) => "further calls of a task",
        };
        type Sample<'s> = &'s dyn Fn(&Half) -> Vec<f64>;
        let quantities: [(&'static str, &'static str, Grid, f64, Sample); 11] = [
            ("first prompt beyond what all share", "opening_tokens", Grid::Count, 0.0, &opening),
            ("tasks of a session", "session.tasks", Grid::Count, 1.0, &|h| {
                h.tasks_per_session.clone()
            }),
            ("think time", "session.think_time", Grid::Time, 0.0, &|h| h.think_s.clone()),
            ("tokens of a message", "steps.respond.input", Grid::Count, 0.0, &message),
            ("tokens of a first answer", "steps.respond.output", Grid::Count, 1.0, &|h| {
                h.first_output.clone()
            }),
            (more, "steps.open-turns.times", Grid::Count, 0.0, &first),
            ("further calls of a later task", "steps.turns.times", Grid::Count, 0.0, &later),
            ("tool time", "steps.tools.latency", Grid::Time, 0.0, &|h| h.tool_s.clone()),
            (
                "context growth after the first tools",
                "steps.open-look.result",
                Grid::Count,
                1.0,
                &early,
            ),
            ("context growth after a tool", "steps.tools.result", Grid::Count, 1.0, &growth),
            ("tokens of a further answer", "steps.act.output", Grid::Count, 1.0, &|h| {
                h.later_output.clone()
            }),
        ];
        let [even, odd] = &habits.halves;
        let law = |(title, place, grid, least, of): (_, _, _, _, Sample)| {
            let fitted = Fitted::new(&of(even), &of(odd), grid)?;
            Some(FittedLaw { title, place, grid, least, fitted })
        };
        let laws: Vec<FittedLaw> = quantities.into_iter().filter_map(law).collect();
        let needed = ["opening_tokens", "steps.respond.output"];
        needed.iter().all(|needed| laws.iter().any(|law| law.place == *needed)).then_some(())?;
        let cuts = |of: fn(&Half) -> &[f64], p: f64| {
            let mut all: Vec<f64> = habits.halves.iter().flat_map(of).copied().collect();
            all.sort_by(f64::total_cmp);
            (all.len() >= CUTS).then(|| order_statistic(&all, p)).flatten()
        };
        let longest =
            habits.halves.iter().flat_map(|half| &half.input).copied().fold(0.0, f64::max);
        // Contexts are cut just below a limit, or sooner by hand.
        let from = cuts(|half| &half.cut_from, 0.9).unwrap_or(longest);
        let to = cuts(|half| &half.cut_to, 0.5).unwrap_or(f64::from(shared) + from / 4.0);
        let grows =
            laws.iter().any(|law| ["steps.respond.input", "steps.act.output"].contains(&law.place));
        Some(Self {
            laws,
            shared,
            cut: (grows && from > 1.0 && to < from).then_some((from, to)),
            arrivals: arrivals(&habits.starts),
            new_contexts,
            reading,
            sub_agents: habits.sub_agents,
        })
    }

    fn law(&self, place: &str) -> Option<&FittedLaw> {
        self.laws.iter().find(|law| law.place == place)
    }

    fn toml(&self, place: &str) -> Option<String> {
        self.law(place).map(|law| law.fitted.family.toml(law.grid, law.least))
    }

    /// When sessions begin, where that was recorded.
    pub fn arrivals(&self) -> Option<&str> {
        self.arrivals.as_deref()
    }
}

/// Whether most later requests do not go on with the context before them.
fn begins_anew(habits: &Habits) -> bool {
    let sum = |of: fn(&Half) -> u32| habits.halves.iter().map(of).sum::<u32>();
    2 * sum(|half| half.carried.1) < sum(|half| half.carried.0)
}

/// When sessions begin: a renewal process of the family whose gaps lie nearest to the recorded.
fn arrivals(starts: &[f64]) -> Option<String> {
    use crate::foundations::Law;
    use crate::foundations::fitting::distance;
    let mut sorted = starts.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut gaps: Vec<f64> = sorted.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_by(f64::total_cmp);
    let n = gaps.len() as f64;
    let mean = gaps.iter().sum::<f64>() / n;
    if gaps.len() < 10 || mean <= 0.0 {
        return None;
    }
    let square = gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / n;
    let cv = (libm::sqrt(square) / mean).clamp(0.05, 20.0);
    let rate = format!("\"{} /s\"", significant(1.0 / mean));
    let candidates = [
        (Law::exponential(mean), format!("{{ poisson = {rate} }}")),
        (
            Law::gamma_from_mean(mean, cv),
            format!("{{ gamma = {{ rate = {rate}, cv = {} }} }}", significant(cv)),
        ),
        (
            Law::weibull_from_mean(mean, cv),
            format!("{{ weibull = {{ rate = {rate}, cv = {} }} }}", significant(cv)),
        ),
    ];
    let judged = candidates
        .into_iter()
        .filter_map(|(law, text)| law.ok().map(|law| (distance(&law, &gaps, mean / 1e4), text)));
    judged.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, text)| text)
}

/// Four significant digits in plain decimals.
fn significant(value: f64) -> String {
    let digits = (3.0 - libm::floor(libm::log10(value.abs().max(1e-12)))).clamp(0.0, 12.0);
    format!("{value:.0$}", digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundations::{Purpose, Streams};
    use crate::simulation::scenario::files::NoFiles;
    use crate::simulation::scenario::{ReadOptions, Scenario};
    use crate::workload::trace::Gap;
    use crate::workload::trace::recording::{Action, Call, Header, Session, Sink};

    /// Sessions of geometric length whose contexts grow.
    fn habits() -> Habits {
        let mut stream = Streams::new(3, 0).stream(Purpose::Sample, 0);
        let mut habits = Habits::default();
        habits.begin(&Header::without_blocks("t")).unwrap();
        for session in 0..400 {
            let (mut actions, mut input) = (Vec::new(), 4000 + stream.below(2000) as u32);
            loop {
                let output = 50 + stream.below(400) as u32;
                let call = Some(Call { input, output, ..Call::default() });
                let first = actions.is_empty();
                let gap = if first { Gap::None } else { Gap::Tool };
                let wait_s = if first { 0.0 } else { 5.0 * stream.uniform() };
                actions.push(Action { wait_s, gap, task: first, call, spawn: Vec::new() });
                input += output + stream.below(900) as u32;
                if stream.chance(0.1) {
                    break;
                }
            }
            let start_s = Some(f64::from(session) * 7.0);
            habits.session(Session { start_s, actions, ..Session::default() }).unwrap();
        }
        habits
    }

    #[test]
    fn the_program_is_one_that_a_scenario_takes() {
        let fitted = FittedProgram::new(&habits()).unwrap();
        for law in &fitted.laws {
            assert!(law.fitted.ks < 0.11, "{}: {}", law.title, law.fitted.ks);
        }
        let calls = fitted.law("steps.open-turns.times").unwrap();
        // Failures before the first success with probability 0.1.
        assert!((calls.fitted.law.mean() - 9.0).abs() < 1.5, "{:?}", calls.fitted.family);
        let scenario = format!(
            "[agents.a]\nmodel = \"main\"\nprogram = \"ours\"\narrivals = {}\n\n{}\n\
             [pools.main]\nmodel = \"llama-3.1-8b\"\naccelerator = \"h100-sxm\"\n[run]\nhorizon = \"1 min\"\n",
            fitted.arrivals().unwrap(),
            fitted.program("ours"),
        );
        let mut sources = crate::foundations::Sources::default();
        let source = sources.add_file("s.toml", &scenario);
        let options = ReadOptions::new(&NoFiles);
        let read = Scenario::read(source, &mut sources, &options);
        assert!(read.is_ok(), "{}\n{scenario}", read.unwrap_err());
    }

    #[test]
    fn the_page_shows_each_law_beside_its_data() {
        let fitted = FittedProgram::new(&habits()).unwrap();
        let page = fitted.page("ours", "ours.trace.jsonl");
        assert_eq!(page.matches("\n## ").count(), fitted.laws.len());
        assert_eq!(page.matches("| data |").count(), page.matches("| law |").count());
        assert!(page.contains("```mermaid") && !page.contains("NaN"));
    }

    #[test]
    fn one_session_cannot_be_halved() {
        let mut habits = Habits::default();
        habits.session(Session::default()).unwrap();
        assert!(FittedProgram::new(&habits).is_none());
    }
}
