//! A server on a port.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use instrument_proto::device::v1::device_service_server::DeviceServiceServer;
use instrument_proto::device::{DESCRIPTORS, STATUS_METADATA, StatusCode};
use jiff::Timestamp;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataValue;
use tonic::service::InterceptorLayer;
use tonic::transport::{Certificate, Identity as TlsIdentity, ServerTlsConfig};
use tonic::{Request, Status};
use tower::util::MapResponseLayer;

use super::fault::Switches;
use super::server::Server;
use super::service::{Handler, Shared};
use super::spoil::spoil;

/// A peer that does not answer a ping for so long is gone.
const PING: Duration = Duration::from_secs(20);
/// Calls of one connection at a time, streams included.
const CALLS: u32 = 128;
/// How long a port that was ours a moment ago may stay in use.
const REBIND: Duration = Duration::from_secs(10);

/// Certificates in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and those that sign it.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs the certificates of clients; with it a client without one gets nothing (mutual TLS).
    pub client_ca: Option<PathBuf>,
}

/// Where it listens and who is let in.
#[derive(Debug, Clone)]
pub struct HostSettings {
    /// Port 0 is any.
    pub address: SocketAddr,
    /// `None` is plain text.
    pub tls: Option<TlsFiles>,
    /// What clients have to show as `authorization: Bearer …`.
    pub token: Option<String>,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), tls: None, token: None }
    }
}

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The port.
    #[error("cannot listen on {address}: {source}; see that the port is free")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A certificate or key.
    #[error("cannot read '{path}': {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is in them.
    #[error("the certificate, key or client CA cannot be used: {0}")]
    Tls(String),
    /// The reflection service.
    #[error("the description of the services cannot be used: {0}")]
    Describe(String),
    /// A thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// What a restarted server still has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Subscriptions and queues: the same epoch.
    WithQueues,
    /// History alone: another epoch.
    WithoutQueues,
    /// Nothing: another epoch.
    WithoutHistory,
}

/// A server on a port, in threads of its own.
#[derive(Debug)]
pub struct Host {
    shared: Arc<Shared>,
    settings: HostSettings,
    address: SocketAddr,
    listener: Option<TcpListener>,
    life: Option<Runtime>,
}

