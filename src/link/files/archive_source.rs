//! Reading a source that is a zip archive.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use super::LinkEvent;
use super::Outlet;
use super::archive::{Archive, ArchiveError};
use super::disk::Stat;
use super::outlet::Stopped;
use super::position::{MARK, Position};
use super::remedy;
use super::source::{Doubt, Next, Pace, Source, print_of};
use super::view::advance;
use crate::driver::SourceName;

impl Source {
    /// Reads an archive when it is whole. All of it at once: unpacking cannot go on in the middle without unpacking what
    /// is before, and no handle is held between two reads.
    pub(super) fn step_archive(
        &mut self,
        name: &SourceName,
        path: &Path,
        outlet: &Outlet,
        pace: Pace,
    ) -> Result<Next, Stopped> {
        let now = Instant::now();
        match self.read_archive(name, path, outlet) {
            Ok(stat) => {
                self.looked = Some(stat);
                self.doubt = None;
                self.trouble_over(name, outlet)?;
                Ok(Next::Done)
            }
            Err(Ending::Stopped) => Err(Stopped),
            Err(Ending::Failed(ArchiveError::Io(error))) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Next::Scan)
            }
            Err(Ending::Failed(ArchiveError::Changed)) => Ok(Next::Later(now + pace.believe)),
            Err(Ending::Failed(ArchiveError::Incomplete(text))) => {
                // A copy in progress looks like this. Each change is a reason to look again; silence is one to complain.
                let Ok(metadata) = std::fs::metadata(path) else { return Ok(Next::Scan) };
                let stat = Stat::of(&metadata);
                self.looked = Some(stat);
                let since = Doubt::update(&mut self.doubt, print_of(&stat), now).since;
                if now < since + pace.settle {
                    return Ok(Next::Later(since + pace.settle));
                }
                let text = format!("{name} is not a whole zip archive and does not grow any more: {text}");
                self.failed(name, text, Some("copy it again, or remove it".to_owned()), outlet)?;
                Ok(Next::Done)
            }
            Err(Ending::Failed(ArchiveError::Refused(text))) => {
                self.looked = std::fs::metadata(path).ok().map(|metadata| Stat::of(&metadata));
                let remedy = "remove it, or unpack it beside if it is what it says".to_owned();
                self.failed(name, format!("{name} is not read: {text}"), Some(remedy), outlet)?;
                Ok(Next::Done)
            }
            Err(Ending::Failed(ArchiveError::Io(error))) => {
                self.failed(name, format!("cannot read {name}: {error}"), remedy(&error), outlet)?;
                Ok(Next::Later(now + pace.believe))
            }
        }
    }

    fn read_archive(&mut self, name: &SourceName, path: &Path, outlet: &Outlet) -> Result<Stat, Ending> {
        let mut archive = Archive::open(path)?;
        let unchanged = self.position.members == Some(archive.directory);
        if self.position.ended && unchanged {
            self.position.stat = archive.stat;
            return Ok(archive.stat);
        }
        // The checksum first: a copy whose directory is there may have holes, and nothing of those may be given.
        let go_on = || !outlet.is_stopped();
        let mut verified = archive.verify(&self.position, &go_on)?;
        if self.position.at > 0 && !verified.tail && go_on() {
            if !self.position.ended {
                self.gap(name, "replaced", "another archive stands where this one was being read", outlet)?;
            }
            self.restart();
            verified = archive.verify(&self.position, &go_on)?;
        }
        if !go_on() {
            return Err(Ending::Stopped);
        }
        self.open(name, outlet)?;
        self.position.ended = false;
        self.position.settled = false;
        self.position.stat = archive.stat;
        if self.position.at == 0 || !unchanged {
            self.give_archive_members(name, &mut archive, outlet)?;
        }
        if self.position.at > 0 && !verified.head {
            self.position.head = super::position::Mark::of(&verified.rewritten);
            let position = self.position.to_bytes();
            outlet.send(LinkEvent::Head { source: name.clone(), bytes: verified.rewritten, position })?;
        }
        self.give_table(name, &mut archive, verified.before, outlet)?;
        self.position.ended = true;
        self.opened = false;
        self.quiet_since = Instant::now();
        outlet.send(LinkEvent::Ended { source: name.clone(), position: self.position.to_bytes() })?;
        Ok(archive.stat)
    }

    fn give_archive_members(
        &mut self,
        name: &SourceName,
        archive: &mut Archive,
        outlet: &Outlet,
    ) -> Result<(), Ending> {
        for text in &archive.skipped {
            tracing::warn!(source = %name, reason = %text, "A member is not read.");
        }
        let members = archive.members.clone();
        for (index, entry) in members.iter().enumerate() {
            let bytes = archive.member(entry)?;
            // Only the last one's position says that all were given.
            if index + 1 == members.len() {
                self.position.members = Some(archive.directory);
            }
            let position = self.position.to_bytes();
            outlet.send(LinkEvent::Member { source: name.clone(), name: entry.name.clone(), bytes, position })?;
        }
        self.position.members = Some(archive.directory);
        Ok(())
    }

    fn give_table(
        &mut self,
        name: &SourceName,
        archive: &mut Archive,
        mut before: Vec<u8>,
        outlet: &Outlet,
    ) -> Result<(), Ending> {
        let mut head = None::<Vec<u8>>;
        let mut sent = Ok(());
        let from = self.position.at;
        let backfill = self.baseline > 0;
        let position: &mut Position = &mut self.position;
        archive.read_table(from, &mut |chunk| {
            let offset = position.at;
            if offset == 0 {
                head = Some(chunk[..chunk.len().min(MARK as usize)].to_vec());
            }
            advance(position, &before, chunk, head.as_deref());
            before = chunk[chunk.len().saturating_sub(MARK as usize)..].to_vec();
            sent = outlet.send(LinkEvent::Bytes {
                source: name.clone(),
                offset,
                bytes: chunk.to_vec(),
                position: position.to_bytes(),
                ingest: if backfill { crate::event::Ingest::Backfill } else { crate::event::Ingest::Live },
            });
            if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(sent?)
    }
}

/// Why reading an archive ended early.
#[derive(Debug)]
enum Ending {
    Stopped,
    Failed(ArchiveError),
}

impl From<Stopped> for Ending {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<ArchiveError> for Ending {
    fn from(error: ArchiveError) -> Self {
        Self::Failed(error)
    }
}
