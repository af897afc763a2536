//! A serial port for a tap: opened to read and nothing else.
//!
//! There is no lock, no flow control, and nothing that could write: the file is open for reading only. On opening, a
//! kernel driver itself may raise DTR and RTS; a tap's own lines must not be wired to the instrument.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::termios::{self, ControlModes, OptionalActions};
use tokio::net::unix::pipe::Receiver;

use crate::profile::robolector::{LineSettings, Parity};

/// Opens the port at `path`; must be called on a runtime. What it gives reads bytes as a pipe's end does, and cannot
/// write.
pub fn listen(path: &Path, settings: &LineSettings) -> io::Result<Receiver> {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let port = rustix::fs::open(path, flags, Mode::empty())?;
    let mut line = termios::tcgetattr(&port)?;
    line.make_raw();
    line.set_speed(settings.baud)?;
    let modes = &mut line.control_modes;
    modes.remove(
        ControlModes::CSIZE
            | ControlModes::PARENB
            | ControlModes::PARODD
            | ControlModes::CSTOPB
            | ControlModes::CRTSCTS
            | ControlModes::HUPCL,
    );
    modes.insert(ControlModes::CREAD | ControlModes::CLOCAL | size(settings.data_bits) | parity(settings.parity));
    modes.set(ControlModes::CSTOPB, settings.stop_bits > 1);
    line.input_modes.remove(termios::InputModes::IXON | termios::InputModes::IXOFF | termios::InputModes::IXANY);
    termios::tcsetattr(&port, OptionalActions::Now, &line)?;
    Receiver::from_file_unchecked(File::from(port))
}

/// Keeps DTR and RTS as they are when the port at `path` is closed.
pub(super) fn keep_signals(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let port = rustix::fs::open(path, flags, Mode::empty())?;
    let mut line = termios::tcgetattr(&port)?;
    line.control_modes.remove(ControlModes::HUPCL);
    termios::tcsetattr(&port, OptionalActions::Now, &line)?;
    Ok(())
}

fn size(bits: u8) -> ControlModes {
    match bits {
        5 => ControlModes::CS5,
        6 => ControlModes::CS6,
        7 => ControlModes::CS7,
        _ => ControlModes::CS8,
    }
}

fn parity(parity: Parity) -> ControlModes {
    match parity {
        Parity::None => ControlModes::empty(),
        Parity::Even => ControlModes::PARENB,
        Parity::Odd => ControlModes::PARENB | ControlModes::PARODD,
    }
}
