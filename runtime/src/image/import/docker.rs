//! The archive of `docker save`: `manifest.json` names a configuration and layers by file name.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::archive::{Archive, Section};
use super::{ImportError, Planned};
use crate::image::content;
use crate::image::digest::Digest;
use crate::image::id::ImageId;
use crate::image::platform::Platform;
use crate::image::record::NewImage;
use crate::image::reference::Reference;
use crate::image::unpack::Expected;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

/// The images of a docker archive; `None` when the archive is none.
pub(super) fn plan(
    archive: &Archive,
    host: &Platform,
) -> Result<Option<Vec<Planned>>, ImportError> {
    let Some(saved) = archive.json::<Vec<Saved>>("manifest.json")? else {
        return Ok(None);
    };
    saved
        .iter()
        .map(|saved| image(archive, saved, host))
        .collect::<Result<_, _>>()
        .map(Some)
}

fn image(archive: &Archive, saved: &Saved, host: &Platform) -> Result<Planned, ImportError> {
    let missing = |name: &String| ImportError::Missing(name.clone());
    let document = archive
        .text(&saved.config)?
        .ok_or_else(|| missing(&saved.config))?;
    let config = content::read_config(&document, saved.layers.len(), host)?;
    let layers = saved
        .layers
        .iter()
        .zip(&config.diff_ids)
        .map(|(name, diff_id)| {
            let section: Section = archive.section(name).ok_or_else(|| missing(name))?;
            // The archive has no digest of the file; that of its content is in the configuration.
            Ok((
                section,
                Expected {
                    blob: None,
                    diff_id: diff_id.clone(),
                },
            ))
        });
    let layers = layers.collect::<Result<Vec<_>, ImportError>>()?;
    let tags = saved.repo_tags.iter().flatten();
    let references = tags.filter_map(|tag| tag.parse::<Reference>().ok());
    let names = references
        .filter_map(|reference| reference.repo_tag())
        .collect();
    let chain = content::chain_of(&config);
    let id = ImageId(Digest::of(&document));
    Ok(Planned {
        image: NewImage::new(id, config, &document, BTreeMap::new()),
        chain,
        layers,
        names,
    })
}
