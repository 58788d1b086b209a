//! Security contexts of the CRI, each read back from /proc in a container and in an exec.

mod pod;

use podling_runtime::model::config::{
    Capabilities, ContainerSecurity, Namespaces, RunAs, SecurityProfile, SupplementalGroupsPolicy,
};
use podling_runtime::spec::{Accounts, SpecError};

use pod::Pod;
use pod::described::{Description, Facts, facts};

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn accounts() -> Accounts {
    Accounts {
        passwd: "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n".to_owned(),
        group: "web:x:34:\nvideo:x:44:web\naudio:x:29:web,root\n".to_owned(),
    }
}

fn user(uid: u32) -> RunAs {
    RunAs {
        uid: Some(uid),
        ..RunAs::default()
    }
}

/// A row of the table: what is asked for, and what is to be seen of it.
#[derive(Default)]
struct Context {
    name: &'static str,
    security: ContainerSecurity,
    image_user: &'static str,
    seccomp_profile: Option<&'static str>,
    oom_score_adj: i32,
    seen: &'static [(&'static str, &'static str)],
}

const DEFAULT_SET: &str = "00000000a80425fb";
const NONE: &str = "0000000000000000";

fn contexts() -> Vec<Context> {
    let mut all = identities();
    all.extend(groups());
    all.extend(capabilities());
    all.extend(confinements());
    all
}

fn identities() -> Vec<Context> {
    vec![
        Context {
            name: "nothing asked",
            seen: &[
                ("Uid", "0 0 0 0"),
                ("Gid", "0 0 0 0"),
                ("Groups", "0 29"),
                ("CapEff", DEFAULT_SET),
                ("CapBnd", DEFAULT_SET),
                ("CapInh", NONE),
                ("CapAmb", NONE),
                ("NoNewPrivs", "0"),
                ("Seccomp", "0"),
                ("oom_score_adj", "0"),
            ],
            ..Context::default()
        },
        Context {
            name: "a user and a group of the image, by name",
            image_user: "web:video",
            seen: &[
                ("Uid", "33 33 33 33"),
                ("Gid", "44 44 44 44"),
                ("Groups", "29 44"),
                ("CapEff", NONE),
                ("CapPrm", NONE),
                ("CapBnd", DEFAULT_SET),
            ],
            ..Context::default()
        },
        Context {
            name: "numbers that no account has",
            image_user: "web",
            security: ContainerSecurity {
                user: RunAs {
                    uid: Some(1234),
                    gid: Some(5678),
                    ..RunAs::default()
                },
                supplemental_groups: vec![7, 8],
                ..ContainerSecurity::default()
            },
            seen: &[
                ("Uid", "1234 1234 1234 1234"),
                ("Gid", "5678 5678 5678 5678"),
                ("Groups", "7 8 5678"),
            ],
            ..Context::default()
        },
    ]
}

fn groups() -> Vec<Context> {
    vec![
        Context {
            name: "a name, with the groups of the image",
            security: ContainerSecurity {
                user: RunAs {
                    username: "web".to_owned(),
                    ..RunAs::default()
                },
                supplemental_groups: vec![7],
                ..ContainerSecurity::default()
            },
            seen: &[
                ("Uid", "33 33 33 33"),
                ("Gid", "34 34 34 34"),
                ("Groups", "7 29 34 44"),
            ],
            ..Context::default()
        },
        Context {
            name: "a name, without them",
            security: ContainerSecurity {
                user: RunAs {
                    username: "web".to_owned(),
                    ..RunAs::default()
                },
                supplemental_groups: vec![7],
                supplemental_groups_policy: SupplementalGroupsPolicy::Strict,
                ..ContainerSecurity::default()
            },
            seen: &[("Groups", "7 34")],
            ..Context::default()
        },
    ]
}

