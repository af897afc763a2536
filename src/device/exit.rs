//! Why an actor ended.

/// Why an actor ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It was told to.
    Stopped,
    /// The journal was closed under it.
    JournalClosed,
    /// The link's thread ended.
    LinkEnded,
    /// What the journal keeps about the device cannot be read.
    Unreadable(String),
    /// It panicked.
    Panicked(String),
    /// It did not show that it lives.
    Unresponsive,
    /// It was crashed on purpose.
    Crashed,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::JournalClosed => f.write_str("the journal was closed"),
            Self::LinkEnded => f.write_str("the link ended"),
            Self::Unreadable(text) => write!(f, "the journal could not be read: {text}"),
            Self::Panicked(text) => write!(f, "panicked: {text}"),
            Self::Unresponsive => f.write_str("did not answer"),
            Self::Crashed => f.write_str("crashed on purpose"),
        }
    }
}
