//! What is asked for, from either command line.

use std::error::Error;
use std::fs;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::args::{EventsArguments, Get, OutputArguments, WatchArguments};
use crate::jsonpath::Template;
use crate::print::Width;
use crate::print::events::Manner;
use crate::print::form::Form;
use crate::print::printer::{Headers, Printer};
use crate::print::rows::Looks;
use crate::resource::{Resource, name};
use crate::select::{Selection, SortError, sort_by};

/// What is asked for.
pub(super) struct Request {
    pub(super) resource: Resource,
    pub(super) selection: Selection,
    /// Events of one pod, and of some types, alone.
    pub(super) of_events: OfEvents,
    pub(super) span: Span,
    pub(super) order: Order,
    pub(super) printer: Printer,
    pub(super) missing: Missing,
}

/// How long to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// Once.
    Once,
    /// At what is there, and then at what changes.
    On,
    /// Only at what changes.
    FromNow,
}

/// In which order a list is shown.
#[derive(Debug)]
pub(super) enum Order {
    /// By namespace and name.
    Names,
    /// What happened last is last.
    Times,
    /// By what a path finds.
    Field(String, Template),
}

/// What a name that nothing has is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// A failure.
    Fails,
    /// Nothing.
    IsIgnored,
}

/// Which events are shown.
#[derive(Clone, Debug, Default)]
pub(super) struct OfEvents {
    pod: Option<String>,
    types: Vec<String>,
}

impl OfEvents {
    pub(super) fn takes(&self, event: &Value) -> bool {
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        let is_type = |wanted: &String| wanted.eq_ignore_ascii_case(text("type"));
        let involved = event["involvedObject"]["name"].as_str();
        let rest = |pod: &String| involved.and_then(|name| name.strip_prefix(pod.as_str()));
        (self.types.is_empty() || self.types.iter().any(is_type))
            && self.pod.as_ref().is_none_or(|pod| {
                rest(pod).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            })
    }
}

impl Request {
    /// What `podling get` asks for.
    pub(super) fn of_get(what: Get) -> Result<Self, Box<dyn Error>> {
        let (resource, arguments) = what.parts();
        let fields = arguments.field_selector.unwrap_or_default();
        fields.check(resource)?;
        let span = span(&arguments.watch)?;
        let (form, headers) = form(arguments.output)?;
        if arguments.show_labels && !form.is_table() {
            return Err("--show-labels option can only be used with tables".into());
        }
        let looks = Looks {
            watch_event: arguments.watch.output_watch_events,
            namespace: arguments.all_namespaces,
            width: width(&form),
            manner: Manner::Get,
            kind: arguments.show_kind,
            label_columns: arguments.label_columns,
            labels: arguments.show_labels,
        };
        let namespace = (resource.is_namespaced() && !arguments.all_namespaces)
            .then_some(arguments.namespace.namespace);
        Ok(Self {
            resource,
            selection: Selection {
                namespace,
                names: arguments.names,
                labels: arguments.selector.unwrap_or_default(),
                fields,
            },
            of_events: OfEvents::default(),
            span,
            order: order(resource, arguments.sort_by, span)?,
            printer: Printer::new(resource, form, looks, headers),
            missing: match arguments.ignore_not_found {
                true => Missing::IsIgnored,
                false => Missing::Fails,
            },
        })
    }

    /// What `podling events` asks for.
    pub(super) fn of_events(arguments: EventsArguments) -> Result<Self, Box<dyn Error>> {
        let (form, headers) = form(arguments.output)?;
        let looks = Looks {
            namespace: arguments.all_namespaces,
            width: width(&form),
            manner: Manner::Events,
            ..Looks::default()
        };
        let pod = arguments.pod.map(|pod| {
            let bare = pod.strip_prefix("pod/").or(pod.strip_prefix("Pod/"));
            bare.unwrap_or(&pod).to_owned()
        });
        let namespace = arguments.namespace.namespace;
        Ok(Self {
            resource: Resource::Events,
            selection: Selection {
                namespace: (!arguments.all_namespaces).then_some(namespace),
                ..Selection::default()
            },
            of_events: OfEvents {
                pod,
                types: arguments.types,
            },
            span: if arguments.watch {
                Span::On
            } else {
                Span::Once
            },
            order: Order::Times,
            printer: Printer::new(Resource::Events, form, looks, headers),
            missing: Missing::IsIgnored,
        })
    }

    /// Objects in the order in which they are shown.
    pub(super) fn sorted(&self, mut objects: Vec<Value>) -> Result<Vec<Value>, SortError> {
        let text = |object: &Value, field: &str| object[field].as_str().unwrap_or("").to_owned();
        match &self.order {
            Order::Names => objects.sort_by_key(|one| {
                let namespace = one["metadata"]["namespace"].as_str().unwrap_or("");
                (namespace.to_owned(), name(one).to_owned())
            }),
            Order::Times => objects.sort_by_key(|one| time(&text(one, "lastTimestamp"))),
            Order::Field(path, template) => return sort_by(objects, path, template),
        }
        Ok(objects)
    }
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn span(arguments: &WatchArguments) -> Result<Span, String> {
    let watches = arguments.watch || arguments.watch_only;
    if arguments.output_watch_events && !watches {
        let words = "--output-watch-events option can only be used with --watch or --watch-only";
        return Err(words.to_owned());
    }
    Ok(match (arguments.watch_only, watches) {
        (true, _) => Span::FromNow,
        (false, true) => Span::On,
        (false, false) => Span::Once,
    })
}

fn order(resource: Resource, path: Option<String>, span: Span) -> Result<Order, String> {
    let Some(path) = path else {
        return Ok(match resource {
            Resource::Events => Order::Times,
            Resource::Pods | Resource::Nodes => Order::Names,
        });
    };
    match span {
        Span::Once => {}
        Span::On => eprintln!(
            "warning: --watch requested, --sort-by will be ignored for watch events received"
        ),
        Span::FromNow => eprintln!("warning: --watch-only requested, --sort-by will be ignored"),
    }
    let template = Template::relaxed(&path).map_err(|error| error.to_string())?;
    Ok(Order::Field(path, template))
}

/// The form, with what stands in its file.
fn form(arguments: OutputArguments) -> Result<(Form, Headers), Box<dyn Error>> {
    let headers = match arguments.no_headers {
        true => Headers::Left,
        false => Headers::Shown,
    };
    let form = arguments.output.unwrap_or(Form::Table);
    let Some(file) = form.file() else {
        return Ok((form, headers));
    };
    let text = fs::read_to_string(file)
        .map_err(|error| format!("error reading template {}, {error}", file.display()))?;
    Ok((form.with_file(&text)?, headers))
}

fn width(form: &Form) -> Width {
    match form {
        Form::Wide => Width::Wide,
        _ => Width::Usual,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_shown_by_pod_and_type() {
        let event = json!({ "type": "Warning", "involvedObject": { "name": "web-node" } });
        let of = |pod: Option<&str>, types: &[&str]| OfEvents {
            pod: pod.map(str::to_owned),
            types: types.iter().map(|one| (*one).to_owned()).collect(),
        };
        for (wanted, takes) in [
            (of(None, &[]), true),
            (of(Some("web"), &["Normal", "warning"]), true),
            (of(Some("web-node"), &[]), true),
            (of(Some("we"), &[]), false),
            (of(None, &["Normal"]), false),
        ] {
            assert_eq!(wanted.takes(&event), takes, "{wanted:?}");
        }
    }
}
