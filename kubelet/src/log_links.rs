//! Links to the logs of containers, by the names that collectors of a cluster's logs know:
//! `POD_NAMESPACE_CONTAINER-ID.log`.
//!
//! A link is made when its container has started and removed with it. One that a kubelet which was killed
//! has left is removed once its log is gone and the runtime does not know its container.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::layout::Layout;
use crate::model::{ContainerId, ContainerName, PodName};

/// The longest name that file systems take.
const LONGEST_NAME: usize = 255;

const SUFFIX: &str = ".log";

/// Links a container's log, when there is one and it shall be linked.
pub(crate) fn make(
    layout: &Layout,
    pod: &PodName,
    container: &ContainerName,
    id: &ContainerId,
    log: &Path,
) -> io::Result<()> {
    let Some(directory) = layout.log_links() else {
        return Ok(());
    };
    // A runtime that logs elsewhere makes no file, and a link to nothing helps nobody.
    if !log.exists() {
        return Ok(());
    }
    match symlink(log, directory.join(file_name(pod, container, id))) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Removes the link of a container, if it has one.
pub(crate) fn remove(
    layout: &Layout,
    pod: &PodName,
    container: &ContainerName,
    id: &ContainerId,
) -> io::Result<()> {
    let Some(directory) = layout.log_links() else {
        return Ok(());
    };
    match std::fs::remove_file(directory.join(file_name(pod, container, id))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes links that lead nowhere and are of no container among these.
pub(crate) fn sweep(layout: &Layout, known: &BTreeSet<ContainerId>) -> io::Result<()> {
    let Some(directory) = layout.log_links() else {
        return Ok(());
    };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let link = entry?.path();
        let name = link.file_name().unwrap_or_default().to_string_lossy();
        let Some(id) = id_in(&name) else {
            continue;
        };
        let is_dead = link.is_symlink() && !link.exists();
        if is_dead && !known.contains(&ContainerId::from(id)) {
            std::fs::remove_file(&link)?;
        }
    }
    Ok(())
}

fn file_name(pod: &PodName, container: &ContainerName, id: &ContainerId) -> String {
    let PodName { namespace, name } = pod;
    let mut whole = format!("{name}_{namespace}_{container}-{id}");
    whole.truncate(whole.floor_char_boundary(LONGEST_NAME - SUFFIX.len()));
    whole + SUFFIX
}

/// The container that a link is of, by its name.
fn id_in(name: &str) -> Option<&str> {
    let (_, id) = name.strip_suffix(SUFFIX)?.rsplit_once('-')?;
    (id.len() >= 6).then_some(id)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn stage() -> (TempDir, Layout) {
        let root = TempDir::new().unwrap();
        let links = root.path().join("links");
        std::fs::create_dir(&links).unwrap();
        let layout = Layout::new(root.path(), &root.path().join("logs")).with_log_links(&links);
        (root, layout)
    }

    fn names(root: &TempDir) -> Vec<String> {
        let entries = std::fs::read_dir(root.path().join("links")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_log_is_linked_by_the_name_that_collectors_know_until_its_container_goes() {
        let (root, layout) = stage();
        let (pod, web) = (
            PodName::new("default", "web-node"),
            ContainerName::from("main"),
        );
        let id = ContainerId::from("0123456789ab");
        let log = root.path().join("0.log");
        make(&layout, &pod, &web, &id, &log).unwrap();
        assert!(names(&root).is_empty(), "there is no log yet");
        std::fs::write(&log, "line").unwrap();
        for _ in 0..2 {
            make(&layout, &pod, &web, &id, &log).unwrap();
        }
        let name = "web-node_default_main-0123456789ab.log";
        assert_eq!(names(&root), [name]);
        let link = root.path().join("links").join(name);
        assert_eq!(std::fs::read_to_string(link).unwrap(), "line");
        for _ in 0..2 {
            remove(&layout, &pod, &web, &id).unwrap();
        }
        assert!(names(&root).is_empty());
    }

    #[test]
    fn a_name_that_is_too_long_is_cut() {
        let pod = PodName::new("default", &"w".repeat(253));
        let name = file_name(&pod, &"main".into(), &"0123456789ab".into());
        assert_eq!(name.len(), 255);
        assert!(name.ends_with("www.log"), "{name}");
    }

    #[test]
    fn only_links_to_nothing_of_containers_that_nobody_knows_are_swept() {
        let (root, layout) = stage();
        let links = root.path().join("links");
        let log = root.path().join("0.log");
        std::fs::write(&log, "").unwrap();
        for (name, target) in [
            ("a_b_c-lost00.log", root.path().join("gone")),
            ("a_b_c-known0.log", root.path().join("gone")),
            ("a_b_c-lives0.log", log),
            ("of-somebody-else", root.path().join("gone")),
        ] {
            symlink(target, links.join(name)).unwrap();
        }
        std::fs::write(links.join("a-plainfile.log"), "").unwrap();
        sweep(&layout, &[ContainerId::from("known0")].into()).unwrap();
        let mut left = names(&root);
        left.sort();
        let expected = [
            "a-plainfile.log",
            "a_b_c-known0.log",
            "a_b_c-lives0.log",
            "of-somebody-else",
        ];
        assert_eq!(left, expected);
    }
}
