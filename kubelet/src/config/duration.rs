//! Durations as upstream's configuration writes them: `1m30s`, `1.5h`, `-2ms`, `0`.
#![deny(clippy::disallowed_methods)]

use std::fmt;
use std::time::Duration as StdDuration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A signed number of nanoseconds, written with units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(i64);

/// The units, the longest first.
const UNITS: &[(&str, i64)] = &[
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("us", 1_000),
    ("ns", 1),
];

impl Duration {
    /// Whole seconds.
    pub(crate) const fn seconds(seconds: i64) -> Self {
        Self(seconds * 1_000_000_000)
    }

    /// Whole milliseconds.
    pub(crate) const fn milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds * 1_000_000)
    }

    /// For waiting; what is negative is nothing.
    pub(crate) fn to_std(self) -> StdDuration {
        StdDuration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// Whether it is less than nothing.
    pub(crate) fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Reads a duration; `None` when it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, mut rest) = match text.strip_prefix(['-', '+']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        let mut sum = 0_i64;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let (nanoseconds, after) = part(rest)?;
            sum = sum.checked_add(nanoseconds)?;
            rest = after;
        }
        Some(Self(if negative { -sum } else { sum }))
    }
}

/// One number with its unit, and what follows.
fn part(text: &str) -> Option<(i64, &str)> {
    let is_of_number = |c: char| c.is_ascii_digit() || c == '.';
    let (number, rest) = text.split_at(text.find(|c| !is_of_number(c))?);
    let end = rest.find(is_of_number).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    Some((
        i64::checked_mul(whole, *scale)?.checked_add(of_fraction(fraction, *scale)?)?,
        rest,
    ))
}

/// The digits after the point, in nanoseconds.
fn of_fraction(digits: &str, scale: i64) -> Option<i64> {
    let mut sum = 0_i64;
    let mut weight = scale;
    for digit in digits.chars() {
        weight /= 10;
        sum = sum.checked_add(weight * i64::from(digit.to_digit(10)?))?;
    }
    Some(sum)
}

/// As Go prints it: `2m0s`, `1.5s`, `100ms`, `0s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        if all < 1_000_000_000 {
            let (unit, scale) = match all {
                0 => return f.write_str("0s"),
                1..1_000 => ("ns", 1),
                1_000..1_000_000 => ("µs", 1_000),
                _ => ("ms", 1_000_000),
            };
            return write!(f, "{}{unit}", decimal(all, scale));
        }
        let (hours, minutes) = (all / 3_600_000_000_000, all / 60_000_000_000 % 60);
        let seconds = decimal(all % 60_000_000_000, 1_000_000_000);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        write!(f, "{seconds}s")
    }
}

/// A number with as many digits after the point as it needs.
fn decimal(value: u64, scale: u64) -> String {
    let (whole, rest) = (value / scale, value % scale);
    if rest == 0 {
        return whole.to_string();
    }
    let width = scale.ilog10() as usize;
    let digits = format!("{rest:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom(format_args!("invalid duration {text:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_as_go_does() {
        let rows = [
            ("0", "0s"),
            ("1m", "1m0s"),
            ("1.5h", "1h30m0s"),
            ("90s", "1m30s"),
            ("250ms", "250ms"),
            ("1.5ms", "1.5ms"),
            ("-2m", "-2m0s"),
            (".5s", "500ms"),
            ("1h0.25s", "1h0m0.25s"),
            ("15us", "15µs"),
            ("7ns", "7ns"),
        ];
        for (text, written) in rows {
            assert_eq!(
                Duration::parse(text).unwrap().to_string(),
                written,
                "{text}"
            );
        }
        for text in ["", "5", "s", "5x", "-", ".s", "99999999999h", "1 s"] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
    }
}
