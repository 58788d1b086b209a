//! The lowest layer of every test image: the directories and accounts that programs expect.

use crate::images::entry::Entry;
use crate::images::layer::Layer;

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
web:x:101:101:web server:/var/www:/bin/false
data:x:999:999:data store:/data:/bin/false
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
";

const GROUP: &str = "\
root:x:0:
web:x:101:
logs:x:200:web,data
data:x:999:
nogroup:x:65534:
";

/// Directories, accounts and the links of a merged /usr.
pub fn layer() -> Layer {
    let directories = [
        "dev",
        "etc",
        "proc",
        "run",
        "sys",
        "usr",
        "usr/bin",
        "usr/lib",
        "usr/lib64",
        "usr/sbin",
        "var",
    ];
    let links = ["bin", "lib", "lib64", "sbin"];
    let entries = [
        Entry::directory("root").mode(0o700),
        Entry::directory("tmp").mode(0o1777),
        Entry::directory("var/tmp").mode(0o1777),
        Entry::file("etc/passwd", PASSWD),
        Entry::file("etc/group", GROUP),
    ];
    Layer::of(
        directories
            .map(Entry::directory)
            .into_iter()
            .chain(links.map(|name| Entry::symlink(name, format!("usr/{name}"))))
            .chain(entries),
    )
}
