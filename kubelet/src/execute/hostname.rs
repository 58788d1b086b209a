//! What a pod is called, inside and below which domain: pure.

#![deny(clippy::disallowed_methods)]

use crate::model::Pod;

/// What a Linux kernel takes as a host name of one word.
const LONGEST_NAME: usize = 63;
/// What it takes as a host name with its domain.
const LONGEST_WITH_DOMAIN: usize = 64;

/// A pod's name and domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hostname {
    /// The name alone.
    pub(crate) name: String,
    /// The domain below which it is, if it is below one.
    pub(crate) domain: Option<String>,
    /// What the kernel shows.
    pub(crate) of_kernel: String,
}

/// A name that the kernel does not take.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "failed to construct FQDN from pod hostname and cluster domain, FQDN {fqdn} is too long \
     ({LONGEST_WITH_DOMAIN} characters is the max, {length} characters requested)"
)]
pub(crate) struct TooLong {
    fqdn: String,
    length: usize,
}

/// What the pod is called: what it asks for or its own name, as long as the kernel takes it.
pub(crate) fn hostname(pod: &Pod, cluster_domain: &str) -> Result<Hostname, TooLong> {
    let spec = &pod.spec;
    if let Some(name) = &spec.hostname_override {
        let name = cut(name);
        return Ok(Hostname {
            of_kernel: name.clone(),
            name,
            domain: None,
        });
    }
    let name = cut(spec.hostname.as_deref().unwrap_or(&pod.name.name));
    let domain = spec.subdomain.as_deref();
    let domain = domain.map(|sub| format!("{sub}.{}.svc.{cluster_domain}", pod.name.namespace));
    let of_kernel = match &domain {
        Some(domain) if spec.hostname_as_fqdn => format!("{name}.{domain}"),
        _ => name.clone(),
    };
    if of_kernel.len() > LONGEST_WITH_DOMAIN {
        return Err(TooLong {
            length: of_kernel.len(),
            fqdn: of_kernel,
        });
    }
    Ok(Hostname {
        name,
        domain,
        of_kernel,
    })
}

fn cut(name: &str) -> String {
    if name.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let cut: String = name.chars().take(LONGEST_NAME).collect();
    cut.trim_end_matches(['-', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RestartPolicy;
    use crate::plan::fixture;

    fn pod() -> Pod {
        fixture::pod(RestartPolicy::Always, &[], &["web"])
    }

    #[test]
    fn a_pod_is_called_what_it_asks_for_and_fits_the_kernel() {
        let mut pod = pod();
        let named = |pod: &Pod| hostname(pod, "cluster.local").unwrap();
        assert_eq!(named(&pod).of_kernel, &*pod.name.name);
        pod.spec.hostname = Some("a".repeat(62) + "-b");
        assert_eq!(named(&pod).name, "a".repeat(62));
        pod.spec.hostname = Some("web".to_owned());
        pod.spec.subdomain = Some("sub".to_owned());
        let expected = "sub.default.svc.cluster.local";
        assert_eq!(named(&pod).domain.as_deref(), Some(expected));
        assert_eq!(named(&pod).of_kernel, "web");
        pod.spec.hostname_as_fqdn = true;
        assert_eq!(named(&pod).of_kernel, format!("web.{expected}"));
        pod.spec.hostname_override = Some("other.example".to_owned());
        assert_eq!(named(&pod).of_kernel, "other.example");
        assert_eq!(named(&pod).domain, None);
    }

    #[test]
    fn a_name_with_its_domain_that_is_too_long_is_refused() {
        let mut pod = pod();
        pod.spec.hostname_as_fqdn = true;
        pod.spec.hostname = Some("web".to_owned());
        pod.spec.subdomain = Some("s".repeat(60));
        let error = hostname(&pod, "cluster.local").unwrap_err().to_string();
        assert!(
            error.contains("is too long (64 characters is the max"),
            "{error}"
        );
    }
}
