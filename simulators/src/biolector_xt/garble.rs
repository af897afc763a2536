//! Messages that are none: a frame that cannot be decoded, put into the status stream.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, BoxFuture, Bytes, Service, http};
use tonic::server::NamedService;

/// How many undecodable messages are due to each stream that is open.
#[derive(Debug, Clone, Default)]
pub(super) struct Garble(Arc<AtomicU32>);

impl Garble {
    /// One more.
    pub fn once(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Field 9 is said to hold more bytes than there are, and its wire type is none.
const NO_MESSAGE: [u8; 9] = [0x4f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/// The service, with a body that can be garbled.
#[derive(Debug, Clone)]
pub(super) struct Garbling<S> {
    pub inner: S,
    pub garble: Garble,
}

impl<S: NamedService> NamedService for Garbling<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Garbling<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let is_stream = request.uri().path().ends_with("/StatusUpdateStream");
        let garble = self.garble.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            if !is_stream {
                return Ok(answer);
            }
            let seen = garble.0.load(Ordering::Relaxed);
            Ok(answer.map(|inner| Body::new(GarbledBody { inner, garble, seen })))
        })
    }
}

struct GarbledBody {
    inner: Body,
    garble: Garble,
    seen: u32,
}

impl HttpBody for GarbledBody {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, tonic::Status>>> {
        let due = self.garble.0.load(Ordering::Relaxed);
        if due != self.seen {
            self.seen = due;
            let mut frame = vec![0, 0, 0, 0, NO_MESSAGE.len() as u8];
            frame.extend(NO_MESSAGE);
            return Poll::Ready(Some(Ok(http_body::Frame::data(frame.into()))));
        }
        Pin::new(&mut self.inner).poll_frame(context)
    }
}
