//! What `podling join` writes down, and every later start of the kubelet reads.

use std::fs;
use std::path::{Path, PathBuf};

use podling_kubelet::config::Text;
use podling_runtime::layout::Layout;

/// Files of the cluster that a machine has joined, or is to join.
#[derive(Clone, Debug)]
pub(crate) struct Files(PathBuf);

impl Files {
    /// Those of this root.
    pub(crate) fn of(layout: &Layout) -> Self {
        Self(layout.root().join("etc/podling/cluster"))
    }

    /// Where they are.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// The kubeconfig with which a certificate is asked for.
    pub(super) fn bootstrap(&self) -> PathBuf {
        self.0.join("bootstrap-kubelet.conf")
    }

    /// The kubeconfig of the node.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubelet.conf")
    }

    /// Who signs the cluster's certificates.
    pub(super) fn authority(&self) -> PathBuf {
        self.0.join("ca.crt")
    }

    /// What the cluster wants of its kubelets.
    pub(super) fn configuration(&self) -> PathBuf {
        self.0.join("kubelet-config.yaml")
    }

    /// The name under which the machine has joined.
    pub(super) fn node_name(&self) -> PathBuf {
        self.0.join("node-name")
    }

    /// Whether there is a cluster to join.
    fn are_there(&self) -> bool {
        self.bootstrap().exists() || self.kubeconfig().exists()
    }

    /// The flags that name the cluster, and what it wants; nothing on a machine that has joined none, or
    /// whose command line names one itself.
    pub(crate) fn layer(
        &self,
        flags: &[(String, String)],
    ) -> (Vec<(String, String)>, Option<Text>) {
        let names_one = flags.iter().any(|(name, _)| name == "kubeconfig");
        if names_one || !self.are_there() {
            return (Vec::new(), None);
        }
        let mut added = Vec::new();
        for (name, file) in [
            ("bootstrap-kubeconfig", self.bootstrap()),
            ("kubeconfig", self.kubeconfig()),
        ] {
            if name == "kubeconfig" || file.exists() {
                added.push((name.to_owned(), file.display().to_string()));
            }
        }
        let is_named = flags.iter().any(|(name, _)| name == "hostname-override");
        if let Ok(name) = fs::read_to_string(self.node_name())
            && !is_named
        {
            added.push(("hostname-override".to_owned(), name));
        }
        let file = self.configuration();
        let text = fs::read_to_string(&file).ok().map(|text| Text {
            file,
            first_line: 1,
            text,
        });
        (added, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_joined_counts_until_the_command_line_names_another_cluster() {
        let root = tempfile::tempdir().unwrap();
        let files = Files::of(&Layout::below(root.path()));
        assert_eq!(files.layer(&[]), (Vec::new(), None));
        fs::create_dir_all(files.folder()).unwrap();
        fs::write(files.bootstrap(), "b").unwrap();
        fs::write(files.node_name(), "n").unwrap();
        fs::write(files.configuration(), "{}").unwrap();
        let (flags, text) = files.layer(&[]);
        let flags: Vec<_> = flags.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            flags,
            ["bootstrap-kubeconfig", "kubeconfig", "hostname-override"]
        );
        assert_eq!(text.unwrap().text, "{}");
        let own = [("kubeconfig".to_owned(), "/mine".to_owned())];
        assert_eq!(files.layer(&own), (Vec::new(), None));
    }
}
