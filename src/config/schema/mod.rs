//! What each section of a configuration file can say, one file a section.

pub mod permissions;
