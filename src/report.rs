//! Floor 7: results as tables and files.
