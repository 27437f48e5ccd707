//! Layers with provenance, met with the sealed tier, into one [`Effective`].
//!
//! Weakest first: compiled defaults and profile, user, project, environment, flags; then the
//! sealed tier is met with the result, key by key. Every value keeps tier, file and line. This
//! room must never run on half a configuration and never show a secret. Start reading at
//! [`load`], then `schema` for what a file can say.

mod bypass;
mod check;
mod check_cases;
mod check_conditions;
mod check_rules;
pub mod credential;
pub mod effective;
pub mod environ;
mod explain;
mod flags;
mod json;
mod layers;
mod load;
mod meet;
mod models_file;
pub mod origin;
mod places;
mod problem;
mod profile_choice;
mod reading;
mod resolve;
pub mod review;
mod rules;
pub mod schema;
mod sealed;
mod sinks;
mod strangers;
mod toml;
mod tree;
pub mod trust;
mod validate;
mod value;

pub use effective::{Effective, InForce};
pub use environ::Environment;
pub use explain::ShownValue;
pub use flags::Flags;
pub use load::{FileSeen, LoadRequest, Loaded, Project, SandboxPart, load, load_sandbox, look};
pub use origin::Located;
pub use problem::{ConfigErrors, Problem, Warning, nearest};
pub use rules::read_permissions;
pub use sealed::{Enforcement, SealedSources};
pub use tree::Spot;
pub use validate::{ValidFile, validate_file};
