//! Resolvers of pods on nodes with and without a cluster.

use super::*;
use crate::model::RestartPolicy;
use crate::plan::fixture;

const HOST: &str = "# comment\nsearch a.example\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n\
                    search b.example. . c.example\noptions ndots:1 rotate\noptions ndots:2\n";

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

fn pod(policy: DnsPolicy, dns: DnsConfig) -> Pod {
    let mut pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
    pod.spec.dns_policy = policy;
    pod.spec.dns = dns;
    pod
}

fn alone() -> NodeDns<'static> {
    NodeDns {
        cluster_servers: &[],
        cluster_domain: "",
        host_file: Some(HOST),
        node_ips: &[],
    }
}

fn option(name: &str, value: Option<&str>) -> DnsOption {
    DnsOption {
        name: name.to_owned(),
        value: value.map(str::to_owned),
    }
}

#[test]
fn the_default_policy_takes_the_hosts_resolver() {
    let resolver = resolver(&pod(DnsPolicy::Default, DnsConfig::default()), alone());
    assert_eq!(resolver.config.servers, words(&["192.0.2.1", "192.0.2.2"]));
    assert_eq!(resolver.config.searches, words(&["b.example", "c.example"]));
    assert_eq!(resolver.config.options, words(&["rotate", "ndots:2"]));
    assert_eq!(resolver.warnings, []);
}

#[test]
fn in_a_cluster_its_nameservers_and_domains_come_first() {
    let servers = ["10.96.0.10".parse().unwrap()];
    let node = NodeDns {
        cluster_servers: &servers,
        cluster_domain: "cluster.local",
        ..alone()
    };
    let in_cluster = resolver(&pod(DnsPolicy::ClusterFirst, DnsConfig::default()), node);
    assert_eq!(in_cluster.config.servers, words(&["10.96.0.10"]));
    let expected = [
        "default.svc.cluster.local",
        "svc.cluster.local",
        "cluster.local",
        "b.example",
        "c.example",
    ];
    assert_eq!(in_cluster.config.searches, words(&expected));
    assert_eq!(in_cluster.config.options, words(&["ndots:5"]));

    let mut of_host = pod(DnsPolicy::ClusterFirst, DnsConfig::default());
    of_host.spec.namespaces.network = NetworkMode::Host;
    assert_eq!(resolver(&of_host, node).config.servers.len(), 2);
    of_host.spec.dns_policy = DnsPolicy::ClusterFirstWithHostNet;
    assert_eq!(resolver(&of_host, node).config, in_cluster.config);
}

#[test]
fn without_a_cluster_the_policy_falls_back_to_the_host_and_says_so() {
    let resolver = resolver(&pod(DnsPolicy::ClusterFirst, DnsConfig::default()), alone());
    assert_eq!(resolver.config.servers.len(), 2);
    let (reason, message) = &resolver.warnings[0];
    assert_eq!(*reason, "MissingClusterDNS");
    assert!(
        message.contains("Falling back to \"Default\" policy."),
        "{message}"
    );
}

#[test]
fn without_a_file_the_node_itself_is_asked() {
    let node_ips = ["192.0.2.9".parse().unwrap(), "fd00::1".parse().unwrap()];
    let node = NodeDns {
        host_file: None,
        node_ips: &node_ips,
        ..alone()
    };
    let resolver = resolver(&pod(DnsPolicy::Default, DnsConfig::default()), node);
    assert_eq!(resolver.config.servers, words(&["127.0.0.1", "::1"]));
    assert_eq!(resolver.config.searches, words(&["."]));
}

#[test]
fn without_a_policy_only_what_the_pod_says_counts() {
    let dns = DnsConfig {
        nameservers: vec!["198.51.100.1".parse().unwrap()],
        searches: words(&["x.example"]),
        options: vec![option("ndots", Some("2"))],
    };
    let resolver = resolver(&pod(DnsPolicy::None, dns), alone());
    assert_eq!(resolver.config.servers, words(&["198.51.100.1"]));
    assert_eq!(resolver.config.searches, words(&["x.example"]));
    assert_eq!(resolver.config.options, words(&["ndots:2"]));
}

#[test]
fn what_the_pod_says_replaces_the_hosts_option_of_that_name() {
    let dns = DnsConfig {
        options: vec![option("ndots", Some("5")), option("edns0", None)],
        ..DnsConfig::default()
    };
    let resolver = resolver(&pod(DnsPolicy::Default, dns), alone());
    let expected = ["rotate", "ndots:5", "edns0"];
    assert_eq!(resolver.config.options, words(&expected));
}

#[test]
fn what_is_too_much_for_resolvers_is_left_out_and_told() {
    let many: Vec<_> = (0..40).map(|number| format!("n{number}.example")).collect();
    let long = vec!["x".repeat(254), "short.example".to_owned()];
    let wide: Vec<_> = (0..12)
        .map(|number| format!("{}{number:02}", "y".repeat(200)))
        .collect();
    for (searches, left) in [(many, 32), (long, 1), (wide, 10)] {
        let dns = DnsConfig {
            searches,
            ..DnsConfig::default()
        };
        let resolver = resolver(&pod(DnsPolicy::None, dns), alone());
        assert_eq!(resolver.config.searches.len(), left);
        let (reason, message) = &resolver.warnings[0];
        assert_eq!(*reason, "DNSConfigForming");
        assert!(
            message.starts_with("Search Line limits were exceeded"),
            "{message}"
        );
    }
    let servers = ["198.51.100.1", "198.51.100.2"].map(|ip| ip.parse().unwrap());
    let dns = DnsConfig {
        nameservers: servers.to_vec(),
        ..DnsConfig::default()
    };
    let resolver = resolver(&pod(DnsPolicy::Default, dns), alone());
    assert_eq!(resolver.config.servers.len(), 3);
    let expected = "Nameserver limits were exceeded, some nameservers have been omitted, the \
                    applied nameserver line is: 192.0.2.1 192.0.2.2 198.51.100.1";
    assert_eq!(
        resolver.warnings,
        [("DNSConfigForming", expected.to_owned())]
    );
}

#[test]
fn more_than_pods_can_be_given_of_the_hosts_resolver_is_told() {
    let told = |text: &str, of_cluster| resolver_excess("/r", text, of_cluster);
    let thirty =
        "search".to_owned() + " a.b" + &(0..29).map(|n| format!(" d{n}.x")).collect::<String>();
    assert_eq!(told(&thirty, 0), None);
    assert_eq!(
        told(&thirty, 3).as_deref(),
        Some("Resolv.conf file '/r' contains search line consisting of more than 29 domains!")
    );
    let long = format!("search {}", "a".repeat(254));
    assert_eq!(
        told(&long, 0).as_deref(),
        Some(
            "Resolv.conf file \"/r\" contains a search path which length is more than allowed 253 chars!"
        )
    );
    let all: String = (0..20)
        .map(|n| format!(" {n}{}", "b".repeat(120)))
        .collect();
    let longer = told(&format!("search{all}"), 0);
    assert!(longer.is_some_and(|told| told.contains("more than allowed 2048 chars")));
}
