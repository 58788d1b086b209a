//! Who may name which crate, and where `unsafe` may stand.

use crate::source::{self, Source, has_word};

/// Complains of each statement that names `word` in a file for which `is_allowed` is false.
fn only_where(word: &str, is_allowed: impl Fn(&Source) -> bool, rule: &str) -> Vec<String> {
    let sources = source::rust();
    let forbidden = sources.iter().filter(|source| !is_allowed(source));
    let complain = |source: &Source| -> Vec<String> {
        let lines = source.statements();
        let named = lines.into_iter().filter(|(_, line)| has_word(line, word));
        named.map(|line| source.complain(line, rule)).collect()
    };
    forbidden.flat_map(complain).collect()
}

#[test]
fn the_wire_types_stop_at_the_cri_modules() {
    let allowed = |source: &Source| {
        let path = &source.path;
        path.contains("/src/cri/")
            || path.starts_with("runtime/src/nri/")
            || path.starts_with("kubelet/src/device/wire/")
            || path.starts_with("kubelet/src/csi/wire/")
            || path == "kubelet/src/plugin/wire.rs"
            || path == "kubelet/src/pod_resources/wire.rs"
            || path.starts_with("proto/")
            || path.starts_with("integration/")
    };
    crate::assert_none(&only_where(
        "podling_proto",
        allowed,
        "the wire types are imported",
    ));
}

#[test]
fn cri_and_nri_do_not_know_each_others_messages() {
    let of_other = |source: &Source, line: &str| {
        let of_nri = ["podling_proto::nri", "podling_proto::ttrpc"];
        match source.path.starts_with("runtime/src/nri/") {
            true => {
                line.contains("podling_proto::") && !of_nri.iter().any(|name| line.contains(name))
            }
            false => source.path.contains("/src/cri/") && of_nri.iter().any(|n| line.contains(n)),
        }
    };
    let complain = |source: &Source| -> Vec<String> {
        let lines = source.statements().into_iter();
        lines
            .filter(|(_, line)| of_other(source, line))
            .map(|line| source.complain(line, "the messages of another contract"))
            .collect()
    };
    crate::assert_none(&source::rust().iter().flat_map(complain).collect::<Vec<_>>());
}

#[test]
fn libcontainer_is_called_only_by_the_launch_helper() {
    let allowed = |source: &Source| {
        source.path.starts_with("runtime/src/launch/") || source.path.starts_with("integration/")
    };
    crate::assert_none(&only_where(
        "libcontainer",
        allowed,
        "libcontainer is named",
    ));
}

#[test]
fn the_monitor_and_the_launch_helper_have_no_tokio() {
    let allowed = |source: &Source| {
        let is_theirs = [
            "runtime/src/monitor/",
            "runtime/src/launch/",
            "runtime/src/bin/",
        ]
        .iter()
        .any(|folder| source.path.starts_with(folder));
        !is_theirs || source.path.starts_with("runtime/src/monitor/client")
    };
    crate::assert_none(&only_where(
        "tokio",
        allowed,
        "tokio in a program that forks",
    ));
}

#[test]
fn kubelet_and_runtime_do_not_know_each_other() {
    let outside = |folder: &'static str| move |source: &Source| !source.path.starts_with(folder);
    crate::assert_none(&only_where(
        "podling_runtime",
        outside("kubelet/"),
        "the runtime is named",
    ));
    crate::assert_none(&only_where(
        "podling_kubelet",
        outside("runtime/"),
        "the kubelet is named",
    ));
    let manifests = source::files(&["toml"]);
    let depends = |manifest: &str, on: &str| {
        manifests
            .iter()
            .any(|file| file.path == manifest && file.text.contains(on))
    };
    assert!(
        !depends("kubelet/Cargo.toml", "podling-runtime"),
        "the kubelet depends on the runtime"
    );
    assert!(
        !depends("runtime/Cargo.toml", "podling-kubelet"),
        "the runtime depends on the kubelet"
    );
}

#[test]
fn unsafe_code_stands_only_in_sys_and_pause() {
    let allowed = |source: &Source| {
        source.path.starts_with("runtime/src/sys/")
            || source.path.starts_with("pause/")
            || source.is_test()
    };
    // In two parts, so that this file does not name it.
    let word = concat!("un", "safe");
    crate::assert_none(&only_where(
        word,
        allowed,
        "code that the compiler cannot check",
    ));
}
