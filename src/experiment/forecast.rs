//! Years ahead: what a task costs by an API and by hardware of one's own.
//!
//! What a fleet carries today is simulated ([`Today`]); the years follow from stated rates. With the
//! API's price falling to 1/p each year, y years ahead
//!
//! ```text
//! price(y)  = price(0) p^-y
//! demand(y) = demand(0) growth^y (price(y) / price(0))^elasticity
//! ```
//!
//! Each year as much hardware is bought as demand needs beyond what still stands, at the same dollars
//! and watts for each unit; a unit that was bought in year b carries `hardware_gain^b` times what one
//! of today does, and software speeds up all of them. What is older than `refresh` years is gone.
//! Where power limits what can be bought, the rest of the demand goes to the API.
//!
//! ```
//! use tokenfleet::experiment::forecast::{Today, years};
//! use tokenfleet::simulation::plan::{ApiPrice, Outlook};
//!
//! let api = ApiPrice { name: "api".into(), date: String::new(), input: 1.0, cached: 0.1, output: 4.0 };
//! let outlook = Outlook { api, demand_growth: 1.0, elasticity: -1.0, ..Outlook::SAMPLE };
//! let today = Today { per_task: [1e6, 0.0, 5e5], tasks_per_s: 1.0, carries_per_s: 1.0, units: 4,
//!     usd_per_h: 8.0, watts: 4000.0, gpus: 4 };
//! let path = years(&today, &outlook, 10.0);
//! assert_eq!(path[0].api_usd_per_task, 3.0);
//! // Ten times cheaper, ten times the usage: the same bill.
//! assert!((path[1].tasks_per_s - 10.0).abs() < 1e-9);
//! ```

use crate::simulation::plan::Outlook;

const SECONDS_PER_HOUR: f64 = 3600.0;

/// A fleet and its load as they are simulated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Today {
    /// Prompt tokens of a task, those of them that a cache holds, and tokens of its answers.
    pub per_task: [f64; 3],
    /// Tasks that are asked for.
    pub tasks_per_s: f64,
    /// Tasks that the fleet carries within its objectives.
    pub carries_per_s: f64,
    /// Units that the fleet can be cut into: replicas of its largest pool.
    pub units: u32,
    /// What the fleet costs.
    pub usd_per_h: f64,
    /// What it draws at the meter at full load.
    pub watts: f64,
    /// Its GPUs.
    pub gpus: u64,
}

/// One year.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Year {
    /// Tasks that are asked for.
    pub tasks_per_s: f64,
    /// What the API charges for one.
    pub api_usd_per_task: f64,
    /// What one costs on own hardware, of those that it carries; not a number where it carries none.
    pub own_usd_per_task: f64,
    /// GPUs that stand.
    pub gpus: f64,
    /// Their power at the meter, W.
    pub watts: f64,
    /// Part of the demand that own hardware carries.
    pub carried: f64,
    /// Dollars of the year if all went to the API.
    pub api_usd: f64,
    /// Dollars of the year for own hardware.
    pub own_usd: f64,
}

impl Year {
    /// Whether own hardware is the cheaper.
    pub fn is_own_cheaper(&self) -> bool {
        self.own_usd_per_task < self.api_usd_per_task
    }

    /// The cost of a task where it is cheapest.
    pub fn cheapest(&self) -> f64 {
        self.own_usd_per_task.min(self.api_usd_per_task)
    }

    /// Whether power keeps demand from being carried.
    pub fn is_short_of_power(&self) -> bool {
        self.carried < 1.0
    }
}

/// Dollars that the API charges for a task today.
pub fn api_usd_per_task(today: &Today, outlook: &Outlook) -> f64 {
    let [input, cached, output] = today.per_task;
    let api = &outlook.api;
    ((input - cached) * api.input + cached * api.cached + output * api.output) / 1e6
}

