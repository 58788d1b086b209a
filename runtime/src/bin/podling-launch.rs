//! The launch helper; see `podling_runtime::launch`.

fn main() {}
