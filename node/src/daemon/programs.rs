//! The helper programs, which lie beside this one.

use std::{env, io};

use podling_runtime::lifecycle::Programs;

/// The helpers of this build. A symbolic link to `podling` leads to the folder that has them all.
pub(super) fn beside_this_one() -> io::Result<Programs> {
    let podling = env::current_exe()?.canonicalize()?;
    Ok(Programs {
        monitor: podling.with_file_name("podling-monitor"),
        launch: podling.with_file_name("podling-launch"),
        pause: podling.with_file_name("pause"),
    })
}
