//! What a filter does to a program, for every action and for the default profile.

mod pod;

use podling_runtime::model::config::SecurityProfile;
use podling_runtime::monitor::LaunchError;
use podling_runtime::monitor::protocol::LaunchStage;

use pod::Pod;
use pod::described::Description;

fn filtered(script: &str, action: &str) -> Description {
    let mut description = Description::of(script);
    description.config.security.seccomp = SecurityProfile::Localhost("/p.json".to_owned());
    description.seccomp_profile = Some(format!(
        r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {{"names": ["mkdir", "mkdirat"], "action": "{action}", "errnoRet": 42}}]}}"#
    ));
    description
}

#[tokio::test]
async fn every_action_does_what_it_is_called() {
    let mut pod = Pod::start().await;
    for (action, code, said) in [
        ("SCMP_ACT_ALLOW", 0, ""),
        ("SCMP_ACT_LOG", 0, ""),
        ("SCMP_ACT_ERRNO", 1, "No message of desired type"),
        ("SCMP_ACT_TRAP", 159, "Bad system call"),
        ("SCMP_ACT_KILL", 159, "Bad system call"),
        ("SCMP_ACT_KILL_THREAD", 159, "Bad system call"),
        ("SCMP_ACT_KILL_PROCESS", 159, "Bad system call"),
        ("SCMP_ACT_TRACE", 1, "Function not implemented"),
    ] {
        let script = "busybox mkdir /tmp/x; exit $?";
        let container = pod.described(&filtered(script, action)).expect(action);
        pod.launch(&container).await.expect(action);
        assert_eq!(pod.ended(container.id()).await.code, code, "{action}");
        assert!(pod.log().contains(said), "{action}: {}", pod.log());
    }
}

#[tokio::test]
async fn a_profile_that_asks_somebody_else_is_refused() {
    let mut pod = Pod::start().await;
    let description = filtered("true", "SCMP_ACT_NOTIFY");
    let container = pod.described(&description).expect("a container");
    match pod.launch(&container).await {
        Err(LaunchError::Failed(failure)) => {
            assert_eq!(failure.stage, LaunchStage::Seccomp);
            assert!(failure.message.contains("SCMP_ACT_NOTIFY"), "{failure}");
        }
        other => panic!("{other:?}"),
    }
}

/// Makes system calls and prints their errors.
const PROBE: &str = r#"
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
static void probe(const char *name, long number, unsigned long argument) {
    errno = 0;
    syscall(number, argument, 0ul, 0ul, 0ul);
    printf("%s %d\n", name, errno);
}
int main(void) {
    probe("inet", SYS_socket, 2);
    probe("alg", SYS_socket, 38);
    probe("alg-in-disguise", SYS_socket, 0x100000026ul);
    probe("vsock", SYS_socket, 40);
    probe("io_uring", 425, 1);
    probe("mount", SYS_mount, 0);
    probe("clone-newuser", SYS_clone, 0x10000000ul);
    probe("clone3", 435, 0);
    probe("of-the-future", 1000, 0);
    return 0;
}
"#;

#[tokio::test]
async fn the_default_profile_refuses_what_it_should_and_does_not_know_the_future() {
    let mut pod = Pod::start().await;
    pod.compile("probe", PROBE);
    let mut description = Description::of("probe");
    description.config.security.seccomp = SecurityProfile::RuntimeDefault;
    let container = pod.described(&description).expect("a container");
    pod.launch(&container).await.expect("a launch");
    pod.ended(container.id()).await;
    let log = pod.log();
    for (call, errno) in [
        ("alg", libc::EPERM),
        ("alg-in-disguise", libc::EPERM),
        ("vsock", libc::EPERM),
        ("io_uring", libc::EPERM),
        ("mount", libc::EPERM),
        ("clone-newuser", libc::EPERM),
        ("clone3", libc::ENOSYS),
        ("of-the-future", libc::ENOSYS),
    ] {
        assert!(
            log.contains(&format!("F {call} {errno}\n")),
            "{call}: {log}"
        );
    }
    // The family is fine, what is asked of it is not: the kernel itself has answered.
    assert!(!log.contains(&format!("F inet {}\n", libc::EPERM)), "{log}");
}
