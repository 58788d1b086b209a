//! OCI runtimes of the machine in place of libcontainer, on pure cgroup v2, where Debian's crun works too.
//! On other machines the stories of a node (`integration/tests/node/handlers.rs`) do the same with runc.

mod pod;

use std::fs;
use std::path::{Path, PathBuf};

use podling_runtime::model::handler::OciRuntime;
use podling_runtime::monitor::protocol::OciLaunch;
use serde_json::json;

use pod::{Container, Pod, process, wait_until};

/// The runtimes that can be tried here.
fn runtimes() -> Vec<PathBuf> {
    if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        eprintln!("not on pure cgroup v2: nothing is tried");
        return Vec::new();
    }
    let all = ["/usr/sbin/runc", "/usr/bin/crun"].map(PathBuf::from);
    all.into_iter().filter(|path| path.exists()).collect()
}

/// A container that `program` is to make.
fn container(pod: &mut Pod, program: &Path, script: &str) -> Container {
    let mut container = pod.container(script);
    let cgroup = container.request.cgroup_dirs[0].strip_prefix("/sys/fs/cgroup");
    let cgroup = Path::new("/").join(cgroup.expect("it is below the root"));
    container.spec["linux"]["cgroupsPath"] = json!(cgroup);
    container.request.oci = Some(OciLaunch {
        runtime: OciRuntime {
            name: "other".to_owned(),
            program: program.to_owned(),
            time_limit: 120,
        },
        state: pod.run_dir().join("oci"),
        cgroup_dirs: Vec::new(),
    });
    container
}

#[tokio::test]
async fn a_container_of_another_runtime_is_the_monitors_like_any() {
    for runtime in runtimes() {
        let mut pod = Pod::start().await;
        let script = "echo out; echo err >&2; cat /proc/self/cgroup; until [ -e /tmp/go ]; do usleep 9999; done; exit 7";
        let container = container(&mut pod, &runtime, script);
        let pid = pod.launch(&container).await.expect("a launch");
        pod.wait_for_log("0::").await;
        let members = container.request.cgroup_dirs[0].join("cgroup.procs");
        let members = fs::read_to_string(members).expect("its cgroup");
        let mut members = members.lines();
        assert!(
            members.any(|member| member == pid.to_string()),
            "{}",
            runtime.display()
        );
        let go = process(&["/bin/sh", "-c", "touch /tmp/go; exit 3"]);
        let (_, code) = pod.exec(container.id(), go).await.expect("an exec");
        assert_eq!(code, 3);
        assert_eq!(pod.ended(container.id()).await.code, 7);
        let log = pod.log();
        assert!(log.contains("out") && log.contains("err"), "{log}");
    }
}

#[tokio::test]
async fn what_another_runtime_cannot_execute_is_an_error_and_leaves_nothing() {
    for runtime in runtimes() {
        let mut pod = Pod::start().await;
        let mut container = container(&mut pod, &runtime, "");
        container.args(&["/bin/no-such-program"]);
        let error = pod.launch(&container).await.expect_err("no program");
        let error = error.to_string();
        assert!(error.starts_with("OCI runtime create failed: "), "{error}");
        let state = pod.run_dir().join("oci").join(container.id().as_str());
        wait_until(|| !state.exists()).await;
    }
}
