//! How the runtime in memory says that it does.

use futures::FutureExt;

use super::FakeRuntime;
use crate::cri::{Call, Health, RuntimeCondition, RuntimeFeatures, RuntimeVersion};
use crate::model::CgroupDriver;

impl Health for FakeRuntime {
    fn version(&self) -> Call<'_, RuntimeVersion> {
        async move {
            self.world().enter("Version")?;
            Ok(RuntimeVersion {
                name: "fake".to_owned(),
                version: "1".to_owned(),
            })
        }
        .boxed()
    }

    fn conditions(&self) -> Call<'_, Vec<RuntimeCondition>> {
        async move {
            let mut world = self.world();
            world.enter("Status")?;
            let (runtime, network) = (&world.runtime_problem, &world.network_problem);
            let condition = |name: &str, reason: &str, problem: &Option<String>| RuntimeCondition {
                name: name.to_owned(),
                holds: problem.is_none(),
                reason: problem.iter().map(|_| reason).collect(),
                message: problem.clone().unwrap_or_default(),
            };
            Ok(vec![
                condition("RuntimeReady", "NotReady", runtime),
                condition("NetworkReady", "NetworkPluginNotReady", network),
            ])
        }
        .boxed()
    }

    fn cgroup_driver(&self) -> Call<'_, Option<CgroupDriver>> {
        async move {
            let mut world = self.world();
            world.enter("RuntimeConfig")?;
            Ok(world.cgroup_driver)
        }
        .boxed()
    }

    fn features(&self) -> Call<'_, RuntimeFeatures> {
        async move {
            let mut world = self.world();
            world.enter("Status")?;
            Ok(world.features.clone())
        }
        .boxed()
    }

    fn set_pod_cidr<'a>(&'a self, _: &'a str) -> Call<'a, ()> {
        async move { self.world().enter("UpdateRuntimeConfig") }.boxed()
    }
}
