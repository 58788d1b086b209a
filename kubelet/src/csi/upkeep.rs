//! Unstages what no pod has: what an earlier kubelet left, and what a driver did not do when it was asked.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Mounter;

/// When it is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// Works until `stop`.
pub(crate) async fn run(mounter: Mounter, stop: CancellationToken) {
    let mut drivers = mounter.drivers().changes();
    loop {
        // What is given up was recorded.
        let is_clean = tokio::select! {
            () = stop.cancelled() => break,
            is_clean = mounter.release_all() => is_clean,
        };
        let again = async {
            match is_clean {
                true => std::future::pending().await,
                false => tokio::time::sleep(AGAIN).await,
            }
        };
        // Waiting loses nothing: everything is looked at again.
        tokio::select! {
            () = stop.cancelled() => break,
            () = again => {}
            () = mounter.left() => tokio::time::sleep(AGAIN / 10).await,
            () = drivers.next() => {}
        }
    }
    mounter.end().await;
}
