//! A server of the health service of gRPC (`grpc.health.v1.Health`), for images under test.

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// What is asked.
#[derive(Clone, PartialEq, prost::Message)]
struct Question {
    #[prost(string, tag = "1")]
    service: String,
}

/// What is answered.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Answer {
    #[prost(int32, tag = "1")]
    status: i32,
}

const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;

/// The service of a server as a whole: well until a moment, and not from then on.
#[derive(Clone, Copy)]
struct Health {
    until: Option<Instant>,
}

impl NamedService for Health {
    const NAME: &'static str = "grpc.health.v1.Health";
}

impl UnaryService<Question> for Health {
    type Response = Answer;
    type Future = BoxFuture<'static, Result<Response<Answer>, Status>>;

    fn call(&mut self, request: Request<Question>) -> Self::Future {
        let is_over = self.until.is_some_and(|until| Instant::now() >= until);
        let status = if is_over { NOT_SERVING } else { SERVING };
        let answer = match request.into_inner().service.as_str() {
            "" => Ok(Response::new(Answer { status })),
            _ => Err(Status::not_found("unknown service")),
        };
        std::future::ready(answer).boxed()
    }
}

impl tower::Service<http::Request<Body>> for Health {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let health = *self;
        async move {
            let codec: ProstCodec<Answer, Question> = ProstCodec::default();
            Ok(Grpc::new(codec).unary(health, request).await)
        }
        .boxed()
    }
}

/// Answers on every address of this port: that all is well, for so long if that is given.
pub async fn serve(port: u16, well_for: Option<Duration>) -> std::io::Result<()> {
    let until = well_for.map(|time| Instant::now() + time);
    let server = Server::builder().add_service(Health { until });
    let served = server.serve(([0, 0, 0, 0], port).into()).await;
    served.map_err(std::io::Error::other)
}
