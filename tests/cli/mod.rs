//! The binary as people, scripts and pipelines meet it.

mod anomalies;
mod audit;
mod basics;
mod canary;
mod classify;
mod denials;
mod durable;
mod endings;
mod hook;
mod moments;
mod policy_review;
mod prompt;
mod records;
mod redact;
mod review;
mod review_page;
mod reviewers;
mod samples;
mod sessions;
mod tour;
mod trust;
