//! Tests of `policy` from outside the crate.
mod bypasses;
mod check_command;
mod combine_layers;
mod conditions;
mod docs;
mod labelled;
mod lint;
mod properties;
mod reader;
mod reference;
mod second_look;
mod shell_lines;
mod shipped;
mod switches;
mod transformations;
mod unknown_parts;
