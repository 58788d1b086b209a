//! Sizes of images in decimal units with three significant digits, as docker and crictl print them.

const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];

/// `bytes` in the largest unit that leaves a whole digit before the point.
pub(crate) fn human(bytes: u64) -> String {
    let mut unit = 0;
    let mut scale = 1_u64;
    while unit + 1 < UNITS.len() && bytes / scale >= 1000 {
        unit += 1;
        scale *= 1000;
    }
    let whole = bytes / scale;
    let decimals = match (unit, whole) {
        (0, _) | (_, 100..) => 0,
        (_, 10..) => 1,
        _ => 2,
    };
    let scaled = bytes as f64 / scale as f64;
    format!("{scaled:.decimals$}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_three_significant_digits() {
        let table = [
            (0, "0B"),
            (999, "999B"),
            (1000, "1.00kB"),
            (1234, "1.23kB"),
            (12_345, "12.3kB"),
            (123_456, "123kB"),
            (9_876_543, "9.88MB"),
            (2_000_000_000, "2.00GB"),
            (5_000_000_000_000_000, "5000TB"),
        ];
        for (bytes, text) in table {
            assert_eq!(human(bytes), text, "{bytes}");
        }
    }
}
