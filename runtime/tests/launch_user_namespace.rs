//! Pods with a user namespace: what their containers are, see and leave behind.

mod pod;

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use podling_runtime::model::config::UserNamespace;
use podling_runtime::monitor::protocol::{PauseUser, PodNamespace};
use podling_runtime::snapshot::ImageTree;
use serde_json::{Value, json};

use pod::{Container, Pod, process};

const IDS: UserNamespace = UserNamespace {
    uid: 100_000,
    gid: 200_000,
    length: 65_536,
};

async fn pod_with(ids: UserNamespace) -> Pod {
    let pod = Pod::with(|spec| {
        spec.user_namespace = Some(ids);
        spec.sysctls.insert(
            "net/ipv4/ip_unprivileged_port_start".to_owned(),
            "80".to_owned(),
        );
        spec.sysctls
            .insert("kernel/shm_rmid_forced".to_owned(), "1".to_owned());
        let last = 65_535.min(ids.length - 1);
        spec.user = PauseUser {
            uid: last,
            gid: last,
            groups: Vec::new(),
        };
    });
    pod.await.expect("a pod")
}

/// A container in the pod's user namespace.
fn container(pod: &mut Pod, script: &str) -> Container {
    let mut container = pod.container(script);
    let path = format!("/proc/{}/ns/user", pod.pause);
    let namespaces = container.spec["linux"]["namespaces"].as_array_mut();
    namespaces
        .expect("namespaces")
        .push(json!({"type": "user", "path": path}));
    container.request.owner = (IDS.uid, IDS.gid);
    chown(
        &container.request.overlay.upper,
        Some(IDS.uid),
        Some(IDS.gid),
    )
    .expect("an owner");
    container
}

fn mappings() -> (Value, Value) {
    let mapping = |host: u32| json!([{"containerID": 0, "hostID": host, "size": IDS.length}]);
    (mapping(IDS.uid), mapping(IDS.gid))
}

fn bind(container: &mut Container, target: &str, source: &Path, options: &[&str]) {
    let (uids, gids) = mappings();
    let mounts = container.spec["mounts"].as_array_mut().expect("mounts");
    mounts.push(
        json!({"destination": target, "type": "bind", "source": source,
        "options": options, "uidMappings": uids, "gidMappings": gids}),
    );
}

async fn succeeds(pod: &mut Pod, script: &str) {
    let container = container(pod, script);
    pod.launch(&container).await.expect("a launch");
    let record = pod.ended(container.id()).await;
    assert_eq!(record.code, 0, "{}", pod.log());
}

#[tokio::test]
async fn root_of_a_container_is_nobody_on_the_host() {
    let mut pod = pod_with(IDS).await;
    let script =
        "cat /proc/self/uid_map /proc/self/gid_map; touch /made /tmp/made; id -u; sleep 1000";
    let container = container(&mut pod, script);
    let pid = pod.launch(&container).await.expect("a launch");
    pod.wait_for_log("stdout F 0\n").await;
    let log = pod.log();
    for (first, length) in [(IDS.uid, IDS.length), (IDS.gid, IDS.length)] {
        let words = ["0".to_owned(), first.to_string(), length.to_string()];
        let is_there = |line: &str| line.split_whitespace().skip(2).eq(words.iter());
        assert!(log.lines().any(is_there), "{words:?}: {log}");
    }
    let process = fs::metadata(format!("/proc/{pid}")).expect("the process");
    assert_eq!((process.uid(), process.gid()), (IDS.uid, IDS.gid));
    let upper = &container.request.overlay.upper;
    for made in ["made", "tmp/made"] {
        let made = fs::metadata(upper.join(made)).expect("a file");
        assert_eq!((made.uid(), made.gid()), (IDS.uid, IDS.gid));
    }
    for namespace in ["user", "net", "ipc", "uts"] {
        let of = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/{namespace}")).expect("a link");
        assert_eq!(of(pid), of(pod.pause), "{namespace}");
    }
}

