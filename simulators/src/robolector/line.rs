//! A pseudo-terminal behind a symbolic link, which can be unplugged.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;

/// A pseudo-terminal that does not come to be.
#[derive(Debug, thiserror::Error)]
#[error("no pseudo-terminal at '{path}': {source}; see that its folder is writable and that nothing else is there")]
pub struct LineError {
    path: PathBuf,
    source: io::Error,
}

/// How long one look at the line waits, milliseconds; a caller that was stopped notices within it.
const LOOK_MS: i64 = 50;

/// The instrument's end of a line. The other end is a terminal to which `path` leads.
#[derive(Debug)]
pub struct Line {
    path: PathBuf,
    plugged: Option<Plugged>,
}

#[derive(Debug)]
struct Plugged {
    master: OwnedFd,
    terminal: PathBuf,
}

/// How often an unplugged line looks whether all is read, 5 ms apart: a second.
const MOST_LOOKS: u32 = 200;

/// What became of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// They are on the line.
    Yes,
    /// Nobody had it open, or it was not plugged in: they are lost.
    Nobody,
}

impl Line {
    /// A line that is plugged in.
    ///
    /// # Errors
    /// [`LineError`] where there is no pseudo-terminal to be had, or where something else than a link is at `path`.
    pub fn open(path: &Path) -> Result<Self, LineError> {
        let mut line = Self { path: path.to_owned(), plugged: None };
        line.plug()?;
        Ok(line)
    }

    /// Where the other end is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Plugs it in: a new terminal behind the same link. Does nothing to a line that is plugged in.
    ///
    /// # Errors
    /// As [`Line::open`].
    pub fn plug(&mut self) -> Result<(), LineError> {
        if self.plugged.is_none() {
            let plugged = plug(&self.path).map_err(|source| LineError { path: self.path.clone(), source })?;
            self.plugged = Some(plugged);
        }
        Ok(())
    }

    /// Pulls the cable: the terminal hangs up and the link is gone. Waits a little for what is on the line to be read, save `unread` bytes of it.
    pub fn unplug(&mut self, unread: u64) {
        if let Some(plugged) = self.plugged.take() {
            // What was just written may not be counted yet, so it counts as read only when it is so twice.
            let mut read = 0;
            for _ in 0..MOST_LOOKS {
                plugged.look(PollFlags::empty(), 5);
                match plugged.waiting() {
                    None => break,
                    Some(waiting) if waiting <= unread => read += 1,
                    Some(_) => read = 0,
                }
                if read == 2 {
                    break;
                }
            }
            // Gone already, then.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Whether it is plugged in.
    pub fn is_plugged(&self) -> bool {
        self.plugged.is_some()
    }

    /// Whether somebody has the other end open.
    pub fn is_heard(&self) -> bool {
        self.plugged.as_ref().is_some_and(|plugged| !plugged.look(PollFlags::empty(), 0).contains(PollFlags::HUP))
    }

    /// Puts bytes on the line, as fast as they are read. Ends early once `stopped` says so.
    pub fn write(&self, mut bytes: &[u8], stopped: impl Fn() -> bool) -> Carried {
        let Some(plugged) = &self.plugged else { return Carried::Nobody };
        while !bytes.is_empty() && !stopped() {
            let ready = plugged.look(PollFlags::OUT, LOOK_MS);
            if ready.contains(PollFlags::HUP) {
                return Carried::Nobody;
            }
            if ready.contains(PollFlags::OUT) {
                match rustix::io::write(&plugged.master, bytes) {
                    Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                    Err(_) => return Carried::Nobody,
                }
            }
        }
        if bytes.is_empty() { Carried::Yes } else { Carried::Nobody }
    }

    /// What the other end said, waiting for it a little when `wait` is set.
    pub fn read(&self, wait: bool) -> Vec<u8> {
        let Some(plugged) = &self.plugged else { return Vec::new() };
        let ready = plugged.look(PollFlags::IN, if wait { LOOK_MS } else { 0 });
        if !ready.contains(PollFlags::IN) {
            if wait && ready.contains(PollFlags::HUP) {
                // With nobody there the look above does not wait.
                let none: &mut [PollFd<'_>] = &mut [];
                let _ = poll(none, Some(&timeout(LOOK_MS)));
            }
            return Vec::new();
        }
        let mut buffer = [0; 1024];
        match rustix::io::read(&plugged.master, &mut buffer) {
            Ok(length) => buffer.get(..length).unwrap_or_default().to_vec(),
            Err(_) => Vec::new(),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.unplug(0);
    }
}

impl Plugged {
    fn look(&self, wanted: PollFlags, milliseconds: i64) -> PollFlags {
        let mut look = [PollFd::new(&self.master, wanted)];
        match poll(&mut look, Some(&timeout(milliseconds))) {
            Ok(_) => look[0].revents(),
            Err(_) => PollFlags::empty(),
        }
    }

    /// Bytes that the other end has not read yet; `None` where nobody has it open.
    fn waiting(&self) -> Option<u64> {
        if self.look(PollFlags::empty(), 0).contains(PollFlags::HUP) {
            return None;
        }
        rustix::io::ioctl_fionread(open_terminal(&self.terminal).ok()?).ok()
    }
}

fn timeout(milliseconds: i64) -> Timespec {
    Timespec { tv_sec: milliseconds / 1000, tv_nsec: (milliseconds % 1000) * 1_000_000 }
}

fn plug(path: &Path) -> io::Result<Plugged> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags)?;
    rustix::pty::grantpt(&master)?;
    rustix::pty::unlockpt(&master)?;
    let name = rustix::pty::ptsname(&master, Vec::new())?;
    let terminal = PathBuf::from(name.to_string_lossy().into_owned());
    // No echo, no translation of line ends: a serial line has neither. Once opened and closed, it says when nobody has it open.
    let other = open_terminal(&terminal)?;
    let mut attributes = rustix::termios::tcgetattr(&other)?;
    attributes.make_raw();
    rustix::termios::tcsetattr(&other, rustix::termios::OptionalActions::Now, &attributes)?;
    drop(other);
    rustix::io::ioctl_fionbio(&master, true)?;
    // Under another name first, so that the link is never half there; in place of a link that an earlier run left.
    let hidden = path.with_file_name(format!(".{}.new", path.file_name().unwrap_or_default().to_string_lossy()));
    if fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_symlink()) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something that is no link"));
    }
    let _ = fs::remove_file(&hidden);
    std::os::unix::fs::symlink(&terminal, &hidden)?;
    fs::rename(&hidden, path)?;
    Ok(Plugged { master, terminal })
}

fn open_terminal(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}
