//! What live traffic does against what a scenario expects of it.
//!
//! Both sides are sums over sessions, the units that are independent of each other: the scenario's
//! from simulated trials, the traffic's from a recording. A figure is a ratio of two sums (calls over
//! tasks), with the standard error of a ratio estimator: `s² = sum (y - r x)² / (n (n-1) x̄²)`. It
//! has moved where the difference is beyond what chance does in 5 % of all comparisons, all figures
//! taken together (Bonferroni), and is more than 2 % besides.
//!
//! The bill is told per task in dollars of busy servers. What a new prompt token, a cached one and
//! an answer token cost comes from the simulated calls, by least squares over what each was
//! charged; figures are then replaced one after the other, so that their effects add up.
//!
//! Source of the standard error: W. Cochran, *Sampling Techniques* (1977), section 2.11.

use std::collections::{BTreeMap, BTreeSet};

use crate::foundations::special_function::normal_quantile;
use crate::simulation::call_log::LoggedCall;
use crate::workload::trace::recording::{Action, Call, Session};
use crate::workload::trace::{Gap, TraceError, recording};

/// Sums over one session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    tasks: f64,
    calls: f64,
    input: f64,
    output: f64,
    /// Prompts whose cached tokens are known, and those tokens.
    known_input: f64,
    cached: f64,
    timed: f64,
    time_s: f64,
    first_timed: f64,
    ttft_s: f64,
    tools: f64,
    tool_s: f64,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Model calls of a task.
    CallsPerTask,
    /// Tokens of a prompt.
    InputPerCall,
    /// Tokens of an answer.
    OutputPerCall,
    /// Tokens of prompts over those of answers.
    PromptToOutput,
    /// Part of the prompt that was found in a cache.
    CacheHits,
    /// Time of a call.
    CallLatency,
    /// Time to a call's first token.
    Ttft,
    /// Pause for tools before a call.
    ToolTime,
}

impl Measure {
    /// All of them, as they are listed.
    pub const ALL: [Self; 8] = [
        Self::CallsPerTask,
        Self::InputPerCall,
        Self::OutputPerCall,
        Self::PromptToOutput,
        Self::CacheHits,
        Self::CallLatency,
        Self::Ttft,
        Self::ToolTime,
    ];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CallsPerTask => "calls per task",
            Self::InputPerCall => "prompt tokens per call",
            Self::OutputPerCall => "answer tokens per call",
            Self::PromptToOutput => "prompt : answer",
            Self::CacheHits => "cache hits",
            Self::CallLatency => "call latency",
            Self::Ttft => "time to first token",
            Self::ToolTime => "tool time",
        }
    }

    /// Numerator and denominator.
    fn of(self, sums: &Sums) -> (f64, f64) {
        match self {
            Self::CallsPerTask => (sums.calls, sums.tasks),
            Self::InputPerCall => (sums.input, sums.calls),
            Self::OutputPerCall => (sums.output, sums.calls),
            Self::PromptToOutput => (sums.input, sums.output),
            Self::CacheHits => (sums.cached, sums.known_input),
            Self::CallLatency => (sums.time_s, sums.timed),
            Self::Ttft => (sums.ttft_s, sums.first_timed),
            Self::ToolTime => (sums.tool_s, sums.tools),
        }
    }
}

/// A figure with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The figure.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

/// The ratio of two sums over sessions; `None` where there is nothing below the line.
fn ratio(sums: &[Sums], measure: Measure) -> Option<Ratio> {
    let pairs: Vec<(f64, f64)> = sums.iter().map(|sums| measure.of(sums)).collect();
    let pairs: Vec<(f64, f64)> = pairs.into_iter().filter(|&(_, below)| below > 0.0).collect();
    let (above, below) = pairs.iter().fold((0.0, 0.0), |(a, b), (y, x)| (a + y, b + x));
    let n = pairs.len() as f64;
    if below <= 0.0 || n < 2.0 {
        return None;
    }
    let (value, mean) = (above / below, below / n);
    let squares: f64 = pairs.iter().map(|(y, x)| (y - value * x) * (y - value * x)).sum();
    Some(Ratio { value, error: libm::sqrt(squares / (n * (n - 1.0))) / mean })
}

/// One figure of both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moved {
    /// What it is.
    pub measure: Measure,
    /// What the scenario expects.
    pub expected: Ratio,
    /// What was observed.
    pub observed: Ratio,
    /// Difference over its standard error.
    pub z: f64,
    /// Whether it has moved: see the module's page.
    pub has_moved: bool,
}