#[tokio::test]
async fn the_image_and_the_kernels_files_are_as_elsewhere() {
    let mut pod = pod_with(IDS).await;
    succeeds(
        &mut pod,
        "set -e
         [ $(busybox stat -c %u:%g /bin/busybox) = 0:0 ]
         busybox chown 7:8 /bin/not-executable
         [ $(busybox stat -c %u:%g /bin/not-executable) = 7:8 ]
         echo x > /dev/null; head -c 1 /dev/zero > /dev/null
         ls /dev/pts/ptmx /sys/class/net/lo /sys/fs/cgroup
         [ $(cat /proc/sys/net/ipv4/ip_unprivileged_port_start) = 80 ]
         [ $(cat /proc/sys/kernel/shm_rmid_forced) = 1 ]
         [ $(hostname) = test-pod ]
         [ $(umask) = 0022 ]
         echo x > /dev/shm/x || [ $? = 1 ]
         mount -t tmpfs tmpfs /tmp && exit 1
         busybox ip link set lo up && exit 1
         ! touch /proc/sys/kernel/hostname",
    )
    .await;
}

#[tokio::test]
async fn the_pods_own_processes_are_root_of_its_namespaces_and_of_nothing_else() {
    let mut pod = pod_with(IDS).await;
    let mut container = container(
        &mut pod,
        "busybox ip link set lo up && mount -t tmpfs tmpfs /tmp && ! head -c 1 /host/secret",
    );
    let secret = pod.dir.path().join("host");
    fs::create_dir(&secret).expect("a directory");
    fs::write(secret.join("secret"), "x").expect("a file");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(secret.join("secret"), mode).expect("a mode");
    let mounts = container.spec["mounts"].as_array_mut().expect("mounts");
    mounts.push(
        json!({"destination": "/host", "type": "bind", "source": secret, "options": ["rbind"]}),
    );
    for set in ["bounding", "effective", "permitted"] {
        let caps = container.spec["process"]["capabilities"][set].as_array_mut();
        let caps = caps.expect("a set");
        caps.extend([json!("CAP_SYS_ADMIN"), json!("CAP_NET_ADMIN")]);
    }
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0, "{}", pod.log());
}

#[tokio::test]
async fn a_volume_has_the_same_owners_inside_as_on_the_host() {
    let mut pod = pod_with(IDS).await;
    let volume = pod.dir.path().join("volume");
    fs::create_dir(&volume).expect("a directory");
    fs::write(volume.join("old"), "").expect("a file");
    chown(volume.join("old"), Some(33), Some(34)).expect("an owner");
    let mut container = container(
        &mut pod,
        "[ $(busybox stat -c %u:%g /v/old) = 33:34 ] && touch /v/new && busybox chown 5:6 /v/new",
    );
    bind(&mut container, "/v", &volume, &["rbind", "rprivate"]);
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0, "{}", pod.log());
    let made = fs::metadata(volume.join("new")).expect("a file");
    assert_eq!((made.uid(), made.gid()), (5, 6));
}

#[tokio::test]
async fn a_file_system_that_cannot_show_other_ids_is_named() {
    let mut pod = pod_with(IDS).await;
    let mut container = container(&mut pod, "true");
    bind(&mut container, "/v", Path::new("/proc/sys"), &["rbind"]);
    let error = pod
        .launch(&container)
        .await
        .expect_err("no idmapped procfs")
        .to_string();
    assert!(
        error.contains("/v") && error.contains("ids of the pod's user namespace"),
        "{error}"
    );
}

#[tokio::test]
async fn a_device_is_the_hosts_of_that_name_or_refused() {
    let mut pod = pod_with(IDS).await;
    let device = |path: &str| json!([{"path": path, "type": "c", "major": 1, "minor": 8}]);
    let mut container = container(&mut pod, "head -c 1 /dev/random > /dev/null");
    container.spec["linux"]["devices"] = device("/dev/random");
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0, "{}", pod.log());
    let mut container = self::container(&mut pod, "true");
    container.spec["linux"]["devices"] = device("/dev/zero");
    let error = pod
        .launch(&container)
        .await
        .expect_err("another device")
        .to_string();
    assert!(
        error.contains("/dev/zero") && error.contains("its host's name"),
        "{error}"
    );
}

#[tokio::test]
async fn an_image_volume_is_roots() {
    let mut pod = pod_with(IDS).await;
    let layer = pod.dir.path().join("image");
    fs::create_dir(&layer).expect("a layer");
    fs::write(layer.join("model"), "").expect("a file");
    let mut container = container(&mut pod, "[ $(busybox stat -c %u /v/model) = 0 ]");
    let mounts = container.spec["mounts"].as_array_mut().expect("mounts");
    mounts.push(
        json!({"destination": "/v", "type": "bind", "source": "image", "options": ["rbind", "ro"]}),
    );
    container.request.image_volumes = vec![ImageTree {
        destination: "/v".into(),
        lower: vec![layer],
        sub_path: String::new(),
    }];
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0, "{}", pod.log());
}

