//! One lane a volume: work on it is done in the order in which it came, one after the other, and to its
//! end even if nobody waits for it any more: only the kubelet's own end stops it. A driver is never asked for two things of one volume at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A driver and its name of a volume.
pub(super) type Key = (String, String);

type Work = BoxFuture<'static, ()>;

/// The lanes in which something is done.
#[derive(Clone, Default)]
pub(super) struct Lanes {
    busy: Arc<Mutex<BTreeMap<Key, mpsc::UnboundedSender<Work>>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Lanes {
    /// Does it when its turn comes. Who gives up waiting leaves it to be done.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        key: Key,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let (tell, told) = oneshot::channel();
        let work = async move {
            // Who has given up does not need it.
            let _ = tell.send(work.await);
        };
        self.queue(key, work.boxed());
        match told.await {
            Ok(done) => done,
            // The kubelet ends, and so does who waits here.
            Err(_) => std::future::pending().await,
        }
    }

    fn queue(&self, key: Key, work: Work) {
        let mut busy = self.busy();
        if let Some(lane) = busy.get(&key) {
            lane.send(work)
                .expect("a lane takes its entry away before it ends, under the same lock");
            return;
        }
        let (lane, works) = mpsc::unbounded_channel();
        busy.insert(key.clone(), lane);
        let lanes = self.clone();
        self.tasks
            .spawn(async move { lanes.drive(key, work, works).await });
    }

    async fn drive(self, key: Key, first: Work, mut works: mpsc::UnboundedReceiver<Work>) {
        let mut next = Some(first);
        while let Some(work) = next {
            // What is given up here was recorded: the next kubelet goes on with it.
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = work => {}
            }
            let mut busy = self.busy();
            next = works.try_recv().ok();
            if next.is_none() {
                busy.remove(&key);
            }
        }
    }

    fn busy(&self) -> MutexGuard<'_, BTreeMap<Key, mpsc::UnboundedSender<Work>>> {
        self.busy.lock().expect("no holder of this lock can panic")
    }

    /// Gives up what is done; returns when nothing is done any more.
    pub(super) async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(handle: &str) -> Key {
        ("driver".to_owned(), handle.to_owned())
    }

    #[tokio::test]
    async fn work_on_a_volume_goes_on_when_nobody_waits_and_the_next_waits_for_it() {
        let lanes = Lanes::default();
        let (go, wait) = oneshot::channel::<()>();
        let log = Arc::new(Mutex::new(Vec::new()));
        let first = log.clone();
        let given_up = lanes.run(key("a"), async move {
            let _ = wait.await;
            first.lock().unwrap().push("first");
        });
        assert!(given_up.now_or_never().is_none());
        let second = log.clone();
        let mut next = std::pin::pin!(lanes.run(key("a"), async move {
            second.lock().unwrap().push("second");
        }));
        assert!((&mut next).now_or_never().is_none());
        lanes.run(key("b"), async {}).await;
        assert!(
            log.lock().unwrap().is_empty(),
            "another volume does not wait"
        );
        go.send(()).unwrap();
        next.await;
        assert_eq!(*log.lock().unwrap(), ["first", "second"]);
        assert!(lanes.busy().is_empty());
    }
}
