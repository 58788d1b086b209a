//! Streams, over CRI.

use futures::FutureExt;
use podling_proto::runtime::v1;

use super::Client;
use crate::cri::{Call, StreamSet, Streams};
use crate::model::{ContainerId, SandboxId};

impl Streams for Client {
    fn exec_url(
        &self,
        id: ContainerId,
        command: Vec<String>,
        streams: StreamSet,
    ) -> Call<'_, String> {
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::ExecRequest {
                container_id: id.to_string(),
                cmd: command,
                tty: streams.tty,
                stdin: streams.stdin,
                stdout: streams.stdout,
                stderr: streams.stderr,
            };
            let answer = runtime.exec(request);
            let answer = self.within("Exec", self.deadlines.request, answer).await?;
            Ok(answer.url)
        }
        .boxed()
    }

    fn attach_url(&self, id: ContainerId, streams: StreamSet) -> Call<'_, String> {
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::AttachRequest {
                container_id: id.to_string(),
                stdin: streams.stdin,
                tty: streams.tty,
                stdout: streams.stdout,
                stderr: streams.stderr,
            };
            let answer = runtime.attach(request);
            let answer = self
                .within("Attach", self.deadlines.request, answer)
                .await?;
            Ok(answer.url)
        }
        .boxed()
    }

    fn port_forward_url(&self, id: SandboxId, ports: Vec<i32>) -> Call<'_, String> {
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::PortForwardRequest {
                pod_sandbox_id: id.to_string(),
                port: ports,
            };
            let answer = runtime.port_forward(request);
            let answer = self.within("PortForward", self.deadlines.request, answer);
            Ok(answer.await?.url)
        }
        .boxed()
    }
}
