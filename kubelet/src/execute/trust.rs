//! Which authorities a pod is shown: chosen among all bundles, each once, in an order of the pod's own:
//! pure.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::certificate::pem_of;
use crate::model::{PodUid, TrustBundle, TrustBundles, TrustWish};

/// The authorities as PEM, or why there are none that may be shown.
pub(super) fn anchors(
    wish: &TrustWish,
    optional: bool,
    bundles: &TrustBundles,
    pod: &PodUid,
) -> Result<Vec<u8>, String> {
    let chosen = match wish {
        TrustWish::Named(name) => {
            let bundle = bundles.get(name);
            if bundle.is_none() && !optional {
                return Err(format!(
                    "while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io \
                     {name:?} not found"
                ));
            }
            bundle.into_iter().collect()
        }
        TrustWish::Signed { signer, labels } => {
            let of_signer = bundles.values().filter(|one| one.signer == *signer);
            let selected = of_signer.filter(|one| {
                let labels = labels.as_ref();
                labels.is_some_and(|labels| labels.matches(&one.labels))
            });
            let selected: Vec<_> = selected.collect();
            if selected.is_empty() && !optional {
                let problem = "combination of signerName and labelSelector matched zero \
                               ClusterTrustBundles";
                return Err(problem.to_owned());
            }
            selected
        }
    };
    Ok(written(&chosen, pod))
}

/// Each certificate once. Nobody shall rely on an order: upstream shuffles them at each start of a kubelet;
/// here each pod has an order of its own, which stays.
fn written(bundles: &[&Arc<TrustBundle>], pod: &PodUid) -> Vec<u8> {
    let all = bundles.iter().flat_map(|bundle| &bundle.anchors);
    let by_place: BTreeMap<_, _> = all
        .map(|anchor| {
            let place = Sha256::new()
                .chain_update(pod.as_str())
                .chain_update(anchor)
                .finalize();
            (place.to_vec(), anchor)
        })
        .collect();
    let text: String = by_place.values().map(|anchor| pem_of(anchor)).collect();
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::certificates_of;
    use crate::model::{LabelRequirement, LabelSelector};

    fn bundle(signer: &str, team: &str, anchors: &[u8]) -> Arc<TrustBundle> {
        Arc::new(TrustBundle {
            signer: signer.to_owned(),
            labels: [("team".to_owned(), team.to_owned())].into(),
            anchors: anchors.iter().map(|byte| vec![*byte; 60]).collect(),
        })
    }

    fn bundles() -> TrustBundles {
        [
            ("own", bundle("", "", &[9])),
            ("x:a", bundle("x", "one", &[1, 2])),
            ("x:b", bundle("x", "two", &[2, 3, 4, 5, 6])),
            ("y:a", bundle("y", "one", &[7])),
        ]
        .map(|(name, bundle)| (name.to_owned(), bundle))
        .into()
    }

    /// The first byte of each certificate, in order.
    fn shown(wish: &TrustWish, optional: bool, pod: &str) -> Result<Vec<u8>, String> {
        let pem = anchors(wish, optional, &bundles(), &PodUid::from(pod))?;
        let first = |one: &rustls::pki_types::CertificateDer<'_>| one[0];
        Ok(certificates_of(&pem).iter().map(first).collect())
    }

    fn signed(signer: &str, labels: Option<Vec<LabelRequirement>>) -> TrustWish {
        TrustWish::Signed {
            signer: signer.to_owned(),
            labels: labels.map(LabelSelector),
        }
    }

    #[test]
    fn authorities_are_chosen_by_name_or_by_signer_and_labels() {
        let sorted = |wish: &TrustWish| {
            shown(wish, false, "1").map(|mut all| {
                all.sort_unstable();
                all
            })
        };
        let of_two = LabelRequirement::In("team".to_owned(), vec!["two".to_owned()]);
        assert_eq!(sorted(&TrustWish::Named("own".to_owned())), Ok(vec![9]));
        assert_eq!(
            sorted(&signed("x", Some(vec![]))),
            Ok(vec![1, 2, 3, 4, 5, 6]),
            "each once"
        );
        assert_eq!(
            sorted(&signed("x", Some(vec![of_two]))),
            Ok(vec![2, 3, 4, 5, 6])
        );
        let none = "combination of signerName and labelSelector matched zero ClusterTrustBundles";
        for wish in [signed("x", None), signed("z", Some(vec![]))] {
            assert_eq!(shown(&wish, false, "1"), Err(none.to_owned()));
            assert_eq!(shown(&wish, true, "1"), Ok(vec![]));
        }
        let missing = TrustWish::Named("not".to_owned());
        let why = shown(&missing, false, "1").unwrap_err();
        assert!(why.ends_with("\"not\" not found"), "{why}");
        assert_eq!(shown(&missing, true, "1"), Ok(vec![]));
    }

    #[test]
    fn each_pod_has_an_order_of_its_own_that_stays() {
        let wish = signed("x", Some(vec![]));
        let of = |pod: &str| shown(&wish, false, pod).unwrap();
        assert_eq!(of("1"), of("1"));
        let orders: std::collections::BTreeSet<_> =
            (0..20).map(|pod| of(&pod.to_string())).collect();
        assert!(orders.len() > 10, "{orders:?}");
    }
}
