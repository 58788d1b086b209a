//! The kubelet's own socket, where plugins register.

use podling_proto::deviceplugin as v1beta1;
use podling_proto::deviceplugin::registration_server::{Registration, RegistrationServer};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::{Introduction, Knock, Way};

struct Door(mpsc::Sender<Knock>);

#[tonic::async_trait]
impl Registration for Door {
    async fn register(
        &self,
        request: Request<v1beta1::RegisterRequest>,
    ) -> Result<Response<v1beta1::Empty>, Status> {
        let request = request.into_inner();
        let introduction = Introduction {
            way: Way::Registers,
            resource: request.resource_name,
            endpoint: request.endpoint,
            versions: vec![request.version],
        };
        let (answer, answered) = oneshot::channel();
        let ends = || Status::unavailable("the kubelet ends");
        let sent = self.0.send((introduction, answer)).await;
        sent.map_err(|_| ends())?;
        match answered.await.map_err(|_| ends())? {
            Ok(()) => Ok(Response::new(v1beta1::Empty {})),
            Err(why) => Err(Status::unknown(why)),
        }
    }
}

/// Serves until `stop`.
pub(in crate::device) async fn serve(
    listener: UnixListener,
    knocks: mpsc::Sender<Knock>,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    Server::builder()
        .add_service(RegistrationServer::new(Door(knocks)))
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop.cancelled_owned())
        .await
}
