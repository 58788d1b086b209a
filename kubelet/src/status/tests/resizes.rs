//! What is told of containers that have another size than they ask for.

use k8s_openapi::api::core::v1::ResourceRequirements;

use super::*;
use crate::model::{OngoingResize, PendingResize, Prospect, Size};
use crate::plan::fixture;
use crate::status::particulars;

fn shown(pod: &Pod, has: Option<Size>) -> ResourceRequirements {
    let newest = ContainerObservation {
        size: has,
        ..made("web", 0, running())
    };
    particulars::resources(pod, &pod.spec.containers[0], Some(&newest)).unwrap()
}

#[test]
fn what_a_container_has_is_told_until_it_has_what_it_was_given() {
    let resources = serde_json::json!({
        "requests": { "cpu": "1", "memory": "1Gi", "example.com/gpu": "1" },
        "limits": { "cpu": "2", "memory": "2Gi", "example.com/gpu": "1" },
    });
    let pod = fixture::asking("a", &resources, 1);
    let shall = Size::of(&pod.spec.containers[0].resources);
    let expected: ResourceRequirements = serde_json::from_value(resources).unwrap();
    assert_eq!(shown(&pod, Some(shall)), expected, "as it is written");
    assert_eq!(shown(&pod, None), expected, "nothing else is known");
    let mut has = shall;
    has.cpu_millis.request = Some(250);
    has.memory_bytes.limit = Some(1536 << 20);
    let told = serde_json::to_value(shown(&pod, Some(has))).unwrap();
    assert_eq!(
        told,
        serde_json::json!({
            "requests": { "cpu": "250m", "memory": "1Gi", "example.com/gpu": "1" },
            "limits": { "cpu": "2", "memory": "1536Mi", "example.com/gpu": "1" },
        })
    );
}

#[test]
fn conditions_tell_of_wishes_and_since_when_and_go_with_the_pods_end() {
    let mut pod = pod(Always, &[], &["web"]);
    pod.resize.pending = Some(PendingResize {
        prospect: Prospect::Deferred,
        message: "no room".to_owned(),
        generation: 3,
    });
    let ongoing = OngoingResize {
        generation: 2,
        error: Some("busy".to_owned()),
    };
    let told = |pod: &Pod, phase: ContainerObservation, previous: Option<&PodStatus>, now| {
        let observation = in_ready(vec![phase]);
        let input = StatusInput {
            resizing: Some(&ongoing),
            pod,
            observation: &observation,
            probes: &ProbeResults::default(),
            failures: &BTreeMap::new(),
            held_back: &[],
            demise: None,
            previous,
            facts: &Facts::default(),
            now: at(now),
        };
        generate(&input).0
    };
    let first = told(&pod, made("web", 0, running()), None, 100);
    let of = |status: &PodStatus| -> Vec<PodCondition> {
        let all = status.conditions.iter().flatten();
        all.filter(|one| one.type_.starts_with("PodResize"))
            .cloned()
            .collect()
    };
    let [pending, in_progress] = of(&first).try_into().unwrap();
    assert_eq!(pending.reason.as_deref(), Some("Deferred"));
    assert_eq!(pending.message.as_deref(), Some("no room"));
    assert_eq!(pending.observed_generation, Some(3));
    assert_eq!(in_progress.reason.as_deref(), Some("Error"));
    assert_eq!(in_progress.observed_generation, Some(2));
    assert_eq!(pending.status, "True");

    pod.resize.pending.as_mut().unwrap().message = "still no room".to_owned();
    let again = told(&pod, made("web", 0, running()), Some(&first), 200);
    let [still, _] = of(&again).try_into().unwrap();
    assert_eq!(still.last_transition_time, pending.last_transition_time);
    pod.resize.pending.as_mut().unwrap().prospect = Prospect::Infeasible;
    let never = told(&pod, made("web", 0, running()), Some(&again), 300);
    let [never, _] = of(&never).try_into().unwrap();
    assert_ne!(never.last_transition_time, pending.last_transition_time);

    pod.spec.restart_policy = Never;
    let ended = told(&pod, made("web", 0, exited(0)), Some(&again), 400);
    assert_eq!(of(&ended), []);
}
