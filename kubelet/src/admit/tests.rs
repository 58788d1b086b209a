//! Tables of pods and nodes, and what is said to each.

use std::collections::BTreeMap;

use super::*;
use crate::evict::Pressure;
use crate::model::{
    AppArmorProfile, Container, ContainerPort, ExitCodes, NetworkMode, NodeOperator,
    NodeRequirement, NodeTerm, Pod, PodName, Protocol, RestartAction, RestartPolicy, RestartRule,
    SupplementalGroupsPolicy, Sysctl,
};
use crate::plan::fixture;
use crate::shutdown::Machine;

const MIB: u64 = 1 << 20;

fn node() -> NodeFacts {
    NodeFacts {
        labels: [
            ("kubernetes.io/hostname", "node-a"),
            ("disk", "ssd"),
            ("cores", "4"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
        allocatable: Amounts {
            cpu_millis: 2000,
            memory: 1000 * MIB,
            ephemeral_storage: 500 * MIB,
            scalars: [("example.com/gpu".to_owned(), 2)].into(),
        },
        pods: 3,
        app_armor: AppArmor::Absent,
        ..NodeFacts::boundless()
    }
}

fn pod(name: &str) -> Pod {
    Pod {
        uid: format!("uid-{name}").into(),
        name: PodName::new("default", name),
        ..fixture::pod(RestartPolicy::Always, &[], &["web"])
    }
}

fn with(name: &str, change: impl FnOnce(&mut Pod)) -> Pod {
    let mut pod = pod(name);
    change(&mut pod);
    pod
}

fn asking(name: &str, cpu: u64, memory: u64) -> Pod {
    with(name, |pod| ask(&mut pod.spec.containers[0], cpu, memory))
}

fn ask(container: &mut Container, cpu: u64, memory: u64) {
    container.resources.requests.cpu_millis = Some(cpu);
    container.resources.requests.memory_bytes = Some(memory);
}

fn scalar(pod: &mut Pod, name: &str, amount: u64) {
    let scalars = &mut pod.spec.containers[0].scalars;
    scalars.requests.insert(name.to_owned(), amount);
}

fn critical(name: &str, cpu: u64, memory: u64) -> Pod {
    let mut pod = asking(name, cpu, memory);
    pod.spec.placement.priority = 2_000_000_000;
    pod
}

fn guaranteed(name: &str, cpu: u64, memory: u64) -> Pod {
    let mut pod = asking(name, cpu, memory);
    let resources = &mut pod.spec.containers[0].resources;
    resources.limits = resources.requests;
    pod
}

fn answer_at(pod: &Pod, others: &[Pod], stage: Stage) -> Admission {
    let others: Vec<_> = others.iter().collect();
    decide(Question {
        pod,
        others: &others,
        held: &BTreeMap::new(),
        node: &node(),
        stage,
    })
}

fn answer(pod: &Pod, others: &[Pod]) -> String {
    words(answer_at(pod, others, Stage::New))
}

/// The answer of a node that is otherwise.
fn answer_of(node: &NodeFacts, pod: &Pod) -> String {
    words(decide(Question {
        pod,
        others: &[],
        held: &BTreeMap::new(),
        node,
        stage: Stage::New,
    }))
}

fn words(admission: Admission) -> String {
    match admission {
        Admission::Admitted => "in".to_owned(),
        Admission::Preempts { victims, .. } => {
            let names: Vec<_> = victims.iter().map(|uid| uid.as_str()).collect();
            names.join(" ")
        }
        Admission::Refused(refusal) => format!("{}: {}", refusal.reason, refusal.message),
    }
}

#[test]
fn a_pod_fits_when_everything_it_asks_for_is_left() {
    let rows = [
        (asking("a", 1000, MIB), "in"),
        (asking("a", 2000, 1000 * MIB), "in"),
        (
            asking("a", 2001, MIB),
            "OutOfcpu: Node didn't have enough resource: cpu, requested: 2001, used: 0, \
             capacity: 2000",
        ),
        (
            asking("a", 1, 1000 * MIB + 1),
            "OutOfmemory: Node didn't have enough resource: memory, requested: 1048576001, \
             used: 0, capacity: 1048576000",
        ),
        (
            with("a", |pod| scalar(pod, "ephemeral-storage", 501 * MIB)),
            "OutOfephemeral-storage: Node didn't have enough resource: ephemeral-storage, \
             requested: 525336576, used: 0, capacity: 524288000",
        ),
        (
            with("a", |pod| scalar(pod, "example.com/gpu", 3)),
            "OutOfexample.com/gpu: Node didn't have enough resource: example.com/gpu, \
             requested: 3, used: 0, capacity: 2",
        ),
        (
            with("a", |pod| scalar(pod, "hugepages-2Mi", 2 * MIB)),
            "OutOfhugepages-2Mi: Node didn't have enough resource: hugepages-2Mi, \
             requested: 2097152, used: 0, capacity: 0",
        ),
        // Nobody on the node hands it out: that is somebody else's business.
        (with("a", |pod| scalar(pod, "example.com/unknown", 3)), "in"),
    ];
    for (pod, expected) in rows {
        assert_eq!(answer(&pod, &[]), expected);
    }
}

#[test]
fn what_others_ask_for_is_taken() {
    let others = [asking("b", 1500, MIB), asking("c", 100, MIB)];
    assert_eq!(answer(&asking("a", 400, MIB), &others), "in");
    assert_eq!(
        answer(&asking("a", 401, MIB), &others),
        "OutOfcpu: Node didn't have enough resource: cpu, requested: 401, used: 1600, \
         capacity: 2000"
    );
}

#[test]
fn a_pod_too_many_is_refused_though_it_asks_for_nothing() {
    let others = [pod("b"), pod("c"), pod("d")];
    assert_eq!(
        answer(&pod("a"), &others),
        "OutOfpods: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"
    );
}

#[test]
fn init_containers_need_room_one_at_a_time_beside_the_sidecars_before_them() {
    let mut pod = pod("a");
    let mut init = fixture::container("init");
    ask(&mut init, 1500, 0);
    let mut sidecar = fixture::sidecar("side");
    ask(&mut sidecar, 300, 0);
    let mut late = fixture::container("late");
    ask(&mut late, 1000, 0);
    ask(&mut pod.spec.containers[0], 500, 0);
    pod.spec.init_containers = vec![init, sidecar, late];
    assert_eq!(asked_for(&pod.spec).cpu_millis, 1500);
    ask(&mut pod.spec.init_containers[2], 1300, 0);
    assert_eq!(asked_for(&pod.spec).cpu_millis, 1600);
    ask(&mut pod.spec.containers[0], 1400, 0);
    assert_eq!(asked_for(&pod.spec).cpu_millis, 1700);
}

#[test]
fn what_a_pod_asks_for_as_a_whole_counts_instead_of_the_sum() {
    let mut pod = pod("a");
    ask(&mut pod.spec.containers[0], 500, 1 << 20);
    pod.spec.resources.requests.cpu_millis = Some(900);
    let pages = &mut pod.spec.scalars.requests;
    pages.insert("hugepages-2Mi".to_owned(), 4 << 20);
    let asked = asked_for(&pod.spec);
    assert_eq!((asked.cpu_millis, asked.memory), (900, 1 << 20));
    assert_eq!(asked.of("hugepages-2Mi"), 4 << 20);
}

#[test]
fn a_pod_runs_only_on_a_node_that_it_is_for() {
    use NodeOperator::{DoesNotExist, Exists, Gt, In, Lt, NotIn};
    let mismatch = "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node \
                    affinity/selector";
    let selecting = |key: &str, value: &str| {
        with("a", |pod| {
            let selector = &mut pod.spec.placement.node_selector;
            selector.insert(key.to_owned(), value.to_owned());
        })
    };
    assert_eq!(answer(&selecting("disk", "ssd"), &[]), "in");
    assert_eq!(answer(&selecting("disk", "hdd"), &[]), mismatch);
    assert_eq!(answer(&selecting("gpu", ""), &[]), mismatch);

    let one = |key: &str, operator, values: &[&str]| NodeRequirement {
        key: key.to_owned(),
        operator,
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let of_label = |requirement| NodeTerm {
        labels: vec![requirement],
        ..NodeTerm::default()
    };
    let rows = [
        (vec![of_label(one("disk", In, &["hdd", "ssd"]))], "in"),
        (vec![of_label(one("disk", In, &["hdd"]))], mismatch),
        (vec![of_label(one("disk", NotIn, &["hdd"]))], "in"),
        (vec![of_label(one("zone", NotIn, &["a"]))], "in"),
        (vec![of_label(one("disk", Exists, &[]))], "in"),
        (vec![of_label(one("disk", DoesNotExist, &[]))], mismatch),
        (vec![of_label(one("cores", Gt, &["3"]))], "in"),
        (vec![of_label(one("cores", Lt, &["4"]))], mismatch),
        (vec![of_label(one("disk", Gt, &["3"]))], mismatch),
        (vec![of_label(one("cores", Gt, &["1", "2"]))], mismatch),
        (
            vec![NodeTerm {
                fields: vec![one("metadata.name", In, &["node-a"])],
                ..NodeTerm::default()
            }],
            "in",
        ),
        // One term is enough, an empty one is none.
        (
            vec![NodeTerm::default(), of_label(one("disk", Exists, &[]))],
            "in",
        ),
        (vec![NodeTerm::default()], mismatch),
        (vec![], mismatch),
    ];
    for (terms, expected) in rows {
        let pod = with("a", |pod| {
            pod.spec.placement.node_terms = Some(terms.clone())
        });
        assert_eq!(answer(&pod, &[]), expected, "{terms:?}");
    }
}

#[test]
fn a_port_of_the_host_has_one_pod() {
    let refused = "NodePorts: Predicate NodePorts failed: node(s) didn't have free ports for the \
                   requested pod ports";
    let on = |name: &str, port: u16, protocol, ip: Option<[u8; 4]>| {
        with(name, |pod| {
            pod.spec.containers[0].ports = vec![ContainerPort {
                name: None,
                protocol,
                container_port: 80,
                host_port: Some(port),
                host_ip: ip.map(Into::into),
            }];
        })
    };
    let taken = [
        on("b", 80, Protocol::Tcp, None),
        on("c", 90, Protocol::Tcp, Some([127, 0, 0, 1])),
    ];
    let rows = [
        (on("a", 80, Protocol::Tcp, None), refused),
        (on("a", 80, Protocol::Tcp, Some([127, 0, 0, 1])), refused),
        (on("a", 80, Protocol::Udp, None), "in"),
        (on("a", 81, Protocol::Tcp, None), "in"),
        (on("a", 90, Protocol::Tcp, None), refused),
        (on("a", 90, Protocol::Tcp, Some([127, 0, 0, 2])), "in"),
        (on("a", 0, Protocol::Tcp, None), "in"),
    ];
    for (pod, expected) in rows {
        assert_eq!(answer(&pod, &taken), expected);
    }
}

#[test]
fn a_pod_for_another_system_is_refused() {
    let windows = with("a", |pod| {
        pod.spec.placement.os = Some("windows".to_owned())
    });
    assert_eq!(
        answer(&windows, &[]),
        "PodOSNotSupported: Failed to admit pod as the OS field doesn't match node OS"
    );
    let labelled = with("a", |pod| {
        pod.labels = BTreeMap::from([("kubernetes.io/os".to_owned(), "windows".to_owned())]);
    });
    assert_eq!(
        answer(&labelled, &[]),
        "PodOSSelectorNodeLabelDoesNotMatch: Failed to admit pod as the `kubernetes.io/os` label \
         doesn't match node label"
    );
}

#[test]
fn profiles_of_app_armor_need_a_kernel_that_has_it() {
    let confined = with("a", |pod| {
        let profile = Some(AppArmorProfile::RuntimeDefault);
        pod.spec.containers[0].security.app_armor = profile;
    });
    assert_eq!(
        answer(&confined, &[]),
        "AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host"
    );
    let unconfined = with("a", |pod| {
        pod.spec.security.app_armor = Some(AppArmorProfile::Unconfined);
    });
    assert_eq!(answer(&unconfined, &[]), "in");
}

#[test]
fn a_pod_whose_groups_the_runtime_cannot_keep_is_refused() {
    let strict = with("a", |pod| {
        pod.spec.security.supplemental_groups_policy = SupplementalGroupsPolicy::Strict;
    });
    let answer = |groups| {
        let node = NodeFacts { groups, ..node() };
        answer_of(&node, &strict)
    };
    assert_eq!(answer(GroupPolicies::All), "in");
    assert_eq!(
        answer(GroupPolicies::MergeAlone),
        "SupplementalGroupsPolicyNotSupported: SupplementalGroupsPolicy=Strict is not supported in this node"
    );
}

#[test]
fn a_pod_that_needs_what_the_node_does_not_declare_is_refused() {
    let rule = RestartRule {
        action: RestartAction::RestartAllContainers,
        exits: ExitCodes::In(vec![3]),
    };
    let plain = pod("a");
    let regular = with("a", |pod| {
        pod.spec.containers[0].restart_rules = vec![rule.clone()]
    });
    let init = with("a", |pod| {
        pod.spec.init_containers = fixture::pod(RestartPolicy::Always, &["init"], &[])
            .spec
            .init_containers;
        pod.spec.init_containers[0].restart_rules = vec![rule.clone()];
    });
    let refused = "PodFeatureUnsupported: Pod requires node features that are not available: \
                   RestartAllContainersOnContainerExits";
    let restart_all = "RestartAllContainersOnContainerExits";
    for (declared, pod, expected) in [
        (None, &regular, "in"),
        (Some(vec![restart_all]), &regular, "in"),
        (Some(vec!["ExtendWebSocketsToKubelet"]), &plain, "in"),
        (Some(Vec::new()), &regular, refused),
        (Some(vec!["ExtendWebSocketsToKubelet"]), &init, refused),
    ] {
        let node = NodeFacts { declared, ..node() };
        assert_eq!(answer_of(&node, pod), expected);
    }
}

#[test]
fn nobody_comes_when_the_machine_goes_down() {
    let node = NodeFacts {
        machine: Machine::GoesDown,
        ..node()
    };
    assert_eq!(
        answer_of(&node, &with("a", |_| ())),
        "NodeShutdown: Pod was rejected as the node is shutting down."
    );
}

#[test]
fn only_safe_and_allowed_parameters_of_own_namespaces_may_be_set() {
    let allowing = NodeFacts {
        allowed_unsafe_sysctls: [
            "kernel.msg*",
            "net.core.somaxconn",
            "net/ipv4/conf/eth0.1/*",
            "user.max_net_namespaces",
        ]
        .map(str::to_owned)
        .into(),
        ..node()
    };
    let told = |name: &str, network| {
        let pod = with("a", |pod| {
            pod.spec.namespaces.network = network;
            pod.spec.security.sysctls = vec![Sysctl {
                name: name.to_owned(),
                value: "1".to_owned(),
            }];
        });
        let question = Question {
            pod: &pod,
            others: &[],
            held: &BTreeMap::new(),
            node: &allowing,
            stage: Stage::New,
        };
        match decide(question) {
            Admission::Refused(refusal) => format!("{}: {}", refusal.reason, refusal.message),
            _ => "in".to_owned(),
        }
    };
    for name in [
        "net.ipv4.tcp_syncookies",
        "net/ipv4/tcp_syncookies",
        "net.core.somaxconn",
        "kernel.msgmax",
        "net/ipv4/conf/eth0.1/forwarding",
        "user.max_net_namespaces",
    ] {
        assert_eq!(told(name, NetworkMode::Pod), "in", "{name}");
    }
    assert_eq!(
        told("vm.swappiness", NetworkMode::Pod),
        "SysctlForbidden: forbidden sysctl: \"vm.swappiness\" not allowlisted"
    );
    assert_eq!(
        told("net.ipv4.tcp_syncookies", NetworkMode::Host),
        "SysctlForbidden: forbidden sysctl: \"net.ipv4.tcp_syncookies\" not allowed with host net \
         enabled"
    );
}

#[test]
fn a_node_that_is_short_of_disk_takes_no_more_pods_and_keeps_those_that_run() {
    let node = NodeFacts {
        pressures: [Pressure::Disk].into(),
        ..node()
    };
    let pod = pod("a");
    assert_eq!(
        answer_of(&node, &pod),
        "Evicted: The node had condition: [DiskPressure]. "
    );
    let question = Question {
        pod: &pod,
        others: &[],
        held: &BTreeMap::new(),
        node: &node,
        stage: Stage::Runs,
    };
    assert_eq!(decide(question), Admission::Admitted);
}

#[test]
fn a_critical_pod_is_made_room_for_at_the_least_cost() {
    let (best_effort, small, large) = (
        pod("best"),
        asking("small", 400, MIB),
        asking("large", 1200, MIB),
    );
    let sure = guaranteed("sure", 400, MIB);
    let rows: [(Pod, Vec<Pod>, &str); 6] = [
        // One that frees enough is better than two.
        (
            critical("a", 1000, MIB),
            vec![small.clone(), large.clone()],
            "uid-large",
        ),
        // The smaller of two that free enough.
        (
            critical("a", 700, MIB),
            vec![small.clone(), large.clone()],
            "uid-small",
        ),
        // Burstable before guaranteed.
        (
            critical("a", 800, MIB),
            vec![sure.clone(), large.clone()],
            "uid-large",
        ),
        (
            critical("a", 1800, MIB),
            vec![sure.clone(), large.clone()],
            "uid-large uid-sure",
        ),
        // Only a place is missing: the pod that matters least.
        (
            critical("a", 1, MIB),
            vec![best_effort, small.clone(), sure],
            "uid-best",
        ),
        // Other critical pods do not give way.
        (
            critical("a", 1800, MIB),
            vec![critical("b", 400, MIB), large.clone()],
            "UnexpectedAdmissionError: Unexpected error while attempting to recover from \
             admission failure: preemption: error finding a set of pods to preempt: no set of \
             running pods found to reclaim resources: [(res: cpu, q: 200), ]",
        ),
    ];
    for (pod, others, expected) in rows {
        assert_eq!(answer(&pod, &others), expected);
    }
    let ordinary = asking("a", 1000, MIB);
    assert!(answer(&ordinary, &[small, large]).starts_with("OutOfcpu: "));
}

#[test]
fn a_critical_pod_that_is_not_for_this_node_ends_nobody() {
    let mut pod = critical("a", 1000, MIB);
    let selector = &mut pod.spec.placement.node_selector;
    selector.insert("disk".to_owned(), "hdd".to_owned());
    assert!(answer(&pod, &[asking("b", 2000, MIB)]).starts_with("NodeAffinity: "));
}

#[test]
fn what_runs_stays_in_whatever_has_changed_since() {
    let mut large = asking("a", 9000, MIB);
    let selector = &mut large.spec.placement.node_selector;
    selector.insert("disk".to_owned(), "hdd".to_owned());
    assert_eq!(answer_at(&large, &[], Stage::Runs), Admission::Admitted);
}
