//! One line to the robot: what comes over it, in which epoch, and what is kept of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::access::SILENCE;
use super::dialect::Dialect;
use super::host::Host;
use super::outlet::{Defects, Outlet};
use super::robot::Robot;
use super::snapshot::{self, Header};
use super::{Context, TRACE};
use crate::driver::{Direction, Effects, Mode, Operation, Request, Sees, SourceName, StreamInput, Timer, TimerChange};
use crate::event::TimeQuality;

/// The timer for replies that do not come.
pub(super) const REPLY: &str = "reply";
/// The timer for an arm that is not heard of over a cultivation.
pub(super) const ACCESS: &str = "access";
/// The timer that ends a frame where nothing else does.
pub(super) const GAP: &str = "gap";
/// The timer for the next question in host mode.
pub(super) const POLL: &str = "poll";

/// A line.
pub(super) struct Line {
    name: SourceName,
    context: Arc<Context>,
    pub robot: Robot,
    dialect: Dialect,
    header: Header,
    mode: Mode,
    host: Option<Host>,
    defects: Defects,
    /// When the last bytes came.
    last: Option<Timestamp>,
    /// The bytes before which the line is.
    offset: u64,
    open: bool,
    timers: Vec<&'static str>,
    written: snapshot::Written,
}

impl Line {
    pub fn new(name: SourceName, context: Arc<Context>, robot: Robot, dialect: Dialect) -> Self {
        Self {
            name,
            context,
            robot,
            dialect,
            header: Header::default(),
            mode: Mode::Listen { sees: Sees::Both },
            host: None,
            defects: Defects::new(),
            last: None,
            offset: 0,
            open: false,
            timers: Vec::new(),
            written: snapshot::Written::default(),
        }
    }

    /// Takes one input of the line.
    pub fn take(&mut self, input: StreamInput<'_>, now: Timestamp, effects: &mut Effects) {
        match input {
            StreamInput::Opened { epoch, mode, resumed, snapshot } => {
                self.opened(epoch, mode, resumed, snapshot, now, effects);
            }
            StreamInput::Bytes { direction, at, offset, bytes } => self.bytes(direction, at, offset, bytes, effects),
            StreamInput::Lost { .. } => {
                self.dialect.cut();
                self.robot.line_cut();
            }
            StreamInput::Closed { .. } => {
                self.dialect.cut();
                let at = self.last.unwrap_or(now);
                self.with(at, self.offset, effects, |dialect, out| {
                    dialect.give_up(out);
                    out.line_lost();
                });
                self.open = false;
                self.host = None;
                effects.operation = Some(Operation { name: "unknown", ..Operation::default() });
            }
        }
        self.set_timers(effects);
        self.write(effects);
    }

    fn opened(
        &mut self,
        epoch: &str,
        mode: Mode,
        resumed: bool,
        parts: &[(String, Vec<u8>)],
        now: Timestamp,
        effects: &mut Effects,
    ) {
        self.mode = mode;
        self.open = true;
        self.written = snapshot::Written::default();
        let readable = snapshot::read(parts, &mut self.robot, &mut self.dialect, &mut self.header);
        if !readable && !parts.is_empty() {
            if resumed {
                effects.requests.push(Request::Reread(self.name.clone()));
            } else {
                let text = "what was known of tips, volumes and plates cannot be read any more".to_owned();
                effects.gaps.push((self.name.clone(), "state-lost", text));
            }
        }
        if !resumed || self.header.epoch != epoch {
            self.header = Header { epoch: epoch.to_owned(), ordinal: 0, last: None };
            self.dialect.cut();
            self.robot.line_cut();
            self.offset = 0;
            self.with(now, 0, effects, |dialect, out| dialect.give_up(out));
        }
        self.last = self.header.last;
        if self.robot.state.standing.epoch.is_empty() {
            self.robot.state.standing.epoch = epoch.to_owned();
        }
        let sees = match mode {
            Mode::Listen { sees } => sees,
            Mode::Host => Sees::Both,
        };
        self.dialect.opened(sees);
        self.host = self.context.profile.robolector().filter(|_| mode == Mode::Host).map(Host::new);
        let name = match (mode, sees) {
            (Mode::Host, _) => "hosting",
            (_, Sees::Both) => "listening",
            (_, Sees::CommandsOnly) => "listening-commands-only",
            (_, Sees::RepliesOnly) => "listening-replies-only",
        };
        effects.operation = Some(Operation { name, ..Operation::default() });
        if let Some(host) = &mut self.host {
            host.ask(&self.name, now, effects);
        }
    }

