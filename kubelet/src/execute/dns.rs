//! A pod's resolv.conf: from the cluster's or the host's, and from what the pod adds.

#![deny(clippy::disallowed_methods)]

use std::net::IpAddr;

use crate::cri;
use crate::model::{DnsConfig, DnsOption, DnsPolicy, NetworkMode, Pod};

/// More nameservers than this are never asked by a resolver.
const MOST_SERVERS: usize = 3;
/// More search domains than this are not looked at.
const MOST_SEARCHES: usize = 32;
/// Some resolvers fall over a longer search domain.
const LONGEST_SEARCH: usize = 253;
/// Longer lists of search domains are not looked at.
const LONGEST_SEARCHES: usize = 2048;

/// What a node says about names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeDns<'a> {
    /// The cluster's nameservers; none on a node without a cluster.
    pub cluster_servers: &'a [IpAddr],
    /// The domain below which the cluster's names are; may be empty.
    pub cluster_domain: &'a str,
    /// The host's resolv.conf; `None` when pods shall not inherit one.
    pub host_file: Option<&'a str>,
    /// The node's addresses.
    pub node_ips: &'a [IpAddr],
}

/// The pod's resolver configuration, and what people should know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolver {
    /// The lines.
    pub config: cri::DnsConfig,
    /// Reasons and messages of events.
    pub warnings: Vec<(&'static str, String)>,
}

/// Puts the pod's resolver together.
pub(crate) fn resolver(pod: &Pod, node: NodeDns<'_>) -> Resolver {
    let mut warnings = Vec::new();
    let mut config = match origin(pod) {
        Origin::Nothing => cri::DnsConfig::default(),
        Origin::Cluster if !node.cluster_servers.is_empty() => of_cluster(pod, node),
        Origin::Cluster => {
            warnings.push(("MissingClusterDNS", no_cluster_dns(pod)));
            of_host(node)
        }
        Origin::Host => of_host(node),
    };
    merge(&mut config, &pod.spec.dns);
    limit_servers(&mut config.servers, &mut warnings);
    limit_searches(&mut config.searches, &mut warnings);
    Resolver { config, warnings }
}

/// What the host's resolv.conf has more of than pods can be given, which get so many domains of the cluster
/// besides.
pub(crate) fn resolver_excess(file: &str, text: &str, of_cluster: usize) -> Option<String> {
    let searches = parse(text).searches;
    let most = MOST_SEARCHES - of_cluster;
    if searches.len() > most {
        return Some(format!(
            "Resolv.conf file '{file}' contains search line consisting of more than {most} domains!"
        ));
    }
    if searches.iter().any(|search| search.len() > LONGEST_SEARCH) {
        return Some(format!(
            "Resolv.conf file {file:?} contains a search path which length is more than allowed \
             {LONGEST_SEARCH} chars!"
        ));
    }
    (searches.join(" ").len() > LONGEST_SEARCHES).then(|| {
        format!(
            "Resolv.conf file '{file}' contains search line which length is more than allowed \
             {LONGEST_SEARCHES} chars!"
        )
    })
}

/// Where the lines come from.
enum Origin {
    Nothing,
    Cluster,
    Host,
}

fn origin(pod: &Pod) -> Origin {
    match pod.spec.dns_policy {
        DnsPolicy::None => Origin::Nothing,
        DnsPolicy::ClusterFirstWithHostNet => Origin::Cluster,
        DnsPolicy::ClusterFirst if pod.spec.namespaces.network == NetworkMode::Pod => {
            Origin::Cluster
        }
        DnsPolicy::ClusterFirst | DnsPolicy::Default => Origin::Host,
    }
}

fn no_cluster_dns(pod: &Pod) -> String {
    format!(
        "pod: \"{}_{}({})\". kubelet does not have ClusterDNS IP configured and cannot create Pod \
         using \"ClusterFirst\" policy. Falling back to \"Default\" policy.",
        pod.name.name, pod.name.namespace, pod.uid
    )
}

