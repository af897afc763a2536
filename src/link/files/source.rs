//! One source: what is known of it, and reading what is new.

use std::io;
use std::time::{Duration, Instant};

use super::LinkEvent;
use super::Outlet;
use super::disk::Stat;
use super::group::{Files, Found};
use super::outlet::Stopped;
use super::position::{Digest, Position};
use super::remedy;
use super::view::{Kept, Look, View, look};
use crate::driver::{SourceKind, SourceName};
use crate::event::Ingest;

/// How much of a table is read at once.
const CHUNK: u64 = 192 << 10;

/// What the time-outs of a source follow from.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Silence that counts.
    pub settle: Duration,
    /// How long something must stand unchanged to be believed.
    pub believe: Duration,
}

/// What to do with a source after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// There is more to read.
    More,
    /// Nothing more for now.
    Done,
    /// Look again then.
    Later(Instant),
    /// It is not where it was: look at the folder.
    Scan,
}

/// Something that must stand unchanged for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Since when it stands like this.
    pub since: Instant,
    /// When it began to be looked at.
    pub first: Instant,
    /// What it looks like.
    pub print: u64,
}

impl Doubt {
    /// Looks at something again that should stand still: since when does it?
    pub fn update(doubt: &mut Option<Self>, print: u64, now: Instant) -> &Self {
        let doubt = doubt.get_or_insert(Self { since: now, first: now, print });
        if doubt.print != print {
            doubt.print = print;
            doubt.since = now;
        }
        doubt
    }
}

/// A source.
#[derive(Debug)]
pub struct Source {
    /// Its files, as the last scan found them; `None` while it is known and not found.
    pub found: Option<Found>,
    /// How far it was read.
    pub position: Position,
    /// The receiver was told of it since it was read from its start or the link started.
    pub opened: bool,
    /// To be opened even if nothing is new: its silence or its state matters.
    pub wanted: bool,
    /// What it was when it was looked at last.
    pub looked: Option<Stat>,
    /// To be looked at once more at the next scan: its time stamp may be too coarse to show a change right after.
    pub recheck: bool,
    /// Since when it is silent, as far as this link saw.
    pub quiet_since: Instant,
    /// When something new came last, in the life of this link.
    pub moved: Option<Instant>,
    /// Its silence is long enough: told when a last look finds nothing.
    pub settling: bool,
    /// Bytes that were there before the first start.
    pub baseline: u64,
    /// Missing in the folder since.
    pub missing: Option<Instant>,
    /// When the thread must attend to it next.
    pub due: Option<Instant>,
    /// When it must be looked at again.
    pub again: Option<Instant>,
    /// Shorter than what was read; a part is missing; a new source or an archive is not whole yet.
    pub doubt: Option<Doubt>,
    /// Parts that are missing are passed over now.
    pub over_holes: bool,
    /// The trouble that was told.
    pub trouble: Option<String>,
    /// The scan that saw it last.
    pub seen: u64,
}

impl Source {
    /// A source that was read up to `position`, or a new one.
    pub fn new(position: Position, baseline: u64, now: Instant) -> Self {
        Self {
            found: None,
            // One that was left in the middle is to be looked at, changed or not.
            looked: (position.ended || (position.at > 0 && position.at == position.stat.size)).then_some(position.stat),
            position,
            opened: false,
            wanted: false,
            recheck: false,
            quiet_since: now,
            moved: None,
            settling: false,
            baseline,
            missing: None,
            due: None,
            again: None,
            doubt: None,
            over_holes: false,
            trouble: None,
            seen: 0,
        }
    }

    /// Whether anything of it was ever handed over.
    pub fn is_begun(&self) -> bool {
        self.opened || self.position.at > 0 || self.position.ended
    }

    /// What kind of source it is: by its files, or by what its position remembers.
    pub fn kind(&self) -> SourceKind {
        match (&self.found, self.position.part, self.position.members) {
            (Some(found), _, _) => found.kind(),
            (None, Some(_), _) => SourceKind::Parts,
            (None, None, Some(_)) => SourceKind::Export,
            (None, None, None) => SourceKind::Table,
        }
    }

    /// Begins again from the start.
    pub fn restart(&mut self) {
        self.position = Position::start();
        self.opened = false;
        self.looked = None;
        self.doubt = None;
        self.over_holes = false;
    }

