//! Ask, propose, collect: the loop between a model and the gate.
//!
//! The agent never runs anything itself. It hands each call of the model to the gate and runs
//! what comes back as a permit; refusals go back to the model as answers. Read [`run`] for the
//! loop, [`turn`] for one answer of the model, [`calls`] for the tool calls of an answer,
//! [`limits`] for what ends a run early.

mod asked_model;
pub mod calls;
pub mod limits;
pub mod run;
pub mod turn;

pub use limits::RunLimits;
pub use run::{Agent, RunError, RunReport, Stop};
