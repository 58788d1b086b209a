//! AppArmor, on a kernel that has it; on another, that nobody is told otherwise.

mod pod;

use podling_runtime::host;
use podling_runtime::model::config::SecurityProfile;
use podling_runtime::spec::{AppArmor, SpecError};

use pod::Pod;
use pod::described::{Description, facts};

fn sleeper(apparmor: Option<SecurityProfile>) -> Description {
    let mut description = Description::sleeper();
    description.config.security.apparmor = apparmor;
    description
}

/// Whether the default profile is loaded, after having tried to.
fn is_loaded() -> bool {
    if let Err(error) = host::load_apparmor_default() {
        eprintln!("the default profile is not loaded: {error}");
    }
    let facts = host::read().expect("the facts of this machine");
    matches!(
        facts.apparmor,
        AppArmor::Enabled {
            default_profile: Some(_)
        }
    )
}

#[tokio::test]
async fn the_default_profile_confines_a_container_and_an_exec_or_is_refused() {
    let mut pod = Pod::start().await;
    if !is_loaded() {
        let refused = pod.described(&sleeper(Some(SecurityProfile::RuntimeDefault)));
        let error = refused.err().expect("a refusal");
        assert!(
            matches!(
                error,
                SpecError::NoAppArmor(_) | SpecError::NoDefaultAppArmor
            ),
            "{error}"
        );
        return;
    }
    for asked in [None, Some(SecurityProfile::RuntimeDefault)] {
        for no_new_privs in [false, true] {
            let mut description = sleeper(asked.clone());
            description.config.security.no_new_privs = no_new_privs;
            description.config.security.seccomp = SecurityProfile::RuntimeDefault;
            let container = pod.described(&description).expect("a container");
            pod.launch(&container).await.expect("a launch");
            let first = facts(pod.pid_of(&container).await);
            let exec = pod.facts_of_exec(&container).await;
            for seen in [first, exec] {
                assert_eq!(seen["attr/current"], "podling-default (enforce)");
            }
            pod.client
                .kill(container.id())
                .await
                .expect("a signal reaches it");
        }
    }
    let unconfined = pod.described(&sleeper(Some(SecurityProfile::Unconfined)));
    let unconfined = unconfined.expect("a container");
    pod.launch(&unconfined).await.expect("a launch");
    let seen = facts(pod.pid_of(&unconfined).await);
    assert_eq!(seen["attr/current"], "unconfined");
}

#[tokio::test]
async fn the_default_profile_keeps_the_nodes_settings_from_root() {
    if !is_loaded() {
        return;
    }
    let mut pod = Pod::start().await;
    // No path is masked or read-only here: what refuses is the profile.
    let script =
        "(echo 1 > /proc/sys/kernel/printk) && exit 1; (echo h > /proc/sysrq-trigger) && exit 2
        (echo 1 > /proc/sys/vm/swappiness) && exit 3; busybox mount -t tmpfs x /tmp && exit 4
        (echo 5000000 > /proc/sys/kernel/shmmax) || exit 5; touch /tmp/x /dev/shm/x || exit 6
        sleep 1000 & kill $! || exit 7; exit 0";
    let mut description = Description::of(script);
    description.config.security.capabilities.add = vec!["SYS_ADMIN".to_owned()];
    let container = pod.described(&description).expect("a container");
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0, "{}", pod.log());
}

#[tokio::test]
async fn a_profile_that_is_not_loaded_is_named() {
    let mut pod = Pod::start().await;
    let name = "nobody-loads-this";
    assert_ne!(host::has_apparmor_profile(name), Some(true));
    let asked = Some(SecurityProfile::Localhost(name.to_owned()));
    let message = match pod.described(&sleeper(asked)) {
        Err(error) => error.to_string(),
        Ok(container) => {
            let error = pod.launch(&container).await.expect_err("no such profile");
            error.to_string()
        }
    };
    assert!(message.contains(name), "{message}");
}
