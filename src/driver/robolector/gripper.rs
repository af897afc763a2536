//! Plates that the gripper takes and puts down, and barcodes.

use instrument_proto::geometry::Position;
use serde::{Deserialize, Serialize};

use super::action::Done;
use super::deck::{millimetres, subject};
use super::robot::Robot;
use super::telling::Teller;
use crate::event::body::Body;
use crate::event::labware::{BarcodeRead, DeckPlace, PlateLoaded, PlateMoved, PlateRemoved};
use crate::event::liquid::{ModuleError, Outcome, Place};
use crate::event::{Subject, cultivation::Plate};

/// What the gripper holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Held {
    /// The labware, where configured labware stood there.
    piece: Option<u8>,
    from: Position,
    /// From which side it was gripped, in quarter turns.
    direction: Option<u8>,
    outcome: Outcome,
}

impl Robot {
    fn about_plate(&self, piece: Option<u8>, plate: Option<&Plate>) -> Subject {
        let labware = piece.and_then(|piece| self.deck.piece(piece)).map(|piece| piece.name.clone());
        subject(&Place { plate: plate.map(|plate| plate.id.clone()), labware, ..super::transfer::nowhere() })
    }

    fn deck_place(&self, at: Position) -> DeckPlace {
        let labware = self.deck.laid_out(at).and_then(|piece| self.deck.piece(piece));
        DeckPlace { labware: labware.map(|piece| piece.name.clone()), position: Some(millimetres(at)) }
    }

    fn plate(&self, piece: Option<u8>, tell: &Teller<'_>) -> Option<Plate> {
        self.deck.plate(&self.state.standing, piece?, tell.source)
    }

    /// Takes a plate. Only when it is put down does anybody know where it went; a failure leaves it where it was.
    pub(super) fn grip(
        &mut self,
        at: Position,
        direction: Option<u8>,
        errors: &[ModuleError],
        done: &Done,
        tell: &mut Teller<'_>,
    ) {
        if !errors.is_empty() {
            return self.gripper_failed(at, errors, tell);
        }
        let piece = self.deck.gripped(&self.state.standing, at);
        self.state.gripper = Some(Held { piece, from: at, direction, outcome: done.outcome });
    }

    pub(super) fn release(
        &mut self,
        at: Position,
        direction: Option<u8>,
        errors: &[ModuleError],
        done: &Done,
        tell: &mut Teller<'_>,
    ) {
        if !errors.is_empty() {
            return self.gripper_failed(at, errors, tell);
        }
        let outcome = match &self.state.gripper {
            Some(held) if held.outcome == Outcome::Unknown => Outcome::Unknown,
            _ => done.outcome,
        };
        let to = self.deck_place(at);
        let Some(held) =
            self.state.gripper.take().filter(|held| held.piece.is_some() || self.deck.laid_out(at).is_none())
        else {
            return self.loaded(at, to, outcome, tell);
        };
        let plate = self.plate(held.piece, tell);
        let quarters = match (held.direction, direction) {
            (Some(from), Some(to)) => (to + 4 - from % 4) % 4,
            _ => 0,
        };
        let about = self.about_plate(held.piece, plate.as_ref());
        let body = PlateMoved {
            plate,
            labware: held.piece.and_then(|piece| self.deck.piece(piece)).map(|piece| piece.name.clone()),
            from: self.deck_place(held.from),
            to: Some(to),
            rotated_degrees: (quarters > 0).then_some(u16::from(quarters) * 90),
            by: "gripper",
            outcome,
            errors: Vec::new(),
        };
        if let Some(piece) = held.piece {
            self.deck.put(&mut self.state.standing, piece, at, quarters);
        }
        tell.tell(Body::PlateMoved(body), about);
    }

    /// Something that was no known plate was put where a plate belongs.
    fn loaded(&mut self, at: Position, place: DeckPlace, outcome: Outcome, tell: &mut Teller<'_>) {
        let piece = self.deck.laid_out(at);
        if let Some(piece) = piece {
            self.deck.replace(&mut self.state.standing, piece);
            self.balances.forget(piece);
        }
        let plate = self.plate(piece, tell);
        let about = self.about_plate(piece, plate.as_ref());
        tell.tell(Body::PlateLoaded(PlateLoaded { plate, place, by: "gripper", outcome }), about);
    }

