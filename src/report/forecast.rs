//! `forecast.json` and `forecast.csv`: years ahead by price path, for programs.

use std::io::Write;

use crate::catalog::Trend;
use crate::experiment::forecast::{Today, Year};
use crate::simulation::plan::Outlook;

use super::csv::{number, writer};

/// A price path and what comes of it.
#[derive(Debug)]
pub struct Path<'a> {
    /// The published rate.
    pub trend: &'a Trend,
    /// From today on.
    pub years: Vec<Year>,
    /// By year: the part of the draws of what is uncertain in which own hardware is cheaper; empty
    /// where nothing is uncertain.
    pub own_cheaper: Vec<f64>,
}

/// A forecast, as it is told.
#[derive(Debug)]
pub struct Forecast<'a> {
    /// The scenario's name.
    pub scenario: &'a str,
    /// The variant that was looked at.
    pub variant: &'a str,
    /// The seed behind all chance.
    pub seed: u64,
    /// Trials of a simulated fleet.
    pub trials: u64,
    /// What was simulated.
    pub today: Today,
    /// What is assumed.
    pub outlook: &'a Outlook,
    /// By published rate, the slowest first.
    pub paths: Vec<Path<'a>>,
}

impl Path<'_> {
    /// The first year ahead for which something holds.
    pub fn first(&self, holds: impl Fn(&Year) -> bool) -> Option<usize> {
        self.years.iter().position(holds)
    }
}

#[derive(serde::Serialize)]
struct Summary<'a> {
    scenario: &'a str,
    variant: &'a str,
    seed: u64,
    trials: u64,
    answer: String,
    today: TodaySummary,
    assumed: Assumed<'a>,
    paths: Vec<PathSummary<'a>>,
}

#[derive(serde::Serialize)]
struct TodaySummary {
    input_tokens_per_task: f64,
    cached_tokens_per_task: f64,
    output_tokens_per_task: f64,
    tasks_per_s: f64,
    carried_tasks_per_s: f64,
    usd_per_h: f64,
    watts: Option<f64>,
    gpus: u64,
}

#[derive(serde::Serialize)]
struct Assumed<'a> {
    api: &'a str,
    api_price_date: &'a str,
    api_usd_per_mtok_input: f64,
    api_usd_per_mtok_cached: f64,
    api_usd_per_mtok_output: f64,
    demand_growth: f64,
    elasticity: f64,
    hardware_gain: f64,
    software_gain: f64,
    refresh_years: f64,
    power_limit_w: Option<f64>,
    too_cheap_usd: f64,
}

#[derive(serde::Serialize)]
struct PathSummary<'a> {
    path: &'a str,
    times_cheaper_per_year: f64,
    source: &'a str,
    source_date: &'a str,
    own_cheaper_until: Option<u32>,
    too_cheap_from: Option<u32>,
    power_binds_from: Option<u32>,
    years: Vec<YearSummary>,
}

#[derive(serde::Serialize)]
struct YearSummary {
    year: u32,
    tasks_per_s: f64,
    api_usd_per_task: f64,
    own_usd_per_task: Option<f64>,
    gpus: f64,
    watts: Option<f64>,
    carried: f64,
    api_usd: f64,
    own_usd: f64,
    own_is_cheaper: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    own_is_cheaper_in: Option<f64>,
}

