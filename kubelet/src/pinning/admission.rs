//! Lets pods in: each container gets what nobody else can have then, near to each other if that is wished.

use tokio::time::Instant;

use super::cpus::{CpuError, CpuWish, Settled, exclusive};
use super::desk::{Desk, Rules};
use super::memory;
use super::topology::merge;
use super::{CpuOption, CpuSet, Hint, Hints, Holder, NodeMask, Scope, TopologyPolicy};
use crate::device::{NotReserved, Refused, Reusable};
use crate::metrics::{Aligned, WholeCores};
use crate::model::{Container, Pod};

/// When a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runs {
    /// It has ended when the next one runs.
    Before,
    /// As long as its pod.
    Along,
}

/// What containers of a pod that have ended leave to the others.
#[derive(Default)]
struct Reuse {
    cpus: CpuSet,
    memory: memory::Reusable,
    devices: Reusable,
}

/// What is near to nothing.
const ANYWHERE: Hint = Hint {
    nodes: None,
    preferred: false,
};

impl Desk {
    /// Sees to it that each container of a pod has what nobody else can have then; what they have stays.
    pub async fn reserve(&self, pod: &Pod) -> Result<(), NotReserved> {
        let began = Instant::now();
        let reserved = self.reserve_all(pod).await;
        self.metrics.admitted(began.elapsed());
        if reserved.is_err() && self.is_nearness_asked() {
            self.metrics.not_admitted();
        }
        reserved
    }

    async fn reserve_all(&self, pod: &Pod) -> Result<(), NotReserved> {
        let Rules { cpus, memory, .. } = &self.rules;
        if cpus.is_none() && memory.is_none() && !self.is_nearness_asked() {
            return self.devices.reserve(pod).await;
        }
        // Where something is decides over where something else shall be: nobody comes in between.
        let _turn = match self.is_nearness_asked() {
            true => Some(self.turn.acquire().await.expect("it is never closed")),
            false => None,
        };
        self.free_all_but(Some(&pod.uid));
        let had_some = self.books().has(&pod.uid);
        let settled = self.settle(pod).await;
        if settled.is_err() && !had_some {
            self.release(pod);
        }
        settled?;
        self.save().await.map_err(|error| {
            NotReserved::Refused(Refused::unexpected(format_args!(
                "failed to write checkpoint files: {error}"
            )))
        })
    }

    fn release(&self, pod: &Pod) {
        let had_cpus = {
            let mut books = self.books();
            books.memory.release_pod(&pod.uid);
            books.cpus.release_pod(&pod.uid)
        };
        if had_cpus {
            self.has_changed();
        }
    }

    fn is_nearness_asked(&self) -> bool {
        self.rules.topology.policy != TopologyPolicy::None
    }

    /// Gets each container of a pod what it wishes for.
    async fn settle(&self, pod: &Pod) -> Result<(), NotReserved> {
        let mut reuse = Reuse::default();
        let scope = match self.rules.topology.policy {
            TopologyPolicy::None => None,
            _ => Some(self.rules.topology.scope),
        };
        let of_pod = match scope {
            Some(Scope::Pod) => self.near_for_pod(pod)?,
            Some(Scope::Container) | None => ANYWHERE,
        };
        let steps = pod.spec.init_containers.iter();
        let steps = steps.map(|one| {
            (
                one,
                if one.is_sidecar() {
                    Runs::Along
                } else {
                    Runs::Before
                },
            )
        });
        let others = pod.spec.containers.iter().map(|one| (one, Runs::Along));
        for (container, runs) in steps.chain(others) {
            let near = match scope {
                Some(Scope::Container) => self.near(pod, container, &reuse)?,
                Some(Scope::Pod) | None => of_pod,
            };
            let of_container = (container, runs);
            let cpus = self.settle_cpus(pod, of_container, near.nodes, &mut reuse.cpus);
            cpus.map_err(|why| self.refused(why))?;
            let memory = self.settle_memory(pod, of_container, near, &mut reuse.memory);
            memory.map_err(|why| self.refused(why))?;
            let again = &mut reuse.devices;
            let devices = self.devices.reserve_one(pod, container, again, near.nodes);
            devices.await?;
        }
        Ok(())
    }

    /// The nodes that what a container has shall be near to.
    fn near(&self, pod: &Pod, container: &Container, reuse: &Reuse) -> Result<Hint, NotReserved> {
        let nodes = self.rules.topology.nodes();
        let devices = self.devices.hints(pod, container, &reuse.devices, nodes);
        let cpus = self.rules.cpus.as_ref().and_then(|rules| {
            let books = self.books();
            books.cpus.hints(rules, (pod, container), &reuse.cpus)
        });
        let memory = self.rules.memory.as_ref().map(|_| {
            let (holder, amounts) = (Holder::of(pod, container), memory::wishes(pod, container));
            self.books().memory.hints(&holder, &amounts, &reuse.memory)
        });
        let hints = [devices, named("cpu", cpus), memory.unwrap_or_default()];
        self.merge(hints, "container")
    }

