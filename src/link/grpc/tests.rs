//! What is said of a service that cannot be used, each against a real server over a real socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use instrument_proto::device::v1::device_service_client::DeviceServiceClient;
use instrument_proto::device::v1::{GetServerStatusRequest, PublishRequest};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{Connection, Failure, Kind, connect};
use crate::config::grpc::GrpcSettings;
use crate::config::ports::Address;
use crate::config::settings::TlsSettings;

/// An authority and what it signs, as files.
struct Authority {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// Whose certificate, and whether it is still valid.
#[derive(Clone, Copy)]
struct Wanted {
    name: &'static str,
    is_outdated: bool,
}

const SERVER: Wanted = Wanted { name: "localhost", is_outdated: false };

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { folder, issuer }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate and its key, as PEM.
    fn signed(&self, wanted: Wanted) -> (String, String) {
        let mut params = CertificateParams::new(vec![wanted.name.to_owned()]).expect("parameters");
        if wanted.is_outdated {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    fn client(&self) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.signed(Wanted { name: "instrumentd", is_outdated: false });
        let paths = (self.file("client.pem"), self.file("client.key"));
        std::fs::write(&paths.0, certificate).expect("written");
        std::fs::write(&paths.1, key).expect("written");
        paths
    }
}

/// A server's TLS: its certificate, and the authority of clients' certificates where it wants one.
fn server_tls(authority: &Authority, wanted: Wanted, clients: Option<&Authority>) -> ServerTlsConfig {
    let (certificate, key) = authority.signed(wanted);
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
    match clients {
        Some(clients) => tls.client_ca_root(Certificate::from_pem(clients.issuer.pem())),
        None => tls,
    }
}

fn with_token(request: Request<()>) -> Result<Request<()>, Status> {
    match request.metadata().get("authorization").map(|value| value.as_bytes()) {
        Some(b"Bearer s3same") => Ok(request),
        _ => Err(Status::unauthenticated("no such token")),
    }
}

/// A server of the health service that wants a token; gives its port.
async fn serve(tls: Option<ServerTlsConfig>) -> u16 {
    let (_, health) = tonic_health::server::health_reporter();
    let health = tonic::service::interceptor::InterceptedService::new(health, with_token);
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).expect("usable");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(server.add_service(health).serve_with_incoming(TcpIncoming::from(listener)));
    port
}

fn settings(port: u16, tls: Option<TlsSettings>, token_file: Option<PathBuf>) -> GrpcSettings {
    GrpcSettings {
        address: Address { host: "localhost".to_owned(), port },
        tls: tls.map(|tls| (tls, "localhost".to_owned())),
        token_file,
        connect_timeout: Duration::from_secs(10),
        call_timeout: Duration::from_secs(10),
        keep_alive: GrpcSettings::KEEP_ALIVE,
        max_message: 65_536,
        capture: None,
    }
}

fn trusting(authority: &Authority) -> TlsSettings {
    TlsSettings { ca_file: authority.file("ca.pem"), client: None }
}

fn token(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("token");
    std::fs::write(&path, text).expect("written");
    path
}

/// Asks the health service; what it says, or why it does not.
async fn ask(settings: &GrpcSettings) -> Result<i32, Failure> {
    let connection = connect(settings).await?;
    let mut client = HealthClient::new(connection.service());
    let request = connection.call(HealthCheckRequest { service: String::new() });
    client.check(request).await.map(|reply| reply.into_inner().status).map_err(|status| connection.failure(&status))
}

fn kind(asked: Result<i32, Failure>) -> Kind {
    let failure = asked.expect_err("no answer");
    assert!(!failure.remedy.is_empty() && failure.to_string().contains("localhost"), "{failure:?}");
    failure.kind
}

