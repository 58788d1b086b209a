//! All bundles of authorities that the API server has, followed once for all pods that trust any of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::told::Told;
use crate::api::backoff::Backoff;
use crate::api::client::{ApiError, Client};
use crate::api::reflect::{News, Reflector};
use crate::model::{Object, ObjectKind, TrustBundles};
use crate::source::read_object;

const GROUP: &str = "/apis/certificates.k8s.io";
const RESOURCE: &str = "clustertrustbundles";

/// The versions of the resource that are understood, the best first.
const VERSIONS: [&str; 2] = ["v1beta1", "v1alpha1"];

/// Follows them until `end`.
pub(super) async fn follow(client: Client, told: Told, end: CancellationToken) {
    // A request that is given up has told nobody.
    let Some(version) = end.run_until_cancelled(served(&client, &told)).await else {
        return;
    };
    let reflector = Reflector::new(client, format!("{GROUP}/{version}/{RESOURCE}"));
    let (news, mut heard) = mpsc::channel(1);
    let mut reflecting = std::pin::pin!(reflector.run(news, end));
    let mut bundles = TrustBundles::new();
    loop {
        // Only receiving is cancelled.
        let news = tokio::select! {
            () = &mut reflecting => return,
            Some(news) = heard.recv() => news,
        };
        take(&mut bundles, news);
        told.there(Object::TrustBundles(Arc::new(bundles.clone())));
    }
}

/// The version in which the server has bundles, as soon as it has one.
async fn served(client: &Client, told: &Told) -> &'static str {
    let mut backoff = Backoff::new();
    loop {
        match served_now(client).await {
            Ok(Some(version)) => return version,
            Ok(None) => told.wrong(format!(
                "the API server serves no {RESOURCE}.certificates.k8s.io in any of the versions {}",
                VERSIONS.join(", ")
            )),
            Err(error) => told.wrong(error.to_string()),
        }
        sleep(backoff.next()).await;
    }
}

async fn served_now(client: &Client) -> Result<Option<&'static str>, ApiError> {
    for version in VERSIONS {
        match client.get(&format!("{GROUP}/{version}")).await {
            Ok(list) if has_bundles(&list) => return Ok(Some(version)),
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn has_bundles(list: &Value) -> bool {
    let mut resources = list["resources"].as_array().into_iter().flatten();
    resources.any(|one| one["name"] == RESOURCE)
}

fn take(bundles: &mut TrustBundles, news: News) {
    match news {
        News::All(objects) => {
            let mut all = BTreeMap::new();
            objects.into_iter().for_each(|one| set(&mut all, one));
            *bundles = all;
        }
        News::Set(object) => set(bundles, object),
        News::Gone(object) => drop(bundles.remove(&name_of(&object))),
    }
}

fn name_of(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str();
    name.unwrap_or_default().to_owned()
}

/// One that is of no use is as if it were not there.
fn set(bundles: &mut TrustBundles, mut object: Value) {
    let name = name_of(&object);
    if let Some(object) = object.as_object_mut() {
        // Every version says the same.
        object.remove("apiVersion");
        object.remove("kind");
    }
    match read_object(ObjectKind::ClusterTrustBundle, object) {
        Ok(Object::TrustBundle(bundle)) => drop(bundles.insert(name, bundle)),
        Ok(_) => {}
        Err(why) => {
            warn!(why, "a ClusterTrustBundle is not used");
            bundles.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, signer: &str, pem: &str) -> Value {
        json!({
            "apiVersion": "certificates.k8s.io/v1alpha1", "kind": "ClusterTrustBundle",
            "metadata": { "name": name, "labels": { "a": "b" } },
            "spec": { "signerName": signer, "trustBundle": pem },
        })
    }

    #[test]
    fn bundles_come_change_and_go_and_what_is_no_bundle_does_not_count() {
        let pem = |text: &str| {
            format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
        };
        let mut bundles = TrustBundles::new();
        take(
            &mut bundles,
            News::All(vec![
                object("own", "", &pem("AQID")),
                object("example.com:one:live", "example.com/one", &pem("BAUG")),
                object("wrong-name", "example.com/one", &pem("BAUG")),
                object("empty", "", "nothing"),
            ]),
        );
        let names: Vec<_> = bundles.keys().cloned().collect();
        assert_eq!(names, ["example.com:one:live", "own"]);
        let of_signer = &bundles["example.com:one:live"];
        assert_eq!(of_signer.signer, "example.com/one");
        assert_eq!(of_signer.anchors, [vec![4, 5, 6]]);

        let changed = pem("AQID") + "words\n" + &pem("BwgJ");
        take(&mut bundles, News::Set(object("own", "", &changed)));
        assert_eq!(bundles["own"].anchors, [vec![1, 2, 3], vec![7, 8, 9]]);
        take(&mut bundles, News::Gone(object("own", "", &changed)));
        assert_eq!(bundles.len(), 1);
    }
}
