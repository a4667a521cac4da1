//! Floor 4: how servers batch, cache and route.
