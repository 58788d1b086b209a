//! Probes of servers that speak TLS, and of the health service of gRPC.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::server::{NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::*;
use crate::probe::grpc::{HealthCheckRequest, HealthCheckResponse};

/// What comes of a probe that has all the time there is.
async fn outcome(action: ProbeAction, port: u16) -> ProbeOutcome {
    outcome_within(Duration::from_secs(60), action, port).await
}

/// A server with a certificate that nobody knows, which gives every request this answer.
async fn with_tls(answer: String) -> u16 {
    let made = rcgen::generate_simple_self_signed(vec!["elsewhere.test".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut bytes = vec![0; 4096];
            let _ = stream.read(&mut bytes).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            // A client that has what it wanted may be gone.
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn a_page_over_tls_is_judged_by_what_it_says_and_not_by_its_certificate() {
    let rows = [
        ("200 OK", ProbeOutcome::Success),
        ("503 Oops", failed("HTTP probe failed with statuscode: 503")),
    ];
    for (status, expected) in rows {
        let port = with_tls(answer(status, "connection: close\r\n", "")).await;
        let secure = HttpGet {
            scheme: Scheme::Https,
            ..get()
        };
        let probed = outcome(ProbeAction::HttpGet(secure), port).await;
        assert_eq!(probed, expected, "{status}");
    }
}

/// The health service: what it says of each service it knows.
#[derive(Clone)]
struct Health(Arc<BTreeMap<&'static str, i32>>);

impl NamedService for Health {
    const NAME: &'static str = "grpc.health.v1.Health";
}

impl UnaryService<HealthCheckRequest> for Health {
    type Response = HealthCheckResponse;
    type Future = BoxFuture<'static, Result<Response<HealthCheckResponse>, Status>>;

    fn call(&mut self, request: Request<HealthCheckRequest>) -> Self::Future {
        let asked = request.into_inner().service;
        let status = self.0.get(asked.as_str()).copied();
        let answer = status
            .map(|status| Response::new(HealthCheckResponse { status }))
            .ok_or_else(|| Status::not_found("unknown service"));
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
        let health = self.clone();
        async move {
            let codec: ProstCodec<HealthCheckResponse, HealthCheckRequest> = ProstCodec::default();
            let mut grpc = tonic::server::Grpc::new(codec);
            Ok(grpc.unary(health, request).await)
        }
        .boxed()
    }
}

async fn health(known: &[(&'static str, i32)]) -> u16 {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = Health(Arc::new(known.iter().copied().collect()));
    let served = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(served.serve_with_incoming(TcpListenerStream::new(listener)));
    port
}

#[tokio::test]
async fn a_service_of_grpc_is_good_while_it_serves() {
    let port = health(&[("", 1), ("web", 1), ("sick", 2), ("new", 0)]).await;
    let rows = [
        ("", ProbeOutcome::Success),
        ("web", ProbeOutcome::Success),
        (
            "sick",
            failed("service unhealthy (responded with \"NOT_SERVING\")"),
        ),
        (
            "new",
            failed("service unhealthy (responded with \"UNKNOWN\")"),
        ),
        (
            "gone",
            failed(
                "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service",
            ),
        ),
    ];
    for (service, expected) in rows {
        let action = ProbeAction::Grpc {
            port,
            service: service.to_owned(),
        };
        assert_eq!(outcome(action, port).await, expected, "{service}");
    }
}
