//! commands, simple-pod, two-container-pod, share-process-namespace, hostaliases, user namespaces.

use podling_integration::harness::{DEADLINE, http, wait_for};
use serde_json::json;

use super::{Site, example};

#[tokio::test]
async fn website_commands_replace_those_of_the_image() {
    let site = Site::start(&["busybox"]).await;
    let spec = json!({
        "containers": [{
            "name": "command-demo-container", "image": "debian",
            "command": ["sh"], "args": ["-c", "echo $HOSTNAME"],
        }],
        "restartPolicy": "OnFailure",
    });
    site.apply("commands", &[example("command-demo", spec)]);
    let said = site.output("command-demo", "command-demo-container").await;
    assert_eq!(said, "command-demo-node\n");
    site.node.stop().await;
}

#[tokio::test]
async fn website_two_containers_share_a_volume_and_one_serves_what_the_other_wrote() {
    let site = Site::start(&["busybox", "nginx"]).await;
    let page = "echo Hello from the debian container > /pod-data/index.html";
    let spec = json!({
        "restartPolicy": "Never",
        "volumes": [{ "name": "shared-data", "emptyDir": {} }],
        "containers": [
            {
                "name": "nginx-container", "image": "nginx",
                "volumeMounts": [{ "name": "shared-data", "mountPath": "/usr/share/nginx/html" }],
            },
            {
                "name": "debian-container", "image": "debian",
                "volumeMounts": [{ "name": "shared-data", "mountPath": "/pod-data" }],
                "command": ["/bin/sh"], "args": ["-c", page],
            },
        ],
    });
    site.apply("two-container-pod", &[example("two-containers", spec)]);
    let pod = site
        .node
        .wait_pod("two-containers", "one has ended and one runs", |pod| {
            let code = pod
                .container("debian-container")
                .and_then(|one| one.exit_code());
            code == Some(0)
                && pod
                    .container("nginx-container")
                    .is_some_and(|one| one.is_running())
        })
        .await;
    let address = (pod.ip().expect("it has one"), 80).into();
    let served = wait_for(DEADLINE, "the page is served", async || {
        http::get(address, "/").ok()
    })
    .await;
    assert_eq!(served.text(), "Hello from the debian container\n");
    site.node.stop().await;
}

#[tokio::test]
async fn website_containers_share_their_processes() {
    let site = Site::start(&["busybox", "nginx"]).await;
    let spec = json!({
        "shareProcessNamespace": true,
        "containers": [
            { "name": "nginx", "image": "nginx" },
            {
                "name": "shell", "image": "busybox:1.28", "command": ["sleep", "3600"],
                "securityContext": { "capabilities": { "add": ["SYS_PTRACE"] } },
                "stdin": true, "tty": true,
            },
        ],
    });
    site.apply("share-process-namespace", &[example("nginx", spec)]);
    site.ready("nginx").await;
    let shown = site.shell("nginx", "shell", "ps ax");
    for process in ["pause", "nginx: master process", "sleep 3600"] {
        assert!(shown.contains(process), "{process}: {shown}");
    }
    // The other container's files are behind its processes.
    let find = "for n in /proc/[0-9]*; do grep -q '[n]ginx: master' $n/cmdline && ls $n/root/etc/nginx/nginx.conf; done; true";
    assert!(
        site.shell("nginx", "shell", find)
            .contains("/root/etc/nginx/nginx.conf")
    );
    site.node.stop().await;
}

#[tokio::test]
async fn website_host_aliases_stand_in_etc_hosts() {
    let site = Site::start(&["busybox"]).await;
    let spec = json!({
        "restartPolicy": "Never",
        "hostAliases": [
            { "ip": "127.0.0.1", "hostnames": ["foo.local", "bar.local"] },
            { "ip": "10.1.2.3", "hostnames": ["foo.remote", "bar.remote"] },
        ],
        "containers": [{
            "name": "cat-hosts", "image": "busybox:1.28", "command": ["cat"], "args": ["/etc/hosts"],
        }],
    });
    site.apply("hostaliases-pod", &[example("hostaliases-pod", spec)]);
    let hosts = site.output("hostaliases-pod", "cat-hosts").await;
    assert!(
        hosts.starts_with("# Kubernetes-managed hosts file.\n"),
        "{hosts}"
    );
    let added = "# Entries added by HostAliases.\n127.0.0.1\tfoo.local\tbar.local\n10.1.2.3\tfoo.remote\tbar.remote\n";
    assert!(hosts.ends_with(added), "{hosts}");
    site.node.stop().await;
}

#[tokio::test]
async fn website_a_pod_without_the_hosts_users_has_a_namespace_of_its_own() {
    let site = Site::start(&["busybox"]).await;
    let spec = json!({
        "hostUsers": false,
        "containers": [{ "name": "shell", "command": ["sleep", "infinity"], "image": "debian" }],
    });
    site.apply("user-namespaces-stateless", &[example("userns", spec)]);
    site.ready("userns").await;
    let inside = site.shell(
        "userns",
        "shell",
        "readlink /proc/self/ns/user; cat /proc/self/uid_map",
    );
    let outside = std::fs::read_link("/proc/self/ns/user").expect("there is one");
    assert!(
        !inside.starts_with(&outside.display().to_string()),
        "{inside}"
    );
    let map: Vec<_> = inside
        .lines()
        .nth(1)
        .expect("a map")
        .split_whitespace()
        .collect();
    assert_eq!((map[0], map[2]), ("0", "65536"), "{inside}");
    assert_ne!(map[1], "0");
    site.node.stop().await;
}
