//! Floor 8: the command line.
