//! The books on disk, in the form that upstream's kubelet has them in: pure.
//!
//! The checksum is over the data as Go prints it: `(checkpoint.checkpointData){PodDeviceEntries:…`.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::books::{Books, Held, Holder};

/// The file's name.
pub(super) const FILE: &str = "kubelet_internal_checkpoint";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    data: Data,
    checksum: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    pod_device_entries: Option<Vec<Entry>>,
    registered_devices: BTreeMap<String, Option<Vec<String>>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    #[serde(rename = "PodUID")]
    pod_uid: String,
    #[serde(rename = "ContainerName")]
    container_name: String,
    #[serde(rename = "ResourceName")]
    resource_name: String,
    #[serde(rename = "DeviceIDs")]
    device_ids: BTreeMap<i64, Vec<String>>,
    /// Base64.
    #[serde(rename = "AllocResp")]
    answer: Option<String>,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidCheckpoint {
    /// It is not what was written.
    #[error("checkpoint is corrupted")]
    Corrupted,
    /// It is no checkpoint.
    #[error("it is no checkpoint")]
    Malformed(#[from] serde_json::Error),
    /// An answer in it is no base64.
    #[error("an answer of a plugin in it cannot be read")]
    Answer(#[from] base64::DecodeError),
}

/// What the books say, as a file.
pub(super) fn write(books: &Books) -> Vec<u8> {
    let entries: Vec<_> = books
        .entries()
        .map(|(holder, resource, held)| Entry {
            pod_uid: holder.pod.to_string(),
            container_name: holder.container.clone(),
            resource_name: resource.clone(),
            device_ids: held.devices.clone(),
            answer: held.answer.as_ref().map(|one| BASE64.encode(one)),
        })
        .collect();
    let registered = books.usable().into_iter();
    let data = Data {
        pod_device_entries: Some(entries).filter(|entries| !entries.is_empty()),
        registered_devices: registered.map(|(name, ids)| (name, Some(ids))).collect(),
    };
    let checksum = checksum(&data);
    serde_json::to_vec(&File { data, checksum }).expect("numbers and texts can be written")
}

/// Who has what, and the resources that there were.
pub(super) type Remembered = (BTreeMap<Holder, BTreeMap<String, Held>>, Vec<String>);

/// What a file says.
pub(super) fn read(bytes: &[u8]) -> Result<Remembered, InvalidCheckpoint> {
    let file: File = serde_json::from_slice(bytes)?;
    if checksum(&file.data) != file.checksum {
        return Err(InvalidCheckpoint::Corrupted);
    }
    let mut held: BTreeMap<Holder, BTreeMap<String, Held>> = BTreeMap::new();
    for entry in file.data.pod_device_entries.into_iter().flatten() {
        let holder = Holder {
            pod: entry.pod_uid.as_str().into(),
            container: entry.container_name,
        };
        let answer = entry.answer.map(|one| BASE64.decode(one)).transpose()?;
        let one = Held {
            devices: entry.device_ids,
            answer,
        };
        let of_holder = held.entry(holder).or_default();
        of_holder.insert(entry.resource_name, one);
    }
    Ok((held, file.data.registered_devices.into_keys().collect()))
}

fn checksum(data: &Data) -> u64 {
    let text = print(data);
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    u64::from(hash)
}

/// The data as Go prints it with all types.
fn print(data: &Data) -> String {
    let mut text =
        "(checkpoint.checkpointData){PodDeviceEntries:([]checkpoint.PodDevicesEntry)".to_owned();
    match &data.pod_device_entries {
        None => text.push_str("<nil>"),
        Some(entries) => {
            let entries: Vec<_> = entries.iter().map(entry).collect();
            list(&mut text, &entries);
        }
    }
    text.push_str(" RegisteredDevices:(map[string][]string)map[");
    let resources = data.registered_devices.iter().map(|(name, ids)| {
        let ids = ids.as_ref();
        format!(
            "{name}:{}",
            ids.map_or("<nil>".to_owned(), |ids| bracketed(ids))
        )
    });
    text.push_str(&resources.collect::<Vec<_>>().join(" "));
    text.push_str("]}");
    text
}

fn entry(entry: &Entry) -> String {
    let devices = entry.device_ids.iter();
    let devices: Vec<_> = devices
        .map(|(node, ids)| format!("{node}:{}", bracketed(ids)))
        .collect();
    let answer = match &entry.answer {
        None => "<nil>".to_owned(),
        Some(answer) => {
            let bytes = BASE64.decode(answer).unwrap_or_default();
            bracketed(&bytes.iter().map(u8::to_string).collect::<Vec<_>>())
        }
    };
    format!(
        "{{PodUID:(string){} ContainerName:(string){} ResourceName:(string){} \
         DeviceIDs:(checkpoint.DevicesPerNUMA)map[{}] AllocResp:([]uint8){answer}}}",
        entry.pod_uid,
        entry.container_name,
        entry.resource_name,
        devices.join(" ")
    )
}

fn bracketed(items: &[String]) -> String {
    let mut text = String::new();
    list(&mut text, items);
    text
}

fn list(text: &mut String, items: &[String]) {
    // Writing to a string cannot fail.
    let _ = write!(text, "[{}]", items.join(" "));
}

#[cfg(test)]
mod tests {
    use super::super::books::{Device, Health, Wish};
    use super::*;

    fn books() -> Books {
        let mut books = Books::default();
        let device = Device {
            health: Health::Healthy,
            nodes: Vec::new(),
        };
        books.list("example.com/gpu", [("a".to_owned(), device)].into());
        let holder = Holder {
            pod: "uid-1".into(),
            container: "main".to_owned(),
        };
        let wish = Wish {
            holder: &holder,
            resource: "example.com/gpu",
            count: 1,
            reusable: &std::collections::BTreeSet::new(),
            near: None,
        };
        books.take(wish, &[]).unwrap();
        books.answered(&holder, "example.com/gpu", vec![10, 3, 255]);
        books
    }

    #[test]
    fn what_was_written_is_read_and_what_was_changed_is_refused() {
        let written = write(&books());
        let (held, registered) = read(&written).unwrap();
        assert_eq!(registered, ["example.com/gpu"]);
        let (_, of_holder) = held.first_key_value().unwrap();
        let answer = of_holder["example.com/gpu"].answer.as_deref();
        assert_eq!(answer, Some(&[10, 3, 255][..]));
        let text = String::from_utf8(written).unwrap();
        let changed = text.replace("uid-1", "uid-2");
        let refused = read(changed.as_bytes());
        assert!(matches!(refused, Err(InvalidCheckpoint::Corrupted)));
    }

    /// The numbers are what Go's printer and hash give.
    #[test]
    fn the_checksum_is_the_one_that_other_kubelets_compute() {
        let file: File = serde_json::from_slice(&write(&books())).unwrap();
        assert_eq!(file.checksum, 3_763_177_871);
        let empty: File = serde_json::from_slice(&write(&Books::default())).unwrap();
        assert_eq!(empty.checksum, 3_467_439_661);
        let theirs = r#"{"Data":{"PodDeviceEntries":[
            {"PodUID":"u","ContainerName":"m","ResourceName":"r","DeviceIDs":{"0":["a","b"],"1":["c"]},"AllocResp":null},
            {"PodUID":"u","ContainerName":"n","ResourceName":"r","DeviceIDs":{},"AllocResp":""}],
            "RegisteredDevices":{"w":[],"x":null,"y":["1","2"]}},"Checksum":2532728483}"#;
        let (held, registered) = read(theirs.as_bytes()).unwrap();
        assert_eq!(registered, ["w", "x", "y"]);
        let answers: Vec<_> = held.values().map(|held| held["r"].answer.clone()).collect();
        assert_eq!(answers, [None, Some(Vec::new())]);
    }

    #[test]
    fn the_data_is_printed_as_go_prints_it() {
        let file: File = serde_json::from_slice(&write(&books())).unwrap();
        assert_eq!(
            print(&file.data),
            "(checkpoint.checkpointData){PodDeviceEntries:([]checkpoint.PodDevicesEntry)[{PodUID:\
             (string)uid-1 ContainerName:(string)main ResourceName:(string)example.com/gpu \
             DeviceIDs:(checkpoint.DevicesPerNUMA)map[-1:[a]] AllocResp:([]uint8)[10 3 255]}] \
             RegisteredDevices:(map[string][]string)map[example.com/gpu:[a]]}"
        );
        let empty: File = serde_json::from_slice(&write(&Books::default())).unwrap();
        assert_eq!(
            empty.data.pod_device_entries.map(|entries| entries.len()),
            None
        );
    }
}
