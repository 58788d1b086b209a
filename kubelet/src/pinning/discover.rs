//! The machine as the kernel shows it below `/sys/devices/system`.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::{Cpu, CpuSet, Machine, MemoryNode};

/// The threads of one core, and the caches that they see.
struct Core {
    threads: Vec<u32>,
    socket: u32,
}

/// Reads what there is, below `system` (`/sys/devices/system`); `memory` is what a machine has that tells
/// of no nodes.
pub fn discover(system: &Path, memory: u64) -> io::Result<Machine> {
    let online = online(system)?;
    let mut machine = Machine::default();
    for (node, cpus, memory_node) in nodes(system, &online, memory)? {
        let cores = cores(system, &cpus);
        let in_node: usize = cores.iter().map(|core| core.threads.len()).sum();
        for core in cores {
            let lowest = core.threads.iter().min().copied().unwrap_or(0);
            let cache = shared_cache(system, lowest, in_node).unwrap_or(core.socket);
            for thread in core.threads {
                let cpu = Cpu {
                    node,
                    socket: core.socket,
                    cache,
                    core: lowest,
                };
                machine.cpus.insert(thread, cpu);
            }
        }
        machine.nodes.insert(node, memory_node);
    }
    if machine.cpus.is_empty() {
        return Err(io::Error::other("could not detect number of cpus"));
    }
    Ok(machine)
}

fn online(system: &Path) -> io::Result<CpuSet> {
    let text = std::fs::read_to_string(system.join("cpu/online"))?;
    CpuSet::parse(&text).map_err(io::Error::other)
}

/// The nodes with their CPUs; sockets on a machine that tells of no nodes.
fn nodes(
    system: &Path,
    online: &CpuSet,
    memory: u64,
) -> io::Result<Vec<(u32, CpuSet, MemoryNode)>> {
    let directory = system.join("node");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(&directory).into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix("node"));
        let Some(id) = id.and_then(|id| id.parse().ok()) else {
            continue;
        };
        let cpus = std::fs::read_to_string(entry.path().join("cpulist"))?;
        let cpus = CpuSet::parse(&cpus).map_err(io::Error::other)?;
        all.push((id, cpus.common(online), memory_node(&entry.path())?));
    }
    if all.is_empty() {
        let mut sockets: BTreeMap<u32, CpuSet> = BTreeMap::new();
        for cpu in online.iter() {
            let socket = of_cpu(system, cpu, "physical_package_id").unwrap_or(0);
            sockets.entry(socket).or_default().insert(cpu);
        }
        for (index, (id, cpus)) in sockets.into_iter().enumerate() {
            let has_memory = if index == 0 { memory } else { 0 };
            let node = MemoryNode {
                memory: has_memory,
                ..MemoryNode::default()
            };
            all.push((id, cpus, node));
        }
    }
    all.sort_by_key(|(id, ..)| *id);
    Ok(all)
}

/// CPUs by their cores.
fn cores(system: &Path, cpus: &CpuSet) -> Vec<Core> {
    let mut cores: BTreeMap<(u32, u32), Core> = BTreeMap::new();
    for cpu in cpus.iter() {
        let place = ["physical_package_id", "core_id"].map(|file| of_cpu(system, cpu, file));
        let [Some(socket), Some(core)] = place else {
            continue;
        };
        let core = cores.entry((socket, core)).or_insert(Core {
            threads: Vec::new(),
            socket,
        });
        core.threads.push(cpu);
    }
    cores.into_values().collect()
}

fn of_cpu(system: &Path, cpu: u32, file: &str) -> Option<u32> {
    let path = system.join(format!("cpu/cpu{cpu}/topology/{file}"));
    // The kernel says -1 where it does not know.
    let number: i64 = std::fs::read_to_string(path).ok()?.trim().parse().ok()?;
    Some(u32::try_from(number).unwrap_or(0))
}

/// The number of the third-level cache of a CPU, unless it is the whole node's.
fn shared_cache(system: &Path, cpu: u32, in_node: usize) -> Option<u32> {
    let caches = system.join(format!("cpu/cpu{cpu}/cache"));
    for entry in std::fs::read_dir(caches).ok()?.flatten() {
        let read = |file: &str| std::fs::read_to_string(entry.path().join(file)).ok();
        let level: u32 = read("level")
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0);
        if level <= 2 {
            continue;
        }
        let sharing = CpuSet::parse(&read("shared_cpu_list")?).ok()?;
        if sharing.len() != in_node {
            return read("id")?.trim().parse().ok();
        }
    }
    None
}

