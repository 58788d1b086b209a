//! Reading the files of the vendors, at each request anew: they come and go with their devices.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::registry::Registry;

/// Reads every description in these directories; a later one wins. One that is missing is empty.
pub fn read(directories: &[PathBuf]) -> io::Result<Registry> {
    let mut registry = Registry::default();
    for (priority, directory) in directories.iter().enumerate() {
        for path in files(directory)? {
            match fs::read_to_string(&path) {
                Ok(text) => registry.add(path, priority, &text),
                Err(error) => registry.add_unreadable(path, &error),
            }
        }
    }
    Ok(registry)
}

fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("json" | "yaml")) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GPU: &str = r#"{"cdiVersion": "0.8.0", "kind": "v.com/gpu", "devices": [{"name": "a"}]}"#;

    #[test]
    fn json_and_yaml_files_count_and_missing_directories_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let directories = [folder.path().to_owned(), folder.path().join("none")];
        fs::write(folder.path().join("gpu.txt"), GPU).unwrap();
        fs::create_dir(folder.path().join("folder.json")).unwrap();
        let wanted = ["v.com/gpu=a".to_owned()];
        read(&directories).unwrap().edits(&wanted).unwrap_err();
        fs::write(folder.path().join("gpu.json"), GPU).unwrap();
        read(&directories).unwrap().edits(&wanted).unwrap();
    }
}
