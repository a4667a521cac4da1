//! Floor 1: accelerators, models, prices, engines and agent archetypes, each figure with its source.