impl Moved {
    /// Change as a fraction of what was expected.
    pub fn change(&self) -> f64 {
        self.observed.value / self.expected.value - 1.0
    }

    /// Standard error of that change.
    pub fn change_error(&self) -> f64 {
        let relative = |ratio: Ratio| ratio.error / ratio.value.abs().max(1e-300);
        (1.0 + self.change()) * libm::hypot(relative(self.expected), relative(self.observed))
    }
}

/// What tokens cost on the scenario's servers when busy, dollars each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TokenPrices {
    /// A token of a prompt that was in no cache.
    pub new: f64,
    /// One that was.
    pub cached: f64,
    /// A token of an answer.
    pub output: f64,
}

/// The bill of a task, and how it comes from one side's figures to the other's.
#[derive(Clone, Debug, PartialEq)]
pub struct Bill {
    /// Dollars of a task as expected.
    pub expected: f64,
    /// Dollars of a task with what was observed.
    pub observed: f64,
    /// Dollars that each figure adds or saves.
    pub effects: Vec<(Measure, f64)>,
}

/// Everything that was compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// The agent, empty for all together.
    pub agent: String,
    /// Sessions expected and observed.
    pub sessions: (usize, usize),
    /// Each figure that both sides know.
    pub figures: Vec<Moved>,
    /// What that does to the bill.
    pub bill: Option<Bill>,
}

/// Holds observed sessions against expected ones.
pub fn compare(agent: &str, expected: &[Sums], observed: &[Sums], prices: TokenPrices) -> Drift {
    const LEAST: f64 = 0.02;
    let known = |measure: Measure| {
        let (expected, observed) = (ratio(expected, measure)?, ratio(observed, measure)?);
        (expected.value > 0.0).then_some((measure, expected, observed))
    };
    let known: Vec<_> = Measure::ALL.into_iter().filter_map(known).collect();
    let critical = normal_quantile(1.0 - 0.025 / known.len().max(1) as f64);
    let figure = |&(measure, expected, observed): &(Measure, Ratio, Ratio)| {
        let error = libm::hypot(expected.error, observed.error);
        let difference = observed.value - expected.value;
        let z = if error > 0.0 { difference / error } else { 0.0 };
        let change = (observed.value / expected.value - 1.0).abs();
        let has_moved = change > LEAST && (z.abs() > critical || error == 0.0);
        Moved { measure, expected, observed, z, has_moved }
    };
    let figures: Vec<Moved> = known.iter().map(figure).collect();
    let bill = bill(&figures, prices);
    let (agent, sessions) = (agent.to_owned(), (expected.len(), observed.len()));
    Drift { agent, sessions, figures, bill }
}

fn bill(figures: &[Moved], prices: TokenPrices) -> Option<Bill> {
    let parts =
        [Measure::CallsPerTask, Measure::InputPerCall, Measure::CacheHits, Measure::OutputPerCall];
    let of = |measure: Measure| figures.iter().find(|figure| figure.measure == measure);
    let of_task = |values: [f64; 4]| {
        let [calls, input, hits, output] = values;
        let (cached, new) = (input * hits, input * (1.0 - hits));
        calls * (new * prices.new + cached * prices.cached + output * prices.output)
    };
    // Hits that nobody observed are taken as expected.
    let expected = parts.map(|part| of(part).map(|figure| figure.expected.value));
    let observed = parts.map(|part| of(part).map(|figure| figure.observed.value));
    let mut values = [expected[0]?, expected[1]?, expected[2].unwrap_or(0.0), expected[3]?];
    let mut at = of_task(values);
    let (start, mut effects) = (at, Vec::new());
    for (place, measure) in parts.into_iter().enumerate() {
        values[place] = observed[place].unwrap_or(values[place]);
        let next = of_task(values);
        effects.push((measure, next - at));
        at = next;
    }
    Some(Bill { expected: start, observed: at, effects })
}

/// What tokens cost, by least squares over what each simulated call was charged; no price is below
/// zero.
pub fn token_prices(calls: &[LoggedCall]) -> TokenPrices {
    let mut kept = [true; 3];
    loop {
        let prices = least_squares(calls, kept);
        let Some(negative) = prices.iter().position(|price| *price < 0.0) else {
            let [new, cached, output] = prices;
            return TokenPrices { new, cached, output };
        };
        kept[negative] = false;
    }
}

