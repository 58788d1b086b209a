//! Fetches pages, for probes and for hooks.

use std::net::IpAddr;
use std::sync::Once;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response, StatusCode};

use super::tcp::join;
use super::{AS_KUBERNETES, LONGEST_ANSWER, failure};
use crate::model::{ContainerPort, HttpGet, ProbeOutcome, Target};

/// More redirects than this are not followed.
const MOST_REDIRECTS: usize = 10;

/// Who fetches: part of the name under which a page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A probe.
    Probe,
    /// A hook.
    Lifecycle,
}

impl Caller {
    fn user_agent(self) -> String {
        let purpose = match self {
            Self::Probe => "probe",
            Self::Lifecycle => "lifecycle",
        };
        format!("kube-{purpose}/{AS_KUBERNETES}")
    }
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// It cannot even be asked for.
    #[error("{0}")]
    Unasked(String),
    /// It was asked for over TLS, and the server does not speak it.
    #[error("Get {address:?}: http: server gave HTTP response to HTTPS client")]
    NotEncrypted {
        /// Its address.
        address: String,
    },
    /// It was asked for and did not come.
    #[error("Get {address:?}: {cause}")]
    Unanswered {
        /// Its address.
        address: String,
        /// Why.
        cause: String,
    },
}

/// What came back.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

/// A client of its own for each request would make its TLS anew each time.
#[derive(Clone)]
pub(crate) struct Fetcher {
    client: Client,
}

impl Fetcher {
    /// A fetcher that keeps no connection, uses no proxy and believes every certificate.
    pub(crate) fn new() -> Self {
        static PROVIDER: Once = Once::new();
        // Somebody else in the process may have chosen the same one before.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let client = Client::builder()
            .no_proxy()
            .http1_only()
            .pool_max_idle_per_host(0)
            .tls_danger_accept_invalid_certs(true)
            .redirect(Policy::custom(follow))
            .build()
            .expect("a client that needs no certificates can always be made");
        Self { client }
    }

    /// Fetches a page; `None` as timeout waits as long as it takes.
    pub(crate) async fn fetch(
        &self,
        get: &HttpGet,
        place: &Place,
        caller: Caller,
        timeout: Option<Duration>,
    ) -> Result<Page, FetchError> {
        let mut request = self.client.get(&place.url).headers(headers(get, caller)?);
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        let unanswered = |error: reqwest::Error| {
            let address = place.url.clone();
            if failure::is_plain_answer(&error) {
                return FetchError::NotEncrypted { address };
            }
            let cause = failure::of_request(&place.address, &error);
            FetchError::Unanswered { address, cause }
        };
        let response = request.send().await.map_err(unanswered)?;
        let status = response.status();
        let body = beginning(response).await.map_err(unanswered)?;
        Ok(Page { status, body })
    }
}

/// A status from 200 to 399 is good; a redirect that was not followed deserves a look.
pub(super) async fn probe(
    fetcher: &Fetcher,
    get: &HttpGet,
    target: &Target<'_>,
    timeout: Duration,
) -> ProbeOutcome {
    let place = match Place::of(get, &target.container.ports, target.pod_ip) {
        Ok(place) => place,
        Err(error) => return ProbeOutcome::Error(error.to_string()),
    };
    match fetcher
        .fetch(get, &place, Caller::Probe, Some(timeout))
        .await
    {
        Ok(page) => judge(&page),
        Err(FetchError::Unasked(why)) => ProbeOutcome::Error(why),
        Err(error) => ProbeOutcome::Failure(error.to_string()),
    }
}

fn judge(page: &Page) -> ProbeOutcome {
    match page.status.as_u16() {
        200..300 => ProbeOutcome::Success,
        300..400 => ProbeOutcome::Warning(format!(
            "Probe terminated redirects, Response body: {}",
            page.body
        )),
        code => ProbeOutcome::Failure(format!("HTTP probe failed with statuscode: {code}")),
    }
}

/// Redirects are followed on the host that was asked, whatever the port.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let asked = attempt
        .previous()
        .first()
        .and_then(|first| first.host_str());
    if attempt.url().host_str() != asked {
        attempt.stop()
    } else if attempt.previous().len() >= MOST_REDIRECTS {
        attempt.error(format!("stopped after {MOST_REDIRECTS} redirects"))
    } else {
        attempt.follow()
    }
}

/// Where a page is.
pub(crate) struct Place {
    /// `host:port`.
    pub(crate) address: String,
    url: String,
}

impl Place {
    /// The place of a page of a container with these ports, in a pod with this address.
    pub(crate) fn of(
        get: &HttpGet,
        ports: &[ContainerPort],
        pod_ip: Option<IpAddr>,
    ) -> Result<Self, FetchError> {
        let unasked = |why: String| FetchError::Unasked(why);
        let port = get.port.resolve(ports);
        let port = port.map_err(|error| unasked(error.to_string()))?;
        let host = match (&get.host, pod_ip) {
            (Some(host), _) => host.clone(),
            (None, Some(ip)) => ip.to_string(),
            (None, None) => return Err(unasked("the pod has no address".to_owned())),
        };
        let address = join(&host, port);
        let slash = if get.path.starts_with('/') { "" } else { "/" };
        let url = format!("{}://{address}{slash}{}", get.scheme.as_str(), get.path);
        Ok(Self { address, url })
    }
}

fn headers(get: &HttpGet, caller: Caller) -> Result<HeaderMap, FetchError> {
    let invalid = |what: &str, name: &str| {
        FetchError::Unasked(format!(
            "net/http: invalid header field {what} for {name:?}"
        ))
    };
    let mut headers = HeaderMap::new();
    for header in &get.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| invalid("name", &header.name))?;
        let value =
            HeaderValue::from_str(&header.value).map_err(|_| invalid("value", &header.name))?;
        headers.append(name, value);
    }
    if !headers.contains_key(USER_AGENT) {
        let name = HeaderValue::try_from(caller.user_agent()).expect("plain ASCII");
        headers.insert(USER_AGENT, name);
    }
    headers
        .entry(ACCEPT)
        .or_insert(HeaderValue::from_static("*/*"));
    Ok(headers)
}

/// No more of a page than anybody reads.
async fn beginning(mut response: Response) -> Result<String, reqwest::Error> {
    let mut body = Vec::new();
    while body.len() < LONGEST_ANSWER {
        match response.chunk().await? {
            Some(chunk) => body.extend_from_slice(&chunk),
            None => break,
        }
    }
    body.truncate(LONGEST_ANSWER);
    Ok(String::from_utf8_lossy(&body).into_owned())
}
