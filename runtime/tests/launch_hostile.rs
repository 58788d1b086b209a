//! Images and containers that try to reach the host.

mod pod;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender, TryRecvError};
use std::thread::{self, JoinHandle};

use podling_runtime::monitor::protocol::PodNamespace;
use serde_json::json;

use pod::{Pod, default_caps, process};

/// Places where a runtime mounts or makes something.
const PLACES: [&str; 6] = ["dev", "proc", "sys", "dev/pts", "dev/console", "dev/shm"];

#[tokio::test]
async fn an_image_full_of_symlinks_changes_nothing_on_the_host() {
    let mut pod = Pod::start().await;
    let canary = pod.dir.path().join("canary");
    fs::create_dir(&canary).expect("a directory of the host");
    let climb = Path::new("../../../../../../../../../..")
        .join(canary.strip_prefix("/").expect("absolute"));
    for place in PLACES {
        for target in [
            canary.as_path(),
            &climb,
            Path::new("/"),
            Path::new("/proc/self/root"),
        ] {
            let mut container = pod.container("true");
            let layer = pod.dir.path().join("hostile");
            let _ = fs::remove_dir_all(&layer);
            let link = layer.join(place);
            fs::create_dir_all(link.parent().expect("a parent")).expect("a layer");
            symlink(target, &link).expect("a symlink");
            container.request.overlay.lower.insert(0, layer);
            // Whether it starts is a matter of taste; what matters is where it writes.
            if pod.launch(&container).await.is_ok() {
                pod.ended(container.id()).await;
            }
            assert_eq!(
                fs::read_dir(&canary).expect("the canary").count(),
                0,
                "{place} {target:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_working_directory_is_made_inside_and_must_stay_there() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("pwd");
    container.spec["process"]["cwd"] = json!("/made/for/it");
    container.request.directories = vec!["/made/for/it".to_owned()];
    pod.launch(&container).await.expect("a launch");
    pod.ended(container.id()).await;
    assert_eq!(pod.log(), "stdout F /made/for/it\n");
    for fd in 3..24 {
        let mut container = pod.container("ls; exit 0");
        container.spec["process"]["cwd"] = json!(format!("/proc/self/fd/{fd}"));
        pod.launch(&container)
            .await
            .expect_err("a descriptor as working directory");
    }
}

#[tokio::test]
async fn programs_of_ours_cannot_be_overwritten_through_proc() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("sleep 1000");
    let path = format!("/proc/{}/ns/pid", pod.pause);
    container.spec["linux"]["namespaces"][0] = json!({"type": "pid", "path": path});
    let mut caps = default_caps();
    caps.as_array_mut()
        .expect("a list")
        .push(json!("CAP_SYS_PTRACE"));
    for set in ["bounding", "effective", "permitted"] {
        container.spec["process"]["capabilities"][set] = caps.clone();
    }
    pod.launch(&container).await.expect("a launch");
    let mut attack = process(&["sh", "-c", ": > /proc/1/exe"]);
    for set in [
        &mut attack.capabilities.bounding,
        &mut attack.capabilities.effective,
        &mut attack.capabilities.permitted,
    ] {
        *set |= 1 << 19;
    }
    let (output, code) = pod.exec(container.id(), attack).await.expect("an exec");
    assert_ne!(code, 0);
    assert!(output.contains("Read-only file system"), "{output}");
}

#[tokio::test]
async fn no_socket_of_ours_is_abstract() {
    let mut pod = Pod::with(|spec| spec.network = PodNamespace::Host)
        .await
        .expect("a pod");
    let container = pod.container("sleep 1000");
    pod.launch(&container).await.expect("a launch");
    let sockets = fs::read_to_string("/proc/net/unix").expect("the sockets");
    assert!(
        !sockets.contains(" @podling") && !sockets.contains(" @monitor"),
        "{sockets}"
    );
}

#[tokio::test]
async fn a_place_of_a_mount_that_is_swapped_meanwhile_leads_nowhere_on_the_host() {
    let mut pod = Pod::start().await;
    let canary = pod.dir.path().join("canary");
    fs::create_dir(&canary).expect("a directory of the host");
    let volume = pod.dir.path().join("volume");
    fs::create_dir_all(volume.join("inside")).expect("a directory");
    let climb = Path::new("../../../../../../../../../..")
        .join(canary.strip_prefix("/").expect("absolute"));
    let targets = [PathBuf::from("inside"), canary.clone(), climb];
    let (stop, swapper) = swap(volume.join("place"), volume.join("new"), targets);
    let tmpfs = json!({"destination": "/v/place/inner", "type": "tmpfs", "source": "tmpfs"});
    let bind = json!({"destination": "/v/place/bound", "type": "bind", "source": volume,
                      "options": ["rbind"]});
    for _ in 0..20 {
        let mut container = pod.container("exit 0");
        let mounts = container.spec["mounts"].as_array_mut().expect("mounts");
        mounts.push(
            json!({"destination": "/v", "type": "bind", "source": volume, "options": ["rbind"]}),
        );
        mounts.extend([tmpfs.clone(), bind.clone()]);
        // Whether it starts is a matter of luck; what matters is where it writes.
        if pod.launch(&container).await.is_ok() {
            pod.ended(container.id()).await;
        }
        assert_eq!(fs::read_dir(&canary).expect("the canary").count(), 0);
    }
    drop(stop);
    swapper.join().expect("the swapper");
}

/// Swaps what `link` leads to as fast as it can, until the sender is dropped.
fn swap(link: PathBuf, new: PathBuf, targets: [PathBuf; 3]) -> (Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = mpsc::channel();
    symlink(&targets[0], &link).expect("a symlink");
    let swapper = thread::spawn(move || {
        for target in targets.iter().cycle() {
            if stopped.try_recv() == Err(TryRecvError::Disconnected) {
                return;
            }
            symlink(target, &new).expect("a symlink");
            fs::rename(&new, &link).expect("a swap");
        }
    });
    (stop, swapper)
}