    /// When its silence is long enough for a last look; `None` when it was told, when that look is already due, or when there is
    /// nothing to tell.
    pub fn settles_at(&self, settle: Duration) -> Option<Instant> {
        let waits = self.opened && !self.settling && !self.position.settled && !self.position.ended;
        let zip = matches!(self.found.as_ref().map(|found| &found.files), Some(Files::Zip(_)));
        (waits && !zip && self.missing.is_none()).then(|| self.quiet_since + settle)
    }

    /// Tells the silence, when it lasted long enough and a look found nothing after it.
    fn settle(&mut self, name: &SourceName, outlet: &Outlet, settle: Duration) -> Result<(), Stopped> {
        if !std::mem::take(&mut self.settling) || self.settles_at(settle).is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        self.position.settled = true;
        outlet.send(LinkEvent::Settled { source: name.clone(), position: self.position.to_bytes() })
    }

    /// Reads what is new, at most one chunk of it (an archive: all of it), and hands it over. `kept` is this source's table where it stayed
    /// open, and afterwards where it may stay so.
    pub fn step(
        &mut self,
        name: &SourceName,
        outlet: &Outlet,
        pace: Pace,
        kept: &mut Option<Kept>,
    ) -> Result<Next, Stopped> {
        let Some(found) = &self.found else { return Ok(Next::Done) };
        if let Files::Zip(path) = &found.files {
            let path = path.clone();
            return self.step_archive(name, &path, outlet, pace);
        }
        match self.step_table(name, outlet, pace, kept) {
            Ok(next) => {
                self.trouble_over(name, outlet)?;
                Ok(next)
            }
            Err(Failure::Stopped) => Err(Stopped),
            Err(Failure::Read(error)) if error.kind() == io::ErrorKind::NotFound => Ok(Next::Scan),
            Err(Failure::Read(error)) => {
                self.failed(name, format!("cannot read {name}: {error}"), remedy(&error), outlet)?;
                Ok(Next::Later(Instant::now() + pace.believe))
            }
        }
    }

    fn step_table(
        &mut self,
        name: &SourceName,
        outlet: &Outlet,
        pace: Pace,
        kept: &mut Option<Kept>,
    ) -> Result<Next, Failure> {
        let now = Instant::now();
        let was_kept = kept.is_some();
        let mut view = self.view(kept.take())?;
        if let Some(until) = self.held(&mut view, now, pace)? {
            return Ok(Next::Later(until));
        }
        // A chunk ends where the bytes of before the first start end: they come in by another way.
        let most = if self.position.at < self.baseline { CHUNK.min(self.baseline - self.position.at) } else { CHUNK };
        let looked = look(&mut view, &self.position, most)?;
        if view.hole
            && let Some(again) = self.hole(name, outlet, now, pace)?
        {
            self.again = Some(again);
        }
        match looked {
            Look::Same => {
                self.recheck = self.looked != Some(view.stat);
                self.looked = Some(view.stat);
                self.position.stat = view.stat;
                self.doubt = self.doubt.take().filter(|_| view.hole);
                if self.wanted && self.position.at > 0 {
                    self.open(name, outlet)?;
                }
                self.give_members(name, outlet)?;
                self.settle(name, outlet, pace.settle)?;
                *kept = view.into_kept().filter(|_| was_kept);
                Ok(Next::Done)
            }
            Look::Late => {
                self.restart();
                Ok(Next::More)
            }
            Look::Replaced => {
                self.gap(name, "replaced", "other content stands where this source was read last", outlet)?;
                self.restart();
                Ok(Next::More)
            }
            Look::Shorter => {
                // Some programs empty a file and write it anew: only what stays short is believed.
                let doubt = Doubt::update(&mut self.doubt, view.stat.size, now);
                if now < doubt.since + pace.believe && now < doubt.first + pace.believe * 10 {
                    return Ok(Next::Later(doubt.since + pace.believe));
                }
                self.gap(name, "truncated", "the file is shorter than what was read of it", outlet)?;
                self.restart();
                Ok(Next::More)
            }
            Look::New { head, bytes, position } => {
                self.doubt = None;
                self.open(name, outlet)?;
                self.give_members(name, outlet)?;
                let members = self.position.members;
                if let Some((bytes, position)) = head {
                    self.position = Position { members, ..*position };
                    outlet.send(LinkEvent::Head { source: name.clone(), bytes, position: self.position.to_bytes() })?;
                }
                let more = bytes.len() as u64 == most;
                if !bytes.is_empty() {
                    let (offset, ingest) = (self.position.at, self.ingest());
                    self.position = Position { members, ..*position };
                    outlet.send(LinkEvent::Bytes {
                        source: name.clone(),
                        offset,
                        bytes,
                        position: self.position.to_bytes(),
                        ingest,
                    })?;
                }
                self.looked = Some(view.stat);
                *kept = view.into_kept();
                self.recheck = true;
                self.quiet_since = Instant::now();
                self.moved = Some(self.quiet_since);
                self.settling = false;
                Ok(if more { Next::More } else { Next::Done })
            }
        }
    }

