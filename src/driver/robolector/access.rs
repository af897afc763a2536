//! The robot's access to a cultivation: the time in which an arm works over its plate.
//!
//! It starts with the command that takes an arm to a cultivation plate, and ends with the next command that takes the same arm
//! elsewhere, with the line's end, or when the arm gets no further command for a time: then at its last command.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::action::{Action, Arm};
use super::deck::subject;
use super::robot::Robot;
use super::telling::Teller;
use crate::event::body::Body;
use crate::event::liquid::Culture;
use crate::event::sampling::{AccessEnded, AccessStarted};
use crate::profile::deck::Role;

/// Time without a command after which an arm counts as gone: longer than a slow aspiration, shorter than a batch's pause.
pub(super) const SILENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// An access that goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Access {
    id: String,
    arm: Arm,
    piece: u8,
    culture: Option<Culture>,
    started: Timestamp,
    last: Timestamp,
}

impl Robot {
    /// Follows where the arm goes; returns the id of the access in which it works then.
    pub(super) fn follow_access(&mut self, action: &Action, tell: &mut Teller<'_>) -> Option<String> {
        let arm = action.arm();
        let places: Vec<_> = action.places().collect();
        let is_move = !places.is_empty() || matches!(action, Action::Reset { .. });
        if !is_move {
            return self.access_of(arm);
        }
        let over = places.into_iter().find_map(|at| {
            let piece = match self.spot(Some(at)) {
                super::deck::Spot::Well { piece, .. } | super::deck::Spot::Between { piece, .. } => piece,
                super::deck::Spot::Nowhere => {
                    self.deck.gripped(&self.state.standing, at).filter(|_| arm == Arm::Gripper)?
                }
            };
            self.deck.piece(piece).is_some_and(|piece| piece.role == Role::Cultivation).then_some(piece)
        });
        if let Some(access) = &mut self.state.access
            && access.arm == arm
        {
            if over == Some(access.piece) {
                access.last = tell.at;
                return Some(access.id.clone());
            }
            self.end_access("left", tell.at, tell);
        }
        let piece = over?;
        if let Some(access) = &self.state.access {
            // Another arm is over a plate: one access at a time is told of.
            return Some(access.id.clone()).filter(|_| access.piece == piece);
        }
        let culture = self.culture(piece, tell);
        let id = tell.mint("access");
        let place = self.place(super::deck::Spot::Nowhere, None, tell);
        let labware = self.deck.piece(piece).map(|piece| piece.name.clone());
        let plate = culture.as_ref().map(|culture| culture.plate_id.clone());
        let about = subject(&crate::event::liquid::Place { plate, labware, ..place });
        let body = AccessStarted {
            run: None,
            access_id: id.clone(),
            observed_by: "robot",
            elapsed_s: None,
            cycle: None,
            cultivation: culture.clone(),
        };
        tell.tell(Body::AccessStarted(body), about);
        self.state.access = Some(Access { id: id.clone(), arm, piece, culture, started: tell.at, last: tell.at });
        Some(id)
    }

    /// The access in which an arm works now.
    pub fn access_of(&self, arm: Arm) -> Option<String> {
        self.state.access.as_ref().filter(|access| access.arm == arm).map(|access| access.id.clone())
    }

    /// Whether the arm over a cultivation has had no command for long.
    pub fn access_is_silent(&self, now: Timestamp) -> bool {
        let silence = SignedDuration::try_from(SILENCE).unwrap_or(SignedDuration::MAX);
        self.state.access.as_ref().is_some_and(|access| now.duration_since(access.last) >= silence)
    }

    /// The arm was not heard of for long: it left at its last command.
    pub fn access_fell_silent(&mut self, tell: &mut Teller<'_>) {
        if let Some(last) = self.state.access.as_ref().map(|access| access.last) {
            self.end_access("silence", last, tell);
        }
    }

    /// Ends the access, if there is one.
    pub fn end_access(&mut self, reason: &'static str, at: Timestamp, tell: &mut Teller<'_>) {
        let Some(access) = self.state.access.take() else { return };
        let labware = self.deck.piece(access.piece).map(|piece| piece.name.clone());
        let plate = access.culture.as_ref().map(|culture| culture.plate_id.clone());
        let place = self.place(super::deck::Spot::Nowhere, None, tell);
        let about = subject(&crate::event::liquid::Place { plate, labware, ..place });
        let body = AccessEnded {
            run: None,
            access_id: access.id,
            observed_by: "robot",
            elapsed_s: None,
            duration_s: Some(at.duration_since(access.started).as_secs_f64()),
            cycle: None,
            cultivation: access.culture,
            reason: Some(reason),
        };
        tell.tell_at(Body::AccessEnded(body), about, at);
    }
}
