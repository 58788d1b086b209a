//! `podling bundle FILE`: this program and those beside it as one file, for a release.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use super::Outcome;
use crate::daemon::programs::{Bundle, NAMES};

/// Writes the file; the same four programs always make the same one.
pub(super) fn run(output: &Path) -> Outcome {
    let own = std::env::current_exe()?.canonicalize()?;
    let read = |path: &Path| {
        fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let mut podling = read(&own)?;
    if Bundle::of(fs::File::open(&own)?)?.is_some() {
        return Err("this podling is bundled already".into());
    }
    let [monitor, launch, pause] = NAMES.map(|name| read(&own.with_file_name(name)));
    Bundle::append(&mut podling, [monitor?, launch?, pause?]);
    write(output, &podling)
        .map_err(|error| format!("cannot write {}: {error}", output.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The file appears whole; one that runs is replaced, not changed.
fn write(output: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    let unfinished = output.with_file_name(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o755)
        .open(&unfinished)?;
    file.write_all(bytes)?;
    drop(file);
    fs::rename(unfinished, output)
}
