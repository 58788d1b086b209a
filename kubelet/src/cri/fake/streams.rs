//! How the runtime in memory answers who wants streams: with the one URL that a test has set, and with
//! what happens as it happens.

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use tokio_stream::wrappers::BroadcastStream;

use super::FakeRuntime;
use super::world::refused;
use crate::cri::{Call, Events, Refusal, RuntimeError, RuntimeEvent, StreamSet, Streams};
use crate::model::{ContainerId, SandboxId};

impl FakeRuntime {
    /// Where streams are waited for.
    pub(crate) fn stream_at(&self, url: &str) {
        self.world().streams = Some(url.to_owned());
    }

    fn url(&self, call: &'static str, path: String) -> Result<String, RuntimeError> {
        let mut world = self.world();
        world.enter(call)?;
        let url = world.streams.as_ref();
        url.map(|url| format!("{url}/{path}"))
            .ok_or_else(|| refused(call, "no streams".to_owned()))
    }
}

impl Streams for FakeRuntime {
    fn exec_url(
        &self,
        id: ContainerId,
        command: Vec<String>,
        streams: StreamSet,
    ) -> Call<'_, String> {
        let words = command.join("-");
        async move { self.url("Exec", format!("exec/{id}/{words}?{}", letters(streams))) }.boxed()
    }

    fn attach_url(&self, id: ContainerId, streams: StreamSet) -> Call<'_, String> {
        async move { self.url("Attach", format!("attach/{id}?{}", letters(streams))) }.boxed()
    }

    fn port_forward_url(&self, id: SandboxId, ports: Vec<i32>) -> Call<'_, String> {
        async move {
            if ports.contains(&1) {
                return Err(RuntimeError::Refused {
                    call: "PortForward",
                    refusal: Refusal::NotFound,
                    message: "the sandbox is gone".to_owned(),
                });
            }
            self.url(
                "PortForward",
                format!("portforward/{id}?{ports:?}").replace(' ', ""),
            )
        }
        .boxed()
    }
}

fn letters(streams: StreamSet) -> String {
    let all = [
        (streams.stdin, 'i'),
        (streams.stdout, 'o'),
        (streams.stderr, 'e'),
        (streams.tty, 't'),
    ];
    all.iter()
        .filter(|(wanted, _)| *wanted)
        .map(|(_, letter)| letter)
        .collect()
}

impl Events for FakeRuntime {
    fn events(&self) -> Call<'_, BoxStream<'static, Result<RuntimeEvent, RuntimeError>>> {
        const CALL: &str = "GetContainerEvents";
        async move {
            self.world().enter(CALL)?;
            let Some(events) = &self.events else {
                let message = "unknown method".to_owned();
                return Err(RuntimeError::Refused {
                    call: CALL,
                    refusal: Refusal::Unimplemented,
                    message,
                });
            };
            let stream = BroadcastStream::new(events.subscribe());
            let events =
                stream.map(|event| event.map_err(|lagged| refused(CALL, lagged.to_string())));
            Ok(events.boxed())
        }
        .boxed()
    }
}
