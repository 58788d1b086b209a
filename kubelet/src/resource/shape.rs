//! How the node shapes the resources of its containers beyond what each asks for: pure.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use super::limits::within_pod;
use super::{PodLimits, QosClass, pod_limits, qos_class};
use crate::cri;
use crate::model::{Container, Overhead, Pod, PodSpec, Quantity, huge_page_size};

/// How the node shapes the resources of its containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// What becomes of limits of CPU time.
    pub bandwidth: Bandwidth,
    /// Who may swap.
    pub swap: SwapBehaviour,
    /// What goes when a container has used up its memory.
    pub out_of_memory: OutOfMemory,
    /// What the machine can do.
    pub machine: Machine,
}

/// What becomes of limits of CPU time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bandwidth {
    /// They hold over periods of so many microseconds.
    Limited {
        /// The length of a period.
        period: u64,
    },
    /// They do not hold.
    Unlimited,
}

impl Default for Bandwidth {
    fn default() -> Self {
        Self::Limited { period: 100_000 }
    }
}

impl Bandwidth {
    /// What a pod's cgroup says of so many thousandths: a quota, and the period if it matters.
    pub(super) fn of(self, millis: u64) -> (i64, Option<u64>) {
        match self {
            Self::Unlimited => (-1, None),
            Self::Limited { period } => {
                let quota = super::quota(millis, period);
                (i64::try_from(quota).unwrap_or(i64::MAX), Some(period))
            }
        }
    }
}

/// Who may swap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SwapBehaviour {
    /// Nobody.
    #[default]
    NoSwap,
    /// Burstable containers, as much of the swap as they asked for of the memory.
    LimitedSwap,
}

/// What goes when a container has used up its memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OutOfMemory {
    /// All its processes, where the machine can do that.
    #[default]
    Container,
    /// The process that the kernel chooses.
    Process,
}

/// What the machine's cgroups can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Which version they are.
    pub version: Version,
    /// Bytes of swap, where it can be limited.
    pub swap: Option<u64>,
    /// Bytes of memory.
    pub memory: u64,
    /// Sizes of huge pages that can be limited, as the kernel names them: `2MB`.
    pub page_sizes: Vec<String>,
}

/// Which version the machine's cgroups are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// One hierarchy for each controller.
    #[default]
    V1,
    /// One for all.
    V2,
}

/// What a whole pod may use, as the runtime takes it.
pub(crate) fn pod_resources(spec: &PodSpec, bandwidth: Bandwidth) -> cri::PodResources {
    let overhead = &spec.overhead;
    let beside = PodLimits {
        cpu_shares: super::shares(overhead.cpu_millis),
        cpu_millis: Some(overhead.cpu_millis),
        memory: Some(overhead.memory_bytes),
    };
    let alone = PodSpec {
        overhead: Overhead::default(),
        ..spec.clone()
    };
    cri::PodResources {
        overhead: wire(beside, bandwidth),
        containers: wire(pod_limits(&alone), bandwidth),
    }
}

fn wire(limits: PodLimits, bandwidth: Bandwidth) -> cri::Resources {
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let quota = limits.cpu_millis.filter(|millis| *millis > 0);
    let (quota, period) = quota.map_or((0, None), |millis| bandwidth.of(millis));
    cri::Resources {
        cpu_period: period.map_or(0, signed),
        cpu_quota: quota.max(0),
        cpu_shares: signed(limits.cpu_shares),
        memory_limit: signed(limits.memory.unwrap_or(0)),
        ..cri::Resources::default()
    }
}

/// Sets what the node decides and the container does not.
pub(crate) fn shape(
    resources: &mut cri::Resources,
    (pod, container): (&Pod, &Container),
    shape: &Shape,
) {
    let limit = within_pod(&pod.spec, container).limits.cpu_millis;
    bandwidth(resources, limit, shape.bandwidth);
    // What a container does not say of pages its pod may.
    let mut asked = pod.spec.scalars.limits.clone();
    asked.extend(container.scalars.limits.clone());
    resources.huge_pages = limits_of_pages(&asked, &shape.machine.page_sizes);
    if shape.machine.version == Version::V2 {
        unified(resources, (pod, container), shape);
    }
}