#[tokio::test]
async fn a_client_with_token_and_certificate_is_answered() {
    let authority = Authority::new();
    let port = serve(Some(server_tls(&authority, SERVER, Some(&authority)))).await;
    let tls = TlsSettings { client: Some(authority.client()), ..trusting(&authority) };
    let file = token(authority.folder.path(), "s3same\n");
    assert_eq!(ask(&settings(port, Some(tls), Some(file))).await, Ok(1));
    let file = token(authority.folder.path(), "s3same\r\n");
    assert_eq!(ask(&settings(serve(None).await, None, Some(file))).await, Ok(1), "plaintext");
}

#[tokio::test]
async fn a_client_that_does_not_show_who_it_is_gets_nothing_and_is_told_why() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let port = serve(Some(server_tls(&authority, SERVER, Some(&authority)))).await;
    let file = token(authority.folder.path(), "s3same");
    let without = settings(port, Some(trusting(&authority)), Some(file.clone()));
    assert_eq!(kind(ask(&without).await), Kind::CertificateRefused);
    let tls = TlsSettings { client: Some(stranger.client()), ..trusting(&authority) };
    assert_eq!(kind(ask(&settings(port, Some(tls), Some(file))).await), Kind::CertificateRefused);
    let tls = TlsSettings { client: Some(authority.client()), ..trusting(&authority) };
    assert_eq!(kind(ask(&settings(port, Some(tls.clone()), None)).await), Kind::Unauthenticated);
    let wrong = token(authority.folder.path(), "hunter2");
    let failure = ask(&settings(port, Some(tls.clone()), Some(wrong))).await.expect_err("refused");
    assert_eq!(failure.kind, Kind::Unauthenticated);
    assert!(!format!("{failure:?} {failure} {}", failure.remedy).contains("hunter2"), "{failure:?}");
    let empty = token(authority.folder.path(), "\n");
    assert_eq!(kind(ask(&settings(port, Some(tls.clone()), Some(empty))).await), Kind::File);
    assert_eq!(kind(ask(&settings(port, Some(tls), Some("/nowhere/token".into()))).await), Kind::File);
}

#[tokio::test]
async fn a_server_that_is_not_who_it_should_be_gets_no_token() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let ask_of = |port| {
        let file = token(authority.folder.path(), "s3same");
        let settings = settings(port, Some(trusting(&authority)), Some(file));
        async move { kind(ask(&settings).await) }
    };
    let other_name = Wanted { name: "gateway-2.example", ..SERVER };
    assert_eq!(ask_of(serve(Some(server_tls(&authority, other_name, None))).await).await, Kind::WrongName);
    assert_eq!(ask_of(serve(Some(server_tls(&stranger, SERVER, None))).await).await, Kind::UnknownAuthority);
    let outdated = Wanted { is_outdated: true, ..SERVER };
    assert_eq!(ask_of(serve(Some(server_tls(&authority, outdated, None))).await).await, Kind::Outdated);
    assert_eq!(ask_of(serve(None).await).await, Kind::Tls, "a server without TLS");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_of() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut silent = settings(port, Some(trusting(&Authority::new())), None);
    silent.connect_timeout = Duration::from_millis(300);
    let authority = Authority::new();
    silent.tls = Some((trusting(&authority), "localhost".to_owned()));
    assert_eq!(kind(ask(&silent).await), Kind::Late, "a server that accepts and says nothing");
    drop(listener);
    assert_eq!(kind(ask(&settings(port, None, None)).await), Kind::Refused);
    let mut nowhere = settings(port, None, None);
    nowhere.address.host = "no-such-host.invalid".to_owned();
    assert_eq!(connect(&nowhere).await.expect_err("no such name").kind, Kind::Name);
}

/// A server of the device service whose answer to everything is these bytes, as field 1.
#[derive(Clone)]
struct Answers(Vec<u8>);

impl NamedService for Answers {
    const NAME: &'static str = "instrumentd.device.v1.DeviceService";
}

