//! Durations as Go writes them: `30s`, `5m`, `1h30m`, `250ms`.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a duration like 30s, 5m or 1h30m")]
pub(crate) struct InvalidDuration(String);

/// Reads a sum of numbers with units; at least one.
pub(crate) fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    sum(text)
        .filter(|_| !text.is_empty())
        .ok_or_else(|| InvalidDuration(text.to_owned()))
}

fn sum(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let end = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let part = number
            .parse::<u64>()
            .ok()?
            .checked_mul(milliseconds(unit)?)?;
        sum = sum.checked_add(Duration::from_millis(part))?;
        rest = tail;
    }
    Some(sum)
}

fn milliseconds(unit: &str) -> Option<u64> {
    match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let table = [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
        ];
        for (text, milliseconds) in table {
            assert_eq!(
                parse(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in ["", "5", "s", "5x", "-5s", "1.5h", "99999999999999999999s"] {
            assert_eq!(parse(text), Err(InvalidDuration(text.to_owned())), "{text}");
        }
    }
}
