//! A call ends when its client does not want to wait longer, as `DeadlineExceeded`, as with gRPC's own
//! servers.
//!
//! The library ends it then too, but says that it was canceled, as if the client had left: it is
//! forestalled.

use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::HeaderMap;
use hyper::http::{Request, Response};
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// How much earlier than its client wants a call ends.
const EARLIER: Duration = Duration::from_millis(5);

/// Wraps a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines;

/// The wrapped service.
#[derive(Clone, Debug)]
pub(super) struct Bounded<S>(S);

impl<S> Layer<S> for Deadlines {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        Bounded(inner)
    }
}

impl<S> Service<Request<Body>> for Bounded<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let wanted = wanted(request.headers());
        let answering = self.0.call(request);
        let Some(wanted) = wanted else {
            return answering.boxed();
        };
        let answered = async move {
            let ended = timeout(wanted.saturating_sub(EARLIER), answering).await;
            ended.unwrap_or_else(|_| {
                Ok(Status::deadline_exceeded("context deadline exceeded").into_http())
            })
        };
        answered.boxed()
    }
}

/// How long the client waits: up to eight digits and a unit.
fn wanted(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_number = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tonic::Code;

    use super::*;

    fn headers(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", text.parse().unwrap());
        headers
    }

    #[test]
    fn a_time_has_up_to_eight_digits_and_a_unit() {
        for (text, expected) in [
            ("2H", Duration::from_secs(7200)),
            ("3M", Duration::from_secs(180)),
            ("00000004S", Duration::from_secs(4)),
            ("5m", Duration::from_millis(5)),
            ("6u", Duration::from_micros(6)),
            ("7n", Duration::from_nanos(7)),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
        ] {
            assert_eq!(wanted(&headers(text)), Some(expected), "{text}");
        }
        for bad in ["", "S", "5", "5s", "-5S", "+5S", "123456789S", "5 S"] {
            assert_eq!(wanted(&headers(bad)), None, "{bad}");
        }
        assert_eq!(wanted(&HeaderMap::new()), None);
    }

    /// Answers after a second.
    async fn answer(_: Request<Body>) -> Result<Response<Body>, Infallible> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(Status::ok("").into_http())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_takes_longer_than_its_client_waits_has_exceeded_its_deadline() {
        for (limit, expected) in [
            ("1m", Code::DeadlineExceeded),
            ("900m", Code::DeadlineExceeded),
            ("2S", Code::Ok),
        ] {
            let mut request = Request::new(Body::empty());
            *request.headers_mut() = headers(limit);
            let mut service = Deadlines.layer(tower::service_fn(answer));
            let response = service.call(request).await.unwrap();
            let status = Status::from_header_map(response.headers()).unwrap();
            assert_eq!(status.code(), expected, "{limit}");
        }
    }
}
