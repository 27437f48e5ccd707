//! Tests of `sandbox` and `worker` from outside the crate, on the real binary.
//!
//! A permit cannot be made here, and must not be: the binary's hidden `rehearse` role (builds
//! with debug assertions only) drives the parent's half from hand-written terms. What a probe
//! did is checked from outside wherever it leaves a trace. `bwrap` is needed: a machine without
//! it fails these tests, it does not skip them.

#[cfg(feature = "birdcage")]
mod birdcage;
mod command;
mod doctor;
mod escape;
mod faults;
mod files;
mod hosts;
mod leftovers;
mod lifetime;
mod ordinary;
mod pool;
mod preview;
mod probes;
mod programs;
mod refusal;
mod run;
mod stage;
mod worker;
