//! `podling wait`: until pods are as they are waited for.

use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use podling_runtime::layout::Layout;
use serde_json::Value;

use super::until::{Judgement, UntilError, one, until};
use super::{Outcome, output};
use crate::args::WaitArguments;
use crate::duration;
use crate::jsonpath::{Template, go_text};
use crate::kubelet::Kubelet;
use crate::resource::{Resource, bare_name, name, namespace};
use crate::select::{Selection, is_named};

/// What a negative time means.
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What is waited for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    /// It is there.
    Created,
    /// It is gone.
    Deleted,
    /// A condition of its status has this value.
    Status {
        /// Its type.
        name: String,
        /// Its status.
        value: String,
    },
    /// A path finds something, or this.
    Path {
        /// The path.
        path: Template,
        /// What it finds; anything if there is none.
        value: Option<String>,
    },
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("delete") {
            return Ok(Self::Deleted);
        }
        if text.eq_ignore_ascii_case("create") {
            return Ok(Self::Created);
        }
        if let Some(rest) = text.strip_prefix("condition=") {
            let (name, value) = rest.split_once('=').unwrap_or((rest, "true"));
            return Ok(Self::Status {
                name: name.to_owned(),
                value: value.to_owned(),
            });
        }
        match text.strip_prefix("jsonpath=") {
            Some(rest) => path(rest),
            None => Err(format!("unrecognized condition: {text:?}")),
        }
    }
}

fn path(text: &str) -> Result<Condition, String> {
    const FORMAT: &str = "jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or \
                          --for=jsonpath='{.status.readyReplicas}'";
    let (path, value) = match parts(text).as_slice() {
        [path] => (path.clone(), None),
        [path, value] => {
            let value = value.trim_matches(['\'', '"']);
            if value.is_empty() {
                return Err("jsonpath wait has to have a value after equal sign, like \
                     --for=jsonpath='{.status.readyReplicas}'=3"
                    .to_owned());
            }
            (path.clone(), Some(value.to_owned()))
        }
        _ => return Err(FORMAT.to_owned()),
    };
    let path = Template::relaxed(&path).map_err(|error| error.to_string())?;
    Ok(Condition::Path { path, value })
}

/// The parts between single equal signs; `==` of a filter parts nothing.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let last = parts.last_mut().expect("there is one from the beginning");
        if character != '=' {
            last.push(character);
        } else if rest.next_if_eq(&'=').is_some() {
            last.push_str("==");
        } else {
            parts.push(String::new());
        }
    }
    parts
}

impl Condition {
    /// Whether it holds of an object, which may not be there.
    fn holds(&self, object: Option<&Value>) -> Result<bool, String> {
        let Some(object) = object else {
            return Ok(*self == Self::Deleted);
        };
        match self {
            Self::Created => Ok(true),
            Self::Deleted => Ok(false),
            Self::Status { name, value } => {
                let text =
                    |one: &Value, field: &str| one[field].as_str().unwrap_or("").to_lowercase();
                let conditions = object["status"]["conditions"].as_array();
                let named = conditions
                    .into_iter()
                    .flatten()
                    .find(|one| text(one, "type") == name.to_lowercase());
                Ok(named.is_some_and(|one| text(one, "status") == value.to_lowercase()))
            }
            Self::Path { path, value } => finds(path, value.as_deref(), object),
        }
    }
}

fn finds(path: &Template, value: Option<&str>, object: &Value) -> Result<bool, String> {
    let lists = path.find(object).map_err(|error| error.to_string())?;
    let [found] = lists.as_slice() else {
        return Err("given jsonpath expression matches more than one list".to_owned());
    };
    match (found.as_slice(), value) {
        ([], _) => Ok(false),
        ([_], None) => Ok(true),
        ([Value::Array(_) | Value::Object(_)], Some(_)) => {
            Err("jsonpath leads to a nested object or list which is not supported".to_owned())
        }
        ([found], Some(value)) => Ok(go_text(found).trim() == value.trim()),
        _ => Err("given jsonpath expression matches more than one value".to_owned()),
    }
}

