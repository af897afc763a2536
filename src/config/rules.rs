//! What must hold between settings: logins, TLS, client ids, folders.

use std::path::{Component, Path, PathBuf};

use super::codes::Code;
use super::file::{BrokerTable, ConfigTable, DeviceTable};
use super::nearest::nearest;
use super::problem::Problem;
use super::reader::{At, Reader};
use super::resolve::{Resolved, log_filter as parse_log_filter};
use super::settings::{Backfill, BrokerSettings, Settings};
use super::streams::Line;
use super::values::FilePath;
use crate::event::DeviceId;

/// Checks everything that more than one value has to do with. `folder` is that of the configuration file.
pub(super) fn check(table: &ConfigTable, resolved: &Resolved, folder: &Path, reader: &mut Reader) {
    presence(table, reader);
    for (_, at) in table.brokers.iter().flat_map(|named| named.value.entries.values()) {
        broker(&at.value, reader);
    }
    log_filter(table, reader);
    client_ids(table, resolved, reader);
    folders(table, &resolved.journal.path, folder, reader);
    lines(table, resolved, reader);
    backfills(table, resolved, reader);
}

/// The devices that a journal knows and the configuration does not have. A typo in an id, or a device that was taken
/// out, must not become a new identity or a silent end: `run` and a reload refuse it as `check` does.
pub fn missing_devices(settings: &Settings, file: &str, known: &[DeviceId]) -> Vec<Problem> {
    let ids: Vec<&str> = settings.devices.iter().map(|device| device.id.as_str()).collect();
    let fresh: Vec<&str> = ids.iter().copied().filter(|id| !known.iter().any(|known| known.as_str() == *id)).collect();
    let missing = known.iter().filter(|known| !ids.contains(&known.as_str()) && known.as_str() != super::RESERVED_ID);
    let file_name = file;
    let file = if file.contains(|c: char| c.is_whitespace()) { format!("'{file}'") } else { file.to_owned() };
    let problem = |id: &DeviceId| {
        let message = format!("the journal knows the device `{id}`, the configuration does not have it");
        let mut problem = Problem::of_file(Code::DeviceMissing, file_name, message);
        if let Some(new) = nearest(id.as_str(), fresh.iter().copied()) {
            problem.help(format!(
                "is `{new}` a new name for it? then `instrumentd device rename {id} {new} --config {file}`"
            ));
        }
        problem.help(format!(
            "to keep it unwatched: leave it in with `enabled = false`; to end it: \
             `instrumentd device retire {id} --config {file}`"
        ));
        problem
    };
    missing.map(problem).collect()
}

fn presence(table: &ConfigTable, reader: &mut Reader) {
    let end = reader.source().text().trim_end().len();
    let is_empty =
        |written: Option<usize>, key| written.unwrap_or_default() == 0 && !reader.was_tried(&table.span, key);
    let no_devices = is_empty(table.devices.as_ref().map(|named| named.value.written), "devices");
    let no_brokers = is_empty(table.brokers.as_ref().map(|named| named.value.written), "brokers");
    if no_devices {
        reader
            .report(Code::NoDevices, end..end, "there is no device: nothing would be recorded")
            .help("add one: `[devices.biolector-1]` with `profile`, `time_zone` and `files`");
    }
    if no_brokers {
        reader
            .report(Code::NoBrokers, end..end, "there is no broker: events are recorded and published nowhere")
            .help("add one: `[brokers.main]` with `host`");
    }
}

fn span<T>(entry: &Option<At<T>>) -> Option<std::ops::Range<usize>> {
    entry.as_ref().map(|at| at.span.clone())
}

fn broker(table: &BrokerTable, reader: &mut Reader) {
    // What was given in a way that could not be read is not missing.
    let tried = |reader: &Reader, key: &str| reader.was_tried(&table.span, key);
    match (span(&table.user), span(&table.password_file)) {
        (Some(user), None) if !tried(reader, "password_file") => {
            reader
                .report(Code::NoPassword, user, "a user without a password: the broker gets an empty one")
                .help("add `password_file`, the file that holds the password alone");
        }
        (None, Some(file)) if !tried(reader, "user") => {
            reader.report(Code::IncompleteLogin, file, "a password without a user").help("add `user`");
        }
        _ => {}
    }
    if let Some(tls) = &table.tls {
        let half = match (span(&tls.value.cert_file), span(&tls.value.key_file)) {
            (Some(cert), None) if !reader.was_tried(&tls.value.span, "key_file") => {
                Some((cert, "a client certificate without its key", "key_file"))
            }
            (None, Some(key)) if !reader.was_tried(&tls.value.span, "cert_file") => {
                Some((key, "a client key without its certificate", "cert_file"))
            }
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
        && !(table.tls.is_some() || tried(reader, "tls"))
        && !(is_allowed || tried(reader, "allow_plaintext"))
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
    if let Err(error) = parse_log_filter(&at.value.0) {
        reader
            .report(Code::BadFilter, at.span.clone(), format!("this filter cannot be understood ({error})"))
            .help("`info` is used instead")
            .help("write `error`, `warn`, `info`, `debug` or `trace`, or parts: \"info,instrumentd::publish=debug\"");
    }
}

fn client_ids(table: &ConfigTable, resolved: &Resolved, reader: &mut Reader) {
    let mut seen: Vec<(&BrokerSettings, std::ops::Range<usize>)> = Vec::new();
    for broker in &resolved.brokers {
        let entry = table.brokers.as_ref().and_then(|named| named.value.entries.get(&*broker.name));
        let Some((name, at)) = entry else { continue };
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
                .help("give one of them another `client_id`, or remove one")
                .also(first, "the other one");
        }
        seen.push((broker, place));
    }
}

/// The path without `..`, as if no symbolic link stood before one: good enough to compare.
fn flat(path: &Path) -> PathBuf {
    let mut flat = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(flat.pop()),
            other => flat.push(other),
        }
    }
    flat
}

