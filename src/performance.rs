//! Floor 2: how long a step takes and what fits in memory.
