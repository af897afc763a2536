//! Serial ports: found, opened as a tap or as a host, and told apart from those that are in use.

use std::io;
use std::path::{Path, PathBuf};

use tokio_serial::{SerialPort as _, SerialPortBuilderExt as _};

use super::holder::holders;
use super::listen::{keep_signals, listen};
use super::open::{Incoming, Open, OpenLine, Opened, Unreachable};
use super::usb::{self, Roots};
use crate::config::streams::Port;
use crate::driver::{Direction, Mode};
use crate::profile::robolector::{FlowControl, LineSettings, Parity, Signal};

/// One port, or one for each direction.
#[derive(Debug, Clone)]
pub struct Ports {
    port: Port,
    replies: Option<Port>,
    settings: LineSettings,
    mode: Mode,
    direction: Direction,
    roots: Roots,
}

impl Ports {
    /// The ports of a line that is used in `mode`; the bytes of the first one go in `direction`.
    pub fn new(port: Port, replies: Option<Port>, settings: LineSettings, mode: Mode, direction: Direction) -> Self {
        Self { port, replies, settings, mode, direction, roots: Roots::default() }
    }

    /// Looks for devices under other roots, for tests.
    #[cfg(test)]
    pub(super) fn under(self, roots: Roots) -> Self {
        Self { roots, ..self }
    }

    fn open_now(&self) -> Result<Opened, Unreachable> {
        let path = self.find(&self.port)?;
        let mut place = named(&path, &self.port);
        let mut waits = is_pseudo_terminal(&path);
        let line = match self.mode {
            Mode::Host => OpenLine::Host(Box::new(self.host(&path)?)),
            Mode::Listen { .. } => {
                let mut ports = vec![Incoming { direction: self.direction, bytes: Box::new(self.tap(&path)?) }];
                if let Some(replies) = &self.replies {
                    let path = self.find(replies)?;
                    place.push_str(" and ");
                    place.push_str(&named(&path, replies));
                    waits &= is_pseudo_terminal(&path);
                    let bytes = Box::new(self.tap(&path)?);
                    ports.push(Incoming { direction: Direction::FromInstrument, bytes });
                }
                OpenLine::Listen(ports)
            }
        };
        Ok(Opened { place, line, waits })
    }

    fn find(&self, port: &Port) -> Result<PathBuf, Unreachable> {
        match port {
            Port::Path(path) => Ok(path.clone()),
            Port::Usb(wanted) => usb::find(wanted, &self.roots).map_err(|error| Unreachable {
                place: port.to_string(),
                reason: error.to_string(),
                remedy: Some(
                    match error {
                        usb::NotFound::Several(_) => {
                            "name its `serial`, or its `interface` where one adapter has several ports"
                        }
                        _ => "plug the adapter in; `lsusb -v` shows vendor, product and serial number",
                    }
                    .to_owned(),
                ),
            }),
        }
    }

    fn tap(&self, path: &Path) -> Result<tokio::net::unix::pipe::Receiver, Unreachable> {
        listen(path, &self.settings).map_err(|error| unreachable(path, &error.to_string(), error.kind(), &[]))
    }