#[tokio::test]
async fn an_exec_is_in_the_same_user_namespace_with_the_same_rights() {
    let mut pod = pod_with(IDS).await;
    let show = "readlink /proc/self/ns/user; grep -E 'Uid|Gid|Groups|Cap|Seccomp:|NoNew' /proc/self/status; cat /proc/self/oom_score_adj";
    let mut container = container(&mut pod, &format!("{show}; sleep 1000"));
    container.spec["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["acct"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]});
    container.spec["process"]["oomScoreAdj"] = json!(500);
    container.spec["process"]["user"]["additionalGids"] = json!([0]);
    pod.launch(&container).await.expect("a launch");
    pod.wait_for_log("stdout F 500\n").await;
    let mut command = process(&["sh", "-c", show]);
    command.seccomp = true;
    command.groups = vec![0];
    command.oom_score_adj = Some(500);
    let (output, code) = pod.exec(container.id(), command).await.expect("an exec");
    assert_eq!(code, 0, "{output}");
    let first: String = pod.log().replace("stdout F ", "");
    assert_eq!(output, first);
    let made = process(&["touch", "/made-by-exec"]);
    pod.exec(container.id(), made).await.expect("an exec");
    let made = container.request.overlay.upper.join("made-by-exec");
    assert_eq!(fs::metadata(made).expect("a file").uid(), IDS.uid);
}

#[tokio::test]
async fn a_user_of_a_container_and_its_working_directory_exist() {
    let mut pod = pod_with(IDS).await;
    let mut container = container(
        &mut pod,
        "pwd && ! touch x && [ $(busybox stat -c %u .) = 0 ]; id -u",
    );
    container.spec["process"]["user"] = json!({"uid": 1000, "gid": 1001, "additionalGids": [1001]});
    container.spec["process"]["cwd"] = json!("/made/for/it");
    container.request.directories = vec!["/made/for/it".to_owned()];
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0, "{}", pod.log());
    assert!(
        pod.log().contains("/made/for/it\nstdout F 1000\n") || pod.log().contains("1000"),
        "{}",
        pod.log()
    );
}

#[tokio::test]
async fn a_read_only_root_is_read_only_and_the_pods_files_are_seen() {
    let mut pod = pod_with(IDS).await;
    let hosts = pod.dir.path().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n").expect("a file");
    let mut container = container(
        &mut pod,
        "! touch /x && cat /etc/hosts && [ $(busybox stat -c %u /etc/hosts) = 0 ] && ! touch /etc/hosts",
    );
    container.spec["root"]["readonly"] = json!(true);
    bind(
        &mut container,
        "/etc/hosts",
        &hosts,
        &["rbind", "rprivate", "ro"],
    );
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0, "{}", pod.log());
}

#[tokio::test]
async fn a_namespace_of_few_ids_is_enough_for_a_container_of_root() {
    let ids = UserNamespace { length: 1, ..IDS };
    let mut pod = pod_with(ids).await;
    let pause = fs::metadata(format!("/proc/{}", pod.pause)).expect("pause");
    assert_eq!(pause.uid(), IDS.uid);
    let mut container = container(&mut pod, "id -u");
    let terminals = |mount: &Value| mount["destination"] != json!("/dev/pts");
    container.spec["mounts"]
        .as_array_mut()
        .expect("mounts")
        .retain(terminals);
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0, "{}", pod.log());
}

#[tokio::test]
async fn a_pod_on_the_hosts_network_shows_the_hosts_sys() {
    let pod = Pod::with(|spec| {
        spec.user_namespace = Some(IDS);
        spec.network = PodNamespace::Host;
    });
    let mut pod = pod.await.expect("a pod");
    let mut container = container(
        &mut pod,
        "ls /sys/class/net && ! touch /sys/kernel/uevent_helper",
    );
    let namespaces = container.spec["linux"]["namespaces"].as_array_mut();
    let is_pods = |one: &Value| one["type"] != json!("network") && one["type"] != json!("uts");
    namespaces.expect("namespaces").retain(is_pods);
    let mounts = container.spec["mounts"].as_array_mut().expect("mounts");
    let sys = mounts
        .iter_mut()
        .find(|mount| mount["destination"] == json!("/sys"));
    *sys.expect("/sys") = json!({"destination": "/sys", "type": "bind", "source": "/sys",
        "options": ["rbind", "nosuid", "noexec", "nodev", "rro"]});
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0, "{}", pod.log());
}
