//! Registries that lie, break, stall, and ask for tokens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use podling_runtime::image::digest::Digest;
use podling_runtime::image::{ImageRecord, PullError};

use crate::archive::{Compression, Image, gzip};
use crate::honest::{honest, image, layer_digest, part};
use crate::node::{Node, impatient_node, node};
use crate::scripted::{Answer, Request, ScriptedRegistry};
use crate::{chain, wait_until};

async fn pull(node: &Node, registry: &ScriptedRegistry) -> Result<ImageRecord, PullError> {
    node.pull(&format!("{}/app:v1", registry.address)).await
}

/// Pulls where the layer is answered by `lie`, and gives back the error.
async fn pull_with_layer(
    lie: impl Fn(&Image, &Request) -> Answer + Send + Sync + 'static,
) -> String {
    let registry = lying_about_layer(lie).await;
    let node = node();
    let error = pull(&node, &registry).await.unwrap_err();
    node.assert_empty();
    chain(&error)
}

async fn lying_about_layer(
    lie: impl Fn(&Image, &Request) -> Answer + Send + Sync + 'static,
) -> ScriptedRegistry {
    let image = image();
    let layer = layer_digest(&image);
    ScriptedRegistry::start(move |request| match request.path.ends_with(&layer) {
        true => lie(&image, &request),
        false => honest(&image, &request),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_with_other_content_is_named_with_both_digests() {
    for other in [
        |blob: &[u8]| vec![0x55; blob.len()],
        |blob: &[u8]| {
            let mut blob = blob.to_vec();
            let middle = blob.len() / 2;
            blob[middle] ^= 1;
            blob
        },
    ] {
        let error = pull_with_layer(move |image, _| Answer::ok(other(&image.layers[0].blob))).await;
        let blob = image().layers[0].blob.clone();
        assert!(
            error.contains(&format!("expected {}", Digest::of(&blob))),
            "{error}"
        );
        assert!(
            error.contains(Digest::of(&other(&blob)).as_str()),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_is_longer_than_the_manifest_says_is_refused() {
    let error =
        pull_with_layer(|image, _| Answer::ok([&image.layers[0].blob[..], b"more"].concat())).await;
    assert!(error.contains("the manifest says"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_never_ends_is_cut_off() {
    let error = pull_with_layer(|image, _| Answer {
        endless: true,
        ..Answer::ok(image.layers[0].blob.clone())
    })
    .await;
    assert!(error.contains("the manifest says"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_always_ends_early_is_given_up() {
    let error = pull_with_layer(|image, request| {
        let blob = &image.layers[0].blob[..1000];
        if request.offset() == 0 {
            Answer::ok(blob)
        } else {
            Answer::status("416 Range Not Satisfiable")
        }
    })
    .await;
    assert!(error.contains("416"), "{error}");
    let error = pull_with_layer(|_, _| Answer::ok("")).await;
    assert!(error.contains("ended after 0 of"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_stalls_is_given_up() {
    let registry = lying_about_layer(|image, _| Answer {
        stalls: true,
        length: Some(image.layers[0].blob.len()),
        ..Answer::ok("")
    })
    .await;
    let node = impatient_node();
    let error = chain(&pull(&node, &registry).await.unwrap_err());
    assert!(error.contains("nothing came from"), "{error}");
    node.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_download_goes_on_where_it_stopped() {
    for understands_ranges in [true, false] {
        let image = image();
        let layer = layer_digest(&image);
        let offsets = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&offsets);
        let served = image.clone();
        let registry = ScriptedRegistry::start(move |request| {
            if !request.path.ends_with(&layer) {
                return honest(&served, &request);
            }
            let mut seen = seen.lock().unwrap();
            seen.push(request.offset());
            let blob = &served.layers[0].blob;
            let offset = if understands_ranges {
                request.offset()
            } else {
                0
            };
            let mut answer = part(blob, offset);
            // Every connection carries a third of the blob more than the one before.
            let end = (seen.len() * (blob.len() / 3 + 1)).min(blob.len());
            answer.length = Some(answer.body.len());
            answer.body.truncate(end - offset);
            answer
        })
        .await;
        let node = node();
        pull(&node, &registry).await.unwrap();
        let offsets = offsets.lock().unwrap().clone();
        assert_eq!(offsets.len(), 3, "{offsets:?}");
        assert!(offsets.is_sorted() && offsets[1] > 0, "{offsets:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_begins_elsewhere_is_refused() {
    let error = pull_with_layer(|image, request| {
        let blob = &image.layers[0].blob;
        if request.offset() == 0 {
            return Answer {
                length: Some(blob.len()),
                ..Answer::ok(&blob[..5000])
            };
        }
        part(blob, 4000)
    })
    .await;
    assert!(error.contains("not the range"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_never_end_are_cut_off() {
    for what in ["/manifests/", "/blobs/"] {
        let image = image();
        let registry = ScriptedRegistry::start(move |request| {
            if request.path.contains(what) {
                return Answer {
                    endless: true,
                    ..Answer::ok("")
                };
            }
            honest(&image, &request)
        })
        .await;
        let node = node();
        let error = chain(&pull(&node, &registry).await.unwrap_err());
        assert!(error.contains("more than 4194304 bytes"), "{error}");
        node.assert_empty();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_or_configuration_with_another_digest_is_refused() {
    let image = image();
    let wanted = Digest::of(b"another manifest");
    let served = image.clone();
    let registry = ScriptedRegistry::start(move |request| honest(&served, &request)).await;
    let node = node();
    let error = node
        .pull(&format!("{}/app@{wanted}", registry.address))
        .await
        .unwrap_err();
    assert!(
        chain(&error).contains(&format!("expected {wanted}")),
        "{}",
        chain(&error)
    );
    let config = Digest::of(&image.config());
    let registry = ScriptedRegistry::start(move |request| {
        if request.path.ends_with(config.as_str()) {
            Answer::ok("{}")
        } else {
            honest(&image, &request)
        }
    })
    .await;
    let error = pull(&node, &registry).await.unwrap_err();
    assert!(
        chain(&error).contains("the configuration has digest"),
        "{}",
        chain(&error)
    );
    node.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_with_another_diff_id_than_the_configuration_says_is_refused() {
    let mut image = image();
    let honest_archive = std::mem::replace(&mut image.layers[0].archive, b"another".to_vec());
    assert_eq!(gzip(&honest_archive), image.layers[0].blob);
    let registry = ScriptedRegistry::start(move |request| honest(&image, &request)).await;
    let node = node();
    let error = pull(&node, &registry).await.unwrap_err();
    assert!(chain(&error).contains("diff id"), "{}", chain(&error));
    node.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_the_image_names_is_never_asked() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let elsewhere = ScriptedRegistry::start(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Answer::ok("")
    })
    .await;
    let image = image();
    let url = format!("http://{}/layer", elsewhere.address);
    let registry = ScriptedRegistry::start(move |request| {
        let mut manifest = image.manifest();
        manifest["layers"][0]["urls"] = serde_json::json!([url]);
        if request.path.contains("/manifests/") {
            return Answer::ok(manifest.to_string());
        }
        honest(&image, &request)
    })
    .await;
    let error = pull(&node(), &registry).await.unwrap_err();
    assert!(chain(&error).contains("foreign layer"), "{}", chain(&error));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_tries_to_get_out_fails_the_pull() {
    let archive = {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..9].copy_from_slice(b"../escape");
        header.set_size(0);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        [header.as_bytes().to_vec(), vec![0; 1024]].concat()
    };
    let image = image().raw_layer(archive, Compression::Gzip);
    let registry = ScriptedRegistry::start(move |request| honest(&image, &request)).await;
    let node = node();
    let error = pull(&node, &registry).await.unwrap_err();
    assert!(
        chain(&error).contains("lead out of the layer"),
        "{}",
        chain(&error)
    );
    node.assert_empty();
}

/// Wants a token for everything, gives out one, and sends layers from another host.
async fn with_tokens(
    image: Image,
    token_status: &'static str,
) -> (ScriptedRegistry, Arc<Mutex<Vec<String>>>) {
    let storage_headers = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&storage_headers);
    let stored = image.clone();
    let storage = ScriptedRegistry::start(move |request| {
        seen.lock().unwrap().extend(request.headers.clone());
        honest(&stored, &request)
    })
    .await;
    let registry = ScriptedRegistry::start(move |request| {
        if request.path.starts_with("/token?") {
            assert!(
                request.path.contains("scope=repository%3Aapp%3Apull"),
                "{}",
                request.path
            );
            return Answer {
                status: token_status,
                ..Answer::ok(r#"{"token":"secret"}"#)
            };
        }
        if request.header("authorization") != Some("Bearer secret") {
            let host = request.header("host").unwrap();
            let challenge =
                format!("www-authenticate: Bearer realm=\"http://{host}/token\",service=\"s\"");
            return Answer::status("401 Unauthorized").header(challenge);
        }
        if request.path.ends_with(&layer_digest(&image)) {
            let location = format!("location: http://{}{}", storage.address, request.path);
            return Answer::status("307 Temporary Redirect").header(location);
        }
        honest(&image, &request)
    })
    .await;
    (registry, storage_headers)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anonymous_token_is_fetched_and_not_sent_to_another_host() {
    let (registry, storage_headers) = with_tokens(image(), "200 OK").await;
    pull(&node(), &registry).await.unwrap();
    let headers = storage_headers.lock().unwrap();
    assert!(!headers.is_empty());
    assert!(
        !headers.iter().any(|line| line.starts_with("authorization")),
        "{headers:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_gives_no_token_denies_access() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let (registry, _) = with_tokens(image(), status).await;
        let error = pull(&node(), &registry).await.unwrap_err();
        assert!(matches!(error, PullError::Unauthorized { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wants_the_same_image_waits_for_the_same_pull() {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let image = image();
    let registry = ScriptedRegistry::start(move |request| {
        if request.path.contains("/manifests/") {
            count.fetch_add(1, Ordering::SeqCst);
        }
        honest(&image, &request)
    })
    .await;
    let node = node();
    let pulls = (0..8).map(|_| pull(&node, &registry));
    let pulled = futures::future::try_join_all(pulls).await.unwrap();
    assert!(pulled.iter().all(|image| *image == pulled[0]));
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_nobody_waits_for_any_more_leaves_nothing() {
    let image = image();
    let layer = layer_digest(&image);
    let registry = ScriptedRegistry::start(move |request| {
        let answer = honest(&image, &request);
        if request.path.ends_with(&layer) {
            let (half, length) = (answer.body.len() / 2, answer.body.len());
            let body = answer.body[..half].to_vec();
            return Answer {
                stalls: true,
                length: Some(length),
                ..Answer::ok(body)
            };
        }
        answer
    })
    .await;
    let node = node();
    {
        let mut pulling = std::pin::pin!(pull(&node, &registry));
        wait_until("the layer is being unpacked", async || {
            let pause = std::time::Duration::from_millis(1);
            let ended = tokio::time::timeout(pause, &mut pulling).await.is_ok();
            ended || node.unfinished() > 0
        })
        .await;
    }
    wait_until("the unfinished layer is gone", async || {
        node.unfinished() == 0
    })
    .await;
    node.assert_empty();
}
