//! `size.json` and `candidates.csv`: how much a fleet carries and how little is enough, for programs.

use std::collections::BTreeMap;
use std::io::Write;

use crate::experiment::Objective;
use crate::experiment::sizing::{Assessment, FleetFound, LoadFound, SiteLimit, Sure};
use crate::foundations::Dimension;

use super::csv::{number, writer};

/// A load, in the words of one kind of agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The agents.
    pub agents: String,
    /// Arrivals per second; none in a closed loop.
    pub per_s: Option<f64>,
    /// Users of a closed loop.
    pub users: Option<u32>,
}

/// A sizing, as it is told.
#[derive(Debug)]
pub struct Sizing<'a> {
    /// The scenario's name.
    pub scenario: &'a str,
    /// What was demanded.
    pub objectives: &'a [Objective],
    /// The seed behind all chance.
    pub seed: u64,
    /// How often a statement holds.
    pub confidence: f64,
    /// Paths of what was counted: `pools.main.replicas`.
    pub paths: Vec<String>,
    /// The scenario's load.
    pub load: Vec<Load>,
    /// The fleet as the scenario states it, and what it carries, where that was asked for.
    pub given: Option<(Assessment, LoadFound)>,
    /// Kinds of fleets, and what became of them, where that was asked for.
    pub fleets: Vec<(String, FleetFound)>,
    /// What the cheapest fleet carries.
    pub headroom: Option<LoadFound>,
    /// All candidates in the order of their simulation.
    pub seen: &'a [(String, Assessment)],
}

#[derive(serde::Serialize)]
struct SizingSummary<'a> {
    scenario: &'a str,
    seed: u64,
    confidence: f64,
    candidates: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    given: Option<GivenSummary<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cheapest: Option<CheapestSummary<'a>>,
    fleets: Vec<FleetSummary<'a>>,
}

#[derive(serde::Serialize)]
struct GivenSummary<'a> {
    fleet: CandidateSummary<'a>,
    carries: LoadSummary<'a>,
}

#[derive(serde::Serialize)]
struct CheapestSummary<'a> {
    name: &'a str,
    fleet: CandidateSummary<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    carries: Option<LoadSummary<'a>>,
}

#[derive(serde::Serialize)]
struct LoadSummary<'a> {
    /// As a multiple of the scenario's load.
    highest: Option<f64>,
    too_high: Option<f64>,
    loads: Vec<AgentLoad<'a>>,
    breaks_first: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fullest: Option<FullSummary<'a>>,
}

#[derive(serde::Serialize)]
struct AgentLoad<'a> {
    agents: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<f64>,
}

#[derive(serde::Serialize)]
struct FullSummary<'a> {
    pool: &'a str,
    what: &'static str,
    share: f64,
}

#[derive(serde::Serialize)]
struct FleetSummary<'a> {
    name: &'a str,
    found: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fleet: Option<CandidateSummary<'a>>,
}

#[derive(serde::Serialize)]
struct CandidateSummary<'a> {
    counts: BTreeMap<&'a str, u32>,
    gpus: u64,
    watts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    racks: Option<u64>,
    usd_per_h: f64,
    trials: u64,
    keeps_up: bool,
    meets: &'static str,
    objectives: BTreeMap<&'a str, VerdictSummary>,
}

#[derive(serde::Serialize)]
struct VerdictSummary {
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    limit: f64,
    meets: &'static str,
}

fn word(sure: Sure) -> &'static str {
    match sure {
        Sure::Meets => "yes",
        Sure::Misses => "no",
        Sure::Unsure => "unsure",
    }
}