/// Dollars for each of the tokens that are kept, zero for the others.
fn least_squares(calls: &[LoggedCall], kept: [bool; 3]) -> [f64; 3] {
    let mut a = [[0.0; 4]; 3];
    for call in calls {
        let cached = f64::from(call.cached);
        let row = [f64::from(call.input) - cached, cached, f64::from(call.output)];
        let usd = call.charged_pico as f64 / 1e12;
        for i in 0..3 {
            for j in 0..3 {
                a[i][j] += row[i] * row[j];
            }
            a[i][3] += row[i] * usd;
        }
    }
    for (i, kept) in kept.into_iter().enumerate() {
        if !kept || a[i][i] == 0.0 {
            a[i] = [0.0; 4];
            a.iter_mut().for_each(|row| row[i] = 0.0);
            a[i][i] = 1.0;
        }
    }
    for i in 0..3 {
        for j in 0..3 {
            if i != j && a[i][i] != 0.0 {
                let factor = a[j][i] / a[i][i];
                let pivot = a[i];
                a[j].iter_mut().zip(pivot).for_each(|(cell, above)| *cell -= factor * above);
            }
        }
    }
    [0, 1, 2].map(|i| if a[i][i] == 0.0 { 0.0 } else { a[i][3] / a[i][i] })
}

/// Sums of each simulated session of a population, or of all.
pub fn simulated(calls: &[LoggedCall], population: Option<u16>) -> Vec<Sums> {
    let own = |call: &&LoggedCall| population.is_none_or(|wanted| call.population == wanted);
    let mut sessions: BTreeMap<u64, (Sums, BTreeSet<u64>)> = BTreeMap::new();
    let mut ends: BTreeMap<u64, (u64, crate::foundations::SimTime)> = BTreeMap::new();
    for call in calls.iter().filter(own) {
        let (sums, tasks) = sessions.entry(call.session).or_default();
        tasks.insert(call.task);
        sums.calls += 1.0;
        sums.input += f64::from(call.input);
        sums.output += f64::from(call.output);
        sums.known_input += f64::from(call.input);
        sums.cached += f64::from(call.cached);
        sums.timed += 1.0;
        sums.time_s += call.finished.since(call.since).as_s();
        if let Some(first) = call.first_token {
            sums.first_timed += 1.0;
            sums.ttft_s += first.since(call.since).as_s();
        }
        let before = ends.insert(call.actor, (call.task, call.finished));
        if let Some((task, end)) = before.filter(|&(task, _)| task == call.task) {
            debug_assert!(task == call.task);
            sums.tools += 1.0;
            sums.tool_s += call.since.since(end).as_s();
        }
    }
    sessions.into_values().map(|(sums, tasks)| Sums { tasks: tasks.len() as f64, ..sums }).collect()
}

/// Collects sums of recorded sessions, by kind of agent.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Kind of agent and sums of each session.
    pub sessions: Vec<(String, Sums)>,
}

impl Observed {
    /// Sums of the sessions of a kind of agent, or of all where it is empty.
    pub fn of(&self, agent: &str) -> Vec<Sums> {
        let own = self.sessions.iter().filter(|(name, _)| agent.is_empty() || name == agent);
        own.map(|(_, sums)| *sums).collect()
    }
}

impl Sums {
    fn add(&mut self, session: &Session, is_root: bool) {
        for Action { wait_s, gap, task, call, spawn } in &session.actions {
            self.tasks += f64::from(u8::from(*task && is_root));
            if let Some(call) = call {
                self.call(call);
                if *gap == Gap::Tool {
                    self.tools += 1.0;
                    self.tool_s += wait_s;
                }
            }
            spawn.iter().for_each(|child| self.add(child, false));
        }
    }

    fn call(&mut self, call: &Call) {
        self.calls += 1.0;
        self.input += f64::from(call.input);
        self.output += f64::from(call.output);
        if let Some(cached) = call.cached {
            self.known_input += f64::from(call.input);
            self.cached += f64::from(cached);
        }
        if let Some(time) = call.time_s {
            self.timed += 1.0;
            self.time_s += time;
        }
        if let Some(ttft) = call.ttft_s {
            self.first_timed += 1.0;
            self.ttft_s += ttft;
        }
    }
}

impl recording::Sink for Observed {
    fn begin(&mut self, _: &recording::Header) -> Result<(), TraceError> {
        Ok(())
    }

