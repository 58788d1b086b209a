//! Which SELinux contexts a pod and its containers have.
//!
//! | asked for | SELinux is off | on, no containers in the policy | on                                |
//! |-----------|----------------|---------------------------------|-----------------------------------|
//! | nothing   | none           | none                            | the policy's, a pair for each pod |
//! | parts     | refused        | refused                         | the same with those parts         |
//!
//! A container has its pod's, with the parts that it names itself. A privileged one is what the policy
//! has for those that nothing confines, and its files are its pod's all the same.

use std::collections::BTreeSet;

use super::{Selinux, SpecError};
use crate::model::selinux::{Categories, Context, PodLabels, SelinuxOptions};

/// What the processes and files of a pod are. `taken` are the levels of other pods; `anywhere` is a
/// random number.
pub fn pod_labels(
    asked: Option<&SelinuxOptions>,
    host: &Selinux,
    taken: &BTreeSet<String>,
    anywhere: u32,
) -> Result<Option<PodLabels>, SpecError> {
    let Some(known) = known(asked, host)? else {
        return Ok(None);
    };
    let mut own = SelinuxOptions {
        level: level(&known.process, taken, anywhere)?,
        ..SelinuxOptions::default()
    };
    if let Some(asked) = asked {
        let level = asked.level.clone().or(own.level);
        own = SelinuxOptions {
            level,
            ..asked.clone()
        };
    }
    Ok(Some(PodLabels {
        process: known.process.clone().of_process(&own),
        mount: known.file.clone().of_files(&own),
    }))
}

/// The contexts of the machine's policy, if there are any; who asks for some that cannot be had is
/// refused.
fn known<'a>(
    asked: Option<&SelinuxOptions>,
    host: &'a Selinux,
) -> Result<Option<&'a super::SelinuxPolicy>, SpecError> {
    match (host, asked) {
        (Selinux::Enabled(Some(known)), _) => Ok(Some(known.as_ref())),
        (_, None) => Ok(None),
        (Selinux::Disabled, Some(_)) => Err(SpecError::NoSelinux),
        (Selinux::Enabled(None), Some(_)) => Err(SpecError::NoSelinuxPolicy),
    }
}

/// A level of the pod's own, if the policy has levels.
fn level(
    process: &Context,
    taken: &BTreeSet<String>,
    anywhere: u32,
) -> Result<Option<String>, SpecError> {
    let Some(level) = &process.level else {
        return Ok(None);
    };
    let sensitivity = level.split([':', '-']).next().unwrap_or(level);
    match Categories::free(anywhere, sensitivity, taken) {
        Some(pair) => Ok(Some(pair.level(sensitivity))),
        None => Err(SpecError::NoCategories),
    }
}

/// What a container of a pod runs as, and what its files are shown as.
pub(super) fn container_labels(
    asked: Option<&SelinuxOptions>,
    privileged: bool,
    pod: Option<&PodLabels>,
    host: &Selinux,
) -> Result<Option<PodLabels>, SpecError> {
    let Some(known) = known(asked, host)? else {
        return Ok(None);
    };
    // A pod that was made without: nothing of it is labelled.
    let Some(pod) = pod else {
        return match asked {
            None => Ok(None),
            Some(_) => Err(SpecError::NoSelinux),
        };
    };
    let process = match privileged {
        true => &known.privileged,
        false => &pod.process,
    };
    let nothing = SelinuxOptions::default();
    let asked = asked.unwrap_or(&nothing);
    Ok(Some(PodLabels {
        process: process.clone().of_process(asked),
        mount: pod.mount.clone().of_files(asked),
    }))
}

