//! What surrounds every call of the socket: an id that stands in each line of the log that the call
//! causes, and the measuring of its time.
//!
//! ```text
//! request ─► span call{method, request} ─► the service ─► answer's body ─► its end: code, time
//! ```
//!
//! The id is the trace's when the client sends a W3C `traceparent`, and a random one otherwise.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::http::{Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument, Span};

use crate::metrics::Metrics;
use crate::sys::random;

/// Wraps a service.
#[derive(Clone, Debug)]
pub(super) struct Calls(pub(super) Metrics);

/// The wrapped service.
#[derive(Clone, Debug)]
pub(super) struct Called<S> {
    inner: S,
    metrics: Metrics,
}

impl<S> Layer<S> for Calls {
    type Service = Called<S>;

    fn layer(&self, inner: S) -> Called<S> {
        Called {
            inner,
            metrics: self.0.clone(),
        }
    }
}

impl<S> Service<Request<Body>> for Called<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (service, method) = names(request.uri().path());
        let id = trace_id(request.headers()).unwrap_or_else(random_id);
        let span = tracing::info_span!("call", method, request = %id);
        let mut call = Call {
            metrics: self.metrics.clone(),
            service: service.to_owned(),
            method: method.to_owned(),
            begun: Instant::now(),
            // Who leaves before the end says nothing.
            code: Code::Cancelled,
            span: span.clone(),
        };
        let answering = span.in_scope(|| self.inner.call(request));
        let answered = async move {
            let response = answering.await?;
            if let Some(status) = Status::from_header_map(response.headers()) {
                call.code = status.code();
            }
            Ok(response.map(|body| Body::new(Answer { body, call })))
        };
        answered.instrument(span).boxed()
    }
}

/// A call until its end, which is when it is dropped.
struct Call {
    metrics: Metrics,
    service: String,
    method: String,
    begun: Instant,
    code: Code,
    span: Span,
}

impl Drop for Call {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        let code = code_name(self.code);
        let (service, method) = match self.code {
            // Any text can stand in the path of a request: names that nobody serves are not kept.
            Code::Unimplemented => ("unknown", "unknown"),
            _ => (self.service.as_str(), self.method.as_str()),
        };
        self.metrics.rpc(service, method, code, took);
        self.span
            .in_scope(|| tracing::debug!(code, ?took, "answered"));
    }
}

/// The body of an answer, whose trailers say how the call ended.
struct Answer {
    body: Body,
    call: Call,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let span = self.call.span.clone();
        let polled = span.in_scope(|| Pin::new(&mut self.body).poll_frame(context));
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(status) = frame.trailers_ref().and_then(Status::from_header_map)
        {
            self.call.code = status.code();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Service and method of `/runtime.v1.RuntimeService/Version`.
fn names(path: &str) -> (&str, &str) {
    let (service, method) = path
        .strip_prefix('/')
        .and_then(|path| path.split_once('/'))
        .unwrap_or(("unknown", "unknown"));
    let service = service.rsplit('.').next().unwrap_or(service);
    (service, method)
}

/// The trace that a client's `traceparent` names: `00-TRACE-PARENT-FLAGS` in hexadecimal.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_well_formed = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && is_hex(parent, 16)
        && is_hex(flags, 2)
        && (version != "00" || parts.next().is_none());
    let is_set = |id: &str| id.bytes().any(|digit| digit != b'0');
    (is_well_formed && is_set(trace) && is_set(parent)).then(|| trace.to_owned())
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn random_id() -> String {
    let [high, low] = [0, 16].map(|at| {
        let bytes = random::bytes();
        u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
    });
    format!("{high:016x}{low:016x}")
}

/// As Prometheus and gRPC write codes everywhere.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace_of(text: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", text.parse().unwrap());
        trace_id(&headers)
    }

    #[test]
    fn a_traceparent_names_its_trace_or_nothing() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let parent = "00f067aa0ba902b7";
        let good = format!("00-{trace}-{parent}-01");
        assert_eq!(trace_of(&good).as_deref(), Some(trace));
        assert_eq!(
            trace_of(&format!("01-{trace}-{parent}-00-more")).as_deref(),
            Some(trace)
        );
        for bad in [
            String::new(),
            "x".to_owned(),
            format!("{good}-more"),
            format!("ff-{trace}-{parent}-01"),
            good.to_uppercase(),
            format!("00-{}-{parent}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{trace}-{parent}-1"),
        ] {
            assert_eq!(trace_of(&bad), None, "{bad}");
        }
        assert_eq!(trace_id(&HeaderMap::new()), None);
    }

    #[test]
    fn ids_are_as_long_as_those_of_traces_and_differ() {
        let (one, other) = (random_id(), random_id());
        assert!(is_hex(&one, 32), "{one}");
        assert_ne!(one, other);
    }

    #[test]
    fn a_path_names_service_and_method() {
        for (path, expected) in [
            (
                "/runtime.v1.RuntimeService/Version",
                ("RuntimeService", "Version"),
            ),
            ("/podling.v1.Node/PullImage", ("Node", "PullImage")),
            ("/", ("unknown", "unknown")),
        ] {
            assert_eq!(names(path), expected, "{path}");
        }
    }

    /// A service that answers with a code: in the headers for an error, in trailers for OK.
    async fn answer(request: Request<Body>) -> Result<Response<Body>, std::convert::Infallible> {
        if request.uri().path().ends_with("Missing") {
            return Ok(Status::not_found("no such pod").into_http());
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let frames = [
            Frame::data(Bytes::from_static(b"x")),
            Frame::trailers(trailers),
        ];
        let frames = futures::stream::iter(frames.map(Ok::<_, Status>));
        Ok(Response::new(Body::new(http_body_util::StreamBody::new(
            frames,
        ))))
    }

    #[tokio::test]
    async fn a_call_is_counted_once_when_it_has_ended_or_its_client_has_left() {
        use http_body_util::BodyExt;
        let metrics = Metrics::default();
        let mut service = Calls(metrics.clone()).layer(tower::service_fn(answer));
        for (path, is_read) in [("A/Whole", true), ("A/Left", false), ("A/Missing", true)] {
            let request = Request::builder().uri(format!("http://x/{path}"));
            let request = request.body(Body::empty()).unwrap();
            let response = service.call(request).await.unwrap();
            if is_read {
                response.into_body().collect().await.unwrap();
            }
        }
        let text = metrics.text(&crate::metrics::Census::default());
        for (method, code) in [
            ("Whole", "OK"),
            ("Left", "Canceled"),
            ("Missing", "NotFound"),
        ] {
            let line = format!(
                "rpc_duration_seconds_count{{service=\"A\",method=\"{method}\",code=\"{code}\"}} 1"
            );
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }
}
