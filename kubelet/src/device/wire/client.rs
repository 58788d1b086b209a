//! Plugins as the kubelet asks them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use podling_proto::Message;
use podling_proto::deviceplugin as v1beta1;
use podling_proto::deviceplugin::device_plugin_client::DevicePluginClient;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use super::super::books::{Device, Options};
use crate::cri::unix_channel;

/// How long a plugin may take for an answer before a container is started.
const PRE_START: Duration = Duration::from_secs(30);
/// How long it may take to make devices ready, or to say which go well together.
const ALLOCATE: Duration = Duration::from_secs(120);
/// How long it may take to say what it is.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a plugin that registers may take until it listens.
const REACH: Duration = Duration::from_secs(10);
/// How often it is tried.
const TRY: Duration = Duration::from_millis(50);

/// A plugin that is connected.
#[derive(Clone)]
pub(in crate::device) struct Plugin {
    client: DevicePluginClient<Channel>,
    options: Options,
}

/// The devices of a plugin, told whenever they change.
pub(in crate::device) struct Listing(Streaming<v1beta1::ListAndWatchResponse>);

impl Listing {
    /// All devices, when any has changed; `None` when the plugin is gone.
    pub(in crate::device) async fn next(&mut self) -> Option<BTreeMap<String, Device>> {
        let response = self.0.message().await.ok().flatten()?;
        Some(super::devices(response))
    }
}

impl Plugin {
    /// Connects, and asks what the plugin wants to be asked.
    pub(in crate::device) async fn connect(socket: PathBuf) -> Result<Self, Status> {
        let client = DevicePluginClient::new(unix_channel(socket));
        let asked = reach(REACH, || {
            let mut client = client.clone();
            async move { in_time(ANSWER, client.get_device_plugin_options(v1beta1::Empty {})).await }
        });
        let options = match asked.await {
            Ok(answer) => super::options(&answer),
            Err(status) if status.code() == Code::Unimplemented => Options::default(),
            Err(status) => return Err(status),
        };
        Ok(Self { client, options })
    }

    /// What it wants to be asked.
    pub(in crate::device) fn options(&self) -> Options {
        self.options
    }

    /// Its devices.
    pub(in crate::device) async fn list(&mut self) -> Result<Listing, Status> {
        let answer = self.client.list_and_watch(v1beta1::Empty {}).await?;
        Ok(Listing(answer.into_inner()))
    }

    /// Which devices go well together.
    pub(in crate::device) async fn preferred(
        &mut self,
        available: Vec<String>,
        first: Vec<String>,
        count: usize,
    ) -> Result<Vec<String>, Status> {
        let wish = v1beta1::ContainerPreferredAllocationRequest {
            available_device_i_ds: available,
            must_include_device_i_ds: first,
            allocation_size: i32::try_from(count).unwrap_or(i32::MAX),
        };
        let request = v1beta1::PreferredAllocationRequest {
            container_requests: vec![wish],
        };
        let answer = in_time(ALLOCATE, self.client.get_preferred_allocation(request)).await?;
        let first = answer.container_responses.into_iter().next();
        Ok(first.map(|one| one.device_i_ds).unwrap_or_default())
    }

    /// Makes devices ready for a container; the answer as it is kept.
    pub(in crate::device) async fn allocate(
        &mut self,
        ids: Vec<String>,
    ) -> Result<Vec<u8>, Status> {
        let request = v1beta1::AllocateRequest {
            container_requests: vec![v1beta1::ContainerAllocateRequest { devices_ids: ids }],
        };
        let answer = in_time(ALLOCATE, self.client.allocate(request)).await?;
        let first = answer.container_responses.into_iter().next();
        let first =
            first.ok_or_else(|| Status::internal("no containers return in allocation response"))?;
        Ok(first.encode_to_vec())
    }

    /// A container with these devices starts now.
    pub(in crate::device) async fn pre_start(&mut self, ids: Vec<String>) -> Result<(), Status> {
        let request = v1beta1::PreStartContainerRequest { devices_ids: ids };
        in_time(PRE_START, self.client.pre_start_container(request)).await?;
        Ok(())
    }
}

/// Asks until somebody listens, or it takes too long.
async fn reach<T, F>(most: Duration, ask: impl Fn() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let until = Instant::now() + most;
    loop {
        match ask().await {
            Err(status) if status.code() == Code::Unavailable && Instant::now() < until => {
                sleep(TRY).await;
            }
            answer => return answer,
        }
    }
}

async fn in_time<T>(
    most: Duration,
    answer: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Status> {
    match timeout(most, answer).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(Status::deadline_exceeded("the plugin does not answer")),
    }
}
