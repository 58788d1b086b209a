//! Kubernetes quantities (`250m`, `64Mi`, `1e3`) and what a container asks for and may use.

/// Why a text is not a quantity.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a quantity such as 2, 250m, 64Mi or 1e3")]
pub struct InvalidQuantity;

/// A number of thousandths: fine enough for CPUs, wide enough for exbibytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    millis: i128,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { millis: 0 };
    /// One unit.
    pub const ONE: Self = Self { millis: 1000 };

    /// So many units.
    pub fn of_units(units: u64) -> Self {
        Self {
            millis: i128::from(units) * 1000,
        }
    }

    /// So many thousandths.
    pub fn of_millis(millis: u64) -> Self {
        Self {
            millis: i128::from(millis),
        }
    }

    /// How many of `divisor` it is, a part of one counted as one.
    pub fn divided_by(self, divisor: Self) -> i128 {
        divide_away_from_zero(self.millis, divisor.millis.max(1))
    }

    /// Reads a quantity; what is finer than a thousandth is rounded away from zero.
    pub fn parse(text: &str) -> Result<Self, InvalidQuantity> {
        let end = text
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | '.')))
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (digits, decimals) = decimal(number)?;
        let Scale { factor, exponent } = scale(suffix)?;
        let millis = shift(digits * factor, exponent - decimals + 3)?;
        Ok(Self { millis })
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let millis = self.millis.saturating_add(other.millis);
        Self { millis }
    }

    /// As CPUs are written: `500m`, `2`.
    pub fn decimal(self) -> String {
        match self.millis % 1000 {
            0 => (self.millis / 1000).to_string(),
            _ => format!("{}m", self.millis),
        }
    }

    /// As bytes are written, with the largest binary unit that leaves no fraction: `64Mi`.
    pub fn binary(self) -> String {
        let (mut value, mut unit) = (self.units(), "");
        for larger in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] {
            if value == 0 || value % 1024 != 0 {
                break;
            }
            (value, unit) = (value / 1024, larger);
        }
        format!("{value}{unit}")
    }

    /// In thousandths.
    pub fn millis(self) -> i128 {
        self.millis
    }

    /// In units, rounded away from zero.
    pub fn units(self) -> i128 {
        divide_away_from_zero(self.millis, 1000)
    }
}

/// `-1.25` as (-125, 2).
fn decimal(number: &str) -> Result<(i128, i32), InvalidQuantity> {
    let unsigned = number.strip_prefix(['+', '-']).unwrap_or(number);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    // 18 digits fit every value that any machine has, and no product below can overflow.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || digits.len() > 18 || !plain {
        return Err(InvalidQuantity);
    }
    let value: i128 = digits.parse().map_err(|_| InvalidQuantity)?;
    let sign = if number.starts_with('-') { -1 } else { 1 };
    let decimals = i32::try_from(fraction.len()).map_err(|_| InvalidQuantity)?;
    Ok((sign * value, decimals))
}

/// What a suffix multiplies with: factor × 10^exponent.
struct Scale {
    factor: i128,
    exponent: i32,
}

fn scale(suffix: &str) -> Result<Scale, InvalidQuantity> {
    let decimal = |exponent| {
        Ok(Scale {
            factor: 1,
            exponent,
        })
    };
    let binary = |power: u32| {
        Ok(Scale {
            factor: 1024_i128.pow(power),
            exponent: 0,
        })
    };
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => exponent(suffix),
    }
}

/// `e3`, `E-3`.
fn exponent(suffix: &str) -> Result<Scale, InvalidQuantity> {
    let digits = suffix.strip_prefix(['e', 'E']).ok_or(InvalidQuantity)?;
    let exponent: i32 = digits.parse().map_err(|_| InvalidQuantity)?;
    if exponent.abs() > 18 {
        return Err(InvalidQuantity);
    }
    Ok(Scale {
        factor: 1,
        exponent,
    })
}

fn shift(value: i128, exponent: i32) -> Result<i128, InvalidQuantity> {
    let power = 10_i128
        .checked_pow(exponent.unsigned_abs())
        .ok_or(InvalidQuantity)?;
    if exponent >= 0 {
        value.checked_mul(power).ok_or(InvalidQuantity)
    } else {
        Ok(divide_away_from_zero(value, power))
    }
}

fn divide_away_from_zero(value: i128, by: i128) -> i128 {
    let quotient = value / by;
    if value % by == 0 {
        quotient
    } else {
        quotient + value.signum()
    }
}

/// What a container asks for and what it may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// Asked for: decides its share under pressure.
    pub requests: ResourceList,
    /// The most it gets.
    pub limits: ResourceList,
}

/// Amounts of the resources a node hands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceList {
    /// Thousandths of a CPU.
    pub cpu_millis: Option<u64>,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_written_as_kubernetes_writes_them() {
        let sum = |a: &str, b: &str| {
            Quantity::parse(a)
                .unwrap()
                .plus(Quantity::parse(b).unwrap())
        };
        assert_eq!(sum("250m", "250m").decimal(), "500m");
        assert_eq!(sum("1500m", "0.5").decimal(), "2");
        assert_eq!(sum("64Mi", "64Mi").binary(), "128Mi");
        assert_eq!(sum("1Gi", "1").binary(), "1073741825");
        assert_eq!(sum("0", "0").binary(), "0");
    }

    #[test]
    fn quantities_read_as_kubernetes_reads_them() {
        let rows = [
            ("0", 0),
            ("1", 1000),
            ("250m", 250),
            ("0.5", 500),
            (".5", 500),
            ("1.", 1000),
            ("-2", -2000),
            ("+2", 2000),
            ("1k", 1_000_000),
            ("64Mi", 64 * 1024 * 1024 * 1000),
            ("1.5Gi", 3 * 512 * 1024 * 1024 * 1000),
            ("1e3", 1_000_000),
            ("1E-3", 1),
            ("1E", 1_000_000_000_000_000_000_000),
            ("100n", 1),
            ("1500u", 2),
        ];
        for (text, millis) in rows {
            assert_eq!(
                Quantity::parse(text).map(Quantity::millis),
                Ok(millis),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_a_quantity_is_refused() {
        for text in [
            "", "m", "1 Mi", "1mi", "1KB", "e3", "--1", "1.2.3", "1e", "1e99", "0x10",
        ] {
            assert_eq!(Quantity::parse(text), Err(InvalidQuantity), "{text}");
        }
    }

    #[test]
    fn a_part_of_the_divisor_counts_as_a_whole_one() {
        let rows = [
            ("250m", "1", 1),
            ("250m", "1m", 250),
            ("1500m", "1", 2),
            ("64Mi", "1Mi", 64),
            ("65Mi", "1Gi", 1),
            ("0", "1", 0),
        ];
        for (amount, divisor, expected) in rows {
            let [amount, divisor] = [amount, divisor].map(|text| Quantity::parse(text).unwrap());
            assert_eq!(amount.divided_by(divisor), expected);
        }
    }

    #[test]
    fn parts_of_a_byte_count_as_a_byte() {
        assert_eq!(Quantity::parse("1.1").map(Quantity::units), Ok(2));
    }
}