fn bandwidth(resources: &mut cri::Resources, limit: Option<u64>, bandwidth: Bandwidth) {
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    match bandwidth {
        Bandwidth::Unlimited => (resources.cpu_period, resources.cpu_quota) = (0, 0),
        Bandwidth::Limited { period } => {
            let limit = limit.filter(|limit| *limit > 0);
            resources.cpu_period = signed(period);
            resources.cpu_quota = limit.map_or(0, |millis| signed(super::quota(millis, period)));
        }
    }
}

/// Limits of huge pages of every size that there is, by the kernel's names: none unless asked for.
pub(super) fn limits_of_pages(
    asked: &BTreeMap<String, u64>,
    sizes: &[String],
) -> BTreeMap<String, u64> {
    let mut limits: BTreeMap<_, _> = sizes.iter().map(|size| (size.clone(), 0)).collect();
    for (name, amount) in asked {
        if let Some(limit) = page_size(name).and_then(|size| limits.get_mut(&size)) {
            *limit = *amount;
        }
    }
    limits
}

/// `2MB` for `hugepages-2Mi`.
fn page_size(name: &str) -> Option<String> {
    let size = Quantity::parse(huge_page_size(name)?).ok()?;
    u64::try_from(size.units()).ok().map(kernel_name)
}

/// `2MB` for 2097152.
pub(crate) fn kernel_name(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes, "B");
    for larger in ["KB", "MB", "GB", "TB", "PB"] {
        if value == 0 || !value.is_multiple_of(1024) {
            break;
        }
        (value, unit) = (value / 1024, larger);
    }
    format!("{value}{unit}")
}

/// On one hierarchy, swap has a limit of its own, and all processes of a container can go together.
fn unified(resources: &mut cri::Resources, of: (&Pod, &Container), shape: &Shape) {
    if let Some(total) = shape.machine.swap {
        resources.memory_swap_limit = 0;
        let most = match shape.swap {
            SwapBehaviour::LimitedSwap => swap_for(of, total, shape.machine.memory),
            SwapBehaviour::NoSwap => 0,
        };
        let unified = &mut resources.unified;
        unified.insert("memory.swap.max".to_owned(), most.to_string());
    }
    if shape.out_of_memory == OutOfMemory::Container {
        let unified = &mut resources.unified;
        unified.insert("memory.oom.group".to_owned(), "1".to_owned());
    }
}

/// Whether a container may swap.
pub(crate) fn may_swap(of: (&Pod, &Container), shape: &Shape) -> bool {
    let machine = &shape.machine;
    let total = machine.swap.filter(|_| machine.version == Version::V2);
    shape.swap == SwapBehaviour::LimitedSwap
        && total.is_some_and(|total| swap_for(of, total, machine.memory) > 0)
}

