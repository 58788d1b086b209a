//! The environment: defaults, then the image's, then the request's, each overriding in place.

use super::{ImageFacts, SpecError};
use crate::model::ContainerConfig;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What neither the image nor the request knows.
pub(super) struct Defaults<'a> {
    /// Name of the pod, or of the host on its network.
    pub hostname: &'a str,
    /// Home directory of the user the container runs as.
    pub home: &'a str,
}

/// The environment as `NAME=value`, each name once.
pub(super) fn env(
    config: &ContainerConfig,
    image: &ImageFacts,
    defaults: &Defaults<'_>,
) -> Result<Vec<String>, SpecError> {
    let mut env = Environment::default();
    env.set("PATH", DEFAULT_PATH);
    if config.tty {
        env.set("TERM", "xterm");
    }
    env.set("HOSTNAME", defaults.hostname);
    for entry in &image.env {
        // An entry without a value says nothing.
        if let Some((name, value)) = entry.split_once('=') {
            env.set(checked_name(name)?, checked_value(name, value.as_bytes())?);
        }
    }
    for variable in &config.envs {
        let name = checked_name(&variable.name)?;
        env.set(name, checked_value(name, &variable.value)?);
    }
    if env.get("HOME").is_none_or(str::is_empty) {
        env.set("HOME", defaults.home);
    }
    Ok(env.into_entries())
}

/// Variables in the order in which their names first appeared.
#[derive(Default)]
struct Environment(Vec<(String, String)>);

impl Environment {
    fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    fn into_entries(self) -> Vec<String> {
        self.0
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }
}

/// The name, if it is one: not empty, without `=` and control characters. A newline in a name is
/// never meant, and breaks whatever prints an environment.
fn checked_name(name: &str) -> Result<&str, SpecError> {
    if name.is_empty() || name.contains(|c: char| c == '=' || c.is_control()) {
        return Err(SpecError::EnvName(name.to_owned()));
    }
    Ok(name)
}

/// The value as text. config.json is JSON, which cannot hold other bytes.
fn checked_value<'a>(name: &str, value: &'a [u8]) -> Result<&'a str, SpecError> {
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(SpecError::EnvValue(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::EnvVar;

    fn compose(image: &[&str], request: &[(&str, &[u8])]) -> Result<Vec<String>, SpecError> {
        let image = ImageFacts {
            env: image.iter().map(|&entry| entry.to_owned()).collect(),
            ..Default::default()
        };
        let variable = |&(name, value): &(&str, &[u8])| EnvVar {
            name: name.to_owned(),
            value: value.to_vec(),
        };
        let config = ContainerConfig {
            envs: request.iter().map(variable).collect(),
            ..Default::default()
        };
        env(
            &config,
            &image,
            &Defaults {
                hostname: "pod",
                home: "/root",
            },
        )
    }

    #[test]
    fn an_empty_image_gets_path_hostname_and_home() {
        assert_eq!(
            compose(&[], &[]).unwrap(),
            [
                &format!("PATH={DEFAULT_PATH}"),
                "HOSTNAME=pod",
                "HOME=/root"
            ]
        );
    }

    #[test]
    fn the_request_overrides_the_image_and_both_override_the_defaults_in_place() {
        let env = compose(
            &["PATH=/bin", "A=1", "B=2", "A=3", "EMPTY=", "NOTHING"],
            &[
                ("B", b"two=2"),
                ("HOSTNAME", b"other"),
                ("C", b""),
                ("HOME", b"/h"),
            ],
        );
        let expected = [
            "PATH=/bin",
            "HOSTNAME=other",
            "A=3",
            "B=two=2",
            "EMPTY=",
            "C=",
            "HOME=/h",
        ];
        assert_eq!(env.unwrap(), expected);
    }

    #[test]
    fn an_empty_home_is_replaced() {
        assert!(
            compose(&["HOME="], &[])
                .unwrap()
                .contains(&"HOME=/root".to_owned())
        );
    }

    #[test]
    fn a_terminal_gets_a_term_that_the_image_may_override() {
        let config = ContainerConfig {
            tty: true,
            ..Default::default()
        };
        let defaults = Defaults {
            hostname: "pod",
            home: "/",
        };
        let plain = env(&config, &ImageFacts::default(), &defaults).unwrap();
        assert!(plain.contains(&"TERM=xterm".to_owned()));
        let image = ImageFacts {
            env: vec!["TERM=vt100".to_owned()],
            ..Default::default()
        };
        let own = env(&config, &image, &defaults).unwrap();
        assert!(own.contains(&"TERM=vt100".to_owned()) && !own.contains(&"TERM=xterm".to_owned()));
    }

    #[test]
    fn names_that_are_no_names_are_refused() {
        for name in ["", "A=B", "A\nB", "A\0B", "\r"] {
            let got = compose(&[], &[(name, b"x")]);
            assert!(matches!(got, Err(SpecError::EnvName(_))), "{name:?}");
        }
        assert!(matches!(
            compose(&["A\nB=1"], &[]),
            Err(SpecError::EnvName(_))
        ));
        assert!(matches!(compose(&["=1"], &[]), Err(SpecError::EnvName(_))));
    }

    #[test]
    fn a_value_may_hold_newlines_but_neither_nul_nor_foreign_bytes() {
        let home = b"/root\nevil:x:0:0::/:/bin/sh";
        let env = compose(&[], &[("HOME", home)]).unwrap();
        assert_eq!(env.len(), 3, "a newline in HOME makes no second variable");
        for value in [&b"a\0b"[..], &b"\xff\xfe"[..]] {
            assert!(matches!(
                compose(&[], &[("A", value)]),
                Err(SpecError::EnvValue(_))
            ));
        }
    }
}
