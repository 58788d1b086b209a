//! Where everything lies: every path of the runtime is made here, below one root.
#![deny(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};

use crate::model::{ContainerId, SandboxId};

/// The paths of one runtime. Two runtimes with different roots share no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Paths below `root`, which must be absolute; `/` gives the usual system paths.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Run state: sockets, monitors, exit records. Worthless after a reboot.
    pub fn run_dir(&self) -> PathBuf {
        self.root.join("run/podling")
    }

    /// The CRI socket.
    pub fn socket(&self) -> PathBuf {
        self.run_dir().join("podling.sock")
    }

    /// Held by the one daemon of this root.
    pub fn daemon_lock(&self) -> PathBuf {
        self.run_dir().join("daemon.lock")
    }

    /// Parent of every sandbox's run directory.
    pub fn sandbox_run_dirs(&self) -> PathBuf {
        self.run_dir().join("sandboxes")
    }

    /// Run directory of one sandbox: its monitor's socket, lock, /dev/shm and exit records.
    pub fn sandbox_run_dir(&self, id: &SandboxId) -> PathBuf {
        self.sandbox_run_dirs().join(id.as_str())
    }

    /// What an OCI runtime keeps of a sandbox's containers.
    pub fn oci_state_dir(&self, id: &SandboxId) -> PathBuf {
        self.sandbox_run_dir(id).join("oci")
    }

    /// Durable state.
    pub fn state_dir(&self) -> PathBuf {
        self.root.join("var/lib/podling")
    }

    /// Parent of every sandbox's state directory.
    pub fn sandbox_dirs(&self) -> PathBuf {
        self.state_dir().join("sandboxes")
    }

    /// State directory of one sandbox: its record, hostname and resolv.conf.
    pub fn sandbox_dir(&self, id: &SandboxId) -> PathBuf {
        self.sandbox_dirs().join(id.as_str())
    }

    /// Parent of every container's state directory.
    pub fn container_dirs(&self) -> PathBuf {
        self.state_dir().join("containers")
    }

    /// State directory of one container: its record, OCI spec and writable layer.
    pub fn container_dir(&self, id: &ContainerId) -> PathBuf {
        self.container_dirs().join(id.as_str())
    }

    /// The image store.
    pub fn images(&self) -> PathBuf {
        self.state_dir().join("images")
    }

    /// Directories that say where each registry's images are fetched from; the first that is there
    /// counts, so that a node which was containerd's goes on with what is configured.
    pub fn registry_certs(&self) -> [PathBuf; 2] {
        ["etc/podling/certs.d", "etc/containerd/certs.d"].map(|dir| self.root.join(dir))
    }

    /// Compiled seccomp profiles; on the file system of the containers, so that they can be linked.
    pub fn seccomp_cache(&self) -> PathBuf {
        self.state_dir().join("seccomp")
    }

    /// Where vendors describe their devices, the one that wins last.
    pub fn cdi_dirs(&self) -> Vec<PathBuf> {
        vec![self.root.join("etc/cdi"), self.root.join("var/run/cdi")]
    }

    /// Where plugins of the Node Resource Interface connect.
    pub fn nri_socket(&self) -> PathBuf {
        self.root.join("var/run/nri/nri.sock")
    }

    /// Plugins of the Node Resource Interface that are started with the runtime.
    pub fn nri_plugins(&self) -> PathBuf {
        self.root.join("opt/nri/plugins")
    }

    /// Their configurations.
    pub fn nri_configs(&self) -> PathBuf {
        self.root.join("etc/nri/conf.d")
    }

    /// Address reservations.
    pub fn network(&self) -> PathBuf {
        self.state_dir().join("network")
    }

    /// What is recorded of pods on CNI networks.
    pub fn cni_attachments(&self) -> PathBuf {
        self.network().join("cni")
    }

    /// Where an administrator puts configurations of CNI networks.
    pub fn cni_conf_dir(&self) -> PathBuf {
        self.root.join("etc/cni/net.d")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_slash_gives_the_system_paths() {
        let layout = Layout::below("/");
        assert_eq!(layout.socket(), Path::new("/run/podling/podling.sock"));
        assert_eq!(layout.images(), Path::new("/var/lib/podling/images"));
    }

    #[test]
    fn every_path_moves_below_the_root() {
        let layout = Layout::below("/srv/a");
        let id = SandboxId::from_random([1; 32]);
        for path in [layout.socket(), layout.sandbox_dir(&id), layout.network()] {
            assert!(path.starts_with("/srv/a"), "{}", path.display());
        }
    }
}
