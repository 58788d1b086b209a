//! The desk: the one owner of the books, which are on disk before anybody relies on them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Semaphore, watch};
use tracing::{info, warn};

use super::checksum::InvalidState;
use super::cpus::{self, CpuBooks, CpuRules};
use super::memory::{self, MemoryBooks, MemoryRules};
use super::{
    CpuPolicy, CpuSet, Holder, Machine, MemoryPolicy, NodeMask, Quota, Settings, TopologyRules,
};
use crate::device;
use crate::metrics::PinningMetrics;
use crate::model::{Container, Pod, PodUid};
use crate::sync::Tenants;
use crate::whole::write_private;

/// Why a kubelet cannot look after CPUs as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeskError(pub(crate) String);

/// What a desk is made of.
pub struct Parts {
    /// What is configured.
    pub settings: Settings,
    /// Bytes of memory that are kept from pods.
    pub kept_memory: u64,
    /// The machine.
    pub machine: Arc<Machine>,
    /// Where state files are.
    pub root: PathBuf,
    /// The pods that are in.
    pub tenants: watch::Receiver<Tenants>,
    /// Who has which device.
    pub devices: Arc<device::Desk>,
    /// Where it is counted what is done.
    pub metrics: PinningMetrics,
}

/// What a container is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// The CPUs that it may use; all when empty.
    pub cpus: String,
    /// The nodes whose memory it may use; all when empty.
    pub mems: String,
    /// Whether the time on them is limited.
    pub quota: Quota,
}

/// Memory of some nodes, as others are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryBlock {
    /// Of which resource.
    pub resource: String,
    /// Bytes.
    pub size: u64,
    /// The nodes it is of.
    pub nodes: Vec<u32>,
}

/// Who has which CPUs and memory for himself.
pub struct Desk {
    pub(super) rules: Rules,
    books: Arc<Mutex<Books>>,
    /// Who has it writes the files: one after the other.
    pen: Arc<Mutex<()>>,
    /// Who has it is let in: one pod after the other.
    pub(super) turn: Semaphore,
    root: PathBuf,
    pub(super) tenants: watch::Receiver<Tenants>,
    pub(super) devices: Arc<device::Desk>,
    /// Told whenever other CPUs are everybody's.
    changes: watch::Sender<()>,
    pub(super) metrics: PinningMetrics,
}

/// What holds on this machine.
pub(super) struct Rules {
    /// Nothing when nobody has CPUs for himself.
    pub(super) cpus: Option<CpuRules>,
    /// Nothing when nobody has memory for himself.
    pub(super) memory: Option<MemoryRules>,
    quota: Quota,
    pub(super) topology: TopologyRules,
}

/// Who has what.
#[derive(Default)]
pub(super) struct Books {
    pub(super) cpus: CpuBooks,
    pub(super) memory: MemoryBooks,
}

impl Desk {
    /// A desk with the books that an earlier kubelet left.
    pub fn open(parts: Parts) -> Result<Self, DeskError> {
        let Parts {
            settings,
            kept_memory,
            machine,
            root,
            tenants,
            devices,
            metrics,
        } = parts;
        let rules = Rules {
            cpus: cpu_rules(&settings, &machine)?,
            memory: memory_rules(&settings, &machine, kept_memory)?,
            quota: settings.quota,
            topology: topology_rules(&settings, &machine)?,
        };
        let books = Books {
            cpus: restored(&root, &rules)?,
            memory: restored_memory(&root, &rules)?,
        };
        let desk = Self {
            rules,
            books: Arc::new(Mutex::new(books)),
            pen: Arc::default(),
            turn: Semaphore::new(1),
            root,
            tenants,
            devices,
            changes: watch::Sender::new(()),
            metrics,
        };
        desk.tell_metrics();
        let written = desk.files();
        write_all(&desk.root, &written).map_err(|error| {
            DeskError(format!(
                "start cpu manager error: could not write {}: {error}",
                desk.root.join(cpus::FILE).display()
            ))
        })?;
        Ok(desk)
    }

    /// A desk at which everybody shares.
    #[cfg(test)]
    pub(crate) fn empty() -> Arc<Self> {
        let (_, tenants) = watch::channel(Tenants::default());
        Arc::new(Self {
            rules: Rules {
                cpus: None,
                memory: None,
                quota: Quota::default(),
                topology: TopologyRules::default(),
            },
            books: Arc::default(),
            pen: Arc::default(),
            turn: Semaphore::new(1),
            root: PathBuf::from("/nowhere"),
            tenants,
            devices: device::Desk::empty(),
            changes: watch::Sender::new(()),
            metrics: PinningMetrics::default(),
        })
    }

    /// Whether anybody has CPUs for himself.
    pub fn has_exclusive(&self) -> bool {
        self.rules.cpus.is_some()
    }

    /// Told whenever other CPUs are everybody's.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// The CPUs that a container may use; nothing when all may use all.
    pub(super) fn usable(&self, holder: &Holder) -> Option<CpuSet> {
        let rules = self.rules.cpus.as_ref()?;
        Some(self.books().cpus.usable(rules, holder).clone())
    }

