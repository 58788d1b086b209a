//! Whether the mount that a host path lies on can propagate as a request asks.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use crate::model::config::Propagation;

/// What a mount does with mount events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Exchange {
    /// It tells its peers, and hears from them.
    is_shared: bool,
    /// It hears from its master.
    is_slave: bool,
}

/// Refuses a propagation that the mount below `path` cannot have.
pub(super) fn check(path: &Path, propagation: Propagation) -> io::Result<()> {
    if propagation == Propagation::Private {
        return Ok(());
    }
    let id = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID)?.stx_mnt_id;
    let table = fs::read_to_string("/proc/thread-self/mountinfo")?;
    let (mount_point, exchange) = find(&table, id).ok_or(io::ErrorKind::NotFound)?;
    let kind = match propagation {
        Propagation::Bidirectional if !exchange.is_shared => "shared",
        Propagation::HostToContainer if !exchange.is_shared && !exchange.is_slave => {
            "shared or slave"
        }
        _ => return Ok(()),
    };
    let path = path.display();
    Err(io::Error::other(format!(
        "{path} is mounted on {mount_point}, which is not a {kind} mount"
    )))
}

/// The mount point and the optional fields of the mount with this id.
fn find(table: &str, id: u64) -> Option<(&str, Exchange)> {
    let mut lines = table.lines().map(|line| line.split(' '));
    let fields = lines.find(|fields| fields.clone().next() == Some(id.to_string().as_str()))?;
    let mut fields = fields.skip(4);
    let mount_point = fields.next()?;
    let optional = fields.skip(1).take_while(|field| *field != "-");
    let has = |prefix: &str| optional.clone().any(|field| field.starts_with(prefix));
    let exchange = Exchange {
        is_shared: has("shared:"),
        is_slave: has("master:"),
    };
    Some((mount_point, exchange))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_tells_whether_it_is_shared_or_a_slave() {
        let table = "\
            27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
            271 27 0:5 / /a rw shared:9 - tmpfs t rw\n\
            30 27 0:5 / /b rw master:9 - tmpfs t rw\n\
            31 27 0:5 / /c rw shared:10 master:9 - tmpfs t rw";
        let found = |id| {
            find(table, id).map(|(point, exchange)| (point, exchange.is_shared, exchange.is_slave))
        };
        assert_eq!(found(27), Some(("/", false, false)));
        assert_eq!(found(271), Some(("/a", true, false)));
        assert_eq!(found(30), Some(("/b", false, true)));
        assert_eq!(found(31), Some(("/c", true, true)));
        assert_eq!(found(7), None);
    }

    #[test]
    fn a_private_mount_propagates_nothing_and_says_so() {
        // procfs is private on this path: it is mounted by whoever booted, before anything is shared.
        assert!(check(Path::new("/proc"), Propagation::Private).is_ok());
        let missing = check(Path::new("/no/such/path"), Propagation::HostToContainer);
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
