//! A TLS stream that keeps why it ended: HTTP/2 passes only the text of an error on.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::failure::tls_in;

/// Why TLS ended, once it did.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsEnd(Arc<Mutex<Option<rustls::Error>>>);

impl TlsEnd {
    pub(super) fn get(&self) -> Option<rustls::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, error: &io::Error) {
        if let Some(found) = tls_in(error) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| found.clone());
        }
    }
}

/// The stream.
pub(super) struct Watched<S> {
    stream: S,
    end: TlsEnd,
    /// Why nothing can be written any more, while what the other side said before is still read.
    broken: Option<io::Error>,
}

impl<S: AsyncRead + Unpin> Watched<S> {
    pub(super) fn new(stream: S, end: TlsEnd) -> Self {
        Self { stream, end, broken: None }
    }

    /// A server that refuses a client's certificate says so and closes, while the client, for which the handshake is over, writes
    /// already: what it meets first is that it cannot write.
    fn written<T>(&mut self, context: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        use io::ErrorKind as K;
        match done {
            Poll::Ready(Err(error))
                if matches!(error.kind(), K::BrokenPipe | K::ConnectionReset | K::ConnectionAborted) =>
            {
                self.broken = Some(error);
                self.last_words(context)
            }
            Poll::Ready(Err(error)) => {
                self.end.note(&error);
                Poll::Ready(Err(error))
            }
            done => done,
        }
    }

    /// Reads to the end, which has come where the other side is gone.
    fn last_words<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let mut bytes = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) => break,
                Err(error) => {
                    self.end.note(&error);
                    break;
                }
            }
        }
        Poll::Ready(Err(self.broken.take().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(Err(error)) = &read {
            self.end.note(error);
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.broken.is_some() {
            return self.last_words(context);
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken.is_some() {
            return self.last_words(context);
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.written(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use rustls::AlertDescription;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// What the other side closed after it had said why; that is here to be read a moment later.
    #[derive(Default)]
    struct Closed {
        reads: u32,
    }

    impl AsyncRead for Closed {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.reads += 1;
            match self.reads {
                1 => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                2 => {
                    buffer.put_slice(b"settings");
                    Poll::Ready(Ok(()))
                }
                _ => Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    rustls::Error::AlertReceived(AlertDescription::UnknownCA),
                ))),
            }
        }
    }

    impl AsyncWrite for Closed {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_client_that_cannot_write_any_more_still_hears_why() {
        let end = TlsEnd::default();
        let mut stream = Watched::new(Closed::default(), end.clone());
        let error = stream.write_all(b"PRI * HTTP/2.0").await.expect_err("closed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(end.get(), Some(rustls::Error::AlertReceived(AlertDescription::UnknownCA)));

        let end = TlsEnd::default();
        let mut stream = Watched::new(Closed::default(), end.clone());
        let error = poll_fn(|context| Pin::new(&mut stream).poll_flush(context)).await.expect_err("closed");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(end.get(), Some(rustls::Error::AlertReceived(AlertDescription::UnknownCA)));
    }
}
