//! The one way out of a call that may reach listed hosts: a filtering proxy in Ion's process.
//!
//! The call has a network of its own with nothing in it but a listener on its loopback device,
//! which the worker made and handed over before it confined itself. Whoever connects to it talks to
//! [`proxy`] here. So the list is held by there being no other route, and not by variables that a
//! program may ignore; and nobody outside the call can connect, so there is no password.
//!
//! Order of a connection: [`target`] (what is asked for, in one spelling), [`rules`] (whether it is
//! listed), [`crate::net::address`] (where the name leads, looked up once and connected to exactly), then
//! [`tunnel`] or [`forward`]. Every connection ends as one [`contact::Contact`].

pub mod contact;
mod forward;
mod http;
pub mod proxy;
pub mod rules;
pub mod sni;
mod socks;
pub mod target;
mod tunnel;

pub use contact::Contact;
pub use proxy::Proxy;
pub use rules::Rules;

#[cfg(test)]
mod tests;
