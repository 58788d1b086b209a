//! A pod's resolv.conf: from the host's and from what the pod adds.

#![deny(clippy::disallowed_methods)]

use crate::cri;
use crate::model::{DnsConfig, DnsOption, DnsPolicy};

/// More nameservers than this are never asked by a resolver.
const MOST_SERVERS: usize = 3;
/// More search domains than this are not looked at.
const MOST_SEARCHES: usize = 32;

/// The pod's resolver configuration, and what had to be left out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolver {
    /// The lines.
    pub config: cri::DnsConfig,
    /// Sentences for an event.
    pub omitted: Vec<String>,
}

/// Puts the pod's resolver together.
///
/// A node without a cluster has no cluster DNS: the cluster policies fall back to the host's
/// resolver, as every kubelet without one does.
pub(crate) fn resolver(policy: DnsPolicy, pod: &DnsConfig, host_file: &str) -> Resolver {
    let mut config = match policy {
        DnsPolicy::None => cri::DnsConfig::default(),
        DnsPolicy::Default | DnsPolicy::ClusterFirst | DnsPolicy::ClusterFirstWithHostNet => {
            parse(host_file)
        }
    };
    merge(&mut config, pod);
    let mut omitted = Vec::new();
    shorten(
        &mut config.servers,
        MOST_SERVERS,
        "nameservers",
        &mut omitted,
    );
    shorten(
        &mut config.searches,
        MOST_SEARCHES,
        "search domains",
        &mut omitted,
    );
    Resolver { config, omitted }
}

/// The lines of a resolv.conf that matter: the last `search` and `options` lines count.
fn parse(file: &str) -> cri::DnsConfig {
    let mut config = cri::DnsConfig::default();
    for line in file.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => config.servers.extend(words.next().map(str::to_owned)),
            Some("search") => config.searches = words.map(str::to_owned).collect(),
            Some("options") => config.options = words.map(str::to_owned).collect(),
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
        let same_name = |word: &String| word.split(':').next() == Some(option.name.as_str());
        config.options.retain(|word| !same_name(word));
        config.options.push(option_word(option));
    }
}

fn push_new(list: &mut Vec<String>, word: String) {
    if !list.contains(&word) {
        list.push(word);
    }
}

fn option_word(option: &DnsOption) -> String {
    match &option.value {
        Some(value) => format!("{}:{value}", option.name),
        None => option.name.clone(),
    }
}

fn shorten(list: &mut Vec<String>, most: usize, what: &str, omitted: &mut Vec<String>) {
    if list.len() > most {
        let left_out = list.split_off(most);
        omitted.push(format!(
            "of its {what} only the first {most} are used, not {}",
            left_out.join(", ")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "# comment\nsearch a.example\nnameserver 192.0.2.1\n\
                        nameserver 192.0.2.2\nsearch b.example c.example\noptions ndots:1 rotate\n";

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_default_policy_takes_the_hosts_resolver() {
        let resolver = resolver(DnsPolicy::Default, &DnsConfig::default(), HOST);
        assert_eq!(resolver.config.servers, words(&["192.0.2.1", "192.0.2.2"]));
        assert_eq!(resolver.config.searches, words(&["b.example", "c.example"]));
        assert_eq!(resolver.config.options, words(&["ndots:1", "rotate"]));
    }

    #[test]
    fn without_a_policy_only_what_the_pod_says_counts() {
        let pod = DnsConfig {
            nameservers: vec!["198.51.100.1".parse().unwrap()],
            searches: words(&["x.example"]),
            options: vec![DnsOption {
                name: "ndots".into(),
                value: Some("2".into()),
            }],
        };
        let resolver = resolver(DnsPolicy::None, &pod, HOST);
        assert_eq!(resolver.config.servers, words(&["198.51.100.1"]));
        assert_eq!(resolver.config.searches, words(&["x.example"]));
        assert_eq!(resolver.config.options, words(&["ndots:2"]));
    }

    #[test]
    fn what_the_pod_says_replaces_the_hosts_option_of_that_name() {
        let pod = DnsConfig {
            options: vec![
                DnsOption {
                    name: "ndots".into(),
                    value: Some("5".into()),
                },
                DnsOption {
                    name: "edns0".into(),
                    value: None,
                },
            ],
            ..DnsConfig::default()
        };
        let resolver = resolver(DnsPolicy::ClusterFirst, &pod, HOST);
        assert_eq!(
            resolver.config.options,
            words(&["rotate", "ndots:5", "edns0"])
        );
    }

    #[test]
    fn a_fourth_nameserver_is_left_out_and_told() {
        let pod = DnsConfig {
            nameservers: ["198.51.100.1", "198.51.100.2"]
                .map(|ip| ip.parse().unwrap())
                .to_vec(),
            ..DnsConfig::default()
        };
        let resolver = resolver(DnsPolicy::Default, &pod, HOST);
        assert_eq!(resolver.config.servers.len(), 3);
        assert_eq!(
            resolver.omitted,
            ["of its nameservers only the first 3 are used, not 198.51.100.2"]
        );
    }
}
