//! An agent program of laws fitted to a recording: as a scenario, as a page, and as a table.
//!
//! Laws are fitted to the sessions of one half and judged on the other (see
//! [`fitting`](crate::foundations::fitting)). The program is a loop: a person's message, an answer,
//! and as often as was recorded a tool and a further answer.

use std::fmt::Write;

use crate::foundations::fitting::{FITS, Fitted, Grid};
use crate::foundations::statistics::order_statistic;
use crate::foundations::units::{format_duration, format_number};
use crate::workload::trace::habits::{Habits, Half};

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
    /// Sub-agents, which the program does not have.
    sub_agents: u64,
}

/// Contexts are cut in the program where the recording shows so many cuts.
const CUTS: usize = 5;

impl FittedProgram {
    /// Fits all laws; `None` where there are too few sessions to halve.
    pub fn new(habits: &Habits) -> Option<Self> {
        let shared = habits.shared_tokens();
        let message = mean(habits, |half| half.message.clone());
        let opening = move |half: &Half| {
            let rest = |input: &f64| (input - f64::from(shared) - message).max(0.0);
            half.first_input.iter().map(rest).collect()
        };
        let more = |half: &Half| half.calls_per_task.iter().map(|calls| calls - 1.0).collect();
        type Sample<'s> = &'s dyn Fn(&Half) -> Vec<f64>;
        let quantities: [(&'static str, &'static str, Grid, f64, Sample); 9] = [
            ("first prompt beyond what all share", "opening_tokens", Grid::Count, 0.0, &opening),
            ("tasks of a session", "session.tasks", Grid::Count, 1.0, &|h| {
                h.tasks_per_session.clone()
            }),
            ("think time", "session.think_time", Grid::Time, 0.0, &|h| h.think_s.clone()),
            ("tokens of a message", "steps.respond.input", Grid::Count, 0.0, &|h| {
                h.message.clone()
            }),
            ("tokens of a first answer", "steps.respond.output", Grid::Count, 1.0, &|h| {
                h.first_output.clone()
            }),
            ("further calls of a task", "steps.turns.times", Grid::Count, 0.0, &more),
            ("tool time", "steps.tools.latency", Grid::Time, 0.0, &|h| h.tool_s.clone()),
            ("context growth after a tool", "steps.tools.result", Grid::Count, 1.0, &|h| {
                h.growth.clone()
            }),
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
        let cuts = |of: fn(&Half) -> &[f64]| {
            let mut all: Vec<f64> = habits.halves.iter().flat_map(of).copied().collect();
            all.sort_by(f64::total_cmp);
            (all.len() >= CUTS).then(|| order_statistic(&all, 0.5)).flatten()
        };
        let longest =
            habits.halves.iter().flat_map(|half| &half.input).copied().fold(0.0, f64::max);
        let from = cuts(|half| &half.cut_from).unwrap_or(longest);
        let to = cuts(|half| &half.cut_to).unwrap_or(f64::from(shared) + from / 4.0);
        Some(Self {
            laws,
            shared,
            cut: (from > 1.0 && to < from).then_some((from, to)),
            arrivals: arrivals(&habits.starts),
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

    /// `[programs.NAME]` of a scenario.
    pub fn program(&self, name: &str) -> String {
        let mut text = format!("[programs.{name:?}]\n");
        let mut line = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {value}");
            }
        };
        if self.shared > 0 {
            let segment = format!("[{{ name = \"{name}-opening\", tokens = {} }}]", self.shared);
            line("shared", Some(segment));
        }
        line("opening_tokens", self.toml("opening_tokens"));
        let cut = |(from, to): (f64, f64)| format!("{{ above = {from:.0}, to = {to:.0} }}");
        line("compaction", self.cut.map(cut));
        line("session.tasks", self.toml("session.tasks"));
        line("session.think_time", self.toml("session.think_time"));
        let section =
            |text: &mut String, step: &str, kind: &str, keys: &[(&str, Option<String>)]| {
                let _ = writeln!(text, "\n[programs.{name:?}.steps.{step}]\nkind = {kind:?}");
                for (key, value) in keys {
                    if let Some(value) = value {
                        let _ = writeln!(text, "{key} = {value}");
                    }
                }
            };
        let quoted = |step: &str| Some(format!("{step:?}"));
        let loops = self.law("steps.act.output").is_some();
        let respond = [
            ("input", self.toml("steps.respond.input")),
            ("output", self.toml("steps.respond.output")),
            ("next", if loops { quoted("turns") } else { None }),
        ];
        section(&mut text, "respond", "llm", &respond);
        if loops {
            let turns = [("times", self.toml("steps.turns.times")), ("body", quoted("tools"))];
            section(&mut text, "turns", "loop", &turns);
            let tools = [
                ("latency", self.toml("steps.tools.latency")),
                ("result", self.toml("steps.tools.result").or(Some("1".into()))),
                ("result_includes_output", Some("true".into())),
                ("next", quoted("act")),
            ];
            section(&mut text, "tools", "tool", &tools);
            let act = [("output", self.toml("steps.act.output")), ("next", quoted("turns"))];
            section(&mut text, "act", "llm", &act);
        }
        text
    }

    /// One line for each law.
    pub fn table(&self) -> String {
        let mut text = String::from("\nfitted to one half of the sessions, judged on the other\n");
        let _ = writeln!(
            text,
            "  {:<36} {:<38} {:>6} {:>9} {:>9}",
            "", "law", "KS", "mean", "its mean"
        );
        for law in &self.laws {
            let (fitted, value) = (&law.fitted, value(law.grid));
            let _ = writeln!(
                text,
                "  {:<36} {:<38} {:>6.3} {:>9} {:>9}",
                law.title,
                fitted.family.name(),
                fitted.ks,
                value(fitted.mean),
                value(fitted.law.mean())
            );
        }
        text
    }

    /// A page that lays the laws over the data.
    pub fn page(&self, name: &str, trace: &str) -> String {
        let mut text = format!("# {name}: laws fitted to a recording\n\n");
        let _ = writeln!(
            text,
            "Each law was fitted to every other session of `{trace}` and is judged on the sessions \
             between. Families compete by the likelihood of what they did not see; where the best \
             is further than {FITS} (Kolmogorov-Smirnov) from it, a table of quantiles takes its \
             place. Curves show the quantiles of the data and of the law, from 5 % to 95 %."
        );
        if let Some(arrivals) = &self.arrivals {
            let _ = writeln!(text, "\nSessions begin as `{arrivals}`.");
        }
        if self.sub_agents > 0 {
            let _ = writeln!(
                text,
                "\n{} sub-agents are not part of the program: for the agent above them they are a \
                 tool that takes as long as they did.",
                self.sub_agents
            );
        }
        for law in &self.laws {
            section(&mut text, law);
        }
        text
    }
}

fn section(text: &mut String, law: &FittedLaw) {
    let (fitted, value) = (&law.fitted, value(law.grid));
    let _ = writeln!(text, "\n## {}\n", law.title);
    let _ = writeln!(text, "`{} = {}`\n", law.place, fitted.family.toml(law.grid, law.least));
    let _ = write!(
        text,
        "{}, KS {:.3}, fitted to {} values and judged on {}.",
        fitted.family.name(),
        fitted.ks,
        fitted.counts.0,
        fitted.counts.1
    );
    if let Some((family, ks)) = &fitted.rejected {
        let _ = write!(text, " The best family, {}, was {ks:.3} away.", family.name());
    }
    let points = [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];
    text.push_str("\n\n| | mean | p5 | p25 | p50 | p75 | p90 | p95 | p99 |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|\n");
    let mut row = |what: &str, mean: f64, at: &dyn Fn(f64) -> f64| {
        let cells: Vec<String> = points.iter().map(|&p| value(at(p))).collect();
        let _ = writeln!(text, "| {what} | {} | {} |", value(mean), cells.join(" | "));
    };
    row("data", fitted.mean, &|p| fitted.observed(p));
    row("law", fitted.law.mean(), &|p| fitted.law.quantile(p));
    let steps: Vec<f64> = (1..=19).map(|i| f64::from(i) * 0.05).collect();
    let series = |at: &dyn Fn(f64) -> f64| {
        let values: Vec<String> = steps.iter().map(|&p| format!("{:.4}", at(p))).collect();
        values.join(", ")
    };
    let _ = write!(
        text,
        "\n```mermaid\nxychart-beta\n    title \"{}: quantiles, data and law\"\n    \
         x-axis \"share of values below, %\" 5 --> 95\n    line [{}]\n    line [{}]\n```\n",
        law.title,
        series(&|p| fitted.observed(p)),
        series(&|p| fitted.law.quantile(p))
    );
}

fn value(grid: Grid) -> fn(f64) -> String {
    match grid {
        Grid::Count => format_number,
        Grid::Time => format_duration,
    }
}

fn mean(habits: &Habits, of: fn(&Half) -> Vec<f64>) -> f64 {
    let all: Vec<f64> = habits.halves.iter().flat_map(of).collect();
    if all.is_empty() { 0.0 } else { all.iter().sum::<f64>() / all.len() as f64 }
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
        let calls = fitted.law("steps.turns.times").unwrap();
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
