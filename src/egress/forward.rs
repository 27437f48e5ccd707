//! Plain requests: judged, made anew, and answered.
//!
//! ATTACK: bytes that two readers of HTTP divide into requests differently. Nothing of a request is
//! passed on as it came: it was parsed, and what is sent is written by the client library from the
//! parts. Redirects are answers, not followed; the tool's next request is judged like this one.

use super::http::{Body, failed, refused};
use super::proxy::{Open, Shared};
use super::rules::Wanted;
use super::target::{PLAIN, TLS, Target};
use super::tunnel::{Failure, resolve};
use crate::model::Host;
use crate::net::{Pinned, header_value};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Request, Response};
use std::sync::Arc;

/// Headers that are about one connection alone (RFC 9110 7.6.1).
const OF_THE_CONNECTION: &[HeaderName] =
    &[CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Headers by which some servers take another method or path than the one that was judged.
const SECOND_OPINIONS: &[&str] = &[
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];

/// Forwards a request to `target` if the rules let it through.
pub(super) async fn forward(
    request: Request<Incoming>,
    shared: &Shared,
    target: Target,
    open: Open,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let wanted = Wanted::Request { method: parts.method.as_str(), path };
    let granted = match shared.rules.judge(&target, wanted) {
        Ok(granted) => granted,
        Err(why) => return refused(&open, why),
    };
    let port = if granted.encrypt && target.port == PLAIN { TLS } else { target.port };
    let place = Target { host: target.host.clone(), port };
    // The other port may be refused, or not be listed.
    if let Err(why) = shared.rules.judge(&place, wanted) {
        return refused(&open, why);
    }
    let addresses = match resolve(shared, &place).await {
        Ok(addresses) => addresses,
        Err(failure) => return failed(&open, failure),
    };
    let mut headers = passed_on(&parts.headers);
    if granted.entry.looks_inside() || shared.rules.looks_inside() {
        SECOND_OPINIONS.iter().for_each(|name| drop(headers.remove(*name)));
    }
    for attached in &granted.attached {
        match (attached.header.parse::<HeaderName>(), header_value(&attached.value)) {
            (Ok(name), Some(value)) => drop(headers.insert(name, value)),
            // FAIL CLOSED: the request was meant to carry it.
            _ => return refused(&open, "the credential of this host is no header"),
        }
    }
    let scheme = if granted.encrypt { "https" } else { "http" };
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let url = format!("{scheme}://{place}{path}{query}");
    open.grant(&granted.entry.written, addresses.first().copied());
    let name = match &place.host {
        Host::Name(name) => name.as_str(),
        Host::Address(_) => "",
    };
    let client = match Pinned::new(name, &addresses, granted.encrypt, &shared.trust) {
        Ok(client) => client,
        Err(why) => return failed(&open, Failure::Broken(why)),
    };
    let open = Arc::new(open);
    let counted = Arc::clone(&open);
    let body = body.map_frame(move |frame| {
        counted.sent(frame.data_ref().map_or(0, bytes_of));
        frame
    });
    match client.send(parts.method, &url, headers, Body::wrap(body)).await {
        Ok(response) => give_back(response, open),
        Err(why) => failed(&open, Failure::Broken(why)),
    }
}

fn bytes_of(data: &hyper::body::Bytes) -> usize {
    data.len()
}

fn give_back(response: Response<Body>, open: Arc<Open>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    parts.headers = passed_on(&parts.headers);
    // What the answer is made of is counted; the entry ends with it.
    let body = body.map_frame(move |frame| {
        open.received(frame.data_ref().map_or(0, bytes_of));
        frame
    });
    let mut answer = Response::new(Body::wrap(body));
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = parts.headers;
    answer
}

/// The headers that travel on: not those of the connection, nor those that it names.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        let own = OF_THE_CONNECTION.contains(name)
            || matches!(name.as_str(), "keep-alive" | "proxy-connection")
            || (named.iter().any(|n| n == name.as_str()) && *name != CONTENT_LENGTH);
        if !own && *name != HOST {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn what_belongs_to_the_connection_stays_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "a.test"),
            ("connection", "close, X-Secret, content-length"),
            ("x-secret", "1"),
            ("proxy-authorization", "Basic eDp5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("keep-alive", "5"),
            ("accept", "*/*"),
            ("content-length", "3"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let kept = passed_on(&headers);
        let mut names: Vec<&str> = kept.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "content-length"]);
    }
}
