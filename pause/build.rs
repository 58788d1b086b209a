//! Links `pause` without libc: no start files, no libraries, a fixed address.

/// What the linker driver is told, for this program only.
const LINK_ARGS: [&str; 7] = [
    "-nostartfiles",
    "-nostdlib",
    "-static",
    // Nothing here applies relocations at start, so there must be none: a static PIE has some.
    "-no-pie",
    // Code, constants and headers share a page instead of padding the file to three.
    "-Wl,-z,noseparate-code",
    "-Wl,--build-id=none",
    "-Wl,--gc-sections",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for arg in LINK_ARGS {
        println!("cargo::rustc-link-arg-bin=pause={arg}");
    }
}
