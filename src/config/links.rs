//! From the tables of a device's stream link to its settings.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use super::codes::Code;
use super::file::{CaptureTable, DeviceTable, SerialTable, TcpTable, TraceTable, UsbTable};
use super::reader::{At, Reader};
use super::streams::{CaptureSettings, Carries, Line, Port, StreamMode, StreamSettings, TraceFormat, UsbPort};
use super::values::{FilePath, OneOf};
use crate::driver::{Mode, Sees};
use crate::profile::robolector::LineSettings;
use crate::profile::{Family, Profile, Reach, put_line};

/// What belongs to which way of reaching a device.
pub(super) fn check(table: &DeviceTable, profile: Option<&Profile>, reader: &mut Reader) {
    let span = |key, entry: Option<Range<usize>>| entry.map(|span| (key, span));
    let files = span("files", table.files.as_ref().map(|at| at.span.clone()));
    let streams = [
        span("serial", table.serial.as_ref().map(|at| at.span.clone())),
        span("tcp", table.tcp.as_ref().map(|at| at.span.clone())),
        span("trace", table.trace.as_ref().map(|at| at.span.clone())),
    ];
    let streams: Vec<(&str, Range<usize>)> = streams.into_iter().flatten().collect();
    let robot = [
        span("sole_host", table.sole_host.as_ref().map(|at| at.span.clone())),
        span("deck", table.deck.as_ref().map(|at| at.span.clone())),
        span("liquid_class", table.liquid_class.as_ref().map(|at| at.span.clone())),
        span("worklist", table.worklist.as_ref().map(|at| at.span.clone())),
    ];
    let sets = span("acquisitions", table.acquisitions.as_ref().map(|at| at.span.clone()));
    let grpc = span("grpc", table.grpc.as_ref().map(|at| at.span.clone()));
    let was_tried = ["files", "grpc", "serial", "tcp", "trace"].iter().any(|key| reader.was_tried(&table.span, key));
    let Some(profile) = profile else {
        if files.is_none() && grpc.is_none() && streams.is_empty() && !was_tried {
            none(&table.span, "`files`, `grpc`, `serial`, `tcp` or `trace`", reader);
        }
        return;
    };
    let has_service = profile.family.has_service();
    let foreign_service = grpc.clone().filter(|_| !has_service);
    let foreign: Vec<(&str, Range<usize>)> = match profile.family.reach() {
        Reach::Files if profile.family == Family::Zenotof => {
            streams.iter().cloned().chain(robot.into_iter().flatten()).collect()
        }
        Reach::Files => streams.iter().cloned().chain(robot.into_iter().flatten()).chain(sets).collect(),
        Reach::Stream => files.clone().into_iter().chain(sets).collect(),
        Reach::Service => files
            .clone()
            .into_iter()
            .chain(streams.iter().cloned())
            .chain(robot.into_iter().flatten())
            .chain(sets)
            .collect(),
    };
    let foreign: Vec<(&str, Range<usize>)> = foreign.into_iter().chain(foreign_service).collect();
    let has_foreign_link = !foreign.is_empty();
    for (key, span) in foreign {
        let family = profile.family.as_str();
        let message = format!("`{key}` means nothing for `{}`, whose family is `{family}`", profile.name);
        let links = match profile.family.reach() {
            Reach::Files if has_service => "`files`, `grpc` or both",
            Reach::Files => "`files`",
            Reach::Stream => "`serial`, `tcp` or `trace`",
            Reach::Service => "`grpc`",
        };
        reader.report(Code::WrongFamily, span, message).help(format!("instruments of this family have {links}"));
    }
    match profile.family.reach() {
        Reach::Files if has_service && grpc.is_some() => {}
        Reach::Files if files.is_none() && !was_tried && !has_foreign_link => {
            none(&table.span, if has_service { "`files`, `grpc` or both" } else { "`files`" }, reader);
        }
        Reach::Stream if streams.is_empty() && !was_tried && !has_foreign_link => {
            none(&table.span, "`serial`, `tcp` or `trace`", reader);
        }
        Reach::Stream => {
            for pair in streams.windows(2) {
                let [(first, other), (key, span)] = pair else { continue };
                reader
                    .report(Code::OneLink, span.clone(), format!("`{key}` and `{first}`: a device has one line"))
                    .help("keep one of the two, or make two devices of them")
                    .also(other.clone(), format!("`{first}`"));
            }
        }
        Reach::Service if grpc.is_none() && !was_tried && !has_foreign_link => none(&table.span, "`grpc`", reader),
        Reach::Files | Reach::Service => {}
    }
}