/// As much of the swap as the container asked for of the memory. Critical pods and those that are
/// sure of all their memory do not swap.
fn swap_for((pod, container): (&Pod, &Container), swap: u64, memory: u64) -> u64 {
    let (requests, limits) = (&container.resources.requests, &container.resources.limits);
    let asked = requests.memory_bytes.unwrap_or(0);
    let is_sure = Some(asked) == limits.memory_bytes;
    let is_burstable = qos_class(&pod.spec) == QosClass::Burstable;
    if pod.spec.placement.is_critical() || !is_burstable || asked == 0 || is_sure {
        return 0;
    }
    let share = u128::from(asked) * u128::from(swap) / u128::from(memory.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RestartPolicy;
    use crate::plan::fixture;
    use crate::resource::container_resources;

    const GIB: u64 = 1 << 30;

    fn shaped(change: impl FnOnce(&mut Pod), how: &Shape) -> cri::Resources {
        let mut pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
        change(&mut pod);
        let container = &pod.spec.containers[0];
        let mut resources = container_resources((&pod, container), 4 * GIB);
        shape(&mut resources, (&pod, container), how);
        resources
    }

    fn unified_machine(swap: SwapBehaviour) -> Shape {
        Shape {
            swap,
            machine: Machine {
                version: Version::V2,
                swap: Some(2 * GIB),
                memory: 4 * GIB,
                page_sizes: Vec::new(),
            },
            ..Shape::default()
        }
    }

    fn asking(request: u64, limit: Option<u64>) -> impl FnOnce(&mut Pod) {
        move |pod| {
            let resources = &mut pod.spec.containers[0].resources;
            resources.requests.memory_bytes = Some(request);
            resources.limits.memory_bytes = limit;
        }
    }

    #[test]
    fn only_burstable_containers_that_ask_for_memory_may_swap() {
        let limited = unified_machine(SwapBehaviour::LimitedSwap);
        let swap = |change: Box<dyn FnOnce(&mut Pod)>, how: &Shape| {
            shaped(change, how).unified["memory.swap.max"].clone()
        };
        let half = (GIB / 2).to_string();
        assert_eq!(swap(Box::new(asking(GIB, None)), &limited), half);
        assert_eq!(swap(Box::new(asking(GIB, Some(2 * GIB))), &limited), half);
        assert_eq!(swap(Box::new(asking(GIB, Some(GIB))), &limited), "0");
        assert_eq!(swap(Box::new(|_| ()), &limited), "0");
        let critical = |pod: &mut Pod| {
            asking(GIB, None)(pod);
            pod.spec.placement.priority = 2_000_000_000;
        };
        assert_eq!(swap(Box::new(critical), &limited), "0");
        let none = unified_machine(SwapBehaviour::NoSwap);
        assert_eq!(swap(Box::new(asking(GIB, None)), &none), "0");
    }

    #[test]
    fn a_container_goes_as_a_whole_unless_single_processes_shall() {
        let all = unified_machine(SwapBehaviour::NoSwap);
        assert_eq!(shaped(|_| (), &all).unified["memory.oom.group"], "1");
        let single = Shape {
            out_of_memory: OutOfMemory::Process,
            ..all
        };
        assert!(
            !shaped(|_| (), &single)
                .unified
                .contains_key("memory.oom.group")
        );
        assert_eq!(shaped(|_| (), &Shape::default()).unified, BTreeMap::new());
    }

    #[test]
    fn huge_pages_are_closed_unless_they_are_asked_for() {
        let how = Shape {
            machine: Machine {
                page_sizes: vec!["2MB".to_owned(), "1GB".to_owned()],
                ..Machine::default()
            },
            ..Shape::default()
        };
        let asking = |pod: &mut Pod| {
            let limits = &mut pod.spec.containers[0].scalars.limits;
            limits.insert("hugepages-2Mi".to_owned(), 4 << 20);
        };
        let expected = [("1GB".to_owned(), 0), ("2MB".to_owned(), 4 << 20)];
        assert_eq!(shaped(asking, &how).huge_pages, expected.into());
    }

    #[test]
    fn limits_of_cpu_time_hold_over_the_period_or_not_at_all() {
        let limited = |pod: &mut Pod| {
            pod.spec.containers[0].resources.limits.cpu_millis = Some(500);
        };
        let short = Shape {
            bandwidth: Bandwidth::Limited { period: 10_000 },
            ..Shape::default()
        };
        let resources = shaped(limited, &short);
        assert_eq!((resources.cpu_quota, resources.cpu_period), (5_000, 10_000));
        let off = Shape {
            bandwidth: Bandwidth::Unlimited,
            ..Shape::default()
        };
        assert_eq!(shaped(limited, &off).cpu_quota, 0);
    }

    #[test]
    fn a_pods_limit_of_cpu_time_holds_as_those_of_its_containers_do() {
        let second = Bandwidth::Limited { period: 1_000_000 };
        assert_eq!(second.of(5), (5_000, Some(1_000_000)));
        assert_eq!(Bandwidth::default().of(5), (1_000, Some(100_000)));
        assert_eq!(Bandwidth::Unlimited.of(500), (-1, None));
    }

    #[test]
    fn a_pod_gets_no_huge_pages_of_a_size_that_it_does_not_ask_for() {
        let sizes = ["2MB".to_owned(), "1GB".to_owned()];
        let asked = [("hugepages-2Mi".to_owned(), 4 << 20)].into();
        let expected = [("1GB".to_owned(), 0), ("2MB".to_owned(), 4 << 20)];
        assert_eq!(limits_of_pages(&asked, &sizes), expected.into());
    }
}
