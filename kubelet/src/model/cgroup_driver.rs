//! Who makes the upper cgroups.

/// Who names and makes cgroups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CgroupDriver {
    /// The kubelet, as directories.
    #[default]
    Cgroupfs,
    /// systemd, as slices.
    Systemd,
}

impl CgroupDriver {
    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cgroupfs => "cgroupfs",
            Self::Systemd => "systemd",
        }
    }
}
