//! What pods use, and which of them that sends away.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use tracing::warn;

use super::evictor::Evictor;
use super::give_up::{AT_ONCE, Eviction};
use super::measure::measure;
use super::rank::{Candidate, Disks, Usage, rank};
use super::{Signal, admit, candidates, local};
use crate::cri::PodStats;
use crate::model::PodUid;

impl Evictor {
    pub(super) async fn stats(&self) -> Option<Vec<PodStats>> {
        match self.parts.runtime.pod_stats().await {
            Ok(stats) => Some(stats),
            Err(error) => {
                warn!(error = &error as &dyn Error, "cannot see what pods use");
                None
            }
        }
    }

    /// What these pods use, logs and volumes with it.
    async fn usages(
        &self,
        pods: &[Arc<core::Pod>],
        stats: Option<&[PodStats]>,
    ) -> BTreeMap<String, Usage> {
        let known: BTreeMap<String, Usage> = stats
            .into_iter()
            .flatten()
            .map(|stats| (stats.metadata.uid.clone(), candidates::usage(stats)))
            .collect();
        let (pods, layout) = (pods.to_vec(), self.parts.layout.clone());
        let work = tokio::task::spawn_blocking(move || {
            let measured = pods.iter().filter_map(|pod| {
                let uid = pod.metadata.uid.clone()?;
                let mut usage = known.get(&uid)?.clone();
                measure(&layout, pod, &mut usage);
                Some((uid, usage))
            });
            measured.collect()
        });
        work.await.expect("measuring does not panic")
    }

    pub(super) async fn beyond_limits(
        &self,
        limited: &[Arc<core::Pod>],
        stats: Option<&[PodStats]>,
        disks: Disks,
    ) -> Vec<Eviction> {
        if limited.is_empty() {
            return Vec::new();
        }
        let usages = self.usages(limited, stats).await;
        let beyond = limited.iter().filter(|pod| !admit::is_critical(pod));
        beyond
            .filter_map(|pod| {
                let usage = usages.get(pod.metadata.uid.as_ref()?)?;
                let excess = local::excess(pod, usage, disks)?;
                Some(Eviction {
                    pod: Arc::clone(pod),
                    signal: excess.signal,
                    message: excess.message,
                    disruption: None,
                    grace: AT_ONCE,
                })
            })
            .collect()
    }

    pub(super) async fn first_to_go(
        &self,
        pods: Vec<Arc<core::Pod>>,
        stats: Option<&[PodStats]>,
        signal: Signal,
        disks: Disks,
    ) -> Option<(Arc<core::Pod>, Option<Usage>)> {
        let usages = self.usages(&pods, stats).await;
        let pods: Vec<_> = pods
            .into_iter()
            .filter(|pod| !admit::is_critical(pod))
            .collect();
        let mut ranked: Vec<Candidate> = pods
            .iter()
            .map(|pod| {
                let uid = pod.metadata.uid.as_deref().unwrap_or_default();
                candidates::candidate(pod, usages.get(uid).cloned())
            })
            .collect();
        rank(&mut ranked, signal, disks);
        let first = ranked.into_iter().next()?;
        let is_first = |pod: &Arc<core::Pod>| {
            pod.metadata.uid.as_deref() == first.uid.as_ref().map(PodUid::as_str)
        };
        let pod = pods.into_iter().find(is_first)?;
        Some((pod, first.usage))
    }
}
