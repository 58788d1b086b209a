//! The helper programs, which lie beside this one.

use std::path::PathBuf;
use std::{env, io};

use podling_runtime::lifecycle::Programs;

/// Helpers of this build that are not where they belong.
pub(crate) fn missing() -> io::Result<Vec<PathBuf>> {
    let programs = beside_this_one()?;
    let all = [programs.monitor, programs.launch, programs.pause];
    Ok(all.into_iter().filter(|path| !path.is_file()).collect())
}

/// The helpers of this build. A symbolic link to `podling` leads to the folder that has them all.
pub(super) fn beside_this_one() -> io::Result<Programs> {
    let podling = env::current_exe()?.canonicalize()?;
    Ok(Programs {
        monitor: podling.with_file_name("podling-monitor"),
        launch: podling.with_file_name("podling-launch"),
        pause: podling.with_file_name("pause"),
    })
}
