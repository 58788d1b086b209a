//! Waiting for a state, with a deadline that fails the test.

use std::time::{Duration, Instant};

/// Long enough for a loaded machine with two cores; a test that works never comes near it.
pub const DEADLINE: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `look` until it answers; panics with `what` when the deadline has passed.
pub async fn wait_for<T>(
    deadline: Duration,
    what: &str,
    look: impl AsyncFnMut() -> Option<T>,
) -> T {
    match try_for(deadline, look).await {
        Some(seen) => seen,
        None => panic!("{what}: not seen within {} s", deadline.as_secs()),
    }
}

/// Asks `is_so` until it is; panics with `what` when the deadline has passed.
pub async fn wait_until(deadline: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(deadline, what, async || is_so().then_some(())).await;
}

/// Asks `look` until it answers or the deadline has passed.
pub async fn try_for<T>(deadline: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(seen) = look().await {
            return Some(seen);
        }
        if Instant::now() > end {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
