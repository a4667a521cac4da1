//! Floor 0: time, chance and statistics. Knows nothing of servers or agents.
