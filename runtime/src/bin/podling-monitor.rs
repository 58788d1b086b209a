//! The monitor; see `podling_runtime::monitor`.

fn main() {}