    /// The CPUs that a container has for itself.
    pub fn exclusive_cpus(&self, pod: &Pod, container: &Container) -> Vec<u32> {
        let books = self.books();
        let own = books.cpus.of(&Holder::of(pod, container));
        own.into_iter().flat_map(CpuSet::iter).collect()
    }

    /// The CPUs that can be had.
    pub fn allocatable_cpus(&self) -> Vec<u32> {
        let rules = self.rules.cpus.as_ref();
        let all = rules.map(CpuRules::allocatable).unwrap_or_default();
        all.iter().collect()
    }

    /// What a container is made with.
    pub fn pinned(&self, pod: &Pod, container: &Container) -> Pinned {
        let (books, holder) = (self.books(), Holder::of(pod, container));
        let own = books.cpus.of(&holder).filter(|own| !own.is_empty());
        let cpus = self
            .rules
            .cpus
            .as_ref()
            .map(|rules| books.cpus.usable(rules, &holder));
        let nodes = books
            .memory
            .of(&holder)
            .iter()
            .flat_map(|block| &block.nodes);
        let nodes: NodeMask = nodes.copied().collect();
        Pinned {
            cpus: cpus.map(CpuSet::to_string).unwrap_or_default(),
            mems: nodes.to_string(),
            quota: own.map_or(Quota::Limited, |_| self.rules.quota),
        }
    }

    /// A container is about to be made: init containers before it have ended.
    pub async fn making(&self, pod: &Pod, container: &Container) {
        let has_changed = self.books().memory.made(pod, container.name.as_str());
        if has_changed {
            self.write_down().await;
        }
    }

    /// The memory that a container has for itself.
    pub fn memory(&self, pod: &Pod, container: &Container) -> Vec<MemoryBlock> {
        let books = self.books();
        let own = books.memory.of(&Holder::of(pod, container)).iter();
        own.map(MemoryBlock::of).collect()
    }

    /// The memory that can be had of each node.
    pub fn allocatable_memory(&self) -> Vec<MemoryBlock> {
        self.books()
            .memory
            .allocatable()
            .iter()
            .map(MemoryBlock::of)
            .collect()
    }

    /// Whether time of a whole pod is limited: not when one of its containers has CPUs for itself.
    pub fn quota_of_pod(&self, pod: &Pod) -> Quota {
        let books = self.books();
        let mut containers = pod.spec.init_containers.iter().chain(&pod.spec.containers);
        match containers.any(|one| books.cpus.of(&Holder::of(pod, one)).is_some()) {
            true => self.rules.quota,
            false => Quota::Limited,
        }
    }

    /// Takes CPUs from pods that have ended, and writes that down.
    pub(super) async fn free_stale(&self) {
        if self.free_all_but(None) {
            self.write_down().await;
        }
    }

    /// Writes the books as they are now; what is not written is told of.
    async fn write_down(&self) {
        if let Err(error) = self.save().await {
            let root = self.root.display();
            warn!(%error, %root, "cannot write down who has which CPUs and memory");
        }
    }

    /// Takes CPUs from pods that have ended; whether any had some.
    pub(super) fn free_all_but(&self, pod: Option<&PodUid>) -> bool {
        let mut holding = {
            let tenants = self.tenants.borrow();
            if tenants.known.is_none() {
                return false;
            }
            tenants.holding.clone()
        };
        holding.extend(pod.cloned());
        let (had_cpus, had_memory) = {
            let mut books = self.books();
            let had_cpus = books.cpus.keep_only(&holding);
            (had_cpus, books.memory.keep_only(&holding))
        };
        if had_cpus {
            self.has_changed();
        }
        had_cpus || had_memory
    }

    pub(super) fn has_changed(&self) {
        self.tell_metrics();
        self.changes.send_replace(());
    }

    fn tell_metrics(&self) {
        if let Some(rules) = &self.rules.cpus {
            let books = self.books();
            let (shared, taken) = (&books.cpus.shared, books.cpus.taken());
            let free = shared.without(rules.reserved()).len();
            let per_node = rules.per_node(&rules.allocatable()).into_iter();
            let taken_of: BTreeMap<_, _> = rules.per_node(&taken).into_iter().collect();
            let per_node = per_node.map(|(id, _)| (id, taken_of.get(&id).copied().unwrap_or(0)));
            self.metrics.cpus_are(free, taken.len(), per_node);
        }
    }

    /// The files as the books are now.
    fn files(&self) -> Vec<(&'static str, Vec<u8>)> {
        self.books().files(policies(&self.rules))
    }

    pub(super) async fn save(&self) -> io::Result<()> {
        let (books, pen) = (Arc::clone(&self.books), Arc::clone(&self.pen));
        let (root, policies) = (self.root.clone(), policies(&self.rules));
        let saving = tokio::task::spawn_blocking(move || {
            let _pen = pen.lock().expect("no holder of this lock can panic");
            let files = {
                let books = books.lock().expect("no holder of this lock can panic");
                books.files(policies)
            };
            write_all(&root, &files)
        });
        saving.await.map_err(io::Error::other)?
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("no holder of this lock can panic")
    }
}

