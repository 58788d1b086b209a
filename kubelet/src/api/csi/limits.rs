//! Asks drivers again and again how many volumes the node can have, as often as their CSIDriver says
//! (`nodeAllocatableUpdatePeriodSeconds`). What they say is told with all else of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::api::client::Client;
use crate::api::reflect::{News, Reflector};
use crate::csi::Drivers;

const CSI_DRIVERS: &str = "/apis/storage.k8s.io/v1/csidrivers";

/// When nothing is due, it is looked at again then.
const IDLE: Duration = Duration::from_secs(3600);

/// Asks the drivers of the node.
pub(crate) struct DriverLimits {
    client: Client,
    drivers: Drivers,
    rounds: Rounds,
}

impl DriverLimits {
    /// Nobody is asked yet.
    pub(crate) fn new(client: Client, drivers: Drivers) -> Self {
        Self {
            client,
            drivers,
            rounds: Rounds::default(),
        }
    }

    /// Works until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let (news, heard) = mpsc::channel(1);
        let reflector = Reflector::new(self.client.clone(), CSI_DRIVERS);
        // What is given up is asked for by the next kubelet.
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = reflector.run(news, shutdown.clone()) => {}
            () = self.ask(heard) => {}
        }
    }

    async fn ask(&mut self, mut heard: mpsc::Receiver<News>) {
        let mut changes = self.drivers.changes();
        loop {
            let now = Instant::now();
            let there: Vec<String> = self.drivers.nodes().into_keys().collect();
            let due = self.rounds.due(&there, now);
            futures::future::join_all(due.iter().map(|name| self.ask_one(name))).await;
            let next = self.rounds.next().unwrap_or_else(|| now + IDLE);
            // All arms only wait.
            tokio::select! {
                Some(news) = heard.recv() => self.rounds.learn(news),
                () = changes.next() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    async fn ask_one(&self, name: &str) {
        if let Err(why) = self.drivers.ask_again(name).await {
            warn!(
                driver = name,
                why, "a driver does not tell how many volumes it can have"
            );
        }
    }
}

/// Who is asked when.
#[derive(Debug, Default)]
struct Rounds {
    periods: BTreeMap<String, Duration>,
    /// Only of drivers that are there.
    next: BTreeMap<String, Instant>,
}

impl Rounds {
    fn learn(&mut self, news: News) {
        match news {
            News::All(drivers) => {
                let before = std::mem::take(&mut self.periods);
                self.periods = drivers.iter().filter_map(period).collect();
                let periods = &self.periods;
                self.next
                    .retain(|name, _| before.get(name) == periods.get(name));
            }
            News::Set(driver) => {
                let name = name(&driver);
                let now = period(&driver).map(|(_, period)| period);
                if self.periods.get(name).copied() != now {
                    self.forget(name);
                }
                self.periods.extend(period(&driver));
            }
            News::Gone(driver) => self.forget(name(&driver)),
        }
    }

    fn forget(&mut self, name: &str) {
        self.periods.remove(name);
        self.next.remove(name);
    }

    /// Who is to be asked now, of those that are there; who has just come has said it.
    fn due(&mut self, there: &[String], now: Instant) -> Vec<String> {
        self.next.retain(|name, _| there.contains(name));
        let mut due = Vec::new();
        for name in there {
            let Some(period) = self.periods.get(name) else {
                continue;
            };
            let next = self.next.entry(name.clone()).or_insert(now + *period);
            if *next <= now {
                *next = now + *period;
                due.push(name.clone());
            }
        }
        due
    }

    fn next(&self) -> Option<Instant> {
        self.next.values().min().copied()
    }
}

fn name(driver: &Value) -> &str {
    driver["metadata"]["name"].as_str().unwrap_or_default()
}

fn period(driver: &Value) -> Option<(String, Duration)> {
    let seconds = driver["spec"]["nodeAllocatableUpdatePeriodSeconds"].as_u64()?;
    (seconds > 0).then(|| (name(driver).to_owned(), Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn driver(name: &str, seconds: Option<u64>) -> Value {
        json!({
            "metadata": { "name": name },
            "spec": { "nodeAllocatableUpdatePeriodSeconds": seconds },
        })
    }

    #[test]
    fn drivers_that_are_there_are_asked_as_often_as_is_said() {
        let (mut rounds, begin) = (Rounds::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let there = ["a".to_owned(), "b".to_owned(), "quiet".to_owned()];
        rounds.learn(News::All(vec![
            driver("a", Some(10)),
            driver("quiet", None),
        ]));
        assert!(rounds.due(&there, begin).is_empty(), "it has just said it");
        assert_eq!(rounds.next(), Some(at(10)));
        assert_eq!(rounds.due(&there, at(10)), ["a"]);
        assert!(rounds.due(&there, at(11)).is_empty());
        rounds.learn(News::Set(driver("b", Some(30))));
        rounds.learn(News::Set(driver("a", Some(10))));
        assert!(rounds.due(&there, at(12)).is_empty());
        assert_eq!(
            rounds.due(&there, at(20)),
            ["a"],
            "the same again changes nothing"
        );
        rounds.learn(News::Set(driver("a", Some(100))));
        assert!(rounds.due(&there, at(30)).is_empty());
        assert_eq!(rounds.due(&there, at(42)), ["b"]);
        rounds.learn(News::Gone(driver("b", Some(30))));
        assert!(
            rounds.due(&there[1..], at(500)).is_empty(),
            "a is not there"
        );
        assert_eq!(rounds.next(), None);
    }
}