/// What pause runs as.
pub fn pause_label(pod: &PodLabels, privileged: bool, host: &Selinux) -> Context {
    match (privileged, host) {
        (true, Selinux::Enabled(Some(known))) => known.privileged.clone(),
        _ => pod.process.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::SelinuxPolicy;

    fn context(text: &str) -> Context {
        text.parse().unwrap()
    }

    fn host(level: &str) -> Selinux {
        let context = |kind: &str| context(&format!("system_u:{kind}{level}"));
        Selinux::Enabled(Some(Box::new(SelinuxPolicy {
            process: context("system_r:container_t"),
            file: context("object_r:container_file_t"),
            privileged: context("system_r:spc_t"),
        })))
    }

    fn level(level: &str) -> SelinuxOptions {
        SelinuxOptions {
            level: Some(level.to_owned()),
            ..SelinuxOptions::default()
        }
    }

    fn kind(kind: &str) -> SelinuxOptions {
        SelinuxOptions {
            kind: Some(kind.to_owned()),
            ..SelinuxOptions::default()
        }
    }

    fn texts(labels: Option<PodLabels>) -> (String, String) {
        let labels = labels.expect("there are labels");
        (labels.process.to_string(), labels.mount.to_string())
    }

    fn pod(asked: Option<&SelinuxOptions>) -> PodLabels {
        let labels = pod_labels(asked, &host(":s0"), &BTreeSet::new(), 0);
        labels.unwrap().unwrap()
    }

    #[test]
    fn a_pod_has_the_policys_types_and_categories_of_its_own() {
        let (process, mount) = texts(Some(pod(None)));
        assert_eq!(process, "system_u:system_r:container_t:s0:c0,c1");
        assert_eq!(mount, "system_u:object_r:container_file_t:s0:c0,c1");
        let taken = BTreeSet::from(["s0:c0,c1".to_owned()]);
        let other = pod_labels(None, &host(":s0"), &taken, 0).unwrap();
        assert_eq!(other.unwrap().process.level.unwrap(), "s0:c0,c2");
    }

    #[test]
    fn a_policy_without_levels_gives_none_and_a_range_begins_with_its_low_end() {
        let labels = pod_labels(None, &host(""), &BTreeSet::new(), 0).unwrap();
        assert_eq!(texts(labels).0, "system_u:system_r:container_t");
        let ranged = host(":s1-s1:c0.c1023");
        let labels = pod_labels(None, &ranged, &BTreeSet::new(), 0).unwrap();
        assert_eq!(texts(labels).0, "system_u:system_r:container_t:s1:c0,c1");
    }

    #[test]
    fn what_is_named_for_a_pod_counts_for_its_containers_until_they_name_something_else() {
        let named = pod(Some(&level("s0:c4,c5")));
        for (asked, process, mount) in [
            (None, "container_t:s0:c4,c5", "s0:c4,c5"),
            (Some(kind("web_t")), "web_t:s0:c4,c5", "s0:c4,c5"),
            (Some(level("s0")), "container_t:s0", "s0"),
        ] {
            let labels = container_labels(asked.as_ref(), false, Some(&named), &host(":s0"));
            let (of_process, of_files) = texts(labels.unwrap());
            assert_eq!(of_process, format!("system_u:system_r:{process}"));
            let expected = format!("system_u:object_r:container_file_t:{mount}");
            assert_eq!(of_files, expected);
        }
    }

    #[test]
    fn nothing_confines_a_privileged_container_but_its_files_are_its_pods() {
        let own = pod(None);
        let labels = container_labels(None, true, Some(&own), &host(":s0")).unwrap();
        let (process, mount) = texts(labels);
        assert_eq!(process, "system_u:system_r:spc_t:s0");
        assert_eq!(mount, own.mount.to_string());
        let named = container_labels(Some(&kind("web_t")), true, Some(&own), &host(":s0"));
        assert_eq!(texts(named.unwrap()).0, "system_u:system_r:web_t:s0");
        assert_eq!(pause_label(&own, true, &host(":s0")).kind, "spc_t");
        assert_eq!(pause_label(&own, false, &host(":s0")), own.process);
    }

    #[test]
    fn who_asks_where_there_is_nothing_is_refused_and_the_others_are_not() {
        let asked = level("s0");
        for off in [Selinux::Disabled, Selinux::Enabled(None)] {
            let none = BTreeSet::new();
            assert_eq!(pod_labels(None, &off, &none, 0).unwrap(), None);
            assert!(pod_labels(Some(&asked), &off, &none, 0).is_err());
            assert_eq!(container_labels(None, false, None, &off).unwrap(), None);
            assert!(container_labels(Some(&asked), false, None, &off).is_err());
        }
        // A pod of a runtime that knew no labels.
        let on = host(":s0");
        assert_eq!(container_labels(None, true, None, &on).unwrap(), None);
        assert!(container_labels(Some(&asked), false, None, &on).is_err());
    }
}