fn folders(table: &ConfigTable, journal: &Path, base: &Path, reader: &mut Reader) {
    let mut seen: Vec<(&str, PathBuf, std::ops::Range<usize>)> = Vec::new();
    for (id, (_, at)) in table.devices.iter().flat_map(|named| &named.value.entries) {
        // A device that is out of use watches nothing: another may have its folder meanwhile.
        let is_enabled = at.value.enabled.as_ref().is_none_or(|enabled| enabled.value);
        for place in watched(&at.value).filter(|_| is_enabled) {
            let folder = flat(&place.value.in_folder(base));
            for (other_id, other, other_span) in &seen {
                let message = match () {
                    () if folder == *other => format!("`{id}` watches the same folder as `{other_id}`"),
                    () if folder.starts_with(other) => format!("`{id}` watches a folder within that of `{other_id}`"),
                    () if other.starts_with(&folder) => {
                        format!("`{id}` watches the folder around that of `{other_id}`")
                    }
                    () => continue,
                };
                reader
                    .report(Code::SameFolder, place.span.clone(), message)
                    .help("each run would be recorded twice, as that of two instruments: give each its own folder")
                    .also(other_span.clone(), format!("`{other_id}`"));
            }
            if flat(journal).starts_with(&folder) {
                reader
                    .report(
                        Code::FolderHoldsJournal,
                        place.span.clone(),
                        format!("`{id}` watches the folder that holds the journal"),
                    )
                    .help(format!("the journal is `{}`", journal.display()))
                    .help("put the journal elsewhere with `path` in `[journal]`, or name a folder of the instrument's own");
            }
            seen.push((id, folder, place.span.clone()));
        }
        manifests(id, &at.value, &seen, base, reader);
    }
}

/// No line is read twice: two readers of one serial port would each get a part of the bytes.
fn lines(table: &ConfigTable, resolved: &Resolved, reader: &mut Reader) {
    let mut seen: Vec<(&DeviceId, String, std::ops::Range<usize>)> = Vec::new();
    for device in resolved.devices.iter().filter(|device| device.enabled) {
        let entry = table.devices.as_ref().and_then(|named| named.value.entries.get(device.id.as_str()));
        let Some(((_, at), stream)) = entry.zip(device.stream.as_ref()) else { continue };
        let (place, ports) = match &stream.line {
            Line::Serial { port, replies, .. } => (
                span(&at.value.serial),
                vec![port.to_string(), replies.as_ref().map_or(String::new(), ToString::to_string)],
            ),
            Line::Tcp { address, replies } => (
                span(&at.value.tcp),
                vec![address.to_string(), replies.as_ref().map_or(String::new(), ToString::to_string)],
            ),
            Line::Trace { file, .. } => (span(&at.value.trace), vec![file.display().to_string()]),
        };
        let Some(place) = place else { continue };
        for port in ports.into_iter().filter(|port| !port.is_empty()) {
            if let Some((other, _, first)) = seen.iter().find(|(_, seen, _)| *seen == port) {
                let message = match *other == &device.id {
                    true => format!("`{}` names {port} twice", device.id),
                    false => format!("`{}` uses the same line as `{other}`: {port}", device.id),
                };
                let (first, other) = (first.clone(), format!("`{other}`"));
                reader
                    .report(Code::SamePort, place.clone(), message)
                    .help("each would get a part of the bytes: give each its own")
                    .also(first, other);
            }
            seen.push((&device.id, port, place.clone()));
        }
    }
}

/// The folders that a device watches.
fn watched(device: &DeviceTable) -> impl Iterator<Item = &At<FilePath>> {
    let files = device.files.as_ref().and_then(|files| files.value.folder.as_ref());
    let acquisitions = device.acquisitions.as_ref().and_then(|at| at.value.roots.as_ref());
    let roots = acquisitions.into_iter().flat_map(|roots| roots.value.entries.values());
    files.into_iter().chain(roots.filter_map(|(_, at)| at.value.folder.as_ref()))
}

/// Manifests must not be written where an instrument's files are.
fn manifests(
    id: &str,
    device: &DeviceTable,
    seen: &[(&str, PathBuf, std::ops::Range<usize>)],
    base: &Path,
    reader: &mut Reader,
) {
    let Some(place) = device.acquisitions.as_ref().and_then(|at| at.value.manifests.as_ref()) else { return };
    let folder = flat(&place.value.in_folder(base));
    if let Some((other, _, span)) = seen.iter().find(|(_, watched, _)| folder.starts_with(watched)) {
        reader
            .report(
                Code::SameFolder,
                place.span.clone(),
                format!("`{id}` would write manifests where `{other}` only reads"),
            )
            .help("nothing is written into an instrument's folder: name another one")
            .also(span.clone(), "the folder that is watched");
    }
}

fn backfills(table: &ConfigTable, resolved: &Resolved, reader: &mut Reader) {
    let now = jiff::Timestamp::now();
    for device in &resolved.devices {
        let entry = table.devices.as_ref().and_then(|named| named.value.entries.get(device.id.as_str()));
        let place = entry.and_then(|(_, at)| span(&at.value.files.as_ref()?.value.backfill));
        let backfill = device.files.as_ref().and_then(|files| files.backfill);
        if let (Some(Backfill::Since(since)), Some(place)) = (backfill, place)
            && since > now
        {
            reader
                .report(Code::FutureBackfill, place, format!("{since} is in the future"))
                .help("nothing that is in the folder now will be published; say \"none\" if that is meant");
        }
    }
}