fn capabilities() -> Vec<Context> {
    let set = |add: &str, drop: &str, ambient: &str| Capabilities {
        add: words(add),
        drop: words(drop),
        add_ambient: words(ambient),
    };
    vec![
        Context {
            name: "all dropped but one, with the prefix",
            security: ContainerSecurity {
                capabilities: set("CAP_NET_BIND_SERVICE", "ALL", ""),
                ..ContainerSecurity::default()
            },
            seen: &[
                ("CapEff", "0000000000000400"),
                ("CapBnd", "0000000000000400"),
                ("CapInh", NONE),
            ],
            ..Context::default()
        },
        Context {
            name: "one added, one dropped",
            security: ContainerSecurity {
                capabilities: set("net_admin", "CHOWN", ""),
                ..ContainerSecurity::default()
            },
            seen: &[
                ("CapEff", "00000000a80435fa"),
                ("CapBnd", "00000000a80435fa"),
            ],
            ..Context::default()
        },
        Context {
            name: "ambient for a user",
            security: ContainerSecurity {
                user: user(1000),
                capabilities: set("", "", "NET_BIND_SERVICE"),
                ..ContainerSecurity::default()
            },
            seen: &[
                ("CapEff", "0000000000000400"),
                ("CapPrm", "0000000000000400"),
                ("CapInh", "0000000000000400"),
                ("CapAmb", "0000000000000400"),
                ("CapBnd", DEFAULT_SET),
            ],
            ..Context::default()
        },
    ]
}

const FORBIDS_MKDIR: &str = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 42}]}"#;

fn confinements() -> Vec<Context> {
    let filtered = |seccomp: SecurityProfile, no_new_privs: bool| ContainerSecurity {
        seccomp,
        no_new_privs,
        user: user(1000),
        ..ContainerSecurity::default()
    };
    let filter: &[(&str, &str)] = &[("Seccomp", "2"), ("Seccomp_filters", "1")];
    vec![
        Context {
            name: "the default filter",
            security: filtered(SecurityProfile::RuntimeDefault, false),
            seen: &[
                ("Seccomp", "2"),
                ("NoNewPrivs", "0"),
                ("CapBnd", DEFAULT_SET),
            ],
            ..Context::default()
        },
        Context {
            name: "the default filter, and no new privileges",
            security: filtered(SecurityProfile::RuntimeDefault, true),
            seen: &[
                ("Seccomp", "2"),
                ("NoNewPrivs", "1"),
                ("CapBnd", DEFAULT_SET),
            ],
            ..Context::default()
        },
        Context {
            name: "a filter of the node",
            security: filtered(SecurityProfile::Localhost("/p.json".to_owned()), false),
            seccomp_profile: Some(FORBIDS_MKDIR),
            seen: filter,
            ..Context::default()
        },
        Context {
            name: "masks, and a root that is read-only",
            security: ContainerSecurity {
                masked_paths: words("/proc/kcore /sys/firmware"),
                readonly_paths: words("/proc/sys"),
                readonly_rootfs: true,
                ..ContainerSecurity::default()
            },
            ..Context::default()
        },
        Context {
            name: "privileged",
            security: ContainerSecurity {
                privileged: true,
                seccomp: SecurityProfile::RuntimeDefault,
                ..ContainerSecurity::default()
            },
            seen: &[("Seccomp", "0"), ("CapInh", NONE), ("CapAmb", NONE)],
            ..Context::default()
        },
        Context {
            name: "first to be killed for memory",
            oom_score_adj: 900,
            seen: &[("oom_score_adj", "900")],
            ..Context::default()
        },
    ]
}

fn description(context: &Context) -> Description {
    let mut description = Description::sleeper();
    description.config.security = context.security.clone();
    description.config.resources.oom_score_adj = context.oom_score_adj;
    description.image.user = context.image_user.to_owned();
    description.accounts = accounts();
    description.seccomp_profile = context.seccomp_profile.map(str::to_owned);
    description
}

#[tokio::test]
async fn a_container_and_an_exec_in_it_are_confined_as_asked_and_alike() {
    let mut pod = Pod::start().await;
    for context in contexts() {
        let name = context.name;
        let container = pod.described(&description(&context)).expect(name);
        pod.launch(&container).await.expect(name);
        let first = facts(pod.pid_of(&container).await);
        for (fact, value) in context.seen {
            assert_eq!(first[*fact], *value, "{name}: {fact}");
        }
        let exec = pod.facts_of_exec(&container).await;
        assert_alike(name, &first, &exec);
        pod.client.kill(container.id()).await.expect(name);
    }
}

/// An exec has a group of its own below the container's, by which it can be ended whole.
fn assert_alike(name: &str, first: &Facts, exec: &Facts) {
    for (fact, value) in first {
        let of_exec = match fact.as_str() {
            "cgroup" => without_own_group(&exec[fact]),
            _ => exec[fact].clone(),
        };
        assert_eq!(of_exec, *value, "{name}: {fact} of an exec");
    }
}

