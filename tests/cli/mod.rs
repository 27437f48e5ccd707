//! The binary as people, scripts and pipelines meet it.

mod anomalies;
mod basics;
mod denials;
mod endings;
mod prompt;
mod tour;
