//! Puts a pod's status together.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, HostIP, PodCondition, PodIP, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::model::{
    Container, ContainerName, ContainerRole, Demise, HeldBack, NetworkMode, OngoingResize, Pod,
    PodObservation, ProbeResults, SandboxState, StartFailure,
};
use crate::plan::{InitProgress, has_done_its_work, init_progress, makes_all_anew, start_time};

use super::conditions::{Basis, conditions};
use super::heed::is_foreign;
use super::phase::{Statuses, phase};
use super::{Phase, containers, whole};
use crate::resource::qos_class;

/// What a pod's status follows from.
#[derive(Clone, Copy, Debug)]
pub struct StatusInput<'a> {
    /// What is desired.
    pub pod: &'a Pod,
    /// What the runtime shows.
    pub observation: &'a PodObservation,
    /// What the probes say.
    pub probes: &'a ProbeResults,
    /// Why containers could not be started last time.
    pub failures: &'a BTreeMap<ContainerName, StartFailure>,
    /// Containers that wait after a crash.
    pub held_back: &'a [HeldBack],
    /// The sizes that its containers are being given, if they are.
    pub resizing: Option<&'a OngoingResize>,
    /// How the kubelet ended the pod, if it did.
    pub demise: Option<&'a Demise>,
    /// The status before this one.
    pub previous: Option<&'a PodStatus>,
    /// What holds for every pod of the node.
    pub facts: &'a Facts,
    /// Now.
    pub now: Timestamp,
}

/// What holds for every pod of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The runtime's name, before `://` in container ids.
    pub runtime_name: String,
    /// The node's addresses, the primary first.
    pub host_ips: Vec<IpAddr>,
}

/// The status of a pod, and its phase once more as what it is.
pub fn generate(input: &StatusInput<'_>) -> (PodStatus, Phase) {
    let spec = &input.pod.spec;
    let statuses = |containers: &[Container], role| -> Vec<ContainerStatus> {
        containers
            .iter()
            .map(|one| containers::status(input, one, role))
            .collect()
    };
    let init = statuses(&spec.init_containers, ContainerRole::Init);
    let regular = statuses(&spec.containers, ContainerRole::Regular);
    let ephemeral: Vec<_> = spec
        .ephemeral_containers
        .iter()
        .map(|one| one.container.clone())
        .collect();
    let ephemeral = statuses(&ephemeral, ContainerRole::Ephemeral);

    let is_initialized = is_initialized(input);
    let in_order = Statuses {
        spec,
        init: &init,
        regular: &regular,
    };
    let phase = final_phase(input).unwrap_or_else(|| phase(in_order, is_initialized));
    let pod_ips = pod_ips(input);
    let basis = Basis {
        phase,
        is_initialized,
        has_ready_sandbox: !pod_ips.is_empty() && has_ready_sandbox(input.observation),
        statuses: in_order,
        makes_all_anew: makes_all_anew(input.pod, input.observation),
        pending: input.pod.resize.pending.as_ref(),
        resizing: input.resizing,
        disruption: input.demise.and_then(|demise| demise.disruption.as_deref()),
    };
    let before = input
        .previous
        .and_then(|status| status.conditions.as_deref());
    let status = PodStatus {
        phase: Some(phase.as_str().to_owned()),
        conditions: Some(all_conditions(
            &basis,
            before.unwrap_or_default(),
            input.now,
        )),
        reason: why(
            input,
            |demise| &demise.reason,
            |before| before.reason.as_ref(),
        ),
        message: why(
            input,
            |demise| &demise.message,
            |before| before.message.as_ref(),
        ),
        host_ip: input.facts.host_ips.first().map(IpAddr::to_string),
        host_ips: listed(&input.facts.host_ips, |ip| HostIP { ip }),
        pod_ip: pod_ips.first().map(IpAddr::to_string),
        pod_ips: listed(&pod_ips, |ip| PodIP { ip }),
        start_time: Some(started_at(input)),
        qos_class: Some(qos_class(&input.pod.spec).as_str().to_owned()),
        resources: Some(whole::resources(&input.pod.spec, input.observation.size)),
        allocated_resources: whole::allocated(&input.pod.spec),
        init_container_statuses: some_unless_empty(init),
        container_statuses: some_unless_empty(regular),
        ephemeral_container_statuses: some_unless_empty(ephemeral),
        ..PodStatus::default()
    };
    (without_what_never_was(input, status), phase)
}

