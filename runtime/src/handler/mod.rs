//! The table of runtime handlers: podling's own launch, and OCI runtimes that are on the machine.
//!
//! ```text
//! RunPodSandbox.runtime_handler ─► "" or podling ─► podling-launch calls libcontainer
//!                               ├► a name of the table ─► podling-launch runs that OCI runtime
//!                               └► any other ─► refused, before anything is made
//! ```
//!
//! Pause, cgroups, logs, execs and ends are podling's own whoever makes the container.

mod features;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::model::handler::{HandlerFeatures, OciRuntime};
use crate::spec::HostFacts;
use crate::sys::subprocess::{self, Ending, Order, Stop};

/// The name of podling's own launch; no name at all means the same.
pub const OWN: &str = "podling";

/// How long a runtime may take to say what it can do.
const PROBE: Duration = Duration::from_secs(30);
/// The longest name, as Kubernetes has it.
const LONGEST_NAME: usize = 63;

/// Why a table of handlers cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HandlerError {
    /// A name that a RuntimeClass cannot have.
    #[error(
        "runtime handler {0:?}: a name has at most 63 lower-case letters, digits and dashes, \
         with a dash neither first nor last"
    )]
    Name(String),
    /// A name that is taken.
    #[error("runtime handler {0:?} is there already: give each handler a name of its own")]
    Taken(String),
    /// A program that would be looked for somewhere.
    #[error("runtime handler {name:?}: {program} is not an absolute path", program = program.display())]
    Relative {
        /// The handler.
        name: String,
        /// Its program.
        program: PathBuf,
    },
}

/// There is no handler of this name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("failed to get sandbox runtime: no runtime for {0:?} is configured")]
pub struct UnknownHandler(pub String);

/// A handler besides podling's own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Handler {
    runtime: OciRuntime,
    features: HandlerFeatures,
}

/// All handlers.
#[derive(Clone, Debug, Default)]
pub struct Handlers {
    own: HandlerFeatures,
    others: BTreeMap<String, Handler>,
}

impl Handlers {
    /// Checks the names and asks each runtime what it can do. Blocks. One that does not answer stays in the
    /// table, and a container that it is to make fails with the reason.
    pub fn open(runtimes: Vec<OciRuntime>, host: &HostFacts) -> Result<Self, HandlerError> {
        let mut table = Self {
            own: HandlerFeatures {
                recursive_read_only: host.recursive_read_only,
                user_namespaces: host.user_namespaces,
            },
            others: BTreeMap::new(),
        };
        for runtime in runtimes {
            table.check(&runtime)?;
            let features = features_of(&runtime, table.own);
            let name = runtime.name.clone();
            table.others.insert(name, Handler { runtime, features });
        }
        Ok(table)
    }

    fn check(&self, runtime: &OciRuntime) -> Result<(), HandlerError> {
        let name = &runtime.name;
        if !is_name(name) {
            return Err(HandlerError::Name(name.clone()));
        }
        if name == OWN || self.others.contains_key(name) {
            return Err(HandlerError::Taken(name.clone()));
        }
        if !runtime.program.is_absolute() {
            return Err(HandlerError::Relative {
                name: name.clone(),
                program: runtime.program.clone(),
            });
        }
        Ok(())
    }

    /// The OCI runtime of a handler; `None` is podling's own launch.
    pub fn runtime(&self, name: &str) -> Result<Option<&OciRuntime>, UnknownHandler> {
        Ok(self.find(name)?.map(|handler| &handler.runtime))
    }

    /// The machine as the pods of a handler find it.
    pub fn host(&self, name: &str, host: &HostFacts) -> Result<HostFacts, UnknownHandler> {
        let features = self
            .find(name)?
            .map_or(self.own, |handler| handler.features);
        Ok(HostFacts {
            recursive_read_only: features.recursive_read_only,
            user_namespaces: features.user_namespaces,
            ..host.clone()
        })
    }

    /// Every handler by name, the default one first without and then with its name.
    pub fn all(&self) -> impl Iterator<Item = (&str, HandlerFeatures)> {
        let others = self.others.iter();
        [("", self.own), (OWN, self.own)]
            .into_iter()
            .chain(others.map(|(name, handler)| (name.as_str(), handler.features)))
    }

