//! Where the process starts.

use super::path::normalized;
use super::{ImageFacts, PathFault, SpecError};
use crate::model::ContainerConfig;

/// The working directory: the request's, else the image's, else the root.
pub(super) fn working_dir(
    config: &ContainerConfig,
    image: &ImageFacts,
) -> Result<String, SpecError> {
    let wanted = [config.working_dir.as_str(), image.working_dir.as_str(), "/"]
        .into_iter()
        .find(|path| !path.is_empty())
        .expect("the root is not empty");
    let fault = |fault| SpecError::WorkingDir(wanted.to_owned(), fault);
    let path = normalized(wanted).map_err(fault)?;
    if leads_through_descriptors(&path) {
        return Err(fault(PathFault::Descriptor));
    }
    Ok(path)
}

/// `/proc/<pid>/fd/…`, `cwd` and `root` and their like lead to wherever a process holds a
/// directory open, which may be the host's root (CVE-2024-21626).
fn leads_through_descriptors(path: &str) -> bool {
    const DOORS: [&str; 6] = ["fd", "fdinfo", "cwd", "root", "map_files", "exe"];
    let mut words = path.split('/').skip(1);
    match words.next() {
        Some("proc") => words.any(|word| DOORS.contains(&word)),
        Some("dev") => words
            .next()
            .is_some_and(|word| matches!(word, "fd" | "stdin" | "stdout" | "stderr" | "core")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(request: &str, image: &str) -> Result<String, SpecError> {
        working_dir(
            &ContainerConfig {
                working_dir: request.to_owned(),
                ..Default::default()
            },
            &ImageFacts {
                working_dir: image.to_owned(),
                ..Default::default()
            },
        )
    }

    #[test]
    fn the_request_wins_over_the_image_and_the_root_is_the_default() {
        assert_eq!(resolve("", "").unwrap(), "/");
        assert_eq!(resolve("", "/srv//app/").unwrap(), "/srv/app");
        assert_eq!(resolve("/data", "/srv").unwrap(), "/data");
        assert_eq!(resolve("/proc", "").unwrap(), "/proc");
    }

    #[test]
    fn directories_that_lead_out_of_the_container_are_refused() {
        for path in [
            "relative",
            "../..",
            "/srv/../../etc",
            "/proc/self/fd/7",
            "/proc/self/fd/7/../../..",
            "/proc//self/./fd/8",
            "/proc/1/root",
            "/proc/thread-self/cwd",
            "/proc/self/task/1/fd/9",
            "/dev/fd/7",
            "/dev/stdin",
            "/a\0b",
        ] {
            assert!(
                matches!(resolve(path, ""), Err(SpecError::WorkingDir(..))),
                "request {path}"
            );
            assert!(
                matches!(resolve("", path), Err(SpecError::WorkingDir(..))),
                "image {path}"
            );
        }
    }
}
