//! What must hold between settings: logins, TLS, client ids, folders.

use std::path::Path;

use super::codes::Code;
use super::file::{BrokerTable, ConfigTable};
use super::reader::{At, Reader};
use super::settings::{Backfill, BrokerSettings, Settings};

/// Checks everything that more than one value has to do with. `settings` is what could be made of the tables, if all
/// of it could.
pub(super) fn check(table: &ConfigTable, settings: Option<&Settings>, reader: &mut Reader) {
    presence(table, reader);
    for (_, at) in table.brokers.iter().flat_map(|named| named.value.0.values()) {
        broker(&at.value, reader);
    }
    log_filter(table, reader);
    if let Some(settings) = settings {
        client_ids(table, settings, reader);
        folders(table, settings, reader);
        backfills(table, settings, reader);
    }
}

fn presence(table: &ConfigTable, reader: &mut Reader) {
    let end = reader.source().text().trim_end().len();
    if table.devices.as_ref().is_none_or(|named| named.value.0.is_empty()) {
        reader
            .report(Code::NoDevices, end..end, "there is no device: nothing would be recorded")
            .help("add one: `[devices.biolector-1]` with `profile`, `time_zone` and `files`");
    }
    if table.brokers.as_ref().is_none_or(|named| named.value.0.is_empty()) {
        reader
            .report(Code::NoBrokers, end..end, "there is no broker: events are recorded and published nowhere")
            .help("add one: `[brokers.main]` with `host`");
    }
}

fn span<T>(entry: &Option<At<T>>) -> Option<std::ops::Range<usize>> {
    entry.as_ref().map(|at| at.span.clone())
}

fn broker(table: &BrokerTable, reader: &mut Reader) {
    match (span(&table.user), span(&table.password_file)) {
        (Some(user), None) => {
            reader
                .report(Code::IncompleteLogin, user, "a user without a password")
                .help("add `password_file`, the file that holds the password alone");
        }
        (None, Some(file)) => {
            reader.report(Code::IncompleteLogin, file, "a password without a user").help("add `user`");
        }
        _ => {}
    }
    if let Some(tls) = &table.tls {
        let half = match (span(&tls.value.cert_file), span(&tls.value.key_file)) {
            (Some(cert), None) => Some((cert, "a client certificate without its key", "key_file")),
            (None, Some(key)) => Some((key, "a client key without its certificate", "cert_file")),
            _ => None,
        };
        if let Some((span, message, missing)) = half {
            reader
                .report(Code::IncompleteTls, span, message)
                .help(format!("add `{missing}`, or leave both out when the broker asks for no client certificate"));
        }
    }
    let is_allowed = table.allow_plaintext.as_ref().is_some_and(|at| at.value);
    if let Some(host) = table.host.as_ref().filter(|host| !host.value.is_loopback())
        && table.tls.is_none()
        && !is_allowed
    {
        reader
            .report(Code::Plaintext, host.span.clone(), "this broker is on another machine and reached without TLS")
            .help("anyone on the network could read the password and the events, and send others")
            .help("add `tls = { ca_file = \"…\" }`, or say `allow_plaintext = true` if that network is trusted");
    }
    let odd = match (table.port.as_ref().map(|port| port.value.0), &table.tls) {
        (Some(8883), None) => Some("8883 is the usual port with TLS, and `tls` is not given"),
        (Some(1883), Some(_)) => Some("1883 is the usual port without TLS, and `tls` is given"),
        _ => None,
    };
    if let (Some(message), Some(port)) = (odd, &table.port) {
        reader.report(Code::OddPort, port.span.clone(), message).help("with TLS it is usually 8883, without 1883");
    }
}

