//! Floor 6: many trials and what they say.
