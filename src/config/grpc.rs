//! gRPC services of instruments: where they are, and how the daemon shows who it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::Code;
use super::file::GrpcTable;
use super::links;
use super::ports::Address;
use super::reader::{At, Read, Reader, Value};
use super::settings::TlsSettings;
use super::streams::CaptureSettings;
use super::values::{FilePath, schema};

/// How a service is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcSettings {
    /// Where it is.
    pub address: Address,
    /// TLS, with the name that the server's certificate must have; `None` is plaintext.
    pub tls: Option<(TlsSettings, String)>,
    /// The file that holds the bearer token.
    pub token_file: Option<PathBuf>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a call may take.
    pub call_timeout: Duration,
    /// How often a quiet connection is asked whether the other side is still there.
    pub keep_alive: Duration,
    /// The largest message that is accepted, in bytes.
    pub max_message: usize,
    /// Where what passes over it is recorded.
    pub capture: Option<CaptureSettings>,
}

/// What holds where nothing else is said.
impl GrpcSettings {
    /// How long connecting may take.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    /// How long a call may take.
    pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);
    /// How often a quiet connection is asked whether the other side is still there.
    pub const KEEP_ALIVE: Duration = Duration::from_secs(20);
    /// The largest message that is accepted, in bytes.
    pub const MAX_MESSAGE: usize = 16_000_000;

    /// The endpoint, as the configuration writes it.
    pub fn endpoint(&self) -> String {
        let scheme = if self.tls.is_some() { "grpcs" } else { "grpc" };
        format!("{scheme}://{}", self.address)
    }
}

/// The address of a service, `grpc://host:port` or `grpcs://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it is reached by TLS.
    pub tls: bool,
    /// Where it is.
    pub address: Address,
}

schema!([] Endpoint, "Endpoint", {"type": "string", "pattern": "^grpcs?://.+:[0-9]{1,5}$"});

impl Endpoint {
    /// The endpoint that `text` names; else why it names none, and what was probably meant.
    pub fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let known = match scheme.to_ascii_lowercase().as_str() {
            "grpc" | "http" => Some("grpc"),
            "grpcs" | "https" => Some("grpcs"),
            _ => None,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let address = Address::parse(rest);
        match (scheme, address, known) {
            ("grpc" | "grpcs", Some(address), _) => Ok(Self { tls: scheme == "grpcs", address }),
            (_, Some(address), known) => {
                let meant =
                    known.map_or_else(|| format!("grpcs://{address}"), |scheme| format!("{scheme}://{address}"));
                Err((format!("`{text}` does not begin with `grpc://` or `grpcs://`"), Some(meant)))
            }
            (_, None, _) => Err((format!("`{text}` names no host with a port"), None)),
        }
    }
}

impl Read for Endpoint {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(value, "an endpoint such as \"grpcs://gateway-1.lab.example:50051\"")?;
        match Self::parse(text) {
            Ok(endpoint) => Some(endpoint),
            Err((message, meant)) => {
                reader
                    .report(Code::BadHost, value.span(), message)
                    .meant(meant)
                    .help("write \"grpcs://HOST:PORT\", or \"grpc://HOST:PORT\" for a service without TLS");
                None
            }
        }
    }
}

/// The settings that `table` stands for; `None` where something is missing or contradicts itself, which then was reported.
pub(super) fn grpc(table: &GrpcTable, folder: &Path, reader: &mut Reader) -> Option<GrpcSettings> {
    let endpoint = table.endpoint.as_ref()?;
    let before = reader.error_count();
    let tls = match endpoint.value.tls {
        true => Some(tls(table, endpoint, folder, reader)?),
        false => {
            plaintext(table, endpoint, reader);
            None
        }
    };
    if reader.error_count() > before {
        return None;
    }
    Some(GrpcSettings {
        address: endpoint.value.address.clone(),
        tls,
        token_file: table.token_file.as_ref().map(|at| at.value.in_folder(folder)),
        connect_timeout: table.connect_timeout.as_ref().map_or(GrpcSettings::CONNECT_TIMEOUT, |at| at.value.0),
        call_timeout: table.call_timeout.as_ref().map_or(GrpcSettings::CALL_TIMEOUT, |at| at.value.0),
        keep_alive: table.keep_alive.as_ref().map_or(GrpcSettings::KEEP_ALIVE, |at| at.value.0),
        max_message: table
            .max_message
            .as_ref()
            .map_or(Some(GrpcSettings::MAX_MESSAGE), |at| usize::try_from(at.value.0).ok())?,
        capture: links::capture(&table.capture, folder)?,
    })
}

