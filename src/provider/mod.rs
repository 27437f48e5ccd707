//! Ways to stream a turn from a model: one interface, two dialects, many vendors.
//!
//! The story of a turn: [`route`] finds who serves a model and whether policy admits it,
//! [`build()`] checks address and key before anything is sent, [`http`] sends one request and
//! repeats it within bounds, a [`dialect`] turns the server's events into [`ModelEvent`]s.
//! [`scripted`] plays a file instead of asking a server, through the same interface.
//!
//! Nothing here judges or runs a tool call. A call whose input is not a whole JSON object is
//! handed on as an error, never repaired. A key is used only for the provider it was given to.

pub mod build;
mod calls;
pub mod catalogue;
mod classify;
pub mod cost;
pub mod dialect;
pub mod error;
pub mod event;
pub mod http;
pub mod identity;
pub mod request;
pub mod route;
pub mod scripted;
mod transcript;

pub use build::{BuildError, BuildSettings, build};
pub use cost::cost;
pub use error::ProviderError;
pub use event::{ModelEvent, StopReason};
pub use request::ModelRequest;
pub use route::{ModelInfo, Prices, Route, RouteError, resolve};

use futures_util::Stream;
use std::future::Future;
use std::pin::Pin;

/// A stream of events; dropping it cancels the request.
pub type ModelStream = Pin<Box<dyn Stream<Item = Result<ModelEvent, ProviderError>> + Send>>;

/// A source of answers.
pub trait Provider: Send + Sync {
    /// The provider's id.
    fn id(&self) -> &str;

    /// The host that is asked, where there is one.
    fn host(&self) -> Option<&str> {
        None
    }

    /// Sends one request and streams the answer. Retries happen inside, each announced by
    /// [`ModelEvent::Reset`] once something was streamed.
    fn stream<'a>(
        &'a self,
        request: ModelRequest,
    ) -> Pin<Box<dyn Future<Output = Result<ModelStream, ProviderError>> + Send + 'a>>;
}