/// The kubelet's, and then those of others as they were.
fn all_conditions(basis: &Basis<'_>, before: &[PodCondition], now: Timestamp) -> Vec<PodCondition> {
    let own = conditions(basis, before, now);
    let foreign = before.iter().filter(|one| is_foreign(one)).cloned();
    own.into_iter().chain(foreign).collect()
}

/// Of a pod that was given up before anything of it was made there is nothing to tell but why.
fn without_what_never_was(input: &StatusInput<'_>, status: PodStatus) -> PodStatus {
    if input.demise.is_none() || !input.observation.is_gone() {
        return status;
    }
    let conditions = status.conditions.into_iter().flatten();
    let disruption = conditions.filter(|one| one.type_ == "DisruptionTarget");
    PodStatus {
        conditions: some_unless_empty(disruption.collect()),
        init_container_statuses: None,
        container_statuses: None,
        ephemeral_container_statuses: None,
        ..status
    }
}

/// The phase of a pod whose end is decided: nothing that a container does later changes it.
pub(super) fn final_phase(input: &StatusInput<'_>) -> Option<Phase> {
    let before = input.previous.and_then(|status| status.phase.as_deref());
    input
        .demise
        .map(|_| Phase::Failed)
        .or_else(|| Phase::terminal_from(before))
}

/// A word of why the pod was given up; what was said of a pod that has ended stays.
fn why(
    input: &StatusInput<'_>,
    of_demise: impl Fn(&Demise) -> &str,
    of_status: impl Fn(&PodStatus) -> Option<&String>,
) -> Option<String> {
    let has_ended = |before: &&PodStatus| Phase::terminal_from(before.phase.as_deref()).is_some();
    let before = || {
        input
            .previous
            .filter(has_ended)
            .and_then(of_status)
            .cloned()
    };
    input
        .demise
        .map(|demise| of_demise(demise).to_owned())
        .or_else(before)
}

fn is_initialized(input: &StatusInput<'_>) -> bool {
    if has_done_its_work(input.pod, input.observation) {
        return true;
    }
    let sandbox = input.observation.newest_sandbox();
    match sandbox {
        None => input.pod.spec.init_containers.is_empty(),
        Some(sandbox) => {
            let progress = init_progress(input.pod, input.observation, input.probes, &sandbox.id);
            progress == InitProgress::Done
        }
    }
}

fn has_ready_sandbox(observation: &PodObservation) -> bool {
    observation
        .newest_sandbox()
        .is_some_and(|sandbox| sandbox.state == SandboxState::Ready)
}

/// The pod's addresses; those of the last sandbox when it is gone, as long as it is known.
fn pod_ips(input: &StatusInput<'_>) -> Vec<IpAddr> {
    let Some(sandbox) = input.observation.newest_sandbox() else {
        return Vec::new();
    };
    match input.pod.spec.namespaces.network {
        NetworkMode::Host => input.facts.host_ips.clone(),
        NetworkMode::Pod => sandbox.ips.clone(),
    }
}

fn started_at(input: &StatusInput<'_>) -> Time {
    let before = input.previous.and_then(|status| status.start_time.clone());
    before.unwrap_or_else(|| Time(start_time(input.pod, input.observation)))
}

fn listed<T>(ips: &[IpAddr], wrap: impl Fn(String) -> T) -> Option<Vec<T>> {
    some_unless_empty(ips.iter().map(|ip| wrap(ip.to_string())).collect())
}

fn some_unless_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}
