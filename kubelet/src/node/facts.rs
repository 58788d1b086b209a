//! Facts of the machine, read when somebody asks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What the machine says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Logical processors.
    pub(super) cpus: u64,
    /// Bytes of memory.
    pub(super) memory: u64,
    /// Bytes of the file system below the kubelet.
    pub(super) disk: u64,
    /// Sizes of huge pages, and bytes of each.
    pub(super) huge_pages: Vec<(u64, u64)>,
    pub(super) machine_id: String,
    pub(super) system_uuid: String,
    pub(super) boot_id: String,
    pub(super) kernel: String,
    pub(super) os_image: String,
    pub(super) architecture: &'static str,
    /// The runtime's name and version, as one word.
    pub(super) runtime: String,
    /// Devices of plugins by resource: all, and those that can be used.
    pub(super) devices: BTreeMap<String, (u64, u64)>,
    /// Bytes of swap.
    pub(super) swap: u64,
    /// Whether the kernel enforces profiles of AppArmor.
    pub(super) app_armor: bool,
}

pub(super) fn read(root: &Path, runtime: String) -> Facts {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let word = |path: &str| text(path).trim().to_owned();
    let meminfo = text("/proc/meminfo");
    let disk = rustix::fs::statvfs(root).map(|disk| disk.f_blocks * disk.f_frsize);
    Facts {
        cpus: std::thread::available_parallelism().map_or(1, |count| count.get() as u64),
        memory: kibibytes(&meminfo, "MemTotal"),
        disk: disk.unwrap_or(0),
        huge_pages: huge_pages(),
        machine_id: word("/etc/machine-id"),
        system_uuid: word("/sys/class/dmi/id/product_uuid"),
        boot_id: word("/proc/sys/kernel/random/boot_id"),
        kernel: word("/proc/sys/kernel/osrelease"),
        os_image: os_image(&text("/etc/os-release")),
        architecture: match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        },
        runtime,
        devices: BTreeMap::new(),
        swap: kibibytes(&meminfo, "SwapTotal"),
        app_armor: Path::new("/sys/kernel/security/apparmor").exists()
            && text("/sys/module/apparmor/parameters/enabled").starts_with('Y'),
    }
}

/// A line such as `MemTotal:  16303984 kB`, in bytes.
fn kibibytes(meminfo: &str, name: &str) -> u64 {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

/// `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"`
fn os_image(os_release: &str) -> String {
    let name = os_release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(
        || "Unknown".to_owned(),
        |name| name.trim_matches(['"', '\'']).to_owned(),
    )
}

/// `/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages`
pub(crate) fn huge_pages() -> Vec<(u64, u64)> {
    let folders = fs::read_dir("/sys/kernel/mm/hugepages")
        .into_iter()
        .flatten()
        .flatten();
    let mut pages: Vec<_> = folders
        .filter_map(|folder| {
            let name = folder.file_name().into_string().ok()?;
            let size = name
                .strip_prefix("hugepages-")?
                .strip_suffix("kB")?
                .parse::<u64>()
                .ok()?;
            let count = fs::read_to_string(folder.path().join("nr_hugepages")).ok()?;
            let count: u64 = count.trim().parse().ok()?;
            Some((size * 1024, size * 1024 * count))
        })
        .collect();
    pages.sort_unstable();
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_system_is_its_pretty_one() {
        assert_eq!(
            os_image("ID=x\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"),
            "Debian GNU/Linux 12"
        );
        assert_eq!(os_image(""), "Unknown");
    }
}
