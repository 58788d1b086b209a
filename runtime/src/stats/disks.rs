//! Names of block devices.

use std::collections::BTreeMap;
use std::fs;

/// The block devices of this machine, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disks(BTreeMap<(u32, u32), String>);

impl Disks {
    /// Those that there are.
    pub(super) fn read() -> Self {
        Self::parse(&fs::read_to_string("/proc/partitions").unwrap_or_default())
    }

    /// A device's path, or its number when it has no name (any more).
    pub fn name(&self, major: u32, minor: u32) -> String {
        match self.0.get(&(major, minor)) {
            Some(name) => format!("/dev/{name}"),
            None => format!("{major}:{minor}"),
        }
    }

    fn parse(partitions: &str) -> Self {
        let disk = |line: &str| {
            let mut words = line.split_whitespace();
            let major = words.next()?.parse().ok()?;
            let minor = words.next()?.parse().ok()?;
            Some(((major, minor), words.nth(1)?.to_owned()))
        };
        Self(partitions.lines().filter_map(disk).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_its_name_or_its_number() {
        let text = "major minor  #blocks  name\n\n 254        0   20971520 vda\n   8        1          1 sda1\n";
        let disks = Disks::parse(text);
        assert_eq!(disks.name(254, 0), "/dev/vda");
        assert_eq!(disks.name(8, 1), "/dev/sda1");
        assert_eq!(disks.name(7, 3), "7:3");
    }
}
