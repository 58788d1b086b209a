//! Block devices: `io.stat` of v2, and the two throttle files of v1.

use crate::stats::usage::DeviceIo;

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …`.
pub(super) fn v2(text: &str) -> Vec<DeviceIo> {
    let device = |line: &str| {
        let mut words = line.split_whitespace();
        let mut device = numbered(words.next()?)?;
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            let value = value.parse().ok()?;
            match name {
                "rbytes" => device.read_bytes = value,
                "wbytes" => device.written_bytes = value,
                "rios" => device.reads = value,
                "wios" => device.writes = value,
                _ => {}
            }
        }
        Some(device)
    };
    text.lines().filter_map(device).collect()
}

/// `8:0 Read 1` and so on, bytes in one file and operations in the other.
pub(super) fn v1(bytes: &str, operations: &str) -> Vec<DeviceIo> {
    let mut devices: Vec<DeviceIo> = Vec::new();
    let mut fill = |text: &str, fields: fn(&mut DeviceIo) -> [&mut u64; 2]| {
        for (device, operation, value) in text.lines().filter_map(v1_line) {
            let is_it =
                |known: &DeviceIo| (known.major, known.minor) == (device.major, device.minor);
            let at = devices.iter().position(is_it).unwrap_or_else(|| {
                devices.push(device);
                devices.len() - 1
            });
            let [read, written] = fields(&mut devices[at]);
            match operation {
                "Read" => *read = value,
                "Write" => *written = value,
                _ => {}
            }
        }
    };
    fill(bytes, |io| [&mut io.read_bytes, &mut io.written_bytes]);
    fill(operations, |io| [&mut io.reads, &mut io.writes]);
    devices
}

fn v1_line(line: &str) -> Option<(DeviceIo, &str, u64)> {
    let mut words = line.split_whitespace();
    let device = numbered(words.next()?)?;
    Some((device, words.next()?, words.next()?.parse().ok()?))
}

/// A device of which only the number is known yet.
fn numbered(text: &str) -> Option<DeviceIo> {
    let (major, minor) = text.split_once(':')?;
    Some(DeviceIo {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        ..Default::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: DeviceIo = DeviceIo {
        major: 8,
        minor: 16,
        read_bytes: 4096,
        written_bytes: 8192,
        reads: 1,
        writes: 2,
    };

    #[test]
    fn both_versions_count_the_same() {
        let unified = "8:16 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n7:0 \n";
        let bytes = "8:16 Read 4096\n8:16 Write 8192\n8:16 Sync 0\n8:16 Total 12288\nTotal 12288\n";
        let operations = "8:16 Read 1\n8:16 Write 2\n8:16 Total 3\nTotal 3\n";
        assert_eq!(v2(unified)[0], DISK);
        assert_eq!(v1(bytes, operations), [DISK]);
    }

    #[test]
    fn nothing_was_read_or_written() {
        assert_eq!(v1("Total 0\n", "Total 0\n"), []);
        assert_eq!(v2(""), []);
    }
}