    fn view(&mut self, kept: Option<Kept>) -> io::Result<View> {
        match self.found.as_mut().map(|found| &mut found.files) {
            Some(Files::Table(path) | Files::Folder { table: path, .. } | Files::Zip(path)) => {
                View::of_file(path, kept)
            }
            Some(Files::Parts(list)) => View::of_parts(list, &self.position, self.over_holes),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// A part is missing: it is waited for, then passed over.
    fn hole(
        &mut self,
        name: &SourceName,
        outlet: &Outlet,
        now: Instant,
        pace: Pace,
    ) -> Result<Option<Instant>, Failure> {
        if self.over_holes {
            return Ok(None);
        }
        let doubt = Doubt::update(&mut self.doubt, self.position.at, now);
        if now < doubt.since + pace.settle {
            return Ok(Some(doubt.since + pace.settle));
        }
        self.over_holes = true;
        self.gap(name, "missing-part", "a part is missing and later ones are there", outlet)?;
        Ok(Some(now))
    }

    /// Tells that it is read, unless that was told.
    pub fn open(&mut self, name: &SourceName, outlet: &Outlet) -> Result<(), Stopped> {
        let Some(found) = &self.found else { return Ok(()) };
        if self.opened {
            return Ok(());
        }
        let resume = self.position.at > 0 || self.position.ended;
        if !resume {
            // Read from its start, it begins with its members, also where they were given before a restart.
            self.position.members = None;
        }
        outlet.send(LinkEvent::Opened { source: name.clone(), kind: found.kind(), resume, ingest: self.ingest() })?;
        self.opened = true;
        self.quiet_since = Instant::now();
        Ok(())
    }

    /// By which way the next bytes come in.
    pub fn ingest(&self) -> Ingest {
        if self.position.at < self.baseline { Ingest::Backfill } else { Ingest::Live }
    }

    /// Tells that something may be lost, if anything was read.
    pub fn gap(&mut self, name: &SourceName, reason: &'static str, text: &str, outlet: &Outlet) -> Result<(), Stopped> {
        tracing::warn!(source = %name, reason, text, at = self.position.at, "Something of a source may be lost.");
        let text = format!("{name}: {text} (up to byte {})", self.position.at);
        outlet.send(LinkEvent::Gap { source: name.clone(), reason, text })
    }

    /// Tells a trouble, once.
    pub fn failed(
        &mut self,
        name: &SourceName,
        text: String,
        remedy: Option<String>,
        outlet: &Outlet,
    ) -> Result<(), Stopped> {
        if self.trouble.as_ref() == Some(&text) {
            return Ok(());
        }
        // The actor says it in the log, with the device's name.
        self.trouble = Some(text.clone());
        outlet.send(LinkEvent::Trouble { source: Some(name.clone()), text, remedy })
    }

    /// Tells that a trouble is over.
    pub fn trouble_over(&mut self, name: &SourceName, outlet: &Outlet) -> Result<(), Stopped> {
        match self.trouble.take() {
            Some(_) => outlet.send(LinkEvent::TroubleOver { source: Some(name.clone()) }),
            None => Ok(()),
        }
    }

    /// Whether `found`, which has another name, is this source: the same file, holding what was read.
    pub fn is_same(&self, found: &Found) -> bool {
        if self.position.at == 0 || found.kind() != self.kind() || found.stat.inode != self.position.stat.inode {
            return false;
        }
        let mut copy = Self::new(self.position.clone(), 0, self.quiet_since);
        copy.found = Some(found.clone());
        if let Files::Zip(_) = found.files {
            return found.stat.size == self.position.stat.size && found.stat.modified == self.position.stat.modified;
        }
        let answer = copy.view(None).and_then(|mut view| look(&mut view, &self.position, 0));
        matches!(answer, Ok(Look::Same))
    }
}

/// Why a step ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// The link is to stop.
    Stopped,
    /// The file system refuses.
    Read(io::Error),
}

impl From<Stopped> for Failure {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// A number that changes when any of the given does.
pub fn print_of(stat: &Stat) -> u64 {
    let mut bytes = Vec::with_capacity(32);
    for number in [stat.device, stat.inode, stat.size, stat.modified.cast_unsigned()] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    Digest::of(&bytes).short()
}