fn none(table: &Range<usize>, wanted: &str, reader: &mut Reader) {
    reader
        .report(Code::OneLink, table.clone(), "nothing says how this device is reached")
        .help(format!("add {wanted}"));
}

/// The device's line; `None` where it has none, or where something of it is missing or wrong, which then was reported.
pub(super) fn stream(
    table: &DeviceTable,
    profile: &Profile,
    folder: &Path,
    reader: &mut Reader,
) -> Option<StreamSettings> {
    let is_sole_host = table.sole_host.as_ref().is_some_and(|at| at.value);
    if let Some(at) = &table.serial {
        return serial(&at.value, profile, is_sole_host, folder, reader);
    }
    if let Some(at) = &table.tcp {
        return tcp(&at.value, is_sole_host, folder, reader);
    }
    trace(&table.trace.as_ref()?.value, folder)
}

/// What a table says of how its line is used.
struct Use<'a> {
    mode: &'a Option<At<OneOf<StreamMode>>>,
    carries: &'a Option<At<OneOf<Carries>>>,
    replies: Option<Range<usize>>,
    is_sole_host: bool,
}

fn mode(using: Use<'_>, reader: &mut Reader) -> Mode {
    let carries = using.carries.as_ref().map(|at| (at.value.0, at.span.clone()));
    let host = using.mode.as_ref().filter(|at| at.value.0 == StreamMode::Host);
    if let Some(at) = host {
        if !using.is_sole_host {
            reader
                .report(Code::BadMode, at.span.clone(), "a second host on a line disturbs the first one")
                .help("say `sole_host = true` for the device if nothing else controls the instrument")
                .help("leave `mode` out to listen to the control software's traffic");
        }
        let taps = [("carries", carries.map(|(_, span)| span)), ("replies", using.replies)];
        for (key, span) in taps.into_iter().filter_map(|(key, span)| Some((key, span?))) {
            reader
                .report(Code::BadMode, span, format!("`{key}` is for taps: a host has one port for both directions"))
                .help("take it out, or listen");
        }
        return Mode::Host;
    }
    match (carries, using.replies) {
        (Some((Carries::Commands | Carries::Replies, span)), Some(_)) => {
            reader
                .report(Code::BadMode, span, "with `replies` both directions are seen")
                .help("take `carries` or `replies` out");
            Mode::Listen { sees: Sees::Both }
        }
        (_, Some(_)) => Mode::Listen { sees: Sees::Both },
        (carries, None) => Mode::Listen { sees: carries.map_or(Sees::Both, |(carries, _)| carries.into()) },
    }
}

