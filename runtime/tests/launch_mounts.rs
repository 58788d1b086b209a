//! What a container's mounts show, and how mounts travel between it and the host.
//!
//! The test's thread, and so the monitor that it starts, lives in a mount namespace of its own: that
//! is the host here, and what is mounted on it goes with the thread.

mod pod;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use podling_runtime::monitor::LaunchError;
use podling_runtime::snapshot::ImageTree;
use podling_runtime::sys::mount;
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use serde_json::json;

use pod::{Container, Pod, default_caps, process, wait_until};

/// Makes this thread's mounts its own.
fn be_a_host() {
    mount::copy_mounts().expect("a mount namespace");
    mount::cut_off().expect("private mounts");
}

/// A directory that is a shared mount, made after the pod.
fn shared_directory(pod: &Pod) -> PathBuf {
    let dir = pod.dir.path().join("volume");
    fs::create_dir(&dir).expect("a directory");
    mount_bind(&dir, &dir).expect("a mount");
    mount_change(&dir, MountPropagationFlags::SHARED).expect("a shared mount");
    dir
}

fn bind(container: &mut Container, target: &str, source: &Path, option: &str) {
    let mounts = container.spec["mounts"].as_array_mut().expect("mounts");
    mounts.push(
        json!({"destination": target, "type": "bind", "source": source,
        "options": ["rbind", option]}),
    );
}

/// Lets the container mount things.
fn may_mount(container: &mut Container) {
    let mut caps = default_caps();
    caps.as_array_mut()
        .expect("a list")
        .push(json!("CAP_SYS_ADMIN"));
    for set in ["bounding", "effective", "permitted"] {
        container.spec["process"]["capabilities"][set] = caps.clone();
    }
}

/// A container that mounts something at `/v/inner`, over a directory bound with this option.
async fn mounting(pod: &mut Pod, volume: &Path, option: &str) -> Container {
    let script = "busybox mkdir /v/inner && mount -t tmpfs tmpfs /v/inner &&
        touch /v/inner/seen && echo mounted; sleep 1000";
    let mut container = pod.container(script);
    bind(&mut container, "/v", volume, option);
    may_mount(&mut container);
    container
}

/// Mounts something on the host below the volume; whether the container sees it.
async fn sees_host(pod: &Pod, container: &Container, volume: &Path) -> bool {
    let inner = volume.join("of-host");
    fs::create_dir(&inner).expect("a directory");
    mount::tmpfs(&inner, mount::PLAIN, "").expect("a tmpfs");
    fs::write(inner.join("seen"), "").expect("a file");
    let (_, code) = pod
        .exec(container.id(), process(&["ls", "/v/of-host/seen"]))
        .await
        .expect("an exec");
    code == 0
}

#[tokio::test]
async fn what_a_container_mounts_at_a_bidirectional_mount_appears_on_the_host() {
    be_a_host();
    let mut pod = Pod::start().await;
    let volume = shared_directory(&pod);
    let mut container = mounting(&mut pod, &volume, "rshared").await;
    container.spec["linux"]["rootfsPropagation"] = json!("shared");
    pod.launch(&container).await.expect("a launch");
    wait_until(|| volume.join("inner/seen").exists()).await;
    assert!(sees_host(&pod, &container, &volume).await);
    let table = fs::read_to_string("/proc/thread-self/mountinfo").expect("the mounts");
    let stray =
        |line: &str| line.contains(container.id().as_str()) || line.contains("/sys/fs/cgroup/1");
    assert!(!table.lines().any(stray), "{table}");
}

#[tokio::test]
async fn what_the_host_mounts_appears_in_a_container_that_asks_and_never_the_other_way() {
    be_a_host();
    let mut pod = Pod::start().await;
    let volume = shared_directory(&pod);
    let mut container = mounting(&mut pod, &volume, "rslave").await;
    container.spec["linux"]["rootfsPropagation"] = json!("slave");
    pod.launch(&container).await.expect("a launch");
    pod.wait_for_log("mounted").await;
    assert!(sees_host(&pod, &container, &volume).await);
    assert!(!volume.join("inner/seen").exists());
}

#[tokio::test]
async fn a_private_mount_stays_as_it_is_though_the_host_shares_its_own() {
    be_a_host();
    let mut pod = Pod::start().await;
    let volume = shared_directory(&pod);
    let container = mounting(&mut pod, &volume, "rprivate").await;
    pod.launch(&container).await.expect("a launch");
    pod.wait_for_log("mounted").await;
    assert!(!sees_host(&pod, &container, &volume).await);
    assert!(!volume.join("inner/seen").exists());
}

#[tokio::test]
async fn a_volume_that_was_mounted_after_the_pod_was_made_is_there() {
    be_a_host();
    let mut pod = Pod::start().await;
    let volume = pod.dir.path().join("volume");
    fs::create_dir(&volume).expect("a directory");
    mount::tmpfs(&volume, mount::PLAIN, "").expect("a tmpfs");
    fs::write(volume.join("late"), "").expect("a file");
    let mut container = pod.container("ls /v");
    bind(&mut container, "/v", &volume, "rprivate");
    pod.launch(&container).await.expect("a launch");
    pod.ended(container.id()).await;
    assert_eq!(pod.log(), "stdout F late\n");
}