fn of_cluster(pod: &Pod, node: NodeDns<'_>) -> cri::DnsConfig {
    let host = parse(node.host_file.unwrap_or_default());
    let domain = node.cluster_domain;
    let mut searches = Vec::new();
    if !domain.is_empty() {
        let namespace = &pod.name.namespace;
        for search in [
            format!("{namespace}.svc.{domain}"),
            format!("svc.{domain}"),
            domain.to_owned(),
        ] {
            push_new(&mut searches, search);
        }
    }
    for search in host.searches {
        push_new(&mut searches, search);
    }
    cri::DnsConfig {
        servers: node.cluster_servers.iter().map(IpAddr::to_string).collect(),
        searches,
        options: vec!["ndots:5".to_owned()],
    }
}

/// Without a file the node itself is asked.
fn of_host(node: NodeDns<'_>) -> cri::DnsConfig {
    if let Some(file) = node.host_file {
        return parse(file);
    }
    let loopback = |ip: &IpAddr| if ip.is_ipv6() { "::1" } else { "127.0.0.1" };
    let mut servers: Vec<_> = node
        .node_ips
        .iter()
        .map(|ip| loopback(ip).to_owned())
        .collect();
    if servers.is_empty() {
        servers.push("127.0.0.1".to_owned());
    }
    cri::DnsConfig {
        servers,
        searches: vec![".".to_owned()],
        options: Vec::new(),
    }
}

/// The lines of a resolv.conf that matter: of `search` lines the last counts, of options the last of
/// each name.
fn parse(file: &str) -> cri::DnsConfig {
    let mut config = cri::DnsConfig::default();
    for line in file.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => config.servers.extend(words.next().map(str::to_owned)),
            Some("search") => {
                let words = words.filter(|word| *word != ".");
                let domain = |word: &str| word.strip_suffix('.').unwrap_or(word).to_owned();
                config.searches = words.map(domain).collect();
            }
            Some("options") => {
                words.for_each(|word| set_option(&mut config.options, word.to_owned()));
            }
            _ => {}
        }
    }
    config
}

fn merge(config: &mut cri::DnsConfig, pod: &DnsConfig) {
    for server in pod.nameservers.iter().map(ToString::to_string) {
        push_new(&mut config.servers, server);
    }
    for search in &pod.searches {
        push_new(&mut config.searches, search.clone());
    }
    for option in &pod.options {
        set_option(&mut config.options, option_word(option));
    }
}

fn push_new(list: &mut Vec<String>, word: String) {
    if !list.contains(&word) {
        list.push(word);
    }
}

fn set_option(options: &mut Vec<String>, word: String) {
    let name = |word: &str| word.split(':').next().unwrap_or_default().to_owned();
    options.retain(|earlier| name(earlier) != name(&word));
    options.push(word);
}

fn option_word(option: &DnsOption) -> String {
    match option.value.as_deref() {
        Some(value) if !value.is_empty() => format!("{}:{value}", option.name),
        _ => option.name.clone(),
    }
}

fn limit_servers(servers: &mut Vec<String>, warnings: &mut Vec<(&'static str, String)>) {
    if servers.len() > MOST_SERVERS {
        servers.truncate(MOST_SERVERS);
        let message = format!(
            "Nameserver limits were exceeded, some nameservers have been omitted, the applied \
             nameserver line is: {}",
            servers.join(" ")
        );
        warnings.push(("DNSConfigForming", message));
    }
}

fn limit_searches(searches: &mut Vec<String>, warnings: &mut Vec<(&'static str, String)>) {
    let before = searches.len();
    searches.truncate(MOST_SEARCHES);
    searches.retain(|search| search.len() <= LONGEST_SEARCH);
    while searches.join(" ").len() > LONGEST_SEARCHES {
        searches.pop();
    }
    if searches.len() < before {
        let message = format!(
            "Search Line limits were exceeded, some search paths have been omitted, the applied \
             search line is: {}",
            searches.join(" ")
        );
        warnings.push(("DNSConfigForming", message));
    }
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
