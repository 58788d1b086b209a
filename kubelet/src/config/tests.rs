//! Configurations of several documents and flags, right and wrong.

use super::*;

const HEADER: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

/// A machine that upstream's kubelet would not run on.
const MACHINE: Machine = Machine {
    cgroups: CgroupVersion::V1,
    swap: Swap::On,
};

fn text(file: &str, body: &str) -> Text {
    Text {
        file: file.into(),
        first_line: 1,
        text: format!("{HEADER}{body}"),
    }
}

fn loaded(bodies: &[&str], flags: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let documents = bodies.iter().enumerate();
    load(&Sources {
        documents: documents
            .map(|(index, body)| text(&format!("{index}.conf"), body))
            .collect(),
        flags: flags
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        machine: MACHINE,
    })
}

fn told(bodies: &[&str], flags: &[(&str, &str)]) -> Vec<String> {
    let problems = loaded(bodies, flags).unwrap_err().0;
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_at_all_is_a_configuration() {
    let loaded = loaded(&[], &[]).unwrap();
    assert_eq!(loaded.configuration.port, 10250);
    assert_eq!(loaded.configuration.address, "127.0.0.1");
    assert_eq!(loaded.configuration.authorization.mode, "AlwaysAllow");
    assert_eq!(loaded.warning(), None);
}

#[test]
fn documents_are_merged_in_order_and_flags_come_last() {
    let loaded = loaded(
        &[
            "maxPods: 10\nevictionHard: {memory.available: 1Gi, nodefs.available: 5%}\nclusterDNS: [10.0.0.1]\nfeatureGates: {MemoryQoS: true}\n",
            "maxPods: 20\nevictionHard: {nodefs.available: null}\nclusterDNS: [10.0.0.2]\n",
        ],
        &[("max-pods", "30"), ("feature-gates", "QOSReserved=false")],
    )
    .unwrap();
    let configuration = &loaded.configuration;
    assert_eq!(configuration.max_pods, 30);
    let hard: Vec<_> = configuration.eviction_hard.iter().collect();
    assert_eq!(hard, [(&"memory.available".to_owned(), &"1Gi".to_owned())]);
    assert_eq!(configuration.cluster_dns, ["10.0.0.2"]);
    assert_eq!(configuration.feature_gates.len(), 2);
}

#[test]
fn what_is_zero_counts_as_absent_where_upstream_has_no_pointer() {
    let loaded = loaded(
        &["port: 0\nsyncFrequency: 0s\nhealthzPort: 0\nregistryPullQPS: 0\nmaxPods: null\npodLogsDir: ''\n"],
        &[],
    )
    .unwrap();
    let configuration = &loaded.configuration;
    assert_eq!((configuration.port, configuration.max_pods), (10250, 110));
    assert_eq!(configuration.sync_frequency, Duration::seconds(60));
    assert_eq!(
        (configuration.healthz_port, configuration.registry_pull_qps),
        (0, 0)
    );
    assert_eq!(configuration.pod_logs_dir, "/var/log/pods");
}

#[test]
fn every_mistake_is_told_with_its_file_and_line() {
    let first = "maxPodz: 1\nmaxPods: many\nauthentication:\n  anonymous:\n    enabledd: true\n  \
                 x509: {clientCAFile: /ca.crt}\nsyncFrequency: 10\n";
    let second = "registerWithTaints:\n- key: a\n  effekt: NoSchedule\nport: 3000000000\n";
    let problems = told(
        &[first, second],
        &[
            ("max-pods", "x"),
            ("port", "70000000000"),
            ("kubeconfig", "k"),
        ],
    );
    let starts = [
        "0.conf:7: unknown field \"authentication.anonymous.enabledd\"",
        "0.conf:4: maxPods: invalid type: string \"many\", expected i32",
        "0.conf:3: unknown field \"maxPodz\"",
        "0.conf:9: syncFrequency: invalid type: integer `10`, expected a string",
        "1.conf:6: port: invalid value: integer `3000000000`, expected i32",
        "1.conf:5: unknown field \"registerWithTaints[0].effekt\"",
        "--max-pods: \"x\" is not a number",
    ];
    for start in starts {
        assert!(
            problems.iter().any(|one| one == start),
            "{start}\n{problems:#?}"
        );
    }
    assert_eq!(problems.len(), 7, "{problems:#?}");
}

#[test]
fn flags_that_do_not_fit_their_field_are_named() {
    let problems = told(&[], &[("port", "70000000000"), ("sync-frequency", "1 day")]);
    assert_eq!(
        problems,
        [
            "--port: invalid value: integer `70000000000`, expected i32",
            "--sync-frequency: invalid duration \"1 day\"",
        ]
    );
}

#[test]
fn a_document_of_another_kind_is_refused() {
    let documents = ["", "apiVersion: v1\nkind: Pod\n", "kind: [\n"].map(|text| Text {
        file: "config.yaml".into(),
        first_line: 7,
        text: format!("{}{text}", "\n".repeat(6)),
    });
    let problems = load(&Sources {
        documents: documents.into(),
        flags: Vec::new(),
        machine: MACHINE,
    })
    .unwrap_err();
    assert_eq!(
        problems.0[0].to_string(),
        "config.yaml:7: no apiVersion/kind"
    );
    assert!(
        problems.0[1]
            .to_string()
            .starts_with("config.yaml:7: unknown apiVersion/kind: v1, Kind=Pod"),
        "{problems}"
    );
    assert!(
        problems.0[2].to_string().starts_with("config.yaml:"),
        "{problems}"
    );
}

#[test]
fn what_asks_an_api_server_is_refused_without_one() {
    let problems = told(
        &["authentication: {webhook: {enabled: true}}\nauthorization: {mode: Webhook}\n"],
        &[],
    );
    assert_eq!(problems.len(), 2);
    assert!(problems[0].contains("clientCAFile"), "{problems:?}");
    assert!(problems[1].contains("AlwaysAllow"), "{problems:?}");
}

#[test]
fn in_a_cluster_its_api_server_is_asked_who_comes_and_what_he_may_do() {
    let of_cluster = loaded(&[], &[("kubeconfig", "k")]).unwrap().configuration;
    assert_eq!(of_cluster.authentication.webhook.enabled, Some(true));
    assert_eq!(of_cluster.authorization.mode, "Webhook");
    assert_eq!(of_cluster.address, "0.0.0.0");
    let alone = loaded(&[], &[]).unwrap().configuration;
    assert_eq!(alone.authentication.webhook.enabled, Some(false));
    assert_eq!(alone.authorization.mode, "AlwaysAllow");
    assert_eq!(alone.address, "127.0.0.1");
}

#[test]
fn what_upstream_fails_over_is_let_pass_until_it_is_written() {
    assert!(loaded(&[], &[]).is_ok());
    let problems = told(&["failCgroupV1: true\n"], &[]);
    assert!(problems[0].contains("cgroup v1"), "{problems:?}");
}

#[test]
fn what_has_no_effect_yet_is_named_in_one_warning() {
    let loaded = loaded(
        &["kernelMemcgNotification: true\naddress: 127.0.0.1\nproviderID: here\n"],
        &[("cloud-provider", "external"), ("node-ip", "10.0.0.1")],
    )
    .unwrap();
    assert_eq!(
        loaded.warning().unwrap(),
        "configured, but without effect yet: kernelMemcgNotification, providerID, --cloud-provider"
    );
    assert_eq!(loaded.flag("node-ip"), Some("10.0.0.1"));
}

#[test]
fn a_whole_configuration_is_read_back_as_it_was_written() {
    let written = Configuration::default().to_json();
    let mut read = Configuration {
        port: 1,
        ..Configuration::default()
    };
    for (name, value) in &written {
        let reading = read.set(name, value).expect("known");
        assert_eq!(reading.mismatch, None, "{name}");
        assert!(reading.unknown.is_empty(), "{name}");
    }
    assert_eq!(read.port, 10250);
    insta::assert_json_snapshot!("the_defaults", written);
}

#[test]
fn a_flag_may_say_no_time_at_all_where_a_file_means_the_default() {
    let age = |bodies: &[&str], flags: &[(&str, &str)]| {
        let configuration = loaded(bodies, flags).unwrap().configuration;
        configuration.image_minimum_gc_age
    };
    let (flag, usual) = ("minimum-image-ttl-duration", Duration::seconds(120));
    assert_eq!(age(&["imageMinimumGCAge: 0s"], &[]), usual);
    assert_eq!(age(&[], &[(flag, "0s")]), Duration::default());
    assert_eq!(
        age(&["imageMinimumGCAge: 5s"], &[(flag, "0s")]),
        Duration::default()
    );
    assert_eq!(age(&[], &[(flag, "3s")]), Duration::seconds(3));
}
