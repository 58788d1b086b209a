//! Which files are known, and what their pages say becomes of their pods.

use podling_integration::harness::Pod;
use serde_json::Value;

/// What becomes of the pods of a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// They run and are ready.
    Ready,
    /// The same, and they are of this class.
    OfClass(&'static str),
    /// Every container has ended well.
    Completed,
    /// One container has ended well and another runs.
    PartlyDone,
    /// A container has ended and begun again.
    Restarted,
    /// A container was ended for its memory.
    OutOfMemory,
    /// A container cannot do its work, again and again.
    Fails,
    /// It is not run here.
    NotRun,
    /// They are not let in, for this reason.
    Rejected(&'static str),
    /// The file is refused, in words like these.
    Refused(&'static str),
    /// It has no pod, and is read without complaint.
    Objects,
}
use Told::{
    Completed, Fails, NotRun, Objects, OfClass, OutOfMemory, PartlyDone, Ready, Refused, Rejected,
    Restarted,
};

/// What a page tells to make first.
#[derive(Clone, Copy, Debug)]
pub(super) enum Beside {
    /// Another file of the website.
    File(&'static str),
    /// An object that a command makes.
    Object(&'static str),
}
use Beside::{File, Object};

/// A file that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Example {
    pub(super) file: &'static str,
    pub(super) told: Told,
    pub(super) beside: &'static [Beside],
    /// Why this is not what the page says, where it is not.
    pub(super) but: &'static str,
}

const fn page(file: &'static str, told: Told) -> Example {
    Example {
        file,
        told,
        beside: &[],
        but: "",
    }
}

impl Example {
    const fn beside(mut self, beside: &'static [Beside]) -> Self {
        self.beside = beside;
        self
    }

    const fn but(mut self, why: &'static str) -> Self {
        self.but = why;
        self
    }
}

const SPECIAL: &[Beside] = &[Object("special-config"), Object("env-config")];
const TEST_SECRET: &[Beside] = &[File("pods/inject/secret.yaml")];
const TASK_CLAIM: &[Beside] = &[
    File("pods/storage/pv-volume.yaml"),
    File("pods/storage/pv-claim.yaml"),
];
const SCHEDULER: &str = "a scheduler would keep it waiting";
const API_SERVER: &str = "only an API server gives it";

const KNOWN: &[Example] = &[
    page(
        "admin/logging/two-files-counter-pod-streaming-sidecar.yaml",
        Ready,
    ),
    page("admin/logging/two-files-counter-pod.yaml", Ready),
    page("application/shell-demo.yaml", Ready),
    page("configmap/configmap-multikeys.yaml", Objects),
    page("configmap/configmaps.yaml", Objects),
    page("configmap/configure-pod.yaml", Ready).beside(&[Object("game-demo")]),
    page("configmap/env-configmap.yaml", Restarted)
        .beside(&[Object("myconfigmap")])
        .but("its command is not in Debian's busybox"),
    page("debug/counter-pod-err.yaml", Ready),
    page("debug/counter-pod.yaml", Ready),
    page("debug/termination.yaml", Restarted),
    page("pods/commands.yaml", Restarted)
        .but("its command is not in Debian's busybox, and its variable is that of a Service"),
    page("pods/config/example-redis-config.yaml", Objects),
    page("pods/config/redis-pod.yaml", Ready)
        .beside(&[File("pods/config/example-redis-config.yaml")]),
    page("pods/emptydir-volume-mode.yaml", Ready).but("`mode` is newer than 1.36: warned of"),
    page("pods/image-volumes-subpath.yaml", Ready),
    page("pods/image-volumes.yaml", Ready),
    page("pods/init-containers.yaml", NotRun).but("what it fetches lies in the internet"),
    page("pods/inject/configmap-envFrom.yaml", Objects),
    page("pods/inject/dapi-envars-container.yaml", Ready),
    page("pods/inject/dapi-envars-pod.yaml", Ready),
    page("pods/inject/dapi-volume-resources.yaml", Ready),
    page("pods/inject/dapi-volume.yaml", Ready),
    page("pods/inject/dependent-envars.yaml", Ready),
    page("pods/inject/envFrom.yaml", Ready).beside(&[File("pods/inject/configmap-envFrom.yaml")]),
    page("pods/inject/envars-file-container.yaml", Completed),
    page("pods/inject/envars.yaml", Ready),
    page("pods/inject/pod-multiple-secret-env-variable.yaml", Ready)
        .beside(&[Object("backend-user"), Object("db-user")]),
    page("pods/inject/pod-secret-envFrom.yaml", Ready).beside(TEST_SECRET),
    page("pods/inject/pod-single-secret-env-variable.yaml", Ready)
        .beside(&[Object("backend-user")]),
    page("pods/inject/secret-envars-pod.yaml", Ready).beside(TEST_SECRET),
    page("pods/inject/secret-pod.yaml", Ready).beside(TEST_SECRET),
    page("pods/inject/secret.yaml", Objects),
    page("pods/lifecycle-events.yaml", Ready),
    page("pods/multi-container/adapter.yaml", Ready),
    page("pods/multi-container/ambassador.yaml", Ready),
    page("pods/multi-container/localhost.yaml", Ready),
    page("pods/multi-container/resources.yaml", Ready),
    page("pods/multi-container/shared-volume.yaml", Ready),
    page("pods/multi-container/startup-coordination.yaml", Ready),
    page("pods/pod-configmap-env-var-valueFrom.yaml", Completed).beside(SPECIAL),
    page("pods/pod-configmap-envFrom.yaml", Completed).beside(SPECIAL),
    page("pods/pod-configmap-volume-specific-key.yaml", Completed).beside(SPECIAL),
    page("pods/pod-configmap-volume.yaml", Completed).beside(SPECIAL),
    page("pods/pod-multiple-configmap-env-variable.yaml", Completed).beside(SPECIAL),
    page("pods/pod-nginx-preferred-affinity.yaml", Ready),
    page("pods/pod-nginx-required-affinity.yaml", Ready),
    page("pods/pod-nginx-specific-node.yaml", Ready)
        .but("a static pod is of the node that reads it"),
    page("pods/pod-nginx.yaml", Ready),
    page(
        "pods/pod-projected-svc-token.yaml",
        Refused("serviceAccountToken: Forbidden"),
    )
    .but(API_SERVER),
    page("pods/pod-rs.yaml", Ready),
    page("pods/pod-single-configmap-env-variable.yaml", Completed).beside(SPECIAL),
    page("pods/pod-with-affinity-anti-affinity.yaml", Ready),
    page("pods/pod-with-affinity-preferred-weight.yaml", Ready),
    page("pods/pod-with-node-affinity.yaml", Rejected("NodeAffinity")),
    page("pods/pod-with-numeric-toleration.yaml", Ready),
    page("pods/pod-with-pod-affinity.yaml", Ready).but(SCHEDULER),
    page("pods/pod-with-scheduling-gates.yaml", Ready).but(SCHEDULER),
    page("pods/pod-with-toleration.yaml", Ready),
    page("pods/pod-without-scheduling-gates.yaml", Ready),
    page("pods/private-reg-pod.yaml", Ready).beside(&[Object("regcred")]),
    page("pods/probe/exec-liveness.yaml", Restarted),
    page("pods/probe/grpc-liveness.yaml", Ready),
    page("pods/probe/http-liveness.yaml", Restarted),
    page("pods/probe/pod-with-http-healthcheck.yaml", Restarted),
    page("pods/probe/pod-with-tcp-socket-healthcheck.yaml", Ready),
    page("pods/probe/tcp-liveness-readiness.yaml", Ready),
    page("pods/qos/qos-pod-2.yaml", OfClass("Burstable")),
    page("pods/qos/qos-pod-3.yaml", OfClass("BestEffort")),
    page("pods/qos/qos-pod-4.yaml", OfClass("Burstable")),
    page("pods/qos/qos-pod-5.yaml", OfClass("Guaranteed")),
    page("pods/qos/qos-pod.yaml", OfClass("Guaranteed")),
    page(
        "pods/resource/cpu-request-limit-2.yaml",
        Rejected("OutOfcpu"),
    ),
    page("pods/resource/cpu-request-limit.yaml", OfClass("Burstable")),
    page("pods/resource/extended-resource-pod-2.yaml", Ready).but(SCHEDULER),
    page("pods/resource/extended-resource-pod.yaml", Ready).but(SCHEDULER),
    page("pods/resource/memory-request-limit-2.yaml", OutOfMemory),
    page(
        "pods/resource/memory-request-limit-3.yaml",
        Rejected("OutOfmemory"),
    ),
    page("pods/resource/memory-request-limit.yaml", Ready),
    page(
        "pods/resource/pod-level-cpu-request-limit.yaml",
        OfClass("Burstable"),
    ),
    page(
        "pods/resource/pod-level-memory-request-limit.yaml",
        OfClass("Burstable"),
    ),
    page(
        "pods/resource/pod-level-pid-limit.yaml",
        Refused("spec.resources.limits[pids]"),
    )
    .but("`pids` is newer than 1.36"),
    page("pods/resource/pod-level-resize.yaml", OfClass("Guaranteed")),
    page(
        "pods/resource/pod-level-resource-managers-container-scope-mixed.yaml",
        OfClass("Guaranteed"),
    ),
    page(
        "pods/resource/pod-level-resource-managers-empty-shared-pool.yaml",
        OfClass("Guaranteed"),
    )
    .but("it is refused with CPUs of a container's own, behind a gate that is off"),
    page(
        "pods/resource/pod-level-resource-managers-pod-scope-mixed.yaml",
        OfClass("Guaranteed"),
    ),
    page(
        "pods/resource/pod-level-resources.yaml",
        OfClass("Burstable"),
    ),
    page("pods/resource/pod-resize.yaml", OfClass("Guaranteed")),
    page("pods/restart-policy/restart-all-containers.yaml", Restarted),
    page("pods/security/hello-apparmor.yaml", Rejected("AppArmor"))
        .but("for a kernel without AppArmor"),
    page(
        "pods/security/seccomp/fields.yaml",
        Refused("spec.ephemeralContainers"),
    )
    .but("it shows fields; ephemeral containers cannot be written so"),
    page("pods/security/seccomp/ga/audit-pod.yaml", Ready),
    page("pods/security/seccomp/ga/default-pod.yaml", Ready),
    page("pods/security/seccomp/ga/fine-pod.yaml", Ready),
    page("pods/security/seccomp/ga/violation-pod.yaml", Fails),
    page("pods/security/security-context-2.yaml", Ready),
    page("pods/security/security-context-3.yaml", Ready),
    page("pods/security/security-context-4.yaml", Ready),
    page("pods/security/security-context-5.yaml", Ready),
    page("pods/security/security-context-6.yaml", Ready),
    page("pods/security/security-context-7.yaml", Ready)
        .but("`cgroupOptions` is newer than 1.36: warned of"),
    page("pods/security/security-context.yaml", Ready),
    page("pods/share-process-namespace.yaml", Ready),
    page("pods/simple-pod.yaml", Ready),
    page("pods/storage/expandable-pvc-pod.yaml", Ready).beside(&[Object("expandable-pvc")]),
    page(
        "pods/storage/projected-clustertrustbundle.yaml",
        Refused("Forbidden"),
    )
    .but(API_SERVER),
    page(
        "pods/storage/projected-podcertificate.yaml",
        Refused("Forbidden"),
    )
    .but(API_SERVER),
    page(
        "pods/storage/projected-secret-downwardapi-configmap.yaml",
        Ready,
    )
    .beside(&[Object("mysecret"), Object("myconfigmap")]),
    page(
        "pods/storage/projected-secrets-nondefault-permission-mode.yaml",
        Ready,
    )
    .beside(&[Object("mysecret"), Object("mysecret2")]),
    page(
        "pods/storage/projected-service-account-token.yaml",
        Refused("Forbidden"),
    )
    .but(API_SERVER),
    page("pods/storage/projected.yaml", Ready).beside(&[Object("user"), Object("pass")]),
    page("pods/storage/pv-claim.yaml", Objects),
    page("pods/storage/pv-duplicate.yaml", Ready).beside(&[Object("test-nfs-claim")]),
    page("pods/storage/pv-pod.yaml", Ready).beside(TASK_CLAIM),
    page("pods/storage/pv-volume.yaml", Objects),
    page("pods/storage/redis.yaml", Ready),
    page(
        "pods/topology-spread-constraints/one-constraint.yaml",
        Ready,
    )
    .but(SCHEDULER),
    page("pods/two-container-pod.yaml", PartlyDone),
    page("pods/user-namespaces-stateless.yaml", Ready),
    page("secret/dotfile-secret.yaml", Restarted),
    page("secret/optional-secret.yaml", Ready),
    page("service/networking/custom-dns.yaml", Ready),
    page("service/networking/hostaliases-pod.yaml", Completed),
    page("storage/rro.yaml", Ready),
    page(
        "storage/storageclass/pod-volume-binding.yaml",
        Rejected("NodeAffinity"),
    )
    .beside(TASK_CLAIM),
];

/// What is known of a file.
pub(super) fn known(file: &str) -> Option<Example> {
    let mut known = *KNOWN.iter().find(|one| one.file == file)?;
    // These ask for four CPUs.
    let is_large = file.contains("pod-level-resource-managers");
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    if is_large && cpus < 4 {
        (known.told, known.but) = (Rejected("OutOfcpu"), "for a machine of less than four CPUs");
    }
    Some(known)
}

impl Told {
    /// Whether it has become of these pods.
    pub(super) fn is_so(self, pods: &[Pod]) -> bool {
        match self {
            Refused(_) | Objects | NotRun => false,
            _ => !pods.is_empty() && pods.iter().all(|pod| self.is_so_of(pod)),
        }
    }

    fn is_so_of(self, pod: &Pod) -> bool {
        let any = |is_it: &dyn Fn(&Value) -> bool| statuses(pod).any(is_it);
        let has_ended_well = |status: &Value| status["state"]["terminated"]["exitCode"] == 0;
        let reasons = |status: &Value| {
            ["state", "lastState"].map(|state| status[state]["terminated"]["reason"].clone())
        };
        match self {
            Ready => pod.is_ready(),
            OfClass(class) => pod.is_ready() && pod.text("/status/qosClass") == class,
            Completed => pod.phase() == "Succeeded",
            PartlyDone => {
                any(&has_ended_well) && any(&|status| status["state"]["running"].is_object())
            }
            Restarted => any(&|status| status["restartCount"].as_i64() > Some(0)),
            OutOfMemory => any(&|status| reasons(status).contains(&"OOMKilled".into())),
            Fails => any(&|status| {
                let code = &status["lastState"]["terminated"]["exitCode"];
                code.as_i64().is_some_and(|code| code != 0)
                    || status["state"]["waiting"]["reason"] == "RunContainerError"
            }),
            Rejected(reason) => pod.phase() == "Failed" && pod.text("/status/reason") == reason,
            Refused(_) | Objects | NotRun => false,
        }
    }
}

/// The statuses of a pod's containers, those of its init containers too.
pub(super) fn statuses(pod: &Pod) -> impl Iterator<Item = &Value> {
    ["containerStatuses", "initContainerStatuses"]
        .into_iter()
        .filter_map(|list| pod.0["status"][list].as_array())
        .flatten()
}
