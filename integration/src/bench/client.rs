//! A CRI client of one endpoint: each call with its time.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use podling_proto::runtime::v1::runtime_service_client::RuntimeServiceClient;
use podling_proto::runtime::v1::{
    ContainerEventResponse, ContainerStatusRequest, CreateContainerRequest, ExecSyncRequest,
    GetEventsRequest, ListPodSandboxRequest, PodSandboxFilter, RemoveContainerRequest,
    RemovePodSandboxRequest, RunPodSandboxRequest, StartContainerRequest, StopContainerRequest,
    StopPodSandboxRequest,
};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Status, Streaming};
use tower::service_fn;

use super::pod::{LABEL, PodSpec, is_ready};
use super::step::{Cycle, Step};

/// Long enough that a slow runtime is measured, short enough that a hanging one is noticed.
const DEADLINE: Duration = Duration::from_secs(60);
/// Seconds that a container gets to obey SIGTERM.
const GRACE: i64 = 10;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("cannot connect to {socket}")]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The daemon behind the socket cannot be told.
    #[error("cannot find out who listens on {socket}")]
    Peer {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The runtime answered with an error.
    #[error("{step} failed")]
    Call {
        /// Which RPC.
        step: &'static str,
        /// Why.
        source: Box<Status>,
    },
    /// The exec'd program did not end well.
    #[error("{command:?} exited with {code} in the container: {output}")]
    Exec {
        /// What was run.
        command: Vec<String>,
        /// Its exit code.
        code: i32,
        /// What it wrote to stderr.
        output: String,
    },
    /// The container never became ready to be stopped.
    #[error("the container did not get ready in {DEADLINE:?}")]
    NotReady,
}

/// A sandbox and its container.
#[derive(Clone, Debug)]
pub struct RunningPod {
    /// Id of the sandbox.
    pub sandbox: String,
    /// Id of the container.
    pub container: String,
}

/// A connection to one runtime.
#[derive(Clone)]
pub struct Client {
    runtime: RuntimeServiceClient<Channel>,
}

impl Client {
    /// Connects to a socket.
    pub async fn connect(socket: &Path) -> Result<Self, ClientError> {
        let path = socket.to_owned();
        let connector = service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let channel = Endpoint::from_static("http://localhost")
            .timeout(DEADLINE)
            .connect_with_connector(connector)
            .await
            .map_err(|source| ClientError::Connect {
                socket: socket.to_owned(),
                source,
            })?;
        Ok(Self {
            runtime: RuntimeServiceClient::new(channel),
        })
    }

    /// What happens to containers from now on.
    pub async fn events(&self) -> Result<Streaming<ContainerEventResponse>, ClientError> {
        let mut runtime = self.runtime.clone();
        let request = tonic::Request::new(GetEventsRequest {});
        call("GetContainerEvents", runtime.get_container_events(request)).await
    }

    /// Runs, creates, starts; what it made stays, and is found by its label if it fails.
    pub async fn start(&self, spec: &PodSpec) -> Result<(RunningPod, Cycle), ClientError> {
        let mut cycle = Cycle::default();
        let mut runtime = self.runtime.clone();
        let request = RunPodSandboxRequest {
            config: Some(spec.sandbox()),
            ..Default::default()
        };
        let answer = timed(
            &mut cycle,
            Step::RunPodSandbox,
            runtime.run_pod_sandbox(request),
        );
        let sandbox = answer.await?.pod_sandbox_id;
        let request = CreateContainerRequest {
            pod_sandbox_id: sandbox.clone(),
            config: Some(spec.container()),
            sandbox_config: Some(spec.sandbox()),
        };
        let answer = timed(
            &mut cycle,
            Step::CreateContainer,
            runtime.create_container(request),
        );
        let container = answer.await?.container_id;
        let request = StartContainerRequest {
            container_id: container.clone(),
        };
        timed(
            &mut cycle,
            Step::StartContainer,
            runtime.start_container(request),
        )
        .await?;
        Ok((RunningPod { sandbox, container }, cycle))
    }

