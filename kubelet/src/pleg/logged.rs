//! How often containers were started that the runtime has forgotten: their logs are numbered.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use crate::model::ContainerName;

/// The next number for each container that has logs in the pod's log directory, but for the known.
pub(super) fn next_numbers(
    pod_logs: &Path,
    known: &BTreeSet<&ContainerName>,
) -> io::Result<BTreeMap<ContainerName, u32>> {
    let mut numbers = BTreeMap::new();
    for name in names(pod_logs)? {
        let container = ContainerName::from(name.as_str());
        if !known.contains(&container) {
            let logs = names(&pod_logs.join(&name))?;
            let newest = logs.iter().filter_map(|log| number(log)).max();
            numbers.insert(container, newest.map_or(0, |newest| newest + 1));
        }
    }
    Ok(numbers)
}

/// `3` of `3.log`, and of `3.log.20260101-000000` that was rotated.
fn number(log: &str) -> Option<u32> {
    let (number, rest) = log.split_once(".log")?;
    let is_log = rest.is_empty() || rest.starts_with('.');
    is_log.then(|| number.parse().ok()).flatten()
}

/// What is in a directory; nothing when it is none.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_log_tells_the_next_number() {
        let pod = tempfile::TempDir::new().unwrap();
        let write = |container: &str, logs: &[&str]| {
            std::fs::create_dir(pod.path().join(container)).unwrap();
            for log in logs {
                std::fs::write(pod.path().join(container).join(log), "").unwrap();
            }
        };
        write("web", &["0.log", "9.log", "10.log", "notes.txt", "99.logs"]);
        write("rotated", &["3.log.20260101-000000"]);
        write("new", &[]);
        write("known", &["7.log"]);
        let known = ContainerName::from("known");
        let numbers = next_numbers(pod.path(), &BTreeSet::from([&known])).unwrap();
        let expected = [("new", 0), ("rotated", 4), ("web", 11)];
        assert_eq!(
            numbers,
            expected.map(|(name, next)| (name.into(), next)).into()
        );
    }

    #[test]
    fn a_pod_without_logs_has_no_numbers() {
        let nowhere = Path::new("/nowhere/of/a/pod");
        assert_eq!(
            next_numbers(nowhere, &BTreeSet::new()).unwrap(),
            BTreeMap::new()
        );
    }
}
