//! Who is let in by a gateway, and what is said where one is not.

use std::path::{Path, PathBuf};

use instrumentd_simulators::device_service::{HostSettings, Limits, TlsFiles};
use instrumentd_simulators::echo_ms_plus::{EchoMsPlus, Faults};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;

use crate::laboratory::{PACE, Place, binary, settings};
use crate::wait_for;

/// What tells first that something is wrong.
fn first_word(place: &Place) -> Value {
    let mut told = Vec::new();
    wait_for("what is wrong", || {
        told = place.events("device.*");
        !told.is_empty()
    });
    told.swap_remove(0)
}

#[test]
fn a_client_without_the_right_token_gets_nothing_and_says_why() {
    let host = HostSettings { token: Some("s3same".to_owned()), ..HostSettings::default() };
    let echo = EchoMsPlus::start(settings(1), host, Limits::default(), Faults::default(), PACE).expect("it runs");
    let grpc = format!("endpoint = \"grpc://{}\"\nplaintext = true\ntoken_file = \"token\"", echo.address());
    let place = Place::new(&grpc);
    std::fs::write(place.folder.path().join("token"), "hunter2").expect("written");
    let daemon = place.run();
    let told = first_word(&place);
    assert_eq!(told["type"], "instrumentd.device.disconnected.v1", "{told:?}");
    assert!(told["data"]["reason"].as_str().is_some_and(|why| why.contains("does not accept who we are")));
    assert!(told["data"]["remedy"].as_str().is_some_and(|what| what.contains("token_file")));
    assert_eq!(place.events("ejection.*"), Vec::<Value>::new());
    assert!(!place.log().contains("hunter2"), "{}", place.log());
    // A token that is mended counts without a restart.
    std::fs::write(place.folder.path().join("token"), "s3same\n").expect("written");
    wait_for("a shot", || !place.events("ejection.*").is_empty());
    drop(daemon);
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// Writes a certificate for `localhost` and its key into a folder: `NAME.pem` and `NAME.key`.
fn issue(by: &Authority, is_outdated: bool, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    if is_outdated {
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2001, 1, 1), rcgen::date_time_ymd(2002, 1, 1));
    }
    let certificate = params.signed_by(&key, by).expect("a certificate");
    let paths = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    std::fs::write(&paths.0, certificate.pem()).expect("written");
    std::fs::write(&paths.1, key.serialize_pem()).expect("written");
    paths
}

/// An Echo MS+ whose gateway wants a certificate of `clients`; its own is signed by `servers`.
fn strict(servers: &Authority, clients: &Authority, folder: &Path) -> EchoMsPlus {
    let (certificate, key) = issue(servers, false, folder, "server");
    std::fs::write(folder.join("clients.pem"), clients.pem()).expect("written");
    let tls = TlsFiles { certificate, key, client_ca: Some(folder.join("clients.pem")) };
    let host = HostSettings { tls: Some(tls), ..HostSettings::default() };
    EchoMsPlus::start(settings(1), host, Limits::default(), Faults::default(), PACE).expect("it runs")
}

#[test]
fn a_client_without_the_right_certificate_gets_nothing_and_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let (servers, clients, strangers) = (authority(), authority(), authority());
    let mut echo = strict(&servers, &clients, folder.path());
    let endpoint = format!("endpoint = \"grpcs://localhost:{}\"\nca = \"ca.pem\"", echo.address().port());
    let with_certificate = format!("{endpoint}\ncertificate = \"client.pem\"\nkey = \"client.key\"");
    let refused = "the server refuses the client's certificate";
    let check = "check that the server trusts the authority that signed `certificate`";
    let cases = [
        ("another's", &with_certificate, Some((&strangers, false)), &servers, refused, check),
        ("the server's own", &with_certificate, Some((&servers, false)), &servers, refused, check),
        ("an outdated one", &with_certificate, Some((&clients, true)), &servers, refused, "has not expired"),
        ("none", &endpoint, None, &servers, "wants a client certificate", "give `certificate` and `key`"),
        (
            "the right one to another server",
            &with_certificate,
            Some((&clients, false)),
            &strangers,
            "not signed by the configured authority",
            "`ca` must be the certificate",
        ),
    ];
    for (what, grpc, client, ca, reason, remedy) in cases {
        let place = Place::new(grpc);
        let here = place.folder.path();
        std::fs::write(here.join("ca.pem"), ca.pem()).expect("written");
        if let Some((by, is_outdated)) = client {
            issue(by, is_outdated, here, "client");
        }
        let daemon = place.run();
        let told = first_word(&place);
        assert_eq!(told["type"], "instrumentd.device.disconnected.v1", "{what}: {told}");
        let says = |field: &str, text: &str| told["data"][field].as_str().is_some_and(|told| told.contains(text));
        assert!(says("reason", reason) && says("remedy", remedy), "{what}: {told}");
        assert!(place.log().contains(reason) && place.log().contains(remedy), "{what}: {}", place.log());
        assert_eq!(place.events("ejection.*"), Vec::<Value>::new(), "{what}");
        drop(daemon);
    }
    // Who is not let in is not counted as anybody.
    assert_eq!(echo.with_host(|host| host.with(|server, _| server.subscriptions())), 0);

    // Certificates that are mended count without a restart, and what was missed meanwhile is told.
    let place = Place::new(&with_certificate);
    std::fs::write(place.folder.path().join("ca.pem"), servers.pem()).expect("written");
    issue(&strangers, false, place.folder.path(), "client");
    let daemon = place.run();
    assert_eq!(first_word(&place)["type"], "instrumentd.device.disconnected.v1");
    issue(&clients, false, place.folder.path(), "client");
    echo.wait().expect("it ran");
    place.wait_for_ends(1);
    let shots: usize = place.shots().values().map(Vec::len).sum();
    assert_eq!(shots, echo.truth().len());
    let key = std::fs::read_to_string(place.folder.path().join("client.key")).expect("a key");
    let secret = key.lines().nth(1).expect("a line of it");
    assert!(!place.log().contains(secret), "the key is in the log");
    drop(daemon);
}

#[test]
fn a_probe_shows_the_certificate_that_it_is_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let (servers, clients, strangers) = (authority(), authority(), authority());
    let echo = strict(&servers, &clients, folder.path());
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, servers.pem()).expect("written");
    let probe = |by: &Authority| {
        let (certificate, key) = issue(by, false, folder.path(), "client");
        let endpoint = format!("grpcs://localhost:{}", echo.address().port());
        let mut command = binary();
        command.args(["probe", &endpoint, "--ca"]).arg(&ca).arg("--certificate").arg(certificate).arg("--key").arg(key);
        command.output().expect("it runs")
    };
    let refused = probe(&strangers);
    let text = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{text}");
    assert!(text.contains("refuses the client's certificate") && text.contains("check that the server"), "{text}");
    let let_in = probe(&clients);
    assert_eq!(let_in.status.code(), Some(0), "{}", String::from_utf8_lossy(&let_in.stdout));
}
