//! Plugins of the Node Resource Interface: what they hear, what they change, and what becomes of
//! those that misbehave.

use std::fs;

use podling_integration::harness::daemon::Start;
use podling_integration::harness::nri::{Answer, Asked, Plugin};
use podling_integration::harness::{Cri, DEADLINE, Node, Options, requests, wait_for};
use podling_proto::nri;
use podling_proto::runtime::v1::{
    ContainerConfig, ContainerState, ContainerStatusRequest, ExecSyncRequest,
    LinuxContainerResources, UpdateContainerResourcesRequest, UpdatePodSandboxResourcesRequest,
};
use serde_json::Value;

/// What containers run: unlike a plain `sleep`, it ends when it is asked to.
const SLEEPER: [&str; 3] = ["sh", "-c", "trap exit TERM; sleep 1000 & wait"];

/// A node whose plugins may take so many seconds over a request.
async fn node_with_patience(seconds: &str) -> Node {
    Node::start_with(Options {
        start: Start {
            arguments: ["--nri-request-timeout", seconds]
                .map(str::to_owned)
                .to_vec(),
            ..Start::default()
        },
        ..Options::default()
    })
    .await
}

fn wants_nothing(_: &Asked) -> Answer {
    Answer::Fine
}

/// A plugin that makes something of each new container.
fn adjusts(adjustment: nri::ContainerAdjustment) -> impl FnMut(&Asked) -> Answer + Send + 'static {
    move |asked| match asked.method.as_str() {
        "CreateContainer" => Answer::with(&nri::CreateContainerResponse {
            adjust: Some(adjustment.clone()),
            ..Default::default()
        }),
        _ => Answer::Fine,
    }
}

