//! What went wrong with a service: what, where, and what to do.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};
use tonic::{Code, Status, TimeoutExpired};

use crate::tls::FileError;

/// What a server says of itself is cut to this many characters: it may be hostile.
const MAX_SAID: usize = 200;

/// What kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The host's name has no address.
    Name,
    /// Nobody listens there, or no way leads there.
    Refused,
    /// No answer in time.
    Late,
    /// The connection was lost or closed.
    Closed,
    /// The server's certificate is for another name.
    WrongName,
    /// The server's certificate was signed by an authority that is not the configured one.
    UnknownAuthority,
    /// The server's certificate is outdated, or not valid yet.
    Outdated,
    /// Something else about TLS, a server without it for instance.
    Tls,
    /// The server refuses the client's certificate, or wants one.
    CertificateRefused,
    /// A file of the client's own is missing or unusable.
    File,
    /// The server does not accept who the daemon says it is.
    Unauthenticated,
    /// The server knows the daemon and does not let it do this.
    Forbidden,
    /// The server has no such service or method.
    NotThisService,
    /// A message was larger than is accepted.
    TooLarge,
    /// What came is no message of this service.
    Malformed,
    /// The server says that something is wrong.
    Said(Code),
}

/// A failure, told for whoever has to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{peer}: {reason}")]
pub struct Failure {
    /// What kind.
    pub kind: Kind,
    /// The endpoint.
    pub peer: Arc<str>,
    /// What was found.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl Failure {
    pub(super) fn new(peer: &Arc<str>, kind: Kind, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, peer: peer.clone(), reason: reason.into(), remedy: remedy.into() }
    }

    pub(super) fn late(peer: &Arc<str>, after: Duration) -> Self {
        let reason = format!("there was no answer within {} s", after.as_secs_f64());
        Self::new(peer, Kind::Late, reason, "check that the service runs and that no firewall swallows the connection")
    }

    pub(super) fn of_name(peer: &Arc<str>, host: &str, error: &io::Error) -> Self {
        let reason = format!("the name `{}` has no address ({error})", said(host));
        Self::new(peer, Kind::Name, reason, "check the host in `endpoint` and this machine's name server")
    }

    pub(super) fn of_connect(peer: &Arc<str>, error: &io::Error) -> Self {
        let (reason, remedy) = match error.kind() {
            io::ErrorKind::ConnectionRefused => (
                "nothing listens there (connection refused)".to_owned(),
                "check that the service runs and that `endpoint` names its port",
            ),
            _ => (format!("it cannot be reached ({error})"), "check `endpoint`, the network and the firewall"),
        };
        Self::new(peer, Kind::Refused, reason, remedy)
    }

    pub(super) fn of_file(peer: &Arc<str>, error: &FileError) -> Self {
        Self::new(peer, Kind::File, error.to_string(), error.remedy())
    }

    pub(super) fn no_token(peer: &Arc<str>, file: &str) -> Self {
        let reason = format!("{file} holds no token that could be sent");
        Self::new(peer, Kind::File, reason, "write the token alone into it, on one line, in printable ASCII")
    }

    pub(super) fn unusable(peer: &Arc<str>, error: &dyn Error) -> Self {
        let reason = format!("it cannot be used as an endpoint ({})", said(&error.to_string()));
        Self::new(peer, Kind::Refused, reason, "check `endpoint` and `server_name`")
    }

    pub(super) fn not_http2(peer: &Arc<str>) -> Self {
        let reason = "it speaks TLS and no HTTP/2, so that it is no gRPC service";
        Self::new(peer, Kind::NotThisService, reason, "check the port in `endpoint`")
    }

    /// A server sent what makes no sense.
    pub fn nonsense(peer: &str, what: &str) -> Self {
        let peer: Arc<str> = peer.into();
        Self::new(&peer, Kind::Malformed, format!("it sent {what}"), "the service is broken; look into its log")
    }

    /// A stream was ended by the server.
    pub fn ended(peer: &str) -> Self {
        let peer: Arc<str> = peer.into();
        Self::new(
            &peer,
            Kind::Closed,
            "it ended the stream",
            "it is connected again; look into the service's log if that happens often",
        )
    }

    /// Another client hears what is ours.
    pub fn taken(peer: &str) -> Self {
        let peer: Arc<str> = peer.into();
        let reason = "another client has taken over the subscription";
        Self::new(&peer, Kind::Closed, reason, "check that no second daemon with a copy of this journal is running")
    }

    /// A stream says nothing, not even that it is there.
    pub fn silent(peer: &str, after: Duration) -> Self {
        let peer: Arc<str> = peer.into();
        let reason = format!("its stream said nothing for {} s, no keep-alive either", after.as_secs());
        Self::new(&peer, Kind::Late, reason, "look into the service's log; it is connected again")
    }

    /// A service lacks something that it must have.
    pub fn lacks(peer: &str, what: &str, remedy: &str) -> Self {
        let peer: Arc<str> = peer.into();
        Self::new(&peer, Kind::NotThisService, what.to_owned(), remedy)
    }

    /// A TLS handshake with a server that should be `name` failed.
    pub(super) fn of_tls(peer: &Arc<str>, name: &str, error: &io::Error) -> Self {
        match tls_in(error) {
            Some(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })) => Self::new(
                peer,
                Kind::WrongName,
                format!("the server's certificate is not for `{}`", said(name)),
                "name the host in `endpoint` as the certificate does, or say `server_name`",
            ),
            Some(found) => Self::of_rustls(peer, found),
            // A server without TLS answers with its own bytes, or closes on what it takes for garbage.
            None if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => Self::new(
                peer,
                Kind::Tls,
                "the connection was closed in the middle of the TLS handshake",
                "check that the service speaks TLS at this port, and its log",
            ),
            None => Self::new(peer, Kind::Tls, format!("TLS failed ({error})"), "look into the service's log"),
        }
    }

    pub(super) fn of_rustls(peer: &Arc<str>, error: &rustls::Error) -> Self {
        use CertificateError as Bad;
        let tell = |kind, reason: String, remedy: &str| Self::new(peer, kind, reason, remedy);
        match error {
            rustls::Error::InvalidCertificate(bad) => match bad {
                Bad::UnknownIssuer | Bad::BadSignature => tell(
                    Kind::UnknownAuthority,
                    "the server's certificate was not signed by the configured authority".to_owned(),
                    "`ca` must be the certificate of the authority that signed the server's; if it should be, somebody else \
                     may be answering",
                ),
                Bad::Expired | Bad::ExpiredContext { .. } => tell(
                    Kind::Outdated,
                    "the server's certificate has expired".to_owned(),
                    "renew it at the server; check the clock of this machine",
                ),
                Bad::NotValidYet | Bad::NotValidYetContext { .. } => tell(
                    Kind::Outdated,
                    "the server's certificate is not valid yet".to_owned(),
                    "check the clocks of both machines",
                ),
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => tell(
                    Kind::WrongName,
                    "the server's certificate is for another name".to_owned(),
                    "name the host in `endpoint` as the certificate does, or say `server_name`",
                ),
                other => tell(
                    Kind::Tls,
                    format!("the server's certificate cannot be accepted ({})", said(&other.to_string())),
                    "look at the certificate with `openssl x509 -text`",
                ),
            },
            rustls::Error::AlertReceived(alert) => Self::of_alert(peer, *alert),
            rustls::Error::InvalidMessage(_) => tell(
                Kind::Tls,
                "what answers does not speak TLS".to_owned(),
                "check the port; if the service has no TLS, write `grpc://` and `plaintext = true`",
            ),
            other => {
                tell(Kind::Tls, format!("TLS failed ({})", said(&other.to_string())), "look into the service's log")
            }
        }
    }

    fn of_alert(peer: &Arc<str>, alert: AlertDescription) -> Self {
        use AlertDescription as A;
        match alert {
            A::CertificateRequired => Self::new(
                peer,
                Kind::CertificateRefused,
                "the server wants a client certificate",
                "give `certificate` and `key`",
            ),
            A::BadCertificate
            | A::UnknownCA
            | A::CertificateExpired
            | A::CertificateRevoked
            | A::CertificateUnknown
            | A::UnsupportedCertificate
            | A::DecryptError
            | A::AccessDenied => Self::new(
                peer,
                Kind::CertificateRefused,
                format!("the server refuses the client's certificate ({alert:?})"),
                "check that the server trusts the authority that signed `certificate`, and that it has not expired",
            ),
            other => {
                Self::new(peer, Kind::Tls, format!("the server ended TLS ({other:?})"), "look into the service's log")
            }
        }
    }

    /// Something failed below the calls.
    pub(super) fn of_error(peer: &Arc<str>, error: &(dyn Error + 'static)) -> Self {
        if let Some(found) = tls_in(error) {
            return Self::of_rustls(peer, found);
        }
        if let Some((Side::Here, breach)) = http2_in(error) {
            return Self::new(
                peer,
                Kind::Malformed,
                format!("what it sent breaks the rules of HTTP/2: {}", said(&breach)),
                "check the port in `endpoint`; if it is right the service is broken, or what stands between",
            );
        }
        let reason = format!("the connection was lost ({})", said(&deepest(error)));
        Self::new(
            peer,
            Kind::Closed,
            reason,
            "it is connected again; look into the service's log if that happens often",
        )
    }

    /// A call was not answered, or not as it should be.
    pub(super) fn of_status(peer: &Arc<str>, status: &Status) -> Self {
        if let Some(found) = tls_in(status) {
            return Self::of_rustls(peer, found);
        }
        if http2_in(status).is_some() {
            return Self::of_error(peer, status);
        }
        let text = said(status.message());
        let tell = |kind, reason: String, remedy: &str| Self::new(peer, kind, reason, remedy);
        let late = || {
            tell(
                Kind::Late,
                format!("a call was not answered in time: {text}"),
                "look into the service's log; a slow one needs a longer `call_timeout`",
            )
        };
        match status.code() {
            Code::Cancelled if is_late(status) => late(),
            Code::Unauthenticated => tell(
                Kind::Unauthenticated,
                format!("the service does not accept who we are: {text}"),
                "check the token in `token_file`, or `certificate` and `key`, and what the service expects",
            ),
            Code::PermissionDenied => tell(
                Kind::Forbidden,
                format!("the service does not allow this: {text}"),
                "give this client the right to it at the service",
            ),
            Code::Unimplemented => tell(
                Kind::NotThisService,
                format!("it is a gRPC server without this service or method: {text}"),
                "check the port in `endpoint` and the device's profile",
            ),
            Code::DeadlineExceeded => late(),
            // The client library says so of what it received; a server has no reason to.
            Code::OutOfRange | Code::ResourceExhausted if status.message().contains("message length too large") => {
                tell(
                    Kind::TooLarge,
                    format!("it sent a message that is larger than is accepted: {text}"),
                    "raise `max_message` if the service may send such; else it is broken",
                )
            }
            Code::Internal if is_of_the_library(status.message()) => tell(
                Kind::Malformed,
                format!("what it sent is no message of this service: {text}"),
                "check the port and the profile; if both are right the service is broken",
            ),
            Code::Unavailable | Code::Unknown | Code::Cancelled if Error::source(status).is_some() => {
                Self::of_error(peer, status)
            }
            Code::Unavailable => tell(
                Kind::Closed,
                format!("the service is not available: {text}"),
                "it is connected again; look into the service's log if that happens often",
            ),
            code => tell(Kind::Said(code), format!("the service says {code:?}: {text}"), "look into the service's log"),
        }
    }
}

