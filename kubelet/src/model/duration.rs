//! Durations in the words that users of Kubernetes know: `10s`, `5m0s`, `1.25s`.

use std::time::Duration;

/// Hours, minutes, seconds and thousandths of them; what is shorter is left out.
pub fn in_words(duration: Duration) -> String {
    let (whole, thousandths) = (duration.as_secs(), duration.subsec_millis());
    let seconds = match thousandths {
        0 => format!("{}", whole % 60),
        _ => format!("{}.{thousandths:03}", whole % 60)
            .trim_end_matches('0')
            .to_owned(),
    };
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, 0) if thousandths > 0 => format!("{thousandths}ms"),
        (0, 0, _) => format!("{seconds}s"),
        (0, minutes, _) => format!("{minutes}m{seconds}s"),
        (hours, minutes, _) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_kubernetes_writes_them() {
        let rows = [(0, "0s"), (10, "10s"), (300, "5m0s"), (3605, "1h0m5s")];
        for (seconds, words) in rows {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
        let rows = [(7, "7ms"), (1_250, "1.25s"), (60_040, "1m0.04s")];
        for (thousandths, words) in rows {
            assert_eq!(in_words(Duration::from_millis(thousandths)), words);
        }
    }
}
