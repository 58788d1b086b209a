//! A pod's /etc/hosts: pure.

#![deny(clippy::disallowed_methods)]

use std::fmt::Write;
use std::net::IpAddr;

use super::hostname::Hostname;
use crate::model::{HostAlias, NetworkMode, PodSpec};

/// What programs that read the file know it by.
const HEADER: &str = "# Kubernetes-managed hosts file.\n";
const HEADER_OF_HOST: &str = "# Kubernetes-managed hosts file (host network).\n";

const LOOPBACK: &str = "127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
";

/// The whole file.
///
/// A pod on the host's network sees the host's own file; every other pod sees itself by name.
pub(crate) fn hosts_file(
    spec: &PodSpec,
    hostname: &Hostname,
    pod_ips: &[IpAddr],
    host_file: &str,
) -> String {
    let mut file = String::new();
    match spec.namespaces.network {
        NetworkMode::Host => {
            file.push_str(HEADER_OF_HOST);
            file.push_str(host_file);
        }
        NetworkMode::Pod => {
            file.push_str(HEADER);
            file.push_str(LOOPBACK);
            let whole = hostname.domain.as_ref();
            let whole = whole.map(|domain| format!("{}.{domain}", hostname.name));
            let names: Vec<&str> = whole
                .iter()
                .chain([&hostname.name])
                .map(String::as_str)
                .collect();
            for ip in pod_ips {
                push_line(&mut file, *ip, &names);
            }
        }
    }
    push_aliases(&mut file, &spec.host_aliases);
    file
}

fn push_aliases(file: &mut String, aliases: &[HostAlias]) {
    if aliases.is_empty() {
        return;
    }
    file.push_str("\n# Entries added by HostAliases.\n");
    for alias in aliases {
        let names: Vec<&str> = alias.hostnames.iter().map(String::as_str).collect();
        push_line(file, alias.ip, &names);
    }
}

fn push_line(file: &mut String, ip: IpAddr, names: &[&str]) {
    writeln!(file, "{ip}\t{}", names.join("\t")).expect("a String takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RestartPolicy;
    use crate::plan::fixture;

    fn hostname(domain: Option<&str>) -> Hostname {
        Hostname {
            name: "web".to_owned(),
            domain: domain.map(str::to_owned),
            of_kernel: "web".to_owned(),
        }
    }

    fn spec(network: NetworkMode) -> PodSpec {
        let mut spec = fixture::pod(RestartPolicy::Always, &[], &["web"]).spec;
        spec.namespaces.network = network;
        spec.host_aliases = vec![HostAlias {
            ip: "10.1.2.3".parse().unwrap(),
            hostnames: vec!["foo.remote".to_owned(), "bar.remote".to_owned()],
        }];
        spec
    }

    #[test]
    fn a_pod_finds_itself_and_its_aliases_behind_loopback() {
        let ips = ["10.88.0.2", "fd00::2"].map(|ip| ip.parse().unwrap());
        let file = hosts_file(
            &spec(NetworkMode::Pod),
            &hostname(Some("sub.default.svc.cluster.local")),
            &ips,
            "unused",
        );
        let own = file.strip_prefix(HEADER).unwrap();
        let own = own.strip_prefix(LOOPBACK).unwrap();
        assert_eq!(
            own,
            "10.88.0.2\tweb.sub.default.svc.cluster.local\tweb\n\
             fd00::2\tweb.sub.default.svc.cluster.local\tweb\n\
             \n# Entries added by HostAliases.\n10.1.2.3\tfoo.remote\tbar.remote\n"
        );
    }

    #[test]
    fn on_the_hosts_network_the_hosts_file_comes_before_the_aliases() {
        let file = hosts_file(
            &spec(NetworkMode::Host),
            &hostname(None),
            &[],
            "127.0.0.1 localhost\n",
        );
        assert_eq!(
            file,
            "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n\
             \n# Entries added by HostAliases.\n10.1.2.3\tfoo.remote\tbar.remote\n"
        );
    }
}
