//! TCP and TLS to a service, each of their failures by its name.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::failure::Failure;
use crate::config::grpc::GrpcSettings;
use crate::tls;

/// The protocol that gRPC is spoken over, as TLS names it.
const HTTP2: &[u8] = b"h2";

/// An open stream to a service.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Whether the service of `settings` can be reached from here now, TLS included, without asking it anything.
///
/// # Errors
/// Why not, and what to do.
pub async fn reach(settings: &GrpcSettings) -> Result<(), Failure> {
    let peer: Arc<str> = settings.endpoint().into();
    match tokio::time::timeout(settings.connect_timeout, dial(settings, &peer)).await {
        Ok(stream) => stream.map(drop),
        Err(_) => Err(Failure::late(&peer, settings.connect_timeout)),
    }
}

/// Opens a stream.
pub(super) async fn dial(settings: &GrpcSettings, peer: &Arc<str>) -> Result<Stream, Failure> {
    let Some((tls, name)) = &settings.tls else { return tcp(settings, peer).await.map(Stream::Plain) };
    let tls = tls.clone();
    let config = tokio::task::spawn_blocking(move || tls::client(&tls))
        .await
        .map_err(|error| Failure::unusable(peer, &error))?;
    let mut config = config.map_err(|error| Failure::of_file(peer, &error))?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    let server = ServerName::try_from(name.clone()).map_err(|error| Failure::unusable(peer, &error))?;
    let stream = tcp(settings, peer).await?;
    let stream = TlsConnector::from(Arc::new(config)).connect(server, stream).await;
    let stream = stream.map_err(|error| Failure::of_tls(peer, name, &error))?;
    match stream.get_ref().1.alpn_protocol() {
        Some(HTTP2) => Ok(Stream::Tls(Box::new(stream))),
        _ => Err(Failure::not_http2(peer)),
    }
}

async fn tcp(settings: &GrpcSettings, peer: &Arc<str>) -> Result<TcpStream, Failure> {
    let host = (settings.address.host.as_str(), settings.address.port);
    let addresses: Vec<_> = match tokio::net::lookup_host(host).await {
        Ok(addresses) => addresses.collect(),
        Err(error) => return Err(Failure::of_name(peer, &settings.address.host, &error)),
    };
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Small messages at a low rate should not wait for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(Failure::of_connect(peer, &last))
}
