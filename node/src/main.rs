//! The podling command.

fn main() {}