/// The years from today on, where the API gets `decline` times cheaper each year.
pub fn years(today: &Today, outlook: &Outlook, decline: f64) -> Vec<Year> {
    let unit = |whole: f64| whole / f64::from(today.units);
    let mut bought: Vec<f64> = Vec::new();
    let year = |year: u32| {
        let ahead = f64::from(year);
        let cheaper = libm::pow(decline, -ahead);
        let usage = libm::pow(cheaper, outlook.elasticity);
        let tasks_per_s = today.tasks_per_s * libm::pow(outlook.demand_growth, ahead) * usage;
        let software = libm::pow(outlook.software_gain, ahead);
        let carried_by = |born: usize| {
            unit(today.carries_per_s) * software * libm::pow(outlook.hardware_gain, born as f64)
        };
        // What stands: cohorts that are not too old.
        let stands = |born: usize| ahead - (born as f64) < outlook.refresh_years;
        let standing = |bought: &[f64], of: &dyn Fn(usize) -> f64| -> f64 {
            let cohorts = bought.iter().enumerate().filter(|(born, _)| stands(*born));
            cohorts.map(|(born, units)| units * of(born)).sum()
        };
        let missing = (tasks_per_s - standing(&bought, &carried_by)).max(0.0);
        let wanted = libm::ceil(missing / carried_by(year as usize) - 1e-9);
        let room = outlook.power_limit_w.map_or(f64::INFINITY, |limit| {
            libm::floor(limit / unit(today.watts) + 1e-9) - standing(&bought, &|_| 1.0)
        });
        bought.push(wanted.min(room).max(0.0));
        let units = standing(&bought, &|_| 1.0);
        let capacity = standing(&bought, &carried_by);
        let own = tasks_per_s.min(capacity);
        let own_usd_per_h = units * unit(today.usd_per_h);
        let api = api_usd_per_task(today, outlook) * cheaper;
        Year {
            tasks_per_s,
            api_usd_per_task: api,
            own_usd_per_task: own_usd_per_h / SECONDS_PER_HOUR / own,
            gpus: units * unit(today.gpus as f64),
            watts: units * unit(today.watts),
            carried: own / tasks_per_s,
            api_usd: api * tasks_per_s * SECONDS_PER_HOUR * 8760.0,
            own_usd: own_usd_per_h * 8760.0,
        }
    };
    (0..=outlook.years).map(year).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::plan::ApiPrice;

    fn today() -> Today {
        Today {
            per_task: [1e6, 5e5, 1e5],
            tasks_per_s: 2.0,
            carries_per_s: 3.0,
            units: 3,
            usd_per_h: 9.0,
            watts: 6000.0,
            gpus: 12,
        }
    }

    fn outlook() -> Outlook {
        let api = ApiPrice {
            name: "api".into(),
            date: String::new(),
            input: 2.0,
            cached: 0.2,
            output: 8.0,
        };
        Outlook { api, ..Outlook::SAMPLE }
    }

    /// By hand: half a million tokens at $2, half at $0.20, a hundred thousand at $8 are $1.90. Two
    /// units carry two tasks a second for $6 an hour: a twelfth of a cent each.
    #[test]
    fn the_first_year_is_today() {
        let year = years(&today(), &outlook(), 10.0)[0];
        assert!((year.api_usd_per_task - 1.9).abs() < 1e-12);
        assert!((year.own_usd_per_task - 6.0 / 7200.0).abs() < 1e-12);
        assert_eq!((year.gpus, year.watts, year.carried), (8.0, 4000.0, 1.0));
        assert!((year.own_usd - 6.0 * 8760.0).abs() < 1e-9);
        assert!((year.api_usd - 1.9 * 2.0 * 3600.0 * 8760.0).abs() < 1e-3);
    }

    /// Demand doubles each year, chips carry twice as much each year, and last two years. Units: 2;
    /// then 2 more tasks a second by units of 2, 1; then the first two are gone, of 8 tasks 2 are
    /// carried by what is left, and 6 by units of 4, 2.
    #[test]
    fn cohorts_are_bought_and_go() {
        let outlook = Outlook {
            demand_growth: 2.0,
            elasticity: 0.0,
            hardware_gain: 2.0,
            software_gain: 1.0,
            refresh_years: 2.0,
            ..outlook()
        };
        let path = years(&today(), &outlook, 1.0);
        let gpus: Vec<f64> = path.iter().take(3).map(|year| year.gpus).collect();
        assert_eq!(gpus, [8.0, 12.0, 12.0]);
        assert!(path.iter().all(|year| year.carried == 1.0 && year.api_usd_per_task > 1.8));
    }

    /// Two units fit into the limit: from the second year on a part of the demand is carried.
    #[test]
    fn power_limits_what_is_bought() {
        let outlook = Outlook {
            demand_growth: 2.0,
            elasticity: 0.0,
            hardware_gain: 1.0,
            power_limit_w: Some(5000.0),
            refresh_years: 10.0,
            ..outlook()
        };
        let path = years(&today(), &outlook, 1.0);
        let carried: Vec<f64> = path.iter().take(3).map(|year| year.carried).collect();
        assert_eq!(carried, [1.0, 0.5, 0.25]);
        assert!(path[1].is_short_of_power() && path[2].watts <= 5000.0);
        let none = Outlook { power_limit_w: Some(100.0), ..outlook };
        let year = years(&today(), &none, 1.0)[0];
        assert!(year.own_usd_per_task.is_nan() && !year.is_own_cheaper());
        assert_eq!(year.cheapest(), year.api_usd_per_task);
    }

    /// An elasticity below -1: prices fall, the bill rises (W. S. Jevons, *The Coal Question*, 1865).
    #[test]
    fn cheaper_tokens_may_cost_more() {
        let outlook = Outlook { demand_growth: 1.0, elasticity: -1.11, ..outlook() };
        let path = years(&today(), &outlook, 10.0);
        assert!((path[1].api_usd / path[0].api_usd - libm::pow(10.0, 0.11)).abs() < 1e-9);
    }
}
