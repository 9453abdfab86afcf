//! What can be wrong with a kernel's input.

use std::fmt;

/// Why a kernel gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The input breaks a rule; the text says which, what was found and where.
    Invalid(String),
    /// These users have seen every item that could be drawn (the first few).
    NothingUnseen(Vec<i32>),
    /// The caller asked to stop.
    Cancelled,
    /// A kernel panicked, which is a fault of its own; what it said.
    Internal(String),
}

impl Error {
    /// An [`Error::Invalid`] with this text.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text) => f.write_str(text),
            Self::NothingUnseen(users) => write!(
                f,
                "no negative can be drawn: users {users:?} have seen every item that may be; leave them out of training"
            ),
            Self::Cancelled => f.write_str("interrupted"),
            Self::Internal(said) => write!(
                f,
                "a kernel of Magnet failed ({said}); this is a fault of Magnet and not of your data: please report it, \
                 with this text and the call that led to it"
            ),
        }
    }
}

impl std::error::Error for Error {}
