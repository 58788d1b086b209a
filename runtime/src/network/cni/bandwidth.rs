//! Bandwidth from a pod's annotations, within the limits that Kubernetes sets. Pure.
#![deny(clippy::disallowed_methods)]

use serde_json::{Value, json};

use super::config::Object;
use crate::model::config::StringMap;

const INGRESS: &str = "kubernetes.io/ingress-bandwidth";
const EGRESS: &str = "kubernetes.io/egress-bandwidth";
/// Less is taken for a mistake.
const LEAST: u128 = 1_000;
/// So is more.
const MOST: u128 = 1_000_000_000_000_000;
/// As many bits at once as plugins let a burst have.
const BURST: u32 = u32::MAX;

/// Why an annotation is no bandwidth.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum BandwidthError {
    #[error("annotation {name}: {text:?} is not a quantity such as 10M")]
    Quantity { name: &'static str, text: String },
    #[error("annotation {name}: {text:?} is less than 1k bits a second")]
    Small { name: &'static str, text: String },
    #[error("annotation {name}: {text:?} is more than 1P bits a second")]
    Large { name: &'static str, text: String },
}

/// The value of the `bandwidth` capability; `None` when no annotation asks for a limit.
pub(super) fn of(annotations: &StringMap) -> Result<Option<Value>, BandwidthError> {
    let mut limits = Object::new();
    for (name, rate, burst) in [
        (INGRESS, "ingressRate", "ingressBurst"),
        (EGRESS, "egressRate", "egressBurst"),
    ] {
        if let Some(text) = annotations.get(name) {
            limits.insert(rate.to_owned(), json!(limit(name, text)?));
            limits.insert(burst.to_owned(), json!(BURST));
        }
    }
    Ok((!limits.is_empty()).then_some(Value::Object(limits)))
}

fn limit(name: &'static str, text: &str) -> Result<u64, BandwidthError> {
    let owned = || text.to_owned();
    let bits = quantity(text).ok_or_else(|| BandwidthError::Quantity {
        name,
        text: owned(),
    })?;
    match bits {
        bits if bits < LEAST => Err(BandwidthError::Small {
            name,
            text: owned(),
        }),
        bits if bits > MOST => Err(BandwidthError::Large {
            name,
            text: owned(),
        }),
        bits => Ok(u64::try_from(bits).expect("MOST fits")),
    }
}

/// A Kubernetes quantity, rounded up to a whole number.
fn quantity(text: &str) -> Option<u128> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // More digits than this are no bandwidth, and would not fit.
    if number.len() > 20 || fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let (factor, divisor) = scale(suffix)?;
    let divisor = divisor.checked_mul(10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    Some(digits.checked_mul(factor)?.div_ceil(divisor))
}

/// What a suffix multiplies with, and divides by.
fn scale(suffix: &str) -> Option<(u128, u128)> {
    let scale = match suffix {
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "" => (1, 1),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => return power(exponent),
    };
    Some(scale)
}

/// `e3` and `E-3`.
fn power(suffix: &str) -> Option<(u128, u128)> {
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let exponent: i32 = exponent.parse().ok()?;
    let size = 10_u128.checked_pow(exponent.unsigned_abs().min(19))?;
    Some(if exponent < 0 { (1, size) } else { (size, 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(pairs: &[(&str, &str)]) -> StringMap {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        let cases = [
            ("10M", 10_000_000),
            ("1Mi", 1_048_576),
            ("1.5G", 1_500_000_000),
            ("1e6", 1_000_000),
            ("1500500m", 1_501),
            (".5M", 500_000),
            ("2000", 2_000),
        ];
        for (text, bits) in cases {
            assert_eq!(quantity(text), Some(bits), "{text}");
        }
        for text in ["", "M", "10 M", "-1M", "1.2.3", "10Mb", "1e", "ten", "."] {
            assert_eq!(quantity(text), None, "{text}");
        }
    }

    #[test]
    fn each_direction_has_a_limit_of_its_own() {
        let limits = of(&annotations(&[(EGRESS, "10M")])).unwrap().unwrap();
        assert_eq!(
            limits,
            json!({"egressRate": 10_000_000, "egressBurst": u32::MAX})
        );
        assert_eq!(of(&annotations(&[("other", "1")])), Ok(None));
    }

    #[test]
    fn limits_beyond_reason_are_refused_by_name() {
        let cases = [
            ("999", "is less than 1k bits a second"),
            ("1001T", "is more than 1P bits a second"),
            ("fast", "is not a quantity such as 10M"),
        ];
        for (text, end) in cases {
            let error = of(&annotations(&[(INGRESS, text)])).unwrap_err();
            let message = format!("annotation {INGRESS}: {text:?} {end}");
            assert_eq!(error.to_string(), message);
        }
    }
}
