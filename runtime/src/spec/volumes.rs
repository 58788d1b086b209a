//! The volumes that an image declares.
//!
//! They are directories of the container's own writable layer: it lives as long as the container,
//! which is all that an anonymous volume promises, and what the image put there stays where it is.

use super::path::normalized;
use super::{ImageFacts, SpecError};
use crate::model::config::Mount;

/// The image's volumes that no mount of the request replaces, as safe paths (CVE-2022-23648).
pub(super) fn volumes(image: &ImageFacts, mounts: &[Mount]) -> Result<Vec<String>, SpecError> {
    let mounted: Vec<String> = mounts
        .iter()
        .filter_map(|mount| normalized(&mount.container_path).ok())
        .collect();
    let mut volumes = Vec::new();
    for volume in &image.volumes {
        let path = normalized(volume).map_err(|fault| SpecError::Volume(volume.clone(), fault))?;
        if path != "/" && !mounted.contains(&path) && !volumes.contains(&path) {
            volumes.push(path);
        }
    }
    Ok(volumes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(declared: &[&str], mounted: &str) -> Result<Vec<String>, SpecError> {
        let image = ImageFacts {
            volumes: declared.iter().map(|&path| path.to_owned()).collect(),
            ..Default::default()
        };
        volumes(
            &image,
            &[Mount {
                container_path: mounted.to_owned(),
                ..Default::default()
            }],
        )
    }

    #[test]
    fn volumes_that_nothing_is_mounted_on_are_directories_of_the_container() {
        assert_eq!(
            run(&["/data", "/log/", "/data/", "/"], "/log").unwrap(),
            ["/data"]
        );
    }

    #[test]
    fn a_volume_that_leads_out_of_the_container_is_refused() {
        for path in ["/../../etc", "../etc", "data", "", "/data/../../x", "/a\0"] {
            assert!(
                matches!(run(&[path], "/x"), Err(SpecError::Volume(..))),
                "{path:?}"
            );
        }
    }
}
