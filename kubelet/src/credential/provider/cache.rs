//! What programs have said, for as long as they said it holds.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::exchange::Scope;
use crate::credential::docker_config::DockerConfig;

/// Stands for all images; no image has such a name.
const GLOBAL: &str = "<global>";

/// Answers by what they hold for.
#[derive(Debug, Default)]
pub(super) struct Cache(BTreeMap<String, (DockerConfig, Timestamp)>);

impl Cache {
    /// What holds for an image now: of the image, else of its registry, else of all.
    pub(super) fn find(&self, image: &str, now: Timestamp) -> Option<DockerConfig> {
        let keys = [Scope::Image, Scope::Registry, Scope::Global].map(|scope| key(scope, image));
        let mut found = keys.into_iter().filter_map(|key| self.0.get(key));
        found
            .find(|(_, until)| now <= *until)
            .map(|(config, _)| config.clone())
    }

    /// Keeps an answer.
    pub(super) fn keep(
        &mut self,
        scope: Scope,
        image: &str,
        config: DockerConfig,
        until: Timestamp,
    ) {
        self.0.insert(key(scope, image).to_owned(), (config, until));
    }

    /// Drops what holds no more.
    pub(super) fn purge(&mut self, now: Timestamp) {
        self.0.retain(|_, (_, until)| now <= *until);
    }
}

fn key(scope: Scope, image: &str) -> &str {
    match scope {
        Scope::Image => image,
        Scope::Registry => image.split('/').next().unwrap_or(image),
        Scope::Global => GLOBAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Login;

    fn config(name: &str) -> DockerConfig {
        DockerConfig::from([("host".to_owned(), Login::new(name, "x"))])
    }

    #[test]
    fn an_answer_holds_for_what_it_says_and_as_long() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut cache = Cache::default();
        cache.keep(Scope::Global, "a/b", config("all"), at(30));
        cache.keep(Scope::Registry, "a/b", config("a"), at(20));
        cache.keep(Scope::Image, "a/b", config("a/b"), at(10));
        let rows = [
            ("a/b", 0, Some("a/b")),
            ("a/c", 0, Some("a")),
            ("c/d", 0, Some("all")),
            ("a/b", 11, Some("a")),
            ("a/b", 21, Some("all")),
            ("a/b", 31, None),
        ];
        for (image, second, expected) in rows {
            let found = cache.find(image, at(second));
            assert_eq!(found, expected.map(config), "{image} {second}");
        }
        cache.purge(at(25));
        assert_eq!(cache.0.len(), 1);
    }
}
