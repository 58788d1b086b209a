//! Pulls that are cut short, and what the next pull finds.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};

use podling_runtime::image::{Images, Login, RegistrySettings};
use tokio::sync::watch;

use crate::archive::{Compression, Image};
use crate::honest::honest;
use crate::node::{Node, node, open, used};
use crate::scripted::{Answer, ScriptedRegistry};
use crate::wait_until;

/// How often each path was asked for.
type Asked = Arc<Mutex<BTreeMap<String, usize>>>;

fn three_layers() -> Image {
    ["one", "two", "three"]
        .iter()
        .fold(Image::new(), |image, name| {
            image.layer(&[("content", name), (name, name)], Compression::Gzip)
        })
}

fn layer_path(number: usize) -> String {
    let blob = &three_layers().layers[number].blob;
    format!(
        "/v2/app/blobs/{}",
        podling_runtime::image::digest::Digest::of(blob)
    )
}

/// A registry that stalls in the last layer while `stalls` says so.
async fn stalling(stalls: &Arc<Mutex<bool>>) -> (ScriptedRegistry, Asked) {
    let asked = Asked::default();
    let (count, stalls, image) = (Arc::clone(&asked), Arc::clone(stalls), three_layers());
    let last = layer_path(2);
    let registry = ScriptedRegistry::start(move |request| {
        *count
            .lock()
            .unwrap()
            .entry(request.path.clone())
            .or_default() += 1;
        let answer = honest(&image, &request);
        if request.path != last || !*stalls.lock().unwrap() {
            return answer;
        }
        Answer {
            stalls: true,
            length: Some(answer.body.len()),
            body: answer.body[..answer.body.len() / 2].to_vec(),
            ..answer
        }
    })
    .await;
    (registry, asked)
}

/// Pulls until all layers but the last have their places, and goes away.
async fn pull_in_part(node: &Node, name: &str) {
    let mut pulling = std::pin::pin!(node.pull(name));
    wait_until("two layers have their places", async || {
        let pause = std::time::Duration::from_millis(1);
        assert!(tokio::time::timeout(pause, &mut pulling).await.is_err());
        node.layers_on_disk() == 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_layers_of_a_cancelled_pull_are_not_fetched_again() {
    let stalls = Arc::new(Mutex::new(true));
    let (registry, asked) = stalling(&stalls).await;
    let name = format!("{}/app:v1", registry.address);
    let node = node();
    pull_in_part(&node, &name).await;
    wait_until("the unfinished layer is gone", async || {
        node.unfinished() == 0
    })
    .await;
    assert!(node.images.list().is_empty());
    *stalls.lock().unwrap() = false;
    // A daemon that was killed and started again knows of them, too.
    let again = open(node.dir.path());
    let image = again
        .pull(&name, Login::default(), watch::Sender::default())
        .await
        .unwrap();
    assert_eq!(
        fs::read_to_string(image.layers[0].join("content")).unwrap(),
        "one"
    );
    let asked = asked.lock().unwrap().clone();
    assert_eq!([0, 1].map(|number| asked[&layer_path(number)]), [1, 1]);
    let notes = node.dir.path().join("images/unclaimed");
    assert_eq!(fs::read_dir(notes).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_synced_does_not_outlive_a_reboot() {
    let stalls = Arc::new(Mutex::new(true));
    let (registry, _) = stalling(&stalls).await;
    let node = node();
    pull_in_part(&node, &format!("{}/app:v1", registry.address)).await;
    let settings = RegistrySettings::default();
    let dir = node.dir.path().join("images");
    Images::open(&dir, "another boot", settings).unwrap();
    assert_eq!(node.layers_on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_removes_an_image_wants_room_and_gets_that_of_cancelled_pulls() {
    let stalls = Arc::new(Mutex::new(true));
    let (registry, _) = stalling(&stalls).await;
    let node = node();
    pull_in_part(&node, &format!("{}/app:v1", registry.address)).await;
    wait_until("the unfinished layer is gone", async || {
        node.unfinished() == 0
    })
    .await;
    node.images.collect(used(&[])).await.unwrap();
    assert_eq!(
        node.layers_on_disk(),
        2,
        "a container that goes wants nothing"
    );
    node.remove("any.example/other:v1", &[]).await;
    node.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_stops_waiting_does_not_end_the_pull_of_another() {
    let stalls = Arc::new(Mutex::new(true));
    let (registry, asked) = stalling(&stalls).await;
    let name = format!("{}/app:v1", registry.address);
    let node = node();
    let other = node.pull(&name);
    let mut other = std::pin::pin!(other);
    let pause = std::time::Duration::from_millis(1);
    assert!(tokio::time::timeout(pause, &mut other).await.is_err());
    pull_in_part(&node, &name).await;
    assert!(tokio::time::timeout(pause, &mut other).await.is_err());
    wait_until("the last layer is still on its way", async || {
        assert!(tokio::time::timeout(pause, &mut other).await.is_err());
        node.unfinished() == 1
    })
    .await;
    assert_eq!(asked.lock().unwrap()["/v2/app/manifests/v1"], 1);
}
