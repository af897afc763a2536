//! Why something is not known.

/// A value, or why it is not known.
pub type Known<T> = Result<T, Unknown>;

/// Why a value is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum Unknown {
    /// The container as a whole cannot be opened.
    #[error("the container cannot be opened: {0}")]
    Container(Torn),
    /// The stream or storage is not there: the file never had it, or not yet.
    #[error("there is no '{0}'")]
    Missing(String),
    /// The stream is there, its bytes are not: the file is cut off, or being written.
    #[error("'{stream}' cannot be read at its byte {offset}: {why}")]
    Unreadable {
        /// Its path inside the container.
        stream: String,
        /// Where in the stream.
        offset: u64,
        /// What stood in the way.
        why: String,
    },
    /// The stream's bytes are there and are not what they should be.
    #[error("'{stream}' has no sound {what} at its byte {offset}: {why}")]
    Malformed {
        /// Its path inside the container.
        stream: String,
        /// What should stand there.
        what: std::borrow::Cow<'static, str>,
        /// Where in the stream.
        offset: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Everything was read, and nothing in it says this.
    #[error("{0}")]
    NotStated(String),
    /// The reader was told to read no more.
    #[error("not read: {0}")]
    Limit(String),
}

/// Why a container cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{why} (at byte {offset})")]
pub struct Torn {
    /// Where in the file the trouble is, in bytes from its start.
    pub offset: u64,
    /// What it is.
    pub why: String,
    /// Whether more bytes or a finished write can mend it. False for a file that is no container at all.
    pub may_heal: bool,
}

/// Something in the container's skeleton that is damaged or not yet written, around which reading went on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{what} (at byte {offset})")]
pub struct Defect {
    /// Where in the file.
    pub offset: u64,
    /// What it is.
    pub what: String,
}
