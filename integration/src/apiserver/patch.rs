//! Merge patches, strategic merge patches and JSON patches.

use serde_json::{Map, Value};

/// RFC 7386.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let target = target.as_object_mut().expect("it was just made one");
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.as_str()).or_insert(Value::Null), value);
        }
    }
}

/// By which field the entries of a list are known.
fn key_of(list: &str) -> Option<&'static str> {
    Some(match list {
        "conditions" | "addresses" => "type",
        "podIPs" | "hostIPs" | "hostAliases" => "ip",
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets"
        | "secrets"
        | "resourceClaims" => "name",
        "volumeMounts" => "mountPath",
        "ports" => "containerPort",
        "ownerReferences" => "uid",
        _ => return None,
    })
}

/// As the server merges what it has types for.
pub(super) fn strategic(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *target = Value::Object(without_directives(patch));
            return;
        }
        Some("delete") => {
            *target = Value::Null;
            return;
        }
        _ => {}
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let target = target.as_object_mut().expect("it was just made one");
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().cloned().unwrap_or_default();
            if let Some(Value::Array(there)) = target.get_mut(list) {
                there.retain(|one| !gone.contains(one));
            }
        } else if name.starts_with('$') {
            // Orders of lists, and keys to be kept, change nothing here.
        } else if value.is_null() {
            target.remove(name);
        } else if let Value::Array(entries) = value {
            merge_list(
                target.entry(name.as_str()).or_insert(Value::Null),
                name,
                entries,
            );
        } else {
            strategic(target.entry(name.as_str()).or_insert(Value::Null), value);
        }
    }
}

fn merge_list(target: &mut Value, name: &str, entries: &[Value]) {
    let is_replacement = entries.iter().any(|entry| entry["$patch"] == "replace");
    let plain = || entries.iter().filter(|entry| entry["$patch"].is_null());
    if name == "finalizers" {
        let mut all = target.as_array().cloned().unwrap_or_default();
        for entry in entries {
            if !all.contains(entry) {
                all.push(entry.clone());
            }
        }
        *target = all.into();
        return;
    }
    let Some(key) = key_of(name).filter(|_| !is_replacement) else {
        *target = plain().cloned().collect();
        return;
    };
    let mut all = target.as_array().cloned().unwrap_or_default();
    for entry in entries {
        let place = all.iter().position(|one| one[key] == entry[key]);
        match (place, entry["$patch"].as_str()) {
            (Some(place), Some("delete")) => drop(all.remove(place)),
            (None, Some("delete")) => {}
            (Some(place), _) => strategic(&mut all[place], entry),
            (None, _) => {
                let mut made = Value::Null;
                strategic(&mut made, entry);
                all.push(made);
            }
        }
    }
    *target = all.into();
}

fn without_directives(patch: &Map<String, Value>) -> Map<String, Value> {
    let plain = patch.iter().filter(|(name, _)| !name.starts_with('$'));
    plain
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// RFC 6902, as far as tests need it: add, replace, remove and test.
pub(super) fn json(target: &mut Value, operations: &Value) -> Result<(), String> {
    for operation in operations.as_array().into_iter().flatten() {
        let path = operation["path"]
            .as_str()
            .ok_or("an operation has no path")?;
        let (above, last) = path.rsplit_once('/').ok_or("a path begins with /")?;
        let last = last.replace("~1", "/").replace("~0", "~");
        let value = operation["value"].clone();
        if operation["op"] == "test" {
            if target.pointer(path) != Some(&value) {
                return Err(format!("the test of {path} fails"));
            }
            continue;
        }
        let place = target
            .pointer_mut(above)
            .ok_or_else(|| format!("no {above}"))?;
        match (operation["op"].as_str(), place) {
            (Some("remove"), Value::Object(map)) => drop(map.remove(&last)),
            (Some("remove"), Value::Array(list)) => {
                let index: usize = last.parse().map_err(|_| "no such entry")?;
                if index >= list.len() {
                    return Err(format!("no {path}"));
                }
                list.remove(index);
            }
            (Some("add" | "replace"), Value::Object(map)) => drop(map.insert(last, value)),
            (Some("add"), Value::Array(list)) if last == "-" => list.push(value),
            (Some("add"), Value::Array(list)) => {
                let index: usize = last.parse().map_err(|_| "no such entry")?;
                list.insert(index.min(list.len()), value);
            }
            (op, _) => return Err(format!("cannot {op:?} {path}")),
        }
    }
    Ok(())
}
