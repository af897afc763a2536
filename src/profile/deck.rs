//! The deck: which labware stands where on a robot, as the configuration of a device says.

use std::path::PathBuf;

use super::robolector::{LabwareType, LiquidClass};
use crate::config::values::Choice;
use crate::event::DeviceId;

/// What the configuration says of a robot's deck, with all names looked up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeckSettings {
    /// What stands on it, by name.
    pub labware: Vec<Labware>,
    /// The liquid class by which volumes are corrected, where no worklist names one.
    pub liquid_class: Option<(String, LiquidClass)>,
    /// Worklists, which a link reads: the driver gets them as inputs of the source
    /// [`WORKLISTS`](crate::driver::WORKLISTS).
    pub worklists: Vec<PathBuf>,
}

/// One thing on the deck.
#[derive(Debug, Clone, PartialEq)]
pub struct Labware {
    /// Its name in the configuration.
    pub name: String,
    /// The name of its type.
    pub type_name: String,
    /// Its geometry.
    pub geometry: LabwareType,
    /// Where `anchor` is, in the robot's own coordinates: from left to right, in millimetres.
    pub x_mm: f64,
    /// Where `anchor` is: from front to back, in millimetres.
    pub y_mm: f64,
    /// What stands at `x_mm`, `y_mm`.
    pub anchor: Anchor,
    /// How it is turned.
    pub rotation: Rotation,
    /// What it is for.
    pub role: Role,
    /// The device whose cultivation it is; there for the role `cultivation` and no other.
    pub cultivation_device: Option<DeviceId>,
    /// The id of the plate, where the configuration names it.
    pub plate_id: Option<String>,
    /// Its barcode, where the configuration names it.
    pub barcode: Option<String>,
}

impl Labware {
    /// The device whose culture grows in it.
    pub fn culture(&self) -> Option<&DeviceId> {
        self.cultivation_device.as_ref().filter(|_| self.role == Role::Cultivation)
    }

    /// The centre of a well, counted from 0, in the robot's coordinates, in millimetres.
    pub fn well_centre(&self, row: u8, column: u8) -> (f64, f64) {
        let kind = &self.geometry;
        let along = f64::from(column) * kind.pitch_mm;
        let down = f64::from(row) * kind.pitch_mm;
        // From A01 to the well, and from the corner to A01, as the labware stands.
        let ((dx, dy), (a1_x, a1_y)) = match self.rotation {
            Rotation::None => ((along, -down), (kind.a1_x_mm, kind.width_mm - kind.a1_y_mm)),
            Rotation::Quarter => ((down, along), (kind.a1_y_mm, kind.a1_x_mm)),
            Rotation::Half => ((-along, down), (kind.length_mm - kind.a1_x_mm, kind.a1_y_mm)),
            Rotation::ThreeQuarters => ((-down, -along), (kind.width_mm - kind.a1_y_mm, kind.length_mm - kind.a1_x_mm)),
        };
        let (a1_x, a1_y) = match self.anchor {
            Anchor::Corner => (a1_x, a1_y),
            Anchor::A01 => (0.0, 0.0),
        };
        (self.x_mm + a1_x + dx, self.y_mm + a1_y + dy)
    }

    /// The rectangle, from its smallest to its largest coordinates, in which a position can mean one of the wells.
    pub fn reach(&self) -> ((f64, f64), (f64, f64)) {
        let (kind, margin) = (&self.geometry, self.geometry.tolerance_mm);
        let (ax, ay) = self.well_centre(0, 0);
        let (bx, by) = self.well_centre(kind.rows.saturating_sub(1), kind.columns.saturating_sub(1));
        ((ax.min(bx) - margin, ay.min(by) - margin), (ax.max(bx) + margin, ay.max(by) + margin))
    }
}

/// What of a piece of labware stands at its coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The left front corner of the footprint, as it stands.
    Corner,
    /// The centre of well A01.
    A01,
}

impl Choice for Anchor {
    const WHAT: &'static str = "point of reference";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("corner", Self::Corner, "the left front corner of the footprint, as it stands"),
        ("a01", Self::A01, "the centre of well A01, as the robot approaches it"),
    ];
}

/// How labware is turned, counter-clockwise seen from above; at `None` row A is at the back and column 1 at the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Not at all.
    None,
    /// By 90°: A01 is at the left front.
    Quarter,
    /// By 180°: A01 is at the right front.
    Half,
    /// By 270°: A01 is at the right back.
    ThreeQuarters,
}

/// What a piece of labware is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Cells grow in it.
    Cultivation,
    /// Samples are put into it.
    Sample,
    /// What is added comes from it: feed, inducer, medium.
    Source,
    /// Tips are washed in it.
    Wash,
    /// Waste.
    Waste,
    /// Tips.
    Tips,
}

impl Choice for Role {
    const WHAT: &'static str = "role of labware";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("cultivation", Self::Cultivation, "cells grow in it; `cultivation_device` says in which device it stands"),
        ("sample", Self::Sample, "samples are put into it"),
        ("source", Self::Source, "what is added comes from it: feed, inducer, medium"),
        ("wash", Self::Wash, "tips are washed in it"),
        ("waste", Self::Waste, "waste"),
        ("tips", Self::Tips, "tips"),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plate(rotation: Rotation, anchor: Anchor) -> Labware {
        let robot = crate::profile::shipped("robolector").expect("shipped");
        let geometry = robot.robolector().expect("a robot").labware["dwp-96"].clone();
        Labware {
            name: "p".to_owned(),
            type_name: "dwp-96".to_owned(),
            geometry,
            x_mm: 100.0,
            y_mm: 50.0,
            anchor,
            rotation,
            role: Role::Sample,
            cultivation_device: None,
            plate_id: None,
            barcode: None,
        }
    }

    #[test]
    fn a_turned_plate_stays_on_its_footprint_and_keeps_its_order() {
        for (rotation, a01, h12) in [
            (Rotation::None, (114.38, 124.24), (213.38, 61.24)),
            (Rotation::Quarter, (111.24, 64.38), (174.24, 163.38)),
            (Rotation::Half, (213.38, 61.24), (114.38, 124.24)),
            (Rotation::ThreeQuarters, (174.24, 163.38), (111.24, 64.38)),
        ] {
            let plate = plate(rotation, Anchor::Corner);
            let near = |found: (f64, f64), wanted: (f64, f64)| {
                assert!((found.0 - wanted.0).abs() < 1e-9 && (found.1 - wanted.1).abs() < 1e-9, "{found:?} {wanted:?}");
            };
            near(plate.well_centre(0, 0), a01);
            near(plate.well_centre(7, 11), h12);
        }
        assert_eq!(plate(Rotation::Half, Anchor::A01).well_centre(0, 0), (100.0, 50.0));
        assert_eq!(plate(Rotation::None, Anchor::A01).well_centre(1, 1), (109.0, 41.0));
    }
}
