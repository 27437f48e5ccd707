//! The binary as people, scripts and pipelines meet it.

mod anomalies;
mod basics;
mod denials;
mod endings;
mod hook;
mod moments;
mod prompt;
mod review;
mod tour;
mod trust;
