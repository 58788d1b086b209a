//! The contract numbers signals by an enum of its own, in alphabetical order; names are what it has
//! in common with the kernel.
#![deny(clippy::disallowed_methods)]

use podling_proto::runtime::v1::Signal;

use crate::spec::parse_signal;

/// The kernel's number of a signal of the contract; `None` for `SIGNAL_RUNTIME_DEFAULT`.
pub(super) fn number(signal: Signal) -> Option<i32> {
    let name = signal.as_str_name().strip_prefix("SIGNAL_")?;
    parse_signal(&name.replace("PLUS", "+").replace("MINUS", "-")).ok()
}

/// The contract's signal with this number.
pub(super) fn from_number(wanted: i32) -> Signal {
    (1..=65)
        .filter_map(|value| Signal::try_from(value).ok())
        .find(|signal| number(*signal) == Some(wanted))
        .unwrap_or(Signal::RuntimeDefault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_of_the_contract_has_a_number() {
        let nameless: Vec<_> = (1..=65)
            .map(|value| Signal::try_from(value).expect("the contract has 65 signals"))
            .filter(|signal| number(*signal).is_none())
            .collect();
        assert_eq!(nameless, []);
    }

    #[test]
    fn a_number_leads_back_to_its_signal() {
        assert_eq!(from_number(15), Signal::Sigterm);
        assert_eq!(from_number(37), Signal::Sigrtminplus3);
        assert_eq!(from_number(0), Signal::RuntimeDefault);
    }
}
