//! Quantities as Go keeps them, because a print shows their inside.
//!
//! Most are an integer with a power of ten; what does not fit, or is a fraction of a power of two,
//! is a decimal of any length. The text is kept when it is the shortest one already.

use std::fmt;

/// Decimals have at most nine digits behind the point.
const NANO: i32 = 9;
const MILLI: i32 = 3;

/// A quantity.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Quantity {
    amount: Amount,
    /// As written, when that is canonical.
    text: String,
    /// Go's name for the family of its suffix.
    format: &'static str,
}

#[derive(Debug, PartialEq)]
enum Amount {
    /// value × 10^scale.
    Integer { value: i64, scale: i32 },
    /// unscaled × 10^-scale.
    Decimal { unscaled: i128, scale: i32 },
}

impl Default for Amount {
    fn default() -> Self {
        Self::Integer { value: 0, scale: 0 }
    }
}

impl Quantity {
    /// Reads a quantity. What is none stands for itself: a pod with it is not run.
    pub(super) fn parse(text: &str) -> Self {
        let text = text.trim();
        let read = Written::read(text).and_then(|written| {
            let suffix = Suffix::read(written.suffix)?;
            let integer = integer(text, &written, &suffix);
            integer.or_else(|| decimal(&written, &suffix))
        });
        read.unwrap_or_else(|| Self {
            text: text.to_owned(),
            ..Self::default()
        })
    }

    /// What is finer than a thousandth is rounded away from zero.
    pub(super) fn rounded_to_milli(mut self) -> Self {
        match &mut self.amount {
            Amount::Integer { scale, .. } if *scale >= -MILLI => return self,
            Amount::Integer { value, scale } => {
                let power = 10_i64.pow((-MILLI - *scale).unsigned_abs());
                let away = value.signum() * i64::from(*value % power != 0);
                (*value, *scale) = (*value / power + away, -MILLI);
            }
            Amount::Decimal { unscaled, scale } => {
                let Some(rounded) = rescaled(*unscaled, *scale, MILLI) else {
                    return self;
                };
                (*unscaled, *scale) = (rounded, MILLI);
            }
        }
        self.text.clear();
        self
    }
}

/// The parts of a text, without zeros in front.
struct Written<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Written<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, rest) = digits(unsigned);
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), digits);
        let whole_without_zeros = whole.trim_start_matches('0');
        (!text.is_empty()).then_some(Self {
            is_negative: text.starts_with('-'),
            whole: match whole_without_zeros {
                "" => "0",
                whole => whole,
            },
            fraction,
            suffix,
        })
    }

    fn signed<T: std::ops::Neg<Output = T>>(&self, number: T) -> T {
        if self.is_negative { -number } else { number }
    }
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// What a suffix multiplies with.
struct Suffix {
    format: &'static str,
    /// Of two for `BinarySI`, else of ten.
    exponent: i32,
}

impl Suffix {
    fn read(text: &str) -> Option<Self> {
        const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
        const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
        let position = |all: &[&str]| {
            let position = all.iter().position(|one| *one == text);
            position.and_then(|position| i32::try_from(position).ok())
        };
        let (format, exponent) = if let Some(position) = position(&DECIMAL) {
            ("DecimalSI", position * 3 - NANO)
        } else if let Some(position) = position(&BINARY) {
            ("BinarySI", (position + 1) * 10)
        } else {
            let exponent = text.strip_prefix(['e', 'E'])?.parse().ok()?;
            ("DecimalExponent", exponent)
        };
        Some(Self { format, exponent })
    }

    fn is_binary(&self) -> bool {
        self.format == "BinarySI"
    }
}