    fn session(&mut self, session: Session) -> Result<(), TraceError> {
        let mut sums = Sums::default();
        sums.add(&session, true);
        if sums.calls > 0.0 {
            sums.tasks = sums.tasks.max(1.0);
            self.sessions.push((session.agent, sums));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundations::{Purpose, SimTime, Streams};
    use crate::workload::trace::recording::{Header, Sink};

    /// Sessions of one task with 1 to 9 calls of about so many tokens.
    fn sessions(count: u32, seed: u64, calls: f64, output: f64) -> Vec<Sums> {
        let mut stream = Streams::new(seed, 0).stream(Purpose::Sample, 0);
        let mut observed = Observed::default();
        observed.begin(&Header::without_blocks("t")).unwrap();
        for _ in 0..count {
            let n = (calls * (0.2 + 1.6 * stream.uniform())) as u32 + 1;
            let action = |_| {
                let output = (output * (0.5 + stream.uniform())) as u32;
                let call = Call { input: 5000, output, cached: Some(4000), ..Call::default() };
                Action { gap: Gap::Tool, call: Some(call), ..Action::default() }
            };
            let actions = (0..n).map(action).collect();
            observed.session(Session { actions, ..Session::default() }).unwrap();
        }
        observed.of("")
    }

    const PRICES: TokenPrices = TokenPrices { new: 1e-6, cached: 1e-7, output: 1e-5 };

    #[test]
    fn what_was_not_shifted_has_not_moved() {
        let mut wrong = 0;
        for seed in 0..40 {
            let expected = sessions(300, 1000 + seed, 6.0, 200.0);
            let drift = compare("", &expected, &sessions(300, seed, 6.0, 200.0), PRICES);
            wrong += usize::from(drift.figures.iter().any(|figure| figure.has_moved));
        }
        // 2 expected where chance is let through in 5 % of all comparisons; 7 has odds of 1 in 200.
        assert!(wrong < 7, "{wrong}");
    }

    #[test]
    fn what_was_shifted_is_found_and_nothing_else() {
        let expected = sessions(400, 1, 6.0, 200.0);
        let drift = compare("", &expected, &sessions(400, 2, 6.0, 260.0), PRICES);
        let moved: Vec<Measure> =
            drift.figures.iter().filter(|f| f.has_moved).map(|f| f.measure).collect();
        assert_eq!(moved, [Measure::OutputPerCall, Measure::PromptToOutput]);
        let output = drift.figures.iter().find(|f| f.measure == Measure::OutputPerCall).unwrap();
        assert!((output.change() - 0.3).abs() < 3.0 * output.change_error() + 0.01);
    }

    #[test]
    fn effects_add_up_to_the_difference_of_the_bills() {
        let expected = sessions(400, 1, 6.0, 200.0);
        let bill = compare("", &expected, &sessions(400, 2, 9.0, 260.0), PRICES).bill.unwrap();
        let sum: f64 = bill.effects.iter().map(|(_, usd)| usd).sum();
        assert!((sum - (bill.observed - bill.expected)).abs() < 1e-12);
        let calls = expected.iter().map(|s| s.calls).sum::<f64>() / 400.0;
        let output = expected.iter().map(|s| s.output).sum::<f64>() / 400.0 / calls;
        let by_hand = calls * (1000.0 * 1e-6 + 4000.0 * 1e-7 + output * 1e-5);
        assert!((bill.expected - by_hand).abs() < 1e-9, "{} {by_hand}", bill.expected);
    }

    #[test]
    fn prices_of_tokens_are_found_in_what_calls_were_charged() {
        let mut stream = Streams::new(3, 0).stream(Purpose::Sample, 0);
        let call = |_| {
            let (new, cached) = (stream.below(9000) as u32, stream.below(50_000) as u32);
            let output = stream.below(900) as u32;
            let usd = f64::from(new) * 2e-6 + f64::from(cached) * 3e-8 + f64::from(output) * 4e-5;
            LoggedCall {
                population: 0,
                session: 0,
                actor: 0,
                parent: 0,
                task: 0,
                pool: 0,
                replica: 0,
                step: None,
                is_compaction: false,
                since: SimTime::ZERO,
                submitted: SimTime::ZERO,
                scheduled: None,
                first_token: None,
                finished: SimTime::ZERO,
                input: new + cached,
                cached,
                output,
                charged_pico: (usd * 1e12) as u64,
                pieces: Vec::new(),
            }
        };
        let calls: Vec<LoggedCall> = (0..500).map(call).collect();
        let prices = token_prices(&calls);
        assert!((prices.new / 2e-6 - 1.0).abs() < 1e-4, "{prices:?}");
        assert!((prices.cached / 3e-8 - 1.0).abs() < 1e-4, "{prices:?}");
        assert!((prices.output / 4e-5 - 1.0).abs() < 1e-4, "{prices:?}");
        assert_eq!(token_prices(&[]), TokenPrices::default());
    }
}