    fn find(&self, name: &str) -> Result<Option<&Handler>, UnknownHandler> {
        match name {
            "" | OWN => Ok(None),
            name => match self.others.get(name) {
                Some(handler) => Ok(Some(handler)),
                None => Err(UnknownHandler(name.to_owned())),
            },
        }
    }
}

/// A label of RFC 1123.
fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=LONGEST_NAME).contains(&name.len())
        && name.chars().all(is_plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// What a runtime says of itself, as far as the machine can do it.
fn features_of(runtime: &OciRuntime, machine: HandlerFeatures) -> HandlerFeatures {
    let OciRuntime { name, program, .. } = runtime;
    let said = ask(runtime).and_then(|text| features::parse(&text).map_err(|e| e.to_string()));
    match said {
        Ok(said) => HandlerFeatures {
            recursive_read_only: machine.recursive_read_only && said.recursive_read_only,
            user_namespaces: machine.user_namespaces && said.user_namespaces,
        },
        Err(why) => {
            let program = program.display();
            tracing::warn!(
                handler = name,
                %program,
                why,
                "it does not say what it can do, so it is asked for nothing special"
            );
            HandlerFeatures::default()
        }
    }
}

fn ask(runtime: &OciRuntime) -> Result<Vec<u8>, String> {
    let stop = Stop::new().map_err(|error| error.to_string())?;
    let outcome = subprocess::run(&Order {
        program: &runtime.program,
        arguments: &["features".into()],
        environment: &[("PATH", subprocess::PATH.to_owned())],
        stdin: b"",
        deadline: Instant::now() + PROBE,
        stop: &stop,
    });
    let outcome = outcome.map_err(|error| error.to_string())?;
    match outcome.ending {
        Ending::Exited(status) if status.success() => Ok(outcome.stdout),
        Ending::Exited(status) => Err(status.to_string()),
        Ending::TimedOut | Ending::Stopped => Err(format!("no answer within {PROBE:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::fixture;

    fn runtime(name: &str, program: &str) -> OciRuntime {
        OciRuntime {
            name: name.to_owned(),
            program: program.into(),
            time_limit: 60,
        }
    }

    fn open(runtimes: &[(&str, &str)]) -> Result<Handlers, HandlerError> {
        let runtimes = runtimes
            .iter()
            .map(|(name, program)| runtime(name, program));
        Handlers::open(runtimes.collect(), &fixture::host())
    }

    #[test]
    fn a_table_with_a_bad_name_or_path_is_refused() {
        for name in ["", "Kata", "-a", "a-", "a.b", "a/b"] {
            let error = open(&[(name, "/bin/x")]).expect_err(name);
            assert_eq!(error, HandlerError::Name(name.to_owned()));
        }
        for names in [[("podling", "/x"), ("b", "/x")], [("a", "/x"), ("a", "/y")]] {
            let error = open(&names).expect_err("a name twice");
            assert!(matches!(error, HandlerError::Taken(_)), "{error}");
        }
        assert!(matches!(
            open(&[("a", "runc")]).expect_err("a relative path"),
            HandlerError::Relative { .. }
        ));
    }

    #[test]
    fn a_handler_is_found_by_its_name_and_an_unknown_one_is_named() {
        let table = open(&[("gone", "/no/such/program")]).expect("a table");
        assert_eq!(table.runtime(""), Ok(None));
        assert_eq!(table.runtime(OWN), Ok(None));
        let found = table.runtime("gone").expect("a handler").expect("not ours");
        assert_eq!(found.name, "gone");
        assert_eq!(
            table.runtime("kata").expect_err("no handler").to_string(),
            r#"failed to get sandbox runtime: no runtime for "kata" is configured"#
        );
    }

    #[test]
    fn a_runtime_that_says_nothing_has_no_features() {
        let table = open(&[("gone", "/no/such/program")]).expect("a table");
        let all: Vec<_> = table.all().collect();
        let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["", OWN, "gone"]);
        assert_eq!(all[2].1, HandlerFeatures::default());
        let host = HostFacts {
            recursive_read_only: true,
            ..fixture::host()
        };
        let seen = table.host("gone", &host).expect("a handler");
        assert!(!seen.recursive_read_only && !seen.user_namespaces);
    }
}