    fn bytes(&mut self, direction: Direction, at: Timestamp, offset: u64, bytes: &[u8], effects: &mut Effects) {
        if !self.open {
            return;
        }
        if let (Some(gap), Some(last)) = (self.dialect.gap(), self.last)
            && SignedDuration::try_from(gap).is_ok_and(|gap| at.duration_since(last) >= gap)
        {
            self.with(last, offset, effects, |dialect, out| dialect.silent(out));
        }
        self.last = Some(at);
        self.header.last = Some(at);
        let mut from = 0;
        // Piece by piece, so that each frame's place is known however the bytes come.
        while from < bytes.len() {
            let rest = bytes.get(from..).unwrap_or_default();
            let length = self.dialect.piece(rest).clamp(1, rest.len());
            let piece = rest.get(..length).unwrap_or_default();
            from += length;
            let end = offset + u64::try_from(from).unwrap_or_default();
            let mut host = self.host.take();
            self.with(at, end, effects, |dialect, out| {
                out.check_silence();
                match &mut host {
                    Some(host) => host.take(direction, piece, dialect, out),
                    None => dialect.feed(direction, piece, out),
                }
            });
            self.host = host;
            self.offset = end;
        }
    }

    /// A timer ran out.
    pub fn timer(&mut self, timer: &Timer, now: Timestamp, effects: &mut Effects) {
        self.timers.retain(|set| *set != timer.name);
        match timer.name {
            GAP => {
                let at = self.last.unwrap_or(now);
                self.with(at, self.offset, effects, |dialect, out| dialect.silent(out));
            }
            POLL => {
                if let Some(host) = &mut self.host {
                    host.ask(&self.name, now, effects);
                }
            }
            _ => {
                self.with(now, self.offset, effects, |dialect, out| {
                    dialect.expire(out);
                    out.check_silence();
                });
            }
        }
        self.set_timers(effects);
        self.write(effects);
    }

    fn with<R>(
        &mut self,
        at: Timestamp,
        offset: u64,
        effects: &mut Effects,
        what: impl FnOnce(&mut Dialect, &mut Outlet<'_>) -> R,
    ) -> R {
        let quality = if &*self.name == TRACE { TimeQuality::Instrument } else { TimeQuality::Observed };
        let mut outlet = Outlet {
            robot: &mut self.robot,
            source: &self.context.source,
            name: &self.name,
            epoch: &self.header.epoch,
            ordinal: &mut self.header.ordinal,
            quality,
            defects: &mut self.defects,
            effects,
            at,
            offset,
        };
        what(&mut self.dialect, &mut outlet)
    }

    /// Sets and cancels timers so that exactly those run that something waits for. A running one is set anew: it counts silence.
    fn set_timers(&mut self, effects: &mut Effects) {
        let wanted: [(&'static str, Option<Duration>); 4] = [
            (REPLY, self.dialect.patience().filter(|_| self.open)),
            (ACCESS, self.robot.state.access.is_some().then_some(SILENCE)),
            (GAP, self.dialect.gap().filter(|_| self.open && self.dialect.holds())),
            (POLL, self.host.as_ref().and_then(Host::next).filter(|_| self.open)),
        ];
        for (name, duration) in wanted {
            let timer = Timer { source: self.name.clone(), name };
            match duration {
                Some(duration) => {
                    effects.timers.push(TimerChange::Set(timer, duration));
                    if !self.timers.contains(&name) {
                        self.timers.push(name);
                    }
                }
                None if self.timers.contains(&name) => {
                    effects.timers.push(TimerChange::Cancel(timer));
                    self.timers.retain(|set| *set != name);
                }
                None => {}
            }
        }
    }

    fn write(&mut self, effects: &mut Effects) {
        snapshot::write(&self.name, &mut self.robot, &self.dialect, &self.header, &mut self.written, effects);
    }
}