impl Sizing<'_> {
    /// The cheapest fleet that meets everything, with its name.
    pub fn cheapest(&self) -> Option<(&str, &Assessment)> {
        let enough = self.fleets.iter().filter_map(|(name, found)| match found {
            FleetFound::Enough(found) => Some((name.as_str(), &**found)),
            _ => None,
        });
        enough.min_by(|one, other| one.1.usd_per_h.total_cmp(&other.1.usd_per_h))
    }

    /// Names of the objectives that break first as the load rises.
    pub fn breaks_first<'s>(&'s self, found: &LoadFound) -> Vec<&'s str> {
        let Some(fails) = &found.fails else { return Vec::new() };
        let names: Vec<&str> =
            fails.not_met().map(|index| self.objectives[index].name.as_str()).collect();
        if names.is_empty() { vec!["keeping up with the load"] } else { names }
    }

    fn candidate<'s>(&'s self, found: &Assessment) -> CandidateSummary<'s> {
        let verdict = |(index, objective): (usize, &'s Objective)| {
            let verdict = &found.verdicts[index];
            let told = VerdictSummary {
                value: verdict.value.is_finite().then_some(verdict.value),
                low: verdict.interval.map(|interval| interval.low),
                high: verdict.interval.map(|interval| interval.high),
                limit: objective.limit,
                meets: word(found.sure_of[index]),
            };
            (objective.name.as_str(), told)
        };
        CandidateSummary {
            counts: self.paths.iter().map(String::as_str).zip(found.counts.clone()).collect(),
            gpus: found.gpus,
            watts: found.watts.is_finite().then_some(found.watts),
            racks: found.racks,
            usd_per_h: found.usd_per_h,
            trials: found.trials,
            keeps_up: found.keeps_up,
            meets: word(found.sure),
            objectives: self.objectives.iter().enumerate().map(verdict).collect(),
        }
    }

    fn carries<'s>(&'s self, found: &'s LoadFound) -> LoadSummary<'s> {
        let highest = found.carries.as_ref().map(|carries| carries.load);
        let times = highest.unwrap_or(0.0);
        let load = |load: &'s Load| AgentLoad {
            agents: &load.agents,
            per_s: load.per_s.map(|rate| rate * times),
            users: load.users.map(|users| libm::round(f64::from(users) * times)),
        };
        LoadSummary {
            highest,
            too_high: found.fails.as_ref().map(|fails| fails.load),
            loads: self.load.iter().map(load).collect(),
            breaks_first: self.breaks_first(found),
            fullest: found
                .carries
                .as_ref()
                .and_then(|carries| carries.fullness.first())
                .map(|full| FullSummary { pool: &full.pool, what: full.what, share: full.share }),
        }
    }

    fn fleet<'s>(&'s self, (name, found): &'s (String, FleetFound)) -> FleetSummary<'s> {
        let (word, why, fleet) = match found {
            FleetFound::Enough(found) => ("enough", None, Some(found)),
            FleetFound::Dearer(found) => ("dearer", None, Some(found)),
            FleetFound::TooDear(usd) => {
                ("too dear", Some(format!("the smallest costs {usd} USD/h")), None)
            }
            FleetFound::OutOfReach(missed, found) => {
                let names = missed.iter().map(|&index| self.objectives[index].name.as_str());
                let names = names.collect::<Vec<_>>().join(", ");
                ("out of reach", Some(format!("missed whatever the number: {names}")), Some(found))
            }
            FleetFound::OutOfRoom(SiteLimit::Power(limit), found) => {
                let why = format!("the site has {} only", Dimension::Power.format(*limit));
                ("out of power", Some(why), Some(found))
            }
            FleetFound::OutOfRoom(SiteLimit::Racks(limit), found) => {
                let why = format!("the site has room for {limit} racks only");
                ("out of room", Some(why), Some(found))
            }
            FleetFound::Unfit(why) => ("cannot be built", Some(why.clone()), None),
            FleetFound::NotTried => ("not tried", None, None),
        };
        FleetSummary { name, found: word, why, fleet: fleet.map(|found| self.candidate(found)) }
    }

    /// As indented JSON with a line break at its end.
    ///
    /// # Errors
    /// When `serde_json` cannot write it; no value in it gives reason to.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let summary = SizingSummary {
            scenario: self.scenario,
            seed: self.seed,
            confidence: self.confidence,
            candidates: self.seen.len(),
            given: self.given.as_ref().map(|(fleet, load)| GivenSummary {
                fleet: self.candidate(fleet),
                carries: self.carries(load),
            }),
            cheapest: self.cheapest().map(|(name, fleet)| CheapestSummary {
                name,
                fleet: self.candidate(fleet),
                carries: self.headroom.as_ref().map(|load| self.carries(load)),
            }),
            fleets: self.fleets.iter().map(|fleet| self.fleet(fleet)).collect(),
        };
        serde_json::to_string_pretty(&summary).map(|json| json + "\n")
    }

    /// A row for each candidate, in the order of their simulation.
    ///
    /// # Errors
    /// When writing fails.
    pub fn to_csv(&self, out: impl Write) -> csv::Result<()> {
        let mut out = writer(out);
        let fixed = ["load", "gpus", "watts", "usd_per_h", "trials", "keeps_up", "meets"];
        let objectives = self.objectives.iter().flat_map(|objective| {
            ["", "_low", "_high"].map(|end| format!("{}{end}", objective.name))
        });
        let first = std::iter::once("fleet".to_owned()).chain(self.paths.iter().cloned());
        out.write_record(first.chain(fixed.map(str::to_owned)).chain(objectives))?;
        for (name, seen) in self.seen {
            let counts = seen.counts.iter().map(u32::to_string);
            let fixed = [
                number(seen.load),
                seen.gpus.to_string(),
                number(seen.watts),
                number(seen.usd_per_h),
                seen.trials.to_string(),
                seen.keeps_up.to_string(),
                word(seen.sure).to_owned(),
            ];
            let verdicts = seen.verdicts.iter().flat_map(|verdict| {
                let end = |end: Option<f64>| end.map_or_else(String::new, number);
                [
                    number(verdict.value),
                    end(verdict.interval.map(|interval| interval.low)),
                    end(verdict.interval.map(|interval| interval.high)),
                ]
            });
            let first = std::iter::once(name.clone());
            out.write_record(first.chain(counts).chain(fixed).chain(verdicts))?;
        }
        out.flush()?;
        Ok(())
    }
}