impl tower::Service<tonic::codegen::http::Request<tonic::body::Body>> for Answers {
    type Response = tonic::codegen::http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = tonic::codegen::BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::codegen::http::Request<tonic::body::Body>) -> Self::Future {
        let bytes = self.0.clone();
        Box::pin(async move {
            let answer = tower::service_fn(move |_: Request<()>| {
                let bytes = bytes.clone();
                async move { Ok::<_, Status>(Response::new(bytes)) }
            });
            let codec = tonic_prost::ProstCodec::<Vec<u8>, ()>::default();
            Ok(tonic::server::Grpc::new(codec).unary(answer, request).await)
        })
    }
}

async fn status_of(connection: &Connection) -> Failure {
    let mut client = DeviceServiceClient::new(connection.service()).max_decoding_message_size(connection.max_message());
    let status = client.get_server_status(connection.call(GetServerStatusRequest {})).await.expect_err("no status");
    connection.failure(&status)
}

#[tokio::test]
async fn a_server_that_answers_nonsense_is_named() {
    let other = connect(&settings(serve(None).await, None, None)).await.expect("connected");
    assert_eq!(status_of(&other).await.kind, Kind::NotThisService);
    for (answer, expected) in [(vec![0xFF; 16], Kind::Malformed), (vec![b'x'; 70_000], Kind::TooLarge)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(
            Server::builder().add_service(Answers(answer)).serve_with_incoming(TcpListenerStream::new(listener)),
        );
        let connection = connect(&settings(port, None, None)).await.expect("connected");
        let failure = status_of(&connection).await;
        assert_eq!(failure.kind, expected, "{failure}");
        assert!(failure.to_string().starts_with(&format!("grpc://localhost:{port}: ")), "{failure}");
    }
}

/// A server of the device service whose streams never end, and which counts what the client had room for.
#[derive(Clone, Default)]
struct Floods(Arc<AtomicU64>);

impl NamedService for Floods {
    const NAME: &'static str = "instrumentd.device.v1.DeviceService";
}

impl tower::Service<tonic::codegen::http::Request<tonic::body::Body>> for Floods {
    type Response = tonic::codegen::http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = tonic::codegen::BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::codegen::http::Request<tonic::body::Body>) -> Self::Future {
        let sent = self.0.clone();
        Box::pin(async move {
            let codec = tonic_prost::ProstCodec::<Vec<u8>, ()>::default();
            if !request.uri().path().ends_with("/Publish") {
                let answer = tower::service_fn(|_: Request<()>| async { Ok::<_, Status>(Response::new(Vec::new())) });
                return Ok(tonic::server::Grpc::new(codec).unary(answer, request).await);
            }
            let answer = tower::service_fn(move |_: Request<()>| {
                let sent = sent.clone();
                let messages = std::iter::repeat_with(move || {
                    sent.fetch_add(1000, Ordering::Relaxed);
                    Ok::<_, Status>(vec![0u8; 1000])
                });
                async move { Ok::<_, Status>(Response::new(tokio_stream::iter(messages))) }
            });
            Ok(tonic::server::Grpc::new(codec).server_streaming(answer, request).await)
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_nobody_reads_hold_up_no_other_call_and_take_little_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = Floods::default();
    let sent = server.0.clone();
    tokio::spawn(Server::builder().add_service(server).serve_with_incoming(TcpListenerStream::new(listener)));
    let connection = connect(&settings(port, None, None)).await.expect("connected");
    let mut client = DeviceServiceClient::new(connection.service());
    let mut unread = Vec::new();
    for _ in 0..2 {
        unread.push(client.publish(PublishRequest::default()).await.expect("a stream"));
    }
    // Until the server finds no more room.
    let mut before = 0;
    loop {
        client.get_server_status(connection.call(GetServerStatusRequest {})).await.expect("answered all the same");
        let now = sent.load(Ordering::Relaxed);
        if now == before && now > u64::from(super::STREAM_WINDOW) {
            break;
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..100 {
        client.get_server_status(connection.call(GetServerStatusRequest {})).await.expect("answered all the same");
    }
    let sent = sent.load(Ordering::Relaxed);
    // With what the server's own side holds ready.
    assert!(sent < 4 * u64::from(super::STREAM_WINDOW), "{sent} bytes are under way");
}
