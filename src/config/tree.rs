//! The two formats of configuration files, and the tree that both end in.
//!
//! Never decides what a key means: that is `check` with the tables in `schema`. The parsers are
//! in [`super::json`] and [`super::toml`], the tree itself is [`crate::shipped::tree`].

pub use crate::shipped::tree::{Data, Entry, Lines, Node, Spot, Unparsable};

/// The two formats, with the same keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.json`
    Json,
    /// `.toml`
    Toml,
}

impl Format {
    /// Told by the file name's ending: `.toml` is TOML, everything else is JSON.
    pub fn of(name: &str) -> Self {
        if name.ends_with(".toml") { Format::Toml } else { Format::Json }
    }

    /// Parses `text`; the result is always a table, because a file's root is one.
    ///
    /// # Errors
    /// [`Unparsable`] with the first place that is wrong. A key given twice is one.
    pub fn parse(self, text: &str) -> Result<Vec<Entry>, Unparsable> {
        if let Some(at) = text.find('\0') {
            let message = "a NUL byte cannot be part of a configuration file".to_owned();
            return Err(Unparsable { at: Lines::new(text).spot(at..at + 1), message });
        }
        match self {
            Format::Json => super::json::parse(text),
            Format::Toml => super::toml::parse(text),
        }
    }
}