/// What `grpc://` must say, and what means nothing with it.
fn plaintext(table: &GrpcTable, endpoint: &At<Endpoint>, reader: &mut Reader) {
    if !table.plaintext.as_ref().is_some_and(|at| at.value) && !reader.was_tried(&table.span, "plaintext") {
        reader
            .report(Code::Plaintext, endpoint.span.clone(), "`grpc://` is reached without TLS")
            .help("anyone on the network could read what the instrument says, and the token, and say other things")
            .help("write `grpcs://` and `ca` if the service has TLS; else say `plaintext = true` if that network is trusted");
    } else if table.plaintext.as_ref().is_some_and(|at| !at.value) {
        let span = table.plaintext.as_ref().map_or(endpoint.span.clone(), |at| at.span.clone());
        reader
            .report(Code::Plaintext, span, "`plaintext = false`, and `grpc://` is plaintext")
            .help("write `grpcs://` and `ca`, or `plaintext = true`")
            .also(endpoint.span.clone(), "the endpoint");
    }
    let only_tls = [
        ("ca", table.ca.as_ref().map(|at| at.span.clone())),
        ("certificate", table.certificate.as_ref().map(|at| at.span.clone())),
        ("key", table.key.as_ref().map(|at| at.span.clone())),
        ("server_name", table.server_name.as_ref().map(|at| at.span.clone())),
    ];
    for (key, span) in only_tls.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        reader
            .report(Code::IncompleteTls, span, format!("`{key}` means nothing without TLS"))
            .help("write `grpcs://` if the service has TLS, or take it out")
            .also(endpoint.span.clone(), "plaintext");
    }
}

fn tls(
    table: &GrpcTable,
    endpoint: &At<Endpoint>,
    folder: &Path,
    reader: &mut Reader,
) -> Option<(TlsSettings, String)> {
    if let Some(at) = table.plaintext.as_ref().filter(|at| at.value) {
        reader
            .report(Code::Plaintext, at.span.clone(), "`plaintext = true`, and `grpcs://` is TLS")
            .help("take it out, or write `grpc://`")
            .also(endpoint.span.clone(), "the endpoint");
    }
    let span = |entry: &Option<At<FilePath>>| entry.as_ref().map(|at| at.span.clone());
    let half = match (span(&table.certificate), span(&table.key)) {
        (Some(span), None) if !reader.was_tried(&table.span, "key") => {
            Some((span, "a client certificate without its key", "key"))
        }
        (None, Some(span)) if !reader.was_tried(&table.span, "certificate") => {
            Some((span, "a client key without its certificate", "certificate"))
        }
        _ => None,
    };
    if let Some((span, message, missing)) = half {
        reader
            .report(Code::IncompleteTls, span, message)
            .help(format!("add `{missing}`, or leave both out when the service asks for no client certificate"));
    }
    if table.ca.is_none() && !reader.was_tried(&table.span, "ca") {
        reader
            .report(Code::IncompleteTls, endpoint.span.clone(), "nothing says which authority signed the service's certificate")
            .help("add `ca = \"…\"`, the authority's certificate as a PEM file; for a self-signed one, that certificate itself");
    }
    let path = |entry: &Option<At<FilePath>>| entry.as_ref().map(|at| at.value.in_folder(folder));
    let name = table.server_name.as_ref().map_or_else(|| endpoint.value.address.host.clone(), |at| at.value.0.clone());
    let client = path(&table.certificate).zip(path(&table.key));
    Some((TlsSettings { ca_file: path(&table.ca)?, client }, name))
}
