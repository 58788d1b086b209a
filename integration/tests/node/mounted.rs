//! How volumes and the files of the kubelet are seen in containers.

use std::fs;
use std::path::{Path, PathBuf};

use podling_integration::harness::Node;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
};
use serde_json::{Value, json};

use crate::{pod, said};

/// A folder of the host on a shared mount, which goes with everything mounted there.
struct Shared(PathBuf);

impl Shared {
    fn make(path: PathBuf) -> Self {
        fs::create_dir_all(path.join("host")).expect("the folder can be made");
        fs::create_dir_all(path.join("inside")).expect("the folder can be made");
        mount_bind(&path, &path).expect("a folder can be bound to itself");
        let shared = Self(path);
        mount_change(&shared.0, MountPropagationFlags::SHARED).expect("a mount can be shared");
        shared
    }

    fn mount_tmpfs(&self, below: &str) {
        let none = MountFlags::empty();
        mount("tmpfs", self.0.join(below), "tmpfs", none, None).expect("a tmpfs can be mounted");
    }

    fn is_mounted(path: &Path) -> bool {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("the table can be read");
        let wanted = format!(" {} tmpfs ", path.display());
        mounts.lines().any(|line| line.contains(&wanted))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // What is mounted below goes along; a failed test has nothing better to do.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

fn sleeper(image: &str, name: &str, mounts: Value) -> Value {
    json!({
        "name": name, "image": image, "command": ["sleep", "1000"], "volumeMounts": mounts,
    })
}

#[tokio::test]
async fn mounts_travel_between_host_and_containers_as_far_as_was_asked() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let shared = Shared::make(node.folder().join("shared"));
    let mounted = |name: &str, propagation: &str| {
        let mount = json!([{
            "name": "v", "mountPath": "/v", "mountPropagation": propagation,
        }]);
        sleeper(&image, name, mount)
    };
    let mut both = mounted("both", "Bidirectional");
    both["securityContext"] = json!({ "privileged": true });
    let spec = json!({
        "terminationGracePeriodSeconds": 1,
        "volumes": [{ "name": "v", "hostPath": { "path": shared.0 } }],
        "containers": [mounted("none", "None"), mounted("from", "HostToContainer"), both],
    });
    node.manifest("travel.yaml", &pod("travel", spec));
    node.wait_pod("travel", "is ready", |pod| pod.is_ready())
        .await;
    shared.mount_tmpfs("host");
    let inside = "mount -t tmpfs tmpfs /v/inside";
    said(&node, "travel", "both", inside);
    assert!(Shared::is_mounted(&shared.0.join("inside")));
    let seen = |container: &str| {
        let script =
            "grep -o ' /v/[a-z]* tmpfs' /proc/mounts | cut -d' ' -f2 | sort | tr '\\n' ' '";
        said(&node, "travel", container, script)
    };
    assert_eq!(seen("none"), "");
    assert_eq!(seen("from"), "/v/host /v/inside ");
    assert_eq!(seen("both"), "/v/host /v/inside ");
    node.remove_manifest("travel.yaml");
    node.wait_gone("travel").await;
    drop(shared);
    node.stop().await;
}

#[tokio::test]
async fn a_mount_that_is_not_shared_is_named_when_something_shall_travel() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let path = node.folder().join("private");
    let shared = Shared::make(path.clone());
    mount_change(&shared.0, MountPropagationFlags::PRIVATE).expect("a mount can be private");
    let mount = json!([{ "name": "v", "mountPath": "/v", "mountPropagation": "HostToContainer" }]);
    let spec = json!({
        "terminationGracePeriodSeconds": 1,
        "volumes": [{ "name": "v", "hostPath": { "path": path } }],
        "containers": [sleeper(&image, "main", mount)],
    });
    node.manifest("stuck.yaml", &pod("stuck", spec));
    let words = format!("is mounted on {}, which is not a shared", path.display());
    node.wait_pod("stuck", "says why", |pod| {
        let main = pod.main();
        main.is_some_and(|main| main.message().contains(&words))
    })
    .await;
    node.remove_manifest("stuck.yaml");
    node.wait_gone("stuck").await;
    drop(shared);
    node.stop().await;
}

