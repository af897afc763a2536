//! Room to write: the configured size, and a reserve on the disk for when there is none.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::queue::Command;
use crate::event::EventType;

/// The reserve on the disk: enough for some hundred gaps with their pages.
const RESERVE: usize = 1024 * 1024;

/// What gaps may use beyond the configured size.
pub(super) const BEYOND: u64 = 1024 * 1024;

/// `<journal>.reserve`: a file of no content that is given up when the disk is full, so that a gap can be recorded for a
/// source that cannot wait.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    held: bool,
}

impl Reserve {
    pub(super) fn new(journal: &Path) -> Self {
        Self { path: super::open::beside(journal, "reserve"), held: false }
    }

    /// Makes the reserve where it is not there. Without room for it now, it is tried again later.
    pub(super) fn keep(&mut self) {
        if self.held {
            return;
        }
        let there = std::fs::metadata(&self.path).is_ok_and(|m| m.len() >= RESERVE as u64);
        self.held = there || self.make().is_ok();
        if !self.held {
            // A part of a reserve is none, and takes room that is wanted.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Written out, because a hole in a file reserves nothing; not all zeros, because some file systems store those as a
    /// hole.
    fn make(&self) -> std::io::Result<()> {
        let mut file = File::create(&self.path)?;
        let mut block = [0u8; 4096];
        for (number, byte) in block.iter_mut().enumerate() {
            *byte = (number as u8).wrapping_mul(151) ^ 0x5a;
        }
        for number in 0..RESERVE / block.len() {
            block[..8].copy_from_slice(&number.to_be_bytes());
            file.write_all(&block)?;
        }
        file.sync_all()
    }

    /// Gives the room up; false when there is none to give.
    pub(super) fn release(&mut self) -> bool {
        self.held = false;
        std::fs::remove_file(&self.path).is_ok()
    }
}

/// Whether this batch may use reserved space: it records nothing but gaps and troubles of its device, which is what a
/// source that cannot wait leaves behind.
pub(super) fn is_urgent(command: &Command) -> bool {
    let events = &command.batch.events;
    !events.is_empty()
        && events.iter().all(|event| {
            matches!(
                event.event_type,
                EventType::DeviceGap
                    | EventType::DeviceFaulted
                    | EventType::DeviceRecovered
                    | EventType::DeviceConnected
                    | EventType::DeviceDisconnected
            )
        })
}

/// Whether this batch takes no lasting room: a position or a note is written over the one before.
pub(super) fn is_small(command: &Command) -> bool {
    command.batch.events.is_empty()
}

/// Takes out of `waiting`, in order, those that pass `allowed` and have none of their device before them.
pub(super) fn take_allowed(waiting: &mut Vec<Command>, allowed: impl Fn(&Command) -> bool) -> Vec<Command> {
    let mut held = Vec::new();
    let mut taken = Vec::new();
    for command in waiting.drain(..) {
        let behind = held.iter().any(|other: &Command| other.batch.device == command.batch.device);
        if behind || !allowed(&command) {
            held.push(command);
        } else {
            taken.push(command);
        }
    }
    *waiting = held;
    taken
}
