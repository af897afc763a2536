//! Connections to the gRPC services of instruments: plaintext or TLS, with a bearer token, deadlines, keep-alive and limits.
//!
//! A [`Connection`] is one TCP connection. When it is lost every call on it fails, and whoever uses it connects anew, with
//! back-off: so that what was under way on the old one is never silently taken up by the new one.

mod credentials;
mod dial;
mod failure;
mod tap;
#[cfg(test)]
mod tests;
mod watched;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status};

use crate::config::grpc::GrpcSettings;
use crate::link::backoff::Backoff;

pub use credentials::Bearer;
pub use dial::reach;
pub use failure::{Failure, Kind};
pub(crate) use tap::shown;
pub use tap::{Receipt, Tap};

/// How long the other side may take to answer that it is still there.
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(10);

/// What a server may put into the headers of a reply.
const MAX_HEADERS: u32 = 64 << 10;

/// What a server may send ahead on one stream or as one answer before it is read, in bytes. What is unread waits at the server, which
/// is to keep it; two hundred of them would otherwise have two mebibytes each under way here.
const STREAM_WINDOW: u32 = 256 << 10;

/// The same for a whole connection: with an unread stream and a download there is room for answers to other calls.
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;

/// Requests that wait for the connection.
const REQUESTS: usize = 32;

/// The first wait before connecting again, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// What a client of a service is made of: each call is recorded where a tap is there, and then carries the token.
pub type Service = InterceptedService<tap::Tapped, Bearer>;

/// One connection to a service. Clones share it; it is closed with the last of them.
#[derive(Debug, Clone)]
pub struct Connection {
    service: Service,
    peer: Arc<str>,
    call_timeout: Duration,
    max_message: usize,
    tls_end: watched::TlsEnd,
}

/// The waits between attempts to connect, for ever; each service of many at one place gets its own by jitter.
#[derive(Debug)]
pub struct Waits(Backoff);

impl Default for Waits {
    fn default() -> Self {
        Self(Backoff::new(WAITS.0, WAITS.1))
    }
}

impl Waits {
    /// How long to wait before the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        self.0.next(fastrand::f64())
    }

    /// Starts over, after the service answered.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

/// Connects to the service of `settings`, once. The token and the certificates are read anew.
///
/// # Errors
/// Why there is no connection, and what to do. A server that refuses the client's certificate or token may say so at the first
/// call only.
pub async fn connect(settings: &GrpcSettings) -> Result<Connection, Failure> {
    connect_with(settings, None).await
}

/// The same; what passes over the connection goes through `tap`.
///
/// # Errors
/// As [`connect`].
pub async fn connect_with(settings: &GrpcSettings, tap: Option<&Tap>) -> Result<Connection, Failure> {
    let peer: Arc<str> = settings.endpoint().into();
    let tls_end = watched::TlsEnd::default();
    let connecting = async {
        let bearer = Bearer::read(settings, &peer).await?;
        let stream = dial::dial(settings, &peer).await?;
        let channel = match stream {
            dial::Stream::Plain(stream) => open(settings, &peer, stream).await,
            dial::Stream::Tls(stream) => open(settings, &peer, watched::Watched::new(stream, tls_end.clone())).await,
        }?;
        Ok((channel, bearer))
    };
    let (channel, bearer) = match tokio::time::timeout(settings.connect_timeout, connecting).await {
        Ok(connected) => connected?,
        Err(_) => return Err(Failure::late(&peer, settings.connect_timeout)),
    };
    Ok(Connection {
        service: InterceptedService::new(tap::Tapped::new(channel, tap, &bearer, settings.max_message), bearer),
        peer,
        call_timeout: settings.call_timeout,
        max_message: settings.max_message,
        tls_end,
    })
}

/// Speaks HTTP/2 over `stream`, and over nothing else: when it is lost the channel stays lost.
async fn open<S>(settings: &GrpcSettings, peer: &Arc<str>, stream: S) -> Result<Channel, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // The scheme and authority of requests; TLS, where there is one, is already spoken.
    let endpoint = Endpoint::from_shared(format!("http://{}", settings.address))
        .map_err(|error| Failure::unusable(peer, &error))?
        .http2_keep_alive_interval(settings.keep_alive)
        .keep_alive_timeout(KEEP_ALIVE_ANSWER)
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(MAX_HEADERS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .buffer_size(REQUESTS)
        .user_agent(concat!("instrumentd/", env!("CARGO_PKG_VERSION")))
        .map_err(|error| Failure::unusable(peer, &error))?;
    let once = Arc::new(Mutex::new(Some(stream)));
    let connector = tower::service_fn(move |_: Uri| {
        let stream = once.lock().unwrap_or_else(PoisonError::into_inner).take();
        std::future::ready(stream.map(TokioIo::new).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
    });
    endpoint.connect_with_connector(connector).await.map_err(|error| Failure::of_error(peer, &error))
}

impl Connection {
    /// What a client is made of. Its messages are to be bounded with [`Connection::max_message`].
    pub fn service(&self) -> Service {
        self.service.clone()
    }

    /// The largest message that is accepted, in bytes.
    pub fn max_message(&self) -> usize {
        self.max_message
    }

    /// The endpoint.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// A request of a call that must be answered within the configured time.
    pub fn call<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request.set_timeout(self.call_timeout);
        request
    }

    /// What `status` means for whoever has to mend it.
    pub fn failure(&self, status: &Status) -> Failure {
        // Only a call that the connection let down has a cause; what the server answered stands for itself.
        match self.tls_end.get().filter(|_| std::error::Error::source(status).is_some()) {
            Some(end) => Failure::of_rustls(&self.peer, &end),
            None => Failure::of_status(&self.peer, status),
        }
    }
}
