//! Ion runs LLM agents that nobody has to trust.
pub mod agent;
pub mod audit;
pub mod cli;
pub mod config;
pub mod conversation;
pub mod event;
pub mod gate;
pub mod model;
pub mod net;
pub mod policy;
pub mod provider;
pub mod redact;
pub mod runtime;
pub mod sandbox;
pub mod session;
pub mod tool;
pub mod worker;
