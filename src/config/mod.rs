//! Layers with provenance, met with the sealed tier, into one `Effective`.
pub mod effective;
pub mod environ;
pub mod origin;
pub mod schema;
pub use effective::Effective;
pub use environ::Environment;
pub use origin::Located;
