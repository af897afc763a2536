//! What a configuration needs of the machine: folders, files, brokers. The daemon itself waits for what is not there yet.

use std::net::{TcpStream, ToSocketAddrs};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{files, folders, journal, lines, services};
use crate::config::codes::Code;
use crate::config::file::BrokerTable;
use crate::config::source::Source;
use crate::config::{Examined, Problem};

/// How long all probes together may take: name servers and dead mounts answer late or never.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a broker may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);

/// What a probe found; becomes a problem at the probe's place.
pub(super) struct Finding {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: Vec<String>,
}

impl Finding {
    pub(super) fn new(code: Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: vec![help.into()] }
    }
}

/// One question to the machine.
pub(super) struct Probe {
    pub(super) place: Range<usize>,
    pub(super) ask: Box<dyn FnOnce() -> Vec<Finding> + Send>,
    /// What no answer means.
    pub(super) silent: Finding,
}

/// Asks the machine about everything that the configuration names. Each question has its own thread, because one about
/// a dead network mount may never be answered; the whole takes at most a few seconds.
pub(super) fn look(examined: &Examined, folder: &Path) -> Vec<Problem> {
    let mut probes = Vec::new();
    if let Some(table) = &examined.table {
        for (id, (_, at)) in table.devices.iter().flat_map(|named| &named.value.entries) {
            if at.value.enabled.as_ref().is_none_or(|enabled| enabled.value) {
                probes.extend(at.value.files.as_ref().and_then(|files| folders::probe(id, &files.value, folder)));
                let device =
                    examined.settings.as_ref().and_then(|all| all.devices.iter().find(|one| one.id.as_str() == id));
                probes.extend(device.into_iter().flat_map(|device| lines::probes(&at.value, device)));
                let service = at.value.grpc.as_ref();
                probes.extend(service.into_iter().flat_map(|grpc| files::of_service(&grpc.value, folder)));
                let reached = device.and_then(|device| device.grpc.as_ref());
                probes.extend(service.zip(reached).map(|(grpc, settings)| services::probe(id, grpc, settings)));
                probes
                    .extend(service.zip(reached).and_then(|(grpc, settings)| services::recording(id, grpc, settings)));
            }
        }
        for (name, (_, at)) in table.brokers.iter().flat_map(|named| &named.value.entries) {
            probes.extend(broker(name, &at.value));
            probes.extend(files::probes(&at.value, folder));
        }
        if let Some(settings) = &examined.journal {
            let path = table.journal.as_ref().and_then(|journal| journal.value.path.as_ref());
            let end = examined.source.text().trim_end().len();
            probes.push(journal::probe(&settings.path, path.map_or(end..end, |at| at.span.clone())));
        }
    }
    answers(probes, &examined.source, PATIENCE)
}

pub(super) fn answers(probes: Vec<Probe>, source: &Arc<Source>, patience: Duration) -> Vec<Problem> {
    // One message for each probe: nothing can pile up, and a late one is dropped with the receiver.
    let (sender, receiver) = mpsc::channel();
    let mut waiting = Vec::new();
    for (number, Probe { place, ask, silent }) in probes.into_iter().enumerate() {
        let sender = sender.clone();
        std::thread::spawn(move || drop(sender.send((number, ask()))));
        waiting.push(Some((place, silent)));
    }
    drop(sender);
    let mut problems = Vec::new();
    let mut add = |place: &Range<usize>, finding: Finding| {
        let mut problem = Problem::at(finding.code, source, place.clone(), finding.message);
        problem.help = finding.help;
        problems.push(problem);
    };
    let deadline = Instant::now() + patience;
    while let Ok((number, findings)) = receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let Some((place, _)) = waiting.get_mut(number).and_then(Option::take) {
            findings.into_iter().for_each(|finding| add(&place, finding));
        }
    }
    waiting.into_iter().flatten().for_each(|(place, silent)| add(&place, silent));
    problems
}

fn broker(name: &str, table: &BrokerTable) -> Option<Probe> {
    let host = table.host.as_ref()?;
    let default = if table.tls.is_some() { 8883 } else { 1883 };
    let port = table.port.as_ref().map_or(Some(default), |port| u16::try_from(port.value.0).ok())?;
    let remedy = "events wait in the journal until it can be reached; check host, port, broker and firewall";
    let message = format!("the broker `{name}` cannot be reached at {}:{port}", host.value.0);
    let silent = Finding::new(Code::BrokerUnreachable, format!("{message}: no answer"), remedy);
    let name = host.value.0.clone();
    let ask = Box::new(move || {
        let mut last = "its name has no address".to_owned();
        let addresses = match (name.as_str(), port).to_socket_addrs() {
            Ok(addresses) => addresses,
            Err(error) => return vec![Finding::new(Code::BrokerUnreachable, format!("{message}: {error}"), remedy)],
        };
        for address in addresses {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(_) => return Vec::new(),
                Err(error) => last = error.to_string(),
            }
        }
        vec![Finding::new(Code::BrokerUnreachable, format!("{message}: {last}"), remedy)]
    });
    Some(Probe { place: host.span.clone(), ask, silent })
}
