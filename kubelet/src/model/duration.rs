//! Durations in the words that users of Kubernetes know: `10s`, `5m0s`.

use std::time::Duration;

/// Whole seconds, minutes and hours; a part of a second is left out.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
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
    }
}
