//! How the runtime does and what happens in it, over CRI.

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use podling_proto::runtime::v1;

use super::{Client, refused};
use crate::cri::convert::{condition_from_wire, event_from_wire, features_from_wire};
use crate::cri::{
    Call, Events, Health, RuntimeCondition, RuntimeError, RuntimeEvent, RuntimeFeatures,
    RuntimeVersion,
};
use crate::model::CgroupDriver;

impl Events for Client {
    fn events(&self) -> Call<'_, BoxStream<'static, Result<RuntimeEvent, RuntimeError>>> {
        const CALL: &str = "GetContainerEvents";
        let mut runtime = self.runtime.clone();
        async move {
            // Headers may come only with the first event, so the answer has no deadline.
            let answer = runtime.get_container_events(v1::GetEventsRequest {}).await;
            let stream = answer
                .map_err(|status| refused(CALL, &status))?
                .into_inner();
            let events = stream.map(|event| {
                event
                    .map(event_from_wire)
                    .map_err(|status| refused(CALL, &status))
            });
            Ok(events.boxed())
        }
        .boxed()
    }
}

impl Health for Client {
    fn version(&self) -> Call<'_, RuntimeVersion> {
        let mut runtime = self.runtime.clone();
        async move {
            let answer = runtime.version(v1::VersionRequest {
                version: "v1".to_owned(),
            });
            let version = self
                .within("Version", self.deadlines.request, answer)
                .await?;
            Ok(RuntimeVersion {
                name: version.runtime_name,
                version: version.runtime_version,
            })
        }
        .boxed()
    }

    fn conditions(&self) -> Call<'_, Vec<RuntimeCondition>> {
        let mut runtime = self.runtime.clone();
        async move {
            let answer = runtime.status(v1::StatusRequest { verbose: false });
            let status = self
                .within("Status", self.deadlines.request, answer)
                .await?;
            let conditions = status
                .status
                .map_or_else(Vec::new, |status| status.conditions);
            Ok(conditions.into_iter().map(condition_from_wire).collect())
        }
        .boxed()
    }

    fn cgroup_driver(&self) -> Call<'_, Option<CgroupDriver>> {
        let mut runtime = self.runtime.clone();
        async move {
            let answer = runtime.runtime_config(v1::RuntimeConfigRequest {});
            let config = self.within("RuntimeConfig", self.deadlines.request, answer);
            let linux = match config.await {
                Ok(config) => config.linux,
                Err(error) if error.is_unimplemented() => return Ok(None),
                Err(error) => return Err(error),
            };
            Ok(linux.map(|linux| match linux.cgroup_driver() {
                v1::CgroupDriver::Systemd => CgroupDriver::Systemd,
                v1::CgroupDriver::Cgroupfs => CgroupDriver::Cgroupfs,
            }))
        }
        .boxed()
    }

    fn features(&self) -> Call<'_, RuntimeFeatures> {
        let mut runtime = self.runtime.clone();
        async move {
            let answer = runtime.status(v1::StatusRequest { verbose: false });
            let status = self
                .within("Status", self.deadlines.request, answer)
                .await?;
            Ok(features_from_wire(status))
        }
        .boxed()
    }

    fn set_pod_cidr<'a>(&'a self, cidr: &'a str) -> Call<'a, ()> {
        let mut runtime = self.runtime.clone();
        async move {
            let network_config = Some(v1::NetworkConfig {
                pod_cidr: cidr.to_owned(),
            });
            let runtime_config = Some(v1::RuntimeConfig { network_config });
            let request = v1::UpdateRuntimeConfigRequest { runtime_config };
            let answer = runtime.update_runtime_config(request);
            let answer = self.within("UpdateRuntimeConfig", self.deadlines.request, answer);
            answer.await.map(drop)
        }
        .boxed()
    }
}