/// Who found that HTTP/2 was not kept to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// This side, in what came.
    Here,
    /// The other one; or it simply says that it has had enough.
    There,
}

/// The HTTP/2 error among the causes of `error`, known by its text: its type is not the client library's own.
fn http2_in(error: &(dyn Error + 'static)) -> Option<(Side, String)> {
    let mut next = Some(error);
    while let Some(one) = next {
        let text = one.to_string();
        for kind in ["connection error ", "stream error "] {
            match text.strip_prefix(kind) {
                Some(rest) if rest.starts_with("detected") => return Some((Side::Here, text)),
                Some(rest) if rest.starts_with("received") => return Some((Side::There, text)),
                _ => {}
            }
        }
        next = one.source();
    }
    None
}

/// Whether a call's time is over: the client library found it, or a server made with the same one, which was told of it.
fn is_late(status: &Status) -> bool {
    let mut next = Error::source(status);
    while let Some(one) = next {
        if one.is::<TimeoutExpired>() {
            return true;
        }
        next = one.source();
    }
    status.message() == TimeoutExpired(()).to_string()
}

/// Whether a status was made on this side, of bytes that make no sense.
fn is_of_the_library(message: &str) -> bool {
    [
        "failed to decode Protobuf message",
        "protocol error: received message",
        "Missing response message",
        "invalid compression",
    ]
    .iter()
    .any(|known| message.contains(known))
}

/// The TLS error among the causes of `error`.
pub(super) fn tls_in<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(one) = next {
        let inner = one.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = one.downcast_ref::<rustls::Error>().or_else(|| inner?.downcast_ref::<rustls::Error>());
        if found.is_some() {
            return found;
        }
        next = one.source();
    }
    None
}

/// The cause that explains most: the last.
fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// What comes from outside, as it may be shown: one short line of printable characters.
pub(super) fn said(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SAID).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX_SAID).is_some() {
        shown.push('…');
    }
    if shown.trim().is_empty() { "no reason given".to_owned() } else { shown }
}
