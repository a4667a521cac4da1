//! Floor 3: what agents do. Knows no server.

pub mod trace;