    /// The nodes that all that a pod has shall be near to.
    fn near_for_pod(&self, pod: &Pod) -> Result<Hint, NotReserved> {
        let devices = self.devices.hints_of_pod(pod, self.rules.topology.nodes());
        let rules = self.rules.cpus.as_ref();
        let cpus = rules.and_then(|rules| self.books().cpus.hints_of_pod(rules, pod));
        let memory = self.rules.memory.as_ref().map(|_| {
            let amounts = memory::wishes_of_pod(pod);
            self.books().memory.hints_of_pod(pod, &amounts)
        });
        let hints = [devices, named("cpu", cpus), memory.unwrap_or_default()];
        self.merge(hints, "pod")
    }

    fn merge(&self, hints: [Hints; 3], scope: &'static str) -> Result<Hint, NotReserved> {
        let rules = &self.rules.topology;
        let merged = merge(rules, &hints);
        if rules.is_sure() {
            let outcome = merged.map_or(Aligned::No, |_| Aligned::Yes);
            self.metrics.aligned(scope, outcome);
        }
        match merged {
            Some(hint) => Ok(hint),
            None => Err(self.refused(Refused {
                reason: "TopologyAffinityError",
                message: "Resources cannot be allocated with Topology locality".to_owned(),
            })),
        }
    }

    /// Gets a container its CPUs.
    fn settle_cpus(
        &self,
        pod: &Pod,
        (container, runs): (&Container, Runs),
        near: Option<NodeMask>,
        reusable: &mut CpuSet,
    ) -> Result<(), Refused> {
        let count = exclusive(pod, container);
        let Some(rules) = self.rules.cpus.as_ref().filter(|_| count > 0) else {
            return Ok(());
        };
        let cores = match rules.options().has(CpuOption::WholeCores) {
            true => WholeCores::Surely,
            false => WholeCores::Perhaps,
        };
        let wish = CpuWish {
            count,
            near,
            reusable,
        };
        self.metrics.cpus_wished();
        let settled = self
            .books()
            .cpus
            .settle(rules, &Holder::of(pod, container), wish);
        let own = match settled {
            Err(why) => {
                self.metrics.cpus_refused(cores);
                return Err(refusal(&why));
            }
            Ok(Settled::Had(own)) => own,
            Ok(Settled::Got(own)) => {
                if rules.is_within_cache(&own) {
                    self.metrics.cpus_of_one_cache();
                }
                self.has_changed();
                own
            }
        };
        self.metrics.cpus_aligned(cores);
        *reusable = match runs {
            Runs::Before => reusable.with(&own),
            Runs::Along => reusable.without(&own),
        };
        Ok(())
    }

    /// Gets a container its memory.
    fn settle_memory(
        &self,
        pod: &Pod,
        (container, runs): (&Container, Runs),
        near: Hint,
        reusable: &mut memory::Reusable,
    ) -> Result<(), Refused> {
        let amounts = memory::wishes(pod, container);
        if self.rules.memory.is_none() || amounts.is_empty() {
            return Ok(());
        }
        let holder = Holder::of(pod, container);
        let mut books = self.books();
        let has = |one: &Container| !books.memory.of(&Holder::of(pod, one)).is_empty();
        // What ran before others has ended, and its memory is free already.
        if runs == Runs::Before && !has(container) && pod.spec.containers.iter().any(has) {
            return Ok(());
        }
        self.metrics.memory_wished();
        let settled = books
            .memory
            .settle(pod, (&holder, &amounts), near, reusable);
        settled.map_err(|why| {
            self.metrics.memory_refused();
            Refused::unexpected(why)
        })
    }

    /// A refusal; only for now, when pods that are ending have something still.
    fn refused(&self, why: Refused) -> NotReserved {
        let inside = &self.tenants.borrow().inside;
        let mut holders = self.devices.holders();
        holders.extend(self.books().holders().map(|holder| holder.pod.clone()));
        match holders.iter().any(|pod| !inside.contains_key(pod)) {
            true => NotReserved::Busy(why.message),
            false => NotReserved::Refused(why),
        }
    }
}

/// What one provider says of one resource.
fn named(resource: &str, hints: Option<Vec<Hint>>) -> Hints {
    let hints = hints.map(|hints| (resource.to_owned(), Some(hints)));
    hints.into_iter().collect()
}

fn refusal(why: &CpuError) -> Refused {
    match why {
        CpuError::PartOfCore { .. } | CpuError::TooFewCores { .. } => Refused {
            reason: "SMTAlignmentError",
            message: why.to_string(),
        },
        CpuError::Take(why) => Refused::unexpected(why),
    }
}
