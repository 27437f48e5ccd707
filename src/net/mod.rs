//! How Ion reaches a host: one HTTP client, one stream parser, one retry rule.
//!
//! [`stream`] is for receivers that do not speak HTTP; [`pinned`] is the client of the filtering proxy ([`crate::egress`]), for addresses that it judged.
//!
//! Nothing here knows a provider or a dialect, follows a redirect, reads the process
//! environment, or sends a key to a host other than the configured one. Read [`egress`] for
//! the client, [`sse`] for the stream and [`retry`] for what happens after a failure.

pub mod address;
pub mod base_url;
pub mod credential;
pub mod egress;
pub mod failure;
pub mod pinned;
pub mod proxy;
pub mod retry;
pub mod sse;
pub mod stream;

pub use base_url::BaseUrl;
pub use credential::Credential;
pub use egress::{Egress, EgressSettings};
pub use failure::{EgressError, SendError};
pub use pinned::{Pinned, Trust, header_value};
pub use stream::Stream;