    /// One whole life of a pod.
    pub async fn cycle(&self, spec: &PodSpec) -> Result<Cycle, ClientError> {
        let (pod, mut cycle) = self.start(spec).await?;
        self.wait_ready(&pod).await?;
        let started = Instant::now();
        self.exec(&pod, vec![spec.exec.clone()]).await?;
        cycle.record(Step::ExecSync, started.elapsed());
        let request = ContainerStatusRequest {
            container_id: pod.container.clone(),
            verbose: false,
        };
        let mut runtime = self.runtime.clone();
        timed(
            &mut cycle,
            Step::ContainerStatus,
            runtime.container_status(request),
        )
        .await?;
        self.remove(&pod, &mut cycle).await?;
        Ok(cycle)
    }

    /// Stops and removes container and sandbox.
    pub async fn remove(&self, pod: &RunningPod, cycle: &mut Cycle) -> Result<(), ClientError> {
        let mut runtime = self.runtime.clone();
        let container_id = pod.container.clone();
        let request = StopContainerRequest {
            container_id: container_id.clone(),
            timeout: GRACE,
        };
        timed(cycle, Step::StopContainer, runtime.stop_container(request)).await?;
        let request = RemoveContainerRequest { container_id };
        timed(
            cycle,
            Step::RemoveContainer,
            runtime.remove_container(request),
        )
        .await?;
        let pod_sandbox_id = pod.sandbox.clone();
        let request = StopPodSandboxRequest {
            pod_sandbox_id: pod_sandbox_id.clone(),
        };
        timed(
            cycle,
            Step::StopPodSandbox,
            runtime.stop_pod_sandbox(request),
        )
        .await?;
        let request = RemovePodSandboxRequest { pod_sandbox_id };
        timed(
            cycle,
            Step::RemovePodSandbox,
            runtime.remove_pod_sandbox(request),
        )
        .await?;
        Ok(())
    }

    /// Removes every sandbox that carries this run's label, with whatever is in it.
    pub async fn remove_all(&self, run: &str) -> Result<(), ClientError> {
        let mut runtime = self.runtime.clone();
        let request = ListPodSandboxRequest {
            filter: Some(PodSandboxFilter {
                label_selector: BTreeMap::from([(LABEL.to_owned(), run.to_owned())]),
                ..Default::default()
            }),
        };
        let listed = call("ListPodSandbox", runtime.list_pod_sandbox(request)).await?;
        for sandbox in listed.items {
            let request = StopPodSandboxRequest {
                pod_sandbox_id: sandbox.id.clone(),
            };
            call("StopPodSandbox", runtime.stop_pod_sandbox(request)).await?;
            let request = RemovePodSandboxRequest {
                pod_sandbox_id: sandbox.id,
            };
            call("RemovePodSandbox", runtime.remove_pod_sandbox(request)).await?;
        }
        Ok(())
    }

    /// A container that is stopped before it handles SIGTERM would be measured by its grace period.
    pub async fn wait_ready(&self, pod: &RunningPod) -> Result<(), ClientError> {
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            match self.exec(pod, is_ready()).await {
                Err(ClientError::Exec { .. }) => {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                other => return other,
            }
        }
        Err(ClientError::NotReady)
    }

    /// Runs a command in the container, which must end well.
    pub async fn exec(&self, pod: &RunningPod, command: Vec<String>) -> Result<(), ClientError> {
        let mut runtime = self.runtime.clone();
        let request = ExecSyncRequest {
            container_id: pod.container.clone(),
            cmd: command.clone(),
            timeout: GRACE,
        };
        let answer = call("ExecSync", runtime.exec_sync(request)).await?;
        match answer.exit_code {
            0 => Ok(()),
            code => Err(ClientError::Exec {
                command,
                code,
                output: String::from_utf8_lossy(&answer.stderr).into_owned(),
            }),
        }
    }
}

/// The process that listens on a socket.
pub fn daemon_of(socket: &Path) -> Result<i32, ClientError> {
    let peer = || -> io::Result<i32> {
        let stream = BlockingStream::connect(socket)?;
        let peer = rustix::net::sockopt::socket_peercred(&stream)?;
        Ok(peer.pid.as_raw_pid())
    };
    peer().map_err(|source| ClientError::Peer {
        socket: socket.to_owned(),
        source,
    })
}

async fn timed<T>(
    cycle: &mut Cycle,
    step: Step,
    answer: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, ClientError> {
    let started = Instant::now();
    let answer = call(step.name(), answer).await?;
    cycle.record(step, started.elapsed());
    Ok(answer)
}

async fn call<T>(
    step: &'static str,
    answer: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, ClientError> {
    match answer.await {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) => Err(ClientError::Call {
            step,
            source: Box::new(status),
        }),
    }
}
