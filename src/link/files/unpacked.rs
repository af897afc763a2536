//! Exports that lie unpacked in a folder: members before the table, and again when they change.

use std::io;
use std::time::{Duration, Instant};

use super::LinkEvent;
use super::Outlet;
use super::archive::MEMBER_LIMIT;
use super::disk;
use super::group::{Files, Found};
use super::source::{Doubt, Failure, Pace, Source};
use super::view::View;
use crate::driver::SourceName;

/// The longest time that a new source is held back until it is whole.
const LONGEST_HOLD: Duration = Duration::from_secs(2);

/// How the table of an XT export begins; see `instrument_proto` for the rest of it.
const EXPORTED: &[u8] = b"Type;Cycle;Well;";

impl Source {
    /// Until when a source of which nothing was read yet is held back. An export that is being unpacked is read when its
    /// members are there and not before, for they say what the table means; and a table that looks like an export's
    /// may get its members in a moment.
    pub(super) fn held(&mut self, view: &mut View, now: Instant, pace: Pace) -> io::Result<Option<Instant>> {
        if self.is_begun() || self.baseline > 0 {
            return Ok(None);
        }
        let print = match self.found.as_ref().map(|found| &found.files) {
            Some(Files::Folder { print, .. }) => print.short(),
            Some(Files::Table(_)) => {
                let start = view.read(0, EXPORTED.len() as u64 + 3)?.unwrap_or_default();
                if !start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&start).starts_with(EXPORTED) {
                    return Ok(None);
                }
                view.stat.size
            }
            _ => return Ok(None),
        };
        let believe = pace.believe.min(LONGEST_HOLD);
        let doubt = Doubt::update(&mut self.doubt, print, now);
        let until = (doubt.since + believe).min(doubt.first + LONGEST_HOLD);
        if now < until {
            return Ok(Some(until));
        }
        self.doubt = None;
        Ok(None)
    }

    /// Gives the members of an unpacked export when they differ from what was given.
    pub(super) fn give_members(&mut self, name: &SourceName, outlet: &Outlet) -> Result<(), Failure> {
        let Some(Found { files: Files::Folder { members, print, .. }, .. }) = &self.found else { return Ok(()) };
        if self.position.members == Some(*print) {
            return Ok(());
        }
        let (members, print) = (members.clone(), *print);
        self.open(name, outlet)?;
        for (index, path) in members.iter().enumerate() {
            let (file, stat) = disk::open(path)?;
            if stat.size > MEMBER_LIMIT {
                tracing::warn!(member = %path.display(), size = stat.size, limit = MEMBER_LIMIT, "A member is too large and is not read.");
                continue;
            }
            let mut bytes = Vec::with_capacity(usize::try_from(stat.size).unwrap_or(0));
            io::Read::read_to_end(&mut io::Read::take(file, MEMBER_LIMIT), &mut bytes)?;
            // Only the last one's position says that all were given.
            if index + 1 == members.len() {
                self.position.members = Some(print);
            }
            let name_of_it = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let position = self.position.to_bytes();
            outlet.send(LinkEvent::Member { source: name.clone(), name: name_of_it, bytes, position })?;
        }
        self.position.members = Some(print);
        Ok(())
    }
}
