//! Tests of `policy` from outside the crate.
mod combine_layers;
mod docs;
mod reader;
mod shell_lines;
mod shipped;
