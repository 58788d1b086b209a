//! HTTP: who asks, what for, and the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::address::{Address, kind, read};
use super::secure::{self, Peer, SecureListener};
use super::select::Selection;
use super::verbs::{Patching, Refusal};
use super::{ADMIN, BOOTSTRAP, NODE, Shared, VIEWER, discovery, pod_certificates, verbs, watch};

/// The largest body.
const MOST: usize = 4 << 20;

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let router = Router::new()
        .fallback(answer)
        .with_state(Arc::clone(&shared));
    // It ends with its threads.
    let _ = match &shared.authority {
        None => axum::serve(listener, router).await,
        Some(authority) => {
            let listener = SecureListener::new(listener, authority);
            let service = router.into_make_service_with_connect_info::<Peer>();
            axum::serve(listener, service).await
        }
    };
}

/// Who shows this token.
pub(super) fn user_of(token: &str) -> Option<(&'static str, &'static [&'static str])> {
    match token {
        ADMIN => Some(("admin", &["system:masters", "system:authenticated"])),
        NODE => Some((
            "system:node:node",
            &["system:nodes", "system:authenticated"],
        )),
        VIEWER => Some(("viewer", &["system:authenticated"])),
        _ => None,
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    match act(&shared, request).await {
        Ok(response) => response,
        Err(Refusal(code, reason, message)) => {
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "code": code.as_u16(), "reason": reason, "message": message,
            });
            said(code, &status)
        }
    }
}

async fn act(shared: &Arc<Shared>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let shown = parts.headers.get(header::AUTHORIZATION);
    let token = shown.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let unauthorized = || {
        Refusal(
            StatusCode::UNAUTHORIZED,
            "Unauthorized",
            "Unauthorized".to_owned(),
        )
    };
    let peer = parts.extensions.get::<ConnectInfo<Peer>>();
    let user = user(token, peer.map(|peer| &peer.0)).ok_or_else(unauthorized)?;
    shared.note(format!("{user} {} {}", parts.method, parts.uri));
    let path = parts.uri.path();
    if matches!(path, "/healthz" | "/readyz" | "/livez") {
        return Ok(said(StatusCode::OK, &json!("ok")));
    }
    if let Some(resources) = discovery::at(path) {
        return Ok(said(StatusCode::OK, &resources));
    }
    let address = read(path).ok_or_else(|| Refusal::not_found(path))?;
    if !secure::may(&user, &parts.method, &address) {
        let message = format!("{} is forbidden: User {user:?} cannot", address.resource);
        return Err(Refusal(StatusCode::FORBIDDEN, "Forbidden", message));
    }
    let query = Query::of(parts.uri.query().unwrap_or_default());
    let body = to_bytes(body, MOST).await;
    let body = body.map_err(|error| Refusal::bad(&error.to_string()))?;
    let body: Value = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&body).map_err(|error| Refusal::bad(&error.to_string()))?,
    };
    let content = parts.headers.get(header::CONTENT_TYPE);
    let content = content
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if parts.method == Method::GET && address.name.is_none() {
        may_list(&user, &address)?;
        pod_certificates::may_list(&user, &address, query.get("fieldSelector"))?;
        return Ok(collection(shared, &address, &query));
    }
    let mut store = shared.store();
    let (code, object) = match parts.method {
        Method::GET => (StatusCode::OK, verbs::get(&store, &address)?),
        Method::POST => {
            pod_certificates::may_ask(&store, &user, &address, &body)?;
            (
                StatusCode::CREATED,
                verbs::post(&mut store, &address, body)?,
            )
        }
        Method::PUT => (StatusCode::OK, verbs::put(&mut store, &address, body)?),
        Method::PATCH => {
            let how = Patching::of(content)?;
            (
                StatusCode::OK,
                verbs::patch(&mut store, &address, how, &body)?,
            )
        }
        Method::DELETE => (StatusCode::OK, verbs::delete(&mut store, &address, &body)?),
        method => return Err(Refusal::bad(&format!("no {method}"))),
    };
    if let Some(authority) = &shared.authority {
        authority.attend(&mut store, shared.signing());
    }
    Ok(said(code, &object))
}

/// A node gets claims and volumes by their names alone, as with the Node authorizer.
fn may_list(user: &str, address: &Address) -> Result<(), Refusal> {
    let by_name = [
        "persistentvolumeclaims",
        "persistentvolumes",
        "volumeattachments.storage.k8s.io",
    ];
    match user.starts_with("system:node:") && by_name.contains(&&*address.resource) {
        true => Err(Refusal(
            StatusCode::FORBIDDEN,
            "Forbidden",
            format!("{user} may not list {}", address.resource),
        )),
        false => Ok(()),
    }
}

/// Who asks: by a token, or by a certificate; over TLS it may be anybody.
fn user(token: Option<&str>, peer: Option<&Peer>) -> Option<String> {
    let of_bootstrap = |token: &str| (token == BOOTSTRAP).then_some("system:bootstrap:abcdef");
    match (token, peer) {
        (Some(token), _) => {
            let known = user_of(token).map(|(name, _)| name);
            let known = known.or_else(|| peer.and_then(|_| of_bootstrap(token)));
            known.map(str::to_owned)
        }
        (None, Some(Peer::Known(subject))) => Some(subject.name.clone()),
        (None, Some(Peer::Nobody)) => Some("system:anonymous".to_owned()),
        (None, Some(Peer::Impostor) | None) => None,
    }
}

fn collection(shared: &Arc<Shared>, address: &Address, query: &Query) -> Response {
    let selection = Selection::read(query.get("fieldSelector"), query.get("labelSelector"));
    let version = query
        .get("resourceVersion")
        .and_then(|text| text.parse().ok());
    if query
        .get("watch")
        .is_some_and(|watch| matches!(watch, "true" | "1"))
    {
        let seconds = query
            .get("timeoutSeconds")
            .and_then(|text| text.parse().ok());
        let bookmarks = query.get("allowWatchBookmarks") == Some("true");
        let version = version.filter(|version| *version > 0);
        let told = (bookmarks, seconds.unwrap_or(300));
        let body = watch::stream(shared, address, selection, version, told);
        return Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .expect("the head is well formed");
    }
    let store = shared.store();
    let there = store.of(&address.resource, &address.namespace);
    let items: Vec<Value> = there
        .filter(|object| selection.has(object))
        .cloned()
        .collect();
    let list = json!({
        "kind": format!("{}List", kind(&address.resource)),
        "apiVersion": address.api_version,
        "metadata": { "resourceVersion": store.version().to_string() },
        "items": items,
    });
    said(StatusCode::OK, &list)
}

fn said(code: StatusCode, object: &Value) -> Response {
    Response::builder()
        .status(code)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(object.to_string()))
        .expect("the head is well formed")
}

/// The parameters of a query.
struct Query(BTreeMap<String, String>);

impl Query {
    fn of(text: &str) -> Self {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), unescaped(value)));
        Self(pairs.collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// `%3D` is `=`.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let code = code.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
