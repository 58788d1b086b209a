//! The node itself: started, killed, asked, and stopped without a trace.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::containerd::{self, Containerd};
use super::cri::Cri;
use super::daemon::{self, Daemon, Over, Start};
use super::http::{self, Answer};
use super::pod::Pod;
use super::programs::{image_archive, program};
use super::range::Range;
use super::wait::{DEADLINE, try_for, wait_for};
use super::{leftovers, processes};
use crate::images::testbox::testbox_image;
use crate::images::{Layout, local_name};

/// How a node differs from the usual one.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How its daemon is started.
    pub start: Start,
    /// A directory to use as root, instead of a fresh one; it is not removed.
    pub root: Option<PathBuf>,
}

/// A private node.
#[derive(Debug)]
pub struct Node {
    daemon: Option<Daemon>,
    /// Its runtime, when that is not podling's.
    containerd: Option<Containerd>,
    range: Range,
    root: PathBuf,
    folder: TempDir,
    is_stopped: bool,
}

impl Node {
    /// Starts a node and waits until it answers.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Starts a node that differs from the usual one.
    pub async fn start_with(options: Options) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test runs a node: run it as root"
        );
        leftovers::sweep();
        let folder = tempfile::Builder::new().prefix("podling-test-").tempdir();
        let folder = folder.expect("a temporary directory can be made");
        let root = options.root.unwrap_or_else(|| folder.path().join("root"));
        fs::create_dir_all(root.join("etc/podling/manifests")).expect("the root can be made");
        let range = Range::take();
        range.keep(folder.path());
        let containerd = match containerd::is_wanted() {
            true => Some(Containerd::start(&root, &range).await),
            false => None,
        };
        let mut node = Self {
            daemon: None,
            containerd,
            range,
            root,
            folder,
            is_stopped: false,
        };
        node.restart_with(&options.start).await;
        node
    }

    /// The directory below which everything of the node lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its network range, bridge and cgroup.
    pub fn range(&self) -> &Range {
        &self.range
    }

    /// A directory of this test, beside the root.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A process that sees the mounts that the daemon sees; nothing when those are the machine's.
    pub fn namespace(&self) -> Option<u32> {
        self.containerd.as_ref().map(Containerd::pid)
    }

    /// The daemon's process id.
    pub fn daemon_pid(&self) -> u32 {
        self.daemon.as_ref().expect("the daemon runs").pid()
    }

    /// Kills the daemon with SIGKILL. Pods go on.
    pub fn kill9(&mut self) {
        self.daemon.take().expect("the daemon runs").kill9();
    }

    /// Waits until the daemon has killed itself at its fail point.
    pub async fn wait_killed(&mut self) {
        let mut daemon = self.daemon.take().expect("the daemon runs");
        let status = daemon.wait(DEADLINE).await;
        assert!(
            !status.success(),
            "the daemon ended in peace instead of at its fail point"
        );
    }

    /// Starts the daemon again, as it usually is.
    pub async fn restart(&mut self) {
        self.restart_with(&Start::default()).await;
    }

    /// Starts the daemon again, and waits until it answers or dies at its fail point.
    pub async fn restart_with(&mut self, start: &Start) {
        // A stale socket must not be taken for the new kubelet's.
        let _ = fs::remove_file(self.kubelet_socket());
        let over = self.containerd.as_ref().map(|containerd| Over {
            socket: containerd.socket(),
            wrapper: containerd.wrapper(),
        });
        let mut daemon = Daemon::spawn(&self.root, &self.range, &self.log(), start, over.as_ref());
        let is_up = try_for(DEADLINE, async || {
            if start.failpoint.is_none() {
                daemon.assert_alive();
            }
            self.is_answering().await.then_some(())
        });
        if start.failpoint.is_none() {
            assert!(
                is_up.await.is_some(),
                "the node does not answer:\n{}",
                daemon::tail(&self.log())
            );
        } else {
            is_up.await;
        }
        self.daemon = Some(daemon);
    }

    /// gRPC clients on the node's socket.
    pub async fn cri(&self) -> Cri {
        Cri::connect(&self.socket())
            .await
            .expect("the node's socket takes connections")
    }

    /// Imports the `testbox` image and returns its name.
    pub async fn import_testbox(&self) -> String {
        self.import_testbox_of("").await
    }

    /// The same with an image that names its user, unless that is empty.
    pub async fn import_testbox_of(&self, user: &str) -> String {
        let name = local_name("testbox");
        let program = fs::read(program("podling-testbox")).expect("the testbox can be read");
        let mut image = testbox_image(&program);
        user.clone_into(&mut image.settings.user);
        let image = image.build();
        let archive = self.folder().join("testbox.oci.tar");
        fs::write(&archive, Layout::of(&name, &image.content()).tar(0)).expect("there is room");
        self.import(&archive).await;
        name
    }

    /// Imports an image that was built from Debian packages and returns its name.
    pub async fn import_debian(&self, name: &str) -> String {
        self.import(&image_archive(name)).await;
        local_name(name)
    }

    async fn import(&self, archive: &Path) {
        if let Some(containerd) = &self.containerd {
            return containerd.import(archive);
        }
        let imported = self.cri().await.import(archive).await;
        let archive = archive.display();
        imported.unwrap_or_else(|status| panic!("import {archive}: {}", status.message()));
    }

    /// Writes a manifest; the file appears at once and whole.
    pub fn manifest(&self, name: &str, text: &str) {
        let hidden = self.manifests().join(format!(".{name}"));
        fs::write(&hidden, text).expect("the manifest can be written");
        fs::rename(hidden, self.manifests().join(name)).expect("the manifest can be renamed");
    }

    /// Deletes a manifest.
    pub fn remove_manifest(&self, name: &str) {
        fs::remove_file(self.manifests().join(name)).expect("the manifest is there");
    }

    /// Every pod of the kubelet.
    pub fn pods(&self) -> Vec<Pod> {
        let list = self
            .kubelet("/pods")
            .and_then(|answer| serde_json::from_slice(&answer.body).ok());
        let list: Value = list.unwrap_or_default();
        list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .cloned()
            .map(Pod)
            .collect()
    }

    /// The pod of a manifest, whose name is completed with the node's.
    pub fn pod(&self, name: &str) -> Option<Pod> {
        self.pods()
            .into_iter()
            .find(|pod| pod.name() == format!("{name}-node"))
    }

    /// Waits until a pod is as `is_so` wants it; panics with the pod and the daemon's log.
    pub async fn wait_pod(&self, name: &str, what: &str, is_so: impl Fn(&Pod) -> bool) -> Pod {
        match try_for(DEADLINE, async || self.pod(name).filter(&is_so)).await {
            Some(pod) => pod,
            None => panic!(
                "pod {name}: {what}: not seen; its status: {:#}\nthe end of the log:\n{}",
                self.pod(name)
                    .map(|pod| pod.0["status"].clone())
                    .unwrap_or_default(),
                daemon::tail(&self.log())
            ),
        }
    }

    /// Waits until the kubelet and the runtime have forgotten a pod.
    pub async fn wait_gone(&self, name: &str) {
        let cri = self.cri().await;
        wait_for(DEADLINE, &format!("pod {name} is gone"), async || {
            let of_it = |n: &str| n == format!("{name}-node");
            let sandboxes = cri.sandboxes().await;
            let is_left = sandboxes
                .iter()
                .any(|s| s.metadata.as_ref().is_some_and(|m| of_it(&m.name)));
            (self.pod(name).is_none() && !is_left).then_some(())
        })
        .await;
    }

    /// Asks the kubelet, as root on this machine.
    pub fn kubelet(&self, path: &str) -> Option<Answer> {
        http::get_local(&self.kubelet_socket(), path).ok()
    }

    /// Where the kubelet listens: `secure`, or `address` for the read-only port.
    pub fn kubelet_port(&self, name: &str) -> SocketAddr {
        let file = self.root.join("run/podling/kubelet.json");
        let text = fs::read(file).expect("the kubelet has written its addresses");
        let written: Value = serde_json::from_slice(&text).expect("they are JSON");
        let address = written[name].as_str().expect("it listens there");
        address.parse().expect("it is an address")
    }

    /// The log of a container through the kubelet.
    pub fn logs(&self, pod: &Pod, container: &str) -> String {
        let path = format!("/containerLogs/default/{}/{container}", pod.name());
        self.kubelet(&path)
            .map(|answer| answer.text())
            .unwrap_or_default()
    }

    /// Runs the podling command against this node.
    pub fn podling(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("podling starts")
    }

    /// The podling command against this node, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("podling"));
        command
            .arg("--root")
            .arg(&self.root)
            .args(arguments)
            .env_remove("PODLING_ROOT");
        command
    }

    /// What the daemons of this node have logged.
    pub fn daemon_log(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Ends every pod and the daemon, and fails when anything is left.
    pub async fn stop(mut self) {
        // Only a daemon that was started so ends its pods, and this one may have been killed.
        if let Some(mut daemon) = self.daemon.take() {
            daemon.terminate();
            daemon.wait(DEADLINE).await;
        }
        for manifest in fs::read_dir(self.manifests())
            .into_iter()
            .flatten()
            .flatten()
        {
            let _ = fs::remove_file(manifest.path());
        }
        // They would be waited for as long as their pods allow, in most stories for half a minute.
        processes::kill(&processes::deaf(&self.range.cgroup()));
        self.restart_with(&Start {
            ends_pods: true,
            ..Start::default()
        })
        .await;
        if self.containerd.is_some() {
            // A kubelet that is alone leaves its pods: they go with their manifests.
            let cri = self.cri().await;
            let directories = self.root.join("var/lib/podling/kubelet/pods");
            wait_for(DEADLINE, "the last pod is gone", async || {
                let mut left = fs::read_dir(&directories).into_iter().flatten();
                (cri.sandboxes().await.is_empty() && left.next().is_none()).then_some(())
            })
            .await;
        }
        let mut daemon = self.daemon.take().expect("it was just started");
        daemon.terminate();
        let status = daemon.wait(DEADLINE).await;
        assert!(
            status.success(),
            "podling ended with {status}:\n{}",
            daemon::tail(&self.log())
        );

        if let Some(containerd) = self.containerd.take() {
            containerd.stop().await;
            // Its kubelet leaves the tree of its cgroups, as upstream's does.
            leftovers::remove_cgroups(&self.range.cgroup());
        }
        let nothing = try_for(DEADLINE, async || {
            leftovers::of(&self.root, &self.range)
                .is_empty()
                .then_some(())
        });
        let is_clean = nothing.await.is_some();
        let left = leftovers::of(&self.root, &self.range);
        assert!(
            is_clean,
            "left behind:\n{}\n{}",
            left.join("\n"),
            daemon::tail(&self.log())
        );
        self.is_stopped = true;
    }

    async fn is_answering(&self) -> bool {
        let is_healthy = self
            .kubelet("/healthz")
            .is_some_and(|answer| answer.status == 200);
        is_healthy && Cri::connect(&self.socket()).await.is_ok()
    }

    fn kubelet_socket(&self) -> PathBuf {
        self.root.join("run/podling/kubelet.sock")
    }

    fn socket(&self) -> PathBuf {
        match &self.containerd {
            Some(containerd) => containerd.socket(),
            None => self.root.join("run/podling/podling.sock"),
        }
    }

    fn manifests(&self) -> PathBuf {
        self.root.join("etc/podling/manifests")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("podling.log")
    }
}

impl Drop for Node {
    /// The way out of a test that failed: by force, and without complaints.
    fn drop(&mut self) {
        if self.is_stopped {
            return;
        }
        drop(self.daemon.take());
        drop(self.containerd.take());
        for _ in 0..3 {
            processes::kill(&processes::of_node(&self.root, &self.range.cgroup()));
        }
        // What a driver of the story has mounted would keep its folder from being removed.
        leftovers::remove_mounts(&self.root);
        leftovers::remove_mounts(self.folder.path());
        leftovers::remove_network(&self.range);
        leftovers::remove_cgroups(&self.range.cgroup());
    }
}