#[tokio::test]
async fn a_volume_is_read_only_where_it_is_mounted_so_and_parts_are_named_by_variables() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let folder = node.folder().join("data");
    fs::create_dir(&folder).expect("the folder can be made");
    let mounts = json!([
        { "name": "v", "mountPath": "/ro", "readOnly": true },
        { "name": "v", "mountPath": "/rw" },
        { "name": "v", "mountPath": "/part", "subPathExpr": "of-$(NAME)" },
    ]);
    let mut main = sleeper(&image, "main", mounts);
    let name = json!({ "fieldRef": { "fieldPath": "metadata.name" } });
    main["env"] = json!([{ "name": "NAME", "valueFrom": name }]);
    let spec = json!({
        "terminationGracePeriodSeconds": 1,
        "volumes": [{ "name": "v", "hostPath": { "path": folder } }],
        "containers": [main],
    });
    node.manifest("volumes.yaml", &pod("volumes", spec));
    node.wait_pod("volumes", "is ready", |pod| pod.is_ready())
        .await;
    let script = "touch /ro/a 2>/dev/null || echo refused; touch /rw/b && ls /ro; echo c > /part/c";
    assert_eq!(
        said(&node, "volumes", "main", script),
        "refused\nb\nof-volumes-node\n"
    );
    let written = fs::read_to_string(folder.join("of-volumes-node/c"));
    assert_eq!(written.expect("it was written there"), "c\n");
    node.stop().await;
}

#[tokio::test]
async fn names_are_looked_up_in_the_pods_file_the_hosts_or_the_containers_own() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let aliases = json!([{ "ip": "10.1.2.3", "hostnames": ["foo.remote", "bar.remote"] }]);
    let own = node.folder().join("own-hosts");
    fs::write(&own, "10.9.9.9 own\n").expect("there is room");
    let spec = json!({
        "terminationGracePeriodSeconds": 1, "hostAliases": aliases,
        "volumes": [{ "name": "own", "hostPath": { "path": own } }],
        "containers": [
            sleeper(&image, "pods", json!([])),
            sleeper(&image, "own", json!([{ "name": "own", "mountPath": "/etc/hosts" }])),
        ],
    });
    node.manifest("named.yaml", &pod("named", spec));
    let of_host = json!({
        "terminationGracePeriodSeconds": 1, "hostAliases": aliases, "hostNetwork": true,
        "containers": [sleeper(&image, "main", json!([]))],
    });
    node.manifest("of-host.yaml", &pod("of-host", of_host));
    let named = node
        .wait_pod("named", "is ready", |pod| pod.is_ready())
        .await;
    let ip = named.ip().expect("a ready pod has an address");
    let pods = said(&node, "named", "pods", "cat /etc/hosts");
    assert!(
        pods.starts_with("# Kubernetes-managed hosts file.\n"),
        "{pods}"
    );
    let end = format!(
        "{ip}\tnamed-node\n\n# Entries added by HostAliases.\n10.1.2.3\tfoo.remote\tbar.remote\n"
    );
    assert!(pods.ends_with(&end), "{pods}");
    let shows = said(&node, "named", "own", "cat /etc/hosts");
    assert_eq!(shows, "10.9.9.9 own\n");

    node.wait_pod("of-host", "is ready", |pod| pod.is_ready())
        .await;
    let shows = said(&node, "of-host", "main", "cat /etc/hosts");
    let host = fs::read_to_string("/etc/hosts").expect("the machine has one");
    let expected = format!(
        "# Kubernetes-managed hosts file (host network).\n{host}\n\
         # Entries added by HostAliases.\n10.1.2.3\tfoo.remote\tbar.remote\n"
    );
    assert_eq!(shows, expected);
    node.stop().await;
}
