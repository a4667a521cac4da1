//! Floor 8: the command line.

pub mod agents;
pub mod arguments;
pub mod calibrate;
pub mod catalog;
pub mod check;
pub mod checkpoint;
pub mod compare;
pub mod diagnostic;
pub mod drift;
pub mod explain;
pub mod export;
pub mod failure;
pub mod fit;
pub mod import;
pub mod load;
pub mod prepare;
pub mod process;
pub mod progress;
pub mod report;
pub mod run;
pub mod schema;
pub mod size;
pub mod sweep;
pub mod terminal;
pub mod validate;