    /// The gripper starts anew: what it held is nowhere that is known.
    pub(super) fn gripper_reset(&mut self, tell: &mut Teller<'_>) {
        let text = "the gripper was initialised while it held the plate".to_owned();
        self.gripper_lost("gripped-and-lost", text, Vec::new(), Outcome::Unknown, tell);
    }

    fn gripper_lost(
        &mut self,
        reason: &'static str,
        text: String,
        errors: Vec<ModuleError>,
        outcome: Outcome,
        tell: &mut Teller<'_>,
    ) {
        let Some(held) = self.state.gripper.take() else { return };
        let plate = self.plate(held.piece, tell);
        let about = self.about_plate(held.piece, plate.as_ref());
        let labware = held.piece.and_then(|piece| self.deck.piece(piece)).map(|piece| piece.name.clone());
        let from = self.deck_place(held.from);
        if let Some(piece) = held.piece {
            self.deck.take(&mut self.state.standing, piece);
        }
        let body = PlateRemoved { plate, labware, from, reason, text, errors, outcome };
        tell.tell(Body::PlateRemoved(body), about);
    }

    /// A move of the gripper failed. A plate that is reported as lost is on no known place any more.
    fn gripper_failed(&mut self, at: Position, errors: &[ModuleError], tell: &mut Teller<'_>) {
        const ELEMENT_LOST: u16 = 23;
        let lost = errors.iter().find(|error| error.code == ELEMENT_LOST);
        if let (Some(error), Some(_)) = (lost, &self.state.gripper) {
            let text = error.text.clone();
            return self.gripper_lost("gripped-and-lost", text, errors.to_vec(), Outcome::Failed, tell);
        }
        let piece =
            self.state.gripper.as_ref().map_or_else(|| self.deck.gripped(&self.state.standing, at), |held| held.piece);
        let from = self.state.gripper.as_ref().map_or(at, |held| held.from);
        let plate = self.plate(piece, tell);
        let about = self.about_plate(piece, plate.as_ref());
        let body = PlateMoved {
            plate,
            labware: piece.and_then(|piece| self.deck.piece(piece)).map(|piece| piece.name.clone()),
            from: self.deck_place(from),
            to: self.state.gripper.is_some().then(|| self.deck_place(at)),
            rotated_degrees: None,
            by: "gripper",
            outcome: Outcome::Failed,
            errors: errors.to_vec(),
        };
        tell.tell(Body::PlateMoved(body), about);
    }

    /// Barcodes were looked for.
    pub(super) fn barcodes(
        &mut self,
        reader: &str,
        place: Option<&str>,
        codes: &[Option<String>],
        errors: &[ModuleError],
        tell: &mut Teller<'_>,
    ) {
        for (number, code) in (1..).zip(codes) {
            // Placeholders are no barcode.
            let code = code.as_deref().filter(|code| !code.to_ascii_lowercase().contains("unknown"));
            let piece = code.and_then(|code| self.deck.with_barcode(&self.state.standing, code));
            if let (Some(piece), Some(code)) = (piece, code) {
                self.deck.barcode_read(&mut self.state.standing, piece, code);
            }
            let plate = self.plate(piece, tell);
            let about = self.about_plate(piece, plate.as_ref());
            let instrument_place = match (place, codes.len()) {
                (None, 1) => None,
                (None, _) => Some(format!("position {number}")),
                (Some(place), 1) => Some(place.to_owned()),
                (Some(place), _) => Some(format!("{place}, position {number}")),
            };
            let body = BarcodeRead {
                barcode: code.map(str::to_owned),
                barcode_status: match (code, errors.is_empty()) {
                    (Some(_), _) => "read",
                    (None, true) => "none",
                    (None, false) => "no-read",
                },
                labware: piece.and_then(|piece| self.deck.piece(piece)).map(|piece| piece.name.clone()),
                instrument_place,
                reader: reader.to_owned(),
                errors: errors.to_vec(),
            };
            tell.tell(Body::BarcodeRead(body), about);
        }
    }
}
