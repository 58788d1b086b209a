//! What is counted of requests to the API server, under client-go's names.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

type Labels<const N: usize> = [(&'static str, String); N];
type Times = Family<Labels<2>, Histogram, fn() -> Histogram>;

/// Counts requests to the API server; a clone counts into the same.
#[derive(Clone, Debug)]
pub struct RestMetrics {
    requests: Family<Labels<3>, Counter>,
    retries: Family<Labels<3>, Counter>,
    times: Times,
    waits: Times,
    request_sizes: Times,
    response_sizes: Times,
}

impl Default for RestMetrics {
    fn default() -> Self {
        let times: fn() -> Histogram = times;
        let sizes: fn() -> Histogram = sizes;
        Self {
            requests: Family::default(),
            retries: Family::default(),
            times: Family::new_with_constructor(times),
            waits: Family::new_with_constructor(times),
            request_sizes: Family::new_with_constructor(sizes),
            response_sizes: Family::new_with_constructor(sizes),
        }
    }
}

impl RestMetrics {
    /// A request was answered with this status, or not at all, after so long.
    pub(crate) fn asked(&self, (host, verb): (&str, &str), status: Option<u16>, took: Duration) {
        let code = status.map_or_else(|| "<error>".to_owned(), |code| code.to_string());
        let labels = [
            ("code", code),
            ("method", verb.to_owned()),
            ("host", host.to_owned()),
        ];
        self.requests.get_or_create(&labels).inc();
        let took = took.as_secs_f64();
        self.times.get_or_create(&of(host, verb)).observe(took);
    }

    /// A request had so many bytes.
    pub(crate) fn sent(&self, (host, verb): (&str, &str), bytes: usize) {
        let sizes = self.request_sizes.get_or_create(&of(host, verb));
        sizes.observe(in_bytes(bytes));
    }

    /// Its answer had so many.
    pub(crate) fn answered(&self, (host, verb): (&str, &str), bytes: usize) {
        let sizes = self.response_sizes.get_or_create(&of(host, verb));
        sizes.observe(in_bytes(bytes));
    }

    /// A request is made once more after this status.
    pub(crate) fn again(&self, (host, verb): (&str, &str), status: u16) {
        let labels = [
            ("code", status.to_string()),
            ("verb", verb.to_owned()),
            ("host", host.to_owned()),
        ];
        self.retries.get_or_create(&labels).inc();
    }

    /// A request has waited so long for its turn.
    pub(crate) fn waited(&self, (host, verb): (&str, &str), took: Duration) {
        let took = took.as_secs_f64();
        self.waits.get_or_create(&of(host, verb)).observe(took);
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "rest_client_requests",
            "Requests to the API server, by status, method and host",
            self.requests.clone(),
        );
        registry.register(
            "rest_client_request_retries",
            "Requests to the API server that were made once more",
            self.retries.clone(),
        );
        registry.register_with_unit(
            "rest_client_request_duration",
            "How long requests to the API server took",
            Unit::Seconds,
            self.times.clone(),
        );
        registry.register_with_unit(
            "rest_client_rate_limiter_duration",
            "How long requests to the API server waited for their turn",
            Unit::Seconds,
            self.waits.clone(),
        );
        for (name, help, sizes) in [
            (
                "rest_client_request_size",
                "Bytes of requests to the API server",
                &self.request_sizes,
            ),
            (
                "rest_client_response_size",
                "Bytes of its answers",
                &self.response_sizes,
            ),
        ] {
            registry.register_with_unit(name, help, Unit::Bytes, sizes.clone());
        }
    }
}

fn of(host: &str, verb: &str) -> Labels<2> {
    [("verb", verb.to_owned()), ("host", host.to_owned())]
}

fn in_bytes(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX))
}

fn sizes() -> Histogram {
    Histogram::new([
        64.0,
        256.0,
        512.0,
        1024.0,
        4096.0,
        16_384.0,
        65_536.0,
        262_144.0,
        1_048_576.0,
        4_194_304.0,
        16_777_216.0,
    ])
}

fn times() -> Histogram {
    Histogram::new([
        0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_to_the_api_server_have_client_gos_names() {
        let metrics = RestMetrics::default();
        let to = ("10.0.0.1:6443", "GET");
        metrics.asked(to, Some(200), Duration::from_secs(1));
        metrics.asked(to, None, Duration::from_secs(1));
        metrics.again(to, 429);
        metrics.waited(to, Duration::ZERO);
        metrics.sent(to, 0);
        metrics.answered(to, 500);
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let host = "host=\"10.0.0.1:6443\"";
        for line in [
            format!("rest_client_requests_total{{code=\"200\",method=\"GET\",{host}}} 1"),
            format!("rest_client_requests_total{{code=\"<error>\",method=\"GET\",{host}}} 1"),
            format!("rest_client_request_retries_total{{code=\"429\",verb=\"GET\",{host}}} 1"),
            format!("rest_client_request_duration_seconds_count{{verb=\"GET\",{host}}} 2"),
            format!("rest_client_request_size_bytes_sum{{verb=\"GET\",{host}}} 0.0"),
            format!("rest_client_response_size_bytes_sum{{verb=\"GET\",{host}}} 500.0"),
            format!("rest_client_rate_limiter_duration_seconds_count{{verb=\"GET\",{host}}} 1"),
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
    }
}
