//! One file per promise.
mod leap;