impl Books {
    pub(super) fn has(&self, pod: &PodUid) -> bool {
        self.holders().any(|holder| holder.pod == *pod)
    }

    /// Whoever has something.
    pub(super) fn holders(&self) -> impl Iterator<Item = &Holder> {
        self.cpus.held.keys().chain(self.memory.held.keys())
    }

    fn files(&self, (cpus, memory): (&str, &str)) -> Vec<(&'static str, Vec<u8>)> {
        vec![
            (cpus::FILE, cpus::write(cpus, &self.cpus)),
            (memory::FILE, memory::write(memory, &self.memory)),
        ]
    }
}

impl MemoryBlock {
    fn of(block: &memory::Block) -> Self {
        Self {
            resource: block.resource.clone(),
            size: block.size,
            nodes: block.nodes.clone(),
        }
    }
}

/// What is configured of CPUs, on this machine.
fn cpu_rules(settings: &Settings, machine: &Arc<Machine>) -> Result<Option<CpuRules>, DeskError> {
    let unknown = settings.reserved.without(&machine.all());
    if !unknown.is_empty() {
        return Err(DeskError(format!(
            "reserved-cpus: {} is not a subset of online-cpus: {}",
            settings.reserved,
            machine.all()
        )));
    }
    if settings.cpus == CpuPolicy::None {
        return Ok(None);
    }
    if settings.reserved_millis == 0 {
        return Err(DeskError(
            "[cpumanager] the static policy requires systemreserved.cpu + kubereserved.cpu to be \
             greater than zero"
                .to_owned(),
        ));
    }
    let rules = CpuRules::new(Arc::clone(machine), settings)
        .map_err(|why| DeskError(format!("new static policy error: {why}")))?;
    info!(reserved = %rules.reserved(), "these CPUs are for nobody alone");
    Ok(Some(rules))
}

/// What is configured of nearness, on this machine.
fn topology_rules(settings: &Settings, machine: &Machine) -> Result<TopologyRules, DeskError> {
    TopologyRules::new(settings.nearness, &settings.topology_options, machine).map_err(DeskError)
}

/// The books that an earlier kubelet left.
fn restored(root: &Path, rules: &Rules) -> Result<CpuBooks, DeskError> {
    let file = root.join(cpus::FILE);
    let read = match std::fs::read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(CpuBooks::default()),
        Err(error) => Err(InvalidState::Malformed(error.to_string())),
        Ok(bytes) => cpus::read(policies(rules).0, &bytes),
    };
    let books = read.map_err(|why| {
        DeskError(format!(
            "start cpu manager error: could not restore state from checkpoint: {why}, please drain \
             this node and delete the CPU manager checkpoint file {file:?} before restarting Kubelet"
        ))
    })?;
    match &rules.cpus {
        None => Ok(books),
        Some(rules) => books.resume(rules).map_err(|why| {
            DeskError(format!(
                "start cpu manager error: {why}; please drain this node and delete the CPU manager \
                 checkpoint file {file:?} before restarting Kubelet"
            ))
        }),
    }
}

/// What is configured of memory, on this machine.
fn memory_rules(
    settings: &Settings,
    machine: &Machine,
    kept: u64,
) -> Result<Option<MemoryRules>, DeskError> {
    if settings.memory == MemoryPolicy::None {
        return Ok(None);
    }
    let rules = MemoryRules::new(machine, &settings.reservations, kept);
    rules.map(Some).map_err(DeskError)
}

/// The books of memory that an earlier kubelet left.
fn restored_memory(root: &Path, rules: &Rules) -> Result<MemoryBooks, DeskError> {
    let file = root.join(memory::FILE);
    let mend = "please drain this node and delete the memory manager checkpoint file";
    let read = match std::fs::read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(MemoryBooks::default()),
        Err(error) => Err(InvalidState::Malformed(error.to_string())),
        Ok(bytes) => memory::read(policies(rules).1, &bytes),
    };
    let books = read.map_err(|why| {
        DeskError(format!(
            "start memory manager error: could not restore state from checkpoint: {why}, {mend} \
             {file:?} before restarting Kubelet"
        ))
    })?;
    match &rules.memory {
        None => Ok(books),
        Some(rules) => books.resume(rules).map_err(|why| {
            DeskError(format!(
                "start memory manager error: {why}; {mend} {file:?} before restarting Kubelet"
            ))
        }),
    }
}

/// The names of the policies of CPUs and memory.
fn policies(rules: &Rules) -> (&'static str, &'static str) {
    let cpus = if rules.cpus.is_some() {
        "static"
    } else {
        "none"
    };
    let memory = if rules.memory.is_some() {
        "Static"
    } else {
        "None"
    };
    (cpus, memory)
}

/// Each whole or not at all.
fn write_all(root: &Path, files: &[(&'static str, Vec<u8>)]) -> io::Result<()> {
    for (name, bytes) in files {
        write_private(&root.join(name), bytes)?;
    }
    Ok(())
}