impl Host {
    /// Listens and serves until it is dropped.
    ///
    /// # Errors
    /// [`HostError`] says what could not be listened on, read or used.
    pub fn start(server: Server, settings: HostSettings) -> Result<Self, HostError> {
        let address = settings.address;
        let listener = TcpListener::bind(address).map_err(|source| HostError::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| HostError::Listen { address, source })?;
        let shared = Arc::new(Shared::new(server));
        let mut host = Self { shared, settings, address, listener: Some(listener), life: None };
        host.live()?;
        Ok(host)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What can go wrong on the way to clients.
    pub fn switches(&self) -> &Switches {
        &self.shared.switches
    }

    /// Does something to the server.
    pub fn with<T>(&self, act: impl FnOnce(&mut Server, Timestamp) -> T) -> T {
        self.shared.with(act)
    }

    /// Cuts all connections at once, as a pulled cable does. New ones are taken.
    ///
    /// # Errors
    /// [`HostError`] where it cannot serve again.
    pub fn cut(&mut self) -> Result<(), HostError> {
        self.die();
        self.live()
    }

    /// Goes down: nobody can connect.
    pub fn go_down(&mut self) {
        self.listener = None;
        self.die();
    }

    /// Comes up again on the same port, if it is not up.
    ///
    /// # Errors
    /// [`HostError`] where the port is in use by somebody else now.
    pub fn come_up(&mut self) -> Result<(), HostError> {
        if self.life.is_some() {
            return Ok(());
        }
        let address = self.address;
        let begin = Instant::now();
        let (_never, wait) = std::sync::mpsc::channel::<()>();
        let listener = loop {
            match TcpListener::bind(address) {
                Ok(listener) => break listener,
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && begin.elapsed() < REBIND => {
                    let _ = wait.recv_timeout(Duration::from_millis(20));
                }
                Err(source) => return Err(HostError::Listen { address, source }),
            }
        };
        self.listener = Some(listener);
        self.live()
    }

    /// Starts anew: connections are cut, and what is lost is lost.
    ///
    /// # Errors
    /// [`HostError`] where it cannot serve again.
    pub fn restart(&mut self, restart: Restart) -> Result<(), HostError> {
        self.die();
        self.with(|server, now| match restart {
            Restart::WithQueues => server.restarted(now),
            Restart::WithoutQueues => server.lose_queues(new_epoch(), now),
            Restart::WithoutHistory => {
                server.lose_queues(new_epoch(), now);
                server.lose_history();
            }
        });
        if self.listener.is_some() { self.live() } else { self.come_up() }
    }

    /// Ends the runtime with all connections. It waits for nothing but the tasks' next breath, on a thread where it may.
    fn die(&mut self) {
        if let Some(life) = self.life.take() {
            let ends = std::thread::spawn(move || life.shutdown_timeout(Duration::from_secs(5)));
            // The thread only drops; a panic in there is told on standard error.
            let _ = ends.join();
        }
    }

    fn live(&mut self) -> Result<(), HostError> {
        let address = self.address;
        let listen = |source| HostError::Listen { address, source };
        let Some(listener) = &self.listener else { return Ok(()) };
        let listener = listener.try_clone().map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let mut server = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(PING))
            .http2_keepalive_timeout(Some(PING))
            .max_concurrent_streams(CALLS);
        if let Some(files) = &self.settings.tls {
            server = server.tls_config(tls(files)?).map_err(|error| HostError::Tls(chain(&error)))?;
        }
        let most = self.with(|server, _| server.limits().message);
        let service = DeviceServiceServer::new(Handler(self.shared.clone())).max_decoding_message_size(most);
        let describe = |error: tonic_reflection::server::Error| HostError::Describe(error.to_string());
        let describer = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let (reflection, older) =
            (describer().build_v1().map_err(describe)?, describer().build_v1alpha().map_err(describe)?);
        let (reporter, health) = tonic_health::server::health_reporter();
        let token = self.settings.token.clone();
        let shared = self.shared.clone();
        let life = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("device-service")
            .enable_all()
            .build()
            .map_err(HostError::Thread)?;
        let within = life.enter();
        let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).map_err(listen)?);
        drop(within);
        life.spawn(async move {
            reporter.set_serving::<DeviceServiceServer<Handler>>().await;
            let served = server
                .layer(InterceptorLayer::new(move |request| admit(request, token.as_deref())))
                .layer(MapResponseLayer::new(move |response| spoil(response, &shared)))
                .add_service(service)
                .add_service(health)
                .add_service(reflection)
                .add_service(older)
                .serve_with_incoming(incoming)
                .await;
            if let Err(error) = served {
                eprintln!("the device service on {address} ended: {}", chain(&error));
            }
        });
        self.life = Some(life);
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.go_down();
    }
}

/// What was never used before.
pub(crate) fn new_epoch() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

/// Lets in who has the token. It covers health and reflection as well.
fn admit(request: Request<()>, token: Option<&str>) -> Result<Request<()>, Status> {
    let Some(token) = token else { return Ok(request) };
    let shown = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    if shown.and_then(|shown| shown.strip_prefix("Bearer ")).is_some_and(|shown| same(shown, token)) {
        return Ok(request);
    }
    let mut status = Status::unauthenticated("show the right token as `authorization: Bearer <token>`");
    let code = format!("{:08X}", StatusCode::BAD_IDENTITY_TOKEN_REJECTED.0);
    if let Ok(code) = MetadataValue::try_from(code) {
        status.metadata_mut().insert(STATUS_METADATA, code);
    }
    Err(status)
}

/// Compares all bytes, so that the time does not tell how many are right.
fn same(shown: &str, token: &str) -> bool {
    let differences = shown.bytes().zip(token.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    shown.len() == token.len() && differences == 0
}

fn tls(files: &TlsFiles) -> Result<ServerTlsConfig, HostError> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(|source| HostError::Read { path: path.clone(), source });
    let identity = TlsIdentity::from_pem(read(&files.certificate)?, read(&files.key)?);
    let config = ServerTlsConfig::new().identity(identity);
    Ok(match &files.client_ca {
        Some(ca) => config.client_ca_root(Certificate::from_pem(read(ca)?)),
        None => config,
    })
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
