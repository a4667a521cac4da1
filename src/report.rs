//! Floor 7: results as tables and files.

pub mod accuracy;
pub mod comparison;
pub mod csv;
pub mod example;
pub mod explanation;
pub mod export;
pub mod first_scenario;
pub mod fitted;
pub mod folder;
pub mod forecast;
pub mod html;
pub mod likeness;
pub mod manifest;
pub mod plot;
pub mod published;
pub mod quantity;
pub mod schema;
pub mod sensitivity;
pub mod sizing;
pub mod sparkline;
pub mod starter;
pub mod stats;
pub mod summary;
pub mod sweep;
pub mod table;
pub mod timeline;
pub mod uncertainty;
pub mod validation;

pub use comparison::ComparisonSummary;
pub use stats::Stats;
pub use summary::Summary;
