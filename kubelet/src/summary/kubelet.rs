//! What the kubelet's own metrics say of files: logs of containers, and volumes that outlive pods.
#![deny(clippy::disallowed_methods)]

use super::exposition::{Exposition, Kind};
use super::shape::Summary;
use super::volumes::{Room, VolumeUse};

/// A claim, and the file system that its volume is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClaimUse {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) room: Room,
}

/// A family of volumes: its name, what it says, and what it says of one.
type Figure = (&'static str, &'static str, fn(&Room) -> u64);

const VOLUMES: [Figure; 6] = [
    (
        "kubelet_volume_stats_available_bytes",
        "Bytes that are left in the volume",
        |room| room.available,
    ),
    (
        "kubelet_volume_stats_capacity_bytes",
        "Bytes that the volume has",
        |room| room.capacity,
    ),
    (
        "kubelet_volume_stats_inodes",
        "Inodes that the volume has",
        |room| room.inodes,
    ),
    (
        "kubelet_volume_stats_inodes_free",
        "Inodes that are left in the volume",
        |room| room.inodes_free,
    ),
    (
        "kubelet_volume_stats_inodes_used",
        "Inodes of the volume that are used",
        |room| room.inodes_used,
    ),
    (
        "kubelet_volume_stats_used_bytes",
        "Bytes of the volume that are used",
        |room| room.used,
    ),
];

/// The claims among volumes, each once.
pub(super) fn claims(uses: &[VolumeUse]) -> Vec<ClaimUse> {
    let mut claims: Vec<ClaimUse> = Vec::new();
    for one in uses {
        if let Some((namespace, name)) = &one.claim
            && !claims
                .iter()
                .any(|known| known.namespace == *namespace && known.name == *name)
        {
            claims.push(ClaimUse {
                namespace: namespace.clone(),
                name: name.clone(),
                room: one.room,
            });
        }
    }
    claims
}

/// The text; families without samples are left out.
pub(super) fn text(summary: Option<&Summary>, claims: &[ClaimUse]) -> String {
    let mut text = Exposition::default();
    logs(&mut text, summary);
    if claims.is_empty() {
        return text.text();
    }
    for (name, help, figure) in VOLUMES {
        text.family(name, help, Kind::Gauge);
        for claim in claims {
            let labels = [
                ("namespace", claim.namespace.as_str()),
                ("persistentvolumeclaim", claim.name.as_str()),
            ];
            text.sample(name, &labels, figure(&claim.room), None);
        }
    }
    text.text()
}

fn logs(text: &mut Exposition, summary: Option<&Summary>) {
    const NAME: &str = "kubelet_container_log_filesystem_used_bytes";
    let pods = summary.into_iter().flat_map(|summary| &summary.pods);
    let containers = pods.flat_map(|pod| pod.containers.iter().map(move |one| (pod, one)));
    let used: Vec<_> = containers
        .filter_map(|(pod, one)| Some((pod, one, one.logs.as_ref()?.used_bytes?)))
        .collect();
    if used.is_empty() {
        return;
    }
    text.family(NAME, "Bytes that a container's logs use", Kind::Gauge);
    for (pod, container, bytes) in used {
        let labels = [
            ("uid", pod.pod_ref.uid.as_str()),
            ("namespace", pod.pod_ref.namespace.as_str()),
            ("pod", pod.pod_ref.name.as_str()),
            ("container", container.name.as_str()),
        ];
        text.sample(NAME, &labels, bytes, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_of_claims_are_told_and_nothing_else() {
        assert_eq!(text(None, &[]), "");
        let claim = ClaimUse {
            namespace: "default".to_owned(),
            name: "data".to_owned(),
            room: Room {
                capacity: 100,
                used: 60,
                available: 30,
                inodes: 10,
                inodes_used: 3,
                inodes_free: 7,
            },
        };
        let text = text(None, &[claim]);
        let of = "{namespace=\"default\",persistentvolumeclaim=\"data\"}";
        for (name, value) in [
            ("used_bytes", 60),
            ("available_bytes", 30),
            ("inodes_used", 3),
        ] {
            let line = format!("kubelet_volume_stats_{name}{of} {value}");
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
    }
}
