//! The gRPC services of devices.

use std::time::Duration;

use super::lines;
use super::surroundings::{Finding, Probe};
use crate::config::codes::Code;
use crate::config::file::GrpcTable;
use crate::config::grpc::GrpcSettings;
use crate::config::reader::At;
use crate::link::grpc::{Kind, reach};

/// How long a service may take to answer, TLS included.
const REACH: Duration = Duration::from_secs(3);

const DISCONNECTED: &str = "the device is `disconnected` until it can be; the daemon tries again all the time";

/// Whether the service of `device` can be reached; its files are looked at elsewhere. It is asked nothing.
pub(super) fn probe(device: &str, table: &At<GrpcTable>, settings: &GrpcSettings) -> Probe {
    let place = table.value.endpoint.as_ref().map_or_else(|| table.span.clone(), |at| at.span.clone());
    let message = format!("the service of `{device}` cannot be reached");
    let silent = Finding::new(Code::ServiceUnreachable, format!("{message}: no answer"), DISCONNECTED);
    let settings = GrpcSettings { connect_timeout: settings.connect_timeout.min(REACH), ..settings.clone() };
    let ask = Box::new(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let failure = match runtime.map(|runtime| runtime.block_on(reach(&settings))) {
            Ok(Err(failure)) if failure.kind != Kind::File => failure,
            _ => return Vec::new(),
        };
        let mut finding = Finding::new(Code::ServiceUnreachable, format!("{message}: {failure}"), failure.remedy);
        finding.help.push(DISCONNECTED.to_owned());
        vec![finding]
    });
    Probe { place, ask, silent }
}

/// Whether what passes can be recorded where the configuration says so.
pub(super) fn recording(device: &str, table: &At<GrpcTable>, settings: &GrpcSettings) -> Option<Probe> {
    let (device, capture) = (device.to_owned(), settings.capture.clone()?);
    let place = table.value.capture.as_ref()?.span.clone();
    let message = format!("the folder for recordings of `{device}` does not answer");
    let silent = Finding::new(Code::FileUnusable, message, "is it on a network mount that is gone?");
    Some(Probe { place, ask: Box::new(move || lines::folder(&device, &capture.folder)), silent })
}