#[tokio::test]
async fn read_only_reaches_what_is_mounted_below_when_asked() {
    be_a_host();
    let mut pod = Pod::start().await;
    let volume = pod.dir.path().join("volume");
    fs::create_dir_all(volume.join("below")).expect("a directory");
    mount::tmpfs(&volume.join("below"), mount::PLAIN, "").expect("a tmpfs");
    for (option, code) in [("ro", 0), ("rro", 1)] {
        let mut container = pod.container("touch /v/below/x");
        bind(&mut container, "/v", &volume, option);
        pod.launch(&container).await.expect("a launch");
        assert_eq!(pod.ended(container.id()).await.code, code, "{option}");
    }
}

#[tokio::test]
async fn mount_options_hold() {
    let mut pod = Pod::start().await;
    let volume = pod.dir.path().join("layer");
    for (option, code) in [("rprivate", 0), ("noexec", 126)] {
        let mut container = pod.container("/v/bin/busybox true");
        bind(&mut container, "/v", &volume, option);
        pod.launch(&container).await.expect("a launch");
        assert_eq!(pod.ended(container.id()).await.code, code, "{option}");
    }
    let mut container = pod.container("grep ' /v ' /proc/self/mountinfo");
    bind(&mut container, "/v", &volume, "nosuid");
    pod.launch(&container).await.expect("a launch");
    pod.ended(container.id()).await;
    assert!(pod.log().contains("nosuid"), "{}", pod.log());
}

#[tokio::test]
async fn the_hosts_cgroups_can_be_mounted_beside_the_containers_own() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("ls /host /sys/fs/cgroup");
    bind(
        &mut container,
        "/host",
        Path::new("/sys/fs/cgroup"),
        "rprivate",
    );
    pod.launch(&container).await.expect("a launch");
    pod.ended(container.id()).await;
    for entry in fs::read_dir("/sys/fs/cgroup").expect("the cgroups") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        assert!(pod.log().contains(&*name), "{name}: {}", pod.log());
    }
}

#[tokio::test]
async fn a_file_over_a_directory_is_an_error_that_names_both() {
    let mut pod = Pod::start().await;
    let file = pod.dir.path().join("file");
    fs::write(&file, "").expect("a file");
    let mut container = pod.container("true");
    bind(&mut container, "/tmp", &file, "rprivate");
    let error = match pod.launch(&container).await {
        Err(LaunchError::Failed(failure)) => failure.message,
        other => panic!("{other:?}"),
    };
    for part in ["/file", "\"/tmp\"", "directory onto a file (or vice-versa)"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

/// An image of two layers, the upper of which has a link that leads out of it.
fn image(pod: &Pod, destination: &str, sub_path: &str) -> ImageTree {
    let (below, above) = (pod.dir.path().join("below"), pod.dir.path().join("above"));
    fs::create_dir_all(below.join("etc")).expect("a layer");
    fs::create_dir_all(above.join("etc")).expect("a layer");
    fs::write(below.join("etc/below"), "").expect("a file");
    fs::write(above.join("etc/above"), "inside").expect("a file");
    fs::copy("/bin/busybox", above.join("etc/busybox")).expect("busybox-static is installed");
    let _ = symlink("/etc", above.join("link"));
    ImageTree {
        destination: destination.into(),
        lower: vec![above, below],
        sub_path: sub_path.to_owned(),
    }
}

fn mount_image(container: &mut Container, image: ImageTree) {
    let target = image.destination.clone();
    let mounts = container.spec["mounts"].as_array_mut().expect("mounts");
    mounts.push(
        json!({"destination": target, "type": "bind", "source": "sha256:image",
        "options": ["rbind", "rprivate", "ro"]}),
    );
    container.request.image_volumes.push(image);
}

#[tokio::test]
async fn an_image_is_shown_read_only_and_whole_or_in_part() {
    let mut pod = Pod::start().await;
    let mut container = pod.container(
        "ls /whole/etc /part && cat /file /link/above && /part/busybox true &&
         ! touch /whole/x && ! touch /part/x && ! touch /file",
    );
    for (destination, sub_path) in [
        ("/whole", ""),
        ("/part", "etc"),
        ("/file", "etc/above"),
        ("/link", "link"),
    ] {
        mount_image(&mut container, image(&pod, destination, sub_path));
    }
    let one_layer = ImageTree {
        lower: vec![pod.dir.path().join("below")],
        ..image(&pod, "/one", "")
    };
    mount_image(&mut container, one_layer);
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0, "{}", pod.log());
    assert_eq!(pod.log().matches("F below").count(), 2, "{}", pod.log());
    assert_eq!(pod.log().matches("inside").count(), 2, "{}", pod.log());
}

#[tokio::test]
async fn a_container_that_may_do_everything_cannot_change_an_image_that_it_is_shown() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("mount -o remount,rw /v; touch /v/etc/x");
    mount_image(&mut container, image(&pod, "/v", ""));
    may_mount(&mut container);
    pod.launch(&container).await.expect("a launch");
    assert_ne!(pod.ended(container.id()).await.code, 0);
    assert!(!pod.dir.path().join("above/etc/x").exists());
}
