//! The sizes that running containers were given after they were made, on disk beside their pod.
//!
//! A container carries the size that it was made with. What it was given later is written down once
//! the runtime and the pod's cgroup have taken it: a kubelet that is killed in between asks for the same again, which does
//! no harm. One that is started anew has another id, and nothing is written down of it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::model::{ContainerId, Size};
use crate::whole::write_private;

/// The name under which the size of the pod as a whole is: no container has such an id.
pub(crate) const WHOLE: &str = "pod";

/// Sizes by container.
pub(crate) type Given = BTreeMap<String, Size>;

/// What was written down; nothing of a pod whose containers have the size they were made with.
pub(crate) fn read(file: &Path) -> io::Result<Given> {
    match fs::read(file) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Given::new()),
        Err(error) => Err(error),
    }
}

/// Writes down that these containers have these sizes now. The file is whole, old or new, whenever the
/// machine stops.
pub(crate) fn note(
    file: &Path,
    sizes: &[(ContainerId, Size)],
    whole: Option<Size>,
) -> io::Result<()> {
    let before = read(file).unwrap_or_default();
    let mut given = before.clone();
    let sizes = sizes.iter();
    given.extend(sizes.map(|(id, size)| (id.to_string(), *size)));
    given.extend(whole.map(|size| (WHOLE.to_owned(), size)));
    if given == before {
        return Ok(());
    }
    write_private(file, serde_json::to_vec(&given)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_were_given_are_there_again_for_the_next_kubelet() {
        let root = tempfile::TempDir::new().unwrap();
        let file = root.path().join("sizes.json");
        assert_eq!(read(&file).unwrap(), Given::new());
        for id in ["a", "b"] {
            note(&file, &[(id.into(), Size::default())], None).unwrap();
        }
        note(&file, &[], Some(Size::default())).unwrap();
        let given = read(&file).unwrap();
        let names: Vec<_> = given.keys().map(String::as_str).collect();
        assert_eq!(names, ["a", "b", WHOLE]);
    }
}
