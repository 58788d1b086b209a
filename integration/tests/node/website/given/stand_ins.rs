//! Images that stand for those of the website's files: the real server where there is one here, with a
//! shell beside it, and else `podling-stand-in` under the name of the program that the image starts.

use std::collections::BTreeSet;
use std::fs;

use podling_integration::harness::Node;
use podling_integration::harness::programs::{image_archive, program};
use podling_integration::images::atop::Parts;
use podling_integration::images::{Content, Entry, Image, Layer, Layout, Settings, local_name};

/// What an image starts.
#[derive(Clone, Copy)]
enum Start {
    /// What Debian's image of that name starts.
    Debian(&'static str),
    /// The stand-in under this name.
    StandIn(&'static str),
    /// Nothing: it has files.
    Files,
}
use Start::{Debian, Files, StandIn};

/// Names on the website without their tags, and what stands for each.
const IMAGES: &[(&str, Start)] = &[
    ("<your-private-image>", StandIn("hello-app")),
    ("alpine", Debian("busybox")),
    ("busybox", Debian("busybox")),
    ("debian", Debian("busybox")),
    ("docker.io/alpine/socat", StandIn("socat")),
    ("docker.io/library/debian", Debian("busybox")),
    ("fedora", Debian("busybox")),
    ("gcr.io/google-samples/hello-app", StandIn("hello-app")),
    ("gcr.io/google-samples/node-hello", StandIn("node-hello")),
    ("hashicorp/http-echo", StandIn("http-echo")),
    ("k8s.gcr.io/pause", StandIn("pause")),
    ("nginx", Debian("nginx")),
    ("polinux/stress", StandIn("stress")),
    ("quay.io/crio/artifact", Files),
    ("redis", Debian("redis")),
    ("registry.k8s.io/busybox", Debian("busybox")),
    (
        "registry.k8s.io/e2e-test-images/agnhost",
        StandIn("agnhost"),
    ),
    ("registry.k8s.io/etcd", StandIn("etcd")),
    ("registry.k8s.io/goproxy", StandIn("goproxy")),
    ("registry.k8s.io/nginx", Debian("nginx")),
    ("registry.k8s.io/pause", StandIn("pause")),
    ("vish/stress", StandIn("stress")),
];

/// What stands here for an image of the website.
pub(super) fn local(image: &str) -> Option<String> {
    let bare = image.split(':').next().unwrap_or_default();
    let (_, start) = IMAGES.iter().find(|(name, _)| *name == bare)?;
    Some(local_name(&format!("website-{}", short(*start))))
}

fn short(start: Start) -> &'static str {
    match start {
        Debian(name) | StandIn(name) => name,
        Files => "files",
    }
}

/// Imports all of them.
pub(super) async fn import(node: &Node) {
    let debian = |name: &str| {
        let layout = Layout::read_tar(&image_archive(name)).expect("it was built");
        let contents = layout.contents().expect("it is whole");
        Parts::of(contents.first().expect("it has one image"))
    };
    let stand_in = fs::read(program("podling-stand-in")).expect("it can be read");
    let tools = debian("busybox").with(&programs(&stand_in));
    let mut layout = Layout::default();
    for (_, start) in IMAGES {
        let content = match start {
            Debian("busybox") => tools.clone().content(),
            Debian(name) => debian(name).below(&tools).content(),
            StandIn(name) => {
                let path = format!("/usr/local/bin/{name}");
                tools.clone().entrypoint(&[&path]).content()
            }
            Files => files(),
        };
        let name = local_name(&format!("website-{}", short(*start)));
        layout.add(&name, &content);
    }
    let archive = node.folder().join("website.oci.tar");
    fs::write(&archive, layout.tar(0)).expect("there is room");
    let imported = node.cri().await.import(&archive).await;
    imported.expect("they can be imported");
}

/// The stand-in, under every name that it goes by.
fn programs(stand_in: &[u8]) -> Layer {
    let names = IMAGES.iter().filter_map(|(_, start)| match start {
        StandIn(name) => Some(*name),
        Debian(_) | Files => None,
    });
    let names: BTreeSet<_> = names.collect();
    let path = "usr/local/bin/podling-stand-in";
    let links = names
        .into_iter()
        .map(|name| Entry::symlink(format!("usr/local/bin/{name}"), "podling-stand-in"));
    Layer::of([Entry::program(path, stand_in)].into_iter().chain(links)).with_parents()
}

/// An image of two files, one of them in a directory.
fn files() -> Content {
    let entries = [
        Entry::directory("dir"),
        Entry::file("dir/file", "1\n"),
        Entry::file("file", "2\n"),
    ];
    Image::new(Settings::default(), [Layer::of(entries)])
        .build()
        .content()
}
