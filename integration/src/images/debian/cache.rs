//! Packages on disk: downloaded once, then used from the cache directory without a network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::DebianError;

/// A directory of `.deb` files.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// Uses `target/images/cache` of this repository, which every test and command shares.
    pub fn shared() -> Result<Self, DebianError> {
        Self::open(Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../target/images/cache"
        )))
    }

    /// Uses `directory`, which is made when it is not there.
    pub fn open(directory: &Path) -> Result<Self, DebianError> {
        let fail = |source| DebianError::Cache {
            path: directory.to_owned(),
            source,
        };
        fs::create_dir_all(directory).map_err(fail)?;
        // apt-get is run elsewhere, so the path must not depend on where this process is.
        Ok(Self {
            directory: directory.canonicalize().map_err(fail)?,
        })
    }

    /// The file of `package`, downloaded when the cache does not have it.
    pub fn package(&self, package: &str) -> Result<PathBuf, DebianError> {
        if let Some(path) = self.find(package)? {
            return Ok(path);
        }
        self.download(package)?;
        self.find(package)?
            .ok_or_else(|| DebianError::NoPackage(package.to_owned()))
    }

    /// Downloads beside the cache and moves the finished file in, so that an interrupted download
    /// or another process at the same work never leaves half a package.
    fn download(&self, package: &str) -> Result<(), DebianError> {
        let fail = |source| DebianError::Cache {
            path: self.directory.clone(),
            source,
        };
        let room = tempfile::Builder::new()
            .prefix(".download-")
            .tempdir_in(&self.directory)
            .map_err(fail)?;
        // apt's own sandbox user may not write here, which apt only complains about.
        let mut apt_get = Command::new("apt-get");
        apt_get.args(["download", "-q", "-o", "APT::Sandbox::User=root", package]);
        output("apt-get", apt_get.current_dir(room.path()))?;
        for entry in fs::read_dir(room.path()).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            fs::rename(entry.path(), self.directory.join(entry.file_name())).map_err(fail)?;
        }
        Ok(())
    }

    /// The newest by name; apt names files `PACKAGE_VERSION_ARCHITECTURE.deb`.
    fn find(&self, package: &str) -> Result<Option<PathBuf>, DebianError> {
        let fail = |source| DebianError::Cache {
            path: self.directory.clone(),
            source,
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let of = name
                .strip_suffix(".deb")
                .and_then(|name| name.split('_').next());
            if of == Some(package) {
                found.push(path);
            }
        }
        Ok(found.into_iter().max())
    }
}

/// The names of the packages that `package` depends on; of alternatives the first.
pub(super) fn dependencies(package: &Path) -> Result<Vec<String>, DebianError> {
    let mut dpkg_deb = Command::new("dpkg-deb");
    let fields = output(
        "dpkg-deb",
        dpkg_deb.arg("--field").arg(package).arg("Depends"),
    )?;
    Ok(parse_depends(&String::from_utf8_lossy(&fields)))
}

/// The archive of the files of `package`.
pub(super) fn file_archive(package: &Path) -> Result<Vec<u8>, DebianError> {
    output(
        "dpkg-deb",
        Command::new("dpkg-deb").arg("--fsys-tarfile").arg(package),
    )
}

/// Runs a program and gives its standard output.
pub(super) fn output(program: &'static str, command: &mut Command) -> Result<Vec<u8>, DebianError> {
    let output = command
        .output()
        .map_err(|source| DebianError::Run { program, source })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(DebianError::Failed {
            program,
            status: output.status,
            message,
        });
    }
    Ok(output.stdout)
}

/// `libc6 (>= 2.36), adduser | passwd` names `libc6` and `adduser`.
fn parse_depends(field: &str) -> Vec<String> {
    let names = field.split(',').filter_map(|clause| {
        let first = clause.split('|').next()?;
        let name = first
            .split([' ', '(', ':'])
            .find(|word| !word.trim().is_empty())?;
        Some(name.trim().to_owned())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_without_versions_and_alternatives() {
        let field = "libc6 (>= 2.36), adduser | passwd, perl:any, zlib1g (>= 1:1.1.4)\n";
        assert_eq!(parse_depends(field), ["libc6", "adduser", "perl", "zlib1g"]);
        assert_eq!(parse_depends("\n"), [""; 0]);
    }

    #[test]
    fn a_cached_package_is_found_by_its_whole_name() {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "nginx_1.2_amd64.deb",
            "nginx-common_1.2_all.deb",
            "nginx_1.2_amd64.txt",
        ] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let cache = Cache::open(directory.path()).unwrap();
        let path = cache.package("nginx").unwrap();
        assert_eq!(path.file_name().unwrap(), "nginx_1.2_amd64.deb");
    }
}
