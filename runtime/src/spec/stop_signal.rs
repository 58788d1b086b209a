//! Which signal asks a container to stop.

use super::{ImageFacts, SpecError};
use crate::model::ContainerConfig;

const SIGTERM: i32 = 15;
/// The real-time signals that glibc and musl leave to programs.
const SIGRTMIN: i32 = 34;
const SIGRTMAX: i32 = 64;

/// Names without `SIG`, in the numbering that x86, arm and riscv share.
const NAMES: [(&str, i32); 34] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// The request's stop signal, else the image's, else SIGTERM.
pub(super) fn stop_signal(config: &ContainerConfig, image: &ImageFacts) -> Result<i32, SpecError> {
    match config.stop_signal {
        Some(number) if is_signal(number) => Ok(number),
        Some(number) => Err(SpecError::Signal(number.to_string())),
        None if image.stop_signal.is_empty() => Ok(SIGTERM),
        None => parse_signal(&image.stop_signal),
    }
}

/// A signal by number (`15`) or name (`SIGTERM`, `term`, `SIGRTMIN+3`, `RTMAX-1`).
pub fn parse_signal(text: &str) -> Result<i32, SpecError> {
    let unknown = || SpecError::Signal(text.to_owned());
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text
            .parse()
            .ok()
            .filter(|&number| is_signal(number))
            .ok_or_else(unknown);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let named = NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|&(_, number)| number);
    named.or_else(|| real_time(name)).ok_or_else(unknown)
}

fn is_signal(number: i32) -> bool {
    (1..=31).contains(&number) || (SIGRTMIN..=SIGRTMAX).contains(&number)
}

fn real_time(name: &str) -> Option<i32> {
    let offset = |text: &str, sign: char| match text {
        "" => Some(0),
        text => text
            .strip_prefix(sign)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse::<i32>().ok()),
    };
    let number = if let Some(rest) = name.strip_prefix("RTMIN") {
        SIGRTMIN.checked_add(offset(rest, '+')?)?
    } else {
        SIGRTMAX.checked_sub(offset(name.strip_prefix("RTMAX")?, '-')?)?
    };
    (SIGRTMIN..=SIGRTMAX).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_understood_by_number_and_by_name() {
        for (text, expected) in [
            ("15", 15),
            ("SIGQUIT", 3),
            ("quit", 3),
            ("SIGRTMIN+3", 37),
            ("RTMIN", 34),
            ("sigrtmax-1", 63),
            ("SIGWINCH", 28),
            ("37", 37),
        ] {
            assert_eq!(parse_signal(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        let texts = [
            "0",
            "32",
            "65",
            "-1",
            "99999999999",
            "SIG",
            "SIGFOO",
            "RTMIN-1",
            "RTMAX+1",
            "RTMIN+31",
            "RTMIN++1",
        ];
        for text in texts {
            assert!(
                matches!(parse_signal(text), Err(SpecError::Signal(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn the_request_wins_over_the_image_and_term_is_the_default() {
        let image = |signal: &str| ImageFacts {
            stop_signal: signal.to_owned(),
            ..Default::default()
        };
        let config = |stop_signal| ContainerConfig {
            stop_signal,
            ..Default::default()
        };
        assert_eq!(stop_signal(&config(None), &image("")).unwrap(), 15);
        assert_eq!(stop_signal(&config(None), &image("SIGUSR1")).unwrap(), 10);
        assert_eq!(stop_signal(&config(Some(2)), &image("SIGUSR1")).unwrap(), 2);
        assert!(stop_signal(&config(Some(0)), &image("")).is_err());
    }
}
