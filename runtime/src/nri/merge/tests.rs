//! Several plugins with wishes that go together, or do not.

use super::*;
use podling_proto::nri as wire;

fn creation() -> Creation {
    let container = wire::Container {
        id: "new".to_owned(),
        env: vec!["A=1".to_owned(), "B=2".to_owned()],
        mounts: vec![mount("/data", "/old")],
        ..Default::default()
    };
    Creation::begin(wire::CreateContainerRequest {
        pod: None,
        container: Some(container),
    })
}

fn mount(destination: &str, source: &str) -> wire::Mount {
    wire::Mount {
        destination: destination.to_owned(),
        source: source.to_owned(),
        ..Default::default()
    }
}

fn variable(key: &str, value: &str) -> wire::KeyValue {
    wire::KeyValue {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn adjust(adjust: wire::ContainerAdjustment) -> wire::CreateContainerResponse {
    wire::CreateContainerResponse {
        adjust: Some(adjust),
        ..Default::default()
    }
}

fn env(variables: &[(&str, &str)]) -> wire::CreateContainerResponse {
    let env = variables.iter().map(|(key, value)| variable(key, value));
    adjust(wire::ContainerAdjustment {
        env: env.collect(),
        ..Default::default()
    })
}

fn annotations(pairs: &[(&str, &str)]) -> wire::CreateContainerResponse {
    let pairs = pairs.iter();
    adjust(wire::ContainerAdjustment {
        annotations: pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        ..Default::default()
    })
}

fn shares(value: u64) -> wire::LinuxResources {
    wire::LinuxResources {
        cpu: Some(wire::LinuxCpu {
            shares: Some(wire::OptionalUInt64 { value }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn memory(value: i64) -> wire::LinuxResources {
    wire::LinuxResources {
        memory: Some(wire::LinuxMemory {
            limit: Some(wire::OptionalInt64 { value }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn update(id: &str, resources: wire::LinuxResources) -> wire::ContainerUpdate {
    wire::ContainerUpdate {
        container_id: id.to_owned(),
        linux: Some(wire::LinuxContainerUpdate {
            resources: Some(resources),
        }),
        ignore_failure: false,
    }
}

fn seen(creation: &Creation) -> &wire::Container {
    creation.request().container.as_ref().unwrap()
}

#[test]
fn a_later_plugin_sees_what_an_earlier_one_has_made_of_the_container() {
    let mut creation = creation();
    creation
        .take(env(&[("C", "3"), ("A", "one"), ("-B", "")]), "10-a")
        .unwrap();
    assert_eq!(seen(&creation).env, ["C=3", "A=one"]);
    creation.take(annotations(&[("k", "v")]), "20-b").unwrap();
    assert_eq!(seen(&creation).annotations["k"], "v");
    let merged = creation.finish();
    assert_eq!(
        merged.adjustment.env,
        [variable("C", "3"), variable("A", "one"), variable("-B", "")]
    );
}

#[test]
fn two_that_set_the_same_are_in_conflict_and_both_are_named() {
    let mut creation = creation();
    creation.take(env(&[("X", "1")]), "10-a").unwrap();
    let error = creation.take(env(&[("X", "2")]), "20-b").unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"plugins "20-b" and "10-a" both tried to set Env X"#
    );
}

#[test]
fn one_that_removes_first_may_set_anew_and_then_nobody_else() {
    let mut creation = creation();
    creation.take(annotations(&[("k", "1")]), "10-a").unwrap();
    creation
        .take(annotations(&[("-k", ""), ("k", "2")]), "20-b")
        .unwrap();
    assert!(creation.take(annotations(&[("k", "3")]), "30-c").is_err());
    let merged = creation.finish();
    assert_eq!(
        merged.adjustment.annotations,
        [("k".to_owned(), "2".to_owned())].into()
    );
}

#[test]
fn what_a_plugin_has_added_another_may_take_away() {
    let mut creation = creation();
    let mounts = |list: &[(&str, &str)]| {
        let list = list.iter();
        adjust(wire::ContainerAdjustment {
            mounts: list.map(|(place, source)| mount(place, source)).collect(),
            ..Default::default()
        })
    };
    creation
        .take(mounts(&[("/a", "/1"), ("/data", "/new")]), "10-a")
        .unwrap();
    creation.take(mounts(&[("-/a", "")]), "20-b").unwrap();
    assert_eq!(seen(&creation).mounts, [mount("/data", "/new")]);
    let merged = creation.finish();
    assert_eq!(
        merged.adjustment.mounts,
        [mount("/data", "/new"), mount("-/a", "")]
    );
}

#[test]
fn a_removal_of_what_the_client_asked_for_is_no_claim() {
    let mut creation = creation();
    creation.take(env(&[("-A", "")]), "10-a").unwrap();
    creation.take(env(&[("A", "again")]), "20-b").unwrap();
    assert_eq!(creation.finish().adjustment.env, [variable("A", "again")]);
}

#[test]
fn arguments_are_one_plugins_unless_it_lets_go_of_anothers() {
    let args = |args: &[&str]| {
        adjust(wire::ContainerAdjustment {
            args: args.iter().map(|&word| word.to_owned()).collect(),
            ..Default::default()
        })
    };
    let mut creation = creation();
    creation.take(args(&["a"]), "10-a").unwrap();
    assert!(creation.take(args(&["b"]), "20-b").is_err());
    creation.take(args(&["", "b", "c"]), "20-b").unwrap();
    assert_eq!(creation.finish().adjustment.args, ["b", "c"]);
}

#[test]
fn limits_conflict_one_by_one() {
    let resources = |resources| {
        adjust(wire::ContainerAdjustment {
            linux: Some(wire::LinuxContainerAdjustment {
                resources: Some(resources),
                ..Default::default()
            }),
            ..Default::default()
        })
    };
    let mut creation = creation();
    creation.take(resources(shares(100)), "10-a").unwrap();
    creation.take(resources(memory(4096)), "20-b").unwrap();
    let error = creation.take(resources(shares(200)), "30-c").unwrap_err();
    assert!(error.to_string().contains("CPUShares"), "{error}");
    let linux = creation.finish().adjustment.linux.unwrap();
    let limits = linux.resources.unwrap();
    assert_eq!(limits.cpu, shares(100).cpu);
    assert_eq!(limits.memory, memory(4096).memory);
}

#[test]
fn updates_of_others_are_put_together_and_the_new_container_is_no_other() {
    let mut creation = creation();
    let answer = |updates: Vec<wire::ContainerUpdate>| wire::CreateContainerResponse {
        update: updates,
        ..Default::default()
    };
    creation
        .take(
            answer(vec![update("x", shares(5)), update("y", shares(6))]),
            "10-a",
        )
        .unwrap();
    creation
        .take(answer(vec![update("x", memory(7))]), "20-b")
        .unwrap();
    let ignorable = wire::ContainerUpdate {
        ignore_failure: true,
        ..update("x", shares(9))
    };
    creation.take(answer(vec![ignorable]), "30-c").unwrap();
    assert!(
        creation
            .take(answer(vec![update("x", shares(9))]), "30-c")
            .is_err()
    );
    let error = creation
        .take(answer(vec![update("new", shares(1))]), "40-d")
        .unwrap_err();
    assert!(
        matches!(error, MergeError::UpdateOfTheNew { .. }),
        "{error}"
    );
    let changes = creation.finish().changes;
    assert_eq!(changes.updates.len(), 2);
    let x = changes.updates[0]
        .linux
        .as_ref()
        .unwrap()
        .resources
        .as_ref()
        .unwrap();
    assert_eq!((&x.cpu, &x.memory), (&shares(5).cpu, &memory(7).memory));
}

#[test]
fn validators_see_the_container_as_it_was_and_who_set_what() {
    let mut creation = creation();
    let pristine = creation.request().container.clone();
    creation.take(env(&[("X", "1")]), "10-a").unwrap();
    let asked = creation.validation(pristine.clone(), Vec::new());
    assert_eq!(asked.container, pristine);
    let owners = &asked.owners.unwrap().owners["new"];
    let env = &owners.compound[&(wire::Field::Env as i32)];
    assert_eq!(env.owners["X"], "10-a");
}

#[test]
fn an_update_goes_from_plugin_to_plugin_and_comes_out_whole() {
    let begin = || {
        Updating::begin(wire::UpdateContainerRequest {
            pod: None,
            container: Some(wire::Container {
                id: "c".to_owned(),
                ..Default::default()
            }),
            linux_resources: Some(shares(10)),
        })
    };
    let (untouched, changes) = begin().finish();
    assert_eq!((untouched, changes.is_empty()), (None, true));
    let mut updating = begin();
    let answer = wire::UpdateContainerResponse {
        update: vec![update("c", memory(5)), update("other", shares(1))],
        evict: Vec::new(),
    };
    updating.take(answer, "10-a").unwrap();
    let seen = updating.request().linux_resources.clone().unwrap();
    assert_eq!((seen.cpu, seen.memory), (shares(10).cpu, memory(5).memory));
    let (limits, changes) = updating.finish();
    assert_eq!(limits.unwrap().cpu, shares(10).cpu);
    assert_eq!(changes.updates.len(), 1);
    assert_eq!(changes.updates[0].container_id, "other");
}