/// A plugin that answers so when it is asked this.
fn answers(method: &'static str, answer: Answer) -> impl FnMut(&Asked) -> Answer + Send + 'static {
    move |asked| match asked.method == method {
        true => answer.clone(),
        false => Answer::Fine,
    }
}

fn variable(key: &str, value: &str) -> nri::KeyValue {
    nri::KeyValue {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn sets(key: &str, value: &str) -> nri::ContainerAdjustment {
    nri::ContainerAdjustment {
        env: vec![variable(key, value)],
        ..Default::default()
    }
}

fn memory(value: i64) -> nri::LinuxResources {
    nri::LinuxResources {
        memory: Some(nri::LinuxMemory {
            limit: Some(nri::OptionalInt64 { value }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn update(id: &str, resources: nri::LinuxResources) -> nri::ContainerUpdate {
    nri::ContainerUpdate {
        container_id: id.to_owned(),
        linux: Some(nri::LinuxContainerUpdate {
            resources: Some(resources),
        }),
        ignore_failure: false,
    }
}

async fn run(node: &Node, name: &str, image: &str) -> Result<requests::Running, tonic::Status> {
    let sandbox = requests::sandbox(name, &node.range().cgroup());
    requests::run_pod(&node.cri().await, sandbox, sleeper(image)).await
}

fn sleeper(image: &str) -> ContainerConfig {
    requests::container(image, &SLEEPER)
}

async fn memory_limit(cri: &Cri, container: &str) -> Option<i64> {
    let request = ContainerStatusRequest {
        container_id: container.to_owned(),
        verbose: false,
    };
    let status = cri.runtime.clone().container_status(request).await;
    let status = status
        .expect("the container is there")
        .into_inner()
        .status?;
    Some(status.resources?.linux?.memory_limit_in_bytes)
}

async fn output(cri: &Cri, container: &str, script: &str) -> String {
    let request = ExecSyncRequest {
        container_id: container.to_owned(),
        cmd: ["sh", "-c", script].map(str::to_owned).to_vec(),
        timeout: 0,
    };
    let answer = cri.runtime.clone().exec_sync(request).await;
    String::from_utf8(answer.expect("the command runs").into_inner().stdout).expect("text")
}

#[tokio::test]
async fn a_plugin_is_told_what_is_there_and_then_what_happens_in_order() {
    let node = node_with_patience("60").await;
    let image = node.import_debian("busybox").await;
    let cri = node.cri().await;
    let before = run(&node, "before", &image).await.expect("the pod runs");
    let plugin = Plugin::connect(node.root(), "10-listener", wants_nothing).await;

    let known: nri::SynchronizeRequest = plugin.wait_asked("Synchronize").await.request();
    assert_eq!(known.pods.len(), 1);
    let (pod, container) = (&known.pods[0], &known.containers[0]);
    assert_eq!((&pod.id, pod.name.as_str()), (&before.sandbox, "before"));
    assert_eq!(
        (&container.id, container.name.as_str()),
        (&before.container, "main")
    );
    assert_eq!(container.state(), nri::ContainerState::ContainerRunning);
    assert_eq!(
        (pod.ips.len(), pod.pid > 0, container.pid > 0),
        (1, true, true)
    );
    assert_eq!(container.args, SLEEPER);

    let after = run(&node, "after", &image).await.expect("the pod runs");
    let limits = LinuxContainerResources {
        memory_limit_in_bytes: 64 << 20,
        ..LinuxContainerResources::default()
    };
    let mut runtime = cri.runtime.clone();
    let request = UpdateContainerResourcesRequest {
        container_id: after.container.clone(),
        linux: Some(limits.clone()),
        ..UpdateContainerResourcesRequest::default()
    };
    runtime
        .update_container_resources(request)
        .await
        .expect("it is updated");
    let request = UpdatePodSandboxResourcesRequest {
        pod_sandbox_id: after.sandbox.clone(),
        resources: Some(limits),
        ..UpdatePodSandboxResourcesRequest::default()
    };
    runtime
        .update_pod_sandbox_resources(request)
        .await
        .expect("it is noted");
    requests::remove_pod(&cri, &after.sandbox)
        .await
        .expect("the pod is removed");
    requests::remove_pod(&cri, &after.sandbox)
        .await
        .expect("again is fine");

    let heard = plugin.methods();
    assert_eq!(
        heard[2..],
        [
            "RunPodSandbox",
            "CreateContainer",
            // Everything subscribes to validation too.
            "ValidateContainerAdjustment",
            "PostCreateContainer",
            "StartContainer",
            "PostStartContainer",
            "UpdateContainer",
            "PostUpdateContainer",
            "UpdatePodSandbox",
            "PostUpdatePodSandbox",
            "StopContainer",
            "StopPodSandbox",
            "RemoveContainer",
            "RemovePodSandbox",
        ]
    );
    let stopped: nri::StopPodSandboxRequest = plugin.wait_asked("StopPodSandbox").await.request();
    let stopped = stopped.pod.expect("it names the pod");
    assert_eq!(stopped.id, after.sandbox);
    assert!(
        stopped.pid > 0,
        "pause still runs, and with it the pod's network"
    );
    node.stop().await;
}

#[tokio::test]
async fn what_plugins_make_of_a_container_is_seen_in_it() {
    let node = node_with_patience("60").await;
    let image = node.import_debian("busybox").await;
    let cri = node.cri().await;
    fs::write(node.folder().join("word"), "from the host\n").expect("there is room");
    let adjustment = nri::ContainerAdjustment {
        annotations: [("example.com/by".to_owned(), "plugin".to_owned())].into(),
        mounts: vec![nri::Mount {
            destination: "/given/word".to_owned(),
            r#type: "bind".to_owned(),
            source: node.folder().join("word").display().to_string(),
            options: vec!["rbind".to_owned(), "ro".to_owned()],
        }],
        rlimits: vec![nri::PosixRlimit {
            r#type: "RLIMIT_NOFILE".to_owned(),
            hard: 77,
            soft: 66,
        }],
        linux: Some(nri::LinuxContainerAdjustment {
            resources: Some(memory(48 << 20)),
            sysctl: [(
                "net.ipv4.ip_unprivileged_port_start".to_owned(),
                "77".to_owned(),
            )]
            .into(),
            io_priority: Some(nri::LinuxIoPriority {
                class: nri::IoPrioClass::IoprioClassBe.into(),
                priority: 5,
            }),
            ..Default::default()
        }),
        ..sets("WORD", "from the plugin")
    };
    let _plugin = Plugin::connect(node.root(), "10-maker", adjusts(adjustment)).await;
    let pod = run(&node, "made", &image).await.expect("the pod runs");

    let script = "echo $WORD; cat /given/word; ulimit -n; ionice -p 1; \
                  cat /proc/sys/net/ipv4/ip_unprivileged_port_start";
    let seen = output(&cri, &pod.container, script).await;
    assert_eq!(
        seen,
        "from the plugin\nfrom the host\n66\nbest-effort: prio 5\n77\n"
    );
    assert_eq!(memory_limit(&cri, &pod.container).await, Some(48 << 20));
    let spec = node
        .root()
        .join("var/lib/podling/containers")
        .join(&pod.container);
    let spec = fs::read(spec.join("config.json")).expect("the container has a spec");
    let spec: Value = serde_json::from_slice(&spec).expect("JSON");
    assert_eq!(spec["annotations"]["example.com/by"], "plugin");
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_carried_out_fails_the_container_by_name() {
    let node = node_with_patience("60").await;
    let image = node.import_debian("busybox").await;
    let hooks = nri::ContainerAdjustment {
        hooks: Some(nri::Hooks {
            poststart: vec![nri::Hook {
                path: "/bin/true".to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    };
    let plugin = Plugin::connect(node.root(), "10-hooks", adjusts(hooks)).await;
    let error = run(&node, "hooked", &image)
        .await
        .expect_err("it is refused");
    assert!(
        error.message().contains("hooks are not run"),
        "{}",
        error.message()
    );
    plugin.wait_asked("RemoveContainer").await;
    assert!(
        node.cri().await.containers().await.is_empty(),
        "nothing is left of it"
    );
    node.stop().await;
}

#[tokio::test]
async fn plugins_come_in_order_and_those_that_contradict_each_other_fail_the_container() {
    let node = node_with_patience("60").await;
    let image = node.import_debian("busybox").await;
    // They connect in the other order.
    let second = Plugin::connect(node.root(), "20-second", adjusts(sets("B", "2"))).await;
    let first = Plugin::connect(node.root(), "10-first", adjusts(sets("A", "1"))).await;
    run(&node, "both", &image).await.expect("the pod runs");
    let seen = |asked: Asked| {
        let request: nri::CreateContainerRequest = asked.request();
        request.container.expect("it names the container").env
    };
    let by_first = seen(first.wait_asked("CreateContainer").await);
    assert!(
        !by_first.iter().any(|variable| variable == "B=2"),
        "{by_first:?}"
    );
    let by_second = seen(second.wait_asked("CreateContainer").await);
    assert!(
        by_second.iter().any(|variable| variable == "A=1"),
        "{by_second:?}"
    );

    let third = Plugin::connect(node.root(), "30-third", adjusts(sets("A", "3"))).await;
    let error = run(&node, "torn", &image)
        .await
        .expect_err("they contradict each other");
    let expected = r#"plugins "30-third" and "10-first" both tried to set Env A"#;
    assert!(error.message().contains(expected), "{}", error.message());
    drop(third);

    let rejection = nri::ValidateContainerAdjustmentResponse {
        reject: true,
        reason: "not today".to_owned(),
    };
    let validator = answers("ValidateContainerAdjustment", Answer::with(&rejection));
    let validator = Plugin::connect(node.root(), "40-validator", validator).await;
    let error = run(&node, "invalid", &image)
        .await
        .expect_err("it is rejected");
    let expected = r#"validator "40-validator" rejected container adjustment, reason: not today"#;
    assert!(error.message().contains(expected), "{}", error.message());
    let asked: nri::ValidateContainerAdjustmentRequest = validator
        .wait_asked("ValidateContainerAdjustment")
        .await
        .request();
    assert_eq!(asked.plugins.len(), 3);
    node.stop().await;
}

#[tokio::test]
async fn a_plugin_that_hangs_dies_or_sends_garbage_is_left_alone_and_the_pod_goes_on() {
    let node = node_with_patience("10").await;
    let image = node.import_debian("busybox").await;
    let methods = ["RunPodSandbox", "CreateContainer", "StartContainer"];
    for (number, answer) in [Answer::Silence, Answer::Death, Answer::Garbage]
        .into_iter()
        .enumerate()
    {
        let method = methods[number];
        let plugin = Plugin::connect(node.root(), "10-bad", answers(method, answer)).await;
        let witness = Plugin::connect(node.root(), "20-good", wants_nothing).await;
        let pod = run(&node, &format!("pod-{number}"), &image).await;
        let pod = pod.unwrap_or_else(|error| panic!("{method}: {}", error.message()));
        plugin.wait_closed().await;
        assert_eq!(plugin.methods().last().map(String::as_str), Some(method));
        // The other plugin missed nothing.
        let removed = requests::remove_pod(&node.cri().await, &pod.sandbox).await;
        removed.expect("the pod is removed");
        witness.wait_asked("RemovePodSandbox").await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_plugin_that_says_no_fails_the_pod_and_nothing_is_left_of_it() {
    let node = node_with_patience("60").await;
    let image = node.import_debian("busybox").await;
    let plugin = answers("RunPodSandbox", Answer::Refusal("not this one"));
    let plugin = Plugin::connect(node.root(), "10-no", plugin).await;
    let error = run(&node, "refused", &image)
        .await
        .expect_err("it is refused");
    assert!(
        error.message().contains("not this one"),
        "{}",
        error.message()
    );
    assert!(node.cri().await.sandboxes().await.is_empty());
    plugin.wait_asked("RemovePodSandbox").await;
    drop(plugin);
    run(&node, "refused", &image)
        .await
        .expect("the pod runs without the plugin");

    // Whoever is nobody is not let in.
    for name in ["1-short", "10-bad/name"] {
        let nobody = Plugin::register(node.root(), name, wants_nothing).await;
        nobody.expect("the socket is there").wait_closed().await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_plugin_updates_and_evicts_containers_unasked() {
    let node = node_with_patience("60").await;
    let image = node.import_debian("busybox").await;
    let cri = node.cri().await;
    let pod = run(&node, "kept", &image).await.expect("the pod runs");
    let plugin = Plugin::connect(node.root(), "10-busy", wants_nothing).await;
    let kernel = nri::LinuxResources {
        memory: Some(nri::LinuxMemory {
            kernel: Some(nri::OptionalInt64 { value: 1 }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let impossible = update(&pod.container, kernel);
    let answer = plugin
        .update(nri::UpdateContainersRequest {
            update: vec![
                update(&pod.container, memory(40 << 20)),
                impossible.clone(),
                update("nobody", memory(1)),
            ],
            evict: Vec::new(),
        })
        .await;
    assert_eq!(answer.failed, [impossible]);
    assert_eq!(memory_limit(&cri, &pod.container).await, Some(40 << 20));

    plugin
        .update(nri::UpdateContainersRequest {
            update: Vec::new(),
            evict: vec![nri::ContainerEviction {
                container_id: pod.container.clone(),
                reason: "it is in the way".to_owned(),
            }],
        })
        .await;
    wait_for(DEADLINE, "the container has ended", async || {
        let containers = cri.containers().await;
        let is_over = |state: ContainerState| state == ContainerState::ContainerExited;
        containers
            .iter()
            .any(|one| is_over(one.state()))
            .then_some(())
    })
    .await;
    plugin.wait_asked("StopContainer").await;

    // A container that is made gives another one new limits.
    let other = run(&node, "other", &image).await.expect("the pod runs");
    drop(plugin);
    let id = other.container.clone();
    let shrinks = move |asked: &Asked| match asked.method.as_str() {
        "CreateContainer" => Answer::with(&nri::CreateContainerResponse {
            update: vec![update(&id, memory(32 << 20))],
            ..Default::default()
        }),
        _ => Answer::Fine,
    };
    let _plugin = Plugin::connect(node.root(), "10-shrinks", shrinks).await;
    run(&node, "new", &image).await.expect("the pod runs");
    wait_for(DEADLINE, "the other container is updated", async || {
        let limit = memory_limit(&cri, &other.container).await;
        (limit == Some(32 << 20)).then_some(())
    })
    .await;
    node.stop().await;
}

#[tokio::test]
async fn a_node_without_plugins_has_no_socket_for_them() {
    let node = Node::start_with(Options {
        start: Start {
            arguments: vec!["--disable-nri".to_owned()],
            ..Start::default()
        },
        ..Options::default()
    })
    .await;
    let refused = Plugin::register(node.root(), "10-late", wants_nothing).await;
    assert!(refused.is_err());
    node.stop().await;
}

#[tokio::test]
async fn an_installed_plugin_is_started_configured_and_ended_with_the_daemon() {
    use podling_integration::harness::programs::program;
    use std::os::unix::fs::PermissionsExt;

    let mut node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let (plugins, configs) = (
        node.root().join("opt/nri/plugins"),
        node.root().join("etc/nri/conf.d"),
    );
    for directory in [&plugins, &configs] {
        fs::create_dir_all(directory).expect("there is room");
    }
    let heard = node.folder().join("heard");
    let script = format!(
        "#!/bin/sh\nexec {} {}\n",
        program("podling-nri-plugin").display(),
        heard.display()
    );
    let plugin = plugins.join("05-writer");
    fs::write(&plugin, script).expect("there is room");
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::write(configs.join("writer.conf"), "write it down").expect("there is room");
    node.kill9();
    node.restart().await;

    let lines = || fs::read_to_string(&heard).unwrap_or_default();
    let synchronized = "05-writer Configure write it down\n05-writer Synchronize\n";
    wait_for(DEADLINE, "the plugin is synchronized", async || {
        (lines() == synchronized).then_some(())
    })
    .await;
    run(&node, "heard", &image).await.expect("the pod runs");
    wait_for(DEADLINE, "the plugin hears of the pod", async || {
        lines()
            .contains("05-writer PostStartContainer\n")
            .then_some(())
    })
    .await;
    node.kill9();
    node.restart().await;
    wait_for(DEADLINE, "the next one is told what is there", async || {
        (lines().matches(synchronized).count() == 2).then_some(())
    })
    .await;
    node.stop().await;
}
