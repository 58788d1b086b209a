//! Plugins of volumes that were Kubernetes' own once, and the drivers that have their volumes now.

/// A plugin whose volumes a driver has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InTree {
    /// `awsElasticBlockStore`.
    AwsEbs,
    /// `azureDisk`.
    AzureDisk,
    /// `azureFile`.
    AzureFile,
    /// `cinder`.
    Cinder,
    /// `gcePersistentDisk`.
    GcePd,
    /// `portworxVolume`.
    Portworx,
    /// `vsphereVolume`.
    Vsphere,
}

impl InTree {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 7] = [
        Self::AwsEbs,
        Self::AzureDisk,
        Self::AzureFile,
        Self::Cinder,
        Self::GcePd,
        Self::Portworx,
        Self::Vsphere,
    ];

    /// What clusters call the plugin.
    pub fn plugin(self) -> &'static str {
        match self {
            Self::AwsEbs => "kubernetes.io/aws-ebs",
            Self::AzureDisk => "kubernetes.io/azure-disk",
            Self::AzureFile => "kubernetes.io/azure-file",
            Self::Cinder => "kubernetes.io/cinder",
            Self::GcePd => "kubernetes.io/gce-pd",
            Self::Portworx => "kubernetes.io/portworx-volume",
            Self::Vsphere => "kubernetes.io/vsphere-volume",
        }
    }

    /// The driver that has its volumes.
    pub fn driver(self) -> &'static str {
        match self {
            Self::AwsEbs => "ebs.csi.aws.com",
            Self::AzureDisk => "disk.csi.azure.com",
            Self::AzureFile => "file.csi.azure.com",
            Self::Cinder => "cinder.csi.openstack.org",
            Self::GcePd => "pd.csi.storage.gke.io",
            Self::Portworx => "pxd.portworx.com",
            Self::Vsphere => "csi.vsphere.vmware.com",
        }
    }

    /// The label by which the driver says in which zone a node is, if it has one.
    pub fn zone(self) -> Option<&'static str> {
        match self {
            Self::AwsEbs => Some("topology.ebs.csi.aws.com/zone"),
            Self::Cinder => Some("topology.cinder.csi.openstack.org/zone"),
            Self::GcePd => Some("topology.gke.io/zone"),
            Self::Vsphere => Some("topology.csi.vmware.com/zone"),
            Self::AzureDisk | Self::AzureFile | Self::Portworx => None,
        }
    }

    /// The label by which the driver says in which region a node is, if it has one.
    pub fn region(self) -> Option<&'static str> {
        (self == Self::Vsphere).then_some("topology.csi.vmware.com/region")
    }
}

/// Whether a volume of a driver is written as one of a plugin of old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Migrated {
    /// It is written as the driver's.
    #[default]
    No,
    /// It is written as the plugin's.
    Yes,
}

impl Migrated {
    /// The word of dashboards.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "false",
            Self::Yes => "true",
        }
    }
}
