//! Pure modules deny what they must not do, and the list of what that is stays complete.

use std::fs;
use std::path::PathBuf;

const ATTRIBUTE: &str = "#![deny(clippy::disallowed_methods)]";

/// Modules of which everything is pure. Child modules inherit the attribute.
const PURE: &[&str] = &[
    "kubelet/src/model",
    "kubelet/src/plan",
    "kubelet/src/server/stream/translate/client",
    "kubelet/src/server/stream/translate/runtime",
    "kubelet/src/status",
    "node/src/kubelet/pod",
    "node/src/print",
    "runtime/src/cgroup/update/plan",
    "runtime/src/layout",
    "runtime/src/model",
    "runtime/src/monitor/protocol",
    "runtime/src/network/cni/answer",
    "runtime/src/network/cni/bandwidth",
    "runtime/src/network/cni/config",
    "runtime/src/network/cni/describe",
    "runtime/src/network/cni/invocation",
    "runtime/src/network/cni/offer",
    "runtime/src/network/request",
    "runtime/src/nri/apply",
    "runtime/src/nri/codec",
    "runtime/src/nri/describe",
    "runtime/src/nri/events",
    "runtime/src/nri/ledger",
    "runtime/src/nri/merge",
    "runtime/src/spec",
    "runtime/src/stats/parse",
    "runtime/src/stats/rate",
    "runtime/src/streaming/remote_command/resize",
    "runtime/src/streaming/remote_command/status",
    "runtime/src/streaming/tokens",
    "runtime/src/streaming/upgrade",
    "runtime/src/streaming/window",
    "streams/src/lib",
];

/// The file of a module, which may be a folder.
fn file_of(module: &str) -> PathBuf {
    let folder = crate::top().join(module).join("mod.rs");
    if folder.exists() {
        folder
    } else {
        crate::top().join(format!("{module}.rs"))
    }
}

#[test]
fn pure_modules_deny_what_they_must_not_do() {
    let lacks = |module: &&&str| {
        let text = fs::read_to_string(file_of(module)).unwrap_or_default();
        !text.lines().any(|line| line == ATTRIBUTE)
    };
    let complaints: Vec<_> = PURE
        .iter()
        .filter(lacks)
        .map(|module| format!("{module}: no {ATTRIBUTE}"))
        .collect();
    crate::assert_none(&complaints);
}

#[test]
fn clippy_knows_what_pure_code_must_not_do() {
    let rules = fs::read_to_string(crate::top().join("clippy.toml")).expect("clippy.toml is there");
    for method in [
        "SystemTime::now",
        "Instant::now",
        "fs::read",
        "env::var",
        "Command::new",
        "tokio::spawn",
    ] {
        assert!(
            rules.contains(method),
            "clippy.toml does not forbid {method}"
        );
    }
}
