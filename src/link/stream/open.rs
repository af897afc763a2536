//! What an open line is, however it was opened.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::driver::Direction;

/// Something that opens a line, again and again.
pub trait Open: Send + 'static {
    /// Opens it.
    fn open(&mut self) -> impl Future<Output = Result<Opened, Unreachable>> + Send;
}

/// One direction of a line, or both on one port.
pub struct Incoming {
    /// Which way its bytes go.
    pub direction: Direction,
    /// The bytes.
    pub bytes: Box<dyn AsyncRead + Send + Unpin>,
}

/// An open line.
pub struct Opened {
    /// The port or address, for people.
    pub place: String,
    /// How it is used. A tap has nothing to write with.
    pub line: OpenLine,
    /// Whether the source can be kept waiting.
    pub waits: bool,
}

/// An open line by its use.
pub enum OpenLine {
    /// A tap, with one port or two.
    Listen(Vec<Incoming>),
    /// The only host.
    Host(Box<dyn Duplex>),
}

/// Bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Why a line cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    /// The port or address as far as it is known.
    pub place: String,
    /// What was found.
    pub reason: String,
    /// What a person can do.
    pub remedy: Option<String>,
}