fn known(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

impl Forecast<'_> {
    /// The calendar's year, so many ahead.
    pub fn year(&self, ahead: usize) -> u32 {
        self.outlook.from + ahead as u32
    }

    /// The last of the years in a row, from today on, in which own hardware is cheaper.
    pub fn own_cheaper_until(&self, path: &Path<'_>) -> Option<u32> {
        let years = path.years.iter().take_while(|year| year.is_own_cheaper()).count();
        years.checked_sub(1).map(|last| self.year(last))
    }

    fn rows<'p>(&self, path: &'p Path<'_>) -> impl Iterator<Item = YearSummary> + use<'p> {
        let from = self.outlook.from;
        path.years.iter().enumerate().map(move |(ahead, year)| YearSummary {
            year: from + ahead as u32,
            tasks_per_s: year.tasks_per_s,
            api_usd_per_task: year.api_usd_per_task,
            own_usd_per_task: known(year.own_usd_per_task),
            gpus: year.gpus,
            watts: known(year.watts),
            carried: year.carried,
            api_usd: year.api_usd,
            own_usd: year.own_usd,
            own_is_cheaper: year.is_own_cheaper(),
            own_is_cheaper_in: path.own_cheaper.get(ahead).copied(),
        })
    }

    /// As indented JSON with a line break at its end; `answer` is the answer in words.
    ///
    /// # Errors
    /// When `serde_json` cannot write it; no value in it gives reason to.
    pub fn to_json(&self, answer: String) -> serde_json::Result<String> {
        let Outlook { api, .. } = self.outlook;
        let path = |path| -> PathSummary<'_> {
            let path: &Path<'_> = path;
            let first = |ahead: Option<usize>| ahead.map(|ahead| self.year(ahead));
            PathSummary {
                path: &path.trend.name,
                times_cheaper_per_year: path.trend.value,
                source: &path.trend.source,
                source_date: &path.trend.source_date,
                own_cheaper_until: self.own_cheaper_until(path),
                too_cheap_from: first(
                    path.first(|year| year.cheapest() < self.outlook.too_cheap_usd),
                ),
                power_binds_from: first(path.first(Year::is_short_of_power)),
                years: self.rows(path).collect(),
            }
        };
        let [input, cached, output] = self.today.per_task;
        let summary = Summary {
            scenario: self.scenario,
            variant: self.variant,
            seed: self.seed,
            trials: self.trials,
            answer,
            today: TodaySummary {
                input_tokens_per_task: input,
                cached_tokens_per_task: cached,
                output_tokens_per_task: output,
                tasks_per_s: self.today.tasks_per_s,
                carried_tasks_per_s: self.today.carries_per_s,
                usd_per_h: self.today.usd_per_h,
                watts: known(self.today.watts),
                gpus: self.today.gpus,
            },
            assumed: Assumed {
                api: &api.name,
                api_price_date: &api.date,
                api_usd_per_mtok_input: api.input,
                api_usd_per_mtok_cached: api.cached,
                api_usd_per_mtok_output: api.output,
                demand_growth: self.outlook.demand_growth,
                elasticity: self.outlook.elasticity,
                hardware_gain: self.outlook.hardware_gain,
                software_gain: self.outlook.software_gain,
                refresh_years: self.outlook.refresh_years,
                power_limit_w: self.outlook.power_limit_w,
                too_cheap_usd: self.outlook.too_cheap_usd,
            },
            paths: self.paths.iter().map(path).collect(),
        };
        serde_json::to_string_pretty(&summary).map(|json| json + "\n")
    }

    /// A row for each path and year.
    ///
    /// # Errors
    /// When writing fails.
    pub fn to_csv(&self, out: impl Write) -> csv::Result<()> {
        let mut out = writer(out);
        out.write_record([
            "path",
            "times_cheaper_per_year",
            "year",
            "tasks_per_s",
            "api_usd_per_task",
            "own_usd_per_task",
            "gpus",
            "watts",
            "carried",
            "api_usd",
            "own_usd",
            "own_is_cheaper",
        ])?;
        for path in &self.paths {
            for year in self.rows(path) {
                let maybe = |value: Option<f64>| value.map_or_else(String::new, number);
                out.write_record([
                    path.trend.name.clone(),
                    number(path.trend.value),
                    year.year.to_string(),
                    number(year.tasks_per_s),
                    number(year.api_usd_per_task),
                    maybe(year.own_usd_per_task),
                    number(year.gpus),
                    maybe(year.watts),
                    number(year.carried),
                    number(year.api_usd),
                    number(year.own_usd),
                    year.own_is_cheaper.to_string(),
                ])?;
            }
        }
        out.flush()?;
        Ok(())
    }
}