fn without_own_group(cgroups: &str) -> String {
    let parent = |line: &str| match line.rsplit_once("/exec-") {
        Some((container, _)) => container.to_owned(),
        None => line.to_owned(),
    };
    cgroups.lines().map(parent).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_privileged_container_has_every_capability_that_this_process_has() {
    let mut pod = Pod::start().await;
    let mut description = Description::sleeper();
    description.config.security.privileged = true;
    let container = pod.described(&description).expect("a container");
    pod.launch(&container).await.expect("a launch");
    let bounding = podling_runtime::sys::credentials::bounding().expect("our bounding set");
    let seen = facts(pod.pid_of(&container).await);
    let expected = format!("{bounding:016x}");
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(seen[set], expected, "{set}");
    }
}

#[tokio::test]
async fn the_home_of_the_user_is_in_the_environment() {
    let mut pod = Pod::start().await;
    for (image_user, home) in [("", "/root"), ("web", "/srv"), ("1234", "/")] {
        let mut description = Description::sleeper();
        description.image.user = image_user.to_owned();
        description.accounts = accounts();
        let container = pod.described(&description).expect("a container");
        pod.launch(&container).await.expect("a launch");
        let seen = facts(pod.pid_of(&container).await);
        let environment = seen["environ"].split('\0');
        let home = format!("HOME={home}");
        assert_eq!(
            environment.filter(|variable| *variable == home).count(),
            1,
            "{image_user:?}: {}",
            seen["environ"]
        );
    }
}

#[tokio::test]
async fn what_cannot_be_given_is_refused_by_name() {
    let mut pod = Pod::start().await;
    let refused = |pod: &mut Pod, security: ContainerSecurity| -> SpecError {
        let mut description = Description::sleeper();
        description.config.security = security;
        pod.described(&description).err().expect("a refusal")
    };
    let security = ContainerSecurity {
        capabilities: Capabilities {
            add: words("CAP_NET_WIZARD"),
            ..Capabilities::default()
        },
        ..ContainerSecurity::default()
    };
    let error = refused(&mut pod, security).to_string();
    assert!(error.contains("CAP_NET_WIZARD"), "{error}");
    let security = ContainerSecurity {
        user: RunAs {
            gid: Some(5),
            ..RunAs::default()
        },
        ..ContainerSecurity::default()
    };
    let error = refused(&mut pod, security);
    assert!(matches!(error, SpecError::GroupWithoutUser), "{error}");
    let security = ContainerSecurity {
        user: RunAs {
            username: "nobody-knows".to_owned(),
            ..RunAs::default()
        },
        ..ContainerSecurity::default()
    };
    let error = refused(&mut pod, security).to_string();
    assert!(error.contains("nobody-knows"), "{error}");
}

#[tokio::test]
async fn masks_read_only_paths_and_a_read_only_root_are_what_the_program_meets() {
    let mut pod = Pod::start().await;
    let script = "touch /x && exit 1; echo 1 > /proc/sys/kernel/shmmax && exit 2
        head -c 1 /proc/kcore | grep . && exit 3; ls /sys/firmware | grep . && exit 4
        touch /dev/shm/x || exit 5; exit 0";
    let mut description = Description::of(script);
    description.config.security = ContainerSecurity {
        masked_paths: words("/proc/kcore /sys/firmware"),
        readonly_paths: words("/proc/sys"),
        readonly_rootfs: true,
        ..ContainerSecurity::default()
    };
    let container = pod.described(&description).expect("a container");
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0, "{}", pod.log());
    // Empty lists are a wish, not a default: the pod's own limit can be written then.
    let script = "echo 5000000 > /proc/sys/kernel/shmmax";
    let container = pod.described(&Description::of(script)).expect("no lists");
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0, "{}", pod.log());
}

#[tokio::test]
async fn the_sysctls_of_a_pod_are_those_of_its_containers_alone() {
    let asked = [
        ("net.ipv4.ip_unprivileged_port_start", "77"),
        ("kernel/msgmax", "7777"),
    ];
    let asked = asked.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sysctls = podling_runtime::spec::sysctls(&asked.into(), &Namespaces::default());
    let sysctls = sysctls.expect("sysctls of the pod");
    let pod = Pod::with(|spec| spec.sysctls = sysctls).await;
    let mut pod = pod.expect("a pod");
    let script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax";
    let container = pod
        .described(&Description::of(script))
        .expect("a container");
    pod.launch(&container).await.expect("a launch");
    pod.ended(container.id()).await;
    assert_eq!(pod.log(), "stdout F 77\nstdout F 7777\n");
    let own = std::fs::read_to_string("/proc/sys/kernel/msgmax").expect("the node's own");
    assert_ne!(own.trim(), "7777");
}
