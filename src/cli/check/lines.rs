//! The lines of devices, and what belongs to them: ports, servers, traces, worklists, folders for recordings.

use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::Access;

use super::surroundings::{Finding, Probe};
use crate::config::codes::Code;
use crate::config::file::DeviceTable;
use crate::config::ports::Address;
use crate::config::settings::DeviceSettings;
use crate::config::streams::{Line, Port};
use crate::driver::Mode;
use crate::link::stream::holder::holders;
use crate::link::stream::usb::{self, NotFound, Roots};

/// How long a device server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);

const DISCONNECTED: &str = "the device is `disconnected` until it is; the daemon looks again all the time";

/// What is to be asked about the line of `device`.
pub(super) fn probes(table: &DeviceTable, device: &DeviceSettings) -> Vec<Probe> {
    let mut probes = Vec::new();
    let id = device.id.to_string();
    let mut add = |place: Option<std::ops::Range<usize>>, ask: Box<dyn FnOnce() -> Vec<Finding> + Send>| {
        let silent = Finding::new(Code::LineUnusable, format!("the line of `{id}` does not answer"), DISCONNECTED);
        probes.extend(place.map(|place| Probe { place, ask, silent }));
    };
    let settings = device.stream.as_ref();
    match settings.map(|stream| (&stream.line, stream.mode)) {
        Some((Line::Serial { port, replies, .. }, mode)) => {
            let place = table.serial.as_ref().map(|at| at.span.clone());
            for port in [Some(port), replies.as_ref()].into_iter().flatten() {
                let (id, port) = (device.id.to_string(), port.clone());
                add(place.clone(), Box::new(move || serial(&id, &port, mode, &Roots::default())));
            }
        }
        Some((Line::Tcp { address, replies }, _)) => {
            let place = table.tcp.as_ref().map(|at| at.span.clone());
            for address in [Some(address), replies.as_ref()].into_iter().flatten() {
                let (id, address) = (device.id.to_string(), address.clone());
                add(place.clone(), Box::new(move || server(&id, &address)));
            }
        }
        Some((Line::Trace { file, .. }, _)) => {
            let place = table.trace.as_ref().and_then(|at| at.value.file.as_ref()).map(|at| at.span.clone());
            let (id, file) = (device.id.to_string(), file.clone());
            add(place, Box::new(move || readable(&format!("the trace of `{id}`"), &file, Code::LineAbsent)));
        }
        None => {}
    }
    for path in &device.deck.worklists {
        let path = path.clone();
        let (place, id) = (table.worklist.as_ref().map(|at| at.span.clone()), device.id.to_string());
        add(place, Box::new(move || readable(&format!("a worklist of `{id}`"), &path, Code::FileUnusable)));
    }
    if let Some(capture) = settings.and_then(|stream| stream.capture.clone()) {
        let serial = table.serial.as_ref().and_then(|at| at.value.capture.as_ref()).map(|at| at.span.clone());
        let tcp = table.tcp.as_ref().and_then(|at| at.value.capture.as_ref()).map(|at| at.span.clone());
        let id = device.id.to_string();
        add(serial.or(tcp), Box::new(move || folder(&id, &capture.folder)));
    }
    probes
}

fn serial(device: &str, port: &Port, mode: Mode, roots: &Roots) -> Vec<Finding> {
    let path = match port {
        Port::Path(path) => path.clone(),
        Port::Usb(wanted) => match usb::find(wanted, roots) {
            Ok(path) => path,
            Err(error) => {
                let code = if error == NotFound::Absent { Code::LineAbsent } else { Code::LineUnusable };
                return vec![Finding::new(code, format!("the line of `{device}`, {port}: {error}"), DISCONNECTED)];
            }
        },
    };
    let what = format!("the line of `{device}`, `{}`,", path.display());
    // It is not opened: that alone raises DTR and RTS, which resets some instruments.
    let is_device = match std::fs::metadata(&path) {
        Ok(metadata) => metadata.file_type().is_char_device(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return vec![Finding::new(Code::LineAbsent, format!("{what} is not there"), DISCONNECTED)];
        }
        Err(error) => {
            let message = format!("{what} cannot be looked at: {error}");
            return vec![Finding::new(Code::LineUnusable, message, "the daemon's user must be able to open it")];
        }
    };
    if !is_device {
        let help = "name a serial port: /dev/ttyUSB0, /dev/serial/by-id/…";
        return vec![Finding::new(Code::LineUnusable, format!("{what} is not a serial port"), help)];
    }
    let wanted = match mode {
        Mode::Host => Access::READ_OK | Access::WRITE_OK,
        Mode::Listen { .. } => Access::READ_OK,
    };
    if let Err(error) = rustix::fs::access(&path, wanted) {
        let help = "put the daemon's user into the port's group, `dialout` in most cases";
        return vec![Finding::new(Code::LineUnusable, format!("{what} may not be opened: {error}"), help)];
    }
    let others = holders(&path, &roots.proc);
    // The running daemon has the lines that it follows.
    if others.is_empty() || others.iter().all(|other| other.starts_with("instrumentd ")) {
        return Vec::new();
    }
    let message = format!("{what} is in use by {}", others.join(", "));
    vec![Finding::new(Code::LineUnusable, message, "two readers of one port would each get a part of the bytes")]
}

fn server(device: &str, address: &Address) -> Vec<Finding> {
    let unusable = |why: String| {
        let message = format!("the device server of `{device}` cannot be reached at {address}: {why}");
        vec![Finding::new(Code::LineUnusable, message, DISCONNECTED)]
    };
    let mut last = "its name has no address".to_owned();
    let addresses = match (address.host.as_str(), address.port).to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => return unusable(error.to_string()),
    };
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(_) => return Vec::new(),
            Err(error) => last = error.to_string(),
        }
    }
    unusable(last)
}

fn readable(what: &str, path: &Path, absent: Code) -> Vec<Finding> {
    let what = format!("{what}, `{}`,", path.display());
    let is_line = absent == Code::LineAbsent;
    let help = if is_line { DISCONNECTED } else { "it is read as soon as it is there" };
    match std::fs::File::open(path) {
        Ok(_) => Vec::new(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            vec![Finding::new(absent, format!("{what} is not there"), help)]
        }
        Err(error) => {
            let code = if is_line { Code::LineUnusable } else { absent };
            vec![Finding::new(
                code,
                format!("{what} cannot be read: {error}"),
                "the daemon's user must be able to read it",
            )]
        }
    }
}

/// Whether recordings of `device` can be put into this folder.
pub(super) fn folder(device: &str, folder: &Path) -> Vec<Finding> {
    if folder.is_dir() && rustix::fs::access(folder, Access::WRITE_OK).is_ok() {
        return Vec::new();
    }
    let message =
        format!("the folder for recordings of `{device}`, `{}`, is not there or not writable", folder.display());
    vec![Finding::new(Code::FileUnusable, message, "make it; without it nothing is recorded, and all else goes on")]
}
