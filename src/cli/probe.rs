//! `instrumentd probe`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::config::grpc::{Endpoint, GrpcSettings};
use crate::config::settings::TlsSettings;
use crate::probe::{self, Outcome};

/// Ask a server of the device service whether it keeps the service's rules.
///
/// Browse, Read, HistoryRead, subscriptions and Republish are tried; nothing is changed at the instrument. Write and Call are
/// tried only on the nodes that are named. Each rule of docs/device-service.md that was looked at is told on a line: pass,
/// fail with what was found and what to do, or why it was not tested. Ends with 0 if none failed, 1 if one did, 2 if the
/// server cannot be asked.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The server: `grpcs://HOST:PORT` with TLS, `grpc://HOST:PORT` without.
    #[arg(value_parser = endpoint)]
    endpoint: Endpoint,
    /// With TLS: the certificate of the authority that signed the server's, a PEM file.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// With mutual TLS: the client's certificate chain, PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// With mutual TLS: the client's private key, PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// With TLS: the name in the server's certificate, where it is not the endpoint's.
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// The file that holds the bearer token alone.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Write this variable the value that it has. Can be given several times.
    #[arg(long, value_name = "NODE")]
    write: Vec<String>,
    /// Call this method, without arguments: one that takes none is carried out. Can be given several times.
    #[arg(long, value_name = "NODE")]
    call: Vec<String>,
    /// How to print it: for people, or as JSON for tools.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  the simulated gateway, which keeps the rules:
    instrument-sim echo-ms-plus --listen 127.0.0.1:50061 &
    instrumentd probe grpc://127.0.0.1:50061
  one with TLS and a token:
    instrumentd probe grpcs://gateway-1:50061 --ca ca.pem --token-file token
  one that wants a client certificate:
    instrumentd probe grpcs://gateway-1:50061 --ca ca.pem \\
      --certificate me.pem --key me.key
  with a method that may be called and a variable that may be written:
    instrumentd probe grpc://127.0.0.1:50061 --call 'ns=2;s=Device/AddComment' \\
      --write 'ns=2;s=Device/OperationalLocation'
  the rules that are not kept, for a build server:
    instrumentd probe grpc://127.0.0.1:50061 --format json |
      jq '.rules[] | select(.outcome == \"fail\")'";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    Endpoint::parse(text).map_err(|(message, meant)| match meant {
        Some(meant) => format!("{message}; did you mean `{meant}`?"),
        None => format!("{message}; write grpcs://HOST:PORT, or grpc://HOST:PORT for a server without TLS"),
    })
}

/// Runs it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = settings(&arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
    let wishes = probe::Wishes { write: arguments.write, call: arguments.call };
    let report = match runtime.block_on(probe::probe(&settings, &wishes)) {
        Ok(report) => report,
        Err(failure) => {
            eprintln!("instrumentd probe: {failure}; {}", failure.remedy);
            return Ok(ExitCode::from(2));
        }
    };
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
        Format::Human => {
            writeln!(out, "{}: {}\n", report.endpoint, report.server)?;
            for line in &report.rules {
                writeln!(out, "{:<10} {:<22} {}", line.outcome.word(), line.rule, line.text)?;
                match &line.outcome {
                    Outcome::Pass => {}
                    Outcome::Fail { found } => writeln!(out, "{:34}found: {found}\n{:34}{}", "", "", line.remedy)?,
                    Outcome::NotTested { why } => writeln!(out, "{:34}{why}", "")?,
                }
            }
            let count = |word: &str| report.rules.iter().filter(|line| line.outcome.word() == word).count();
            writeln!(out, "\n{} pass, {} fail, {} not tested", count("pass"), count("FAIL"), count("not tested"))?;
        }
    }
    let failed = report.rules.iter().any(|line| matches!(line.outcome, Outcome::Fail { .. }));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn settings(arguments: &Arguments) -> anyhow::Result<GrpcSettings> {
    let address = arguments.endpoint.address.clone();
    let tls = match (arguments.endpoint.tls, &arguments.ca) {
        (true, Some(ca)) => {
            let client = arguments.certificate.clone().zip(arguments.key.clone());
            let name = arguments.server_name.clone().unwrap_or_else(|| address.host.clone());
            Some((TlsSettings { ca_file: ca.clone(), client }, name))
        }
        (true, None) => {
            bail!("--ca is needed with grpcs://: the certificate of the authority that signed the server's")
        }
        (false, ca) => {
            if ca.is_some() || arguments.certificate.is_some() || arguments.server_name.is_some() {
                bail!("--ca, --certificate, --key and --server-name mean nothing without TLS: write grpcs://");
            }
            None
        }
    };
    Ok(GrpcSettings {
        address,
        tls,
        token_file: arguments.token_file.clone(),
        connect_timeout: GrpcSettings::CONNECT_TIMEOUT,
        call_timeout: GrpcSettings::CALL_TIMEOUT,
        keep_alive: GrpcSettings::KEEP_ALIVE,
        max_message: GrpcSettings::MAX_MESSAGE,
        capture: None,
    })
}
