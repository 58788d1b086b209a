//! The launch helper; see `podling_runtime::launch`.

fn main() {
    std::process::exit(podling_runtime::launch::start::main());
}
