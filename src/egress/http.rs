//! HTTP: `CONNECT` for tunnels, and plain requests, which are looked into one by one.

use super::contact::{Contact, short};
use super::forward;
use super::proxy::{Open, Shared};
use super::target::{PLAIN, Target};
use super::tunnel::{self, Failure};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(30);
/// Largest head, bytes.
const HEAD_MAX: usize = 64 << 10;
/// Why nothing is decided about a whole connection to that port.
pub(super) const ONE_BY_ONE: &str = "requests are judged one by one";

/// Body of an answer.
pub(super) type Body = reqwest::Body;

/// Serves one client. `fixed` is where it believes to be connected to.
pub(super) async fn serve<S>(stream: S, shared: Arc<Shared>, fixed: Option<Target>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let (shared, fixed) = (Arc::clone(&shared), fixed.clone());
        async move { Ok::<_, Infallible>(answer(request, shared, fixed).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_MAX)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let _ = connection.await;
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    fixed: Option<Target>,
) -> Response<Body> {
    if request.method() == Method::CONNECT {
        return connect(request, shared, fixed.is_some()).await;
    }
    let written = match &fixed {
        Some(fixed) => fixed.to_string(),
        None => request.uri().authority().map_or_else(String::new, ToString::to_string),
    };
    let open = shared.open(Contact::new("http", &written));
    open.note(|contact| contact.asks(request.method().as_str(), request.uri().path()));
    match target(&request, fixed) {
        Ok(target) => forward::forward(request, &shared, target, open).await,
        Err(why) => refused(&open, why),
    }
}

/// Where a plain request goes. What its parts say must agree.
fn target(request: &Request<Incoming>, fixed: Option<Target>) -> Result<Target, &'static str> {
    let uri = request.uri();
    let target = match (uri.scheme_str(), uri.authority(), fixed) {
        (None, None, Some(fixed)) => fixed,
        (None, None, None) => return Err("this is a proxy; it takes absolute addresses"),
        (Some("http"), Some(authority), fixed) => {
            let target = Target::parse(authority.as_str(), Some(PLAIN))?;
            if fixed.is_some_and(|fixed| fixed != target) {
                return Err("the request is for another host than the connection");
            }
            target
        }
        (Some("https"), ..) => return Err("encrypted hosts are reached by CONNECT"),
        _ => return Err("the proxy knows http:// only"),
    };
    // ATTACK: the server behind the listed name goes by this header.
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, None) => Ok(target),
        (Some(host), None) => {
            let host = host.to_str().map_err(|_| "the Host header has no reading")?;
            match Target::parse(host, Some(PLAIN)) {
                Ok(named) if named == target => Ok(target),
                Ok(_) => Err("the Host header names another host than the address"),
                Err(why) => Err(why),
            }
        }
        _ => Err("the request has two Host headers"),
    }
}

async fn connect(request: Request<Incoming>, shared: Arc<Shared>, inside: bool) -> Response<Body> {
    let authority = request.uri().authority().map_or_else(String::new, ToString::to_string);
    let open = shared.open(Contact::new("connect", &authority));
    if inside {
        return refused(&open, "a connection inside a connection is not made");
    }
    let target = match Target::parse(&authority, None) {
        Ok(target) => target,
        Err(why) => return refused(&open, why),
    };
    if target.port == PLAIN {
        // Requests at this port can be looked into, so they are. Each is written down by itself.
        if let Err(why) = shared.rules.named(&target) {
            return refused(&open, why);
        }
        open.note(|contact| contact.verdict = "opened");
        open.note(|contact| contact.reason = ONE_BY_ONE.to_owned());
        drop(tokio::spawn(async move {
            if let Ok(stream) = hyper::upgrade::on(request).await {
                serve_boxed(stream, shared, target).await;
            }
        }));
        return Response::new(Body::from(""));
    }
    let server = match tunnel::connect(&shared, &target, &open).await {
        Ok(server) => server,
        Err(failure) => return failed(&open, failure),
    };
    drop(tokio::spawn(async move {
        if let Ok(stream) = hyper::upgrade::on(request).await {
            tunnel::relay(TokioIo::new(stream), server, &target, &open).await;
        }
    }));
    Response::new(Body::from(""))
}

/// Apart, because a future cannot hold itself.
fn serve_boxed(
    stream: hyper::upgrade::Upgraded,
    shared: Arc<Shared>,
    target: Target,
) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(serve(TokioIo::new(stream), shared, Some(target)))
}

/// An answer to what the rules or the network did not let through.
pub(super) fn failed(open: &Open, failure: Failure) -> Response<Body> {
    match failure {
        Failure::Refused(why) => refused(open, why),
        Failure::Broken(why) => {
            open.note(|contact| contact.verdict = "failed");
            open.note(|contact| contact.reason = short(&why));
            words(StatusCode::BAD_GATEWAY, &format!("cannot be reached: {why}"))
        }
    }
}

/// An answer to what the rules do not let through.
pub(super) fn refused(open: &Open, why: impl Into<String>) -> Response<Body> {
    words(StatusCode::FORBIDDEN, &open.refuse(why))
}

fn words(status: StatusCode, text: &str) -> Response<Body> {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    let mut response = Response::new(Body::from(format!("[ion sandbox] {plain}\n")));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
