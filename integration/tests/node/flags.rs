//! Flags of upstream's kubelet that have no field, of the real program.

use std::process::Output;

use podling_integration::harness::{DEADLINE, Node, wait_until};

use crate::late_runtime::KubeletAlone;
use crate::lost::RuntimeAlone;
use crate::{is_running, one, pod};

fn kubelet(arguments: &[&str]) -> Output {
    let program = podling_integration::harness::programs::program("podling");
    let output = std::process::Command::new(program)
        .arg("kubelet")
        .args(arguments)
        .output();
    output.expect("podling starts")
}

#[test]
fn a_kubelet_explains_its_flags_and_tells_its_version_and_starts_nothing() {
    let help = kubelet(&["--help"]);
    let told = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.status.success() && help.stderr.is_empty(), "{help:?}");
    for flag in [
        "Usage: podling kubelet",
        "--bootstrap-kubeconfig <",
        "--config <FILE>",
        "--container-runtime-endpoint <",
        "--fail-swap-on[=<BOOL>]",
        "--hostname-override <",
        "--kubeconfig <",
        "--node-labels <",
        "--v <LEVEL>",
        "--version[=",
    ] {
        assert!(told.contains(flag), "{flag}\n{told}");
    }

    let version = kubelet(&["--version"]);
    assert!(version.status.success(), "{version:?}");
    let told = String::from_utf8_lossy(&version.stdout).into_owned();
    let number = told.strip_prefix("Kubernetes v1.36.");
    assert!(number.is_some_and(|rest| rest.ends_with('\n')), "{told}");
    let version = kubelet(&["--version=raw"]);
    let told = String::from_utf8_lossy(&version.stdout).into_owned();
    assert!(
        told.starts_with("version.Info{Major:\"1\", Minor:\"36\", "),
        "{told}"
    );
    let other = kubelet(&["--version=v1.2.3"]);
    assert!(
        !other.status.success() && other.stdout.is_empty(),
        "{other:?}"
    );
}

#[tokio::test]
async fn a_kubelet_logs_as_much_as_its_number_says() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    node.kill9();
    let runtime = RuntimeAlone::start(&node);
    for (level, is_more) in [("2", false), ("6", true)] {
        let name = format!("web-{level}");
        let kubelet = KubeletAlone::start_with(&node, &["--v", level]);
        node.manifest("web.yaml", &pod(&name, one(&image, &["sleep"])));
        node.wait_pod(&name, "runs", is_running).await;
        let is_logged = || kubelet.log().contains(" INFO ");
        wait_until(DEADLINE, "what happened is logged", is_logged).await;
        if is_more {
            let is_logged = || kubelet.log().contains(" DEBUG ");
            wait_until(DEADLINE, "what was done is logged", is_logged).await;
        }
        let log = kubelet.log();
        assert_eq!(log.contains(" DEBUG "), is_more, "{log}");
    }
    drop(runtime);
    node.restart().await;
    node.stop().await;
}