fn memory_node(directory: &Path) -> io::Result<MemoryNode> {
    let meminfo = std::fs::read_to_string(directory.join("meminfo"))?;
    let distances = std::fs::read_to_string(directory.join("distance")).unwrap_or_default();
    let numbers = distances.split_whitespace();
    let mut huge_pages = BTreeMap::new();
    let pages = std::fs::read_dir(directory.join("hugepages"));
    for entry in pages.into_iter().flatten().flatten() {
        let name = entry.file_name();
        let size = name
            .to_str()
            .and_then(|name| name.strip_prefix("hugepages-"));
        let size = size.and_then(|size| size.strip_suffix("kB"));
        let count = std::fs::read_to_string(entry.path().join("nr_hugepages")).ok();
        let count = count.and_then(|text| text.trim().parse().ok());
        if let (Some(size), Some(count)) = (size.and_then(|size| size.parse::<u64>().ok()), count) {
            huge_pages.insert(size * 1024, count);
        }
    }
    Ok(MemoryNode {
        memory: total(&meminfo).unwrap_or(0),
        huge_pages,
        distances: numbers.filter_map(|number| number.parse().ok()).collect(),
    })
}

/// `Node 0 MemTotal:       16303984 kB`
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.contains("MemTotal:"))?;
    let mut words = line
        .split_whitespace()
        .skip_while(|word| *word != "MemTotal:");
    let kibibytes: u64 = words.nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A file below a directory, with all that is above it.
    fn put(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Two nodes of a socket each; in the first one two cores of two threads, each with a cache of its own,
    /// in the second one a core with one of its threads switched off.
    fn system() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let path = root.path();
        put(path, "cpu/online", "0-4\n");
        for (cpu, core, socket, cache, sharing) in [
            (0, 0, 0, 0, "0,2"),
            (1, 1, 0, 1, "1,3"),
            (2, 0, 0, 0, "0,2"),
            (3, 1, 0, 1, "1,3"),
            (4, 0, 1, 2, "4"),
            (5, 0, 1, 2, "4"),
        ] {
            let at = |file: &str| format!("cpu/cpu{cpu}/{file}");
            put(path, &at("topology/core_id"), &format!("{core}\n"));
            put(
                path,
                &at("topology/physical_package_id"),
                &format!("{socket}\n"),
            );
            put(path, &at("cache/index3/level"), "3\n");
            put(path, &at("cache/index3/id"), &format!("{cache}\n"));
            put(path, &at("cache/index3/shared_cpu_list"), sharing);
        }
        for (node, cpus) in [(0, "0-3"), (1, "4-5")] {
            let at = |file: &str| format!("node/node{node}/{file}");
            put(path, &at("cpulist"), cpus);
            let memory =
                format!("Node {node} MemTotal:       2048 kB\nNode {node} MemFree: 1 kB\n");
            put(path, &at("meminfo"), &memory);
            put(path, &at("distance"), "10 21\n");
            put(path, &at("hugepages/hugepages-2048kB/nr_hugepages"), "3\n");
        }
        root
    }

    #[test]
    fn a_machine_is_read_with_its_nodes_sockets_caches_and_cores() {
        let root = system();
        let machine = discover(root.path(), 0).unwrap();
        let places: Vec<_> = machine
            .cpus
            .iter()
            .map(|(number, cpu)| (*number, cpu.node, cpu.socket, cpu.cache, cpu.core))
            .collect();
        assert_eq!(
            places,
            [
                (0, 0, 0, 0, 0),
                (1, 0, 0, 1, 1),
                (2, 0, 0, 0, 0),
                (3, 0, 0, 1, 1),
                (4, 1, 1, 1, 4),
            ],
            "a cache of a whole node is the socket's"
        );
        let node = &machine.nodes[&1];
        assert_eq!(node.memory, 2 << 20);
        assert_eq!(node.huge_pages, [(2 << 20, 3)].into());
        assert_eq!(node.distances, [10, 21]);
    }

    #[test]
    fn a_machine_that_tells_of_no_nodes_has_one_for_each_socket() {
        let root = system();
        fs::remove_dir_all(root.path().join("node")).unwrap();
        let machine = discover(root.path(), 77).unwrap();
        let memory: Vec<_> = machine
            .nodes
            .iter()
            .map(|(id, node)| (*id, node.memory))
            .collect();
        assert_eq!(memory, [(0, 77), (1, 0)]);
        assert_eq!(machine.cpus[&4].node, 1);
    }

    #[test]
    fn this_machine_can_be_read() {
        let machine = discover(Path::new("/sys/devices/system"), 0).unwrap();
        assert!(!machine.cpus.is_empty() && !machine.nodes.is_empty());
    }
}
