//! Reading what is there: everything that has arrived, up to a bound, from one of a line's ports.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::Piece;
use super::inlet::PIECE;
use super::open::Incoming;
use crate::link::recorder::now;

/// The ports of a line, and which is looked at first next time, so that a busy one does not silence the other.
pub(super) struct Ports {
    ports: Vec<Incoming>,
    first: usize,
    buffer: Vec<u8>,
}

impl Ports {
    pub(super) fn new(ports: Vec<Incoming>) -> Self {
        Self { ports, first: 0, buffer: vec![0; PIECE] }
    }

    /// The next piece; cancel-safe. An end of any port is an error: a line with one direction left is not the line.
    pub(super) async fn next(&mut self) -> io::Result<Piece> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Piece>> {
        let count = self.ports.len();
        for step in 0..count {
            let at = (self.first + step) % count;
            let Some(port) = self.ports.get_mut(at) else { continue };
            match read_available(Pin::new(&mut port.bytes), context, &mut self.buffer) {
                Poll::Pending => {}
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(length)) => {
                    self.first = (at + 1) % count;
                    let bytes = self.buffer.get(..length).unwrap_or_default().to_vec();
                    return Poll::Ready(Ok(Piece { direction: port.direction, at: now(), bytes }));
                }
            }
        }
        Poll::Pending
    }
}

/// Reads until nothing more is there or the buffer is full: a tty gives at most 4 KiB at a time.
fn read_available(
    mut port: Pin<&mut Box<dyn AsyncRead + Send + Unpin>>,
    context: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut read = ReadBuf::new(buffer);
    loop {
        let before = read.filled().len();
        match port.as_mut().poll_read(context, &mut read) {
            Poll::Ready(Ok(())) if read.filled().len() > before && read.remaining() > 0 => {}
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(read.filled().len())),
            // An end or an error after bytes is met again at the next read.
            Poll::Ready(Err(_)) | Poll::Pending if before > 0 => return Poll::Ready(Ok(before)),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
    }
}
