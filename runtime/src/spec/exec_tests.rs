//! Tests of exec's process.

use std::path::Path;

use super::*;
use crate::model::config::{ContainerSecurity, SecurityProfile};
use crate::model::{ContainerConfig, ContainerId};
use crate::spec::{Accounts, SpecInput, container_spec, fixture};

fn spec(config: &ContainerConfig) -> Spec {
    let input = SpecInput {
        id: &ContainerId::from_random([1; 32]),
        config,
        mounts: &[],
        devices: &[],
        device_mounts: &[],
        seccomp_profile: None,
        image: &fixture::image(),
        accounts: &Accounts {
            passwd: "web:x:33:34::/srv:\n".to_owned(),
            group: "video:x:44:web\n".to_owned(),
        },
        sandbox: &fixture::sandbox(),
        host: &fixture::host(),
        rootfs: Path::new("/rootfs"),
        cgroup_path: "/podling/c",
    };
    container_spec(&input).unwrap().spec
}

fn run(spec: &Spec, tty: bool) -> ProcessSpec {
    let args = ["cat".to_owned(), "/etc/hostname".to_owned()];
    exec_process(spec, &ExecCommand { args: &args, tty }).unwrap()
}

#[test]
fn an_exec_is_confined_exactly_as_the_container_is() {
    let config = ContainerConfig {
        security: ContainerSecurity {
            seccomp: SecurityProfile::RuntimeDefault,
            no_new_privs: true,
            ..Default::default()
        },
        ..Default::default()
    };
    let process = run(&spec(&config), false);
    assert_eq!(
        (process.uid, process.gid, process.groups.as_slice()),
        (33, 34, &[34, 44][..])
    );
    assert_eq!(process.cwd, "/srv");
    assert_eq!(process.capabilities.bounding, 0xa804_25fb);
    assert_eq!(
        (
            process.capabilities.inheritable,
            process.capabilities.ambient
        ),
        (0, 0)
    );
    assert!(process.no_new_privs && process.seccomp);
    assert_eq!(process.oom_score_adj, Some(0));
    assert!(process.env.contains(&b"HOSTNAME=web-0".to_vec()));
    assert_eq!(process.args, ["cat", "/etc/hostname"]);
}

#[test]
fn a_container_without_a_filter_gives_none_to_its_execs() {
    let process = run(&spec(&ContainerConfig::default()), false);
    assert!(!process.seccomp && !process.no_new_privs);
}

#[test]
fn an_exec_with_a_terminal_has_a_term() {
    let plain = spec(&ContainerConfig::default());
    assert!(!run(&plain, false).env.contains(&b"TERM=xterm".to_vec()));
    assert!(run(&plain, true).env.contains(&b"TERM=xterm".to_vec()));
}

#[test]
fn a_spec_read_back_from_its_file_gives_the_same_process() {
    let written = spec(&ContainerConfig::default());
    let text = serde_json::to_string(&written).unwrap();
    let read: Spec = serde_json::from_str(&text).unwrap();
    assert_eq!(run(&read, true), run(&written, true));
}

#[test]
fn commands_that_cannot_run_are_refused() {
    let spec = spec(&ContainerConfig::default());
    let try_to = |args: &[&str]| {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        exec_process(
            &spec,
            &ExecCommand {
                args: &args,
                tty: false,
            },
        )
    };
    assert_eq!(try_to(&[]), Err(ExecError::NoCommand));
    assert_eq!(try_to(&[""]), Err(ExecError::NoCommand));
    assert!(matches!(
        try_to(&["a", "b\0c"]),
        Err(ExecError::ArgumentWithNul(_))
    ));
}
