//! Tests of `policy` from outside the crate.
mod any_bytes;
mod bypasses;
mod check_command;
mod combine_layers;
mod docs;
mod names;
mod oracle;
mod properties;
mod reader;
mod second_look;
mod shell_lines;
mod shipped;
mod unknown_parts;
mod wrappers;
