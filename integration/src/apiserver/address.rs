//! Which object, or which collection, a path means.

/// What a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `v1`, `apps/v1`.
    pub(super) api_version: String,
    /// `pods`; with the group, when there is one: `leases.coordination.k8s.io`.
    pub(super) resource: String,
    /// Empty for all namespaces, and for what has none.
    pub(super) namespace: String,
    /// Nothing for a collection.
    pub(super) name: Option<String>,
    /// `status`, `resize`, `token`.
    pub(super) subresource: Option<String>,
}

/// Reads a path.
pub(super) fn read(path: &str) -> Option<Address> {
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    let (api_version, group, rest) = match &steps[..] {
        ["api", version, rest @ ..] => ((*version).to_owned(), "", rest),
        ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), *group, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        // A namespace is an object itself.
        ["namespaces", namespace, rest @ ..]
            if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) =>
        {
            (*namespace, rest)
        }
        rest => ("", rest),
    };
    let (resource, rest) = rest.split_first()?;
    let text = |step: Option<&&str>| step.map(|step| (*step).to_owned());
    Some(Address {
        api_version,
        resource: match group {
            "" => (*resource).to_owned(),
            group => format!("{resource}.{group}"),
        },
        namespace: namespace.to_owned(),
        name: text(rest.first()),
        subresource: text(rest.get(1)),
    })
}

/// The kind of a resource's objects.
pub(super) fn kind(resource: &str) -> String {
    let plural = resource.split('.').next().unwrap_or(resource);
    let known = [
        ("configmaps", "ConfigMap"),
        ("serviceaccounts", "ServiceAccount"),
        ("runtimeclasses", "RuntimeClass"),
        ("csinodes", "CSINode"),
        ("csidrivers", "CSIDriver"),
        ("volumeattachments", "VolumeAttachment"),
        ("persistentvolumes", "PersistentVolume"),
        ("persistentvolumeclaims", "PersistentVolumeClaim"),
        ("certificatesigningrequests", "CertificateSigningRequest"),
        ("clustertrustbundles", "ClusterTrustBundle"),
        ("podcertificaterequests", "PodCertificateRequest"),
    ];
    if let Some((_, kind)) = known.iter().find(|(name, _)| *name == plural) {
        return (*kind).to_owned();
    }
    let single = plural.strip_suffix('s').unwrap_or(plural);
    let mut letters = single.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