fn serial(
    table: &SerialTable,
    profile: &Profile,
    is_sole_host: bool,
    folder: &Path,
    reader: &mut Reader,
) -> Option<StreamSettings> {
    let replies_span = table.replies.as_ref().map(|at| at.span.clone());
    let using = Use { mode: &table.mode, carries: &table.carries, replies: replies_span, is_sole_host };
    let mode = mode(using, reader);
    let mut settings = profile.robolector().map_or_else(LineSettings::default, |robot| robot.line);
    if let Some(at) = &table.line {
        put_line(&at.value, &mut settings);
        if mode != Mode::Host {
            let line = &at.value;
            let signals = [
                ("flow_control", line.flow_control.as_ref().map(|at| at.span.clone())),
                ("dtr", line.dtr.as_ref().map(|at| at.span.clone())),
                ("rts", line.rts.as_ref().map(|at| at.span.clone())),
            ];
            for (key, span) in signals.into_iter().filter_map(|(key, span)| Some((key, span?))) {
                reader
                    .report(Code::BadMode, span, format!("a tap leaves `{key}` to those who talk"))
                    .help("take it out");
            }
        }
    }
    let first = port(&table.port, &table.usb, &table.span, folder, reader);
    let replies = match &table.replies {
        Some(at) => Some(port(&at.value.port, &at.value.usb, &at.value.span, folder, reader)?),
        None => None,
    };
    let capture = capture(&table.capture, folder)?;
    Some(StreamSettings { line: Line::Serial { port: first?, replies, settings }, mode, capture })
}

fn port(
    path: &Option<At<FilePath>>,
    usb: &Option<At<UsbTable>>,
    table: &Range<usize>,
    folder: &Path,
    reader: &mut Reader,
) -> Option<Port> {
    match (path, usb) {
        (Some(path), None) => Some(Port::Path(path.value.in_folder(folder))),
        (None, Some(usb)) => Some(Port::Usb(UsbPort {
            vendor: usb.value.vendor.as_ref()?.value.0,
            product: usb.value.product.as_ref()?.value.0,
            serial: usb.value.serial.as_ref().map(|at| at.value.0.clone()),
            interface: usb.value.interface.as_ref().and_then(|at| u8::try_from(at.value.0).ok()),
        })),
        (Some(path), Some(usb)) => {
            reader
                .report(Code::OnePort, usb.span.clone(), "the port is named twice, by its path and by its adapter")
                .help("keep `port` or `usb`")
                .also(path.span.clone(), "its path");
            None
        }
        (None, None) => {
            if !reader.was_tried(table, "port") && !reader.was_tried(table, "usb") {
                reader
                    .report(Code::OnePort, table.clone(), "nothing says which port it is")
                    .help("add `port = \"/dev/serial/by-id/…\"`")
                    .help("or `usb = { vendor = \"0403\", product = \"6001\", serial = \"…\" }`");
            }
            None
        }
    }
}

fn tcp(table: &TcpTable, is_sole_host: bool, folder: &Path, reader: &mut Reader) -> Option<StreamSettings> {
    let replies_span = table.replies.as_ref().map(|at| at.span.clone());
    let using = Use { mode: &table.mode, carries: &table.carries, replies: replies_span, is_sole_host };
    let mode = mode(using, reader);
    let capture = capture(&table.capture, folder)?;
    let address = table.address.as_ref()?.value.clone();
    let replies = table.replies.as_ref().map(|at| at.value.clone());
    Some(StreamSettings { line: Line::Tcp { address, replies }, mode, capture })
}

fn trace(table: &TraceTable, folder: &Path) -> Option<StreamSettings> {
    let carries = table.carries.as_ref().map_or(Carries::Both, |at| at.value.0);
    let line = Line::Trace {
        file: table.file.as_ref()?.value.in_folder(folder),
        format: table.format.as_ref().map_or(TraceFormat::Lines, |at| at.value.0),
        poll_interval: table.poll_interval.as_ref().map_or(Duration::from_millis(250), |at| at.value.0),
    };
    Some(StreamSettings { line, mode: Mode::Listen { sees: carries.into() }, capture: None })
}

/// The outer `None`: something of it is missing, which was reported.
pub(super) fn capture(table: &Option<At<CaptureTable>>, folder: &Path) -> Option<Option<CaptureSettings>> {
    let Some(at) = table else { return Some(None) };
    let table = &at.value;
    Some(Some(CaptureSettings {
        folder: table.folder.as_ref()?.value.in_folder(folder),
        rotate_bytes: table.rotate.as_ref().map_or(64_000_000, |at| at.value.0),
        keep: table.keep.as_ref().and_then(|at| usize::try_from(at.value.0).ok()).unwrap_or(16),
    }))
}
