//! What can be turned on the page: paths of a scenario with what they stand at.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::catalog::Catalog;
use crate::foundations::Dimension;
use crate::simulation::Plan;

/// Everything that can be turned.
#[derive(Debug, Serialize)]
pub(super) struct Knobs {
    /// Rates and numbers of users, which a load slider multiplies.
    loads: Vec<LoadKnob>,
    pools: Vec<PoolKnobs>,
    endpoints: Vec<EndpointKnobs>,
    /// Paths of the retries of each kind of agent.
    retries: Vec<String>,
    accelerators: Vec<String>,
}

/// A rate of arrivals, or a number of users.
#[derive(Debug, Serialize)]
struct LoadKnob {
    path: String,
    value: f64,
    /// `/s` for a rate, empty for users and for the speed of a recording, which are plain numbers.
    unit: &'static str,
    whole: bool,
}

/// A pool as it stands.
#[derive(Debug, Serialize)]
struct PoolKnobs {
    name: String,
    model: String,
    accelerator: String,
    gpus: u32,
    replicas: u32,
    prefix_cache: bool,
}

/// A hosted model, and those whose price lists could take its place.
#[derive(Debug, Serialize)]
struct EndpointKnobs {
    name: String,
    model: String,
    others: Vec<String>,
}

impl Knobs {
    /// The knobs of a scenario by its text and by what it stands for.
    pub(super) fn of(text: &str, plan: &Plan) -> Self {
        let table: toml::Table = text.parse().unwrap_or_default();
        let agents = table.get("agents").and_then(toml::Value::as_table);
        let agents = || agents.into_iter().flatten();
        let retries = agents().filter(|(_, agent)| agent.get("program").is_some());
        let pool = |pool: &crate::simulation::plan::Pool| PoolKnobs {
            name: pool.name.clone(),
            model: pool.model.clone(),
            accelerator: pool.accelerator.clone(),
            gpus: pool.gpus,
            replicas: pool.replicas,
            prefix_cache: pool.replica.prefix_cache,
        };
        Self {
            loads: agents().filter_map(|(name, agent)| load(name, agent)).collect(),
            pools: plan.pools.iter().map(pool).collect(),
            endpoints: table
                .get("endpoints")
                .and_then(toml::Value::as_table)
                .into_iter()
                .flatten()
                .filter_map(|(name, endpoint)| hosted(name, endpoint))
                .collect(),
            retries: retries.map(|(name, _)| format!("agents.{name}.retry")).collect(),
            accelerators: Catalog::embedded().accelerators().map(|a| a.key.clone()).collect(),
        }
    }
}

/// An endpoint; where it states prices of its own, another model would not change them.
fn hosted(name: &str, endpoint: &toml::Value) -> Option<EndpointKnobs> {
    let model = endpoint.get("model")?.as_str()?.to_owned();
    let catalog = Catalog::embedded();
    let day = endpoint.get("date").and_then(toml::Value::as_str).and_then(|day| day.parse().ok());
    let priced = |model: &str| match day {
        Some(day) => catalog.prices().price_at(model, day).is_ok(),
        None => catalog.prices().history(model).is_ok(),
    };
    let models: BTreeSet<&str> =
        catalog.prices().iter().map(|price| price.model.as_str()).collect();
    let others = match endpoint.get("price") {
        Some(_) => Vec::new(),
        None => models.into_iter().filter(|model| priced(model)).map(str::to_owned).collect(),
    };
    Some(EndpointKnobs { name: name.to_owned(), model, others })
}

/// The load of one kind of agents, where one number of the scenario says it.
fn load(name: &str, agent: &toml::Value) -> Option<LoadKnob> {
    let rate = |path: &str, value: &toml::Value| {
        let value = Dimension::Rate.parse(value.as_str()?).ok()?;
        let path = format!("agents.{name}.{path}");
        Some(LoadKnob { path, value, unit: "/s", whole: false })
    };
    let arrivals = agent.get("arrivals").and_then(toml::Value::as_table);
    if let Some(arrivals) = arrivals {
        if let Some(users) = arrivals.get("closed").and_then(|closed| closed.get("users")) {
            let path = format!("agents.{name}.arrivals.closed.users");
            let value = users.as_integer()? as f64;
            return Some(LoadKnob { path, value, unit: "", whole: true });
        }
        return arrivals.iter().find_map(|(process, value)| match process.as_str() {
            "poisson" | "constant" => rate(&format!("arrivals.{process}"), value),
            "gamma" | "weibull" | "clients" => {
                rate(&format!("arrivals.{process}.rate"), value.get("rate")?)
            }
            _ => None,
        });
    }
    let replay = agent.get("replay")?;
    let speed =
        replay.get("speed").and_then(|speed| speed.as_float().or(Some(speed.as_integer()? as f64)));
    let path = format!("agents.{name}.replay.speed");
    Some(LoadKnob { path, value: speed.unwrap_or(1.0), unit: "", whole: false })
}
