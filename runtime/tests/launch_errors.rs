//! What a failed launch says.

mod pod;

use std::fs;

use podling_runtime::monitor::LaunchError;
use podling_runtime::monitor::protocol::{LaunchFailure, LaunchStage};
use serde_json::json;

use pod::{Container, Pod};

async fn failure(pod: &Pod, container: &Container) -> LaunchFailure {
    match pod.launch(container).await {
        Err(LaunchError::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_is_named_in_the_words_users_know() {
    let mut pod = Pod::start().await;
    let cases: [(&[&str], i32, &str); 4] = [
        (
            &["nosuch"],
            127,
            "exec: \"nosuch\": executable file not found in $PATH",
        ),
        (
            &["/no/such"],
            127,
            "exec: \"/no/such\": stat /no/such: no such file or directory",
        ),
        (
            &["/bin/not-executable"],
            126,
            "exec: \"/bin/not-executable\": permission denied",
        ),
        (&["/etc"], 126, "exec: \"/etc\": permission denied"),
    ];
    for (args, code, message) in cases {
        let mut container = pod.container("");
        container.args(args);
        let failure = failure(&pod, &container).await;
        assert_eq!(
            (failure.stage, failure.code),
            (LaunchStage::Exec, code),
            "{failure}"
        );
        assert_eq!(failure.message, message);
    }
}

#[tokio::test]
async fn what_the_kernel_refuses_to_execute_is_reported_after_the_start() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("");
    container.args(&["/bin/broken"]);
    let file = container.request.overlay.lower[0].join("bin/broken");
    fs::write(&file, [0x7f, b'E', b'L', b'F', 0, 0]).expect("a broken program");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("a mode");
    let failure = failure(&pod, &container).await;
    assert_eq!(
        (failure.stage, failure.code),
        (LaunchStage::Exec, 126),
        "{failure}"
    );
    assert!(failure.message.contains("Exec format error"), "{failure}");
}

#[tokio::test]
async fn a_bad_directory_or_mount_is_named() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("true");
    container.spec["process"]["cwd"] = json!("/bin/busybox");
    let cwd = failure(&pod, &container).await;
    assert!(
        cwd.message
            .starts_with("chdir to cwd (\"/bin/busybox\") failed: ENOTDIR"),
        "{cwd}"
    );

    let mut container = pod.container("true");
    container.spec["mounts"].as_array_mut().expect("mounts").push(
        json!({"destination": "/v", "type": "bind", "source": "/no/such", "options": ["rbind"]}),
    );
    let mount = failure(&pod, &container).await;
    assert!(
        mount
            .message
            .starts_with("error mounting \"/no/such\" to rootfs at \"/v\": stat /no/such"),
        "{mount}"
    );
}

#[tokio::test]
async fn row_20_a_pids_limit_without_room_is_refused() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("true");
    container.spec["linux"]["resources"] = json!({"pids": {"limit": 1}});
    let failure = failure(&pod, &container).await;
    assert!(
        failure.message.contains("pids limit 1 is too low"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_launch_helper_that_dies_is_an_error_and_the_pod_goes_on() {
    let mut pod = Pod::with(|spec| spec.launch = "/bin/busybox".into())
        .await
        .expect("a pod");
    let container = pod.container("true");
    let failure = failure(&pod, &container).await;
    assert_eq!(failure.stage, LaunchStage::Request);
    assert_eq!(failure.message, "podling-launch ended without a report");
    assert_eq!(
        pod.client.state().await.expect("the state").pause,
        Some(pod.pause)
    );
}

#[tokio::test]
async fn a_terminal_is_asked_for_by_request_and_spec_or_by_neither() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("true");
    container.request.tty = true;
    let failure = failure(&pod, &container).await;
    assert_eq!(failure.stage, LaunchStage::Spec);
    assert!(failure.message.contains("terminal"), "{failure}");
}
