//! What people are told of manifests, as events.

use crate::model::{Event, EventKind, PodName, PodOrigin};
use crate::sync::EventRecorder;

use super::{Duplicate, Manifest};

/// Warns of a manifest as a whole.
pub(super) fn warn(
    events: &impl EventRecorder,
    origin: &PodOrigin,
    reason: &'static str,
    message: String,
) {
    let name = match origin {
        PodOrigin::File(path) => {
            let file = path.file_name().unwrap_or_default();
            file.to_string_lossy().into_owned()
        }
        PodOrigin::Url(_) | PodOrigin::Api => origin.to_string(),
    };
    events.record(Event {
        pod: PodName::new("default", &name),
        uid: None,
        container: None,
        kind: EventKind::Warning,
        reason: reason.into(),
        message,
    });
}

/// Warns of all in a manifest that has no effect.
pub(super) fn warn_of(events: &impl EventRecorder, origin: &PodOrigin, manifest: &Manifest) {
    const REASON: &str = "FieldIgnored";
    for read in &manifest.pods {
        for message in &read.warnings {
            events.record(Event {
                pod: read.pod.name.clone(),
                uid: Some(read.pod.uid.clone()),
                container: None,
                kind: EventKind::Warning,
                reason: REASON.into(),
                message: message.clone(),
            });
        }
    }
    for message in manifest.objects.iter().flat_map(|read| &read.warnings) {
        warn(events, origin, REASON, message.clone());
    }
}

/// Warns of what is passed over.
pub(super) fn warn_of_duplicate(events: &impl EventRecorder, duplicate: &Duplicate) {
    match duplicate {
        Duplicate::Pod { pod, first } => events.record(Event {
            pod: pod.name.clone(),
            uid: None,
            container: None,
            kind: EventKind::Warning,
            reason: "DuplicatePod".into(),
            message: format!(
                "pod {} of {} is passed over: {first} has one of that name",
                pod.name, pod.origin
            ),
        }),
        Duplicate::Object { key, origin, first } => {
            let message = format!("{key} of {origin} is passed over: {first} has one of that name");
            warn(events, origin, "DuplicateObject", message);
        }
    }
}
