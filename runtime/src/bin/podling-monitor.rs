//! The monitor of one sandbox; see `podling_runtime::monitor`.

fn main() {
    std::process::exit(podling_runtime::monitor::start::main());
}