fn log_filter(table: &ConfigTable, reader: &mut Reader) {
    let Some(at) = table.log.as_ref().and_then(|log| log.value.filter.as_ref()) else { return };
    if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&at.value.0) {
        reader
            .report(Code::BadFilter, at.span.clone(), format!("this filter cannot be understood ({error})"))
            .help("`info` is used instead")
            .help("write `error`, `warn`, `info`, `debug` or `trace`, or parts: \"info,instrumentd::publish=debug\"");
    }
}

fn client_ids(table: &ConfigTable, settings: &Settings, reader: &mut Reader) {
    let spans = table.brokers.iter().flat_map(|named| named.value.0.values());
    let mut seen: Vec<(&BrokerSettings, std::ops::Range<usize>)> = Vec::new();
    for ((name, at), broker) in spans.zip(&settings.brokers) {
        let place = span(&at.value.client_id).unwrap_or_else(|| name.clone());
        let same = |other: &BrokerSettings| {
            (other.host.to_lowercase(), other.port, &other.client_id)
                == (broker.host.to_lowercase(), broker.port, &broker.client_id)
        };
        if let Some((other, first)) = seen.iter().find(|(other, _)| same(other)) {
            let message = format!("the same broker and client id as `{}`: each would throw the other out", other.name);
            let first = first.clone();
            reader
                .report(Code::SameClientId, place.clone(), message)
                .help("give one of them another `client_id`")
                .also(first, "the other one");
        }
        seen.push((broker, place));
    }
}

/// The devices' folders with the places where they stand.
fn placed<'s>(table: &'s ConfigTable, settings: &'s Settings) -> Vec<(&'s str, &'s Path, std::ops::Range<usize>)> {
    let tables = table.devices.iter().flat_map(|named| &named.value.0);
    let place = |(id, (_, at)): (&'s String, &'s (std::ops::Range<usize>, At<super::file::DeviceTable>))| {
        let span = span(&at.value.files.as_ref()?.value.folder)?;
        let device = settings.devices.iter().find(|device| device.id.as_str() == id)?;
        Some((id.as_str(), device.files.as_ref()?.folder.as_path(), span))
    };
    tables.filter_map(place).collect()
}

fn folders(table: &ConfigTable, settings: &Settings, reader: &mut Reader) {
    let placed = placed(table, settings);
    for (at, (id, folder, span)) in placed.iter().enumerate() {
        for (other_id, other, other_span) in &placed[..at] {
            let message = match () {
                () if folder == other => format!("`{id}` watches the same folder as `{other_id}`"),
                () if folder.starts_with(other) => format!("`{id}` watches a folder within that of `{other_id}`"),
                () if other.starts_with(folder) => format!("`{id}` watches the folder around that of `{other_id}`"),
                () => continue,
            };
            reader
                .report(Code::SameFolder, span.clone(), message)
                .help("each run would be recorded twice, as two instruments': give each its own folder")
                .also(other_span.clone(), format!("`{other_id}`"));
        }
        if settings.journal.path.starts_with(folder) {
            let message = format!("`{id}` watches the folder that holds the journal");
            reader
                .report(Code::FolderHoldsJournal, span.clone(), message)
                .help(format!("the journal is `{}`", settings.journal.path.display()))
                .help("put the journal elsewhere with `path` in `[journal]`, or name a folder of the instrument's own");
        }
    }
}

fn backfills(table: &ConfigTable, settings: &Settings, reader: &mut Reader) {
    let now = jiff::Timestamp::now();
    for (id, (_, at)) in table.devices.iter().flat_map(|named| &named.value.0) {
        let device = settings.devices.iter().find(|device| device.id.as_str() == id);
        let since = device.and_then(|device| device.files.as_ref()?.backfill);
        let span = at.value.files.as_ref().and_then(|files| span(&files.value.backfill));
        if let (Some(Backfill::Since(since)), Some(span)) = (since, span)
            && since > now
        {
            reader
                .report(Code::FutureBackfill, span, format!("{since} is in the future"))
                .help("nothing that is in the folder now will be published; say \"none\" if that is meant");
        }
    }
}
