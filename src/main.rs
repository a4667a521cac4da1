//! The `tokenfleet` command.

fn main() {}
