//! Floor 6: many trials, and what they say.
//!
//! [`MonteCarlo`] runs the trials of all variants; of each it keeps a [`TrialRow`] of figures and
//! merges the rest. An [`Answer`] draws the conclusions: every [`metric`] with its interval, every
//! [`Objective`] met or missed, and what to beware of.

pub mod answer;
pub mod answers;
pub mod calibration;
pub mod comparison;
pub mod design;
pub mod drift;
pub mod evidence;
pub mod explanation;
pub mod figure;
pub mod findings;
pub mod fitting;
pub mod forecast;
pub mod journal;
pub mod measure;
pub mod metric;
pub mod model_error;
pub mod monte_carlo;
pub mod objective;
pub mod pareto;
pub mod sensitivity;
pub mod sizing;
pub mod split;
pub mod store;
mod stretches;
pub mod sweep;
pub mod totals;
pub mod trial;
pub mod validation;
mod warning;

pub use answer::Answer;
pub use answers::Answers;
pub use comparison::{Comparison, Contrast, Doubt, Told};
pub use evidence::{Part, QUANTILES, parts};
pub use figure::Figure;
pub use findings::Findings;
pub use measure::Measure;
pub use metric::{METRICS, Metric, Scope, Unit};
pub use model_error::ModelError;
pub use monte_carlo::{MonteCarlo, Watch};
pub use objective::{Objective, Statistic, Verdict};
pub use store::Store;
pub use trial::TrialRow;
