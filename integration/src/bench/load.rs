//! Many pods at once: throughput, then memory and CPU while they run.

use std::time::{Duration, Instant};

use super::client::{Client, ClientError, RunningPod};
use super::options::Options;
use super::pod::PodSpec;
use super::process;
use super::report::Load;
use super::step::Cycle;

const AT_ONCE: usize = 8;

/// One runtime under load.
pub struct Subject<'a> {
    /// Connection to it.
    pub client: &'a Client,
    /// Its daemon.
    pub daemon: i32,
    /// Id of this run.
    pub run: &'a str,
}

impl Subject<'_> {
    /// Starts the pods twice, one by one and eight at once, and looks at them the second time.
    pub async fn measure(&self, options: &Options) -> Result<Load, ClientError> {
        let before = process::snapshot();
        let idle = process::memory(&[self.daemon]);
        let (pods, took) = self.start(options, 0, 1).await?;
        let one_by_one = rate(pods.len(), took);
        self.remove(pods).await?;
        let (pods, took) = self.start(options, options.pods, AT_ONCE).await?;
        let eight_at_once = rate(pods.len(), took);
        let sandboxes: Vec<String> = pods.iter().map(|pod| pod.sandbox.clone()).collect();
        let helpers = process::helpers(&before, &process::snapshot(), self.daemon, &sandboxes);
        let (cpu, helper_cpu) = self.idle_cpu(&helpers, options.window).await;
        let load = Load {
            pods: pods.len(),
            one_by_one,
            eight_at_once,
            idle,
            loaded: process::memory(&[self.daemon]),
            helpers: process::memory(&helpers),
            helper_count: helpers.len(),
            cpu,
            helper_cpu,
        };
        self.remove(pods).await?;
        Ok(load)
    }

    /// Starts `options.pods` pods with `clients` clients; pods are numbered from `first`.
    async fn start(
        &self,
        options: &Options,
        first: usize,
        clients: usize,
    ) -> Result<(Vec<RunningPod>, Duration), ClientError> {
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for lane in 0..clients {
            let client = self.client.clone();
            let numbers = (lane..options.pods).step_by(clients);
            let specs: Vec<PodSpec> = numbers
                .map(|number| PodSpec::new(options, self.run, first + number))
                .collect();
            tasks.spawn(async move {
                let mut pods = Vec::with_capacity(specs.len());
                for spec in &specs {
                    pods.push(client.start(spec).await?.0);
                }
                Ok(pods)
            });
        }
        let pods = join(tasks).await?;
        Ok((pods.into_iter().flatten().collect(), started.elapsed()))
    }

    async fn remove(&self, pods: Vec<RunningPod>) -> Result<(), ClientError> {
        let mut tasks = tokio::task::JoinSet::new();
        for lane in pods.chunks(pods.len().div_ceil(AT_ONCE).max(1)) {
            let (client, lane) = (self.client.clone(), lane.to_vec());
            tasks.spawn(async move {
                for pod in &lane {
                    client.remove(pod, &mut Cycle::default()).await?;
                }
                Ok(())
            });
        }
        join(tasks).await.map(drop)
    }

    /// Percent of one core, of the daemon and of its helpers.
    async fn idle_cpu(&self, helpers: &[i32], window: Duration) -> (f64, f64) {
        // What was just started may still be at work.
        tokio::time::sleep(window / 5).await;
        let daemon = process::cpu_time(&[self.daemon]);
        let of_helpers = process::cpu_time(helpers);
        let started = Instant::now();
        tokio::time::sleep(window).await;
        let share = |used: Duration| 100.0 * used.as_secs_f64() / started.elapsed().as_secs_f64();
        let daemon = process::cpu_time(&[self.daemon]).saturating_sub(daemon);
        let of_helpers = process::cpu_time(helpers).saturating_sub(of_helpers);
        (share(daemon), share(of_helpers))
    }
}

async fn join<T: 'static>(
    tasks: tokio::task::JoinSet<Result<T, ClientError>>,
) -> Result<Vec<T>, ClientError> {
    tasks.join_all().await.into_iter().collect()
}

fn rate(pods: usize, took: Duration) -> f64 {
    pods as f64 / took.as_secs_f64()
}
