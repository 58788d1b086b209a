//! Which credentials fit an image, the most particular first.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use super::docker_config::DockerConfig;
use super::matching::is_match;
use super::{Credential, Login, Owner};

/// Docker's own registry, as its logins name it.
const DEFAULT_REGISTRY: &str = "index.docker.io";

/// Credentials by registry or part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keyring(BTreeMap<String, Vec<Credential>>);

impl Keyring {
    /// Takes up all logins of a file.
    pub(super) fn add(&mut self, owner: &Owner, config: &DockerConfig) {
        for (registry, login) in config {
            if let Some(key) = key(registry) {
                let credential = credential(login, owner);
                self.0.entry(key).or_default().push(credential);
            }
        }
    }

    /// What fits an image, whose name is whole and has neither tag nor digest. There may be several
    /// for one registry while a password is changed, so all are to be tried in turn.
    pub(super) fn lookup(&self, image: &str) -> Vec<Credential> {
        // Behind its prefix each key comes first.
        let fitting = self.0.iter().rev().filter(|(key, _)| is_match(key, image));
        let found: Vec<_> = fitting.flat_map(|(_, all)| all).cloned().collect();
        if found.is_empty() && is_of_default_registry(image) {
            return self.0.get(DEFAULT_REGISTRY).cloned().unwrap_or_default();
        }
        found
    }
}

fn credential(login: &Login, owner: &Owner) -> Credential {
    Credential {
        login: login.clone(),
        hash: login.hash(),
        owner: owner.clone(),
    }
}

/// Host and path of what a login is for; a version of the API is no path. Nothing for what cannot
/// stand in an address.
fn key(registry: &str) -> Option<String> {
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| registry.strip_prefix(scheme));
    let rest = rest.unwrap_or(registry);
    let rest = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    if host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let version = ["/v1/", "/v2/"];
    let is_versioned = version.iter().any(|prefix| path.starts_with(prefix));
    let path = if is_versioned { &path[3..] } else { path };
    Some(match path {
        "" | "/" => host.to_owned(),
        path => format!("{host}{path}"),
    })
}

/// Whether the name says so, or says nothing of a registry.
fn is_of_default_registry(image: &str) -> bool {
    match image.split_once('/') {
        None => !image.is_empty(),
        Some(("docker.io" | "index.docker.io", _)) => true,
        Some((first, _)) => !first.is_empty() && !first.contains(['.', ':']),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(registries: &[&str], image: &str) -> Vec<String> {
        let config = registries.iter();
        let config = config.map(|one| ((*one).to_owned(), Login::new(one, "x")));
        let mut keyring = Keyring::default();
        keyring.add(&Owner::Node, &config.collect());
        let found = keyring.lookup(image).into_iter();
        found.map(|one| one.login.username).collect()
    }

    #[test]
    fn the_longest_path_goes_first_and_the_others_are_tried_too() {
        let all = ["quay.io", "quay.io/coreos", "https://quay.io/v1/", "gcr.io"];
        assert_eq!(
            names(&all, "quay.io/coreos/etcd"),
            ["quay.io/coreos", "https://quay.io/v1/", "quay.io"]
        );
        assert_eq!(names(&all, "example.com/app"), Vec::<String>::new());
    }

    #[test]
    fn a_name_without_a_registry_is_dockers() {
        let all = ["https://index.docker.io/v1/"];
        for image in ["docker.io/library/nginx", "nginx", "library/nginx"] {
            assert_eq!(names(&all, image), all, "{image}");
        }
        assert_eq!(names(&all, "host:1/nginx"), Vec::<String>::new());
        // What fits by itself goes before.
        let all = ["index.docker.io", "docker.io/library"];
        assert_eq!(
            names(&all, "docker.io/library/nginx"),
            ["docker.io/library"]
        );
    }

    #[test]
    fn what_cannot_stand_in_an_address_is_passed_over() {
        assert_eq!(names(&["a b"], "a b/c"), Vec::<String>::new());
    }
}
