//! Images.

use std::collections::BTreeMap;

use podling_proto::runtime::v1 as cri;
use serde_json::{Value, json};

use crate::image::config::ImageUser;
use crate::image::{ImageRecord, Usage};

/// As `ListImages` and `ImageStatus` show it.
pub(crate) fn image(record: &ImageRecord) -> cri::Image {
    let (uid, username) = match record.config.user() {
        Ok(ImageUser::Uid(uid)) => (Some(cri::Int64Value { value: uid.into() }), String::new()),
        Ok(ImageUser::Name(name)) => (None, name),
        // Root, which the contract says by uid 0.
        Ok(ImageUser::Unset) => (Some(cri::Int64Value { value: 0 }), String::new()),
        // Whoever wants to run it is told what is wrong; to be listed it needs no user.
        Err(_) => (None, record.config.user.clone()),
    };
    cri::Image {
        id: record.id.to_string(),
        repo_tags: record.repo_tags.clone(),
        repo_digests: record.repo_digests.clone(),
        size: record.size,
        uid,
        username,
        spec: Some(cri::ImageSpec {
            image: record.id.to_string(),
            annotations: record.annotations.clone(),
            ..Default::default()
        }),
        pinned: record.pinned,
    }
}

/// What `ImageStatus` adds for `crictl inspecti`.
pub(crate) fn image_info(record: &ImageRecord, document: Option<&str>) -> BTreeMap<String, String> {
    // A record of an older program has only what that needed of the configuration.
    let whole = document.and_then(|text| serde_json::from_str(text).ok());
    let spec: Value = whole.unwrap_or_else(|| json!({ "config": record.config }));
    let info = json!({ "chainID": chain_id(record), "imageSpec": spec });
    BTreeMap::from([("info".to_owned(), info.to_string())])
}

/// The id of the topmost layer on all others, which names the layer's directory.
fn chain_id(record: &ImageRecord) -> String {
    let top = record.layers.last().and_then(|path| path.file_name());
    top.map_or_else(String::new, |hex| {
        format!("sha256:{}", hex.to_string_lossy())
    })
}

/// As `ImageFsInfo` shows it.
pub(crate) fn filesystem_usage(usage: &Usage) -> cri::FilesystemUsage {
    cri::FilesystemUsage {
        timestamp: usage.at,
        fs_id: Some(cri::FilesystemIdentifier {
            mountpoint: usage.mountpoint.display().to_string(),
        }),
        used_bytes: Some(cri::UInt64Value { value: usage.bytes }),
        inodes_used: Some(cri::UInt64Value {
            value: usage.inodes,
        }),
    }
}
