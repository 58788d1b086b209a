//! The subresource `resize` of pods: of what is sent only what the pod and its containers ask for of CPU and
//! memory, and their resize policies, become the pod's; pure.

use serde_json::{Map, Value};

const LISTS: [&str; 2] = ["containers", "initContainers"];

/// The pod with the resources that are sent, or what is wrong with them.
pub(super) fn resized(before: &Value, sent: &Value) -> Result<Value, String> {
    let annotations = &before["metadata"]["annotations"];
    if !annotations["kubernetes.io/config.mirror"].is_null() {
        return Err("Forbidden: static pods cannot be resized".to_owned());
    }
    let mut after = before.clone();
    let (old, new) = (&before["spec"]["resources"], &sent["spec"]["resources"]);
    check("spec", old, new)?;
    if !new.is_null() {
        after["spec"]["resources"] = new.clone();
    }
    for list in LISTS {
        let (old, new) = (entries(before, list), entries(sent, list));
        if old.len() != new.len() {
            return Err(format!(
                "spec.{list}: Forbidden: {list} may not be added or removed on resize"
            ));
        }
        for (index, (old, new)) in old.iter().zip(new).enumerate() {
            let field = format!("spec.{list}[{index}]");
            if old["name"] != new["name"] {
                return Err(format!(
                    "{field}.name: Forbidden: {list} may not be renamed or reordered on resize"
                ));
            }
            check(&field, &old["resources"], &new["resources"])?;
            for name in ["resources", "resizePolicy"] {
                if !new[name].is_null() || !old[name].is_null() {
                    after["spec"][list][index][name] = new[name].clone();
                }
            }
        }
    }
    if class(before) != class(&after) {
        return Err(
            "spec: Invalid value: Pod QOS Class may not change as a result of resizing".to_owned(),
        );
    }
    Ok(after)
}

/// Whether what containers ask for is another.
pub(super) fn has_other_resources(before: &Value, after: &Value) -> bool {
    let resources = |pod: &Value| -> Vec<Value> {
        let all = LISTS.iter().flat_map(|list| entries(pod, list));
        all.map(|one| one["resources"].clone()).collect()
    };
    let is_whole_other = before["spec"]["resources"] != after["spec"]["resources"];
    is_whole_other || resources(before) != resources(after)
}

fn entries<'a>(pod: &'a Value, list: &str) -> &'a [Value] {
    pod["spec"][list].as_array().map_or(&[], Vec::as_slice)
}

fn check(field: &str, old: &Value, new: &Value) -> Result<(), String> {
    let empty = Map::new();
    for kind in ["requests", "limits"] {
        let (old, new) = (
            old[kind].as_object().unwrap_or(&empty),
            new[kind].as_object().unwrap_or(&empty),
        );
        if old.keys().any(|name| !new.contains_key(name)) {
            return Err(format!(
                "{field}.resources.{kind}: Forbidden: resource {kind} cannot be removed"
            ));
        }
        let is_fixed = |name: &&String| !matches!(name.as_str(), "cpu" | "memory");
        if new
            .keys()
            .filter(is_fixed)
            .any(|name| old.get(name) != new.get(name))
        {
            return Err("spec: Forbidden: only cpu and memory resources are mutable".to_owned());
        }
    }
    Ok(())
}

/// The class that follows from what is asked for.
fn class(pod: &Value) -> &'static str {
    let whole = &pod["spec"];
    let all: Vec<_> = match whole["resources"].is_null() {
        true => LISTS.iter().flat_map(|list| entries(pod, list)).collect(),
        false => vec![whole],
    };
    let amounts = |one: &Value, name: &str| {
        let resources = &one["resources"];
        let limit = resources["limits"][name].clone();
        let request = match &resources["requests"][name] {
            Value::Null => limit.clone(),
            request => request.clone(),
        };
        (request, limit)
    };
    let has_none = |one: &&Value| {
        let both = ["cpu", "memory"].map(|name| amounts(one, name));
        both.iter()
            .all(|(request, limit)| request.is_null() && limit.is_null())
    };
    let is_sure = |one: &&Value| {
        let both = ["cpu", "memory"].map(|name| amounts(one, name));
        both.iter()
            .all(|(request, limit)| !limit.is_null() && request == limit)
    };
    match () {
        () if all.iter().all(has_none) => "BestEffort",
        () if all.iter().all(is_sure) => "Guaranteed",
        () => "Burstable",
    }
}
