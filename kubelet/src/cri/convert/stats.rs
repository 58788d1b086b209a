//! What pods use, from the wire.

use podling_proto::runtime::v1;

use super::{ConvertError, optional_time, time};
use crate::cri::{
    ContainerMetadata, ContainerStats, CpuUsage, FilesystemUsage, ImageFilesystems, InterfaceUsage,
    MemoryUsage, Metric, MetricDescriptor, NetworkUsage, PodStats, Pressure, SandboxMetadata,
    SwapUsage, Usage, Waiting,
};

pub(in crate::cri) fn pod_stats_from_wire(
    stats: v1::PodSandboxStats,
) -> Result<PodStats, ConvertError> {
    let v1::PodSandboxStats {
        attributes,
        linux,
        windows: _,
    } = stats;
    let attributes = attributes.ok_or(ConvertError::Missing("PodSandboxStats.attributes"))?;
    let metadata = attributes
        .metadata
        .ok_or(ConvertError::Missing("PodSandboxAttributes.metadata"))?;
    let linux = linux.unwrap_or_default();
    let usage = Usage {
        cpu: linux.cpu.map(cpu).transpose()?,
        memory: linux.memory.map(memory).transpose()?,
        swap: None,
        io: linux.io.map(io).transpose()?.flatten(),
    };
    let containers = linux.containers.into_iter().map(container);
    Ok(PodStats {
        id: attributes.id.into(),
        metadata: SandboxMetadata {
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            attempt: metadata.attempt,
        },
        usage,
        network: linux.network.map(network).transpose()?,
        processes: linux
            .process
            .and_then(|process| number(process.process_count)),
        containers: containers.collect::<Result<_, _>>()?,
    })
}

fn container(stats: v1::ContainerStats) -> Result<ContainerStats, ConvertError> {
    let v1::ContainerStats {
        attributes,
        cpu: cpu_usage,
        memory: memory_usage,
        writable_layer,
        swap: swap_usage,
        io: io_usage,
    } = stats;
    let attributes = attributes.ok_or(ConvertError::Missing("ContainerStats.attributes"))?;
    let metadata = attributes
        .metadata
        .ok_or(ConvertError::Missing("ContainerAttributes.metadata"))?;
    Ok(ContainerStats {
        id: attributes.id.into(),
        metadata: ContainerMetadata {
            name: metadata.name,
            attempt: metadata.attempt,
        },
        usage: Usage {
            cpu: cpu_usage.map(cpu).transpose()?,
            memory: memory_usage.map(memory).transpose()?,
            swap: swap_usage.map(swap).transpose()?,
            io: io_usage.map(io).transpose()?.flatten(),
        },
        writable_layer: writable_layer.map(filesystem).transpose()?,
    })
}

pub(in crate::cri) fn filesystems_from_wire(
    info: v1::ImageFsInfoResponse,
) -> Result<ImageFilesystems, ConvertError> {
    let all = |list: Vec<_>| list.into_iter().map(filesystem).collect::<Result<_, _>>();
    Ok(ImageFilesystems {
        images: all(info.image_filesystems)?,
        containers: all(info.container_filesystems)?,
    })
}

pub(in crate::cri) fn descriptor_from_wire(descriptor: v1::MetricDescriptor) -> MetricDescriptor {
    let v1::MetricDescriptor {
        name,
        help,
        label_keys,
    } = descriptor;
    MetricDescriptor {
        name,
        help,
        labels: label_keys,
    }
}

pub(in crate::cri) fn metrics_from_wire(
    pod: v1::PodSandboxMetrics,
) -> Result<Vec<Metric>, ConvertError> {
    let of_containers = pod
        .container_metrics
        .into_iter()
        .flat_map(|one| one.metrics);
    pod.metrics
        .into_iter()
        .chain(of_containers)
        .map(metric)
        .collect()
}

fn metric(metric: v1::Metric) -> Result<Metric, ConvertError> {
    const FIELD: &str = "Metric.metric_type";
    let is_counter = match v1::MetricType::try_from(metric.metric_type) {
        Ok(v1::MetricType::Counter) => true,
        Ok(v1::MetricType::Gauge) => false,
        Err(_) => {
            let value = metric.metric_type;
            return Err(ConvertError::UnknownValue {
                field: FIELD,
                value,
            });
        }
    };
    Ok(Metric {
        name: metric.name,
        at: optional_time("Metric.timestamp", metric.timestamp)?,
        is_counter,
        labels: metric.label_values,
        value: number(metric.value).unwrap_or_default(),
    })
}

fn cpu(usage: v1::CpuUsage) -> Result<CpuUsage, ConvertError> {
    Ok(CpuUsage {
        at: time("CpuUsage.timestamp", usage.timestamp)?,
        core_nanoseconds: number(usage.usage_core_nano_seconds),
        nano_cores: number(usage.usage_nano_cores),
        pressure: usage.psi.map(pressure),
    })
}

fn memory(usage: v1::MemoryUsage) -> Result<MemoryUsage, ConvertError> {
    Ok(MemoryUsage {
        at: time("MemoryUsage.timestamp", usage.timestamp)?,
        available: number(usage.available_bytes),
        usage: number(usage.usage_bytes),
        working_set: number(usage.working_set_bytes),
        rss: number(usage.rss_bytes),
        page_faults: number(usage.page_faults),
        major_page_faults: number(usage.major_page_faults),
        pressure: usage.psi.map(pressure),
    })
}

fn swap(usage: v1::SwapUsage) -> Result<SwapUsage, ConvertError> {
    Ok(SwapUsage {
        at: time("SwapUsage.timestamp", usage.timestamp)?,
        available: number(usage.swap_available_bytes),
        usage: number(usage.swap_usage_bytes),
    })
}

fn io(usage: v1::IoUsage) -> Result<Option<(jiff::Timestamp, Pressure)>, ConvertError> {
    let at = time("IoUsage.timestamp", usage.timestamp)?;
    Ok(usage.psi.map(|psi| (at, pressure(psi))))
}

fn pressure(psi: v1::PsiStats) -> Pressure {
    let waiting = |data: Option<v1::PsiData>| {
        let data = data.unwrap_or_default();
        Waiting {
            total: data.total,
            avg10: data.avg10,
            avg60: data.avg60,
            avg300: data.avg300,
        }
    };
    Pressure {
        full: waiting(psi.full),
        some: waiting(psi.some),
    }
}

fn filesystem(usage: v1::FilesystemUsage) -> Result<FilesystemUsage, ConvertError> {
    Ok(FilesystemUsage {
        at: time("FilesystemUsage.timestamp", usage.timestamp)?,
        mount_point: usage.fs_id.map(|id| id.mountpoint).unwrap_or_default(),
        used_bytes: number(usage.used_bytes),
        inodes_used: number(usage.inodes_used),
    })
}

fn network(usage: v1::NetworkUsage) -> Result<NetworkUsage, ConvertError> {
    Ok(NetworkUsage {
        at: time("NetworkUsage.timestamp", usage.timestamp)?,
        default_interface: usage.default_interface.map(interface),
        interfaces: usage.interfaces.into_iter().map(interface).collect(),
    })
}

fn interface(usage: v1::NetworkInterfaceUsage) -> InterfaceUsage {
    InterfaceUsage {
        name: usage.name,
        rx_bytes: number(usage.rx_bytes),
        rx_errors: number(usage.rx_errors),
        tx_bytes: number(usage.tx_bytes),
        tx_errors: number(usage.tx_errors),
    }
}

fn number(value: Option<v1::UInt64Value>) -> Option<u64> {
    value.map(|value| value.value)
}
