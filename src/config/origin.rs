//! A value together with the place it came from.

use crate::model::Source;

/// A configuration value that knows its tier, file and line, and so can every error about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it was read.
    pub source: Source,
}

impl<T> Located<T> {
    /// Pairs a value with its place.
    pub fn new(value: T, source: Source) -> Self {
        Located { value, source }
    }
}
