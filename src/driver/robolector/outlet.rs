//! Where a dialect's findings go: to the robot's model and out as effects.

use jiff::Timestamp;

use super::action::{Action, Arm, Done};
use super::robot::Robot;
use super::telling::Teller;
use crate::driver::{Effects, Request, SourceName};
use crate::event::body::Body;
use crate::event::cultivation::Defect;
use crate::event::device::Faulted;
use crate::event::{EventSource, Subject, TimeQuality};

/// Kinds of defects that are counted.
const MAX_DEFECTS: usize = 16;

/// Defects of a stream, by code.
pub(super) type Defects = Vec<Defect>;

/// What one input leads to.
pub(super) struct Outlet<'a> {
    pub robot: &'a mut Robot,
    pub source: &'a EventSource,
    pub name: &'a SourceName,
    pub epoch: &'a str,
    pub ordinal: &'a mut u64,
    pub quality: TimeQuality,
    pub defects: &'a mut Defects,
    pub effects: &'a mut Effects,
    /// When the bytes came that are being looked at.
    pub at: Timestamp,
    /// Where they stand in the epoch.
    pub offset: u64,
}

impl Outlet<'_> {
    fn telling<R>(&mut self, at: Timestamp, offset: u64, what: impl FnOnce(&mut Robot, &mut Teller<'_>) -> R) -> R {
        let mut tell = Teller {
            source: self.source,
            epoch: self.epoch,
            ordinal: self.ordinal,
            at,
            quality: self.quality,
            offset,
            events: &mut self.effects.events,
        };
        what(self.robot, &mut tell)
    }

    /// A command was given.
    pub fn approach(&mut self, action: &Action) -> Option<String> {
        self.telling(self.at, self.offset, |robot, tell| robot.approach(action, tell))
    }

    /// The access in which the pipetting arm works now.
    pub fn access(&self) -> Option<String> {
        self.robot.access_of(Arm::Channels)
    }

    /// A command was carried out, or is taken to be.
    pub fn apply(&mut self, done: &Done) {
        self.telling(done.at, done.offset, |robot, tell| robot.apply(done, tell));
    }

    /// Ends an access whose arm was not heard of for long.
    pub fn check_silence(&mut self) {
        if self.robot.access_is_silent(self.at) {
            self.telling(self.at, self.offset, |robot, tell| robot.access_fell_silent(tell));
        }
    }

    /// The line is gone: an access ends with it.
    pub fn line_lost(&mut self) {
        let at = self.at;
        self.telling(at, self.offset, |robot, tell| robot.end_access("line-lost", at, tell));
        self.robot.line_cut();
    }

    /// Something in the stream is not as it should be; it is counted.
    pub fn defect(&mut self, code: &'static str, text: &str) {
        let at = match self.defects.iter().position(|defect| defect.code == code) {
            Some(at) => at,
            None if self.defects.len() >= MAX_DEFECTS => return,
            None => {
                let text = text.chars().take(120).collect();
                self.defects.push(Defect { code, count: 0, first_offset: self.offset, text });
                self.defects.len() - 1
            }
        };
        if let Some(defect) = self.defects.get_mut(at) {
            defect.count += 1;
            self.effects.defects.push((self.name.clone(), defect.clone()));
        }
    }

    /// Something is known to be lost.
    pub fn gap(&mut self, reason: &'static str, text: String) {
        self.effects.gaps.push((self.name.clone(), reason, text));
    }

    /// Something keeps the driver from its work.
    pub fn fault(&mut self, fault: Faulted) {
        self.telling(self.at, self.offset, |_, tell| tell.tell(Body::DeviceFaulted(fault), Subject::Device));
    }

    /// Writes to the line, in host mode.
    pub fn send(&mut self, bytes: Vec<u8>) {
        self.effects.requests.push(Request::Send { source: self.name.clone(), bytes });
    }

    /// What the instrument says of itself.
    pub fn identity(&mut self, software: String, format: &'static str) {
        let instrument =
            crate::event::cultivation::Instrument { serial: None, software: Some(software), format: format.to_owned() };
        self.effects.identity = Some(crate::driver::Identity { instrument, ..crate::driver::Identity::default() });
    }
}
