//! Who is let in.

use std::path::Path;

use instrument_proto::device::v1::GetServerStatusRequest;
use instrument_proto::device::v1::device_service_client::DeviceServiceClient;
use instrumentd_simulators::device_service::TlsFiles;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// A certificate for `localhost` and its key, PEM.
fn issued(by: &Authority) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    (params.signed_by(&key, by).expect("a certificate").pem(), key.serialize_pem())
}

fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    path
}

fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    if !token.is_empty() {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    }
    request
}

#[tokio::test]
async fn a_client_without_the_right_certificate_or_token_gets_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (servers, clients, strangers) = (authority(), authority(), authority());
    let (certificate, key) = issued(&servers);
    let tls = TlsFiles {
        certificate: write(folder.path(), "server.pem", &certificate),
        key: write(folder.path(), "server.key", &key),
        client_ca: Some(write(folder.path(), "clients.pem", &clients.pem())),
    };
    let host = HostSettings { tls: Some(tls), token: Some("s3cret".to_owned()), ..HostSettings::default() };
    let echo = echo(host, Limits::default(), Faults::default(), Pace::Max);
    let address = format!("https://localhost:{}", echo.address().port());
    let channel = |identity: Option<(String, String)>| {
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(servers.pem()));
        if let Some((certificate, key)) = identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        let endpoint = Endpoint::from_shared(address.clone()).expect("an address").tls_config(tls).expect("a key");
        endpoint.connect_lazy()
    };
    let right = channel(Some(issued(&clients)));
    let mut asks = DeviceServiceClient::new(right.clone());
    let status = asks.get_server_status(with_token(GetServerStatusRequest {}, "s3cret")).await.expect("let in");
    assert!(!status.get_ref().server_epoch.is_empty());
    for token in ["", "s3cre", "s3cret2", "S3CRET"] {
        let refused = asks.get_server_status(with_token(GetServerStatusRequest {}, token)).await.expect_err(token);
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert_eq!(refused.metadata().get("opcua-status-code").expect("a code"), "80210000");
        // Not even whether it is alive.
        let refused = HealthClient::new(right.clone()).check(with_token(HealthCheckRequest::default(), token)).await;
        assert_eq!(refused.expect_err(token).code(), Code::Unauthenticated);
    }
    for identity in [None, Some(issued(&strangers)), Some(issued(&servers))] {
        let mut asks = DeviceServiceClient::new(channel(identity));
        let refused = asks.get_server_status(with_token(GetServerStatusRequest {}, "s3cret")).await;
        // How a failed handshake is told is the transport's affair; it never comes to a call.
        let refused = refused.expect_err("no right certificate");
        assert!(refused.metadata().get("opcua-status-code").is_none(), "{refused}");
    }
    // In plain text neither.
    let mut plain = client(&echo).await;
    assert!(plain.get_server_status(with_token(GetServerStatusRequest {}, "s3cret")).await.is_err());
}