pub(super) async fn run(layout: &Layout, arguments: WaitArguments) -> Outcome {
    let kubelet = Kubelet::of(layout);
    let timeout = timeout(&arguments.timeout)?;
    let waits_for_creation = arguments.conditions.contains(&Condition::Created);
    let meant = meant(&kubelet, &arguments, waits_for_creation).await?;
    if meant.is_empty() && !arguments.conditions.contains(&Condition::Deleted) {
        return Err("no matching resources found".into());
    }
    for (namespace, name) in meant {
        // What is created is waited for before anything else.
        let (first, rest): (Vec<_>, Vec<_>) = arguments
            .conditions
            .iter()
            .partition(|one| **one == Condition::Created);
        for condition in first.into_iter().chain(rest) {
            let selection = one(&namespace, &name);
            let judge = |object: Option<&Value>| judge(condition, object, &name, timeout);
            let shown = until(
                &kubelet,
                selection,
                (!timeout.is_zero()).then_some(timeout),
                judge,
            )
            .await
            .map_err(|error| told(error, &name))?;
            output::print(&format!("pod/{shown} condition met\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The full name of a pod of which the condition holds.
fn judge(
    condition: &Condition,
    object: Option<&Value>,
    wanted: &str,
    timeout: Duration,
) -> Judgement<String> {
    let is_there = object.is_some();
    if condition.holds(object).map_err(UntilError::Hopeless)? {
        return Ok(Some(object.map_or(wanted, name).to_owned()));
    }
    if timeout.is_zero() {
        let words = format!("condition not met for pods/{wanted}");
        return Err(UntilError::Hopeless(words));
    }
    let can_come = matches!(condition, Condition::Created | Condition::Deleted);
    if !is_there && !can_come {
        return Err(UntilError::Hopeless(format!("pods {wanted:?} not found")));
    }
    Ok(None)
}

fn told(error: UntilError, name: &str) -> Box<dyn std::error::Error> {
    match error {
        UntilError::TimedOut => format!("{error} on pods/{name}").into(),
        other => other.into(),
    }
}

/// Namespaces and names of the pods that are meant.
async fn meant(
    kubelet: &Kubelet,
    arguments: &WaitArguments,
    waits_for_creation: bool,
) -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    let there = kubelet.objects(Resource::Pods).await?;
    let own = &arguments.namespace.namespace;
    let fields = arguments.field_selector.clone().unwrap_or_default();
    fields.check(Resource::Pods)?;
    let bare: Vec<_> = arguments
        .pods
        .iter()
        .filter_map(|one| bare_name(Resource::Pods, one))
        .collect();
    if bare.is_empty() {
        let has_selector = arguments.selector.is_some() || arguments.field_selector.is_some();
        if !arguments.all && !has_selector {
            return Err("resource(s) were provided, but no name was specified".into());
        }
        let selection = Selection {
            namespace: (!arguments.all_namespaces).then(|| own.clone()),
            names: Vec::new(),
            labels: arguments.selector.clone().unwrap_or_default(),
            fields,
        };
        let selected = there.iter().filter(|pod| selection.takes(pod));
        let named = |pod: &Value| (namespace(pod).to_owned(), name(pod).to_owned());
        return Ok(selected.map(named).collect());
    }
    let is_deletion = arguments.conditions.contains(&Condition::Deleted);
    let mut meant = Vec::new();
    for wanted in bare {
        let found = there
            .iter()
            .find(|pod| namespace(pod) == own && is_named(pod, wanted));
        match found {
            Some(pod) => meant.push((own.clone(), name(pod).to_owned())),
            None if waits_for_creation => meant.push((own.clone(), wanted.to_owned())),
            // What is gone has been waited for.
            None if is_deletion => {}
            None => return Err(format!("pods {wanted:?} not found").into()),
        }
    }
    Ok(meant)
}

fn timeout(text: &str) -> Result<Duration, duration::InvalidDuration> {
    match text {
        "0" => Ok(Duration::ZERO),
        negative if negative.starts_with('-') => Ok(WEEK),
        text => duration::parse(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({
            "metadata": { "name": "web" },
            "status": {
                "phase": "Running", "list": [1],
                "conditions": [{ "type": "Ready", "status": "True" }],
            },
        })
    }

    #[test]
    fn conditions_hold_as_kubectl_has_it() {
        let pod = pod();
        let rows = [
            ("create", Ok(true)),
            ("delete", Ok(false)),
            ("condition=Ready", Ok(true)),
            ("condition=ready=TRUE", Ok(true)),
            ("condition=Ready=false", Ok(false)),
            ("condition=Other", Ok(false)),
            ("jsonpath={.status.phase}=Running", Ok(true)),
            ("jsonpath=.status.phase='Running'", Ok(true)),
            ("jsonpath={.status.phase}=Failed", Ok(false)),
            ("jsonpath={.status.phase}", Ok(true)),
            ("jsonpath={.status.nothing}", Ok(false)),
            (
                "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}=True",
                Ok(true),
            ),
            (
                "jsonpath={.status.list}=1",
                Err("jsonpath leads to a nested object or list which is not supported"),
            ),
            (
                "jsonpath={.status.*}",
                Err("given jsonpath expression matches more than one value"),
            ),
        ];
        for (text, expected) in rows {
            let condition: Condition = text.parse().unwrap();
            let holds = condition.holds(Some(&pod));
            assert_eq!(holds, expected.map_err(str::to_owned), "{text}");
        }
        assert_eq!(Condition::Deleted.holds(None), Ok(true));
        assert_eq!(Condition::Created.holds(None), Ok(false));
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for (text, words) in [
            ("Ready", "unrecognized condition: \"Ready\""),
            ("jsonpath={.a}=", "jsonpath wait has to have a value"),
            ("jsonpath={.a}=b=c", "jsonpath wait format must be"),
            ("jsonpath=", "unexpected path string"),
        ] {
            let refused = text.parse::<Condition>().unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn no_time_looks_once() {
        let condition: Condition = "condition=Ready=false".parse().unwrap();
        let judged = judge(&condition, Some(&pod()), "web", Duration::ZERO).unwrap_err();
        assert_eq!(judged.to_string(), "condition not met for pods/web");
        assert_eq!(timeout("0").unwrap(), Duration::ZERO);
        assert_eq!(timeout("-1s").unwrap(), WEEK);
    }
}