    fn host(&self, path: &Path) -> Result<tokio_serial::SerialStream, Unreachable> {
        // Somebody who opened it without a lock would get a part of the replies, and his commands be answered to us.
        let others = holders(path, &self.roots.proc);
        if !others.is_empty() {
            return Err(unreachable(path, "it is in use", io::ErrorKind::ResourceBusy, &others));
        }
        let settings = &self.settings;
        if (settings.dtr, settings.rts) == (Signal::Leave, Signal::Leave) {
            // What is not a tty is refused below, with its reason.
            let _ = keep_signals(path);
        }
        let name = path.to_string_lossy();
        let builder = tokio_serial::new(name, settings.baud)
            .data_bits(match settings.data_bits {
                5 => tokio_serial::DataBits::Five,
                6 => tokio_serial::DataBits::Six,
                7 => tokio_serial::DataBits::Seven,
                _ => tokio_serial::DataBits::Eight,
            })
            .parity(match settings.parity {
                Parity::None => tokio_serial::Parity::None,
                Parity::Even => tokio_serial::Parity::Even,
                Parity::Odd => tokio_serial::Parity::Odd,
            })
            .stop_bits(if settings.stop_bits > 1 { tokio_serial::StopBits::Two } else { tokio_serial::StopBits::One })
            .flow_control(match settings.flow_control {
                FlowControl::None => tokio_serial::FlowControl::None,
                FlowControl::Software => tokio_serial::FlowControl::Software,
                FlowControl::Hardware => tokio_serial::FlowControl::Hardware,
            });
        let failed = |error: &tokio_serial::Error| {
            let kind = match error.kind() {
                tokio_serial::ErrorKind::Io(kind) => kind,
                // So it says of a port that another process has locked, and of one that is not there.
                tokio_serial::ErrorKind::NoDevice if path.exists() => io::ErrorKind::ResourceBusy,
                tokio_serial::ErrorKind::NoDevice => io::ErrorKind::NotFound,
                _ => io::ErrorKind::Other,
            };
            unreachable(path, &error.to_string(), kind, &holders(path, &self.roots.proc))
        };
        let mut port = builder.open_native_async().map_err(|error| failed(&error))?;
        let signals = [set(settings.dtr).map(|on| port.write_data_terminal_ready(on))];
        let signals = signals.into_iter().chain([set(settings.rts).map(|on| port.write_request_to_send(on))]);
        for error in signals.flatten().filter_map(Result::err) {
            // A pseudo-terminal has no such lines.
            tracing::debug!(port = %path.display(), %error, "DTR or RTS cannot be set on this port.");
        }
        Ok(port)
    }
}

impl Open for Ports {
    async fn open(&mut self) -> Result<Opened, Unreachable> {
        let ports = self.clone();
        let opened = tokio::task::spawn_blocking(move || ports.open_now()).await;
        opened.unwrap_or_else(|error| {
            Err(Unreachable { place: self.port.to_string(), reason: error.to_string(), remedy: None })
        })
    }
}

fn set(signal: Signal) -> Option<bool> {
    match signal {
        Signal::Leave => None,
        Signal::Set => Some(true),
        Signal::Clear => Some(false),
    }
}

/// Whether a program is at the other end: the kernel lets it wait until what it wrote is read, where a line's bytes would be lost.
fn is_pseudo_terminal(path: &Path) -> bool {
    // Linux's Documentation/admin-guide/devices.txt: Unix98 PTY slaves.
    const SLAVES: std::ops::RangeInclusive<u32> = 136..=143;
    cfg!(target_os = "linux")
        && rustix::fs::stat(path).is_ok_and(|port| {
            rustix::fs::FileType::from_raw_mode(port.st_mode).is_char_device()
                && SLAVES.contains(&rustix::fs::major(port.st_rdev))
        })
}

/// `/dev/ttyUSB0`, with the adapter where it was found by that.
fn named(path: &Path, port: &Port) -> String {
    match port {
        Port::Path(_) => path.display().to_string(),
        Port::Usb(_) => format!("{} ({port})", path.display()),
    }
}

fn unreachable(path: &Path, reason: &str, kind: io::ErrorKind, holders: &[String]) -> Unreachable {
    let place = path.display().to_string();
    let held = match holders {
        [] => "another process, which this user cannot see".to_owned(),
        _ => holders.join(", "),
    };
    let (reason, remedy) = match kind {
        io::ErrorKind::NotFound => ("it is not there".to_owned(), "plug the adapter in, or correct `port`"),
        io::ErrorKind::PermissionDenied => (
            "this user may not open it".to_owned(),
            "put the daemon's user into the group of the port, `dialout` in most cases",
        ),
        io::ErrorKind::ResourceBusy => {
            (format!("it is in use by {held}"), "stop that program, or let the daemon listen on a tap instead")
        }
        // Two ways in which C libraries say ENOTTY.
        _ if ["not a typewriter", "inappropriate ioctl"].iter().any(|text| reason.to_lowercase().starts_with(text)) => {
            ("it is not a serial port".to_owned(), "name a serial port: /dev/ttyUSB0, /dev/serial/by-id/…")
        }
        _ => (reason.to_owned(), "look at the adapter and at the kernel's log"),
    };
    Unreachable { place, reason, remedy: Some(remedy.to_owned()) }
}