/// A quantity that fits an integer by the number of its digits.
fn integer(text: &str, written: &Written<'_>, suffix: &Suffix) -> Option<Quantity> {
    let count = |digits: &str| i32::try_from(digits.len()).ok();
    let (whole, fraction) = (count(written.whole)?, count(written.fraction)?);
    let (room, factor, scale) = if suffix.is_binary() {
        let room = 15 - whole - suffix.exponent * 3 / 10 - 1;
        (room, 1_i64.checked_shl(suffix.exponent.unsigned_abs())?, 0)
    } else {
        (18 - whole - fraction, 1, suffix.exponent)
    };
    let scale = scale.checked_sub(fraction)?;
    if room < 0 || scale < -NANO || (suffix.is_binary() && fraction > 0) {
        return None;
    }
    let digits = format!("{}{}", written.whole, written.fraction);
    let number: i64 = digits.parse().ok()?;
    let is_canonical = if suffix.is_binary() {
        number % 8 != 0
    } else {
        scale % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0')
    };
    Some(Quantity {
        amount: Amount::Integer {
            value: written.signed(number.checked_mul(factor)?),
            scale,
        },
        text: if is_canonical || text == "0" {
            text
        } else {
            ""
        }
        .to_owned(),
        format: suffix.format,
    })
}

/// Any other quantity, cut to what is possible.
fn decimal(written: &Written<'_>, suffix: &Suffix) -> Option<Quantity> {
    let digits = format!("{}{}", written.whole, written.fraction);
    let mut unscaled: i128 = digits.parse().ok()?;
    let mut scale = i32::try_from(written.fraction.len()).ok()?;
    if suffix.is_binary() {
        unscaled = unscaled.checked_mul(1 << suffix.exponent)?;
    } else {
        scale = scale.checked_sub(suffix.exponent)?;
    }
    if unscaled != 0 {
        (unscaled, scale) = (rescaled(unscaled, scale, NANO)?, NANO);
    }
    let mut format = suffix.format;
    let one = 10_i128.pow(NANO.unsigned_abs());
    if suffix.is_binary() && unscaled > i128::from(i64::MAX) * one {
        (unscaled, scale) = (i64::MAX.into(), 0);
    } else if suffix.is_binary() && (1..one).contains(&unscaled) {
        format = "DecimalSI";
    }
    Some(Quantity {
        amount: Amount::Decimal {
            unscaled: written.signed(unscaled),
            scale,
        },
        text: String::new(),
        format,
    })
}

/// With so many digits behind the point, rounded away from zero.
fn rescaled(unscaled: i128, from: i32, to: i32) -> Option<i128> {
    let shift = to.checked_sub(from)?;
    let power = 10_i128.checked_pow(shift.unsigned_abs());
    if shift >= 0 {
        return unscaled.checked_mul(power?);
    }
    // What is smaller than any power that fits is still more than nothing.
    let power = power.unwrap_or(i128::MAX);
    let away = unscaled.signum() * i128::from(unscaled % power != 0);
    Some(unscaled / power + away)
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, exponent) = match self.amount {
            Amount::Integer { value, scale } => (value, scale),
            Amount::Decimal { .. } => (0, 0),
        };
        write!(
            f,
            "{{i:(resource.int64Amount){{value:(int64){value} scale:(resource.Scale){exponent}}} \
             d:(resource.infDecAmount){{Dec:(*inf.Dec)"
        )?;
        match self.amount {
            Amount::Integer { .. } => f.write_str("<nil>")?,
            Amount::Decimal { unscaled, scale } => write_decimal(f, unscaled, scale)?,
        }
        write!(
            f,
            "}} s:(string){} Format:(resource.Format){}}}",
            self.text, self.format
        )
    }
}

/// A decimal, its digits in words of 64 bits, the lowest first.
fn write_decimal(f: &mut fmt::Formatter<'_>, unscaled: i128, scale: i32) -> fmt::Result {
    let magnitude = unscaled.unsigned_abs();
    let (low, high) = (magnitude & u128::from(u64::MAX), magnitude >> 64);
    let words = match (low, high) {
        (0, 0) => "<nil>".to_owned(),
        (low, 0) => format!("[{low}]"),
        (low, high) => format!("[{low} {high}]"),
    };
    write!(
        f,
        "{{unscaled:(big.Int){{neg:(bool){} abs:(big.nat){words}}} scale:(inf.Scale){scale}}}",
        unscaled < 0
    )
}
