//! The helper programs of this build: beside this one, or carried inside it.
//!
//! ```text
//! podling, podling-monitor, podling-launch, pause in one folder ─► used where they are
//! podling alone, with the others behind its end ─► STATE/programs/DIGEST/…, written once
//! ```
//!
//! Carried or not, they are the same small programs when they run: a monitor is not this one under
//! another name, because there are many of them (docs/decisions/0164).

mod carried;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use podling_runtime::layout::Layout;
use podling_runtime::lifecycle::Programs;

pub(crate) use carried::{Bundle, BundleError, NAMES};

/// The running program, also when its file was replaced by another.
const THIS: &str = "/proc/self/exe";

/// Helpers of this build that are not where they belong.
pub(crate) fn missing() -> Result<Vec<PathBuf>, BundleError> {
    let beside = beside_this_one()?;
    let all = [beside.monitor, beside.launch, beside.pause];
    let missing: Vec<PathBuf> = all.into_iter().filter(|path| !path.is_file()).collect();
    match missing.is_empty() || Bundle::of(File::open(THIS)?)?.is_some() {
        true => Ok(Vec::new()),
        false => Ok(missing),
    }
}

/// The helpers of this build, written down first if they are not there yet.
pub(super) fn of_this_build(layout: &Layout) -> Result<Programs, BundleError> {
    let beside = beside_this_one()?;
    let all = [&beside.monitor, &beside.launch, &beside.pause];
    if all.iter().all(|path| path.is_file()) {
        return Ok(beside);
    }
    match Bundle::of(File::open(THIS)?)? {
        Some(bundle) => unpack(bundle, &folder(layout)),
        // Whoever starts them says which is missing.
        None => Ok(beside),
    }
}

/// Removes what builds before this one have written. Programs that run go on without their files.
pub(super) fn forget_others(layout: &Layout, programs: &Programs) {
    let own = programs.monitor.parent();
    for entry in fs::read_dir(folder(layout)).into_iter().flatten().flatten() {
        let path = entry.path();
        if Some(path.as_path()) != own
            && let Err(error) = fs::remove_dir_all(&path)
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove an old build's programs");
        }
    }
}

/// The helpers beside this program. A symbolic link to `podling` leads to the folder that has them all.
fn beside_this_one() -> io::Result<Programs> {
    let podling = std::env::current_exe()?.canonicalize();
    // A file that was removed has no folder any more.
    let podling = podling.unwrap_or_else(|_| PathBuf::from("/nowhere/podling"));
    Ok(in_folder(podling.parent().unwrap_or(Path::new("/"))))
}

/// The paths of the programs in a folder.
fn in_folder(folder: &Path) -> Programs {
    let [monitor, launch, pause] = NAMES.map(|name| folder.join(name));
    Programs {
        monitor,
        launch,
        pause,
    }
}

fn folder(layout: &Layout) -> PathBuf {
    layout.state_dir().join("programs")
}

/// Writes the programs into a folder named after their content, which appears whole or not at all.
fn unpack(mut bundle: Bundle, folder: &Path) -> Result<Programs, BundleError> {
    let whole = folder.join(bundle.name());
    if !whole.is_dir() {
        let failed = |source| BundleError::Unpack {
            path: whole.clone(),
            source,
        };
        let programs = bundle.programs()?;
        write_whole(&programs, &whole).map_err(failed)?;
    }
    Ok(in_folder(&whole))
}

fn write_whole(programs: &[Vec<u8>; 3], whole: &Path) -> io::Result<()> {
    let folder = whole.parent().expect("it is in the folder of programs");
    let mut directory = DirBuilder::new();
    directory.recursive(true).mode(0o755).create(folder)?;
    // Two daemons may be started at once; only one of them will run.
    let unfinished = folder.join(format!(".unfinished-{}", std::process::id()));
    let _ = fs::remove_dir_all(&unfinished);
    directory.create(&unfinished)?;
    for (name, bytes) in NAMES.iter().zip(programs) {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(unfinished.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    File::open(&unfinished)?.sync_all()?;
    match fs::rename(&unfinished, whole) {
        Err(_) if whole.is_dir() => fs::remove_dir_all(&unfinished),
        renamed => {
            renamed?;
            File::open(folder)?.sync_all()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    fn bundle(folder: &Path) -> PathBuf {
        let file = folder.join("podling");
        let mut podling = b"an ELF file".to_vec();
        Bundle::append(&mut podling, ["monitor", "launch", "pause"].map(Vec::from));
        fs::write(&file, podling).unwrap();
        file
    }

    #[test]
    fn carried_programs_are_written_once_and_whole() {
        let folder = TempDir::new().unwrap();
        let file = bundle(folder.path());
        let unpacked = folder.path().join("programs");
        // What a daemon that was killed has left is no hindrance.
        let left = unpacked.join(format!(".unfinished-{}", std::process::id()));
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("pause"), "pau").unwrap();
        let open = || Bundle::of(File::open(&file).unwrap()).unwrap().unwrap();
        let programs = unpack(open(), &unpacked).unwrap();
        assert_eq!(fs::read(&programs.launch).unwrap(), b"launch");
        let mode = fs::metadata(&programs.pause).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert!(!left.exists());

        fs::write(&programs.launch, "kept").unwrap();
        unpack(open(), &unpacked).unwrap();
        assert_eq!(fs::read(&programs.launch).unwrap(), b"kept");
    }

    #[test]
    fn only_this_builds_programs_stay() {
        let root = TempDir::new().unwrap();
        let layout = Layout::below(root.path());
        let file = bundle(root.path());
        let bundle = Bundle::of(File::open(file).unwrap()).unwrap().unwrap();
        let programs = unpack(bundle, &folder(&layout)).unwrap();
        fs::create_dir_all(folder(&layout).join("0123456789abcdef")).unwrap();
        forget_others(&layout, &programs);
        assert!(programs.monitor.is_file());
        assert_eq!(fs::read_dir(folder(&layout)).unwrap().count(), 1);
    }
}
