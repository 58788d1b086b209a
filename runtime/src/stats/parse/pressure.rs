//! Pressure stall information.

use crate::stats::usage::{Pressure, Stall};

/// Both lines of a pressure file; old kernels have no `full` for the CPU.
pub(super) fn pressure(text: &str) -> Option<Pressure> {
    let line = |kind: &str| {
        let mut words = text.lines().map(str::split_whitespace);
        words.find_map(|mut words| (words.next() == Some(kind)).then(|| stall(words))?)
    };
    Some(Pressure {
        some: line("some")?,
        full: line("full").unwrap_or_default(),
    })
}

fn stall<'a>(words: impl Iterator<Item = &'a str>) -> Option<Stall> {
    let mut stall = Stall::default();
    for word in words {
        let (name, value) = word.split_once('=')?;
        match name {
            "avg10" => stall.avg10 = value.parse().ok()?,
            "avg60" => stall.avg60 = value.parse().ok()?,
            "avg300" => stall.avg300 = value.parse().ok()?,
            "total" => stall.total = value.parse().ok()?,
            _ => {}
        }
    }
    Some(stall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_are_read() {
        let text = "some avg10=75.96 avg60=61.56 avg300=24.72 total=4666398647\n\
                    full avg10=0.15 avg60=0.21 avg300=1.60 total=57288396\n";
        let read = pressure(text).unwrap();
        assert_eq!(
            (read.some.avg10, read.some.avg300, read.some.total),
            (75.96, 24.72, 4_666_398_647)
        );
        assert_eq!((read.full.avg60, read.full.total), (0.21, 57_288_396));
    }

    #[test]
    fn a_kernel_without_the_second_line_has_no_such_stalls() {
        let read = pressure("some avg10=1.00 avg60=0.00 avg300=0.00 total=7\n").unwrap();
        assert_eq!(read.full, Stall::default());
        assert_eq!(pressure(""), None);
        assert_eq!(pressure("some avg10=x"), None);
    }
}
