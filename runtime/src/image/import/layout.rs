//! The OCI layout: `index.json` names manifests, blobs have their digests as names.

use super::archive::{Archive, blob_name};
use super::{ImportError, Planned};
use crate::image::content::{self, ContentError};
use crate::image::id::ImageId;
use crate::image::manifest::{self, Descriptor, Document, Manifest, ManifestError};
use crate::image::platform::Platform;
use crate::image::record::NewImage;
use crate::image::reference::Reference;

/// Annotations that name an image; the first has whole names, the second often only a tag.
const NAMES: [&str; 2] = [
    "io.containerd.image.name",
    "org.opencontainers.image.ref.name",
];
/// An index may name another index, once.
const MAX_INDEXES: usize = 2;

/// The images of a layout; `None` when the archive is none.
pub(super) fn plan(
    archive: &Archive,
    host: &Platform,
) -> Result<Option<Vec<Planned>>, ImportError> {
    let Some(index) = archive.text("index.json")? else {
        return Ok(None);
    };
    let Document::Index(entries) = manifest::parse(&index).map_err(ContentError::from)? else {
        return Err(
            ContentError::from(ManifestError::UnsupportedFormat("index.json".into())).into(),
        );
    };
    let fitting: Vec<&Descriptor> = entries
        .iter()
        .filter(|entry| host.rank(&entry.platform).is_some())
        .collect();
    if fitting.is_empty() {
        return Err(ContentError::platform(host, &entries).into());
    }
    fitting
        .into_iter()
        .map(|entry| image(archive, entry, host))
        .collect::<Result<_, _>>()
        .map(Some)
}

fn image(archive: &Archive, entry: &Descriptor, host: &Platform) -> Result<Planned, ImportError> {
    let manifest = resolve(archive, entry, host)?;
    let document = archive.blob(&manifest.config.digest)?;
    let config = content::read_config(&document, manifest.layers.len(), host)?;
    let mut layers = Vec::with_capacity(manifest.layers.len());
    for expected in content::expected_layers(&manifest, &config) {
        let (digest, _) = expected.blob.as_ref().expect("a manifest names every blob");
        let name = blob_name(digest);
        let section = archive.section(&name).ok_or(ImportError::Missing(name))?;
        layers.push((section, expected));
    }
    let names = names(entry);
    let chain = content::chain_of(&config);
    let id = ImageId(manifest.config.digest);
    Ok(Planned {
        image: NewImage::new(id, config, &document, manifest.annotations),
        chain,
        layers,
        names,
    })
}

fn resolve(
    archive: &Archive,
    entry: &Descriptor,
    host: &Platform,
) -> Result<Manifest, ImportError> {
    let mut digest = entry.digest.clone();
    for _ in 0..=MAX_INDEXES {
        let document = manifest::parse(&archive.blob(&digest)?).map_err(ContentError::from)?;
        match document {
            Document::Manifest(manifest) => return Ok(manifest),
            Document::Index(entries) => {
                let Some(entry) = manifest::select(&entries, host) else {
                    return Err(ContentError::platform(host, &entries).into());
                };
                digest = entry.digest.clone();
            }
        }
    }
    let nested = "an index within an index within an index".to_owned();
    Err(ContentError::from(ManifestError::UnsupportedFormat(nested)).into())
}

/// The tag and the digest by which the image is known; nothing when the archive does not say.
fn names(entry: &Descriptor) -> Vec<String> {
    let named = NAMES.iter().filter_map(|key| entry.annotations.get(*key));
    // A tag alone would be taken for the name of a repository.
    let full = named.filter(|name| name.contains(['/', ':']));
    let Some(reference) = full
        .filter_map(|name| name.parse::<Reference>().ok())
        .next()
    else {
        return Vec::new();
    };
    let mut names: Vec<String> = reference.repo_tag().into_iter().collect();
    names.push(reference.repo_digest(&entry.digest));
    names
}
